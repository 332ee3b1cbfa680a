"""The gradient on its way back through time, compared with recursions by hand; and the penalty."""
# ruff: noqa: N803, N806 (weights are named as in the cells)

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_allclose, assert_array_equal
from running import agree, each, is_float, loss_by, parts

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.testing import check_grad

I, H = 3, 4  # noqa: E741
F64 = {"dtype": np.float64}
SIZES = pytest.mark.parametrize(("steps", "batch"), [(5, 2), (1, 2), (5, 1), (1, 1), (2, 3)])
CELLS = {
    "RNN": nn.RNNCell,
    "relu": nn.CELLS["rectified RNN"],
    "GRU": nn.GRUCell,
    "leaky": nn.CELLS["leaky RNN"],
    "clockwork": nn.CELLS["clockwork RNN"],
    "LSTM": nn.LSTMCell,
    "skip": lambda *sizes, **options: nn.SkipCell(*sizes, distances=(1, 3), **options),
}


def problem(kind, steps, batch, seed=0):
    """A cell, inputs and a state, all leaves in float64; and the weights of a loss."""
    rng = np.random.default_rng(seed)
    cell = CELLS[kind](I, H, rng=rng, **F64)
    xs = ts.tensor(rng.normal(size=(steps, batch, I)), requires_grad=True)
    state = each(
        lambda part: ts.tensor(rng.normal(size=part.shape), requires_grad=True) if is_float(part) else part,
        cell.initial_state(batch, like=xs),
    )
    return cell, xs, state, rng.normal(size=(steps, batch, H))


def flow_of(kind, steps, batch, **options):
    cell, xs, state, weights = problem(kind, steps, batch)
    return nn.gradient_flow(cell, xs, loss_by(weights), state=state, **options), weights


# --- dL/dh_t --------------------------------------------------------------------------------------------


@SIZES
@pytest.mark.parametrize("kind", ["RNN", "relu", "GRU", "leaky", "clockwork"])
def test_the_flow_is_the_gradient_by_each_state_of_the_unrolled_loop(kind, steps, batch):
    """If the output is the whole float part of the state, the tape of the loop has this gradient."""
    cell, xs, state, weights = problem(kind, steps, batch)
    flow = nn.gradient_flow(cell, xs, loss_by(weights), state=state)
    states, outputs = [state], []
    for x in xs:
        after, y = cell(states[-1], x)
        states.append(after)
        outputs.append(y)
    loss = loss_by(weights)(ts.stack(outputs))
    agree([flow.loss], [loss])
    for part, others in zip(parts(flow.states), zip(*map(parts, states), strict=True), strict=True):
        agree(part, others)
    (found,) = flow.gradients
    expected = ts.grad(loss, outputs, retain_graph=True)
    agree(found, expected)
    agree([flow.norms()], [np.linalg.norm([g.numpy() for g in expected], axis=-1)])
    agree(
        ts.grad(flow.loss, [*cell.parameters(), xs], zeros=True),
        ts.grad(loss, [*cell.parameters(), xs], zeros=True),
    )


def steps_by_hand(flow, weights):
    """For an RNN and t = T ... 1: dL/dh_t, and its product with dh_t/dh_{t-1}. The lecture's equation, in rows:

    dL/dh_t = dL_t/dh_t + dL/dh_{t+1} diag(1 - h_{t+1}^2) Wh'
    """
    Wh, h, back, found = flow.cell.Wh.numpy(), flow.states.numpy(), 0.0, []
    for t in range(len(weights), 0, -1):
        g = weights[t - 1] * h[t] + back
        back = g * (1 - h[t] ** 2) @ Wh.T
        found.append((g, back))
    return found


def lstm_by_hand(flow, weights):
    """For an LSTM: [dL/dh_t; dL/dc_t], without the path from c_t to h_t; and the product with the Jacobian."""
    cell, (hs, cs) = flow.cell, [part.numpy() for part in flow.states]
    Wx, Wh, b = (p.numpy() for p in (cell.Wx, cell.Wh, cell.b))
    dh, dc, found = 0.0, np.zeros_like(hs[0]), []
    for t in range(len(weights), 0, -1):
        a = np.split(flow.xs.numpy()[t - 1] @ Wx + b + hs[t - 1] @ Wh, 4, axis=-1)
        i, f, o, g = (*(1 / (1 + np.exp(-a[k])) for k in (0, 1, 3)), np.tanh(a[2]))
        tanh_c = np.tanh(f * cs[t - 1] + i * g)
        dh = dh + weights[t - 1] * hs[t]
        given = np.concatenate([dh, dc], -1)
        dc = dc + dh * o * (1 - tanh_c**2)
        slopes = (
            dc * g * i * (1 - i),
            dc * cs[t - 1] * f * (1 - f),
            dc * i * (1 - g**2),
            dh * tanh_c * o * (1 - o),
        )
        dh, dc = np.concatenate(slopes, -1) @ Wh.T, dc * f
        found.append((given, np.concatenate([dh, dc], -1)))
    return found


def skip_by_hand(flow, weights):
    """For a network with connections from 1 and 3 steps back, whose state is (h_t, h_{t-1}, h_{t-2})."""
    W1, W3 = np.split(flow.cell.Wh.numpy(), 2)
    h = flow.states[0].numpy()
    first = second = third = np.zeros_like(h[0])
    found = []
    for t in range(len(weights), 0, -1):
        first = first + weights[t - 1] * h[t]
        given = np.concatenate([first, second, third], -1)
        da = first * (1 - h[t] ** 2)
        first, second, third = da @ W1.T + second, third, da @ W3.T
        found.append((given, np.concatenate([first, second, third], -1)))
    return found


BY_HAND = {"RNN": steps_by_hand, "LSTM": lstm_by_hand, "skip": skip_by_hand}


@SIZES
@pytest.mark.parametrize("kind", BY_HAND)
def test_the_flow_is_a_recursion_backward_by_hand(kind, steps, batch):
    flow, weights = flow_of(kind, steps, batch)
    expected = np.stack([g for g, _ in BY_HAND[kind](flow, weights)][::-1])
    agree([ts.concatenate(flow.gradients, axis=-1)], [expected])
    agree([flow.norms()], [np.linalg.norm(expected, axis=-1)])


def test_the_gradients_of_parameters_are_made_of_the_flow():
    """dL/dWh = sum_t h_{t-1}' D_t dL/dh_t, and in the same way for Wx and b."""
    flow, _ = flow_of("RNN", 5, 2)
    h, (g,) = flow.states.numpy(), (g.numpy() for g in flow.gradients)
    da = (1 - h[1:] ** 2) * g
    expected = (
        np.einsum("tbi,tbh->ih", flow.xs.numpy(), da),
        np.einsum("tbk,tbh->kh", h[:-1], da),
        da.sum((0, 1)),
    )
    agree(ts.grad(flow.loss, [flow.cell.Wx, flow.cell.Wh, flow.cell.b]), expected)


def test_without_a_state_it_starts_at_the_initial_one():
    cell, xs, state, weights = problem("LSTM", 3, 2)
    flow = nn.gradient_flow(cell, xs.numpy(), loss_by(weights))
    other = nn.gradient_flow(cell, xs, loss_by(weights), state=each(ts.zeros_like, state))
    agree([flow.loss, *flow.gradients, *flow.states], [other.loss, *other.gradients, *other.states])


def test_an_output_that_is_no_part_of_the_state_is_refused():
    cell, xs, _, _ = problem("LSTM", 3, 2)
    for wrong in (
        nn.Mapped(cell, after=ts.tanh),
        nn.Stacked(cell, nn.RNNCell(H, 2, **F64), all_to_output=True),
    ):
        with pytest.raises(TypeError, match=f"output is a part of its state, got a {type(wrong).__name__}"):
            nn.gradient_flow(wrong, xs, lambda ys: ys.sum())


# --- the penalty ----------------------------------------------------------------------------------------


def ratios(pairs):
    """sum_t (|dL/dh_{t+1} dh_{t+1}/dh_t| / |dL/dh_{t+1}| - 1)^2, t = 1 ... T - 1, averaged over rows."""
    lengths = [(np.linalg.norm(g, axis=-1), np.linalg.norm(back, axis=-1)) for g, back in pairs[:-1]]
    return sum((((back / g) - 1) ** 2).mean() for g, back in lengths)


@SIZES
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", BY_HAND)
def test_the_value_of_the_penalty(kind, exact, steps, batch):
    flow, weights = flow_of(kind, steps, batch, create_graph=exact)
    assert_allclose(
        nn.vanishing_penalty(flow, exact=exact), ratios(BY_HAND[kind](flow, weights)), rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize(("steps", "batch"), [(4, 2), (2, 1)])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM", "leaky", "skip"])
def test_the_exact_penalty_has_the_slope_of_its_value(kind, steps, batch):
    """By the parameters, the inputs and the initial state: all together, and each parameter separately."""
    cell, xs, state, weights = problem(kind, steps, batch)
    names, values = zip(*cell.named_parameters(), strict=True)
    given = [*(p.numpy() for p in values), xs.numpy(), *(part.numpy() for part in parts(state))]

    def penalty(*leaves):
        for name, value in zip(names, leaves, strict=False):
            owner, _, attribute = name.rpartition(".")
            setattr(cell.cell if owner else cell, attribute, value)
        xs, *start = leaves[len(names) :]
        flow = nn.gradient_flow(
            cell, xs, loss_by(weights), state=tuple(start) if len(start) > 1 else start[0], create_graph=True
        )
        return nn.vanishing_penalty(flow, exact=True)

    check_grad(penalty, *given, order=1)
    for i in range(len(names)):
        check_grad(
            lambda w, i=i: penalty(*map(ts.tensor, given[:i]), w, *map(ts.tensor, given[i + 1 :])),
            given[i],
            order=1,
        )


def slopes(f, values, eps=1e-6):
    """df/dv for every element of every array, by central differences."""
    found = []
    for v in values:
        slope = np.zeros_like(v)
        for at in np.ndindex(v.shape):
            kept, ends = v[at], []
            for step in (eps, -eps):
                v[at] = kept + step
                ends.append(f(*values))
            v[at] = kept
            slope[at] = (ends[0] - ends[1]) / (2 * eps)
        found.append(slope)
    return found


@pytest.mark.parametrize("create_graph", [True, False])
@pytest.mark.parametrize(("steps", "batch"), [(5, 2), (2, 1), (1, 2)])
def test_the_published_approximation_holds_states_and_gradients_fixed(steps, batch, create_graph):
    flow, weights = flow_of("RNN", steps, batch, create_graph=create_graph)
    xs, h = flow.xs.numpy(), flow.states.numpy()
    fixed = [
        (h[t], xs[t], g)
        for t, (g, _) in zip(range(steps - 1, 0, -1), steps_by_hand(flow, weights), strict=False)
    ]

    def penalty(Wx, Wh, b):
        lengths = [
            np.linalg.norm(g * (1 - np.tanh(x @ Wx + b + before @ Wh) ** 2) @ Wh.T, axis=-1)
            / np.linalg.norm(g, axis=-1)
            for before, x, g in fixed
        ]
        return sum(((ratio - 1) ** 2).mean() for ratio in lengths)

    parameters = [flow.cell.Wx, flow.cell.Wh, flow.cell.b]
    expected = slopes(penalty, [np.array(p.numpy()) for p in parameters])
    found = ts.grad(nn.vanishing_penalty(flow, exact=False), parameters, zeros=True)
    for ours, theirs in zip(found, expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


class Preactivation(nn.RNNCell):
    """a' = x Wx + b + tanh(a) Wh: the state is the argument of the next tanh, as in Pascanu et al."""

    def __call__(self, a, x):
        a = x @ self.Wx + self.b + ts.tanh(a) @ self.Wh
        return a, a


def test_the_approximation_is_the_published_immediate_derivative():
    """With v = dL/da_{t+1} and u = v Wh' diag(1 - tanh^2 a_t),

    d(|u| / |v| - 1)^2 = 2 (|u| / |v| - 1) / (|u| |v|) u . du,   du = v dWh' diag(1 - tanh^2 a_t)

    so the derivatives by Wx and b are 0.
    """
    rng, weights = np.random.default_rng(0), np.random.default_rng(1).normal(size=(5, 2, H))
    cell, xs = Preactivation(I, H, rng=rng, **F64), rng.normal(size=(5, 2, I))
    flow = nn.gradient_flow(cell, xs, loss_by(weights))
    a, (v,) = flow.states.numpy(), (g.numpy() for g in flow.gradients)
    expected = 0
    for t in range(1, 5):
        slope = 1 - np.tanh(a[t]) ** 2
        u = (v[t] @ cell.Wh.numpy().T) * slope
        lengths = np.linalg.norm(u, axis=-1, keepdims=True), np.linalg.norm(v[t], axis=-1, keepdims=True)
        factor = 2 * (lengths[0] / lengths[1] - 1) / (lengths[0] * lengths[1])
        expected = expected + (factor * u * slope).T @ v[t] / 2
    of_wh, of_wx, of_b = ts.grad(
        nn.vanishing_penalty(flow, exact=False), [cell.Wh, cell.Wx, cell.b], zeros=True
    )
    agree([of_wh], [expected])
    assert_array_equal(of_wx, np.zeros((I, H)))
    assert_array_equal(of_b, np.zeros(H))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_steps_after_the_loss_count_for_nothing(kind, exact):
    """With a loss on an early output, it is as if the sequence ended there; a row without a loss is 0."""
    cell, xs, state, weights = problem(kind, 5, 2)
    weights[:, 0] = 0
    results = []
    for steps in (5, 3):
        flow = nn.gradient_flow(
            cell, xs[:steps], lambda ys: (ys[2] * weights[2]).sum(), state=state, create_graph=exact
        )
        penalty = nn.vanishing_penalty(flow, exact=exact)
        assert (flow.norms().numpy()[3:] == 0).all()
        results.append([penalty, *ts.grad(penalty, cell.parameters(), zeros=True)])
    assert all(np.isfinite(r.numpy()).all() for r in results[0])
    assert results[0][0].numpy() > 0
    agree(*results)


def test_the_exact_penalty_asks_for_a_graph():
    flow, _ = flow_of("RNN", 3, 2)
    with pytest.raises(ValueError, match="call gradient_flow with create_graph=True"):
        nn.vanishing_penalty(flow, exact=True)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_flow_and_penalty_keep_float32(kind, exact):
    cell = CELLS[kind](I, H, rng=0)
    flow = nn.gradient_flow(cell, np.ones((3, 2, I), np.float32), lambda ys: ys[-1].sum(), create_graph=exact)
    penalty = nn.vanishing_penalty(flow, exact=exact)
    results = [flow.loss, *filter(is_float, parts(flow.states)), *flow.gradients, flow.norms(), penalty]
    assert {r.dtype for r in results} == {np.dtype(np.float32)}
    (flow.loss + penalty).backward()
    assert {p.grad.dtype for p in cell.parameters() if p.grad is not None} == {np.dtype(np.float32)}


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "clockwork"])
def test_learning_with_the_penalty_waits_for_nothing(kind, exact):
    with doors.open_doors():
        cell = CELLS[kind](I, H, rng=0).to("cuda")
        sgd, xs = optim.SGD(cell.parameters(), lr=0.1), ts.ones((5, 2, I), device="cuda")

        def step():
            flow = nn.gradient_flow(cell, xs, lambda ys: (ys[-1] ** 2).sum(), create_graph=exact)
            sgd.zero_grad()
            (flow.loss + nn.vanishing_penalty(flow, exact=exact)).backward()
            sgd.step()

        step()  # compiles
        with costs():
            step()
