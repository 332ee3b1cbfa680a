"""A cell refuses inputs and states that do not fit, in one way, wherever it is called; sizes are integers."""

import numpy as np
import pytest
from results import assert_array_equal
from running import CELLS, H, I

import tinygrad_seq as ts
from tinygrad_seq import nn

T, B = 4, 2
F64 = {"dtype": np.float64}
XS = np.ones((T, B, I))


REGISTERED = CELLS[: len(nn.CELLS)]


def made(kind):
    return kind(I, H, rng=np.random.default_rng(0), **F64)


def initial(cell, batch=1):
    return cell.initial_state(batch, like=ts.tensor(XS))


RUNNERS = {
    "forward": lambda cell: nn.Recurrent(cell),
    "reverse": lambda cell: nn.Recurrent(cell, reverse=True),
    "unrolled": lambda cell: nn.Recurrent(cell, unroll=True),
    "bidirectional": lambda cell: nn.Bidirectional(cell, cell),
    "layers": lambda cell: nn.Layers(nn.Recurrent(cell), nn.Recurrent(nn.GRUCell(H, 2, **F64))),
    "dropout": lambda cell: nn.RecurrentDropout(nn.Layers(nn.Linear(I, I, **F64), nn.Recurrent(cell)), 0.5),
}
LENGTHS = [None, [T, 1]]


@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_states_its_input_size(kind):
    """None only if it is decided by a function, as of `nn.Mapped`."""
    cell = made(kind)
    before = isinstance(cell, nn.Mapped) and cell.before is not None
    assert cell.input_size == (None if before else I)


@pytest.mark.parametrize("kind", CELLS)
def test_a_sequence_without_a_batch_is_refused(kind):
    """By every cell, also where an inner cell has to notice it."""
    cell = made(kind)
    wanted = r"needs xs? \((T, )?B, \d+\), got float64\[.*for one sequence without the axis B, pass xs?\["
    for run in (nn.Recurrent(cell), nn.Recurrent(cell, unroll=True)):
        with pytest.raises(ValueError, match=wanted):
            run(XS[:, 0])
    if cell.input_size is not None:
        with pytest.raises(ValueError, match=wanted):
            cell(initial(cell, B), ts.tensor(XS[0, 0]))


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("runner", RUNNERS)
def test_every_runner_refuses_it_in_the_same_words(runner, lengths):
    run = RUNNERS[runner](nn.LSTMCell(I, H, **F64))
    if lengths is None:
        with pytest.raises(ValueError, match=r"needs xs \(T, B, 3\), got float64\[4,3\]; .*pass xs\[:, None\]"):
            run(XS[:, 0])
    else:
        with pytest.raises(
            ValueError, match=r"xs \(T, B, 3\), got float64\[4,3\]|xs is \(T, B, \.\.\.\) with T"
        ):
            run(XS[:, 0], lengths=[T])


@pytest.mark.parametrize("kind", CELLS)
def test_inputs_of_another_size_are_refused(kind):
    cell = made(kind)
    with pytest.raises(ValueError, match=r"float64\[(4,)?2,4\]"):
        nn.Recurrent(cell)(np.ones((T, B, I + 1)))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("kind", CELLS)
def test_a_state_of_another_batch_is_refused(kind, rows):
    cell = made(kind)
    wanted = (
        rf"got a state float64\[{rows},.* of a batch of {rows} for an input .* of a batch of 2\. The last batch"
    )
    state = initial(cell, rows)
    for run in (nn.Recurrent(cell), nn.Recurrent(cell, unroll=True), nn.Recurrent(cell, reverse=True)):
        for lengths in LENGTHS:
            with pytest.raises(ValueError, match=wanted):
                run(XS, state, lengths)
    with pytest.raises(ValueError, match=wanted):
        cell(state, ts.tensor(XS[0]))
    with pytest.raises(ValueError, match=wanted):
        list(nn.Truncated(nn.Recurrent(cell), XS, back=2, state=state))


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_runner_refuses_a_state_of_another_batch(runner):
    run = RUNNERS[runner](nn.LSTMCell(I, H, **F64))
    _, state = run(np.ones((T, 3, I)))
    with pytest.raises(ValueError, match=r"of a batch of 3 for an input float64\[2,\d\] of a batch of 2"):
        run(XS, state)


def test_what_runs_a_cell_without_a_runner_refuses_it_too():
    cell = nn.NTMCell(nn.GRUCell(I + 4, H, **F64), 2, memory=(6, 4), **F64)
    state = initial(cell, 3)
    looking = nn.Attending(nn.GRUCell(I + 6, H, **F64), nn.DotScore(), np.ones((4, 6)))
    for run in (
        lambda xs, state: cell.trace(xs, state),
        lambda xs, state: nn.step_jacobians(cell, xs, state=state),
        lambda xs, state: nn.gradient_flow(cell, xs, lambda ys: ys.sum(), state=state),
    ):
        with pytest.raises(ValueError, match=r"NTMCell needs xs \(T, B, 3\), got float64\[4,3\]"):
            run(XS[:, 0], None)
        with pytest.raises(ValueError, match="of a batch of 3 for an input"):
            run(XS, state)
    with pytest.raises(ValueError, match="of a batch of 3 for an input"):
        looking.step(initial(looking, 3), ts.tensor(XS[0]))


@pytest.mark.parametrize("kind", [k for k in REGISTERED if isinstance(initial(made(k.values[0])), tuple)])
def test_a_tensor_is_not_unpacked_into_the_parts_of_a_state(kind):
    cell = made(kind)
    count = len(initial(cell))
    with pytest.raises(ValueError, match=rf"must be a tuple of {count} states, not float64"):
        cell(ts.tensor(np.ones((count, H))), ts.tensor(np.ones((count, I))))


class Counting(nn.Cell):
    """A cell of a user, which does not state its input size: y = h + the size of x, and it counts its steps."""

    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, 1)), ts.tensor(0)

    def __call__(self, state, x):
        (h, t), (x, weight) = state, x if isinstance(x, tuple) else (x, 1.0)
        h = h + weight * x.sum(-1, keepdims=True)
        return (h, t + 1), h


def test_a_cell_that_states_nothing_accepts_everything_but_a_state_of_another_batch():
    cell = Counting()
    ys, (h, t) = nn.Recurrent(cell)(XS)
    assert_array_equal(ys[-1], np.full((B, 1), T * I))
    assert t.item() == T
    after, _ = cell((h, t), (ts.tensor(XS[0]), ts.tensor(2.0)))  # a tree
    assert_array_equal(after[0], h.numpy() + 2 * I)
    with pytest.raises(ValueError, match="of a batch of 2 for an input"):
        cell((h, t), ts.tensor(XS[0, :1]))


def test_a_cell_of_a_user_can_state_it():
    cell = Counting()
    cell.input_size = I
    with pytest.raises(ValueError, match=r"Counting needs xs \(T, B, 3\), got float64\[4,3\]"):
        nn.Recurrent(cell)(XS[:, 0])


SIZED = {
    "Linear": (lambda n: nn.Linear(n, 2), 0),
    "Linear, output": (lambda n: nn.Linear(2, n), 0),
    "Embedding": (lambda n: nn.Embedding(n, 2), 1),
    "Embedding, size": (lambda n: nn.Embedding(2, n), 1),
    "LayerNorm": (lambda n: nn.LayerNorm(n), 1),
    "GeneralScore": (lambda n: nn.GeneralScore(n, 2), 1),
    "AdditiveScore": (lambda n: nn.AdditiveScore(2, 2, n), 1),
    "SelfAttention": (lambda n: nn.SelfAttention(n), 1),
    "SelfAttention, heads": (lambda n: nn.SelfAttention(4, heads=n), 1),
    "DepthGatedLSTM, layers": (lambda n: nn.DepthGatedLSTM(2, 2, layers=n), 1),
    "ClockworkRNNCell, periods": (lambda n: nn.ClockworkRNNCell(2, 2, periods=(n,)), 1),
    "SkipCell, distances": (lambda n: nn.SkipCell(2, 2, distances=(n,)), 1),
    "EchoStateCell, feedback": (lambda n: nn.EchoStateCell(2, 2, feedback=n), 0),
    "FedBack": (lambda n: nn.FedBack(nn.RNNCell(3, 2), nn.Linear(2, 2), size=n), 1),
    "RepeatCell": (lambda n: nn.RepeatCell(nn.RNNCell(3, 2), n), 1),
    "ACTCell": (lambda n: nn.ACTCell(nn.RNNCell(3, 2), max_steps=n), 1),
    "NTMCell, memory": (lambda n: nn.NTMCell(nn.RNNCell(9, 2), 2, memory=(n, 4)), 1),
    "NTMCell, reads": (lambda n: nn.NTMCell(nn.RNNCell(9, 2), 2, memory=(4, 4), reads=n), 1),
    "NTMCell, shift": (lambda n: nn.NTMCell(nn.RNNCell(9, 2), 2, memory=(4, 4), shift=n), 0),
    "Truncated": (lambda n: nn.Truncated(nn.Recurrent(nn.RNNCell(3, 2)), XS, back=n), 1),
    "Covariance": (lambda n: nn.Covariance(n), 1),
    "Autoregressive": (lambda n: nn.Autoregressive(2, steps=n), 1),
    "HiddenMarkovModel": (lambda n: nn.HiddenMarkovModel(n, 2), 1),
    "LinearDynamicalSystem": (lambda n: nn.LinearDynamicalSystem(n, 2), 1),
}
SIZED |= {f"{k.id}, input": (lambda n, k=k.values[0]: k(n, 2, rng=0), 0) for k in REGISTERED}
SIZED |= {f"{k.id}, units": (lambda n, k=k.values[0]: k(3, n, rng=0), 1) for k in REGISTERED}


@pytest.mark.parametrize("name", SIZED)
def test_a_size_is_an_integer_in_its_range(name):
    make, least = SIZED[name]
    for number in (least, 2, np.int64(2), np.array(2)):
        make(number)
    with pytest.raises(ValueError, match=rf"needs an integer \w+( \w+)? in \[{least}, inf\), got {least - 1}"):
        make(least - 1)
    for wrong in (2.0, True, None, "2"):
        kind = type(wrong).__name__
        with pytest.raises(TypeError, match=rf"needs an integer .* in \[{least}, inf\), got {kind}"):
            make(wrong)
