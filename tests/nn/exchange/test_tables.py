"""The laws of every table, and what is common to all libraries: names, trees, dtypes, and errors."""

import copy
import re

import numpy as np
import pytest
from exchanged import STRUCTURES, H, I, randomised, runner

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.nn.exchange.notation import parsed
from tinygrad_seq.nn.exchange.weights import LIBRARIES

ROWS = [
    pytest.param(library, kind, id=f"{library}-{kind.__name__}")
    for library, table in LIBRARIES.items()
    for kind in table.cells
]


def eighths(module, seed=0):
    """The module, with parameters that are different multiples of 1/8, exact in float16 and in sums."""
    rng = np.random.default_rng(seed)
    numbers = iter(rng.permutation(np.arange(1, 1024)) / 8)
    for p in module.parameters():
        p.assign_(np.array([next(numbers) for _ in range(p.size)], np.float32).reshape(p.shape))
    return module


def holdable(library, module):
    """Numbers that nnx.GRUCell cannot hold are 0, and blocks that MGUCell has once are equal."""
    for cell in module.modules():
        if library.startswith("flax.nnx") and isinstance(cell, nn.ResetAfterGRUCell):
            cell.bh.assign_(np.where(np.arange(cell.bh.size) < 2 * cell.Wh.shape[0], cell.bh.numpy(), 0))
        if library == "flax.linen.MGUCell" and isinstance(cell, nn.ResetAfterGRUCell):
            for p in cell.parameters():
                r, _, n = np.split(p.numpy(), 3, axis=-1)
                p.assign_(np.concatenate([r, r, n], axis=-1))
    return module


def made(library, kind):
    fixed = LIBRARIES[library].cells[kind].fixed
    return lambda *sizes: kind(*sizes, **fixed)


@pytest.mark.parametrize(("library", "kind"), ROWS)
def test_every_block_is_read_from_one_array(library, kind):
    """And others are added to it after it was read."""
    seen = []
    for row in LIBRARIES[library].cells[kind].rows.values():
        for part in (part for line in parsed(row) for part in line):
            for gate in (gate for block in part.blocks for gate in block.gates):
                assert part.added == ((part.names[0], gate) in seen), row
                seen += [(name, gate) for name in part.names]


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize(("library", "kind"), ROWS)
def test_there_and_back_is_the_same_bit_by_bit(library, kind, structure):
    """All numbers are different; where the library has one bias for a sum, the sum is the same."""
    ours = holdable(library, eighths(runner(made(library, kind), structure)))
    other = eighths(copy.deepcopy(ours), seed=1)
    arrays = nn.to_weights(library, ours)
    assert nn.from_weights(library, arrays, other) is other
    summed = any("b+bh" in row for row in LIBRARIES[library].cells[kind].rows.values())
    for (name, p), q in zip(ours.named_parameters(), other.parameters(), strict=True):
        if not (summed and name.endswith((".b", ".bh"))):
            np.testing.assert_array_equal(p.numpy(), q.numpy(), err_msg=name)
    again = nn.to_weights(library, other)
    assert list(arrays) == list(again)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
        assert array.flags.c_contiguous, name
        assert array.flags.owndata, name


# --- the ways to give arrays ------------------------------------------------------------------------------


def parameters(module):
    return [p.numpy().copy() for p in module.parameters()]


def equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def nested(arrays, separator="/"):
    tree = {}
    for name, array in arrays.items():
        *path, last = name.split(separator)
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = array
    return tree


def test_arrays_may_be_flat_nested_or_prefixed():
    ours = randomised(runner(nn.ResetAfterGRUCell, "both in two layers"))
    arrays = nn.to_weights("flax.linen", ours)
    forms = [
        arrays,
        {name.replace("/", "."): array for name, array in arrays.items()},
        nested(arrays),
        {"params": {"encoder.rnn": nested(arrays)}},
        {f"model/cell/{name}": array for name, array in arrays.items()},
        list(nested(arrays).values()),
        {"layers": tuple(nested(arrays).values()), "none": None},
        {name: ts.tensor(array) for name, array in arrays.items()},
        {name: array.tolist() for name, array in arrays.items()},
        {name: list(array) if array.ndim == 1 else array for name, array in arrays.items()},
    ]
    expected = parameters(nn.from_weights("flax.linen", arrays, ours))
    for form in forms:
        other = runner(nn.ResetAfterGRUCell, "both in two layers")
        equal(parameters(nn.from_weights("flax.linen", form, other)), expected)


def test_lists_within_names():
    class Model(nn.Module):
        def __init__(self):
            self.layers, self.head = [nn.LSTMCell(I, H), nn.LSTMCell(H, H)], nn.LSTMCell(H, 2)

    ours, other = randomised(Model()), Model()
    tree = {
        "head": nn.to_weights("torch", ours.head),
        "layers": [nn.to_weights("torch", cell) for cell in ours.layers],
    }
    equal(parameters(nn.from_weights("torch", tree, other)), parameters(ours))


def test_what_is_no_weight_is_not_read():
    """Other fields of Equinox's cells, Flax's state of random numbers, second names of Paddle's arrays."""
    for library, more in [
        ("equinox", {"input_size": I, "hidden_size": H, "use_bias": True}),
        ("flax.nnx", {"cell": {"rngs": {"key": Unreadable()}}}),
        ("paddle", {"0.cell.weight_ih": Unreadable(), "1.cell_bw.bias_hh": Unreadable()}),
    ]:
        ours = randomised(runner(nn.LSTMCell, "one"))
        tree = nn.to_weights(library, ours) | more
        equal(parameters(nn.from_weights(library, tree, runner(nn.LSTMCell, "one"))), parameters(ours))


def test_lists_have_the_order_of_the_library():
    ours = randomised(runner(nn.LSTMCell, "both"))
    arrays = list(nn.to_weights("keras", ours).values())
    for form in (arrays, tuple(arrays), [arrays[:3], arrays[3:]]):
        equal(parameters(nn.from_weights("keras", form, runner(nn.LSTMCell, "both"))), parameters(ours))
    with pytest.raises(
        ValueError, match=r"6 arrays of Keras in this order: forward/kernel float32\[3,20\], .*got 5"
    ):
        nn.from_weights("keras", arrays[:5], ours)
    with pytest.raises(
        ValueError, match=r"forward/recurrent_kernel needs float32\[5,20\], got float32\[3,20\]"
    ):
        nn.from_weights("keras", [arrays[1], arrays[0], *arrays[2:]], ours)


@pytest.mark.parametrize("library", [name for name, table in LIBRARIES.items() if table.biasless])
def test_without_biases_they_are_0(library):
    """Both ways; but a bias that is not 0 would be lost."""
    ours = randomised(runner(nn.LSTMCell, "both in two layers"))
    for name, p in ours.named_parameters():
        if name.endswith(".b"):
            p.assign_(np.zeros(p.shape, np.float32))
    full, arrays = nn.to_weights(library, ours), nn.to_weights(library, ours, bias=False)
    assert full.keys() - arrays.keys() == {name for name in full if re.search("bias|B$", name)}
    other = randomised(copy.deepcopy(ours), seed=1)
    with pytest.raises(ValueError, match=r"in its .*LSTM.* for these .*\n  b\[0\] = (?s:.*)\n  and 69 more\n"):
        nn.to_weights(library, other, bias=False)
    equal(parameters(nn.from_weights(library, arrays, other)), parameters(ours))


def test_two_blocks_that_are_one_in_the_library():
    cell = holdable("flax.linen.MGUCell", randomised(nn.ResetAfterGRUCell(I, H)))
    nn.to_weights("flax.linen.MGUCell", cell)
    changed = cell.Wx.numpy().copy()
    changed[2, H - 1] = 7
    cell.Wx.assign_(changed)
    with pytest.raises(
        ValueError, match=rf"in its MGUCell for these numbers; .*\n  Wx\[2, {H - 1}\] = 7 of Reset.*\n  c"
    ):
        nn.to_weights("flax.linen.MGUCell", cell)


def test_numbers_that_are_not_finite_are_not_lost():
    cell = nn.LSTMCell(I, H)
    cell.b.assign_(np.full(4 * H, np.nan, np.float32))
    assert np.isnan(nn.to_weights("keras", cell)["bias"]).all()


def test_a_single_number_is_not_lost_either():
    cell = nn.LSTMCell(I, H, rng=0)
    cell.b.assign_(np.eye(1, 4 * H, 3, dtype=np.float32)[0] / 2)
    with pytest.raises(
        ValueError, match=r"in its LSTM for these numbers; .*\n  b\[3\] = 0\.5 of LSTMCell\n  change"
    ):
        nn.to_weights("torch", cell, bias=False)


@pytest.mark.parametrize("library", [name for name, table in LIBRARIES.items() if not table.biasless])
def test_a_library_whose_classes_have_biases(library):
    """They are missing, and cannot be left out: in Haiku, f has a bias of 1 where b is 0."""
    ours = holdable(library, runner(list(LIBRARIES[library].cells)[-1], "both"))
    with pytest.raises(ValueError, match="no class without biases; write bias=True"):
        nn.to_weights(library, ours, bias=False)
    arrays = nn.to_weights(library, ours)
    matrices = {name: array for name, array in arrays.items() if array.ndim == 2}
    assert len(matrices) < len(arrays)
    with pytest.raises(ValueError, match="missing: "):
        nn.from_weights(library, matrices, ours)


def test_some_biases_only_are_an_error():
    arrays = nn.to_weights("torch", runner(nn.LSTMCell, "two layers"))
    arrays = {name: array for name, array in arrays.items() if not name.startswith("bias_hh")}
    with pytest.raises(ValueError, match=r"missing: bias_hh_l0; bias_hh_l1$"):
        nn.from_weights("torch", arrays, runner(nn.LSTMCell, "two layers"))


# --- dtypes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("library", "kind"), ROWS)
def test_arrays_are_cast_by_value(library, kind):
    """float16, float64, and the other byte order, in any memory order."""
    ours = runner(made(library, kind), "both")
    arrays = nn.to_weights(library, holdable(library, eighths(ours)))
    nn.from_weights(library, arrays, ours)
    for dtype in ("<f2", ">f2", ">f4", "<f8", ">f8"):
        for order in "CF":
            cast = {name: np.array(array, dtype, order=order) for name, array in arrays.items()}
            equal(
                parameters(nn.from_weights(library, cast, runner(made(library, kind), "both"))),
                parameters(ours),
            )


def test_two_biases_are_added_in_the_dtype_of_the_parameters():
    arrays = nn.to_weights("torch", nn.LSTMCell(I, H))
    half = {name: np.full(array.shape, 40_000, np.float16) for name, array in arrays.items()}
    assert (nn.from_weights("torch", half, nn.LSTMCell(I, H)).b.numpy() == 80_000).all()


def test_numbers_that_would_become_infinite_are_refused():
    cell = randomised(nn.LSTMCell(I, H))
    before, arrays = parameters(cell), nn.to_weights("keras", nn.LSTMCell(I, H, dtype=np.float64))
    arrays["bias"][2] = -1e300
    with pytest.raises(
        ValueError, match=r"infinite in the dtype of LSTMCell; nothing was loaded; .*\n  float32: kernel,"
    ):
        nn.from_weights("keras", arrays, cell)
    equal(parameters(cell), before)
    assert nn.from_weights("keras", arrays, cell.to(dtype="float64")).b.numpy()[2] == -1e300
    arrays["bias"][2] = np.inf
    assert nn.from_weights("keras", arrays, nn.LSTMCell(I, H)).b.numpy()[2] == np.inf


def test_parameters_of_another_dtype():
    ours = nn.LSTMCell(I, H, dtype=np.float64)
    arrays = nn.to_weights("keras", ours)
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float64)}
    single = nn.from_weights("keras", arrays, nn.LSTMCell(I, H))
    np.testing.assert_array_equal(single.Wx.numpy(), ours.Wx.numpy().astype(np.float32))


@pytest.mark.exchange
def test_bfloat16_is_cast():
    bfloat16 = pytest.importorskip("ml_dtypes", reason="there is no bfloat16 for NumPy").bfloat16
    arrays = nn.to_weights("keras", eighths(nn.LSTMCell(I, H)))
    rough = {name: array.astype(bfloat16) for name, array in arrays.items()}
    cell = nn.from_weights("keras", rough, nn.LSTMCell(I, H))
    np.testing.assert_array_equal(cell.Wx.numpy(), rough["kernel"].astype(np.float32))
    assert (cell.Wx.numpy() != arrays["kernel"]).any()


# --- errors -----------------------------------------------------------------------------------------------


class Unreadable:
    shape = ()

    def __array__(self, dtype=None, copy=None):
        raise TypeError("got unsupported ScalarType BFloat16")


def test_errors_say_everything_and_nothing_is_loaded():
    rnn = randomised(runner(nn.LSTMCell, "both"))
    arrays = nn.to_weights("flax.linen", rnn)
    del arrays["forward_rnn/cell/ii/kernel"]
    arrays["forward_rnn/cell/ii/bias"] = np.zeros(H)
    arrays["backward_rnn/cell/hf/kernel"] = np.zeros((H, I))
    arrays["backward_rnn/cell/ho/bias"] = np.zeros(H, complex)
    before = parameters(rnn)
    with pytest.raises(ValueError, match="does not fit Bidirectional; nothing was loaded") as caught:
        nn.from_weights("flax.linen", {"params": nested(arrays)}, rnn)
    for words in [
        "missing: forward_rnn/cell/ii/kernel\n",
        "unexpected: forward_rnn/cell/ii/bias\n",
        "backward_rnn/cell/hf/kernel needs float32[5,5], got float64[5,3]",
        "backward_rnn/cell/ho/bias needs float32[5], got complex128[5]",
    ]:
        assert words in f"{caught.value}\n"
    equal(parameters(rnn), before)


def test_other_errors():
    cell = nn.LSTMCell(I, H)
    arrays = nn.to_weights("torch", cell)
    for library in ("caffe", None, "Keras"):
        with pytest.raises(ValueError, match=r"weights need the name of a library, chainer, .*, torch; got"):
            nn.to_weights(library, cell)
        with pytest.raises(ValueError, match="weights need the name of a library"):
            nn.from_weights(library, {}, cell)
    with pytest.raises(ValueError, match="weight_hr is the projection of proj_size, which no cell here has"):
        nn.from_weights("torch", {**arrays, "weight_hr": np.zeros((2, H))}, cell)
    with pytest.raises(TypeError, match=r"weight_ih cannot be read as a NumPy array .*BFloat16.*; convert it"):
        nn.from_weights("torch", {**arrays, "weight_ih": Unreadable()}, cell)
    for tree in (None, np.ones(3), 1.0, cell, [1.0, 2.0], iter([]), "kernel"):
        with pytest.raises(TypeError, match="weights need a dict of arrays, or nested dicts and lists, got"):
            nn.from_weights("keras", tree, cell)
    with pytest.raises(ValueError, match="two of the arrays have the same name: a/kernel, a/kernel"):
        nn.from_weights("keras", {"a": {"kernel": np.ones(2)}, "a.kernel": np.ones(2)}, cell)
    with pytest.raises(ValueError, match=r"kernel needs .*, got object"):
        nn.from_weights("keras", {"kernel": object(), "recurrent_kernel": 1, "bias": 2}, cell)
    with pytest.raises(ValueError, match=r"missing: recurrent_kernel; bias$"):
        nn.from_weights("keras", {"kernel": np.ones((I, 4 * H))}, cell)
    with pytest.raises(ValueError, match="missing: kernel; recurrent_kernel; bias"):
        nn.from_weights("keras", {}, cell)


def test_modules_that_a_library_does_not_have():
    for library, module, words in [
        (
            "keras",
            nn.MinimalGatedCell(I, H),
            "Keras needs cells that are .* or ResetAfterGRUCell .its GRU., got Min",
        ),
        ("flax.linen", nn.LearnedStart(nn.LSTMCell(I, H)), "got LearnedStart"),
        (
            "keras",
            nn.Linear(I, H),
            "needs a cell, a Recurrent, a Bidirectional, or Layers of these, got Linear",
        ),
        (
            "keras",
            nn.Bidirectional(nn.Stacked(nn.LSTMCell(I, H)), nn.LSTMCell(I, H)),
            "got LSTMCell and Stacked",
        ),
    ]:
        with pytest.raises(TypeError, match=words):
            nn.to_weights(library, module)
        with pytest.raises(TypeError, match=words):
            nn.from_weights(library, {}, module)


def test_layers_may_differ_in_kind_unless_they_are_one_network():
    mixed = nn.Layers(
        nn.Recurrent(nn.LSTMCell(I, H)), nn.Dropout(0.5), nn.Recurrent(nn.GRUCell(H, 4), reverse=True)
    )
    assert list(nn.to_weights("keras", mixed)) == [
        f"{k}/{name}" for k in range(2) for name in ("kernel", "recurrent_kernel", "bias")
    ]
