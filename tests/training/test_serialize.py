"""Trees in files: loading returns the tree that was saved, or raises an error that names the file."""

import builtins
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.training import serialize

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
    ],
)
def test_what_cannot_be_saved_is_named_and_the_old_file_stays(tmp_path, tree, words):
    serialize.save(tmp_path / "t", 1)
    with pytest.raises(TypeError, match=words):
        serialize.save(tmp_path / "t", tree)
    assert serialize.load(tmp_path / "t") == 1
    assert os.listdir(tmp_path) == ["t"]


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
