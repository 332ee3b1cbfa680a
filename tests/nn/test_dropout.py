"""The three kinds of dropout: what is dropped, when masks are drawn, and which steps share a mask."""

import numpy as np
import pytest
from results import assert_allclose
from running import bidirectional

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.testing import check_grad

T, B, I, H = 6, 3, 4, 5  # noqa: E741 (the letters of the shapes)
F64 = {"dtype": np.float64}
xs = np.random.default_rng(0).normal(size=(T, B, I))


# --- one mask for all time steps ----------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.75])
def test_variational_dropout_has_one_mask_for_all_steps(p):
    """Rows and elements are dropped independently of each other."""
    x = np.ones((4, 300, 100))
    y = nn.VariationalDropout(p, rng=0)(x).numpy()
    assert (y == y[:1]).all()
    kept = y[0] != 0
    assert_allclose(y[0][kept], 1 / (1 - p), rtol=1e-15)
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / kept.size)
    for axis in (0, 1):
        assert 0 < kept.mean(axis=axis).min() < kept.mean(axis=axis).max() < 1


def test_variational_dropout_draws_anew_at_every_call_and_not_in_evaluation():
    layer = nn.VariationalDropout(0.5, rng=0)
    first, second = layer(xs).numpy(), layer(xs).numpy()
    assert (first != second).any()
    assert (nn.VariationalDropout(0.5, rng=0)(xs).numpy() == first).all()
    assert (layer.eval()(xs).numpy() == xs).all()
    check_grad(lambda x: nn.VariationalDropout(0.5, rng=0)(x * x), xs)


def test_variational_dropout_does_not_fit_between_batch_first_runners():
    """Its mask would be shared by all rows of the batch instead of all time steps."""
    runners = [nn.Recurrent(nn.RNNCell(I, I, rng=0), batch_first=True) for _ in range(2)]
    with pytest.raises(ValueError, match="one value of batch_first, got both True and False"):
        nn.Layers(runners[0], nn.VariationalDropout(0.5, rng=0), runners[1])
    nn.Layers(runners[0], nn.Dropout(0.5, rng=0), ts.tanh, runners[1])  # these accept either order of axes


def test_variational_dropout_needs_a_time_axis():
    with pytest.raises(
        ValueError, match=r"VariationalDropout needs a sequence \(T, B, \.\.\.\), got shape \(3,\)"
    ):
        nn.VariationalDropout(0.5, rng=0)(np.ones(3))
    with pytest.raises(ValueError, match=r"VariationalDropout needs a number p in \[0, 1\), got 1.0"):
        nn.VariationalDropout(1.0)


# --- recurrent connections ----------------------------------------------------------------------------


def lstm(wh, cell, state=None):
    """The LSTM in NumPy, with the recurrent weights `wh`."""
    Wx, b = cell.Wx.numpy(), cell.b.numpy()  # noqa: N806
    h, c = np.zeros((2, B, H)) if state is None else state
    found = []
    for x in xs:
        i, f, g, o = np.split(x @ Wx + b + h @ wh, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        found.append(h)
    return np.array(found)


def test_recurrent_dropout_is_the_network_without_some_rows():
    p, cell = 0.5, nn.LSTMCell(I, H, rng=0, **F64)
    kept = np.random.default_rng(3).random((H, 1)) >= p
    assert 0 < kept.sum() < H
    rnn = nn.RecurrentDropout(nn.Recurrent(cell), p, rng=3)
    wh = cell.Wh.numpy()
    ys, _ = rnn(xs)
    assert_allclose(ys.numpy(), lstm(wh * kept / (1 - p), cell), rtol=1e-12)
    assert (cell.Wh.numpy() == wh).all()
    assert rnn.parameters() == cell.parameters()
    assert_allclose(rnn.eval()(xs)[0].numpy(), lstm(wh, cell), rtol=1e-12)


def test_gradients_reach_the_weights_through_the_mask():
    """A dropped row has gradient 0, and every gradient is on a parameter that the optimizer has."""
    cell = nn.LSTMCell(I, H, rng=0, **F64)
    kept = (np.random.default_rng(3).random((H, 1)) >= 0.5).ravel()
    nn.RecurrentDropout(nn.Recurrent(cell), 0.5, rng=3)(xs)[0].sum().backward()
    assert ((cell.Wh.grad.numpy() != 0).any(axis=1) == kept).all()
    assert all(p.grad is not None for p in cell.parameters())

    def run(wh):
        cell.Wh = wh
        return nn.RecurrentDropout(nn.Recurrent(cell), 0.5, rng=3)(xs[:3])[0]

    check_grad(run, cell.Wh.numpy())


RUNNERS = {
    "recurrent": lambda: nn.Recurrent(nn.GRUCell(I, H, rng=0, **F64)),
    "stacked": lambda: nn.Recurrent(
        nn.Stacked(nn.LSTMCell(I, H, rng=0, **F64), nn.RNNCell(H, 2, rng=1, **F64))
    ),
    "bidirectional": lambda: bidirectional(input_size=I),
    "layers": lambda: nn.Layers(bidirectional(input_size=I), bidirectional(H + 4, (2, 3), seed=1)),
    "batch first": lambda: nn.Recurrent(nn.GRUCell(I, H, rng=0, **F64), batch_first=True),
}


@pytest.mark.parametrize("name", RUNNERS)
def test_it_is_called_like_the_runner(name):
    """It passes on state, lengths and summary; after eval() it is the runner; a seed makes it reproducible."""
    runner = RUNNERS[name]()
    x = xs.swapaxes(0, 1) if runner.batch_first else xs
    state = tree.each(lambda part: part + 0.3, runner(x)[1])
    rnn, lengths = nn.RecurrentDropout(runner, 0.5, rng=0), [6, 0, 3]
    dropped = [part.numpy() for part in tree.leaves(rnn(x, state, lengths))]
    again = nn.RecurrentDropout(runner, 0.5, rng=0)
    summary = nn.RecurrentDropout(runner, 0.5, rng=0).summary(x, state, lengths)
    for ours, same in zip(dropped, tree.leaves(again(x, state, lengths)), strict=True):
        assert (ours == same.numpy()).all()
    for ours, same in zip(dropped[1:], tree.leaves(summary)[1:], strict=True):
        assert (ours == same.numpy()).all()
    plain = [part.numpy() for part in tree.leaves(runner(x, state, lengths))]
    assert any((ours != theirs).any() for ours, theirs in zip(dropped, plain, strict=True))
    for ours, theirs in zip(tree.leaves(rnn.eval()(x, state, lengths)), plain, strict=True):
        assert (ours.numpy() == theirs).all()
    assert rnn.batch_first == runner.batch_first


def test_each_cell_of_a_runner_has_a_mask_of_its_own():
    runner = nn.Layers(*(nn.Recurrent(nn.RNNCell(I, I, rng=0, **F64)) for _ in range(2)))
    rng, p = np.random.default_rng(7), 0.5
    first, second = (rng.random((I, 1)) >= p for _ in range(2))
    assert (first != second).any()
    expected = xs
    for kept, layer in zip((first, second), runner.runners, strict=True):
        cell = layer.cell
        h, found = np.zeros((B, I)), []
        for x in expected:
            h = np.tanh(x @ cell.Wx.numpy() + cell.b.numpy() + h @ (cell.Wh.numpy() * kept / (1 - p)))
            found.append(h)
        expected = found
    assert_allclose(nn.RecurrentDropout(runner, p, rng=7)(xs)[0].numpy(), expected, rtol=1e-12, atol=1e-15)


def test_what_recurrent_dropout_refuses():
    rnn = nn.Recurrent(nn.GRUCell(I, H, rng=0))
    with pytest.raises(ValueError, match=r"RecurrentDropout needs a number p in \[0, 1\), got 1.0"):
        nn.RecurrentDropout(rnn, 1.0)
    no_weights = nn.Recurrent(nn.DeepTransition(Held()))
    with pytest.raises(ValueError, match="needs a runner whose cells have a Wh; Recurrent has none"):
        nn.RecurrentDropout(no_weights, 0.5)


class Held(nn.Cell):
    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, 1))

    def __call__(self, state, x):
        return state, state


def test_a_deep_network_with_dropout_everywhere_learns():
    """All three kinds of dropout in one network: the loss falls."""
    rng = np.random.default_rng(0)
    rnn = nn.RecurrentDropout(
        nn.Layers(
            nn.VariationalDropout(0.1, rng=rng),
            nn.Recurrent(nn.LSTMCell(I, 8, rng=rng)),
            nn.Dropout(0.1, rng=rng),
            nn.Recurrent(nn.GRUCell(8, H, rng=rng)),
        ),
        0.1,
        rng=rng,
    )
    x, y = xs.astype(np.float32), np.tanh(np.cumsum(xs, axis=0)[:, :, :1]).astype(np.float32)
    readout = nn.Linear(H, 1, rng=rng)
    optimizer = ts.optim.Adam([*rnn.parameters(), *readout.parameters()], lr=0.01)
    losses = []
    for _ in range(60):
        loss = nn.mse(readout(rnn(x)[0]), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])
