"""The patterns equal their layers, run step by step; the rows of a batch are independent of each other."""

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_allclose, assert_array_equal
from running import AWKWARD, agree, each, is_float, parts, rows

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.nn.runners import padding
from tinygrad_seq.testing import check_grad

I, H, C = 3, 5, 2  # noqa: E741
F64 = {"dtype": np.float64}
SIZES = [(4, 3), (1, 3), (4, 1), (1, 1)]  # steps, batch


# --- sequences in one array -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequences", "fill", "dtype"),
    [
        ([[1, 2, 3], [4]], 0, np.int64),
        ([[], [1.5, 2.5], [3.0]], -1, np.float64),
        ([np.ones((2, 3), np.float32), np.zeros((0, 3), np.float32)], np.nan, np.float32),
        ([[1, 2], [0.5]], 0, np.float64),
        ([np.zeros((0, 2))], 0, np.float64),
    ],
    ids=["integers", "one is empty", "vectors", "mixed", "all are empty"],
)
def test_padded_holds_every_sequence_and_fill_behind_it(sequences, fill, dtype):
    together, lengths = nn.padded(sequences, fill)
    assert together.dtype == dtype
    assert lengths.dtype.kind == "i"
    assert lengths.tolist() == [len(sequence) for sequence in sequences]
    assert together.shape[:2] == (max(lengths), len(sequences))
    for i, sequence in enumerate(sequences):
        assert_array_equal(together[: lengths[i], i], sequence)
        assert_array_equal(together[lengths[i] :, i], np.full_like(together[lengths[i] :, i], fill))


@pytest.mark.parametrize("sequences", [[], [[1, 2], 3], [np.ones((2, 3)), np.ones((2, 4))]])
def test_padded_refuses_what_has_no_common_step(sequences):
    with pytest.raises(
        ValueError, match=r"one or more sequences \(n, \.\.\.\) whose steps have one shape, got steps of"
    ):
        nn.padded(sequences)


@pytest.mark.parametrize("lengths", [None, *AWKWARD])
def test_cut_and_mean_within_look_at_what_is_inside(lengths):
    batch = 3 if lengths is None else len(lengths)
    values = np.random.default_rng(0).normal(size=(4, batch))
    ends = [4] * batch if lengths is None else lengths
    inside = [values[:n, i] for i, n in enumerate(ends)]
    expected = sum(v.sum() for v in inside) / max(1, sum(ends))
    values[np.arange(4)[:, None] >= ends] = np.nan

    x = ts.tensor(values, requires_grad=True)
    found = nn.mean_within(x, lengths)
    assert_allclose(found, expected, rtol=1e-13)
    share = np.where(np.isnan(values), 0, 1 / max(1, sum(ends)))
    assert_allclose(ts.grad(found, x), share, rtol=1e-13)

    ys = np.stack([values, 2 * values], -1)
    assert_array_equal(padding.cut(ts.tensor(ys), lengths), np.nan_to_num(ys))
    assert nn.mean_within(ts.tensor(values.astype(np.float32)), lengths).dtype == np.float32


def test_the_mean_within_invalid_lengths():
    """An error on the host; NaN on a device, where lengths are not checked."""
    x = ts.ones((4, 2))
    with pytest.raises(ValueError, match=r"0 \.\.\. 4"):
        nn.mean_within(x, [5, 1])
    with pytest.raises(ValueError, match=r"lengths must have shape \(2,\)"):
        nn.mean_within(x, [1, 2, 3])
    if doors.NAME != "numpy":
        assert np.isnan(nn.mean_within(x, ts.tensor([5, 1])).numpy())


# --- the step that was taken last -----------------------------------------------------------------------


def bidirectional(input_size=I, sizes=(4, H), seed=0, **options):
    rng = np.random.default_rng(seed)
    forward, backward = sizes
    return nn.Bidirectional(
        nn.LSTMCell(input_size, forward, rng=rng, **F64),
        nn.ClockworkRNNCell(input_size, backward, periods=(2,), rng=rng, **F64),
        **options,
    )


def recurrent(kind, **options):
    return lambda **others: nn.Recurrent(kind(I, H, rng=0, **F64), **options, **others)


RUNNERS = {
    "forward": recurrent(nn.LSTMCell),
    "forward, clockwork": recurrent(nn.CELLS["clockwork RNN"]),
    "reverse": recurrent(nn.GRUCell, reverse=True),
    "unrolled": recurrent(nn.RNNCell, unroll=True),
    "bidirectional": bidirectional,
    "layers": lambda **options: nn.Layers(
        bidirectional(**options), ts.tanh, bidirectional(4 + H, (2, 1), 1, **options)
    ),
    "layers, reverse": lambda **options: nn.Layers(
        bidirectional(**options), nn.Recurrent(nn.RNNCell(4 + H, 2, rng=0, **F64), reverse=True, **options)
    ),
}


def by_hand(rnn, xs, state):
    """All outputs, the last output computed and the state after it, with one call of the cell for each step."""
    if isinstance(rnn, nn.Recurrent):
        order = range(len(xs))[:: -1 if rnn.reverse else 1]
        ys, y = {}, None
        for t in order:
            state, y = rnn.cell(state, xs[t])
            ys[t] = y
        return ts.stack([ys[t] for t in range(len(xs))]), y, state
    if isinstance(rnn, nn.Bidirectional):
        (fs, f, sf), (bs, b, sb) = (
            by_hand(r, xs, s) for r, s in zip((rnn.forward, rnn.backward), state, strict=True)
        )
        return ts.concatenate([fs, bs], -1), ts.concatenate([f, b], -1), (sf, sb)
    states, y, before = [], None, iter(state)
    for layer in rnn.layers:
        if isinstance(layer, nn.Runner):
            xs, y, s = by_hand(layer, xs, next(before))
            states.append(s)
        else:
            xs = layer(xs)
    return xs, y, tuple(states)


def problem(name, steps, batch):
    """A runner, inputs and a state; all tensors are leaves in float64."""
    rng = np.random.default_rng(0)
    rnn = RUNNERS[name]()
    xs = ts.tensor(rng.normal(size=(steps, batch, I)), requires_grad=True)
    state = each(
        lambda part: ts.tensor(rng.normal(size=part.shape), requires_grad=True) if is_float(part) else part,
        rnn(xs)[1] if steps > 1 else rnn(xs, lengths=[0] * batch)[1],
    )
    return rnn, xs, state


def weighed(y, state, i=slice(None)):
    """A loss that depends on the rows i of a summary and on their state."""
    rng = np.random.default_rng(1)
    over_y, over_state = rng.normal(size=(9, y.shape[-1])), rng.normal(size=(9, 1))
    count = slice(0, len(y)) if i == slice(None) else i
    squares = ((part * part * over_state[count]).sum() for part in filter(is_float, parts(state)))
    return sum(squares, (y * over_y[count]).sum())


def gradients(loss, rnn, xs, state):
    leaves = [*rnn.parameters(), xs, *filter(is_float, parts(state))]
    return ts.grad(loss, leaves, zeros=True)


@pytest.mark.parametrize("lengths", [None, *AWKWARD])
@pytest.mark.parametrize("name", RUNNERS)
def test_a_summary_is_the_output_of_the_step_taken_last(name, lengths):
    summed_up(name, 4, 3 if lengths is None else len(lengths), lengths)


@pytest.mark.parametrize("lengths", [None, [1], [0], [0, 1, 1]])
@pytest.mark.parametrize("name", RUNNERS)
def test_a_summary_of_one_step(name, lengths):
    summed_up(name, 1, 2 if lengths is None else len(lengths), lengths)


def summed_up(name, steps, batch, lengths):
    """Values and gradients of a summary, compared with every row computed separately by hand."""
    rnn, xs, state = problem(name, steps, batch)
    y, final = rnn.summary(xs, state, lengths)
    loss = ts.tensor(np.float64(0))
    for i, n in enumerate([steps] * batch if lengths is None else lengths):
        alone = slice(i, i + 1)
        if n:
            _, own, after = by_hand(rnn, xs[:n, alone], rows(state, i))
        else:
            own, after = ts.tensor(np.zeros((1, y.shape[1]))), rows(state, i)
        agree([y[alone], *parts(rows(final, i))], [own, *parts(after)])
        loss = loss + weighed(own, after, alone)
    agree(gradients(weighed(y, final), rnn, xs, state), gradients(loss, rnn, xs, state))


@pytest.mark.parametrize("lengths", [None, [3, 0, 4]])
@pytest.mark.parametrize("name", RUNNERS)
def test_batch_first_swaps_the_axes_of_what_is_summed_up(name, lengths):
    xs = ts.tensor(np.random.default_rng(0).normal(size=(4, 3, I)))
    y, final = RUNNERS[name]().summary(xs, None, lengths)
    swapped, last = RUNNERS[name](batch_first=True).summary(xs.swapaxes(0, 1), None, lengths)
    assert y.shape == swapped.shape
    agree([y, *parts(final)], [swapped, *parts(last)])


@pytest.mark.parametrize("name", RUNNERS)
def test_a_summary_keeps_float32_and_does_not_see_what_lies_past_a_length(name):
    rnn, xs = RUNNERS[name](), np.random.default_rng(0).normal(size=(4, 2, I))
    spoilt = xs.copy()
    spoilt[1:, 0] = np.nan
    for lengths in ([1, 4], ts.tensor([1, 4])):
        y, expected = rnn.summary(spoilt, None, lengths)[0], rnn.summary(xs, None, [1, 4])[0]
        assert_array_equal(y, expected)
        agree(*(ts.grad(z.sum(), rnn.parameters(), zeros=True) for z in (y, expected)))
    assert rnn.to(dtype=np.float32).summary(np.ones((4, 2, I), np.float32), None, [1, 4])[0].dtype == np.float32


def test_a_summary_of_invalid_lengths():
    rnn, xs = RUNNERS["forward"](), np.ones((4, 2, I))
    with pytest.raises(ValueError, match=r"0 \.\.\. 4"):
        rnn.summary(xs, lengths=[5, 1])
    with pytest.raises(ValueError, match="at least one time step"):
        rnn.summary(xs[:0])
    with pytest.raises(NotImplementedError, match="Runner does not define summary"):
        nn.Runner().summary(xs)
    if doors.NAME != "numpy":
        for wrong in (5, -1):
            y, _ = rnn.summary(xs, lengths=ts.tensor([wrong, 1]))
            assert np.isnan(y.numpy()[0]).all()
            assert np.isfinite(y.numpy()[1]).all()


# --- one output, and many -------------------------------------------------------------------------------

MODELS = {"many to one": nn.ManyToOne, "many to many": nn.ManyToMany}
PAST = 7  # a symbol past the length


def features(seed=5):
    return nn.Embedding(9, I, rng=seed, **F64)


def readout_of(name):
    """A layer of the size of the runner's output."""
    size = RUNNERS[name]()(np.ones((1, 1, I)))[0].shape[-1]
    return nn.Linear(size, C, rng=6, **F64)


@pytest.mark.parametrize("lengths", [None, *AWKWARD])
@pytest.mark.parametrize("name", ["forward", "bidirectional", "layers, reverse"])
@pytest.mark.parametrize("pattern", MODELS)
def test_a_pattern_is_its_layers_row_by_row(pattern, name, lengths):
    """Values and gradients; the symbols past the length of a row have no influence."""
    batch = 3 if lengths is None else len(lengths)
    ends = [4] * batch if lengths is None else lengths
    ids = np.random.default_rng(2).integers(0, PAST, (4, batch))
    ids[np.arange(4)[:, None] >= ends] = PAST
    embed, rnn, readout = features(), RUNNERS[name](), readout_of(name)
    model = MODELS[pattern](embed, rnn, readout)
    assert len(model.parameters()) == 1 + len(rnn.parameters()) + 2
    found = model(ids, lengths)
    weights = np.random.default_rng(3).normal(size=found.shape)
    zeros = rnn(embed(ids))[1]
    loss = ts.tensor(np.float64(0))
    for i, n in enumerate(ends):
        start = each(lambda part: ts.zeros_like(part), rows(zeros, i))
        ys, y = None, ts.tensor(np.zeros((1, readout.weight.shape[0])))
        if n:
            ys, y, _ = by_hand(rnn, embed(ids[:n, i : i + 1]), start)
        if pattern == "many to one":
            own, expected = found[i : i + 1], readout(y)
            loss = loss + (expected * weights[i : i + 1]).sum()
        else:
            assert_array_equal(found[n:, i], np.zeros((4 - n, C)))
            if not n:
                continue
            own, expected = found[:n, i : i + 1], readout(ys)
            loss = loss + (expected * weights[:n, i : i + 1]).sum()
        agree([own], [expected])
    gradients = ts.grad((found * weights).sum(), model.parameters(), zeros=True)
    agree(gradients, ts.grad(loss, model.parameters(), zeros=True))
    assert_array_equal(gradients[0][PAST], np.zeros(I))


@pytest.mark.parametrize("pattern", MODELS)
def test_derivatives_of_a_pattern_to_second_order(pattern):
    name = "bidirectional"
    rnn, first, last = RUNNERS[name](), nn.Linear(2, I, rng=5, **F64), readout_of(name)
    model = MODELS[pattern](first, rnn, last)

    def run(xs, w):
        rnn.backward.cell.Wh = w
        return model(xs, [3, 0])

    check_grad(run, np.random.default_rng(0).normal(size=(3, 2, 2)), rnn.backward.cell.Wh.numpy())


@pytest.mark.parametrize(("steps", "batch"), SIZES)
def test_per_frame_takes_frames_for_vectors(steps, batch):
    frames = np.random.default_rng(0).integers(-9, 9, (steps, batch, 2, 3)) / 8
    rnn, readout = RUNNERS["forward"](), readout_of("forward")
    layers = nn.Linear(6, I, rng=5, **F64), rnn, readout
    lengths = [steps - 1] * batch
    found = nn.PerFrame(*layers)(frames, lengths)
    assert found.shape == (steps, batch, C)
    assert_array_equal(found, nn.ManyToMany(*layers)(frames.reshape(steps, batch, 6), lengths))
    y, state = None, rnn.cell.initial_state(batch, like=ts.tensor(frames))
    for t, frame in enumerate(frames[:-1]):
        state, y = rnn.cell(state, layers[0](ts.tensor(np.stack([f.ravel() for f in frame]))))
        agree([found[t]], [readout(y)])
    for given in (ts.tensor(frames), frames.tolist()):
        agree([nn.PerFrame(*layers)(given, lengths)], [found])


@pytest.mark.parametrize("pattern", [nn.ManyToOne, nn.ManyToMany, nn.PerFrame])
def test_time_is_the_first_axis_of_a_pattern(pattern):
    with pytest.raises(
        ValueError,
        match=f"{pattern.__name__} needs a runner with time as the first axis, got one with batch_first",
    ):
        pattern(ts.tanh, RUNNERS["layers"](batch_first=True), readout_of("layers"))


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("name", ["forward", "bidirectional"])
@pytest.mark.parametrize("pattern", [*MODELS.values(), nn.PerFrame])
def test_what_lies_past_a_length_does_not_reach_the_features(pattern, name, rubbish):
    """Values and gradients do not depend on it, even if it is NaN; for an array and a tensor."""
    xs, lengths = np.random.default_rng(0).normal(size=(4, 3, 2)), [4, 0, 2]
    model = pattern(nn.Linear(2, I, rng=5, **F64), RUNNERS[name](), readout_of(name))
    spoilt = xs.copy()
    for i, n in enumerate(lengths):
        spoilt[n:, i] = rubbish
    results = []
    for given in (xs, spoilt, ts.tensor(spoilt)):
        found = model(given, lengths)
        results.append([found, *ts.grad((found * found).sum(), model.parameters())])
    for ours, plain, tensor in zip(*reversed(results), strict=True):
        assert_array_equal(ours, tensor)
        assert_array_equal(ours, plain)


def test_errors_of_a_pattern():
    for pattern in MODELS.values():
        model = pattern(features(), RUNNERS["bidirectional"](), readout_of("bidirectional"))
        with pytest.raises(ValueError, match=r"0 \.\.\. 3"):
            model(np.zeros((3, 2), int), [4, 1])
        with pytest.raises(ValueError, match=r"lengths must have shape \(2,\)"):
            model(np.zeros((3, 2), int), [1, 2, 3])
        with pytest.raises(IndexError, match=r"0 \.\.\. 8"):
            model([[9]])


# --- on a device ----------------------------------------------------------------------------------------


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
@pytest.mark.parametrize("pattern", MODELS)
def test_a_training_step_of_a_pattern_waits_for_nothing(pattern):
    """The uploads are the symbols, the targets, and a mask for every use of the lengths."""
    with doors.open_doors():
        cells = nn.LSTMCell(I, H, rng=1), nn.GRUCell(I, H, rng=2)
        model = MODELS[pattern](
            nn.Embedding(9, I, rng=0), nn.Bidirectional(*cells), nn.Linear(2 * H, C, rng=3)
        ).to("cuda")
        optimizer = optim.Adam(model.parameters())
        one = pattern == "many to one"
        ids, lengths, targets = np.ones((4, 3), int), [4, 0, 2], np.ones(3 if one else (4, 3), int)

        def step():
            losses = nn.cross_entropy(model(ids, lengths), targets, reduction="none")
            loss = losses.mean() if one else nn.mean_within(losses, lengths)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step()  # compiles
        with costs(uploads=2 + (3 if one else 5), synchronisations=0):
            loss = step()
        assert np.isfinite(loss.item())
