"""Reservoirs compared with their sources, unit by unit; readouts by ridge regression and by gradient."""
# ruff: noqa: N806 (weights have the names that they have in the sources)

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

T, B, I, H = 6, 2, 3, 4  # noqa: E741 (the letters of the shapes)
xs = np.random.default_rng(0).normal(size=(T, B, I))


def drawn(*shape):
    return np.random.default_rng([7, *shape]).normal(size=shape) * 0.7


def run(cell):
    return nn.Recurrent(cell)(ts.tensor(xs))


def options():
    return {"rng": 0, "dtype": np.float64}


def test_echo_state_network():
    """x(n) = (1 - a) x(n-1) + a tanh(Win [1; u(n)] + W x(n-1)), unit by unit (Lukosevicius 2012, 2 and 3)."""
    cell = nn.EchoStateCell(I, H, leak=0.3, nonzeros=2, **options())
    W, Win = cell.Wh.numpy().T, np.concatenate([cell.b.numpy()[:, None], cell.Wx.numpy().T], axis=1)
    state, expected = np.zeros((B, H)), []
    for u in xs:
        update = np.array([np.tanh(Win @ np.array([1.0, *u[k]]) + W @ state[k]) for k in range(B)])
        state = 0.7 * state + 0.3 * update
        expected.append(state)
    assert_allclose(run(cell)[0].numpy(), expected, rtol=1e-11)


def test_feedback_weights_have_a_separate_scale():
    """x(n) = (1 - a) x(n-1) + a tanh(Win [1; u(n)] + W x(n-1) + Wfb y(n-1)) (Lukosevicius 2012, 18)."""
    cell = nn.EchoStateCell(
        I, H, nonzeros=2, input_scale=0.1, feedback=2, feedback_scale=3.0, leak=0.5, **options()
    )
    assert cell.Wx.shape == (I + 2, H)
    Win, Wfb = np.split(cell.Wx.numpy(), [I])
    assert 0.05 < np.abs(Win).max() <= 0.1 < 1.0 < np.abs(Wfb).max() <= 3.0
    given, state, expected = drawn(T, B, 2), np.zeros((B, H)), []
    for u, y in zip(xs, given, strict=True):
        state = 0.5 * state + 0.5 * np.tanh(u @ Win + cell.b.numpy() + state @ cell.Wh.numpy() + y @ Wfb)
        expected.append(state)
    ys, _ = nn.Recurrent(cell)(ts.tensor(np.concatenate([xs, given], axis=-1)))
    assert_allclose(ys.numpy(), expected, rtol=1e-11)


def sine(steps):
    return np.sin(np.arange(steps + 1) / 4)[:, None, None]


def teacher_forced(cell, steps):
    """The states of a cell without inputs that receives the true output of the previous step; the outputs."""
    y = sine(steps)
    states, _ = nn.Recurrent(cell)(ts.tensor(y[:-1]))
    return states, ts.tensor(y[1:])


def test_a_reservoir_with_feedback_continues_a_sine():
    """Ridge regression fits the readout to true outputs; then the readout's own outputs are fed back."""
    cell = nn.EchoStateCell(0, 60, feedback=1, spectral_radius=0.8, **options())
    states, targets = teacher_forced(cell, 400)
    readout = nn.ridge(states, targets, penalty=1e-8, washout=50)
    free = nn.FedBack(cell, readout, size=1)
    start = states[-1], targets[-1]
    ys, _ = nn.Recurrent(free)(ts.tensor(np.zeros((100, 1, 0))), start)
    expected = np.sin(np.arange(401, 501) / 4)
    assert_allclose(ys.numpy().ravel(), expected, atol=1e-2)
    assert np.abs(expected - sine(0).ravel()).max() > 0.9  # the error of a constant output


def test_a_readout_by_gradient_is_close_to_ridge_regression():
    cell = nn.EchoStateCell(0, 20, feedback=1, spectral_radius=0.8, **options())
    states, targets = teacher_forced(cell, 200)
    best = nn.mse(nn.ridge(states, targets, penalty=1e-6, washout=20)(states)[20:], targets[20:]).item()
    readout = nn.Linear(20, 1, **options())
    optimizer = optim.Adam(readout.parameters(), lr=0.05)
    first = nn.mse(readout(states)[20:], targets[20:]).item()
    for _ in range(1000):
        loss = nn.mse(readout(states)[20:], targets[20:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert best < loss.item() < 1e-3 < first
    assert cell.parameters() == []


def test_liquid_state_machine():
    """Unit by unit: a potential that decays, a spike at the threshold, and a restart from 0 after a spike."""
    cell = nn.LiquidStateCell(I, H, decay=0.8, filter=0.6, threshold=0.4, nonzeros=2, **options())
    Wx, Wh, b = cell.Wx.numpy(), cell.Wh.numpy(), cell.b.numpy()
    v, spikes, trace, expected, fired = np.zeros((B, H)), np.zeros((B, H)), np.zeros((B, H)), [], 0
    for x in xs:
        arriving = x @ Wx + b + spikes @ Wh
        for k in range(B):
            for i in range(H):
                v[k, i] = (0.0 if spikes[k, i] else 0.8 * v[k, i]) + arriving[k, i]
        spikes = (v >= 0.4).astype(float)
        trace = 0.6 * trace + 0.4 * spikes
        fired += int(spikes.sum())
        expected.append(trace)
    assert 0 < fired < T * B * H
    assert_allclose(run(cell)[0].numpy(), expected, rtol=1e-11)


def test_a_spike_carries_no_gradient():
    cell, x = nn.LiquidStateCell(I, H, threshold=0.4, **options()), ts.tensor(xs, requires_grad=True)
    trace = ts.tensor(np.zeros((B, H)), requires_grad=True)
    zeros = ts.tensor(np.zeros((B, H)))
    ys, _ = nn.Recurrent(cell)(x, (zeros, zeros, trace))
    dx, dr = ts.grad(ys.sum(), [x, trace], zeros=True)
    assert not dx.numpy().any()
    assert_allclose(dr.numpy(), np.full((B, H), sum(0.9**t for t in range(1, T + 1))), rtol=1e-12)


@pytest.mark.parametrize("kind", [nn.EchoStateCell, nn.LiquidStateCell])
@pytest.mark.parametrize("radius", [0.5, 0.95, 1.3])
def test_a_reservoir_has_the_given_spectral_radius_and_sparsity(kind, radius):
    cell = kind(I, 30, spectral_radius=radius, nonzeros=4, input_scale=0.2, **options())
    assert_allclose(np.abs(np.linalg.eigvals(cell.Wh.numpy())).max(), radius, rtol=1e-9)
    assert ((cell.Wh.numpy() != 0).sum(axis=0) == 4).all()
    assert 0.1 < np.abs(cell.Wx.numpy()).max() <= 0.2
    assert cell.parameters() == []
    assert set(cell.state_dict()) == {"Wx", "Wh", "b"}


def test_a_reservoir_forgets_its_initial_state():
    """The echo state property: with a spectral radius below 1, the state comes to depend only on the inputs."""
    cell, long = nn.EchoStateCell(1, 30, spectral_radius=0.8, **options()), drawn(300, 1, 1)
    starts = [ts.tensor(drawn(1, 30, k)[:, :, 0]) for k in (1, 2)]
    ends = [nn.Recurrent(cell)(ts.tensor(long), h)[1].numpy() for h in starts]
    assert np.abs(starts[0].numpy() - starts[1].numpy()).max() > 0.1
    assert_allclose(*ends, atol=1e-9)


@pytest.mark.parametrize("leak", [0.0, -1.0, 1.5, np.nan])
def test_an_invalid_leak(leak):
    with pytest.raises(ValueError, match=rf"EchoStateCell needs a number leak in \(0, 1\], got {leak}"):
        nn.EchoStateCell(I, H, leak=leak)


def test_ridge_is_the_normal_equations():
    """Compared with the padded least squares problem of [1, h], in which b has no penalty."""
    h, y, penalty = drawn(40, 2, 5), drawn(40, 2, 3), 0.7
    readout = nn.ridge(ts.tensor(h), ts.tensor(y), penalty=penalty, washout=10)
    flat, wanted = h[10:].reshape(-1, 5), y[10:].reshape(-1, 3)
    padded = np.concatenate([np.c_[np.ones(60), flat], np.c_[np.zeros(5), np.sqrt(penalty) * np.eye(5)]])
    solution = np.linalg.lstsq(padded, np.concatenate([wanted, np.zeros((5, 3))]), rcond=None)[0]
    assert_allclose(readout.bias.numpy(), solution[0], rtol=1e-9, atol=1e-12)
    assert_allclose(readout.weight.numpy(), solution[1:], rtol=1e-9, atol=1e-12)
    assert readout.weight.requires_grad


def test_validation_selects_the_best_of_several_penalties():
    """With few noisy rows, a weak penalty fits the noise, and a strong penalty fits nothing."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(30, 1))

    def data(steps):
        h = rng.normal(size=(steps, 1, 30))
        return h, h @ truth + 3.0 * rng.normal(size=(steps, 1, 1))

    (h, y), unseen = data(40), tuple(map(ts.tensor, data(400)))
    penalties = [1e-6, 10.0, 1e6]
    best = nn.ridge(ts.tensor(h), ts.tensor(y), penalty=penalties, validation=unseen)
    alone = nn.ridge(ts.tensor(h), ts.tensor(y), penalty=10.0)
    assert_allclose(best.weight.numpy(), alone.weight.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"penalty": -1.0}, r"needs a number penalty in \[0, inf\), got -1.0"),
        ({"penalty": []}, r"needs a penalty, or several, got none"),
        ({"penalty": [0.1, 1.0]}, "validation"),
        ({"penalty": 1.0, "washout": 6}, r"needs an integer washout in \[0, 6\), got 6"),
        ({"penalty": 1.0, "targets": np.zeros((5, B, 1))}, "states .* and targets"),
    ],
)
def test_errors_of_ridge(options, message):
    targets = ts.tensor(options.pop("targets", np.zeros((T, B, 1))))
    with pytest.raises(ValueError, match=message):
        nn.ridge(ts.tensor(xs), targets, **options)
