"""Ownership of memory: the caller's arrays are copied and never made read-only; results are read-only."""

import doors
import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.signature import example


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def constant(data):
    return ts.tensor(np.asarray(data, dtype=np.float64))


# --- arrays of other people ---------------------------------------------------------------------------


def frozen_view(array):
    view = array[:]
    view.flags.writeable = False
    return view


@pytest.mark.parametrize(
    "operand",
    [
        lambda a: a,
        lambda a: a[::-1][::-1],
        frozen_view,
        lambda a: np.broadcast_to(a, (2, 2)),
        lambda a: np.broadcast_to(a[None], (1, 2))[0],
        lambda a: frozen_view(frozen_view(a)),
        lambda a: np.asarray(memoryview(a).toreadonly()),
    ],
)
def test_an_array_operand_changed_by_its_owner(operand):
    a, w = np.array([1.0, 2.0]), leaf([3.0, 4.0])
    y = w * operand(a)
    a[:] = 100.0
    y.sum().backward()
    rows = y.size / 2
    assert_allclose(w.grad.numpy(), rows * np.array([1.0, 2.0]))


def test_an_array_index_and_an_array_mask_changed_by_their_owner():
    x = leaf([1.0, 2.0, 3.0])
    index, mask = np.array([0, 2]), np.array([True, False, True])
    y = x[index].sum() + (x[mask] * 10.0).sum() + ts.where(mask, x * 100.0, 0.0).sum()
    index[:], mask[:] = 1, False
    y.backward()
    assert_allclose(x.grad.numpy(), [111.0, 0.0, 111.0])


def test_the_data_of_a_parameter_as_a_constant():
    """p.data is read-only and changes all the same."""
    p, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = (w * p.data).sum()
    p.assign_([100.0, 100.0])
    y.backward()
    assert_allclose(w.grad.numpy(), [1.0, 2.0])


def test_metadata_given_as_a_list_are_copied():
    x, sections, axes = leaf(np.arange(6.0).reshape(3, 2)), [1, 2], [1, 0]
    y = ts.split(x.transpose(axes).T, sections)[2]
    sections[:], axes[:] = [0, 0], [0, 1]
    y.sum().backward()
    assert_array_equal(x.grad.numpy(), [[0, 0], [0, 0], [1, 1]])


def test_metadata_given_as_an_array_are_copied():
    """Forward mode calls the op again, with the metadata as they were."""
    x, sections = constant(np.arange(6.0)), np.array([1, 3])

    def f(x):
        parts = ts.split(x, sections)
        sections[:] = 0
        return parts

    _, tangents = ts.jvp(f, [x], [np.arange(6.0)])
    assert [t.shape for t in tangents] == [(1,), (2,), (3,)]


def returning(which):
    def itself(x, y, /):
        return (x, y)[which]

    def any_of(*arrays):
        return arrays[which]

    by_position = Primitive(itself, "(),()->()")
    by_position.linear(lambda g: g * (which == 0), lambda g: g * (which == 1))
    variable = Primitive(any_of, examples=[example("(a)", "(a)")])
    variable.joint_vjp(lambda g: [g * (which == 0), g * (which == 1)])
    return by_position.function, variable.function


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", [0, 1])
def test_an_op_that_returns_its_argument(which, kind):
    """The result is a value all the same, and what it was made of stays as it was."""
    op = returning(which)[kind]
    t, a = leaf([1.0, 2.0]), np.array([1.0, 2.0])
    z = op(*((t, a) if which else (a, t)))  # the caller's array comes back
    assert a.flags.writeable
    a[:] = 9.0
    assert_array_equal(z.numpy(), [1.0, 2.0])
    z = op(*((a, t) if which else (t, a)))  # the leaf comes back
    t.assign_([3.0, 4.0])
    if doors.NAME == "numpy":  # CuPy has no read-only arrays
        with pytest.raises(ValueError, match="read-only"):
            z.data[...] = 0.0


def test_a_callers_array_is_never_flagged():
    a, b = np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])
    w = leaf([[1.0, 1.0]])
    t = ts.tensor(a)
    for made in (a * w, w * a[:, ::-1], ts.add(a, t), w @ b, ts.where(a > 1, w, a), ts.concatenate([a, w])):
        assert isinstance(made, ts.Tensor)
    w.assign_(a)
    w.grad = t
    for array in (a, b):
        assert array.flags.writeable
        array[...] = 0.0
    assert_array_equal(t.numpy(), [[1.0, 2.0]])
    assert_array_equal(w.numpy(), [[1.0, 2.0]])


# --- what can be written to ---------------------------------------------------------------------------


@pytest.mark.parametrize("f", [lambda x: x + 1.0, lambda x: x.T, ts.exp, lambda x: x[0], ts.relu, lambda x: +x])
@pytest.mark.parametrize("make", [leaf, constant])
def test_values_are_read_only(make, f):
    data = [f(make(np.ones((2, 2)))).data] if doors.NAME == "numpy" else []  # CuPy has no read-only arrays
    for array in (*data, f(make(np.ones((2, 2)))).numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_data_is_a_view_and_numpy_a_copy_of_a_leaf():
    x = leaf([1.0, 2.0])
    view, copy, detached = x.data, x.numpy(), x.detach()
    x.assign_([3.0, 4.0])
    assert_array_equal(view, [3.0, 4.0])
    assert_array_equal(copy, [1.0, 2.0])
    assert_array_equal(detached.numpy(), [1.0, 2.0])


def test_detach_of_a_view_is_safe_from_its_base():
    x = leaf([[1.0, 2.0]])
    detached = x.T.detach()
    assert not detached.requires_grad
    x.assign_([[9.0, 9.0]])
    assert_array_equal(detached.numpy(), [[1.0], [2.0]])


def test_assign_():
    x = ts.tensor([1.0, 2.0], requires_grad=True)
    assert x.assign_(np.array([3, 4])) is x
    assert x.dtype == np.float32
    x.assign_(x * 2.0)
    assert_array_equal(x.numpy(), [6.0, 8.0])
    with pytest.raises(ValueError, match="shape"):
        x.assign_([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="shape"):
        x.assign_([[1.0, 2.0]])  # NumPy would drop the axis
    with pytest.raises(RuntimeError, match="only a leaf"):
        (x * 1.0).assign_([0.0, 0.0])
    with pytest.raises(TypeError, match="astype"):
        ts.tensor([1, 2]).assign_([0.5, 0.5])


def test_assign_of_a_view_of_itself():
    x = leaf([1.0, 2.0, 3.0])
    x.assign_(x.detach()[::-1])
    assert_array_equal(x.numpy(), [3.0, 2.0, 1.0])


def test_changing_a_detached_result_leaves_its_source_alone():
    x = leaf([1.0, 2.0])
    h = x * 2.0
    d = h.detach()
    y = (h * h).sum()
    d.assign_([0.0, 0.0])
    assert_array_equal(h.numpy(), [2.0, 4.0])
    y.backward()
    assert_allclose(x.grad.numpy(), 8 * np.array([1.0, 2.0]))


def test_changing_a_view_that_is_a_constant_leaves_its_base_alone():
    x = constant([1.0, 2.0])
    v = x[::-1]
    v.assign_([8.0, 9.0])
    assert_array_equal(x.numpy(), [1.0, 2.0])
    assert_array_equal(v.numpy(), [8.0, 9.0])
