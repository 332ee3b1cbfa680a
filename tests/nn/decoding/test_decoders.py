"""A decoder, by teacher forcing or running free, equals its cell, run step by step with the same inputs."""

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_allclose, assert_array_equal
from running import agree
from writing import (
    ALL,
    END,
    F64,
    LENGTHS,
    WAYS,
    C,
    E,
    T,
    V,
    by_hand,
    decoder_of,
    gradients,
    likeliest,
    symbols_of,
    vectors,
)

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.testing import check_grad

# --- teacher forcing ------------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("lengths", LENGTHS)
def test_teacher_forcing_is_the_cell_step_by_step(way, kind, lengths):
    """Values and gradients, every row separately; past its length a row is 0."""
    batch, steps = (3, T) if lengths is None else (len(lengths), T)
    decoder, v, targets = decoder_of(way, kind), vectors(batch), symbols_of(steps, batch)
    logits = decoder(v, targets, lengths)
    weights = np.random.default_rng(2).normal(size=logits.shape)
    loss = ts.tensor(np.float64(0))
    for i, n in enumerate([steps] * batch if lengths is None else lengths):
        assert_array_equal(logits[n:, i], np.zeros((steps - n, C)))
        if n:
            own = targets[:, i]
            alone = by_hand(decoder, v[i : i + 1], way, kind, n, lambda t, _, own=own: own[t : t + 1])
            agree([logits[:n, i : i + 1]], [alone])
            loss = loss + (alone * weights[:n, i : i + 1]).sum()
    agree(gradients((logits * weights).sum(), decoder, v), gradients(loss, decoder, v))


@ALL
@pytest.mark.parametrize(("steps", "batch"), [(1, 1), (1, 3), (5, 1), (3, 0)])
def test_teacher_forcing_of_any_size(way, kind, steps, batch):
    decoder, v, targets = decoder_of(way, kind), vectors(batch), symbols_of(steps, batch)
    agree([decoder(v, targets)], [by_hand(decoder, v, way, kind, steps, lambda t, _: targets[t])])


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("way", WAYS)
def test_the_loss_is_the_mean_over_the_symbols_within(way, lengths):
    batch = 3 if lengths is None else len(lengths)
    ends = [T] * batch if lengths is None else lengths
    decoder, v, targets = decoder_of(way, "GRU"), vectors(batch), symbols_of(T, batch)
    o = decoder(v, targets).numpy()
    nats = np.log(np.exp(o).sum(-1)) - np.take_along_axis(o, targets[..., None], -1)[..., 0]
    within = [nats[t, i] for i, n in enumerate(ends) for t in range(n)]
    assert_allclose(decoder.loss(v, targets, lengths), sum(within) / max(1, sum(ends)), rtol=1e-12)


@ALL
def test_symbols_past_the_length_have_no_influence(way, kind):
    decoder, v, lengths = decoder_of(way, kind), vectors(3), [2, 0, 4]
    found = []
    for seed in (1, 7):
        targets = symbols_of(T, 3, seed)
        targets[:2, 0], targets[:, 2] = [3, END], [0, 5, 2, END]
        loss = decoder.loss(v, targets, lengths)
        found.append([decoder(v, targets, lengths), loss, *gradients(loss, decoder, v)])
    for a, b in zip(*found, strict=True):
        assert_array_equal(a, b)
    assert_array_equal(found[0][-1][1], np.zeros(V))  # the second row has length 0


def with_parameters(decoder, embedding, readout, wh):
    decoder.embedding.weight, decoder.readout.weight = embedding, readout
    (decoder.cell.cells[0] if isinstance(decoder.cell, nn.Stacked) else decoder.cell).Wh = wh


def parameters_of(decoder):
    cell = decoder.cell.cells[0] if isinstance(decoder.cell, nn.Stacked) else decoder.cell
    return [p.numpy() for p in (decoder.embedding.weight, decoder.readout.weight, cell.Wh)]


@ALL
def test_derivatives_of_the_loss_to_second_order(way, kind):
    decoder, targets = decoder_of(way, kind), symbols_of(3, 2)

    def loss(v, *parameters):
        with_parameters(decoder, *parameters)
        return decoder.loss(v, targets, [3, 1])

    check_grad(loss, vectors(2).numpy(), *parameters_of(decoder))


# --- running free ---------------------------------------------------------------------------------------


@ALL
def test_running_free_feeds_the_choice_back(way, kind):
    """Values and gradients; and the symbols written, as targets, give the same logits."""
    decoder, v = decoder_of(way, kind), vectors(20)
    logits, symbols = decoder.free(v, steps=5)
    expected = by_hand(decoder, v, way, kind, 5, likeliest)
    agree([logits], [expected])
    assert_array_equal(symbols, expected.numpy().argmax(-1))
    assert len(np.unique(symbols.numpy())) > 2
    agree([logits], [decoder(v, symbols)])
    weights = np.random.default_rng(2).normal(size=logits.shape)
    agree(*(gradients((o * weights).sum(), decoder, v) for o in (logits, expected)))


@ALL
def test_rows_that_run_free_are_as_if_alone(way, kind):
    decoder, v = decoder_of(way, kind), vectors(4)
    logits, symbols = decoder.free(v, 5)
    written, lengths = decoder.greedy(v, 5)
    for i in range(4):
        own, alone = decoder.free(v[i : i + 1], 5)
        agree([logits[:, i : i + 1]], [own])
        assert_array_equal(symbols[:, i : i + 1], alone)
        for together, by_itself in zip(
            (written[:, i], lengths[i]), decoder.greedy(v[i : i + 1], 5), strict=True
        ):
            assert_array_equal(together, by_itself.reshape(together.shape))


@pytest.mark.parametrize("way", WAYS)
def test_derivatives_of_a_free_run_to_second_order(way):
    decoder = decoder_of(way, "GRU")

    def logits(v, *parameters):
        with_parameters(decoder, *parameters)
        return decoder.free(v, 3)[0]

    check_grad(logits, vectors(2).numpy(), *parameters_of(decoder))


@ALL
def test_greedy_is_the_free_run_up_to_its_first_end(way, kind):
    decoder, v = decoder_of(way, kind), vectors(20)
    symbols, lengths = decoder.greedy(v, longest=5)
    free = decoder.free(v, 5)[1].numpy().T
    expected = [[*row.tolist(), END].index(END) for row in free]
    assert_array_equal(lengths, expected)
    assert len(set(expected)) > 1
    assert symbols.numpy().T.tolist() == [
        [*row[:n], *[END] * (5 - n)] for row, n in zip(free, expected, strict=True)
    ]


class Countdown(nn.Cell):
    """h' = h - 1: the end symbol is the likeliest only where h' = -1, so a free run continues after it."""

    def initial_state(self, batch, like):
        return ts.zeros_like(like, shape=(batch, 1))

    def __call__(self, h, x):
        h = h - 1.0 + 0.0 * x[..., :1]
        return h, h


def test_rows_end_at_once_early_and_never():
    def readout(h):
        return ts.concatenate([0.0 * h - 9.0, 0.5 - (h + 1.0) ** 2, ts.zeros_like(h)], axis=-1)

    decoder = nn.VectorAsState(nn.Embedding(3, 2, rng=0), Countdown(), readout, end=END)
    v = ts.tensor([[0.0], [2.0], [4.0], [5.0], [99.0], [-1.0]])
    symbols, lengths = decoder.greedy(v, longest=5)
    assert_array_equal(lengths, [0, 2, 4, 5, 5, 5])
    expected = np.where(np.arange(5)[:, None] < [0, 2, 4, 5, 5, 5], 2, END)
    assert_array_equal(symbols, expected)
    _, free = decoder.free(v, 5)
    assert_array_equal(free[:, 1], [2, 2, END, 2, 2])
    assert lengths.dtype.kind == symbols.dtype.kind == "i"
    symbols, lengths = decoder.greedy(v[:1], longest=1)
    assert_array_equal(symbols, [[END]])
    assert_array_equal(lengths, [0])


@ALL
def test_a_decoder_keeps_float32(way, kind):
    decoder = decoder_of(way, kind, dtype=np.float32)
    v = np.ones((2, V), np.float32)
    assert decoder(v, symbols_of(3, 2), [1, 3]).dtype == np.float32
    assert decoder.loss(v, symbols_of(3, 2), [1, 3]).dtype == np.float32
    assert decoder.free(v, 3)[0].dtype == np.float32


def test_a_vector_comes_in_without_a_bridge():
    rng = np.random.default_rng(0)
    v, targets = ts.tensor(rng.normal(size=(2, E))), symbols_of(3, 2)
    for way, size in (("first input", E), ("every step", 2 * E), ("state", E)):
        decoder = WAYS[way](
            nn.Embedding(C, E, rng=rng, **F64),
            nn.RNNCell(size, E, rng=rng, **F64),
            nn.Linear(E, C, rng=rng, **F64),
        )
        plain = decoder(v, targets)
        decoder.bridge = lambda v: v
        agree([plain], [decoder(v, targets)])


def test_errors_of_a_decoder():
    decoder, v = decoder_of("state", "LSTM"), np.ones((2, V))
    for targets in (np.zeros(2, int), np.zeros((3, 3), int), np.zeros((0, 2), int), [[1, 2, 3]]):
        with pytest.raises(ValueError, match=r"a batch of 2 needs targets \(T, 2\) with T >= 1, got int64\["):
            decoder(v, targets)
    with pytest.raises(TypeError, match="must be integers, not float64"):
        decoder.loss(v, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"lengths must lie within 0 \.\.\. 3"):
        decoder(v, symbols_of(3, 2), [4, 1])
    with pytest.raises(ValueError, match=r"needs a vector \(B, V\) of floats, got float64\[8\]"):
        decoder(np.ones(V), symbols_of(3, 2))
    with pytest.raises(ValueError, match=r"needs an integer \w+ in \[1, inf\), got 0"):
        decoder.greedy(v, 0)
    decoder.bridge = None
    with pytest.raises(ValueError, match="needs a vector of 8 numbers, got 2; use a bridge with 8 outputs"):
        decoder.free(v, 3)
    with pytest.raises(ValueError, match=r"of floats, got int64\[2,8\]"):
        decoder.free(np.ones((2, 8), int), 3)


@pytest.mark.skipif(doors.NAME != "numpy", reason="on a device, symbols are not checked")
def test_symbols_that_do_not_exist():
    decoder, v = decoder_of("state", "GRU"), np.ones((2, V))
    for targets in ([[0, C], [0, 0]], [[0, 0], [0, C]], [[-1, 0]]):
        with pytest.raises(IndexError, match=r"must lie within 0 \.\.\. 5"):
            decoder.loss(v, targets)
    decoder.end = C
    with pytest.raises(IndexError, match=r"0 \.\.\. 5; the smallest is 6"):
        decoder.greedy(v, 3)


# --- from a sequence to a sequence ----------------------------------------------------------------------


def translator(way="state", kind="LSTM", bidirectional=True, dtype=np.float64):
    """An encoder, bidirectional or not, with the embedding of the decoder."""
    rng = np.random.default_rng(3)
    cells = nn.LSTMCell(E, 2, rng=rng, dtype=dtype), nn.GRUCell(E, 3, rng=rng, dtype=dtype)
    encoder = nn.Bidirectional(*cells) if bidirectional else nn.Recurrent(cells[1])
    decoder = decoder_of(way, kind, dtype=dtype, vector=5 if bidirectional else 3)
    return nn.EncoderDecoder(decoder.embedding, encoder, decoder)


def context_by_hand(model, xs):
    """The last output of every direction, for one row without padding."""
    e = model.decoder.embedding.weight[xs]
    both = isinstance(model.encoder, nn.Bidirectional)
    loops = [(model.encoder.forward.cell, 1), (model.encoder.backward.cell, -1)] if both else []
    last = []
    for cell, direction in loops or [(model.encoder.cell, 1)]:
        state, y = cell.initial_state(1, like=e), ts.tensor(np.zeros((1, cell.Wh.shape[0])))
        for t in range(len(xs))[::direction]:
            state, y = cell(state, e[t])
        last.append(y)
    return ts.concatenate(last, axis=-1)


PAIRS = [([4, 1, 3], [2, 3, 1]), ([0, 2], [3, 0]), ([5], [1]), ([1], [5]), ([1], [1]), ([0], [2])]


@pytest.mark.parametrize(("lengths", "ends"), PAIRS)
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(
    ("way", "kind"), [("state", "LSTM"), ("first input", "clockwork"), ("every step", "stack")]
)
def test_an_encoder_decoder_is_its_halves_row_by_row(way, kind, bidirectional, lengths, ends):
    """Teacher forcing with its gradients, free running and greedy, for unequal lengths on both sides."""
    model, rng = translator(way, kind, bidirectional), np.random.default_rng(4)
    xs, _ = nn.padded([rng.integers(0, C, max(1, n)) for n in lengths])
    targets, _ = nn.padded([rng.integers(0, C, max(1, n)) for n in ends])
    logits = model(xs, targets, lengths, ends)
    free, symbols = model.free(xs, 3, lengths)
    written, counts = model.greedy(xs, 3, lengths)
    loss, nats = ts.tensor(np.float64(0)), model.loss(xs, targets, lengths, ends)
    for i, (n, m) in enumerate(zip(lengths, ends, strict=True)):
        context = context_by_hand(model, xs[:n, i : i + 1])
        agree([model.context(xs, lengths)[i : i + 1]], [context])
        if m:
            own = targets[:m, i : i + 1]
            loss = loss + model.decoder.loss(context, own) * m
            agree([logits[:m, i : i + 1]], [model.decoder(context, own)])
        assert_array_equal(logits[m:, i], np.zeros((len(targets) - m, C)))
        agree([free[:, i : i + 1]], [model.decoder.free(context, 3)[0]])
        own, count = model.decoder.greedy(context, 3)
        assert_array_equal(symbols[:, i : i + 1], model.decoder.free(context, 3)[1])
        assert_array_equal(written[:, i : i + 1], own)
        assert_array_equal(counts[i : i + 1], count)
    loss = loss / max(1, sum(ends))
    agree([nats], [loss])
    agree(gradients(nats, model), gradients(loss, model))


def test_without_lengths_all_of_it_is_meant():
    model = translator()
    xs, targets = symbols_of(4, 2), symbols_of(3, 2, 5)
    ends = [4, 4], [3, 3]
    agree(
        [model(xs, targets), model.loss(xs, targets)],
        [model(xs, targets, *ends), model.loss(xs, targets, *ends)],
    )
    agree([model.free(xs, 3)[0]], [model.free(xs, 3, [4, 4])[0]])
    assert len(model.parameters()) == 1 + 2 * 3 + 3 + 2 + 2  # the embedding is counted once


def test_derivatives_of_an_encoder_decoder_to_second_order():
    model = translator("state", "GRU")
    xs, targets = symbols_of(3, 2), symbols_of(2, 2, 5)

    def loss(embedding, wh, wd):
        model.decoder.embedding.weight = embedding
        model.encoder.backward.cell.Wh, model.decoder.cell.Wh = wh, wd
        return model.loss(xs, targets, [3, 1], [1, 2])

    found = model.decoder.embedding.weight, model.encoder.backward.cell.Wh, model.decoder.cell.Wh
    check_grad(loss, *(p.numpy() for p in found))


def test_errors_of_an_encoder_decoder():
    model, xs, targets = translator(), symbols_of(4, 2), symbols_of(3, 2)
    with pytest.raises(ValueError, match=r"lengths must lie within 0 \.\.\. 4"):
        model(xs, targets, [5, 1])
    with pytest.raises(ValueError, match=r"lengths must lie within 0 \.\.\. 3"):
        model(xs, targets, [4, 1], [4, 1])
    with pytest.raises(ValueError, match=r"a batch of 2 needs targets \(T, 2\) with T >= 1, got int64\[3,3\]"):
        model(xs, symbols_of(3, 3))


# --- on a device ----------------------------------------------------------------------------------------


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
@pytest.mark.parametrize("way", WAYS)
def test_a_training_step_of_an_encoder_decoder_waits_for_nothing(way):
    """Nor does greedy search: symbols and lengths stay on the device."""
    with doors.open_doors():
        model = translator(way, "LSTM", dtype=np.float32).to("cuda")
        optimizer = optim.Adam(model.parameters())
        xs, targets = symbols_of(4, 2), symbols_of(3, 2)

        def step():
            loss = model.loss(xs, targets, [4, 1], [2, 3])
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss, *model.greedy(xs, 5, [4, 1])

        step()  # compiles
        with costs(uploads=4 + 10, synchronisations=0):  # symbols, and masks from lengths
            results = step()
        assert np.isfinite(results[0].item())
        assert {r.device for r in results} == {"cuda:0"}
