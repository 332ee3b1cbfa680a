"""The cells compared with their equations in NumPy, and their derivatives to second order."""
# ruff: noqa: N803, N806 (weights have the names that they have in the cells)

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

CELLS = [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.ResetAfterGRUCell]
GATES = {nn.RNNCell: 1, nn.LSTMCell: 4, nn.GRUCell: 3, nn.ResetAfterGRUCell: 3}
B, I, H = 2, 3, 5  # noqa: E741 (the letters of the shapes)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def arrays(kind, batch=B, seed=0):
    """Random x, state and parameters of a cell, in float64."""
    rng = np.random.default_rng(seed)
    k = GATES[kind]
    state = [rng.normal(size=(batch, H)) for _ in range(2 if kind is nn.LSTMCell else 1)]
    shapes = [(batch, I), (I, k * H), (H, k * H), (k * H,)] + [(k * H,)] * (kind is nn.ResetAfterGRUCell)
    x, *parameters = [rng.normal(size=shape) for shape in shapes]
    return x, state, parameters


def names(kind):
    return ["Wx", "Wh", "b", "bh"] if kind is nn.ResetAfterGRUCell else ["Wx", "Wh", "b"]


def call(kind, x, state, *parameters):
    cell = kind(I, H, rng=0)
    for name, p in zip(names(kind), parameters, strict=True):
        setattr(cell, name, p if isinstance(p, ts.Tensor) else ts.tensor(p))
    return cell(tuple(state) if len(state) > 1 else state[0], x)


@pytest.mark.parametrize("kind", CELLS)
def test_parameters_have_the_documented_shapes(kind):
    cell, (x, state, parameters) = kind(I, H, rng=0), arrays(kind)
    assert [(name, p.shape) for name, p in cell.named_parameters()] == [
        (name, p.shape) for name, p in zip(names(kind), parameters, strict=True)
    ]
    assert all(p.dtype == np.float32 for p in cell.parameters())
    assert all(np.abs(p.numpy()).max() <= 1 / np.sqrt(H) for p in cell.parameters())
    start = cell.initial_state(4, like=ts.tensor(x))
    parts = start if isinstance(start, tuple) else (start,)
    assert len(parts) == len(state)
    assert all(part.shape == (4, H) and part.dtype == np.float64 for part in parts)
    assert all((part.numpy() == 0).all() for part in parts)


def test_rnn_step():
    x, (h,), (Wx, Wh, b) = arrays(nn.RNNCell)
    after, y = call(nn.RNNCell, ts.tensor(x), [ts.tensor(h)], Wx, Wh, b)
    assert_allclose(y.numpy(), np.tanh(x @ Wx + b + h @ Wh), rtol=1e-13)
    assert after is y


def test_lstm_step_and_its_gradient():
    """The step by the equations of the LSTM; the gradient by hand:

    do = dh tanh c',   dc' = dc + dh o (1 - tanh^2 c')
    df = dc' c,  di = dc' g,  dg = dc' i,  dc = dc' f

    where do, df, di and dg are multiplied by the derivative of the activation of their gate.
    """
    x, (h, c), (Wx, Wh, b) = arrays(nn.LSTMCell)
    leaves = [ts.tensor(a, requires_grad=True) for a in (x, h, c, Wx, Wh, b)]
    (h1, c1), y = call(nn.LSTMCell, leaves[0], leaves[1:3], *leaves[3:])
    i, f, g, o = np.split(x @ Wx + b + h @ Wh, 4, axis=-1)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c_new = f * c + i * g
    assert_allclose(c1.numpy(), c_new, rtol=1e-13)
    assert_allclose(h1.numpy(), o * np.tanh(c_new), rtol=1e-13)
    assert y is h1

    rng = np.random.default_rng(1)
    dh, dc = rng.normal(size=(2, B, H))
    found = ts.grad([h1, c1], leaves, [dh, dc])
    dc = dc + dh * o * (1 - np.tanh(c_new) ** 2)
    gates = [
        dc * g * i * (1 - i),
        dc * c * f * (1 - f),
        dc * i * (1 - g * g),
        dh * np.tanh(c_new) * o * (1 - o),
    ]
    da = np.concatenate(gates, axis=-1)
    expected = [da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, h.T @ da, da.sum(axis=0)]
    for ours, theirs in zip(found, expected, strict=True):
        assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-14)


def blocks(a):
    """The blocks r, z, n of fused weights."""
    return np.split(a, 3, axis=-1)


def test_gru_step_is_the_equations_gate_by_gate():
    """Each gate is [h, x] times its own weights; z is the share of the new value."""
    x, (h,), (Wx, Wh, b) = arrays(nn.GRUCell)
    after, y = call(nn.GRUCell, ts.tensor(x), [ts.tensor(h)], Wx, Wh, b)
    Wr, Wz, W = (np.concatenate([bottom, top]) for top, bottom in zip(blocks(Wx), blocks(Wh), strict=True))
    br, bz, bn = blocks(b)
    z = sigmoid(np.concatenate([h, x], axis=1) @ Wz + bz)
    r = sigmoid(np.concatenate([h, x], axis=1) @ Wr + br)
    n = np.tanh(np.concatenate([r * h, x], axis=1) @ W + bn)
    assert_allclose(y.numpy(), (1 - z) * h + z * n, rtol=1e-13)
    assert after is y


def test_reset_after_gru_step_is_the_equations_gate_by_gate():
    """r acts after the product, on the second bias too; z is the share of the old value."""
    kind = nn.ResetAfterGRUCell
    x, (h,), (Wx, Wh, b, bh) = arrays(kind)
    after, y = call(kind, ts.tensor(x), [ts.tensor(h)], Wx, Wh, b, bh)
    from_x = [x @ W + bias for W, bias in zip(blocks(Wx), blocks(b), strict=True)]
    from_h = [h @ W + bias for W, bias in zip(blocks(Wh), blocks(bh), strict=True)]
    r, z = sigmoid(from_x[0] + from_h[0]), sigmoid(from_x[1] + from_h[1])
    n = np.tanh(from_x[2] + r * from_h[2])
    assert_allclose(y.numpy(), (1 - z) * n + z * h, rtol=1e-13)
    assert after is y


@pytest.mark.parametrize("batch", [1, B])
@pytest.mark.parametrize("kind", CELLS)
def test_first_and_second_derivatives_of_a_step(kind, batch):
    x, state, parameters = arrays(kind, batch)

    def step(x, *rest):
        after, y = call(kind, x, rest[: len(state)], *rest[len(state) :])
        return (*after, y) if isinstance(after, tuple) else (after, y)

    check_grad(step, x, *state, *parameters)


def test_gradient_of_a_gradient_through_an_lstm_step():
    """The gradient penalty |d loss / d x|^2 is differentiable; compared with finite differences."""
    x, state, parameters = arrays(nn.LSTMCell, seed=3)
    u = np.random.default_rng(4).normal(size=parameters[1].shape)

    def penalty(Wh):
        leaf, Wh = ts.tensor(x, requires_grad=True), ts.tensor(Wh, requires_grad=True)
        (_, c), y = call(nn.LSTMCell, leaf, [ts.tensor(s) for s in state], parameters[0], Wh, parameters[2])
        dx = ts.grad((y * y).sum() + c.sum(), leaf, create_graph=True)
        total = (dx * dx).sum()
        return total.item(), ts.grad(total, Wh).numpy()

    step = 1e-5
    slope = (penalty(parameters[1] + step * u)[0] - penalty(parameters[1] - step * u)[0]) / (2 * step)
    assert_allclose(np.sum(penalty(parameters[1])[1] * u), slope, rtol=1e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_a_seed_makes_a_cell_reproducible(kind):
    a, b, c = kind(I, H, rng=5), kind(I, H, rng=np.random.default_rng(5)), kind(I, H, rng=6)
    assert all((p.numpy() == q.numpy()).all() for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert all((p.numpy() != q.numpy()).any() for p, q in zip(a.parameters(), c.parameters(), strict=True))
    assert len({p.numpy().tobytes() for p in a.parameters()}) == len(a.parameters())
    assert all(p.dtype == np.float64 for p in kind(I, H, dtype=np.float64).parameters())


def test_the_base_class_does_not_define_a_step_or_an_initial_state():
    with pytest.raises(NotImplementedError, match=r"Cell does not define `__call__\(state, x\)`"):
        nn.Cell()(None, None)
    with pytest.raises(NotImplementedError, match=r"Cell does not define `initial_state\(batch, like\)`"):
        nn.Cell().initial_state(2, like=ts.tensor([1.0]))
