"""The encoder-decoder with attention, compared with row-by-row loops; alignments; lengths; on a device."""

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_allclose, assert_array_equal
from running import agree

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.testing import check_grad

E, F, K, H, A, C, END = 3, 2, 4, 5, 6, 7, 1  # embedding, forward, backward, decoder, units, symbols, the end
D = F + K
SCORES = {
    "additive": lambda **options: nn.AdditiveScore(H, D, A, **options),
    "general": lambda **options: nn.GeneralScore(H, D, **options),
    "dot": lambda **options: nn.DotScore(),
    "scaled dot": lambda **options: nn.ScaledDotScore(),
}
CELLS = {"GRU": (nn.GRUCell, 1), "LSTM": (nn.LSTMCell, 2), "RNN": (nn.RNNCell, 1)}  # and parts of the state
ALL = pytest.mark.parametrize(
    ("kind", "score"), [*((k, "additive") for k in CELLS), *(("LSTM", s) for s in SCORES)]
)
PAIRS = [([4, 1, 3], [2, 3, 1]), ([0, 2], [3, 0]), ([5], [1]), ([1], [5]), ([0, 0], [2, 2])]


def model_of(kind="GRU", score="additive", dtype=np.float64, seed=0, deep=False):
    """A model with large weights, so that it writes different symbols; sizes are unequal where possible."""
    rng = np.random.default_rng(seed)
    options = {"rng": rng, "dtype": dtype}
    units = D if "dot" in score else H
    cell, parts = CELLS[kind]
    embedding = nn.Embedding(C, E, **options)
    encoder = nn.Bidirectional(nn.GRUCell(E, F, **options), nn.LSTMCell(E, K, **options))
    if deep:
        above = nn.Bidirectional(nn.GRUCell(D, F, **options), nn.LSTMCell(D, K, **options))
        encoder = nn.Layers(encoder, above)
    decoder = nn.AttentionDecoder(
        embedding,
        cell(E + D, units, **options),
        SCORES[score](**options),
        nn.Linear(units + D, C, **options),
        nn.Sequential(nn.Linear(K, parts * units, **options), ts.tanh),
        end=END,
    )
    model = nn.EncoderDecoder(embedding, encoder, decoder)
    for p in model.parameters():
        p.assign_(rng.normal(scale=0.3 if p.ndim == 1 else 1.2, size=p.shape).astype(dtype))
    return model


def symbols_of(steps, batch, seed=1):
    return np.random.default_rng(seed).integers(0, C, (steps, batch))


def run(cell, xs):
    """The outputs of a cell for every step of xs (n, 1, I), and the final state."""
    state, ys = cell.initial_state(1, like=xs), []
    for t in range(len(xs)):
        state, y = cell(state, xs[t])
        ys.append(y)
    return ys, state


def annotated(encoder, xs):
    """[forward; backward] for every x of xs (n, 1, I), and the backward state h at the first."""
    forward, _ = run(encoder.forward.cell, xs)
    backward, (h, _) = run(encoder.backward.cell, xs[::-1])
    hs = [ts.concatenate([f, b], axis=-1) for f, b in zip(forward, backward[::-1], strict=True)]
    return (ts.stack(hs) if hs else ts.tensor(np.zeros((0, 1, D)))), h


def scored(score, q, h):
    """The score e of one query (1, H) and one annotation (1, D)."""
    if isinstance(score, nn.AdditiveScore):
        return (ts.tanh(q @ score.W + h @ score.U) * score.v).sum()
    if isinstance(score, nn.GeneralScore):
        return (q @ score.W * h).sum()
    return (q * h).sum() / (np.sqrt(D).item() if isinstance(score, nn.ScaledDotScore) else 1)


def by_hand(model, xs, steps, choose):
    """Logits and weights of one row, xs (n, 1), with a loop over its annotations.

    choose(t, logits) is the symbol that step t + 1 receives.
    """
    decoder, x = model.decoder, model.decoder.embedding.weight[xs]
    for encoder in model.encoder.layers if isinstance(model.encoder, nn.Layers) else [model.encoder]:
        x, h = annotated(encoder, x)
    v, previous, logits, alphas = decoder.bridge(h), np.array([END]), [], []
    units = decoder.readout.weight.shape[0] - D
    state = v if v.shape[1] == units else (v[:, :units], v[:, units:])
    for t in range(steps):
        q = state[0] if isinstance(state, tuple) else state
        if len(x):
            alpha = ts.softmax(ts.stack([scored(decoder.score, q, x[n]) for n in range(len(x))]))
            c = sum((alpha[n] * x[n] for n in range(1, len(x))), alpha[0] * x[0])
        else:
            alpha, c = ts.tensor(np.zeros(0)), ts.tensor(np.zeros((1, D)))
        state, y = decoder.cell(state, ts.concatenate([decoder.embedding.weight[previous], c], axis=-1))
        y = ts.concatenate([y, c], axis=-1)
        logits.append(y @ decoder.readout.weight + decoder.readout.bias)
        alphas.append(alpha)
        previous = choose(t, logits[-1])
    return ts.stack(logits), ts.stack(alphas)


def likeliest(_, logits):
    return logits.numpy().argmax(-1)


def gradients(loss, model):
    return ts.grad(loss, model.parameters(), zeros=True)


@ALL
@pytest.mark.parametrize(("lengths", "ends"), PAIRS)
def test_it_is_the_papers_equations_row_by_row(kind, score, lengths, ends):
    """Teacher forcing with its gradients and alignments, for unequal lengths on both sides."""
    model, rng = model_of(kind, score), np.random.default_rng(4)
    xs, _ = nn.padded([rng.integers(0, C, max(1, n)) for n in lengths])
    targets, _ = nn.padded([rng.integers(0, C, max(1, n)) for n in ends])
    logits = model(xs, targets, lengths, ends)
    weights = model.decoder.alignments(model.context(xs, lengths), targets, ends)
    nats, loss = model.loss(xs, targets, lengths, ends), ts.tensor(np.float64(0))
    for i, (n, m) in enumerate(zip(lengths, ends, strict=True)):
        own = targets[:, i : i + 1]
        assert_array_equal(logits[m:, i], np.zeros((len(targets) - m, C)))
        assert_array_equal(weights[m:, i], np.zeros((len(targets) - m, len(xs))))
        assert_array_equal(weights[:, i, n:], np.zeros((len(targets), len(xs) - n)))
        if m:
            alone, alphas = by_hand(model, xs[:n, i : i + 1], m, lambda t, _, own=own: own[t])
            agree([logits[:m, i : i + 1], weights[:m, i, :n]], [alone, alphas])
            loss = loss + nn.cross_entropy(alone, own[:m], reduction="sum")
    loss = loss / max(1, sum(ends))
    agree([nats], [loss])
    agree(gradients(nats, model), gradients(loss, model))


@ALL
@pytest.mark.parametrize("lengths", [[4, 1, 3], [0, 2]])
def test_free_greedy_beam_and_scheduled_row_by_row(kind, score, lengths):
    model, steps = model_of(kind, score), 5
    xs, targets = symbols_of(max(lengths), len(lengths)), symbols_of(steps, len(lengths), 2)
    forced = np.random.default_rng(3).random(targets.shape) < 0.5
    free, symbols = model.free(xs, steps, lengths)
    scheduled = model(xs, targets, lengths, forced=forced)
    greedy, written = model.greedy(xs, steps, lengths)
    best, counts = model.beam(xs, steps, 3, lengths)
    for i, n in enumerate(lengths):
        own, x = targets[:, i : i + 1], xs[:n, i : i + 1]
        alone, _ = by_hand(model, x, steps, likeliest)
        agree([free[:, i : i + 1]], [alone])
        assert_array_equal(symbols[:, i : i + 1], alone.numpy().argmax(-1))

        def choose(t, logits, i=i, own=own):
            return own[t] if t + 1 < steps and forced[t + 1, i] else likeliest(t, logits)

        agree([scheduled[:, i : i + 1]], [by_hand(model, x, steps, choose)[0]])
        if n:  # an empty row alone has no step to encode
            for together, count, search in ((greedy, written, model.greedy), (best, counts, model.beam)):
                width = (3,) if search == model.beam else ()
                sequence, length = search(x, steps, *width)
                assert_array_equal(together[:, i : i + 1], sequence)
                assert_array_equal(count[i : i + 1], length)


def test_alignments_of_what_it_has_written_itself():
    """The alignments of a free run equal those of teacher forcing with its own symbols."""
    model, xs = model_of("LSTM"), symbols_of(4, 1)
    _, symbols = model.free(xs, 5)
    weights = model.decoder.alignments(model.context(xs), symbols)
    _, alphas = by_hand(model, xs, 5, likeliest)
    agree([weights[:, 0]], [alphas])
    assert_allclose(weights.numpy().sum(-1), np.ones((5, 1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [None, [4, 2, 0]])
def test_a_deep_encoder_has_the_annotations_of_its_last_layer(lengths):
    model, xs, targets = model_of(deep=True), symbols_of(4, 3), symbols_of(3, 3, 2)
    logits = model(xs, targets, lengths)
    for i, n in enumerate([4] * 3 if lengths is None else lengths):
        if n:
            own = targets[:, i : i + 1]
            alone, _ = by_hand(model, xs[:n, i : i + 1], 3, lambda t, _, own=own: own[t])
            agree([logits[:, i : i + 1]], [alone])


def test_derivatives_to_second_order():
    model, xs, targets = model_of(), symbols_of(3, 2), symbols_of(2, 2, 5)

    def loss(embedding, backward, u, wx):
        model.decoder.embedding.weight = embedding
        model.encoder.backward.cell.Wh, model.decoder.score.U, model.decoder.cell.Wx = backward, u, wx
        return model.loss(xs, targets, [3, 1], [1, 2])

    found = (
        model.decoder.embedding.weight,
        model.encoder.backward.cell.Wh,
        model.decoder.score.U,
        model.decoder.cell.Wx,
    )
    check_grad(loss, *(p.numpy() for p in found))


def test_without_lengths_all_of_it_is_meant():
    model, xs, targets = model_of(), symbols_of(4, 2), symbols_of(3, 2, 5)
    ends = [4, 4], [3, 3]
    agree(
        [model(xs, targets), model.loss(xs, targets)],
        [model(xs, targets, *ends), model.loss(xs, targets, *ends)],
    )
    agree([model.free(xs, 3)[0]], [model.free(xs, 3, [4, 4])[0]])
    assert model.context(xs).inside is None


def test_annotations_of_ones_own():
    """Annotations from any source, with any mask."""
    model, keep = model_of(), np.array([[1, 1, 0, 1], [0, 0, 0, 1]], bool)
    h, backward = (np.random.default_rng(0).normal(size=shape) for shape in ((2, 4, D), (2, K)))
    given = nn.Annotations(ts.tensor(h), ts.tensor(backward), ts.tensor(keep))
    logits = model.decoder(given, symbols_of(3, 2))
    for i in range(2):
        part = nn.Annotations(ts.tensor(h[i : i + 1, keep[i]]), ts.tensor(backward[i : i + 1]))
        agree([logits[:, i : i + 1]], [model.decoder(part, symbols_of(3, 2)[:, i : i + 1])])


@pytest.mark.parametrize("keep", [None, np.array([[1, 1, 0, 1], [0, 0, 0, 0]], bool)])
def test_without_a_summary_the_start_is_from_the_mean_of_the_annotations_inside(keep):
    model, h = model_of(), np.random.default_rng(0).normal(size=(2, 4, D))
    model.decoder.bridge = nn.Linear(D, H, rng=0, dtype=np.float64)
    inside = np.ones((2, 4), bool) if keep is None else keep
    mean = np.stack([row[kept].sum(0) / max(1, kept.sum()) for row, kept in zip(h, inside, strict=True)])
    h[~inside] = np.nan
    keep = None if keep is None else ts.tensor(keep)
    given = [nn.Annotations(ts.tensor(h), *own) for own in ((None, keep), (ts.tensor(mean), keep))]
    agree(*([model.decoder(each, symbols_of(3, 2))] for each in given))


def hard_model():
    """A decoder with hard attention and a gate."""
    decoder, rng = model_of("LSTM").decoder, np.random.default_rng(5)
    gate = nn.Linear(H, 1, rng=rng, dtype=np.float64)
    hard = nn.HardAttentionDecoder(
        decoder.embedding, decoder.cell, decoder.score, decoder.readout, decoder.bridge, gate=gate, end=END
    )
    h, summary = (ts.tensor(rng.normal(size=shape)) for shape in ((2, 4, D), (2, K)))
    return hard, nn.Annotations(h, summary)


def looked(decoder, given, symbols, places):
    """Logits and log p of the looks of one row at `places`, with a loop; None for the likeliest place."""
    h, v = given.vectors[0], decoder.bridge(given.summary)
    state, previous, made = (v[:, :H], v[:, H:]), END, []
    for t, symbol in enumerate(symbols):
        q = state[0]
        e = ts.stack([scored(decoder.score, q, h[n : n + 1]) for n in range(4)])
        a = int(e.numpy().argmax()) if places is None else places[t]
        c = ts.sigmoid(q @ decoder.gate.weight + decoder.gate.bias) * h[a : a + 1]
        state, y = decoder.cell(
            state, ts.concatenate([decoder.embedding.weight[previous : previous + 1], c], axis=-1)
        )
        logits = ts.concatenate([y, c], axis=-1) @ decoder.readout.weight + decoder.readout.bias
        made.append((logits[0], ts.log_softmax(e)[a], a))
        previous = int(logits.numpy().argmax()) if symbol is None else symbol
    logits, logs, places = zip(*made, strict=True)
    return ts.stack(logits), ts.stack(logs), list(places)


def test_hard_attention_by_teacher_forcing_and_running_free_row_by_row():
    decoder, given = hard_model()
    targets, gumbel = symbols_of(3, 2, 5), np.random.default_rng(0).gumbel(size=(3, 2, 4)) * 3
    logits, weights, log_p, entropy = decoder.sampled(given, targets, ts.tensor(gumbel), [3, 2])
    forced, alignments, free = (
        decoder(given, targets),
        decoder.alignments(given, targets),
        decoder.free(given, 3),
    )
    for i, n in enumerate([3, 2]):
        row = nn.Annotations(given.vectors[i : i + 1], given.summary[i : i + 1])
        alone, _, places = looked(decoder, row, targets[:, i].tolist(), None)
        agree([forced[:, i]], [alone])
        assert_array_equal(alignments[:, i], np.eye(4)[places])
        agree([free[0][:, i]], [looked(decoder, row, [None] * 3, None)[0]])
        places = weights[:n, i].numpy().argmax(-1).tolist()
        assert_array_equal(weights[:n, i], np.eye(4)[places])
        alone, logs, _ = looked(decoder, row, targets[:n, i].tolist(), places)
        agree([logits[:n, i], log_p[:n, i]], [alone, logs])
        for part in (logits, weights, log_p, entropy):
            assert_array_equal(part[n:, i], np.zeros_like(part[n:, i].numpy()))
    assert (weights[:2].numpy() != alignments[:2].numpy()).any()


def test_the_estimate_of_hard_attention_is_the_gradient_of_the_expected_loss():
    """For all 16 ways to look twice, by their probabilities, and whatever the baseline is."""
    decoder, given = hard_model()
    row, targets = nn.Annotations(given.vectors[:1], given.summary[:1]), symbols_of(2, 1, 5)
    parameters, exact = decoder.parameters(), ts.tensor(np.float64(0))
    estimates = [np.zeros(p.shape) for p in parameters]
    for places in np.ndindex(4, 4):
        gumbel = ts.tensor(1e3 * np.eye(4)[list(places)][:, None])
        logits, weights, log_p, _ = decoder.sampled(row, targets, gumbel)
        assert_array_equal(weights[:, 0], np.eye(4)[list(places)])
        nats = nn.cross_entropy(logits, targets, reduction="none")
        rewards = nn.reinforce.returns(-nats)
        loss = nats.sum() + nn.reinforce.loss(log_p, rewards, ts.full_like(rewards, 0.7))
        p = np.exp(log_p.sum().item())
        for total, part in zip(estimates, ts.grad(loss, parameters, zeros=True), strict=True):
            total += p * part.numpy()
        alone, logs, _ = looked(decoder, row, targets[:, 0].tolist(), list(places))
        exact = exact + ts.exp(logs.sum()) * nn.cross_entropy(alone, targets[:, 0], reduction="sum")
    for found, expected in zip(estimates, ts.grad(exact, parameters, zeros=True), strict=True):
        assert_allclose(found, expected.numpy(), rtol=0, atol=1e-12)
    assert max(np.abs(decoder_part).max() for decoder_part in estimates) > 0.1


def test_the_logits_with_their_weights():
    model, xs, targets = model_of(), symbols_of(4, 2), symbols_of(3, 2, 5)
    given = model.context(xs, [4, 2])
    found = model.decoder.aligned(given, targets, [3, 1])
    agree(found, [model.decoder(given, targets, [3, 1]), model.decoder.alignments(given, targets, [3, 1])])


def test_it_keeps_float32():
    model, xs, targets = model_of(dtype=np.float32), symbols_of(4, 2), symbols_of(3, 2, 5)
    results = model(xs, targets), model.loss(xs, targets, [4, 0]), model.free(xs, 3)[0]
    weights = model.decoder.alignments(model.context(xs, [4, 1]), targets, [3, 1])
    assert {r.dtype for r in (*results, weights)} == {np.dtype(np.float32)}
    assert_allclose(weights.numpy().sum(-1), [[1, 1], [1, 0], [1, 0]], rtol=0, atol=1e-6)


def test_errors():
    model, xs, targets = model_of(), symbols_of(4, 2), symbols_of(3, 2)
    one_way = nn.EncoderDecoder(model.features, nn.Recurrent(nn.GRUCell(E, D)), model.decoder)
    with pytest.raises(ValueError, match="needs a bidirectional encoder, got a Recurrent"):
        one_way(xs, targets)
    with pytest.raises(ValueError, match=r"lengths must lie within 0 \.\.\. 4"):
        model(xs, targets, [5, 1])
    with pytest.raises(ValueError, match=r"a batch of 2 needs targets \(T, 2\) with T >= 1, got int64\[3,3\]"):
        model(xs, symbols_of(3, 3))
    given = ts.tensor(np.ones((2, 4, D))), ts.tensor(np.ones((3, K)))
    with pytest.raises(ValueError, match=r"with a summary \(B, V\) of floats, got float64\[2,4,6\] and"):
        model.decoder(nn.Annotations(*given), targets)
    model.decoder.bridge = None
    with pytest.raises(ValueError, match="needs a vector of 5 numbers, got 4; use a bridge with 5 outputs"):
        model(xs, targets)


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_a_training_step_waits_for_nothing():
    """Nor does greedy or beam search: the symbols stay on the device."""
    with doors.open_doors():
        model = model_of("LSTM", dtype=np.float32).to("cuda")
        optimizer = optim.Adam(model.parameters())
        xs, targets, forced = symbols_of(4, 2), symbols_of(3, 2), np.ones((3, 2), bool)

        def step():
            loss = model.loss(xs, targets, [4, 1], [2, 3], forced=forced)
            optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            return loss, *model.greedy(xs, 5, [4, 1]), *model.beam(xs, 5, 3, [4, 1])

        step()  # compiles
        # masks from lengths, for the encoders and for the loss; and the annotations, repeated for the beam
        masks, repeated = 3 * 3 + 3, 3
        with costs(uploads=3 + 2 + 1 + masks + repeated, synchronisations=0):
            results = step()
        assert np.isfinite(results[0].item())
        assert {r.device for r in results} == {"cuda:0"}
