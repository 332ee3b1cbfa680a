"""The cells compared with the equations of the lecture and the papers; and what follows from the equations.

The equations are transcribed to NumPy in `tests/support/equations.py`, one step of each.
"""

import numpy as np
import pytest
from combined import SMOOTH
from equations import EQUATIONS, over_time
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.testing import check_grad

T, B, I, H = 6, 2, 3, 4  # noqa: E741 (the letters of the shapes)
xs = np.random.default_rng(0).normal(size=(T, B, I))


def drawn(*shape):
    return np.random.default_rng([7, *shape]).normal(size=shape) * 0.7


def run(cell, state=None):
    ys, state = nn.Recurrent(cell)(ts.tensor(xs), state)
    return ys, state


def options():
    return {"rng": 0, "dtype": np.float64}


def check(cell, equation, state=None, **told):
    """Assert that a cell with random parameters computes its equation, from zeros or from a given state."""
    for p in cell.parameters():
        p.assign_(drawn(*p.shape))
    start = cell.initial_state(B, like=ts.tensor(xs[0])) if state is None else state
    w = {name: t.numpy() for name, t in cell.named_tensors()}
    ys, last = run(cell, start)
    expected = over_time(lambda s, x: equation(w, s, x, **told), tree.each(ts.Tensor.numpy, start), xs)
    for found, value in zip(tree.leaves((ys, last)), tree.leaves(expected), strict=True):
        assert_allclose(found.numpy(), value, rtol=1e-11)


@pytest.mark.parametrize("name", nn.CELLS)
def test_every_cell_is_its_equation(name):
    check(nn.CELLS[name](I, H, **options()), EQUATIONS[name])


def test_an_irnn_sums_its_inputs():
    """With relu and the identity for Wh, if all values are positive (Le, Jaitly & Hinton 2015)."""
    cell = nn.RNNCell(I, H, activation="relu", **options())
    cell.Wh.assign_(nn.init.identity(H))
    cell.Wx.assign_(np.abs(cell.Wx.numpy()))
    cell.b.assign_(np.zeros(H))
    ys, _ = nn.Recurrent(cell)(ts.tensor(np.abs(xs)))
    assert_allclose(ys.numpy(), np.cumsum(np.abs(xs) @ cell.Wx.numpy(), axis=0), rtol=1e-12)


def test_an_unknown_activation_is_an_error():
    with pytest.raises(ValueError, match="activation must be one of tanh, relu, not 'sin'"):
        nn.RNNCell(I, H, activation="sin")


def test_diagonal_peepholes_are_peepholes():
    one, other = nn.PeepholeLSTMCell(I, H, **options()), nn.FullPeepholeLSTMCell(I, H, **options())
    for name in ("Wx", "Wh", "b"):
        getattr(other, name).assign_(getattr(one, name))
    blocks = [np.diag(getattr(one, f"p_{name}").numpy()) for name in "ifo"]
    other.Wc.assign_(np.concatenate(blocks, axis=1))
    assert_allclose(run(one)[0].numpy(), run(other)[0].numpy(), rtol=1e-12)


def test_three_layers_with_depth_gates():
    check(nn.DepthGatedLSTM(I, H, layers=3, **options()), EQUATIONS["depth-gated LSTM"])


def test_with_a_closed_depth_gate_it_is_a_stack():
    cell = nn.DepthGatedLSTM(I, H, layers=2, **options())
    cell.gates[0].bd.assign_(np.full(H, -1e3))
    assert_allclose(run(cell)[0].numpy(), run(nn.Stacked(*cell.layers))[0].numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match=r"DepthGatedLSTM needs an integer layers in \[1, inf\), got 0"):
        nn.DepthGatedLSTM(I, H, layers=0)


# --- time scales ----------------------------------------------------------------------------------------


def test_leaky():
    """A unit of infinite gamma never changes; the others are between their old and their new values."""
    start = ts.tensor(np.full((B, H), 0.3))
    cell = nn.LeakyCell(nn.RNNCell(I, H, **options()), [1.0, 1.5, 4.0, np.inf])
    rates = cell.rate.numpy()
    check(cell, EQUATIONS["leaky RNN"], start)
    cell.rate.assign_(rates)
    ys, state = run(cell, start)
    assert_allclose(rates, [1, 1 / 1.5, 0.25, 0])
    assert (ys.numpy()[:, :, 3] == 0.3).all()
    assert state.numpy().tolist() == ys.numpy()[-1].tolist()


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.MinimalGatedCell])
def test_a_leaky_cell_of_gamma_1_is_the_cell_and_of_infinity_never_changes(kind):
    inner = kind(I, H, **options())
    start = ts.tensor(drawn(B, H))
    plain, _ = nn.Recurrent(inner)(ts.tensor(xs), start)
    same_cell, _ = nn.Recurrent(nn.LeakyCell(inner, 1.0))(ts.tensor(xs), start)
    held, _ = nn.Recurrent(nn.LeakyCell(inner, np.inf))(ts.tensor(xs), start)
    assert_allclose(same_cell.numpy(), plain.numpy(), rtol=1e-13)
    assert (held.numpy() == start.numpy()).all()


def test_rates_are_learned_if_asked():
    fixed = nn.LeakyCell(nn.RNNCell(I, H, **options()), 2.0)
    learned = nn.LeakyCell(nn.RNNCell(I, H, **options()), np.full(H, 2.0), learned=True)
    for cell in (fixed, learned):
        run(cell)[0].sum().backward()
    assert fixed.rate.grad is None
    assert learned.rate.grad.shape == (H,)
    learned.rate.assign_(np.array([-1.0, 0.5, 2.0, 1.0]))  # an optimizer may leave [0, 1]
    h, _ = learned(ts.tensor(np.full((B, H), 0.3)), ts.tensor(xs[0]))
    assert (h.numpy()[:, 0] == 0.3).all()
    assert (np.abs(h.numpy()) <= 1).all()


def test_errors_of_a_leaky_cell():
    with pytest.raises(ValueError, match=r"LeakyCell needs time constants >= 1 .* got \[1\.  0\.5\]"):
        nn.LeakyCell(nn.RNNCell(I, H, rng=0), [1.0, 0.5])
    with pytest.raises(ValueError, match=r"LeakyCell needs time constants >= 1 .* got nan"):
        nn.LeakyCell(nn.RNNCell(I, H, rng=0), np.nan)
    for gamma in ("2", True, [1, None]):
        with pytest.raises(ValueError, match=r"LeakyCell needs time constants >= 1"):
            nn.LeakyCell(nn.RNNCell(I, H, rng=0), gamma)
    with pytest.raises(TypeError, match="LeakyCell needs a cell whose state is one tensor, got a tuple"):
        nn.Recurrent(nn.LeakyCell(nn.LSTMCell(I, H, rng=0), 2.0))(ts.tensor(xs.astype(np.float32)))


@pytest.mark.parametrize("distances", [(1,), (1, 3), (3,), (2, 5), (4, 1, 2)])
def test_skip(distances):
    """h_t = tanh(U x_t + b + sum_d W_d h_{t-d}), with h = 0 before the first step."""
    check(nn.SkipCell(I, H, distances=distances, **options()), EQUATIONS["skip RNN"], distances=distances)


def test_without_distance_1_there_is_no_path_of_length_1():
    """With only distance 3, h_5 depends on x_5 and x_2, and on no input between them."""
    x = ts.tensor(xs, requires_grad=True)
    ys, _ = nn.Recurrent(nn.SkipCell(I, H, distances=(3,), **options()))(x)
    seen = np.abs(ts.grad(ys[5].sum(), x).numpy()).sum((1, 2)) > 0
    assert seen.tolist() == [False, False, True, False, False, True]


@pytest.mark.parametrize(
    ("distances", "kind", "words"),
    [
        ((), ValueError, r"one or more distinct distances, got \(\)"),
        ((1, 1), ValueError, r"one or more distinct distances, got \(1, 1\)"),
        ((0,), ValueError, r"an integer distances in \[1, inf\), got 0"),
        ((-1, 2), ValueError, r"an integer distances in \[1, inf\), got -1"),
        ((1.5,), TypeError, r"an integer distances in \[1, inf\), got float 1.5"),
    ],
)
def test_invalid_distances(distances, kind, words):
    with pytest.raises(kind, match=f"SkipCell needs {words}"):
        nn.SkipCell(I, H, distances=distances)


def test_clockwork():
    """A module is updated when t mod T_m = 0; it receives itself and the modules of longer periods."""
    cell = nn.ClockworkRNNCell(I, 6, periods=(1, 2, 5), **options())
    check(cell, EQUATIONS["clockwork RNN"])
    ys, (_, t) = run(cell)
    moved = (np.diff(ys.numpy(), axis=0) != 0).any(axis=1)
    assert moved[:, 0:2].all()
    assert moved[:, 2].tolist() == [False, True, False, True, False]
    assert moved[:, 4].tolist() == [False, False, False, False, True]
    assert t.numpy().tolist() == [[T % period for period in (1, 2, 5)]] * B


def test_a_masked_clockwork_weight_has_no_gradient():
    cell = nn.ClockworkRNNCell(I, 4, periods=(1, 2), **options())
    run(cell)[0].sum().backward()
    assert (cell.Wh.grad.numpy()[:2, 2:] == 0).all()
    assert (cell.Wh.grad.numpy()[2:, :2] != 0).all()


@pytest.mark.parametrize(("periods", "size"), [((), 4), ((2, 1), 4), ((1, 1), 4), ((1, 2, 4), 4)])
def test_invalid_periods(periods, size):
    with pytest.raises(ValueError, match="ascending periods, whose number divides hidden_size; got periods"):
        nn.ClockworkRNNCell(I, size, periods=periods)
    with pytest.raises(ValueError, match=r"ClockworkRNNCell needs an integer periods in \[1, inf\), got 0"):
        nn.ClockworkRNNCell(I, size, periods=(0, *periods))


# --- all of them -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", nn.CELLS | SMOOTH)
def test_derivatives_of_a_step_to_second_order(name):
    """By x, the state and every parameter, compared with finite differences."""
    cell = (nn.CELLS | SMOOTH)[name](I, 5, rng=np.random.default_rng(0), dtype=np.float64)
    state = cell.initial_state(B, like=ts.tensor(xs[0]))
    floats = [part for part in tree.leaves(state) if part.dtype.kind == "f"]
    rng = np.random.default_rng(1)
    names = [n for n, p in cell.named_parameters() if p.requires_grad]

    def step(x, *values):
        values = list(values)
        given = iter(values[: len(floats)])
        before = filled(state, given)
        for n, value in zip(names, values[len(floats) :], strict=True):
            *path, last = n.split(".")
            home = cell
            for part in path:
                home = home[int(part)] if part.isdigit() else getattr(home, part)
            if last.isdigit():
                home[int(last)] = value
            else:
                setattr(home, last, value)
        after, y = cell(before, x)
        return [y, *(part for part in tree.leaves(after) if part.dtype.kind == "f")]

    parameters = [p.numpy() + 0.1 * rng.normal(size=p.shape) for p in cell.parameters() if p.requires_grad]
    check_grad(step, xs[0], *(rng.normal(size=part.shape) for part in floats), *parameters)


def filled(state, values):
    """A state with its float tensors replaced, in order."""
    if isinstance(state, tuple):
        return tuple(filled(s, values) for s in state)
    return next(values) if state.dtype.kind == "f" else state


@pytest.mark.parametrize("name", nn.CELLS)
def test_a_seed_makes_a_registered_cell_reproducible(name):
    make = nn.CELLS[name]
    a, b, c = (make(I, 5, rng=seed).state_dict() for seed in (5, np.random.default_rng(5), 6))
    assert all((a[key] == b[key]).all() for key in a)
    assert any((a[key] != c[key]).any() for key in a)
    kinds = {t.dtype for _, t in make(I, 5, rng=0, dtype=np.float64).named_tensors()}
    assert kinds - {np.dtype(np.int64)} == {np.dtype(np.float64)}


def test_every_kind_of_cell_is_in_the_registry():
    """Every cell class of nn, except those that wrap other cells."""
    made = {type(make(I, 5, rng=0)) for make in nn.CELLS.values()}
    kinds = {kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Cell)}
    combinators = {nn.Stacked, nn.Residual, nn.Mapped, nn.DeepTransition, nn.FedBack, nn.LearnedStart}
    combinators |= {nn.Attending, nn.HardAttending, nn.NTMCell, nn.ACTCell, nn.RepeatCell}
    combinators |= {nn.RAMCell, nn.DRAMCell, nn.DRAWCell}
    assert kinds - made == {nn.Cell, *combinators}
