"""The cells compared with the equations of the lecture and the papers, transcribed for a sequence in NumPy.

Each transcription keeps the form of its source: one weight matrix for each gate, [h, x] concatenated where the
source concatenates them, and a loop over time, units or modules where the source has an index. The weights are
then arranged as in the cell.
"""
# ruff: noqa: N806 (weights have the names that they have in the sources)

import numpy as np
import pytest
from combined import COMBINED
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

T, B, I, H = 6, 2, 3, 4  # noqa: E741 (the letters of the shapes)
xs = np.random.default_rng(0).normal(size=(T, B, I))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(*shape):
    return np.random.default_rng([7, *shape]).normal(size=shape) * 0.7


def gates(names, inputs=I + H):
    """For each gate, random weights for [h, x] and a random bias."""
    rng = np.random.default_rng(3)
    return {name: (rng.normal(size=(inputs, H)) * 0.6, rng.normal(size=H) * 0.6) for name in names}


def laid_out(cell, weights):
    """Assign these gate weights for [h, x] to a cell: gates concatenated, Wx and Wh separate."""
    cell.Wh.assign_(np.concatenate([W[:H] for W, _ in weights.values()], axis=1))
    cell.Wx.assign_(np.concatenate([W[H:] for W, _ in weights.values()], axis=1))
    cell.b.assign_(np.concatenate([b for _, b in weights.values()]))
    return cell


def run(cell):
    ys, state = nn.Recurrent(cell)(ts.tensor(xs))
    return ys, state


def options():
    return {"rng": 0, "dtype": np.float64}


@pytest.mark.parametrize(("activation", "f"), [("tanh", np.tanh), ("relu", lambda a: np.maximum(a, 0))])
def test_rnn(activation, f):
    """h_t = f(W h_{t-1} + U x_t + b)"""
    weights = gates("h")
    W, b = weights["h"]
    h, expected = np.zeros((B, H)), []
    for x in xs:
        h = f(np.concatenate([h, x], axis=1) @ W + b)
        expected.append(h)
    ys, state = run(laid_out(nn.RNNCell(I, H, activation=activation, **options()), weights))
    assert_allclose(ys.numpy(), expected, rtol=1e-12)
    assert_allclose(state.numpy(), h, rtol=1e-12)


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


def long_short_term(weights, peep=None, full=None, coupled=False, norm=None):
    """Every LSTM of the lecture, gate by gate: h at all steps, and the last C."""
    h, C, found = np.zeros((B, H)), np.zeros((B, H)), []
    for x in xs:
        hx = np.concatenate([h, x], axis=1)

        def gate(name, cell, hx=hx):
            W, b = weights[name]
            a = hx @ W + b
            if peep is not None:
                a = a + cell * peep[name]
            if full is not None:
                a = a + cell @ full[name]
            return sigmoid(a)

        f = gate("f", C)
        i = 1 - f if coupled else gate("i", C)
        W, b = weights["g"]
        C = f * C + i * np.tanh(hx @ W + b)
        h = gate("o", C) * np.tanh(C)
        found.append((h, C))
    return np.array([h for h, _ in found]), C


def check(cell, expected):
    ys, (h, c) = run(cell)
    outputs, C = expected
    assert_allclose(ys.numpy(), outputs, rtol=1e-11)
    assert_allclose(h.numpy(), outputs[-1], rtol=1e-11)
    assert_allclose(c.numpy(), C, rtol=1e-11)


def test_lstm():
    weights = gates("ifgo")
    check(laid_out(nn.LSTMCell(I, H, **options()), weights), long_short_term(weights))


def test_peephole_lstm():
    """f_t depends on C_{t-1}, o_t on C_t (Gers & Schmidhuber 2000)."""
    weights, peep = gates("ifgo"), {name: drawn(H, k)[:, 0] for k, name in enumerate("ifo", 1)}
    cell = laid_out(nn.PeepholeLSTMCell(I, H, **options()), weights)
    for name, p in peep.items():
        getattr(cell, f"p_{name}").assign_(p)
    check(cell, long_short_term(weights, peep=peep))


def test_full_peephole_lstm():
    """W [C, h, x], as on the lecture's slide."""
    weights, full = gates("ifgo"), {name: drawn(H, H, k)[:, :, 0] for k, name in enumerate("ifo", 1)}
    cell = laid_out(nn.FullPeepholeLSTMCell(I, H, **options()), weights)
    cell.Wc.assign_(np.concatenate([full[name] for name in "ifo"], axis=1))
    check(cell, long_short_term(weights, full=full))


def test_diagonal_peepholes_are_peepholes():
    one, other = nn.PeepholeLSTMCell(I, H, **options()), nn.FullPeepholeLSTMCell(I, H, **options())
    for name in ("Wx", "Wh", "b"):
        getattr(other, name).assign_(getattr(one, name))
    blocks = [np.diag(getattr(one, f"p_{name}").numpy()) for name in "ifo"]
    other.Wc.assign_(np.concatenate(blocks, axis=1))
    assert_allclose(run(one)[0].numpy(), run(other)[0].numpy(), rtol=1e-12)


def test_coupled_lstm():
    """C_t = f_t C_{t-1} + (1 - f_t) C~_t"""
    weights = gates("fgo")
    check(laid_out(nn.CoupledLSTMCell(I, H, **options()), weights), long_short_term(weights, coupled=True))


def test_layer_norm_lstm():
    """Ba, Kiros & Hinton 2016, equations 20 to 22: every pre-activation and the cell are normalised."""

    def normalised(a, gain, bias, eps=1e-5):
        spread = np.array([[np.sqrt(row.var() + eps)] for row in a])
        return gain * (a - a.mean(axis=1, keepdims=True)) / spread + bias

    cell = nn.LayerNormLSTMCell(I, H, **options())
    for norm in (cell.norm_x, cell.norm_h, cell.norm_c):
        for p in norm.parameters():
            p.assign_(drawn(*p.shape) + 1.0)
    h, C, expected = np.zeros((B, H)), np.zeros((B, H)), []
    parameters = {name: [p.numpy() for p in getattr(cell, f"norm_{name}").parameters()] for name in "xhc"}
    for x in xs:
        a = normalised(x @ cell.Wx.numpy(), *parameters["x"]) + normalised(
            h @ cell.Wh.numpy(), *parameters["h"]
        )
        i, f, g, o = (a[:, k * H : (k + 1) * H] for k in range(4))
        C = sigmoid(f) * C + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normalised(C, *parameters["c"]))
        expected.append(h)
    check(cell, (np.array(expected), C))


def test_depth_gated_lstm():
    """c^{l+1}_t = d c^l_t + f c^{l+1}_{t-1} + i g, with d of x, c^{l+1}_{t-1} and c^l_t (Yao et al. 2015)."""
    cell = nn.DepthGatedLSTM(I, H, layers=3, **options())
    layers = [[p.numpy() for p in layer.parameters()] for layer in cell.layers]
    depth = [None, *([p.numpy() for p in gate.parameters()] for gate in cell.gates)]
    h, c, expected = np.zeros((3, B, H)), np.zeros((3, B, H)), []
    for x in xs:
        for k in range(3):
            Wx, Wh, b = layers[k]
            i, f, g, o = np.split(x @ Wx + h[k] @ Wh + b, 4, axis=1)
            new = sigmoid(f) * c[k] + sigmoid(i) * np.tanh(g)
            if k:
                Wd, bd, w_c, w_l = depth[k]
                new = new + sigmoid(bd + x @ Wd + w_c * c[k] + w_l * c[k - 1]) * c[k - 1]
            c[k], h[k] = new, sigmoid(o) * np.tanh(new)
            x = h[k]
        expected.append(h[2].copy())
    ys, state = run(cell)
    assert_allclose(ys.numpy(), expected, rtol=1e-11)
    for k, (h_k, c_k) in enumerate(state):
        assert_allclose(h_k.numpy(), h[k], rtol=1e-11)
        assert_allclose(c_k.numpy(), c[k], rtol=1e-11)


def test_with_a_closed_depth_gate_it_is_a_stack():
    cell = nn.DepthGatedLSTM(I, H, layers=2, **options())
    cell.gates[0].bd.assign_(np.full(H, -1e3))
    assert_allclose(run(cell)[0].numpy(), run(nn.Stacked(*cell.layers))[0].numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match=r"DepthGatedLSTM needs an integer layers in \[1, inf\), got 0"):
        nn.DepthGatedLSTM(I, H, layers=0)


def test_gru():
    """z_t, r_t of [h, x]; h~ of [r h, x]; h_t = (1 - z) h + z h~"""
    weights = gates("rzn")
    h, expected = np.zeros((B, H)), []
    for x in xs:
        hx = np.concatenate([h, x], axis=1)
        r, z = (sigmoid(hx @ W + b) for W, b in (weights["r"], weights["z"]))
        W, b = weights["n"]
        h = (1 - z) * h + z * np.tanh(np.concatenate([r * h, x], axis=1) @ W + b)
        expected.append(h)
    assert_allclose(run(laid_out(nn.GRUCell(I, H, **options()), weights))[0].numpy(), expected, rtol=1e-11)


def test_minimal_gated_unit():
    """f_t of [h, x]; h~ of [f h, x]; h_t = (1 - f) h + f h~ (Zhou et al. 2016)"""
    weights = gates("fn")
    h, expected = np.zeros((B, H)), []
    for x in xs:
        W, b = weights["f"]
        f = sigmoid(np.concatenate([h, x], axis=1) @ W + b)
        W, b = weights["n"]
        h = (1 - f) * h + f * np.tanh(np.concatenate([f * h, x], axis=1) @ W + b)
        expected.append(h)
    cell = laid_out(nn.MinimalGatedCell(I, H, **options()), weights)
    assert_allclose(run(cell)[0].numpy(), expected, rtol=1e-11)


# --- time scales ----------------------------------------------------------------------------------------


def test_leaky():
    """h_{t,i} = (1 - 1/gamma_i) h_{t-1,i} + 1/gamma_i f(W h_{t-1} + U x_t)_i"""
    weights, gamma = gates("h"), np.array([1.0, 1.5, 4.0, np.inf])
    W, b = weights["h"]
    h, expected = np.full((B, H), 0.3), []
    for x in xs:
        after = np.tanh(np.concatenate([h, x], axis=1) @ W + b)
        h = h.copy()
        for row in range(B):
            for i in range(H):
                h[row, i] = (1 - 1 / gamma[i]) * h[row, i] + 1 / gamma[i] * after[row, i]
        expected.append(h)
    cell = nn.LeakyCell(laid_out(nn.RNNCell(I, H, **options()), weights), gamma)
    ys, state = nn.Recurrent(cell)(ts.tensor(xs), ts.tensor(np.full((B, H), 0.3)))
    assert_allclose(ys.numpy(), expected, rtol=1e-12)
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
    cell = nn.SkipCell(I, H, distances=distances, **options())
    W = dict(zip(distances, np.split(cell.Wh.numpy(), len(distances)), strict=True))
    h = {t: np.zeros((B, H)) for t in range(-max(distances), 0)}
    for t, x in enumerate(xs):
        h[t] = np.tanh(x @ cell.Wx.numpy() + cell.b.numpy() + sum(h[t - d] @ W[d] for d in distances))
    ys, window = run(cell)
    assert_allclose(ys.numpy(), [h[t] for t in range(T)], rtol=1e-12)
    assert_allclose(
        [part.numpy() for part in window], [h[T - 1 - k] for k in range(max(distances))], rtol=1e-12
    )


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
    periods, width = (1, 2, 5), 2
    cell = nn.ClockworkRNNCell(I, 6, periods=periods, **options())
    Wx, Wh, b = (p.numpy() for p in (cell.Wx, cell.Wh, cell.b))
    h, expected = np.zeros((B, 6)), []
    for t, x in enumerate(xs):
        before, h = h, h.copy()
        for m, period in enumerate(periods):
            if t % period == 0:
                own = slice(m * width, (m + 1) * width)
                slower = slice(m * width, 6)
                h[:, own] = np.tanh(x @ Wx[:, own] + b[own] + before[:, slower] @ Wh[slower, own])
        expected.append(h)
    ys, (last, t) = run(cell)
    assert_allclose(ys.numpy(), expected, rtol=1e-12)
    assert_allclose(last.numpy(), h, rtol=1e-12)
    assert t.numpy().tolist() == [[T % period for period in periods]] * B


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


@pytest.mark.parametrize("name", nn.CELLS | COMBINED)
def test_derivatives_of_a_step_to_second_order(name):
    """By x, the state and every parameter, compared with finite differences."""
    cell = (nn.CELLS | COMBINED)[name](I, 5, rng=np.random.default_rng(0), dtype=np.float64)
    state = cell.initial_state(B, like=ts.tensor(xs[0]))
    floats = [part for part in ts_leaves(state) if part.dtype.kind == "f"]
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
        return [y, *(part for part in ts_leaves(after) if part.dtype.kind == "f")]

    parameters = [p.numpy() + 0.1 * rng.normal(size=p.shape) for p in cell.parameters() if p.requires_grad]
    check_grad(step, xs[0], *(rng.normal(size=part.shape) for part in floats), *parameters)


def ts_leaves(state):
    return [part for s in state for part in ts_leaves(s)] if isinstance(state, tuple) else [state]


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
    combinators |= {nn.Attending, nn.NTMCell, nn.ACTCell, nn.RepeatCell}
    assert kinds - made == {nn.Cell, *combinators}
