"""Decoding for CTC, compared with everything that can be read from the logits, each with its likelihood."""

import doors
import numpy as np
import paths
import pytest
from doors import costs
from hypothesis import given
from hypothesis import strategies as st
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq import nn


def drawn(seed, steps, batch, classes):
    """Logits that are NaN past the lengths."""
    rng = np.random.default_rng(seed)
    logits, lengths = 2 * rng.normal(size=(steps, batch, classes)), rng.integers(0, steps + 1, batch)
    for i, n in enumerate(lengths):
        logits[n:, i] = np.nan
    return logits, lengths


def written(found, i):
    """The labels of row i."""
    labels, counts, _ = map(host, found)
    return tuple(labels[i, : counts[i]].tolist())


SIZES = st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 4), st.data()


@given(*SIZES)
def test_the_best_path_is_read_from_the_likeliest_label_of_every_frame(seed, steps, classes, data):
    blank = data.draw(st.integers(0, classes - 1))
    logits, lengths = drawn(seed, steps, 3, classes)
    found = nn.ctc_decode(logits, lengths, blank=blank)
    for i, n in enumerate(lengths):
        labels, score = paths.best_path(logits[:n, i], blank)
        assert written(found, i) == labels
        assert_allclose(found[2][i], score, rtol=1e-13, atol=1e-14)


@given(*SIZES)
def test_a_search_that_keeps_every_prefix_finds_the_likeliest_labels(seed, steps, classes, data):
    blank = data.draw(st.integers(0, classes - 1))
    logits, lengths = drawn(seed, steps, 3, classes)
    found = nn.ctc_decode(logits, lengths, width=classes**steps, blank=blank)
    for i, n in enumerate(lengths):
        likelihoods = paths.likelihoods(logits[:n, i], blank)
        best = max(likelihoods, key=likelihoods.__getitem__)
        assert written(found, i) == best
        assert_allclose(found[2][i], np.log(likelihoods[best]), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("excluded", [0.0, 0.3])
def test_a_narrow_search_is_that_of_a_dictionary_of_prefixes(width, blank, excluded):
    logits, lengths = drawn(width, 30, 6, 4)
    logits[..., 1:3][np.random.default_rng(0).random((30, 6, 2)) < excluded] = -np.inf
    found = nn.ctc_decode(logits, lengths, width=width, blank=blank)
    for i, n in enumerate(lengths):
        prefix, score = paths.prefix_search(logits[:n, i], width, blank)
        assert written(found, i) == prefix
        assert_allclose(found[2][i], score, rtol=1e-12, atol=1e-14)


def test_a_score_is_at_most_the_likelihood_of_the_labels():
    logits, lengths = drawn(1, 20, 5, 4)
    for width in (None, 1, 4, 16):
        labels, counts, scores = nn.ctc_decode(logits, lengths, width=width)
        exact = -nn.ctc_loss(logits, labels, lengths, counts, reduction="none")
        assert (host(scores) <= host(exact) + 1e-12).all()


def test_past_its_labels_a_row_is_filled_with_blanks():
    logits, lengths = drawn(0, 8, 4, 3)
    for width in (None, 3):
        labels, counts, _ = nn.ctc_decode(logits, lengths, width=width, blank=1)
        outside = np.arange(8) >= host(counts)[:, None]
        assert labels.shape == (4, 8)
        assert (host(labels)[outside] == 1).all()
        assert (host(labels)[~outside] != 1).all()


@pytest.mark.parametrize("width", [None, 4])
def test_a_row_with_nan_has_a_score_of_nan(width):
    o = np.zeros((3, 3, 3))
    o[1, 1, 2] = o[2, 0, 0] = np.nan
    _, _, scores = nn.ctc_decode(o, [2, 3, 3], width=width)
    assert_array_equal(np.isnan(host(scores)), [False, True, False])


@pytest.mark.parametrize("width", [None, 4])
def test_excluded_labels_are_never_written(width):
    """Logits of -inf, of the blank too; a dropped prefix of probability 0 is not counted as another one."""
    o = np.full((4, 2, 3), -np.inf)
    o[[0, 1, 2, 3], 0, [1, 1, 2, 1]] = 0.0
    o[:, 1, 0] = 0.0
    found = nn.ctc_decode(o, width=width)
    assert [written(found, i) for i in range(2)] == [(1, 2, 1), ()]
    assert_array_equal(found[2], [0.0, 0.0])


@pytest.mark.parametrize("width", [None, 4])
def test_the_precision_is_that_of_the_logits_and_nothing_is_recorded(width):
    o = ts.tensor(np.ones((3, 2, 3), np.float16), requires_grad=True)
    labels, counts, scores = nn.ctc_decode(o, width=width)
    assert (labels.dtype, counts.dtype, scores.dtype) == (np.int64, np.int64, np.float16)
    assert not scores.requires_grad


@pytest.mark.parametrize("width", [None, 4])
def test_nothing_is_read_from_a_device(width):
    logits, lengths = (ts.tensor(part) for part in drawn(0, 6, 3, 4))
    with costs(uploads=1):  # a frame that is surely blank
        nn.ctc_decode(logits, lengths, width=width)
    if doors.NAME != "numpy":
        scores = nn.ctc_decode(logits, ts.tensor(np.array([7, 0, -1])), width=width)[2]
        assert_array_equal(np.isnan(host(scores)), [True, False, True])


@pytest.mark.parametrize(
    ("error", "text", "arguments"),
    [
        (
            TypeError,
            r"ctc_decode: logits must be floats, not int64\[3,2,3\]",
            {"logits": np.zeros((3, 2, 3), int)},
        ),
        (ValueError, r"needs logits \(T, B, C\).*shape \(3, 2\)", {"logits": np.zeros((3, 2))}),
        (ValueError, r"T >= 1, got logits of shape \(0, 2, 3\)", {"logits": np.zeros((0, 2, 3))}),
        (ValueError, r"ctc_decode: lengths must have shape \(2,\)", {"lengths": [1]}),
        (ValueError, r"ctc_decode needs an integer width in \[1, inf\), got 0", {"width": 0}),
        (TypeError, r"ctc_decode needs an integer width", {"width": 2.0}),
        (ValueError, r"ctc_decode needs an integer blank in \[0, 3\), got 3", {"blank": 3}),
    ],
)
def test_errors_say_what_is_wrong(error, text, arguments):
    with pytest.raises(error, match=text):
        nn.ctc_decode(**{"logits": np.zeros((3, 2, 3)), **arguments})


# --- the picture ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [0, 2])
def test_the_names_in_the_picture_are_the_best_path(blank):
    """Each stands at the highest point of its stretch; the lines are the probabilities."""
    from matplotlib.figure import Figure

    o = 3 * np.random.default_rng(4).normal(size=(30, 1, 3))
    o[10:13, 0] = [[0, 4, 0], [0, 5, 0], [0, 3, 0]]  # one label for three frames, between blanks
    o[[9, 13], 0, blank] = 20
    y, symbols = paths.softmax(o[:, 0]), ["a", "b", "c"]
    symbols[blank] = "-"
    axes = Figure().subplots()
    nn.pictures.posteriors(axes, ts.tensor(y), symbols, blank=blank)
    labels, _ = paths.best_path(o[:, 0], blank)
    assert [text.get_text() for text in axes.texts] == [symbols[label] for label in labels]
    places = [text.get_position() for text in axes.texts]
    assert places == sorted(places)
    for (t, height), label in zip(places, labels, strict=True):
        assert height == y[t, label]
    assert 11 in [t for t, _ in places]
    lines = {tuple(line.get_ydata()) for line in axes.lines}
    assert lines == {tuple(y[:, label]) for label in {blank, *labels}}


def test_the_picture_needs_a_symbol_for_every_column():
    from matplotlib.figure import Figure

    with pytest.raises(
        ValueError, match=r"posteriors needs probabilities \(T, 2\) for 2 symbols, got \(4, 3\)"
    ):
        nn.pictures.posteriors(Figure().subplots(), np.ones((4, 3)), "-a")
