"""Tensors and Python's protocols: assignment, equality, numbers, copies, and errors that say what to write."""

import copy
import pickle

import doors
import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


A = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_setitem_is_an_error_that_names_where():
    t = leaf(A)
    with pytest.raises(TypeError, match="where"):
        t[0] = 1.0


def test_augmented_assignment():
    t = leaf(A)
    alias = t
    with pytest.raises(RuntimeError, match="assign_"):
        t += 1.0
    with pytest.raises(RuntimeError, match="assign_"):
        t *= 2.0
    u = kept = t * 1.0
    u += 1.0
    assert u is not kept
    assert_array_equal(kept.numpy(), A)
    assert_array_equal(u.numpy(), A + 1)
    assert t is alias
    c = before = ts.tensor(A)
    c -= 1.0
    assert_array_equal(before.numpy(), A)
    assert_array_equal(c.numpy(), A - 1)


def test_equality_hash_and_membership():
    t, u = leaf(A), leaf(A)
    assert_array_equal((t == u).numpy(), np.ones((2, 2), bool))
    assert_array_equal((t != 1.0).numpy(), A != 1)
    assert len({t, u, t}) == 2
    assert {t: "t"}[t] == "t"
    assert 3.0 in t
    assert 5.0 not in t
    assert t in [u, t][1:]
    assert (t == "a") is False
    assert (t != None) is True  # noqa: E711
    with pytest.raises(ValueError, match="one element"):
        assert t in [u]  # Python asks for the truth of u == t


def test_numbers():
    one = leaf([[2.5]])
    assert (float(one), int(one), bool(one), one.item(), f"{one:.3f}") == (2.5, 2, True, 2.5, "2.500")
    assert [10, 20, 30][ts.tensor(1)] == 20
    assert list(range(ts.tensor(3))) == [0, 1, 2]
    for convert in (float, int, bool, ts.Tensor.item):
        with pytest.raises(ValueError, match="one element"):
            convert(leaf(A))
    with pytest.raises(TypeError, match="integer"):
        [1, 2, 3][leaf(1.0)]
    with pytest.raises(TypeError, match="0-d"):
        len(leaf(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(leaf(1.0))


def test_numpy_gives_an_array_for_a_number_too():
    t = leaf(2.0) * 1.0
    assert type(t.numpy()) is np.ndarray
    assert type(t.data) is type(doors.placed(1.0))
    assert t.numpy().shape == ()


@pytest.mark.parametrize(
    "f",
    [
        lambda t: t.T,
        lambda t: t.mT,
        lambda t: t.reshape(1, 4),
        lambda t: t.reshape((1, 4)),
        lambda t: t.reshape(-1),
        lambda t: t.transpose(),
        lambda t: t.transpose(1, 0),
        lambda t: t.transpose((1, 0)),
        lambda t: t.sum(),
        lambda t: t.sum(0),
        lambda t: t.mean(axis=1, keepdims=True),
        lambda t: t.max(),
        lambda t: t.argmax(1),
        lambda t: t.swapaxes(0, 1),
        lambda t: t[None].squeeze(0),
        lambda t: t.take([0, 1, 1], 1),
        lambda t: t.take([0, 3]),
        lambda t: t.astype(int),
        lambda t: abs(-t),
        lambda t: +t,
    ],
)
def test_methods_are_numpys(f):
    z = f(leaf(A))
    assert isinstance(z, ts.Tensor)
    assert_array_equal(z.numpy(), f(A))


def test_copies_and_pickles_of_leaves():
    t = leaf(A)
    t.grad = ts.tensor(A)
    for twin in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert_array_equal(twin.numpy(), A)
        assert_array_equal(twin.grad.numpy(), A)
        assert twin.requires_grad
        twin.assign_(A + 1)
    assert_array_equal(t.numpy(), A)
    for duplicate in (copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="detach"):
            duplicate(t * 2.0)


def test_repr_says_what_it_is():
    assert repr(ts.tensor([1.0, 2.0])) == f"tensor([1., 2.], float32, {doors.DEVICE})"
    assert repr(leaf([1.0])) == f"tensor([1.], float64, {doors.DEVICE}, requires_grad)"
    assert repr(leaf([1.0]) * 2.0) == f"tensor([2.], float64, {doors.DEVICE}, from multiply)"


def test_devices():
    assert leaf(1.0).device == doors.DEVICE
    with pytest.raises(ValueError, match=r'"cuda:1"'):
        ts.tensor(1.0, device="gpu")
