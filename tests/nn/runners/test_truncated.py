"""Truncated backpropagation through time: all outputs, and gradients that go back a limited number of steps."""

import doors
import numpy as np
import pytest
from combined import stacked
from doors import costs
from results import assert_array_equal
from running import agree, each, is_float, parts

import tinygrad_seq as ts
from tinygrad_seq import nn, optim, tree

I, H = 3, 5  # noqa: E741
F64 = {"dtype": np.float64}
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "clockwork": nn.CELLS["clockwork RNN"], "stack": stacked}
STEPS = [  # T, back, every: one chunk, k1 = k2, k1 < k2, k1 > k2, divisible or not; and the smallest
    (7, 7, 7),
    (7, 9, 7),
    (8, 4, 4),
    (7, 3, 3),
    (8, 4, 2),
    (7, 5, 2),
    (7, 3, 1),
    (7, 20, 2),
    (8, 2, 4),
    (7, 2, 3),
    (9, 1, 4),
    (5, 2, 8),
    (5, 1, 1),
    (1, 1, 1),
    (1, 3, 2),
]
EVERY = pytest.mark.parametrize(("steps", "back", "every"), STEPS)


def problem(kind, steps, batch=2, seed=0):
    """A runner, inputs and a state, leaves in float64; and weights of the outputs."""
    rng = np.random.default_rng(seed)
    cell = CELLS[kind](I, H, rng=rng, **F64)
    xs = ts.tensor(rng.normal(size=(steps, batch, I)), requires_grad=True)
    state = each(
        lambda part: ts.tensor(rng.normal(size=part.shape), requires_grad=True) if is_float(part) else part,
        cell.initial_state(batch, like=xs),
    )
    return nn.Recurrent(cell), xs, state, rng.normal(size=(steps, batch, H))


def by_hand(cell, xs, state, steps, back, alive=None):
    """The outputs of a slice of steps and the state after them; no gradient goes beyond the last `back` steps.

    `alive` (T, B) is True for the steps within the length of each row.
    """
    first, outputs = max(steps.stop - back, 0), []
    for t in range(steps.stop):
        if t == first and t:
            state = each(lambda part: part.detach(), state)
        after, y = cell(state, xs[t])
        if alive is not None:
            inside = ts.tensor(alive[t][:, None])
            pairs = zip(parts(after), parts(state), strict=True)
            after, y = tree.like(after, [ts.where(inside, a, b) for a, b in pairs]), ts.where(inside, y, 0.0)
        state = after
        outputs.append(y.detach() if t < first else y)
    return ts.stack(outputs[steps.start :]), state


def reach(at, back, every):
    """How far a chunk goes back from its end; a last, shorter chunk goes no farther back from its start."""
    return min(back, at.stop - at.start) if every > back else back - (at.start + every - at.stop)


def gradients(loss, rnn, *inputs):
    return ts.grad(loss, [*rnn.parameters(), *inputs], zeros=True)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
@EVERY
def test_a_chunk_is_the_loop_that_forgets_where_it_came_from(kind, steps, back, every, batch):
    """Slices, values, the state, and gradients by all inputs, compared with a loop that detaches."""
    rnn, xs, state, weights = problem(kind, steps, batch)
    chunks, slices = nn.Truncated(rnn, xs, back=back, every=every, state=state), []
    for at, ys in chunks:
        slices.append((at.start, at.stop))
        expected, last = by_hand(rnn.cell, xs, state, at, reach(at, back, every))
        agree([ys, *parts(chunks.state)], [expected, *parts(last)])
        assert not any(part.requires_grad for part in parts(chunks.state))
        losses = ((y * weights[at]).sum() for y in (ys, expected))
        agree(*(gradients(loss, rnn, xs, *filter(is_float, parts(state))) for loss in losses))
    assert slices == [(start, min(start + every, steps)) for start in range(0, steps, every)]


@EVERY
@pytest.mark.parametrize("lengths", [[0, 1, 9], [5, 3, 2]])
def test_rows_of_unequal_length(steps, back, every, lengths):
    rnn, xs, state, weights = problem("LSTM", steps, 3)
    lengths = np.minimum(lengths, steps)
    alive = np.arange(steps)[:, None] < lengths
    for given in (lengths.tolist(), ts.tensor(lengths)):
        chunks = nn.Truncated(rnn, xs, back=back, every=every, state=state, lengths=given)
        for at, ys in chunks:
            expected, last = by_hand(rnn.cell, xs, state, at, reach(at, back, every), alive)
            agree([ys, *parts(chunks.state)], [expected, *parts(last)])
            losses = ((y * weights[at]).sum() for y in (ys, expected))
            agree(*(gradients(loss, rnn, xs) for loss in losses))


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("back", [6, 7, 100])
@pytest.mark.parametrize("lengths", [None, [6, 0, 2]])
def test_one_chunk_of_the_whole_length_is_all_of_it(kind, back, lengths):
    """Values and gradients agree exactly, also the gradient of the state before the first step."""
    rnn, xs, state, weights = problem(kind, 6, 3)
    expected, final = rnn(xs, state, lengths)
    ((at, ys),) = chunks = [*(truncated := nn.Truncated(rnn, xs, back=back, state=state, lengths=lengths))]
    assert len(chunks) == 1
    assert (at.start, at.stop) == (0, 6)
    assert_array_equal(ys, expected)
    for part, other in zip(parts(truncated.state), parts(final), strict=True):
        assert_array_equal(part, other)
    inputs = [xs, *filter(is_float, parts(state))]
    for a, b in zip(
        gradients((ys * weights).sum(), rnn, *inputs),
        gradients((expected * weights).sum(), rnn, *inputs),
        strict=True,
    ):
        assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["LSTM", "clockwork"])
@EVERY
def test_the_outputs_of_all_chunks_are_the_whole_run(kind, steps, back, every):
    """Without an initial state; and the final state continues into another sequence."""
    rnn, xs, _, _ = problem(kind, steps + 3)
    whole, final = rnn(xs)
    chunks = nn.Truncated(rnn, xs.numpy()[:steps], back=back, every=every)
    outputs = [ys for _, ys in chunks]
    further = nn.Truncated(rnn, xs[steps:], back=back, every=every, state=chunks.state)
    agree([ts.concatenate([*outputs, *(ys for _, ys in further)])], [whole])
    agree(parts(further.state), parts(final))


@EVERY
def test_what_is_learned_from_a_chunk_is_used_in_the_next(steps, back, every):
    """The carried state is of earlier parameters; the steps of the gradient use the current parameters."""
    rnn, xs, state, weights = problem("RNN", steps)
    own, *_ = problem("RNN", steps)
    states = [state.detach()]  # the state after every step, as last computed
    sgd, descend = (optim.SGD(r.parameters(), lr=0.1) for r in (rnn, own))
    for at, ys in nn.Truncated(rnn, xs, back=back, every=every, state=state.detach()):
        first, outputs = max(at.stop - reach(at, back, every), 0), []
        begin = min(first, at.start)
        s = states[begin]
        for t in range(begin, at.stop):
            s, y = own.cell(s.detach() if t == first else s, xs[t])
            states[t + 1 :] = [s.detach()]
            if t >= at.start:
                outputs.append(y.detach() if t < first else y)
        expected = ts.stack(outputs)
        agree([ys], [expected])
        for loss, optimizer in (((ys * weights[at]).sum(), sgd), ((expected * weights[at]).sum(), descend)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        agree(rnn.parameters(), own.parameters())


class Network(nn.Module):
    """A model around a runner, which reads symbols."""

    def __init__(self, **options):
        self.embed, self.rnn = (
            nn.Embedding(7, I, rng=0, **F64),
            nn.Recurrent(nn.GRUCell(I, H, rng=1, **F64), **options),
        )
        self.readout = nn.Linear(H, 2, rng=2, **F64)

    def __call__(self, xs, state=None):
        ys, state = self.rnn(self.embed(xs), state)
        return self.readout(ys), state


@pytest.mark.parametrize(("back", "every"), [(3, 3), (4, 2), (2, 3)])
def test_any_model_that_takes_a_state_and_gives_one(back, every):
    model, ids = Network(), np.random.default_rng(0).integers(0, 7, (8, 2))
    whole, final = model(ids)
    for given in (model, lambda xs, state: model(xs, state)):
        for xs in (ids, ids.tolist(), ts.tensor(ids)):
            chunks = nn.Truncated(given, xs, back=back, every=every)
            agree([ts.concatenate([ys for _, ys in chunks]), chunks.state], [whole, final])


def test_a_list_is_a_sequence_too():
    rnn, xs = nn.Recurrent(nn.LSTMCell(I, H, rng=0)), np.ones((5, 2, I), np.float32)
    runs = ([ys for _, ys in nn.Truncated(rnn, x, back=2, lengths=[4, 1])] for x in (xs, xs.tolist()))
    agree(*runs)


def test_the_state_after_every_chunk_when_the_loop_is_left():
    rnn, xs, _, _ = problem("LSTM", 9)
    chunks = nn.Truncated(rnn, xs, back=5, every=2)
    assert chunks.state is None
    for at, _ in chunks:
        if at.stop == 6:
            break
    agree(parts(chunks.state), parts(rnn(xs[:6])[1]))


def test_a_chunk_keeps_no_more_of_the_tape_than_it_goes_back():
    rnn, xs, _, _ = problem("RNN", 40)
    rnn.unroll = True
    for _, ys in nn.Truncated(rnn, xs.detach(), back=3, every=2):
        assert sum(record.op is not None and record.op.name == "tanh" for record in ts.tape(ys)) <= 3


def test_errors_of_truncated():
    rnn, xs, _, _ = problem("RNN", 4)
    for back, every, words in ((0, None, "back"), (2, 0, "every"), (-1, 3, "back")):
        with pytest.raises(ValueError, match=rf"Truncated needs an integer {words} in \[1, inf\), got"):
            nn.Truncated(rnn, xs, back=back, every=every)
    for options in ({"reverse": True}, {"batch_first": True}):
        for model in (nn.Recurrent(rnn.cell, **options), Network(**options)):
            with pytest.raises(
                ValueError, match="needs a model that runs forward, with time as the first axis"
            ):
                nn.Truncated(model, xs, back=2)
    with pytest.raises(ValueError, match=r"a model that runs forward.* and no Bidirectional"):
        nn.Truncated(nn.Bidirectional(rnn.cell, rnn.cell), xs, back=2)
    for lengths, words in (([5, 1], r"0 \.\.\. 4"), ([-1, 1], r"0 \.\.\. 4"), ([1], r"shape \(2,\)")):
        with pytest.raises(ValueError, match=words):
            nn.Truncated(rnn, xs, back=2, lengths=lengths)
    with pytest.raises(TypeError, match="lengths must be integers, not float64"):
        nn.Truncated(rnn, xs, back=2, lengths=[1.0, 2.0])
    if doors.NAME != "numpy":
        for wrong in (5, -1):
            _, ys = next(iter(nn.Truncated(rnn, xs, back=2, lengths=ts.tensor([wrong, 1]))))
            assert np.isnan(ys.numpy()[:, 0]).all()
            assert np.isfinite(ys.numpy()[:, 1]).all()


@pytest.mark.parametrize(("back", "every"), [(3, 3), (4, 2), (2, 3)])
def test_truncated_keeps_float32(back, every):
    chunks = nn.Truncated(
        nn.Recurrent(nn.LSTMCell(I, H, rng=0)), np.ones((7, 2, I), np.float32), back=back, every=every
    )
    assert {part.dtype for _, ys in chunks for part in (ys, *chunks.state)} == {np.dtype(np.float32)}


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
@pytest.mark.parametrize(("back", "every"), [(3, 3), (4, 2), (2, 3)])
def test_learning_from_chunks_waits_for_nothing(back, every):
    with doors.open_doors():
        model = Network().to("cuda")
        sgd, ids = optim.SGD(model.parameters(), lr=0.1), ts.tensor(np.ones((7, 2), int)).to("cuda")

        def epoch():
            for _, ys in nn.Truncated(model, ids, back=back, every=every):
                sgd.zero_grad()
                (ys * ys).mean().backward()
                sgd.step()

        epoch()  # compiles
        with costs():
            epoch()
