"""Adaptive computation time compared with its equations in NumPy, its properties and gradients; RepeatCell."""
# ruff: noqa: N806 (weights have the names that they have in the cells)

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.testing import check_grad

T, B, I, H = 4, 5, 3, 6  # noqa: E741 (the letters of the shapes)
xs = np.random.default_rng(0).normal(size=(T, B, I))
both_ways = pytest.mark.parametrize("unroll", [True, False], ids=["eager", "scan"])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def adaptive(kind=nn.LSTMCell, seed=3, bias=0.0, scale=10.0, dtype=np.float64, **options):
    """A cell whose rows halt at different times, since its halting weights are scaled up."""
    rng = np.random.default_rng(seed)
    act = nn.ACTCell(kind(I + 1, H, rng=rng, dtype=dtype), rng=rng, **options)
    act.halting.weight.assign_(act.halting.weight * scale)
    act.halting.bias.assign_([bias])
    return act


def random_state(cell, batch=B, seed=1):
    rng = np.random.default_rng(seed)
    start = cell.initial_state(batch, like=ts.tensor(np.zeros((1, 1))))
    return tree.each(
        lambda s: ts.tensor(rng.normal(size=s.shape), requires_grad=True) if s.dtype.kind == "f" else s, start
    )


def values(made):
    return [part.numpy() for part in tree.leaves(made)]


def agree(ours, theirs, rtol=1e-11, atol=1e-13):
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, rtol=rtol, atol=atol)


# --- its equations --------------------------------------------------------------------------------------


def rnn_by_hand(cell, state, x):
    Wx, Wh, b = (p.numpy() for p in (cell.Wx, cell.Wh, cell.b))
    h = np.tanh(x @ Wx + b + state[0] @ Wh)
    return (h,), h


def lstm_by_hand(cell, state, x):
    Wx, Wh, b = (p.numpy() for p in (cell.Wx, cell.Wh, cell.b))
    h, c = state
    i, f, g, o = np.split(x @ Wx + b + h @ Wh, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


def step_by_hand(step, act, state, x):
    """One row at one time step: Graves (2016), equations 5 to 13."""
    w, b = act.halting.weight.numpy()[:, 0], act.halting.bias.numpy()[0]
    states, outputs, halting = [], [], []
    while not halting or (sum(halting) < 1 - act.epsilon and len(halting) < act.max_steps):
        state, y = step(act.cell, state, np.append(x, 0.0 if halting else 1.0))
        states.append(state)
        outputs.append(y)
        halting.append(sigmoid(y @ w + b))
    N, R = len(halting), 1 - sum(halting[:-1])
    p = [*halting[:-1], R]
    state = tuple(
        sum(p_n * part for p_n, part in zip(p, parts, strict=True)) for parts in zip(*states, strict=True)
    )
    return state, sum(p_n * y for p_n, y in zip(p, outputs, strict=True)), N + R, N


@both_ways
@pytest.mark.parametrize(("epsilon", "most"), [(0.01, 100), (0.01, 4), (0.4, 9)])
@pytest.mark.parametrize(("kind", "by_hand"), [(nn.RNNCell, rnn_by_hand), (nn.LSTMCell, lstm_by_hand)])
def test_it_is_its_equations(kind, by_hand, epsilon, most, unroll):
    """Row by row over several time steps; rows make one visit, several visits, and max_steps visits."""
    act = adaptive(kind, epsilon=epsilon, max_steps=most)
    start = random_state(act)
    (ys, ponder, steps), state = nn.Recurrent(act, unroll=unroll)(xs, start)
    seen = set()
    for b in range(B):
        s = tuple(part.numpy()[b] for part in tree.leaves(start))
        for t in range(T):
            s, y, cost, N = step_by_hand(by_hand, act, s, xs[t, b])
            assert_allclose(ys.numpy()[t, b], y, rtol=1e-11, atol=1e-14)
            assert_allclose(ponder.numpy()[t, b], cost, rtol=1e-12)
            assert steps.numpy()[t, b] == N
            seen.add(N)
        agree([part[b] for part in values(state)], s)
    assert len(seen) > 2
    assert most != 4 or 4 in seen
    assert ys.shape == (T, B, H)
    assert ponder.shape == steps.shape == (T, B)


class OneHotVisits(nn.Cell):
    """The output of visit n is x_n, the state is the one-hot vector of n; so the mean state of ACT is p."""

    def __init__(self, visits):
        self.chosen, self.later = ts.tensor(np.eye(visits + 1, visits)), ts.tensor(np.eye(visits, k=1))
        self.first = ts.tensor(np.eye(1, visits))

    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, self.later.shape[0]))

    def __call__(self, visit, x):
        visit = visit @ self.later * (1.0 - x[:, -1:]) + self.first * x[:, -1:]
        return visit, ts.sum(visit * (x @ self.chosen), axis=-1, keepdims=True)


def halted(logits, unroll=True, **options):
    """The p, ponder and steps of an ACT cell with h_n = sigmoid(logits[b, n]) for row b."""
    act = nn.ACTCell(OneHotVisits(logits.shape[1]), max_steps=logits.shape[1], **options)
    act.halting.weight.assign_([[1.0]])
    act.halting.bias.assign_([0.0])
    act.to(logits.device)
    (_, ponder, steps), p = nn.Recurrent(act, unroll=unroll)(logits[None])
    return p, ponder[0], steps[0]


def logit(h):
    return np.log(h) - np.log1p(-np.asarray(h))


@both_ways
def test_halting_by_hand(unroll):
    """With round probabilities, whose sums are easy to check."""
    h = [[0.5, 0.25, 0.5, 0.1], [0.99, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.125], [0.985, 0.001, 0.9, 0.9]]
    p, ponder, steps = halted(ts.tensor(logit(h)), unroll, epsilon=0.01000001)
    assert steps.numpy().tolist() == [3, 1, 4, 3]
    expected = [[0.5, 0.25, 0.25, 0], [1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.985, 0.001, 0.014, 0]]
    assert_allclose(p, expected, rtol=1e-9)
    assert_allclose(ponder, [3.25, 2, 4.25, 3.014], rtol=1e-12)


# --- its properties -------------------------------------------------------------------------------------

HOSTILE = st.sampled_from([-1e4, -50.0, 50.0, 1e4]) | st.floats(-50, 50)


@both_ways
@example(rows=[[50.0, 50.0], [-50.0, -50.0], [-50.0, 50.0]], epsilon=0.0)
@example(rows=[[-50.0] * 5], epsilon=0.99)
@given(
    rows=st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(HOSTILE, min_size=n, max_size=n), min_size=1, max_size=3)
    ),
    epsilon=st.sampled_from([0.0, 0.01, 0.5, 0.999]),
)
def test_weights_sum_to_one(rows, epsilon, unroll):
    """However early or late rows halt; weights are not negative, and the remainder R is at least epsilon."""
    p, ponder, steps = (z.numpy() for z in halted(ts.tensor(np.array(rows)), unroll, epsilon=epsilon))
    assert_allclose(p.sum(-1), 1, rtol=1e-12)
    assert (p >= 0).all()
    for row, N, cost in zip(p, steps, ponder, strict=True):
        assert 1 <= N <= len(row)
        assert (row[N:] == 0).all()
        assert cost == pytest.approx(N + row[N - 1], rel=1e-12)
        assert epsilon - 1e-12 <= row[N - 1] <= 1


@pytest.mark.parametrize("bias", [-50.0, 50.0])
@both_ways
def test_hostile_biases(unroll, bias):
    """It halts after one visit, or makes max_steps visits; the output is that of the last visit."""
    act = adaptive(bias=bias, dtype=np.float32, max_steps=3)
    (ys, ponder, steps), _ = nn.Recurrent(act, unroll=unroll)(xs[:1].astype(np.float32))
    N = 1 if bias > 0 else 3
    assert (steps.numpy() == N).all()
    assert (ponder.numpy() == N + 1).all()
    _, y = nn.RepeatCell(act.cell, N)(act.initial_state(B, like=ys), ts.tensor(xs[0].astype(np.float32)))
    assert_allclose(ys[0], y, rtol=1e-6, atol=1e-7)  # sums of terms up to 1, which two loops may round apart


def loss_of(made):
    """A loss of every tensor that is not of integers."""
    return sum((part + part * part).sum() for part in tree.leaves(made) if part.dtype.kind == "f")


@both_ways
@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell])
def test_a_row_does_not_depend_on_the_others(kind, unroll):
    """In values and gradients; rows halt at different times, and one row is NaN."""
    act = adaptive(kind, max_steps=6)
    x = np.concatenate([xs[:2], xs[2:]], axis=1)  # ten rows
    x[:, 3] = np.nan
    rnn, start = nn.Recurrent(act, unroll=unroll), random_state(act, 10)
    leaf = ts.tensor(x, requires_grad=True)
    made, state = rnn(leaf, start)
    assert len(set(made[2].numpy()[0])) > 2
    gradient = ts.grad(loss_of((made, state)), leaf).numpy()
    for b in range(10):
        own = ts.tensor(x[:, b : b + 1], requires_grad=True)
        alone, after = rnn(own, tree.each(lambda s, b=b: s[b : b + 1], start))
        agree([part[:, b : b + 1] for part in values(made)], values(alone))
        agree([part[b : b + 1] for part in values(state)], values(after))
        if b != 3:
            agree([gradient[:, b : b + 1]], [ts.grad(loss_of((alone, after)), own).numpy()])


@both_ways
def test_a_row_that_has_halted_does_not_advance(unroll):
    """A third visit would overflow; it repeats the second instead."""
    cell = nn.RNNCell(I + 1, H, activation="relu", rng=0)
    cell.Wh.assign_(1e25 * np.eye(H, dtype=np.float32))
    act = nn.ACTCell(nn.Mapped(cell, after=ts.tanh), rng=1)
    act.halting.weight.assign_(np.zeros((H, 1), np.float32))
    act.halting.bias.assign_([0.0])
    x = ts.tensor(xs[:1].astype(np.float32), requires_grad=True)
    (ys, ponder, steps), h = nn.Recurrent(act, unroll=unroll)(x)
    assert (steps.numpy() == 2).all()
    assert all(np.isfinite(part).all() for part in values((ys, ponder, h)))
    assert h.numpy().max() > 1e23
    for g in ts.grad(ys.sum() + ponder.sum() + h.sum(), [x, *act.parameters()]):
        assert np.isfinite(g.numpy()).all()


@both_ways
def test_nan_shows_in_the_outputs(unroll):
    """NaN in the input or in the halting unit, after max_steps visits; other rows are not affected."""
    act = adaptive(max_steps=4)
    x = xs[:1].copy()
    x[0, 1, 2] = np.nan
    (y, ponder, steps), (h, c) = nn.Recurrent(act, unroll=unroll)(x)
    rest = np.arange(B) != 1
    for part in (y.numpy()[0], ponder.numpy()[0, :, None], h.numpy(), c.numpy()):
        assert np.isnan(part[1]).all()
        assert np.isfinite(part[rest]).all()
    assert steps.numpy()[0, 1] == 4
    act.halting.bias.assign_([np.nan])
    (y, ponder, steps), _ = nn.Recurrent(act, unroll=unroll)(xs[:1])
    assert np.isnan(y.numpy()).all()
    assert np.isnan(ponder.numpy()).all()
    assert (steps.numpy() == 4).all()


@both_ways
def test_the_dtype_stays(unroll):
    for dtype in (np.float32, np.float64):
        act = adaptive(dtype=dtype, max_steps=5)
        (ys, ponder, steps), state = nn.Recurrent(act, unroll=unroll)(xs.astype(dtype))
        assert {t.dtype for _, t in act.named_tensors()} == {np.dtype(dtype)}
        assert {part.dtype for part in (ys, ponder, *tree.leaves(state))} == {np.dtype(dtype)}
        assert steps.dtype == np.int64


@both_ways
def test_integers_of_a_state_are_those_of_the_last_visit(unroll):
    """The clock of a clockwork network counts the visits of each row."""
    act = adaptive(partial(nn.ClockworkRNNCell, periods=(1, 5, 7)), max_steps=9)
    (_, _, steps), (h, t) = nn.Recurrent(act, unroll=unroll)(xs)
    N = steps.numpy()
    assert len({tuple(column) for column in N.T}) > 1
    assert (t.numpy() == N.sum(0)[:, None] % [1, 5, 7]).all()
    assert t.dtype == np.int64
    assert np.isfinite(h.numpy()).all()


@both_ways
def test_integers_of_a_row_that_halts_after_one_visit(unroll):
    """The row is computed again with its batch, without the flag; the state is that of its first visit."""

    class Noting(nn.GRUCell):
        def initial_state(self, batch, like):
            h = super().initial_state(batch, like)
            return h, ts.astype(h[:, :1], np.int64)

        def __call__(self, state, x):
            h, first_visits = state
            h, y = super().__call__(h, x)
            return (h, first_visits + ts.astype(x[:, I:], np.int64)), y

    act = adaptive(Noting, epsilon=0.4, max_steps=9)
    (_, _, steps), (_, first_visits) = nn.Recurrent(act, unroll=unroll)(xs)
    assert (steps.numpy() == 1).any()
    assert (steps.numpy() > 1).any()
    assert (first_visits.numpy() == T).all()


# --- its gradients --------------------------------------------------------------------------------------


@both_ways
def test_the_gradient_of_ponder(unroll):
    """dponder/dh_n is -1 for n < N, and 0 for n >= N, as in the paper."""
    h = np.array([[0.5, 0.25, 0.5, 0.1], [0.995, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.125]])
    logits = ts.tensor(logit(h), requires_grad=True)
    _, ponder, _ = halted(logits, unroll)
    weights = np.array([1.0, 3.0, 5.0])
    expected = -np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]]) * h * (1 - h) * weights[:, None]
    assert_allclose(ts.grad((ponder * weights).sum(), logits), expected, rtol=1e-12)


def away_from_kinks(act, start):
    """Whether every sum of h is far enough from 1 - epsilon that a small change does not change N."""
    s, margins = start, []
    for x in ts.tensor(xs):
        before, h = act._visits(s, x)[1:]
        margins.append(np.abs(before.numpy() + h.numpy() - (1 - act.epsilon)).min())
        s, _ = act(s, x)
    return min(margins) > 0.01


@both_ways
@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell])
def test_first_and_second_derivatives(kind, unroll):
    """Of outputs, ponder and state, by the input, the initial state and all parameters."""
    act = adaptive(kind, seed=1, bias=-1.0, scale=4.0, max_steps=5)
    start = random_state(act)
    assert away_from_kinks(act, start)
    names = [name for name, _ in act.named_parameters()]

    def run(x, *rest):
        state, parameters = rest[: len(tree.leaves(start))], rest[len(tree.leaves(start)) :]
        for name, p in zip(names, parameters, strict=True):
            *path, last = name.split(".")
            setattr(getattr(act, path[0]), last, p)
        (ys, ponder, _), after = nn.Recurrent(act, unroll=unroll)(x, tree.like(start, state))
        return ys, ponder, *tree.leaves(after)

    check_grad(run, xs, *values(start), *[p.numpy() for p in act.parameters()])


@pytest.mark.parametrize("name", nn.CELLS)
def test_scan_and_eager_are_equal(name):
    """For any cell: values, first and second derivatives."""
    act = adaptive(nn.CELLS[name], seed=0, bias=-1.0, scale=4.0, max_steps=5)
    start, results = random_state(act), []
    for unroll in (True, False):
        x = ts.tensor(xs, requires_grad=True)
        leaves = [x, *(s for s in tree.leaves(start) if s.requires_grad), *act.parameters()]
        made = nn.Recurrent(act, unroll=unroll)(x, start)
        first = ts.grad(loss_of(made), leaves, create_graph=True)
        second = ts.grad(sum((g * g).sum() for g in first), leaves)
        results.append([*values(made), *values(first), *values(second)])
        assert len(set(made[0][2].numpy().ravel())) > 1
    agree(*results, rtol=1e-9, atol=1e-10)


def test_eagerly_it_stops_when_every_row_has_halted():
    """It makes as many visits as the slowest row needs."""
    visits = []

    class Counted(nn.RNNCell):
        def __call__(self, h, x):
            visits.append(x.numpy()[:, I:].ravel().tolist())
            return super().__call__(h, x)

    act = adaptive(Counted, max_steps=50)
    visits.clear()
    _, (_, _, steps) = act(act.initial_state(B, like=ts.tensor(xs)), ts.tensor(xs[0]))
    N = steps.numpy()
    assert N.min() < N.max() < 50
    assert visits == [[1.0] * B] + [[0.0] * B] * (N.max() - 1)


@pytest.mark.in_numpy
@pytest.mark.parametrize(
    ("make", "count"), [(partial(nn.ACTCell, max_steps=4), 2), (partial(nn.RepeatCell, times=3), 3)]
)
def test_scan_moves_the_projections_of_the_input_out_of_the_loop(make, count):
    """With the flag and without, for all time steps at once."""
    cell = make(nn.LSTMCell(I + 1, H, rng=0))
    x = ts.tensor(xs.astype(np.float32))
    before, loop = str(ts.explain(cell, cell.initial_state(B, like=x), x)).split("\nloop\n")[:2]
    assert before.count("@ Wx") == count
    assert "Wx" not in loop


# --- edge cases -----------------------------------------------------------------------------------------


@both_ways
def test_one_row_one_step(unroll):
    act = adaptive(nn.GRUCell, max_steps=8)
    start = random_state(act, 1)
    (ys, ponder, steps), h = nn.Recurrent(act, unroll=unroll)(xs[:1, :1], start)
    assert ys.shape == (1, 1, H)
    assert steps.numpy()[0, 0] > 1
    after, made = act(start, ts.tensor(xs[0, :1]))
    agree(values(made), [part[0] for part in values((ys, ponder, steps))])
    agree(values(after), values(h))


@both_ways
def test_one_visit_is_the_cell(unroll):
    """The ponder cost is 2, and the gradient of the halting unit is 0."""
    act = adaptive(max_steps=1)
    start = random_state(act)
    (ys, ponder, steps), state = nn.Recurrent(act, unroll=unroll)(xs, start)
    flagged = np.concatenate([xs, np.ones((T, B, 1))], axis=-1)
    plain, after = nn.Recurrent(act.cell)(flagged, start)
    agree(values((ys, state)), values((plain, after)))
    assert (steps.numpy() == 1).all()
    assert (ponder.numpy() == 2).all()
    loss = ys.sum() + ponder.sum()
    assert all((g.numpy() == 0).all() for g in ts.grad(loss, act.halting.parameters()))


def test_without_epsilon_only_a_probability_of_one_halts_at_once():
    _, ponder, steps = halted(ts.tensor([[50.0, 0.0, 0.0], [4.0, 50.0, 0.0], [4.0, 0.0, 0.0]]), epsilon=0.0)
    assert steps.numpy().tolist() == [1, 2, 2]
    assert_allclose(ponder, [2, 2 + sigmoid(-4.0), 2 + sigmoid(-4.0)], rtol=1e-5)


@both_ways
@pytest.mark.parametrize("reverse", [False, True])
def test_lengths(reverse, unroll):
    """All outputs past a length are 0; the others and the summary are those of each row run separately."""
    lengths, act = [4, 0, 1, 3, 2], adaptive(max_steps=6)
    rnn = nn.Recurrent(act, reverse=reverse, unroll=unroll)
    start = random_state(act)
    made, state = rnn(xs, start, lengths)
    last, again = rnn.summary(xs, start, lengths)
    agree(values(state), values(again))
    for b, n in enumerate(lengths):
        assert all((part[n:, b] == 0).all() for part in values(made))
        own = tree.each(lambda s, b=b: s[b : b + 1], start)
        if n:
            alone, own = rnn(xs[:n, b : b + 1], own)
            agree([part[:n, b] for part in values(made)], [part[:, 0] for part in values(alone)])
            end = 0 if reverse else -1
            agree([part[b] for part in values(last)], [part[end, 0] for part in values(alone)])
        else:
            assert all((part[b] == 0).all() for part in values(last))
        agree([part[b] for part in values(state)], [part[0] for part in values(own)])
    assert [part.dtype for part in tree.leaves(made)] == [np.float64, np.float64, np.int64]


def test_batch_first():
    act, lengths = adaptive(max_steps=6), [4, 0, 1, 3, 2]
    made, state = nn.Recurrent(act)(xs, lengths=lengths)
    rnn = nn.Recurrent(act, batch_first=True)
    swapped, after = rnn(xs.swapaxes(0, 1), lengths=lengths)
    agree([part.swapaxes(0, 1) for part in values(made)], values(swapped))
    agree(values(state), values(after))
    last, _ = rnn.summary(xs.swapaxes(0, 1))
    agree(values(last), [part[-1] for part in values(nn.Recurrent(act)(xs)[0])])


@pytest.mark.parametrize(("back", "every"), [(4, 4), (2, 2), (3, 1), (1, 3)])
def test_truncated(back, every):
    """Chunks give the outputs of the whole sequence; if back is the whole length, also its gradients."""
    act = adaptive(max_steps=6)
    rnn, start = nn.Recurrent(act), random_state(act)
    made, state = rnn(xs, start)
    chunks = nn.Truncated(rnn, xs, back=back, every=every, state=start)
    given = list(chunks)
    whole = [np.concatenate(parts) for parts in zip(*(values(ys) for _, ys in given), strict=True)]
    agree(values(made), whole)
    agree(values(state), values(chunks.state))
    if back == T:
        agree(*(values(ts.grad(loss_of(ys), [*act.parameters()])) for ys in (made, given[0][1])))


# --- RepeatCell -----------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("times", [1, 2, 5])
def test_repeating_is_the_cell_applied_again(times, unroll):
    cell = nn.RepeatCell(nn.LSTMCell(I + 1, H, rng=0, dtype=np.float64), times)
    start = random_state(cell)
    x = ts.tensor(xs, requires_grad=True)
    ys, state = nn.Recurrent(cell, unroll=unroll)(x, start)
    s, outputs = start, []
    for t in range(T):
        for n in range(times):
            s, y = cell.cell(s, ts.concatenate([x[t], np.full((B, 1), float(n == 0))], axis=-1))
        outputs.append(y)
    agree(values((ys, state)), values((ts.stack(outputs), s)))
    wrt = [x, *tree.leaves(start), *cell.parameters()]
    agree(
        values(ts.grad((ys * ys).sum() + state[1].sum(), wrt)),
        values(ts.grad((ts.stack(outputs) ** 2).sum() + s[1].sum(), wrt)),
    )


def test_repeating_adds_no_parameters():
    cell = nn.GRUCell(I + 1, H, rng=0)
    assert [p.shape for p in nn.RepeatCell(cell, 3).parameters()] == [p.shape for p in cell.parameters()]


def test_an_adaptive_cell_can_be_repeated():
    """The output may be a tree."""
    cell = nn.RepeatCell(nn.ACTCell(nn.GRUCell(I + 2, H, rng=0), max_steps=3, rng=1), 2)
    (ys, ponder, steps), _ = nn.Recurrent(cell)(xs.astype(np.float32))
    assert ys.shape == (T, B, H)
    assert ponder.shape == steps.shape == (T, B)


# --- initial values and errors --------------------------------------------------------------------------


def test_the_initial_halting_unit():
    """Its bias is 1, and its weights are drawn from `rng`."""
    a, b, c = (nn.ACTCell(nn.GRUCell(I + 1, H, rng=0), rng=seed) for seed in (5, 5, 6))
    assert dict(a.named_parameters())["halting.bias"].numpy().tolist() == [1.0]
    assert (a.halting.weight.numpy() == b.halting.weight.numpy()).all()
    assert (a.halting.weight.numpy() != c.halting.weight.numpy()).any()
    assert a.halting.weight.shape == (H, 1)
    assert (a.epsilon, a.max_steps) == (0.01, 100)


MAKERS = [nn.ACTCell, partial(nn.RepeatCell, times=2)]


@pytest.mark.parametrize("make", MAKERS)
def test_an_input_of_another_size(make):
    cell = make(nn.LSTMCell(I + 1, H, rng=0))
    for run in (cell, lambda s, x: nn.Recurrent(cell)(x[None], s)):
        with pytest.raises(
            ValueError,
            match=r"Cell needs xs? \((T, )?B, 3\), got float32\[(1,)?5,4\]; for inputs of size 4, make a",
        ):
            run(random_state(cell), ts.tensor(np.ones((B, I + 1), np.float32)))


@pytest.mark.parametrize("make", MAKERS)
def test_a_cell_without_an_input(make):
    with pytest.raises(ValueError, match=r"a cell of input size I \+ 1, .* a flag; got one of input size 0"):
        make(nn.RNNCell(0, H))


def test_a_cell_of_more_than_one_output():
    act = nn.ACTCell(nn.GRUCell(I + 1, H))
    with pytest.raises(TypeError, match="ACTCell needs a cell whose output is one tensor, got a tuple"):
        nn.ACTCell(act)
    nn.ACTCell(nn.Mapped(act, after=lambda made: made[0]))


@pytest.mark.parametrize("epsilon", [1, 1.0, -0.01, math.nan, 2])
def test_an_invalid_epsilon(epsilon):
    with pytest.raises(ValueError, match=rf"ACTCell needs a number epsilon in \[0, 1\), got {epsilon}"):
        nn.ACTCell(nn.GRUCell(I + 1, H), epsilon=epsilon)


@pytest.mark.parametrize(("count", "kind"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_an_invalid_number_of_visits(count, kind):
    with pytest.raises(kind, match=rf"ACTCell needs an integer max_steps in \[1, inf\), got .*{count}"):
        nn.ACTCell(nn.GRUCell(I + 1, H), max_steps=count)
    with pytest.raises(kind, match=rf"RepeatCell needs an integer times in \[1, inf\), got .*{count}"):
        nn.RepeatCell(nn.GRUCell(I + 1, H), count)
