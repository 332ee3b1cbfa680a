"""Backpropagation through time as the lecture derives it, in plain NumPy, compared with the tape.

Forward, with x(t) and h(t) as columns and one-hot targets y(t):

    h(t) = tanh(W h(t-1) + U x(t) + b)
    o(t) = V h(t) + c
    y^(t) = softmax(o(t)),    L = sum_t L(t),    L(t) = -sum_k y_k(t) log y^_k(t)

Backward, for t = T, ..., 1:

    grad_o(t) = y^(t) - y(t)
    grad_h(t) = V' grad_o(t) + W' D(t+1) grad_h(t+1),    D(t) = diag(1 - h(t)^2)
    grad_c = sum_t grad_o(t)                    grad_b = sum_t D(t) grad_h(t)
    grad_V = sum_t grad_o(t) h(t)'              grad_W = sum_t D(t) grad_h(t) h(t-1)'
    grad_U = sum_t D(t) grad_h(t) x(t)'

The slides have errors. These are the differences, and the reasons:

- grad_W uses grad_h(t). The slide writes grad_h(t-1), but at time t, W enters through h(t). (A test below shows
  that the slide's form fails.)
- The slide's forward pass uses W', U', V', but its backward pass is for W, U, V; here both use W, U, V.
- D_{k+1}, the factor between h(k) and h(k+1), depends on h(k) and x(k+1): 1 - tanh^2(W h(k) + U x(k+1) + b).
- tanh(Ux, Wh), with a comma, means the tanh of the sum Ux + Wh.
- The Jacobian factors are multiplied from T down to t: dh(T)/dh(t) = D(T) W D(T-1) W ... D(t+1) W.
- The bound by the product of their norms holds for a loss that depends only on the last state. With a loss at
  every time, it bounds each term of the sum.
- (W^t)' for a symmetric W = Q L Q' is Q L^t Q'.
"""
# ruff: noqa: N803, N806 (the lecture's letters)

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

T, I, H, C = 6, 3, 5, 4  # noqa: E741


def problem(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"U": (H, I), "W": (H, H), "V": (C, H), "b": (H,), "c": (C,)}
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return parameters, rng.normal(size=(T, I)), rng.integers(0, C, T), rng.normal(size=H)


def forward(x, h0, U, W, V, b, c):
    h, yhat = [h0], []
    for t in range(T):
        h.append(np.tanh(W @ h[-1] + U @ x[t] + b))
        o = V @ h[-1] + c
        e = np.exp(o - o.max())
        yhat.append(e / e.sum())
    return h, yhat


def backward(x, targets, h0, U, W, V, b, c):
    """The gradients of the parameters, of o(t), and of h(t) with h(0); h[t] is h(t), x[t-1] is x(t)."""
    h, yhat = forward(x, h0, U, W, V, b, c)
    grad_o = {t: yhat[t - 1] - np.eye(C)[targets[t - 1]] for t in range(1, T + 1)}
    D = {t: np.diag(1 - h[t] ** 2) for t in range(1, T + 1)}
    grad_h = {T: V.T @ grad_o[T]}
    for t in range(T - 1, 0, -1):
        grad_h[t] = W.T @ D[t + 1] @ grad_h[t + 1] + V.T @ grad_o[t]
    grad_h[0] = W.T @ D[1] @ grad_h[1]
    times = range(1, T + 1)
    gradients = {
        "c": sum(grad_o[t] for t in times),
        "b": sum(D[t] @ grad_h[t] for t in times),
        "V": sum(np.outer(grad_o[t], h[t]) for t in times),
        "W": sum(np.outer(D[t] @ grad_h[t], h[t - 1]) for t in times),
        "U": sum(np.outer(D[t] @ grad_h[t], x[t - 1]) for t in times),
    }
    return gradients, grad_o, grad_h


@pytest.fixture(scope="module")
def taped():
    """The same network on the tape, with column vectors as in the lecture: parameters, h, o and the loss."""
    values, x, targets, h0 = problem()
    p = {name: ts.tensor(value, requires_grad=True) for name, value in values.items()}
    h, o = [ts.tensor(h0, requires_grad=True)], []
    for t in range(T):
        h.append(ts.tanh(p["W"] @ h[-1] + p["U"] @ x[t] + p["b"]))
        o.append(p["V"] @ h[-1] + p["c"])
    loss = nn.cross_entropy(ts.stack(o), targets, reduction="sum")
    return p, h, o, loss


def same(ours, theirs):
    assert_allclose(ours.numpy(), theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["c", "b", "V", "W", "U"])
def test_the_gradient_of_each_parameter(taped, name):
    p, _, _, loss = taped
    values, x, targets, h0 = problem()
    gradients, _, _ = backward(x, targets, h0, **values)
    same(ts.grad(loss, p[name], retain_graph=True), gradients[name])


def test_the_gradients_of_outputs_and_states(taped):
    _, h, o, loss = taped
    values, x, targets, h0 = problem()
    _, grad_o, grad_h = backward(x, targets, h0, **values)
    for t, found in enumerate(ts.grad(loss, o, retain_graph=True), start=1):
        same(found, grad_o[t])  # y^ - y
    for t, found in enumerate(ts.grad(loss, h, retain_graph=True)):
        same(found, grad_h[t])


def test_the_loss(taped):
    values, x, targets, h0 = problem()
    _, yhat = forward(x, h0, **values)
    assert_allclose(taped[-1].item(), -sum(np.log(p[y]) for p, y in zip(yhat, targets, strict=True)))


def test_the_jacobian_between_two_states_is_the_product_from_the_last_factor_to_the_first(taped):
    _, h, _, _ = taped
    values, _, _, _ = problem()
    product = np.eye(H)
    for t in range(3, T + 1):  # dh(T)/dh(2) = D(T) W ... D(3) W; each new factor is multiplied from the left
        product = np.diag(1 - h[t].numpy() ** 2) @ values["W"] @ product
    rows = [ts.grad(h[T], h[2], np.eye(H)[i], retain_graph=True).numpy() for i in range(H)]
    assert_allclose(np.stack(rows), product, rtol=1e-11, atol=1e-14)


def test_the_slides_form_of_grad_w_is_a_slip(taped):
    p, _, _, loss = taped
    values, x, targets, h0 = problem()
    h, _ = forward(x, h0, **values)
    _, _, grad_h = backward(x, targets, h0, **values)
    slide = sum(np.outer((1 - h[t] ** 2) * grad_h[t - 1], h[t - 1]) for t in range(1, T + 1))
    assert np.abs(ts.grad(loss, p["W"], retain_graph=True).numpy() - slide).max() > 0.1


def test_the_cell_and_the_runner_compute_the_same_in_rows():
    """RNNCell uses row vectors: h' = tanh(x Wx + b + h Wh), so Wx = U' and Wh = W'."""
    values, x, targets, h0 = problem()
    gradients, _, grad_h = backward(x, targets, h0, **values)
    cell, output = nn.RNNCell(I, H, rng=0, dtype=np.float64), nn.Linear(H, C, rng=0, dtype=np.float64)
    cell.load_state_dict({"Wx": values["U"].T, "Wh": values["W"].T, "b": values["b"]})
    output.load_state_dict({"weight": values["V"].T, "bias": values["c"]})
    start = ts.tensor(h0[None], requires_grad=True)
    ys, _ = nn.Recurrent(cell)(ts.tensor(x[:, None]), start)
    nn.cross_entropy(output(ys), targets[:, None], reduction="sum").backward()
    same(cell.Wx.grad, gradients["U"].T)
    same(cell.Wh.grad, gradients["W"].T)
    same(cell.b.grad, gradients["b"])
    same(output.weight.grad, gradients["V"].T)
    same(output.bias.grad, gradients["c"])
    same(start.grad, grad_h[0][None])
