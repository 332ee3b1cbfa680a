"""The tasks: what is drawn is what their sources define."""

import numpy as np
import pytest

from tinygrad_seq import tasks


@pytest.mark.parametrize("length", [10, 23, 60])
def test_temporal_order(length):
    """A or B in two windows, distractors elsewhere; the label is the pair; all four are about as frequent."""
    xs, labels = tasks.temporal_order(length, 2000, rng=0)
    assert xs.shape == (length, 2000, 6)
    assert xs.dtype == np.float32
    assert (xs.sum(-1) == 1).all()
    symbols = xs.argmax(-1)
    first, second = [], []
    for row, label in zip(symbols.T, labels, strict=True):
        (places,) = np.nonzero(row < 2)
        assert len(places) == 2
        assert length // 10 <= places[0] < 2 * length // 10
        assert 5 * length // 10 <= places[1] < 6 * length // 10
        assert label == 2 * row[places[0]] + row[places[1]]
        first.append(places[0])
        second.append(places[1])
    assert set(first) == set(range(length // 10, 2 * length // 10))
    assert set(second) == set(range(5 * length // 10, 6 * length // 10))
    assert set(symbols[symbols >= 2]) == {2, 3, 4, 5}
    assert (np.abs(np.bincount(labels, minlength=4) / 2000 - 0.25) < 0.05).all()


def test_temporal_order_needs_room():
    with pytest.raises(ValueError, match="10 steps or more, not 9"):
        tasks.temporal_order(9, 1)


def test_identical_halves():
    """The labels are true; half of them 1; of the others about half are one symbol away from that."""
    xs, lengths, labels = tasks.identical_halves(2000, longest=4, rng=0)
    near = 0
    for row, n, label in zip(xs.T, lengths, labels, strict=True):
        assert n % 2 == 0
        assert (row[n:] == 0).all()
        differences = (row[: n // 2] != row[n // 2 : n]).sum()
        assert (differences == 0) == label
        near += n > 2 and differences == 1
    assert labels.sum() == 1000
    assert set(lengths) == {2, 4, 6, 8}
    assert set(xs.ravel()) == set(range(10))
    assert 0.4 < near / ((labels == 0) & (lengths > 2)).sum() < 0.7  # some of the random ones are near, too


def test_a_digit_moves_one_pixel_at_a_time_the_way_it_is_said_to():
    films, directions, digits = tasks.moving_digits(30, 50, size=9, rng=0)
    assert films.dtype == np.float32
    assert films.min() >= 0
    assert films.max() <= 1
    seen = []
    for i, digit in enumerate(digits):
        glyph = np.array(list(tasks.GLYPHS[digit]), float).reshape(5, 3)
        places = []
        for frame in films[:, i]:
            found = np.argwhere(
                [
                    [(np.abs(frame[r : r + 5, c : c + 3] - 0.7 * glyph) <= 0.3).all() for c in range(7)]
                    for r in range(5)
                ]
            )
            places.append(found)
        # where noise leaves no doubt, the place moves by the direction of the frame
        for t in range(1, 30):
            if len(places[t]) == len(places[t - 1]) == 1:
                assert (places[t][0] - places[t - 1][0]).tolist() == list(tasks.DIRECTIONS[directions[t, i]])
        seen += [found[0].tolist() for found in places if len(found) == 1]
    assert len(seen) > 20 * 50
    assert (np.min(seen, axis=0).tolist(), np.max(seen, axis=0).tolist()) == ([0, 0], [4, 6])  # edge to edge
    assert set(directions.ravel()) == {0, 1, 2, 3}
    assert len(set(digits)) == 10


def test_names_of_numbers():
    names = [tasks.spelled(n) for n in range(1000)]
    assert len(set(names)) == 1000
    worth = dict(zip(tasks.SMALL, range(20), strict=True)) | dict(
        zip(tasks.TENS[2:], range(20, 100, 10), strict=True)
    )
    for n, name in enumerate(names):
        hundreds, _, rest = f" {name}".rpartition(" hundred")
        assert 100 * worth.get(hundreds.strip(), 0) + sum(worth[word] for word in rest.split()) == n


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: tasks.temporal_order(20, 4, rng=rng),
        lambda rng: tasks.identical_halves(9, rng=rng),
        lambda rng: tasks.moving_digits(5, 2, rng=rng),
    ],
)
def test_a_seed_draws_the_same_again(draw):
    for a, b, c in zip(draw(3), draw(np.random.default_rng(3)), draw(4), strict=True):
        assert (a == b).all()
        assert a.shape != c.shape or (a != c).any()
