"""The reverse pass on graphs of every shape, and what backward and grad promise about leaves."""

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import Primitive


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


# --- shapes of graphs ---------------------------------------------------------------------------------


def test_a_diamond_adds_the_shares_of_its_two_sides():
    x = leaf([2.0, 3.0])
    h = x * x  # h = x^2, y = h^2 + 3 h, dy/dx = (2 h + 3) 2 x
    (h * h + 3.0 * h).sum().backward()
    assert_allclose(x.grad.numpy(), [(2 * 4 + 3) * 4, (2 * 9 + 3) * 6])


def test_diamonds_behind_diamonds():
    """The gradient of a shared node is complete before it is passed on, or 3^5 would come out smaller."""
    x = leaf(1.0)
    h = x
    for _ in range(5):
        h = h + (h + h)
    h.backward()
    assert x.grad.item() == 3**5


def test_a_sum_of_shares_that_is_passed_on_is_not_added_into():
    """h hands the array in which its own shares were added up to a and to b; a then receives more."""
    x, y = leaf([1.0, 1.0]), leaf([1.0, 1.0])
    a, b = x * 1.0, y * 1.0
    more = a * 5.0  # older than h: its share arrives at a after h's
    h = a + b
    (more + (h + h * 1.0)).sum().backward()
    assert_allclose(x.grad.numpy(), [7.0, 7.0])
    assert_allclose(y.grad.numpy(), [2.0, 2.0])


def test_a_tensor_used_twice_in_one_op():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    (x * x).sum().backward()
    assert_allclose(x.grad.numpy(), 2 * x.numpy())
    x.zero_grad()
    (x @ x).sum().backward()  # d sum(XX) = 1 X' + X' 1
    ones = np.ones((2, 2))
    assert_allclose(x.grad.numpy(), ones @ x.numpy().T + x.numpy().T @ ones)
    x.zero_grad()
    ts.concatenate([x, x]).sum().backward()
    assert_allclose(x.grad.numpy(), 2 * ones)


def test_outputs_that_feed_nothing():
    x = leaf([1.0, 2.0])
    ts.exp(x)  # dropped
    kept = x * 5.0  # kept, but no part of the loss
    (x * 2.0).sum().backward()
    assert_allclose(x.grad.numpy(), [2.0, 2.0])
    kept.sum().backward()  # and its tape is whole
    assert_allclose(x.grad.numpy(), [7.0, 7.0])


def test_several_outputs_some_unused():
    x = leaf(np.arange(6.0))
    _, middle, _ = ts.split(x, 3)
    (middle * 3.0).sum().backward()
    assert_allclose(x.grad.numpy(), [0, 0, 3, 3, 0, 0])
    first, *_, last = leaf(np.ones((4, 2)))
    assert_allclose((first + last).numpy(), [2.0, 2.0])


def test_one_of_several_outputs_used_twice():
    x = leaf(np.arange(4.0))
    a, _ = ts.split(x, 2)
    (a * a).sum().backward()
    assert_allclose(x.grad.numpy(), [0.0, 2.0, 0.0, 0.0])


def test_outputs_of_different_shapes_each_get_a_gradient_of_their_own():
    x = leaf([1.0, 2.0, 3.0])
    a, b = ts.split(x, [1])  # (1,) and (2,)
    (b.sum() + (b * np.ones((4, 2))).sum() + (2.0 * a)[0]).backward()  # reduced, broadcast
    assert x.grad.numpy().tolist() == [2.0, 5.0, 5.0]
    assert ts.grad(ts.split(x, [1])[1].sum(), x).numpy().tolist() == [0.0, 1.0, 1.0]


def test_a_gradient_has_the_dtype_of_the_output_that_it_is_for():
    def forward(x, /):
        """z = x, and x in half the precision"""
        return x + 0, x.astype(np.float32)

    both = Primitive(forward, "()->(),()", many=True)
    both.vjp(lambda g: g[0] + g[1])
    x = leaf([1.0, 2.0])
    _, half = both.function(x)
    for z in (half * np.array([1.0, 2.0]), half * np.ones((2, 2))):  # products in float64
        assert ts.grad(z.sum(), half, retain_graph=True).dtype == np.float32
        assert ts.grad(z.sum(), x, retain_graph=True).dtype == np.float64


def test_iteration_is_one_record():
    rows = list(leaf(np.ones((5, 2))))
    assert len({id(row.line[0]) for row in rows}) == 1
    assert [row.line[1] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[0].line[0].op.name == "unstack"


# --- backward -----------------------------------------------------------------------------------------


def test_a_non_scalar_needs_a_gradient_and_says_so():
    y = leaf([1.0, 2.0]) * 2.0
    with pytest.raises(ValueError, match="more than one element"):
        y.backward()
    with pytest.raises(ValueError, match=r"shape, not \(3,\)"):
        y.backward(np.ones(3))


def test_one_element_of_any_rank_needs_none():
    x = leaf([[3.0]])
    (x * x).backward()
    assert_allclose(x.grad.numpy(), [[6.0]])


def test_what_is_not_on_the_tape_says_so():
    x = leaf(1.0)
    with ts.no_grad():
        off = x * 2.0
    for t in (off, x.detach() * 2.0, ts.tensor(1.0)):
        with pytest.raises(RuntimeError, match="not on the tape"):
            t.backward()
        with pytest.raises(RuntimeError, match="not on the tape"):
            ts.grad(t, x)
        with pytest.raises(RuntimeError, match="not on the tape"):
            ts.grad(x * 2.0, t)


def test_a_second_walk_over_a_freed_tape_says_so():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()
    assert x.grad.item() == 4.0  # the refused walk added nothing


def test_a_freed_part_is_noticed_from_another_output():
    x = leaf(2.0)
    shared = x * x
    one, other = shared * 2.0, shared * 3.0
    one.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier"):
        other.backward()


def test_retain_graph_keeps_the_tape():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8.0


def test_a_gradient_of_a_recorded_backward_can_be_differentiated():
    x = leaf([1.0, 2.0])
    y = (x**3).sum()
    y.backward(create_graph=True)  # keeps the tape, without retain_graph
    assert ts.grad(x.grad.sum(), x, retain_graph=True).numpy().tolist() == [6.0, 12.0]
    assert ts.grad(y, x).numpy().tolist() == [3.0, 12.0]
    x.zero_grad()  # ends the reference cycle


def test_gradients_add_up_over_calls_until_zero_grad():
    x = leaf([1.0, 2.0])
    for expected in ([2.0, 4.0], [4.0, 8.0]):
        (x * x).sum().backward()
        assert_allclose(x.grad.numpy(), expected)
    x.zero_grad()
    assert x.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_arrays_of_their_own(create_graph):
    """Addition hands both arguments the very array it got; no leaf may keep that one."""
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    g = ts.tensor(np.array([1.0, 1.0]))
    (x + y).backward(g, create_graph=create_graph)
    x.grad.mutable()[0] = 100.0
    assert_allclose(y.grad.numpy(), [1.0, 1.0])
    assert_allclose(g.numpy(), [1.0, 1.0])
    g.assign_([7.0, 7.0])
    assert_allclose(y.grad.numpy(), [1.0, 1.0])


def test_the_cotangent_given_is_not_written_to():
    """It arrives twice at x, where the shares are added up."""
    x, g = leaf([1.0, 2.0]), np.array([1.0, 2.0])
    h = x * 1.0
    ((h + h) + (h + h)).backward(g)
    assert_array_equal(g, [1.0, 2.0])
    assert_allclose(x.grad.numpy(), [4.0, 8.0])


def test_grad_can_be_assigned_and_is_checked():
    x = leaf([1.0, 2.0])
    x.grad = ts.tensor(np.array([5.0, 5.0]))
    (x * 1.0).sum().backward()
    assert_allclose(x.grad.numpy(), [6.0, 6.0])
    with pytest.raises(ValueError, match="shape and dtype"):
        x.grad = ts.tensor(np.zeros(3))
    with pytest.raises(ValueError, match="shape and dtype"):
        x.grad = ts.tensor(np.zeros(2, np.float32))
    with pytest.raises(RuntimeError, match="only a leaf"):
        (x * 1.0).grad = x


# --- grad ---------------------------------------------------------------------------------------------


def test_grad_leaves_leaves_alone():
    x, w = leaf(2.0), leaf(3.0)
    dx = ts.grad(x * w, x)
    assert dx.item() == 3.0
    assert x.grad is None
    assert w.grad is None


def test_grad_of_an_unused_input_is_none_or_zeros():
    x, unused = leaf(2.0), leaf([[1.0, 2.0]])
    assert ts.grad(x * x, [x, unused], retain_graph=True)[1] is None
    zero = ts.grad(x * x, [x, unused], zeros=True)[1]
    assert_array_equal(zero.numpy(), [[0.0, 0.0]])


def test_grad_with_respect_to_an_intermediate_frees_only_what_it_walked():
    """Truncated backpropagation by hand: from the loss to h, then from h to x."""
    x = leaf([1.0, 2.0])
    h = x * x
    loss = (h * h).sum()
    dh = ts.grad(loss, h)
    assert_allclose(dh.numpy(), 2 * x.numpy() ** 2)
    h.backward(dh)
    assert_allclose(x.grad.numpy(), 4 * x.numpy() ** 3)
    with pytest.raises(RuntimeError, match="freed"):
        loss.backward()


def test_grad_frees_no_side_branch():
    x, w = leaf(2.0), leaf(3.0)
    branch = ts.exp(w)
    assert ts.grad(x * branch, x).item() == pytest.approx(np.exp(3.0))
    branch.backward()
    assert w.grad.item() == pytest.approx(np.exp(3.0))


def test_grad_of_several_outputs_with_cotangents():
    x = leaf([1.0, 2.0])
    total = ts.grad([x * 2.0, x * x], x, [np.array([1.0, 10.0]), np.array([3.0, 4.0])])
    assert_allclose(total.numpy(), [2 + 2 * 3, 20 + 4 * 4])
    with pytest.raises(ValueError, match="grad of 2 outputs needs 2 cotangents"):
        ts.grad([x * 2.0, x * x], x, [np.ones(2)])


def test_a_gradient_shares_no_memory_with_its_cotangent():
    x, g = leaf([1.0, 2.0]), ts.tensor(np.array([3.0, 4.0]))
    found = [ts.grad(x, x, g), ts.grad(x + x.reshape(2), x, g)]
    g.assign_([0.0, 0.0])
    assert [t.numpy().tolist() for t in found] == [[3.0, 4.0], [6.0, 8.0]]


def test_a_gradient_has_the_dtype_of_its_input_whatever_that_of_the_cotangent():
    x = leaf([1.0, 2.0])
    assert ts.grad(x, x, ts.tensor([3.0, 4.0])).dtype == np.float64


def test_zeros_have_the_dtype_of_their_input():
    x, y = ts.tensor([1.0, 2.0], requires_grad=True), leaf(3.0)
    assert ts.grad(y * y, x, zeros=True).dtype == np.float32


def test_grad_of_a_tensor_with_respect_to_itself_is_its_cotangent():
    x = leaf([1.0, 2.0])
    assert_array_equal(ts.grad(x, x, np.array([5.0, 6.0])).numpy(), [5.0, 6.0])


def test_a_rule_may_divide_by_zero_where_its_cotangent_is_zero():
    """Without a warning of NumPy, which the tests make an error."""
    x = leaf([0.0, 4.0])
    y = ts.where(x > 1, ts.sqrt(x), 0.0).sum()
    y.backward(retain_graph=True)
    assert x.grad.numpy().tolist() == [0.0, 0.25]
    assert ts.grad(y, x, create_graph=True).numpy().tolist() == [0.0, 0.25]


def test_an_error_in_a_rule_says_where():
    def half(x, /):
        return x / 2

    op = Primitive(half, "()->()")
    op.vjp(lambda g: g.reshape(7, 7))
    with pytest.raises(ValueError, match="reshape") as caught:
        op.function(leaf([1.0])).backward()
    assert any("reverse pass of half(x: float64[1])" in note for note in caught.value.__notes__)


# --- recording or not ---------------------------------------------------------------------------------


def test_no_grad_nests_and_ends_with_an_exception():
    x = leaf(1.0)
    with pytest.raises(ZeroDivisionError), ts.no_grad(), ts.no_grad():
        raise ZeroDivisionError
    assert (x * x).requires_grad
    with ts.no_grad():
        with ts.no_grad():
            pass
        assert not (x * x).requires_grad
