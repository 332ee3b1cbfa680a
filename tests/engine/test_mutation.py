"""Values that change: a derivative that would need an old one is an error, never a wrong number.

Every test that expects an error has its counterpart: where no rule reads what changed, nothing is wrong,
and where the engine holds a copy, the derivative is right.
"""

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts

STALE = "changed in place"


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def constant(data):
    return ts.tensor(np.asarray(data, dtype=np.float64))


# --- tensors that change ------------------------------------------------------------------------------


def test_a_constant_that_a_rule_reads():
    x, w = constant([1.0, 2.0]), leaf([3.0, 4.0])
    y = (x * w).sum()
    x.assign_([5.0, 6.0])
    with pytest.raises(RuntimeError, match=STALE) as caught:
        y.backward()
    assert "x of multiply, float64[2]" in str(caught.value)
    assert w.grad is None


def test_a_view_of_a_constant():
    x, w = constant([[1.0, 2.0], [3.0, 4.0]]), leaf(np.ones((2, 2)))
    v = x.T
    z = (v * w).sum()
    x.assign_(np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match=STALE):
        z.backward()


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x[1:],
        lambda x: x[0],
        lambda x: x.reshape(4),
        lambda x: x.T[None].mT,
        lambda x: ts.broadcast_to(x, (3, 2, 2)),
        lambda x: ts.split(x, 2)[1],
        lambda x: next(iter(x)),
        lambda x: ts.expand_dims(x, 0),
        lambda x: +x,
    ],
)
@pytest.mark.parametrize("make", [leaf, constant])
def test_views_share_the_stamp_of_their_memory(make, view):
    x = make([[1.0, 2.0], [3.0, 4.0]])
    v = view(x)
    w = leaf(np.ones(v.shape))
    z = (v * w).sum()
    x.assign_(np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match=STALE):
        z.backward()


def test_a_view_taken_before_and_used_after_the_change():
    """The record is younger than the change: what it read is what is there."""
    x, w = constant([1.0, 2.0]), leaf([1.0, 1.0])
    v = x[::-1]
    x.assign_([5.0, 6.0])
    (v * w).sum().backward()
    assert_allclose(w.grad.numpy(), v.numpy())
    assert_allclose(w.grad.numpy(), [6.0, 5.0])


def test_an_optimizer_between_forward_and_backward():
    x, w = leaf([1.0]), leaf([2.0])
    loss = (x * w).sum()
    w.mutable()[...] -= 0.5
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward()


def test_a_parameter_that_no_needed_rule_reads():
    """For a constant x the rule of w reads x alone."""
    x, w = constant([3.0]), leaf([2.0])
    loss = (x * w).sum()
    w.mutable()[...] -= 0.5
    loss.backward()
    assert_allclose(w.grad.numpy(), [3.0])


def test_a_sum_reads_nothing():
    x, y = leaf([1.0]), leaf([2.0])
    loss = (x + y).sum()
    x.assign_([9.0])
    y.assign_([9.0])
    loss.backward()
    assert_allclose([x.grad.numpy(), y.grad.numpy()], [[1.0], [1.0]])


def test_between_two_backward_calls():
    x, w = leaf([1.0]), leaf([2.0])
    loss = (x * w).sum()
    loss.backward(retain_graph=True)
    w.assign_([3.0])
    with pytest.raises(RuntimeError, match=STALE):
        loss.backward()


def test_an_output_in_the_memory_of_an_input():
    """sqrt reads its output, which is memory of its own: changing the input harms nothing."""
    x = leaf([4.0])
    y = ts.sqrt(x).sum()
    x.assign_([100.0])
    y.backward()
    assert_allclose(x.grad.numpy(), [0.25])


def test_a_stale_value_is_refused_in_forward_mode_too():
    x = constant([1.0, 2.0])

    def f(w):
        z = x * w
        x.assign_([5.0, 6.0])
        return z

    with pytest.raises(RuntimeError, match=STALE):
        ts.jvp(f, [constant([1.0, 1.0])], [np.ones(2)])


def test_a_gradient_under_create_graph_notices_too():
    x = leaf([2.0])
    (dx,) = ts.grad((x * x * x).sum(), [x], create_graph=True)
    x.assign_([3.0])
    with pytest.raises(RuntimeError, match=STALE):
        ts.grad(dx.sum(), x)


def test_an_index_that_changes():
    x, i = leaf([1.0, 2.0, 3.0]), ts.tensor([0, 2])
    along = ts.take_along_axis(x, i).sum()
    y = x[i].sum()
    i.assign_([1, 1])
    with pytest.raises(RuntimeError, match=STALE):
        along.backward()
    with pytest.raises(RuntimeError, match=STALE):
        y.backward()


def test_one_of_a_variable_number_of_arguments():
    """Concatenation reads shapes alone."""
    x, y = leaf([1.0]), leaf([2.0])
    z = ts.concatenate([x, y])
    x.assign_([9.0])
    assert_array_equal(z.numpy(), [1.0, 2.0])
    z.sum().backward()
    assert_array_equal(y.grad.numpy(), [1.0])
