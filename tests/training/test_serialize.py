"""Trees in files: loading returns the tree that was saved, or raises an error that names the file."""

import builtins
import json
import os
import pickle
import struct
from collections import namedtuple
from enum import IntEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.training import Learner, serialize, train
from tinygrad_seq.training.checkpoints import CHECKPOINT

safetensors_numpy = pytest.importorskip("safetensors.numpy")


def same(a, b):
    """Whether two trees are equal in kind and content."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, ts.Tensor)):
        x, y = (t.numpy() if isinstance(t, ts.Tensor) else t for t in (a, b))
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b or (a != a and b != b)


class Kind(IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


Pair = namedtuple("Pair", "left right")


dtypes = st.one_of(hnp.floating_dtypes(sizes=(16, 32, 64)), hnp.integer_dtypes(), hnp.boolean_dtypes())
arrays = hnp.arrays(
    dtypes.map(lambda d: d.newbyteorder("=")), hnp.array_shapes(min_dims=0, min_side=0, max_side=3)
)
plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
trees = st.recursive(
    st.one_of(plain, arrays, arrays.map(ts.tensor)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(tree=trees)
def test_what_is_loaded_is_what_was_saved(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("tree") / "file"
    serialize.save(path, tree)
    assert same(serialize.load(path), tree)
    assert os.listdir(path.parent) == ["file"]


def test_names_that_collide_and_views_and_foreign_byte_order(tmp_path):
    base = np.arange(12.0).reshape(3, 4)
    tree = {"a/b": base.T, "a": {"b": base[::-1, ::2]}, "big": base.astype(">f8"), "1": base[0], 1: base[1]}
    serialize.save(tmp_path / "t", tree)
    loaded = serialize.load(tmp_path / "t")
    assert (loaded["a/b"] == base.T).all()
    assert (loaded["a"]["b"] == base[::-1, ::2]).all()
    assert (loaded["big"] == base).all()
    assert (loaded["1"] == base[0]).all()
    assert (loaded[1] == base[1]).all()
    assert all(a.flags.writeable for a in (loaded["a/b"], loaded[1]))


def test_three_names_that_collide(tmp_path):
    tree = {"a/b/c": np.zeros(1), "a": {"b/c": np.ones(2)}, "a/b": {"c": np.full(3, 2.0)}}
    serialize.save(tmp_path / "t", tree)
    assert same(serialize.load(tmp_path / "t"), tree)


def test_tensors_come_back_as_leaves(tmp_path):
    p = nn.Parameter(np.ones(2, np.float32))
    serialize.save(tmp_path / "t", [p, p * 2, ts.tensor([1, 2])])
    leaf, computed, ints = serialize.load(tmp_path / "t")
    assert [t.requires_grad for t in (leaf, computed, ints)] == [True, False, False]
    assert all(t.is_leaf for t in (leaf, computed, ints))
    leaf.sum().backward()


def test_the_state_of_a_generator_comes_back(tmp_path):
    rng = np.random.default_rng(3)
    rng.random(5)
    serialize.save(tmp_path / "rng", rng.bit_generator.state)
    other = np.random.default_rng(0)
    other.bit_generator.state = serialize.load(tmp_path / "rng")
    assert (other.random(10) == rng.random(10)).all()


def test_other_programs_find_the_arrays_under_their_names(tmp_path):
    model = nn.Linear(3, 2, rng=0)
    serialize.save(tmp_path / "m.safetensors", model.state_dict())
    found = safetensors_numpy.load_file(tmp_path / "m.safetensors")
    assert found.keys() == {"weight", "bias"}
    assert (found["weight"] == model.weight.numpy()).all()
    other = nn.Linear(3, 2, rng=1)
    other.load_state_dict(serialize.load(tmp_path / "m.safetensors"))
    assert (other.weight.numpy() == model.weight.numpy()).all()


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"a": [1, {2}]}, "a/1 is a set"),
        ({"a": {1.5: 2}}, "a is a dict with keys"),
        (np.float32(1.0), "the tree is a float32"),
        ([np.array(["x"])], "0 is <U1"),
        ({"z": np.zeros(2, complex)}, "z is complex128"),
        (lambda: 0, "the tree is a function"),
        ({"a": Kind.ONE}, "a is a Kind"),  # a subclass would come back as its base class
        (["b", Text("x")], "1 is a Text"),
        ({"p": Pair(1, 2)}, "p is a Pair"),
        ({True: 1}, "the tree is a dict with keys"),
        ({Text("x"): 1}, "the tree is a dict with keys"),
        pytest.param(
            np.zeros(2, np.longdouble),
            "only floats, integers and booleans can be saved",
            marks=pytest.mark.skipif(np.longdouble(0).itemsize <= 8, reason="it is float64 here"),
        ),
    ],
)
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(tmp_path, tree, words):
    serialize.save(tmp_path / "t", 1)
    with pytest.raises(TypeError, match=words):
        serialize.save(tmp_path / "t", tree)
    assert serialize.load(tmp_path / "t") == 1
    assert os.listdir(tmp_path) == ["t"]


# --- the bytes of the file ----------------------------------------------------------------------------


def plain(path):
    """The arrays of a safetensors file: the length of the header, the header in JSON, the bytes."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    dtypes = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I16": "<i2", "BOOL": "?"}
    found = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        found[name] = np.frombuffer(content[first:last], dtypes[entry["dtype"]]).reshape(entry["shape"])
    return found


def orders():
    """The same numbers in memory of every order: name -> array, and the numbers."""
    rows = np.arange(24.0).reshape(4, 6)
    wide = np.full((8, 18), -1.0)
    wide[::2, 1::3] = rows
    return {
        "rows": rows,
        "transposed": np.array(rows.T, order="C").T,
        "Fortran": np.asfortranarray(rows),
        "strided": wide[::2, 1::3],
        "backwards": np.array(rows[::-1, ::-1])[::-1, ::-1],
        "one row": np.broadcast_to(rows[1], (4, 6)),
        "big-endian": rows.astype(">f8"),
        "big-endian, transposed": np.array(rows.T, order="C").T.astype(">f8", order="K"),
        "float16, Fortran": np.asfortranarray(rows.astype(np.float16)),
        "integers, transposed": np.array(rows.T.astype(">i2"), order="C").T,
        "booleans, transposed": np.array(rows.T > 11, order="C").T,
        "three axes": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    }


@pytest.mark.parametrize("kind", ["arrays", "tensors", "parameters"])
def test_arrays_of_any_order_in_memory_are_saved_row_by_row(tmp_path, kind):
    """safetensors 0.8.0 writes memory as it lies, whatever the strides; 0.4.5 to 0.7.0 did not."""
    tree = orders()
    if kind == "tensors":
        tree = {name: ts.tensor(array) for name, array in tree.items()}
        tree["transposed"], tree["strided"] = ts.tensor(orders()["rows"].T).T, ts.tensor(np.arange(48.0))[::2]
    if kind == "parameters":
        tree = {name: nn.Parameter(array) for name, array in tree.items() if array.dtype.kind == "f"}
    expected = {name: np.array(a.numpy() if kind != "arrays" else a) for name, a in tree.items()}
    serialize.save(tmp_path / "t", tree)
    found = plain(tmp_path / "t")
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype.newbyteorder("=")
        assert found[name].tolist() == array.tolist()


@pytest.mark.host("what is copied from a device is in rows")
def test_states_of_models_lie_row_by_row_for_other_writers(tmp_path):
    """safetensors may write them without us: the state of a model, and the weights for another library."""
    columns = ts.tensor(np.arange(24.0).reshape(4, 6))[:, [5, 0, 2]]
    assert not columns.numpy().flags.c_contiguous
    model = nn.Linear(4, 3, rng=0)
    model.weight = columns
    rows = columns.numpy().tolist()
    for state, expected in (
        (model.state_dict(), rows),
        (nn.to_torch(model), list(map(list, zip(*rows, strict=True)))),
    ):
        safetensors_numpy.save_file(state, tmp_path / "t")
        assert plain(tmp_path / "t")["weight"].tolist() == expected


def test_checkpoints_and_models_are_saved_row_by_row(tmp_path):
    class Turned(Learner):
        """A model whose arrays lie in memory in columns, and a state that holds a view."""

        def build(self, rng):
            return nn.Linear(3, 4, rng=rng)

        def state_dict(self):
            weight = np.array(self.model.weight.numpy().T, order="C").T
            return super().state_dict() | {"turned": weight, "big": weight.astype(">f4", order="K")}

        def load_state_dict(self, state):
            super().load_state_dict({name: state[name] for name in state.keys() - {"turned", "big"}})

        def loss(self):
            return self.model(self.rng.standard_normal((2, 3), np.float32)).sum()

    task = Turned(tmp_path)
    train(task, tmp_path, 2)
    found = plain(tmp_path / CHECKPOINT)
    weight = task.model.weight.numpy().tolist()
    assert [found[f"task/{name}"].tolist() for name in ("model/weight", "turned", "big")] == [weight] * 3


# --- files of other programs --------------------------------------------------------------------------


def foreign(path, entries, **header):
    """Write a safetensors file by the definition of the format; entries: name -> (dtype, shape, bytes)."""
    content = b""
    for name, (dtype, shape, data) in entries.items():
        span = [len(content), len(content) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": span}
        content += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


def test_a_file_of_another_program_is_a_dict_of_its_arrays_in_its_order(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "z": rng.normal(size=(2, 3)),
        "a": rng.normal(size=(3,)).astype(np.float32),
        "m.0": rng.normal(size=()).astype(np.float16),
        "counts": rng.integers(-100, 100, (2, 2), np.int16),
        "bytes": rng.integers(0, 255, 5, np.uint8),
        "mask": np.array([True, False]),
        "none": np.zeros((0, 3), np.int64),
    }
    codes = ["F64", "F32", "F16", "I16", "U8", "BOOL", "I64"]
    if "C64" in safetensors_numpy._TYPES:  # not in its older versions
        arrays["complex"] = np.array([1 + 2j], np.complex64)
        codes.append("C64")
    stored = zip(arrays.items(), codes, strict=True)
    entries = {
        name: (code, list(a.shape), a.astype(a.dtype.newbyteorder("<")).tobytes()) for (name, a), code in stored
    }
    for header in ({}, *({"__metadata__": metadata} for metadata in (None, {}, {"format": "pt"}))):
        foreign(tmp_path / "other", entries, **header)
        found = serialize.load(tmp_path / "other", foreign=True)
        assert same(found, arrays)
        assert all(array.flags.writeable for array in found.values())


def test_the_error_says_that_a_file_is_not_ours(tmp_path):
    foreign(tmp_path / "file.safetensors", {"w": ("F32", [1], bytes(4))}, __metadata__={"format": "pt"})
    words = refused(tmp_path / "file.safetensors")
    assert "was not written by ts.save" in words
    assert "ts.load(path, foreign=True) reads the arrays" in words


def test_a_file_of_ours_is_a_tree_with_foreign_too_and_its_damage_is_noticed(tmp_path):
    path, tree = tmp_path / "file", {"w": np.arange(6.0), "n": (3, None)}
    serialize.save(path, tree)
    assert same(serialize.load(path, foreign=True), tree)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checksum does not match"):
        serialize.load(path, foreign=True)
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="truncated or damaged"):
        serialize.load(path, foreign=True)


def test_bfloat16_becomes_float32_exactly(tmp_path):
    """Every bfloat16 there is: 1 sign, 8 exponent and 7 fraction bits, decoded by their definition."""
    bits = np.arange(2**16, dtype="<u2")
    foreign(tmp_path / "other", {"w": ("BF16", [256, 256], bits.tobytes())})
    found = serialize.load(tmp_path / "other", foreign=True)["w"]
    assert found.shape == (256, 256)
    assert found.dtype == np.float32
    sign, exponent, fraction = bits >> 15, (bits >> 7 & 255).astype(int), (bits & 127) / 128
    normal = np.ldexp(1 + fraction, exponent - 127)
    size = np.where(exponent > 0, normal, np.ldexp(fraction, -126))
    size = np.where(exponent == 255, np.where(fraction > 0, np.nan, np.inf), size)
    expected = np.where(sign == 1, -size, size)
    np.testing.assert_array_equal(found.ravel(), expected)
    assert (np.signbit(found.ravel()) == (sign == 1)).all()


def test_dtypes_that_numpy_lacks_are_refused_by_name(tmp_path):
    entries = {
        "w": ("F32", [1], bytes(4)),
        "layer.scale": ("F8_E4M3", [2], bytes(2)),
        "half": ("BF16", [1], bytes(2)),
        "head": ("F8_E5M2", [2, 1], bytes(2)),
    }
    foreign(tmp_path / "file.safetensors", entries)
    with pytest.raises(ValueError, match=r"file\.safetensors has .*: head .F8_E5M2., layer\.scale .F8_E4M3.;"):
        serialize.load(tmp_path / "file.safetensors", foreign=True)


# --- damage -------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.safetensors"
    serialize.save(path, {"w": np.arange(6.0), "n": 3})
    return path


def refused(path):
    with pytest.raises(ValueError, match=r"file\.safetensors") as caught:
        serialize.load(path)
    return str(caught.value)


def test_a_file_truncated_anywhere_is_an_error(file):
    content = file.read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        refused(file)


def test_a_file_with_any_byte_changed_is_an_error(file):
    content = file.read_bytes()
    for i in range(len(content)):
        spoilt = bytearray(content)
        spoilt[i] ^= 1
        file.write_bytes(spoilt)
        refused(file)
    file.write_bytes(content + b"0")
    refused(file)


@pytest.mark.parametrize("change", [lambda a: a.view(np.int64), lambda a: a.reshape(2, 2)])
def test_the_same_bytes_in_another_shape_or_dtype_are_an_error(tmp_path, change):
    """The checksum covers the shapes and dtypes, which the header of the file states."""
    path = tmp_path / "file"
    ts.save(path, {"w": np.arange(4.0)})
    with pytest.importorskip("safetensors").safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: change(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    safetensors_numpy.save_file(arrays, path, metadata)
    with pytest.raises(ValueError, match="checksum does not match"):
        ts.load(path)


def test_a_foreign_file_is_an_error(file):
    for content in (b"", b"hello", pickle.dumps(1), struct.pack("<Q", 2) + b"{}", os.urandom(1000)):
        file.write_bytes(content)
        refused(file)
    safetensors_numpy.save_file({"w": np.zeros(2)}, file)
    assert "not written by ts.save" in refused(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        serialize.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        serialize.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        serialize.save(tmp_path / "absent" / "file", 1)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_interrupted_save_leaves_the_old_file(file, monkeypatch, call):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, call, stop)
    with pytest.raises(KeyboardInterrupt):
        serialize.save(file, "new")
    monkeypatch.undo()
    assert serialize.load(file)["n"] == 3
    assert os.listdir(file.parent) == [file.name]


def test_without_safetensors_the_error_says_how_to_install_it(file, monkeypatch):
    original = builtins.__import__

    def missing(name, *args, **kwargs):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    for call in (lambda: serialize.load(file), lambda: serialize.save(file, 1)):
        with pytest.raises(ModuleNotFoundError) as caught:
            call()
        assert "pip install" in caught.value.__notes__[0]


# --- content that is wrong although its checksum is right ---------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "{}",
        '{"array": "absent"}',
        '{"array": 3}',
        '{"array": "w", "more": 1}',
        '{"tensor": "w"}',
        '{"tensor": "w", "requires_grad": 1}',
        '{"tensor": "n", "requires_grad": true}',
        '{"set": []}',
        '{"list": 3}',
        '{"tuple": {"a": 1}}',
        '{"dict": [["a"]]}',
        '{"dict": [[["a"], 1]]}',
        '{"dict": {"a": 1}}',
        '{"list": ' * 5000 + "[]" + "}" * 5000,
    ],
)
def test_metadata_that_describe_no_tree_are_an_error(tmp_path, text):
    arrays = {"w": np.zeros(2, np.float32), "n": np.zeros(2, np.int64)}
    metadata = {serialize.FORMAT: f"{serialize._digest(text, arrays)} {text}"}
    serialize.write(tmp_path / "file.safetensors", safetensors_numpy.save(arrays, metadata))
    assert "are not a tree of its arrays" in refused(tmp_path / "file.safetensors")
