"""Scheduled sampling, where a decoder receives its own choices; and beam search, from greedy to exhaustive."""

import itertools

import doors
import numpy as np
import pytest
from doors import costs
from results import assert_array_equal
from running import agree
from writing import (
    ALL,
    CELLS,
    END,
    WAYS,
    C,
    E,
    H,
    V,
    by_hand,
    decoder_of,
    gradients,
    likeliest,
    symbols_of,
    vectors,
)

import tinygrad_seq as ts
from tinygrad_seq import nn

# --- scheduled sampling ---------------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_step_receives_the_true_symbol_where_it_is_forced(way, kind, share):
    """Values and gradients, row by row; elsewhere a step receives the decoder's own choice."""
    steps, batch = 4, 3
    decoder, v, targets = decoder_of(way, kind), vectors(batch), symbols_of(4, batch)
    forced = np.random.default_rng(5).random((steps, batch)) < share
    logits = decoder(v, targets, forced=forced)
    weights = np.random.default_rng(2).normal(size=logits.shape)
    loss = ts.tensor(np.float64(0))
    for i in range(batch):

        def choose(t, own, i=i):
            return targets[t, i : i + 1] if t + 1 < steps and forced[t + 1, i] else likeliest(t, own)

        alone = by_hand(decoder, v[i : i + 1], way, kind, steps, choose)
        agree([logits[:, i : i + 1]], [alone])
        loss = loss + (alone * weights[:, i : i + 1]).sum()
    agree(gradients((logits * weights).sum(), decoder, v), gradients(loss, decoder, v))


@ALL
def test_all_forced_is_teacher_forcing_and_none_is_the_free_run(way, kind):
    decoder, v, targets, lengths = decoder_of(way, kind), vectors(3), symbols_of(4, 3), [4, 2, 0]
    ones, zeros = np.ones((4, 3), bool), ts.tensor(np.zeros((4, 3), bool))
    agree([decoder(v, targets, lengths, forced=ones)], [decoder(v, targets, lengths)])
    agree([decoder.loss(v, targets, lengths, forced=ones)], [decoder.loss(v, targets, lengths)])
    agree([decoder(v, targets, forced=zeros)], [decoder.free(v, 4)[0]])
    past = decoder(v, targets, lengths, forced=zeros).numpy()
    assert_array_equal(past[2:, 1], np.zeros((2, C)))
    assert_array_equal(past[:, 2], np.zeros((4, C)))


def test_errors_of_a_schedule():
    decoder, v, targets = decoder_of("state", "GRU"), vectors(3), symbols_of(4, 3)
    for forced in (np.ones((4, 3)), np.ones((3, 4), bool), np.ones((4, 1), bool), np.ones(3, bool), 0.5):
        with pytest.raises(ValueError, match=r"booleans of the shape of targets, \(4, 3\), got"):
            decoder(v, targets, forced=forced)


# --- beam search ----------------------------------------------------------------------------------------


def logs_of(decoder, v, sequences):
    """The log-probabilities of the symbols of each sequence, for one row v (1, V), by teacher forcing."""
    targets, _ = nn.padded(sequences)
    logs = ts.log_softmax(decoder(ts.repeat(v, len(sequences), axis=0), targets)).numpy()
    return [logs[range(len(y)), i, y] for i, y in enumerate(sequences)]


def all_sequences(symbols, longest):
    """All sequences that end with an end symbol, and all that are cut off before one."""
    words = [s for s in range(symbols) if s != END]
    for n in range(longest):
        yield from ((*start, END) for start in itertools.product(words, repeat=n))
    yield from itertools.product(words, repeat=longest)


def in_full(y, longest):
    """The sequence, padded with end symbols, and its length without an end symbol."""
    return [*y, *[END] * (longest - len(y))], len(y) - (y[-1] == END)


@pytest.mark.parametrize("way", WAYS)
def test_a_beam_as_wide_as_the_tree_is_an_exhaustive_search(way):
    longest, differ, lengths = 3, 0, set()
    sequences = list(all_sequences(C, longest))
    assert len(sequences) == 1 + 5 + 25 + 125
    for kind, seed in itertools.product(CELLS, range(2)):
        decoder, v = decoder_of(way, kind, seed=seed), vectors(3, seed)
        symbols, written = decoder.beam(v, longest, width=len(sequences))
        for i in range(3):
            logs = logs_of(decoder, v[i : i + 1], sequences)
            best = max(zip(logs, sequences, strict=True), key=lambda pair: pair[0].mean())[1]
            expected, length = in_full(best, longest)
            assert symbols[:, i].numpy().tolist() == expected
            assert written[i].item() == length
            lengths.add(len(best))
            differ += best != max(zip(logs, sequences, strict=True), key=lambda pair: pair[0].sum())[1]
    assert len(lengths) > 1  # some end early
    assert differ  # and the best mean is not always the best sum, which prefers short sequences


@ALL
def test_a_beam_of_one_is_greedy(way, kind):
    ends = set()
    for seed in range(3):
        decoder, v = decoder_of(way, kind, seed=seed), vectors(8, seed)
        for a, b in zip(decoder.beam(v, 6, width=1), decoder.greedy(v, 6), strict=True):
            assert_array_equal(a, b)
        ends |= set(b.numpy().tolist())
    assert len(ends) > 1


def searched(decoder, v, longest, width):
    """The same search with lists, for one row: it computes the logits of every beginning from scratch."""
    beam = [((), np.zeros(0))]
    for _ in range(longest):
        longer = []
        for y, logs in beam:
            if y and y[-1] == END:
                longer.append((y, logs))
                continue
            o = decoder(v, np.array([*y, 0])[:, None])[-1]  # the last target has no influence
            p = ts.log_softmax(o).numpy()[0]
            longer.extend(((*y, s), np.append(logs, p[s])) for s in range(C))
        beam = sorted(longer, key=lambda pair: -pair[1].mean())[:width]
    return beam[0][0]


@pytest.mark.parametrize("width", [2, 3, 7])
def test_a_narrow_beam_is_the_search_in_lists(width):
    better, cases = 0, [("state", "LSTM"), ("first input", "clockwork"), ("every step", "stack")]
    for (way, kind), seed in itertools.product(cases, range(2)):
        decoder, v = decoder_of(way, kind, seed=seed), vectors(4, seed)
        symbols, written = decoder.beam(v, 5, width)
        greedy = decoder.greedy(v, 5)[0].numpy()
        for i in range(4):
            expected, length = in_full(searched(decoder, v[i : i + 1], 5, width), 5)
            assert symbols[:, i].numpy().tolist() == expected
            assert written[i].item() == length
            better += symbols[:, i].numpy().tolist() != greedy[:, i].tolist()
    assert better


def test_a_wider_beam_than_there_are_sequences_finds_the_same():
    decoder, v = decoder_of("state", "GRU"), vectors(3)
    for a, b in zip(decoder.beam(v, 2, width=31), decoder.beam(v, 2, width=50), strict=True):
        assert_array_equal(a, b)


def test_shapes_and_errors_of_a_beam():
    decoder = decoder_of("state", "GRU")
    symbols, lengths = decoder.beam(vectors(3), longest=1, width=4)
    assert symbols.shape == (1, 3)
    assert lengths.shape == (3,)
    assert symbols.dtype.kind == lengths.dtype.kind == "i"
    symbols, lengths = decoder.beam(ts.tensor(np.ones((0, V))), longest=2, width=4)
    assert symbols.shape == (2, 0)
    for width in (0, -1):
        with pytest.raises(ValueError, match=f"a beam search needs width >= 1, got {width}"):
            decoder.beam(vectors(3), 2, width)
    with pytest.raises(ValueError, match=r"needs an integer \w+ in \[1, inf\), got 0"):
        decoder.beam(vectors(3), 0, 2)


def test_writing_records_nothing():
    decoder, made = decoder_of("state", "GRU"), []
    linear = decoder.bridge
    decoder.bridge = lambda v: made.append(linear(v)) or made[-1]
    decoder.beam(vectors(2), 3, 2)
    decoder.greedy(vectors(2), 3)
    assert [v.requires_grad for v in made] == [False, False]
    decoder.free(vectors(2), 3)
    assert made[-1].requires_grad


def test_a_beam_keeps_float32():
    """Its scores have the dtype of the logits: a carry with a changing dtype would raise an error."""
    decoder = decoder_of("state", "GRU", dtype=np.float32)
    symbols, lengths = decoder.beam(np.ones((2, V), np.float32), 3, 2)
    assert_array_equal(symbols.shape, (3, 2))
    assert (lengths.numpy() <= 3).all()


@pytest.mark.skipif(doors.NAME != "double", reason="the double counts")
def test_a_beam_waits_for_nothing_however_long_it_is():
    with doors.open_doors():
        rng = np.random.default_rng(0)
        decoder = nn.VectorAsState(
            nn.Embedding(C, E, rng=rng), nn.GRUCell(E, H, rng=rng), nn.Linear(H, C, rng=rng)
        )
        decoder, v = decoder.to("cuda"), ts.ones((3, H), device="cuda")
        for longest in (2, 9):
            decoder.beam(v, longest, 4)  # compiles
            with costs(uploads=1, synchronisations=0):  # the index of the row of each beginning
                symbols, lengths = decoder.beam(v, longest, 4)
            assert symbols.device == lengths.device == "cuda:0"
