"""Derivatives of derivatives: with create_graph, and by forward mode over reverse mode."""

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def derivatives(f, x, order):
    """f(x), f'(x), ... for a function of one variable."""
    y = f(x)
    found = [y]
    for _ in range(order):
        y = ts.grad(y.sum(), x, create_graph=True)
        found.append(y)
    return [y.numpy() for y in found]


def test_three_derivatives_of_a_polynomial():
    found = derivatives(lambda x: 2.0 * x**4 - x**3, leaf(1.5), 3)
    x = 1.5
    assert_allclose(found, [2 * x**4 - x**3, 8 * x**3 - 3 * x**2, 24 * x**2 - 6 * x, 48 * x - 6])


def test_three_derivatives_of_tanh():
    t = np.tanh(0.7)
    found = derivatives(ts.tanh, leaf(0.7), 3)
    assert_allclose(found, [t, 1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2)], rtol=1e-12)


def test_create_graph_fills_grad_with_something_to_differentiate():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    assert ts.grad(x.grad, x).item() == pytest.approx(12.0)
    x.zero_grad()


def test_create_graph_accumulates_on_the_tape():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    assert x.grad.item() == pytest.approx(12.0 + 4.0)
    assert ts.grad(x.grad, x).item() == pytest.approx(12.0 + 2.0)
    x.zero_grad()


def test_create_graph_keeps_the_tape():
    x = leaf(2.0)
    y = x**3
    ts.grad(y, x, create_graph=True)
    y.backward()
    assert x.grad.item() == pytest.approx(12.0)


def test_a_gradient_is_differentiable_in_its_cotangent():
    """y = J x, so dy'/dg = J: the gradient as a linear function of the cotangent."""
    x, g = leaf([1.0, 2.0]), leaf([0.5, 0.25])
    dx = ts.grad(ts.exp(x), x, g, create_graph=True)
    assert_allclose(ts.grad(dx.sum(), g).numpy(), np.exp([1.0, 2.0]))


def test_mixed_second_derivatives_agree():
    x, w = leaf([[1.0, -2.0]]), leaf([[0.5, 0.1], [0.2, -0.3]])
    loss = ts.tanh(x @ w).sum()
    dx, dw = ts.grad(loss, [x, w], create_graph=True)
    v, u = np.array([[0.3, 0.7]]), np.array([[1.0, 2.0], [-1.0, 0.5]])
    along_x = ts.grad((dx * v).sum(), w, retain_graph=True)
    along_w = ts.grad((dw * u).sum(), x)
    assert (along_x.numpy() * u).sum() == pytest.approx((along_w.numpy() * v).sum(), rel=1e-12)


def test_without_create_graph_a_gradient_is_a_constant():
    x = leaf(2.0)
    assert not ts.grad(x**3, x).requires_grad
    (x**3).backward()
    assert not x.grad.requires_grad


# --- forward mode -------------------------------------------------------------------------------------


def test_jvp_pushes_one_tangent_through():
    x, w = ts.tensor(np.array([0.0, 1.0])), leaf([2.0, 3.0])
    y, dy = ts.jvp(lambda x, w: ts.exp(x) * w, [x, w], [np.array([1.0, 1.0]), np.array([0.0, 1.0])])
    assert_allclose(y.numpy(), np.exp([0, 1]) * [2, 3])
    assert_allclose(dy.numpy(), np.exp([0, 1]) * [2, 3 + 1])


def test_jvp_of_several_outputs_and_of_a_constant():
    x = ts.tensor(np.array([1.0, 2.0]))
    ys, dys = ts.jvp(lambda x: (x * x, ts.tensor(np.ones(3))), [x], [np.array([1.0, 10.0])])
    assert_allclose(ys[0].numpy(), [1.0, 4.0])
    assert_allclose(dys[0].numpy(), [2.0, 40.0])
    assert_array_equal(dys[1].numpy(), np.zeros(3))


def test_forward_over_reverse_is_the_hessian_product():
    a = np.array([[2.0, 1.0], [1.0, 3.0]])

    def gradient(x):
        return ts.grad(0.5 * (x * (a @ x)).sum(), x, create_graph=True)

    _, hv = ts.jvp(gradient, [leaf([1.0, -1.0])], [np.array([0.0, 1.0])])
    assert_allclose(hv.numpy(), a @ [0.0, 1.0])


def test_reverse_over_forward():
    x = leaf([0.3, 0.6])
    _, dy = ts.jvp(ts.tanh, [x], [np.ones(2)])
    t = np.tanh(x.numpy())
    assert_allclose(ts.grad(dy.sum(), x).numpy(), -2 * t * (1 - t**2))


def test_nested_jvps_do_not_mix_up_their_perturbations():
    """d/dx (x d/dy (x + y)) = 1: the inner derivative is only with respect to y."""
    one = ts.tensor(np.float64(1.0))
    _, outer = ts.jvp(lambda x: x * ts.jvp(lambda y: x + y, [one], [1.0])[1], [one], [1.0])
    assert outer.item() == 1.0


def test_jvp_sees_only_its_own_primals():
    """A tensor that the function captures is a constant, even if it is the primal itself."""
    x = leaf([1.0, 2.0])
    _, dy = ts.jvp(lambda y: y * x, [x], [np.ones(2)])
    assert_allclose(dy.numpy(), [1.0, 2.0])


def test_jvp_checks_its_tangents():
    x = ts.tensor(np.ones(2))
    with pytest.raises(ValueError, match="shape"):
        ts.jvp(ts.exp, [x], [np.ones(3)])
    with pytest.raises(ValueError, match="1 primals need 1 tangents, got 0"):
        ts.jvp(ts.exp, [x], [])
