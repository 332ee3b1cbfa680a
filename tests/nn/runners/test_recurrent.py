"""A runner equals the loop, in both directions; rows of unequal length are independent of each other."""

import warnings

import numpy as np
import pytest
from combined import COMBINED
from hypothesis import given
from hypothesis import strategies as st
from results import assert_allclose
from running import AWKWARD, CELLS, H, I, agree, is_float, parts, problem, rows

import tinygrad_seq as ts
from tinygrad_seq import nn, tree

# sums that no nonlinearity bounds may cancel, so that only the rounding errors of their terms remain
CANCELLED = {COMBINED[name]: 1e-15 for name in ("residual", "mapped", "fed back")}


def loss_of(ys, state, weights):
    """A loss that depends on every output and every part of the final state."""
    over_ys, over_state = weights
    squares = (rowwise(over_state, part) for part in filter(is_float, parts(state)))
    return sum(squares, (ys * over_ys).sum())


def rowwise(weights, part):
    """The squares of a part of the state, weighted by rows of the batch."""
    return (part * part * weights.reshape(-1, *[1] * (part.ndim - 1))).sum()


def gradients(loss, cell, xs, state):
    return [
        g.numpy() for g in ts.grad(loss, [*cell.parameters(), xs, *filter(is_float, parts(state))], zeros=True)
    ]


@pytest.mark.parametrize(("steps", "batch"), [(4, 2), (1, 2), (4, 1), (1, 1)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_it_is_the_loop(kind, reverse, steps, batch):
    cell, xs, state, weights = problem(kind, steps, batch)
    ys, final = nn.Recurrent(cell, reverse=reverse)(xs, state)

    order, s, outputs = list(range(steps)), state, {}
    for t in reversed(order) if reverse else order:
        s, outputs[t] = cell(s, xs[t])
    unrolled = ts.stack([outputs[t] for t in order])
    agree([ys.numpy(), *(p.numpy() for p in parts(final))], [unrolled.numpy(), *(p.numpy() for p in parts(s))])
    agree(
        gradients(loss_of(ys, final, weights), cell, xs, state),
        gradients(loss_of(unrolled, s, weights), cell, xs, state),
    )


@pytest.mark.parametrize("kind", CELLS)
def test_reverse_is_forward_on_the_flipped_sequence(kind):
    cell, xs, state, _ = problem(kind, 4, 2)
    ys, final = nn.Recurrent(cell, reverse=True)(xs, state)
    flipped, last = nn.Recurrent(cell)(xs[::-1], state)
    agree(
        [ys.numpy(), *(p.numpy() for p in parts(final))],
        [flipped.numpy()[::-1], *(p.numpy() for p in parts(last))],
    )


def test_a_chunk_after_a_chunk_is_the_whole():
    cell, xs, state, _ = problem(nn.LSTMCell, 7, 2)
    rnn = nn.Recurrent(cell)
    whole, last = rnn(xs, state)
    first, carried = rnn(xs[:3], state)
    second, final = rnn(xs[3:], carried)
    agree([whole.numpy()], [ts.concatenate([first, second]).numpy()])
    agree([p.numpy() for p in last], [p.numpy() for p in final])


@pytest.mark.parametrize("kind", CELLS)
def test_the_default_state_is_the_cells_initial_state(kind):
    cell, xs, _, _ = problem(kind, 3, 2)
    ys, _ = nn.Recurrent(cell)(xs)
    again, _ = nn.Recurrent(cell)(xs, cell.initial_state(2, like=xs))
    agree([ys.numpy()], [again.numpy()])
    assert ys.dtype == np.float64


def test_batch_first_swaps_the_first_two_axes():
    cell, xs, state, _ = problem(nn.LSTMCell, 4, 2)
    lengths = [4, 2]
    ys, final = nn.Recurrent(cell)(xs, state, lengths)
    swapped, last = nn.Recurrent(cell, batch_first=True)(xs.swapaxes(0, 1), state, lengths)
    assert swapped.shape == (2, 4, H)
    agree([ys.numpy(), final[0].numpy()], [swapped.numpy().swapaxes(0, 1), last[0].numpy()])


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", AWKWARD)
def test_rows_of_awkward_lengths_are_as_if_alone(kind, reverse, lengths):
    as_if_alone(kind, reverse, 4, lengths)


@pytest.mark.parametrize("kind", CELLS)
@given(data=st.data())
def test_rows_of_any_length_are_as_if_alone(kind, data):
    steps, batch = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    as_if_alone(kind, data.draw(st.booleans()), steps, lengths)


def as_if_alone(kind, reverse, steps, lengths):
    """Values and gradients with `lengths`, in either direction, compared with every sequence run separately."""
    batch = len(lengths)
    cell, xs, state, weights = problem(kind, steps, batch)
    rnn = nn.Recurrent(cell, reverse=reverse)
    ys, final = rnn(xs, state, lengths=np.array(lengths))

    loss = ts.tensor(np.float64(0))
    for i, n in enumerate(lengths):
        assert (ys.numpy()[n:, i] == 0).all()
        alone, after = state, rows(state, i)
        if n:
            alone, after = rnn(xs[:n, i : i + 1], rows(state, i))
            assert_allclose(ys.numpy()[:n, i : i + 1], alone.numpy(), rtol=1e-12, atol=CANCELLED.get(kind, 0))
            loss = loss + (alone * weights[0][:n, i : i + 1]).sum()
        for part, own in zip(parts(final), parts(after), strict=True):
            assert_allclose(part.numpy()[i : i + 1], own.numpy(), rtol=1e-12, atol=CANCELLED.get(kind, 0))
            loss = loss + (own * own * weights[1][i : i + 1]).sum()
    agree(gradients(loss_of(ys, final, weights), cell, xs, state), gradients(loss, cell, xs, state))


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_lies_past_a_length_has_no_influence(reverse, rubbish):
    cell, xs, state, weights = problem(nn.LSTMCell, 4, 2)
    rnn, lengths = nn.Recurrent(cell, reverse=reverse), ts.tensor([4, 1])
    values = np.array(xs.numpy())
    values[1:, 1] = rubbish
    spoilt = ts.tensor(values, requires_grad=True)
    for ours, theirs in zip(
        gradients(loss_of(*rnn(spoilt, state, lengths), weights), cell, spoilt, state),
        gradients(loss_of(*rnn(xs, state, lengths), weights), cell, xs, state),
        strict=True,
    ):
        assert (ours == theirs).all()


def test_lengths_keep_float32():
    rnn = nn.Recurrent(nn.LSTMCell(I, H, rng=0))
    ys, (h, c) = rnn(np.ones((4, 2, I), np.float32), lengths=[0, 3])
    assert ys.dtype == h.dtype == c.dtype == np.float32
    assert (h.numpy()[0] == 0).all()


def test_errors():
    rnn, xs = nn.Recurrent(nn.RNNCell(I, H, rng=0)), np.ones((4, 2, I), np.float32)
    for lengths, kind, words in [
        ([4, 5], ValueError, r"0 \.\.\. 4, the number of steps; the smallest is 4, the largest 5"),
        ([-1, 2], ValueError, "the smallest is -1"),
        ([1, 2, 3], ValueError, r"must have shape \(2,\), one for every row"),
        ([[1], [2]], ValueError, r"got \(2, 1\)"),
        ([1.0, 2.0], TypeError, "lengths must be integers, not float64"),
        (ts.tensor([True, False]), TypeError, "lengths must be integers, not bool"),
    ]:
        with pytest.raises(kind, match=words):
            rnn(xs, lengths=lengths)
    with pytest.raises(
        ValueError, match=r"RNNCell needs xs \(T, B, 3\) with at least one time step T, got float32\[0,2,3\]"
    ):
        rnn(xs[:0])
    with pytest.raises(ValueError, match=r"\(B, T, 3\) with at least"):
        nn.Recurrent(nn.RNNCell(I, H, rng=0), batch_first=True)(xs[:, :0])
    with pytest.raises(ValueError, match=r"RNNCell needs xs \(T, B, 3\), got float32\[3,2,4\]; for inputs"):
        rnn(np.ones((3, 2, I + 1), np.float32))


# --- the runner runs as a scan, and is the loop --------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell, nn.ResetAfterGRUCell])
@pytest.mark.parametrize("lengths", [None, [5, 0, 3]])
@pytest.mark.parametrize("reverse", [False, True])
def test_unrolled_it_is_the_same(kind, lengths, reverse):
    rng = np.random.default_rng(0)
    cell = kind(3, 4, rng=0, dtype=np.float64)
    xs = ts.tensor(rng.normal(size=(5, 3, 3)), requires_grad=True)
    weights = rng.normal(size=(5, 3, 4))
    results = []
    for unroll in (False, True):
        rnn = nn.Recurrent(cell, reverse=reverse, unroll=unroll)
        ys, state = rnn(xs, lengths=lengths)
        loss = (ys * weights).sum() + sum(ts.square(s).sum() for s in tree.leaves(state))
        results.append([ys, *tree.leaves(state), *ts.grad(loss, [xs, *cell.parameters()])])
    for a, b in zip(*results, strict=True):
        assert_allclose(a.numpy(), b.numpy(), rtol=1e-11, atol=1e-13)


def test_a_runner_keeps_one_record_of_its_loop():
    """The loop is one record; unrolled, each step has its own."""
    cell, xs = nn.RNNCell(3, 4, rng=0), np.ones((9, 2, 3), np.float32)
    names = [record.op and record.op.name for record in ts.tape(nn.Recurrent(cell)(xs)[0])]
    assert names.count("scan") == 1
    assert "tanh" not in names
    names = [record.op and record.op.name for record in ts.tape(nn.Recurrent(cell, unroll=True)(xs)[0])]
    assert names.count("tanh") == 9


@pytest.mark.parametrize("state", [np.float32, np.float64, None])
@pytest.mark.parametrize("inputs", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("weights", [np.float32, np.float64])
def test_a_state_has_the_dtype_of_all_that_follows(state, inputs, weights):
    """The carry of a scan keeps its dtype, so a narrower state is widened before the loop."""
    cell = nn.LSTMCell(2, 3, rng=0, dtype=weights)
    xs = np.arange(8).reshape(4, 1, 2).astype(inputs)
    start = None
    if state is not None:
        start = ts.tensor(np.ones((1, 3), state)), ts.tensor(np.ones((1, 3), np.float16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float64 for a cell of float32
        ys, (h, c) = nn.Recurrent(cell)(xs, start)
    assert {ys.dtype, h.dtype, c.dtype} == {np.result_type(inputs, weights, *([state] if state else []))}


def test_lengths_that_a_step_receives_are_those_of_its_rows():
    """A runner in the step of a scan: lengths are not known while it is recorded, so they are not checked."""
    rnn = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
    xs = np.random.default_rng(0).normal(size=(2, 4, 3, 3)).astype(np.float32)  # two sequences in a batch of 3
    lengths = np.array([[4, 0, 2], [5, 1, -1]])

    def step(carry, given):
        ys, (h, _) = rnn(*given[:1], lengths=given[1])
        return carry, (ys, h)

    _, (ys, h) = ts.scan(step, ts.tensor(0.0), (ts.tensor(xs), ts.tensor(lengths)))
    for i, valid in enumerate([[0, 1, 2], [1]]):  # of the second, lengths 5 and -1 are out of range
        expected, (h_expected, _) = rnn(xs[i][:, valid], lengths=lengths[i][valid])
        assert_allclose(ys[i][:, valid], expected, 1e-6)
        assert_allclose(h[i][valid], h_expected, 1e-6)
    assert np.isnan(ys[1].numpy()).all((0, 2)).tolist() == [True, False, True]
    assert np.isnan(h[1].numpy()).all(1).tolist() == [True, False, True]


class Counted(nn.Cell):
    """The sum of the inputs so far and the number of steps, as a dict."""

    def initial_state(self, batch, like):
        count = ts.astype(ts.zeros_like(like, shape=(batch,)), np.int64)
        return {"sum": ts.zeros_like(like, shape=(batch, 3)), "more": (count, None)}

    def __call__(self, state, x):
        total = state["sum"] + x
        return {"sum": total, "more": (state["more"][0] + 1, None)}, total


def test_a_state_may_be_any_tree():
    xs = np.arange(24.0).reshape(4, 2, 3)
    ys, state = nn.Recurrent(Counted())(xs, lengths=[4, 2])
    assert_allclose(state["sum"].numpy(), [xs[:, 0].sum(0), xs[:2, 1].sum(0)])
    assert state["more"][0].numpy().tolist() == [4, 2]
    assert (ys.numpy()[2:, 1] == 0).all()
