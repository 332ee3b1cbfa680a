"""Tensors and models among Python's own tools: arrays, loops, dicts, copies, pickles, formatting.

What a tensor answers to one operator stands in `test_python_protocols.py`; here several meet, and models join.
"""

import copy
import pickle

import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

A = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


class Tied(nn.Module):
    """Two layers that share one matrix, a list of modules, and a constant."""

    def __init__(self):
        self.layers = [nn.Linear(2, 2, rng=0, dtype=np.float64), nn.Linear(2, 2, rng=1, dtype=np.float64)]
        self.layers[1].weight = self.layers[0].weight
        self.scale = ts.tensor(np.array(3.0))

    def __call__(self, x):
        first, second = self.layers
        return self.scale * second(ts.tanh(first(x)))


# --- arrays -------------------------------------------------------------------------------------------


def test_an_array_on_the_left_leaves_the_tape_alone():
    """array * t is one record, a Tensor, and not an object array of Tensors."""
    t = leaf(A)
    for z, slope in (
        (A * t, A),
        (t * A, A),
        (A + t, 1 + 0 * A),
        (A - t, -1 + 0 * A),
        (np.float64(2) * t, 2 + 0 * A),
    ):
        assert isinstance(z, ts.Tensor)
        assert_array_equal(ts.grad(z.sum(), t).numpy(), slope)
    assert_array_equal(ts.grad((A.T @ t).sum(), t).numpy(), np.tile(A.sum(axis=1), (2, 1)).T)


@pytest.mark.host("a tensor on a device is not converted to NumPy implicitly")
def test_asarray_is_the_values_and_no_door_to_them():
    t = ts.tensor(A)
    values = np.asarray(t)
    assert (type(values), values.dtype, values.shape) == (np.ndarray, np.float64, (3, 2))
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 9.0
    own = np.array(t)
    own[...] = 0
    assert_array_equal(t.numpy(), A)
    t.assign_(A + 1)
    assert_array_equal(values, A)


def test_masks_and_indices_may_be_arrays_or_tensors():
    t = leaf(A)
    for mask in (A > 2, ts.tensor(A > 2), t > 2):
        assert_array_equal(t[mask].numpy(), A[A > 2])
        assert_array_equal(ts.grad(t[mask].sum(), t).numpy(), A > 2)
    for rows in ([2, 0], np.array([2, 0]), ts.tensor([2, 0])):
        assert_array_equal(t[rows].numpy(), A[[2, 0]])
        assert_array_equal(t[rows, 1].numpy(), A[[2, 0], 1])


# --- loops --------------------------------------------------------------------------------------------


def test_rows_are_differentiable_and_one_record():
    t = leaf(A)
    rows = list(t)
    assert len(rows) == len(t) == 3
    assert len({row.line[0] for row in rows}) == 1
    total = sum(i * row for i, row in enumerate(rows))
    assert_array_equal(ts.grad(total.sum(), t).numpy(), [[0, 0], [1, 1], [2, 2]])
    first, *rest = t
    assert_array_equal(first.numpy(), A[0])
    assert [row.shape for row in rest] == [(2,), (2,)]
    for (a, b), expected in zip(t, A, strict=True):
        assert (a.item(), b.item()) == tuple(expected)
    assert [x.item() for x in reversed(t[:, 0])] == [5.0, 3.0, 1.0]


# --- keys ---------------------------------------------------------------------------------------------


def test_tensors_are_keys_by_identity():
    """Two tensors of equal values are two keys, and a change of value is no change of key."""
    t, twin = leaf(A), leaf(A)
    seen = {t: "t", twin: "twin"}
    t.assign_(A + 1)
    assert (seen[t], seen[twin], len({t, twin, t})) == ("t", "twin", 2)
    assert t * 1.0 not in seen
    assert hash(t) != hash(twin)


# --- copies -------------------------------------------------------------------------------------------


def through_pickle(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, through_pickle, copy.copy])
def test_a_copy_of_a_leaf_is_another_leaf(duplicate):
    t = leaf(A)
    (t * t).sum().backward()
    twin = duplicate(t)
    assert (twin.requires_grad, twin.is_leaf, twin.dtype) == (True, True, np.float64)
    assert_array_equal(twin.grad.numpy(), 2 * A)
    (twin * 3.0).sum().backward()
    assert_array_equal(t.grad.numpy(), 2 * A)
    assert_array_equal(twin.grad.numpy(), 2 * A + 3)
    for constant in (ts.tensor([1, 2]), ts.tensor(True), ts.tensor(np.float16(1.5))):
        other = duplicate(constant)
        assert (other.dtype, other.requires_grad) == (constant.dtype, False)
        assert_array_equal(other.numpy(), constant.numpy())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, through_pickle])
def test_a_copy_of_a_model_is_another_model(duplicate):
    """It computes the same, ties what was tied, and trains alone."""
    model = Tied()
    twin = duplicate(model)
    x = ts.tensor(A)
    assert_array_equal(twin(x).numpy(), model(x).numpy())
    assert twin.layers[0].weight is twin.layers[1].weight
    assert all(isinstance(p, nn.Parameter) for p in twin.parameters())
    assert [name for name, _ in twin.named_tensors()] == [name for name, _ in model.named_tensors()]

    before = model.state_dict()
    (twin(x) ** 2).mean().backward()
    assert all(p.grad is None for p in model.parameters())
    optim.SGD(twin.parameters(), lr=0.1).step()
    for name, values in model.state_dict().items():
        assert_array_equal(values, before[name])
    assert any(np.any(values != before[name]) for name, values in twin.state_dict().items())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, through_pickle])
def test_what_is_recorded_is_not_copied(duplicate):
    z = leaf(A) * 2.0
    model = Tied()
    model.last = z
    for recorded in (z, [z], {"z": z}, model):
        with pytest.raises(TypeError, match="detach"):
            duplicate(recorded)
    assert_array_equal(duplicate(z.detach()).numpy(), 2 * A)


# --- looks --------------------------------------------------------------------------------------------


def test_formats_are_those_of_numbers():
    x = leaf(2.0 / 3)
    assert f"{x:.3f} {x:8.2e} {ts.tensor(7):03d} {ts.tensor([[1.5]]):g}" == "0.667 6.67e-01 007 1.5"
    assert f"{x}" == str(x) == repr(x)
    with pytest.raises(ValueError, match="one element"):
        format(leaf(A), ".3f")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ts.tensor([1.5, 2.0]), ["1.5, 2.", "float32"]),
        (lambda: ts.tensor([1, 2]), ["[1, 2]", "int64"]),
        (lambda: ts.tensor([True]), ["True", "bool"]),
        (lambda: leaf([1.5]), ["1.5", "float64", "requires_grad"]),
        (lambda: ts.exp(leaf([0.0])), ["1.", "float64", "from exp"]),
        (lambda: nn.Parameter(np.zeros(1)), ["0.", "float64", "requires_grad"]),
    ],
)
def test_repr_shows_values_dtype_and_whether_it_records(make, words):
    shown = repr(make())
    assert all(word in shown for word in words)
    assert ("requires_grad" in shown or "from" in shown) == make().requires_grad


def test_repr_of_much_is_short():
    assert len(repr(ts.tensor(np.zeros((1000, 1000))))) < 2000
