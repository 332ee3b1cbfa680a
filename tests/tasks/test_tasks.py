"""The tasks draw sequences as their sources define them."""

import itertools

import numpy as np
import pytest
from results import assert_allclose

from tinygrad_seq import tasks
from tinygrad_seq.tasks.films import DIRECTIONS, GLYPHS
from tinygrad_seq.tasks.ponder import GATES
from tinygrad_seq.tasks.scenes import COLOURS, WORDS
from tinygrad_seq.tasks.symbols import SMALL, TENS


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
    with pytest.raises(ValueError, match=r"temporal_order needs an integer length in \[10, inf\), got 9"):
        tasks.temporal_order(9, 1)


def test_identical_halves():
    """The labels are correct; half are 1; of the others, about half differ in one symbol."""
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
    assert 0.4 < near / ((labels == 0) & (lengths > 2)).sum() < 0.7  # some random ones are near, too


def test_a_digit_moves_one_pixel_at_a_time_the_way_it_is_said_to():
    films, directions, digits = tasks.moving_digits(30, 50, size=9, rng=0)
    assert films.dtype == np.float32
    assert films.min() >= 0
    assert films.max() <= 1
    seen = []
    for i, digit in enumerate(digits):
        glyph = np.array(list(GLYPHS[digit]), float).reshape(5, 3)
        places = []
        for frame in films[:, i]:
            found = np.argwhere(
                [
                    [(np.abs(frame[r : r + 5, c : c + 3] - 0.7 * glyph) <= 0.3).all() for c in range(7)]
                    for r in range(5)
                ]
            )
            places.append(found)
        # where the glyph is found unambiguously, it moves in the direction of the frame
        for t in range(1, 30):
            if len(places[t]) == len(places[t - 1]) == 1:
                assert (places[t][0] - places[t - 1][0]).tolist() == list(DIRECTIONS[directions[t, i]])
        seen += [found[0].tolist() for found in places if len(found) == 1]
    assert len(seen) > 20 * 50
    assert (np.min(seen, axis=0).tolist(), np.max(seen, axis=0).tolist()) == ([0, 0], [4, 6])  # edge to edge
    assert set(directions.ravel()) == {0, 1, 2, 3}
    assert len(set(digits)) == 10


OUTLINES = {
    "square": "####### ####### ####### ####### ####### ####### #######",
    "circle": "..###.. .#####. ####### ####### ####### .#####. ..###..",
    "triangle": "...#... ...#... ..###.. ..###.. .#####. .#####. #######",
    "cross": "..###.. ..###.. ####### ####### ####### ..###.. ..###..",
}


@pytest.mark.parametrize("held_out", [False, True])
def test_the_captions_of_a_scene_are_true(held_out):
    """The shapes are found in the pixels, by their colours; the first caption is one of the two at random."""
    images, captions = tasks.scenes(300, held_out=held_out, rng=0)
    assert (images.shape, images.dtype) == ((300, 24, 24, 3), np.float32)
    assert images.min() >= 0
    assert images.max() <= 1
    pairs, firsts, relations = set(), [], set()
    for image, (caption, other) in zip(images, captions, strict=True):
        words = caption.replace(" of", "").split()
        (colour, shape), relation, (colour2, shape2) = words[1:3], words[3], words[5:7]
        opposite = {"left": "right of", "right": "left of", "above": "below", "below": "above"}[relation]
        assert other == f"a {colour2} {shape2} {opposite} a {colour} {shape}"
        assert set(caption.split()) | set(other.split()) < set(WORDS)
        centres = []
        for name, form in ((colour, shape), (colour2, shape2)):
            glyph = np.array([list(row) for row in OUTLINES[form].split()]) == "#"
            wanted = np.array([name in ("red", "yellow"), name in ("green", "yellow"), name == "blue"]) * 0.9
            bright = image.max(-1) > 0.5
            places = [
                (row, column)
                for row, column in np.ndindex(18, 18)
                if (abs(image[row : row + 7, column : column + 7][glyph] - wanted) <= 0.101).all()
                and not bright[row : row + 7, column : column + 7][~glyph].any()
            ]
            centres.append({(row + 3, column + 3) for row, column in places})
        found = {(a, b) for a in centres[0] for b in centres[1] if a != b}
        seen = {relation_of(a, b) for a, b in found}
        if len(found) == 1:
            assert seen == {relation}
            firsts.append(min(found)[0] < min(found)[1])
        else:  # two equal shapes: either may be meant first
            assert relation in seen
            assert (colour, shape) == (colour2, shape2)
        relations.add(relation)
        numbers = [
            4 * list(OUTLINES).index(s) + list(COLOURS).index(c)
            for c, s in ((colour, shape), (colour2, shape2))
        ]
        pairs.add(tuple(sorted(numbers)))
    assert relations == {"left", "right", "above", "below"}
    assert {sum(pair) % 7 == 0 for pair in pairs} == {held_out}
    assert 0.4 < np.mean(firsts) < 0.6
    assert len(pairs) > (15 if held_out else 80)  # of 20, and of 116


def relation_of(a, b):
    """Where a centre is from another, by the larger of the two distances, which differ by more than 2."""
    down, across = b[0] - a[0], b[1] - a[1]
    assert max(abs(down), abs(across)) >= 8
    assert abs(abs(down) - abs(across)) > 2
    if abs(across) > abs(down):
        return "left" if across > 0 else "right"
    return "above" if down > 0 else "below"


def test_names_of_numbers():
    names = [tasks.spelled(n) for n in range(1000)]
    assert len(set(names)) == 1000
    worth = dict(zip(SMALL, range(20), strict=True)) | dict(zip(TENS[2:], range(20, 100, 10), strict=True))
    for n, name in enumerate(names):
        hundreds, _, rest = f" {name}".rpartition(" hundred")
        assert 100 * worth.get(hundreds.strip(), 0) + sum(worth[word] for word in rest.split()) == n


def test_hello():
    xs, targets, alphabet = tasks.hello()
    assert "".join(alphabet[i] for i in xs[:, 0]) == "hell"
    assert "".join(alphabet[i] for i in targets[:, 0]) == "ello"
    assert len(alphabet) == 4


@pytest.mark.parametrize("length", [2, 7, 100])
def test_adding(length):
    """One mark anywhere in each half; the sum is of the marked numbers; its variance is 1/6."""
    xs, sums = tasks.adding(length, 3000, rng=0)
    assert (xs.dtype, sums.dtype, sums.shape) == (np.float32, np.float32, (3000, 1))
    marks = [set(), set()]
    for row, total in zip(xs.swapaxes(0, 1), sums[:, 0], strict=True):
        (places,) = np.nonzero(row[:, 1])
        assert len(places) == 2
        assert total == pytest.approx(row[places[0], 0] + row[places[1], 0], rel=1e-6)
        for place, seen in zip(places, marks, strict=True):
            seen.add(int(place))
    assert marks == [set(range(length // 2)), set(range(length // 2, length))]
    assert ((xs >= 0) & (xs <= 1)).all()
    assert np.mean((sums - 1) ** 2) == pytest.approx(1 / 6, abs=0.02)
    with pytest.raises(ValueError, match=r"adding needs an integer length in \[2, inf\), got 1"):
        tasks.adding(1, 3)


def test_parity():
    xs, labels = tasks.parity(4000, size=6, rng=0)
    counts = np.zeros(7)
    for row, label in zip(xs, labels, strict=True):
        n = int(np.abs(row).sum())
        counts[n] += 1
        assert set(row[:n]) <= {-1.0, 1.0}
        assert (row[n:] == 0).all()
        assert label == sum(1 for x in row if x == 1) % 2
    assert counts[0] == 0
    assert (np.abs(counts[1:] / 4000 - 1 / 6) < 0.03).all()
    assert abs(labels.mean() - 0.5) < 0.03


BY_WORDS = {
    "NOR": lambda p, q: not (p or q),
    "Xq": lambda p, q: q and not p,
    "ABJ": lambda p, q: p and not q,
    "XOR": lambda p, q: p != q,
    "NAND": lambda p, q: not (p and q),
    "AND": lambda p, q: p and q,
    "XNOR": lambda p, q: p == q,
    "if/then": lambda p, q: q if p else True,
    "then/if": lambda p, q: p if q else True,
    "OR": lambda p, q: p or q,
}


def test_gates():
    """The gates match their names; they are all the functions of two bits that depend on both."""
    assert list(GATES) == list(BY_WORDS)
    pairs = list(itertools.product((1, 0), repeat=2))
    for name, table in GATES.items():
        assert table == tuple(int(BY_WORDS[name](p, q)) for p, q in pairs)
    depends = [
        (a, b, c, d)
        for a, b, c, d in itertools.product((0, 1), repeat=4)
        if (a, b) != (c, d) and (a, c) != (b, d)
    ]
    assert sorted(GATES.values()) == sorted(depends)


@pytest.mark.parametrize(("length", "gates"), [(1, 1), (4, 3), (10, 10)])
def test_logic(length, gates):
    """Evaluated gate by gate; the numbers of gates and the gates are uniformly distributed."""
    xs, targets = tasks.logic(length, 400, gates=gates, rng=0)
    assert xs.shape == (length, 400, 2 + 10 * gates)
    assert targets.shape == (length, 400, 1)
    assert xs.dtype == targets.dtype == np.float32
    counts, used = np.zeros(gates + 1), np.zeros(10)
    for row, answers in zip(xs.swapaxes(0, 1), targets[..., 0].T, strict=True):
        before = row[0, 0]
        for t, (x, answer) in enumerate(zip(row, answers, strict=True)):
            b, chunks = x[1], x[2:].reshape(gates, 10)
            assert t == 0 or x[0] == 0
            n = int(chunks.sum())
            counts[n] += 1
            used += chunks.sum(0)
            assert (chunks[:n].sum(1) == 1).all()
            for chunk in chunks[:n]:
                (i,) = chunk.nonzero()[0]
                b, before = float(BY_WORDS[list(GATES)[i]](b, before)), b
            assert answer == b
            before = b
    assert counts[0] == 0
    assert (np.abs(counts[1:] / (400 * length) - 1 / gates) < 0.04).all()
    assert (np.abs(used / used.sum() - 0.1) < 0.05).all()
    assert abs(xs[0, :, 0].mean() - 0.5) < 0.1
    assert abs(xs[:, :, 1].mean() - 0.5) < 0.1


@pytest.mark.parametrize(("numbers", "digits"), [(5, 5), (3, 2), (2, 1), (12, 1)])
def test_addition(numbers, digits):
    """The sums are correct; numbers of all lengths and all digits occur, also a leading 0."""
    xs, targets = tasks.addition(numbers, 300, digits=digits, rng=0)
    places = {(5, 5): 6, (3, 2): 3, (2, 1): 2, (12, 1): 3}[numbers, digits]
    assert xs.shape == (numbers, 300, 10 * digits)
    assert targets.shape == (numbers - 1, 300, places)
    assert (xs.dtype, targets.dtype) == (np.float32, np.int64)
    lengths, first = set(), set()
    for row, answers in zip(xs.swapaxes(0, 1), targets.swapaxes(0, 1), strict=True):
        total = 0
        for t, x in enumerate(row):
            shown = x.reshape(digits, 10)
            n = int(shown.sum())
            assert (shown[:n].sum(1) == 1).all()
            lengths.add(n)
            first.add(int(shown[0].argmax()))
            total += int("".join(str(d.argmax()) for d in shown[:n]))
            if t:
                written = "".join("0123456789-"[d] for d in answers[t - 1])
                assert written == str(total).ljust(places, "-")
    assert lengths == set(range(1, digits + 1))
    assert first == set(range(10))


@pytest.mark.parametrize("numbers", [2, 3, 15])
def test_sort(numbers):
    """The numbers, a flag at the last, zeros; in the order of the targets, the numbers ascend."""
    xs, order = tasks.sort(numbers, 400, rng=0)
    assert xs.shape == (2 * numbers, 400, 2)
    assert order.shape == (numbers, 400)
    assert (xs.dtype, order.dtype) == (np.float32, np.int64)
    assert (xs[numbers:] == 0).all()
    assert (xs[:, :, 1] == np.eye(2 * numbers)[numbers - 1][:, None]).all()
    for row, places in zip(xs[:numbers, :, 0].T, order.T, strict=True):
        assert row[places].tolist() == sorted(row.tolist())
        assert set(places) == set(range(numbers))
    assert abs(xs[:numbers, :, 0].mean()) < 0.1
    assert abs(xs[:numbers, :, 0].std() - 1) < 0.1


def test_narma10():
    """The outputs satisfy the equation, and are bounded."""
    u, y = (x[:, 0, 0] for x in tasks.narma10(300, rng=0))
    for t in range(9, 299):  # y[t] is y_{t+1}
        expected = 0.3 * y[t] + 0.05 * y[t] * sum(y[t - i] for i in range(10)) + 1.5 * u[t - 8] * u[t + 1] + 0.1
        assert y[t + 1] == pytest.approx(expected, rel=1e-12)
    assert ((u >= 0) & (u < 0.5)).all()
    assert 0.1 < y.min() < y.max() < 1


def test_mackey_glass():
    """The series satisfies the differential equation, is chaotic, and with a short delay converges."""
    x = tasks.mackey_glass(3000, rng=0)[:, 0, 0]
    slope = (x[19:] - x[17:-2]) / 2  # at t = 18 ... by central differences of step 1
    wanted = 0.2 * x[1:-18] / (1 + x[1:-18] ** 10) - 0.1 * x[18:-1]
    assert np.corrcoef(slope, wanted)[0, 1] > 0.999
    assert 0.2 < x.min() < 0.5
    assert 1.2 < x.max() < 1.4
    assert 0.2 < x.std() < 0.25
    near = tasks.mackey_glass(3000, rng=1)[:, 0, 0]
    assert np.abs(x - near).max() > 0.5  # chaos: another start, another series
    slow = tasks.mackey_glass(100, tau=3, rng=0)  # below tau = 4.7 it converges to 1, where 0.2 / 2 = 0.1
    assert_allclose(slow, 1, rtol=1e-6)
    assert np.ptp(tasks.mackey_glass(100, tau=6, rng=0)) > 0.1


def test_waveform():
    wave = tasks.waveform(320, rng=0)
    assert (wave.shape, wave.dtype, np.abs(wave).max()) == ((320, 1, 1), np.float32, 1)
    power = np.abs(np.fft.rfft(wave[:, 0, 0])) ** 2
    assert power[2:30].sum() > 0.95 * power.sum()
    assert (wave != tasks.waveform(320, rng=1)).any()


def test_promoters():
    """Promoters have the boxes in the right places, mutated at the given rate; other sequences do not."""
    xs, labels = tasks.promoters(2000, mutated=0.1, rng=0)
    assert xs.shape == (57, 2000)
    assert labels.sum() == 1000
    letters = np.array(list("ACGT"))[xs.T]

    def likeness(row, box, start):
        return sum(a == b for a, b in zip(row[start : start + 6], box, strict=True))

    second = np.array([likeness(row, "TATAAT", 38) for row in letters])
    first = np.array([max(likeness(row, "TTGACA", 32 - gap) for gap in (16, 17, 18)) for row in letters])
    for found in (first, second):
        assert found[labels == 1].mean() == pytest.approx(6 * 0.9, abs=0.15)
        assert found[labels == 0].mean() < 3.5
    assert (
        np.abs(np.array([(letters[labels == 0] == letter).mean() for letter in "ACGT"]) - 0.25) < 0.01
    ).all()


def test_first_key():
    """A key within each length; the label is the first key; keys and distractors have the right frequencies."""
    lengths = np.resize([1, 5, 12], 3000)
    xs, labels = tasks.first_key(lengths, rng=0)
    assert xs.shape == (12, 3000)
    for row, n, label in zip(xs.T, lengths, labels, strict=True):
        assert next(x for x in row[:n] if x < 2) == label
    assert set(xs.ravel()) == {0, 1, 2, 3, 4, 5}
    assert abs(labels.mean() - 0.5) < 0.03
    assert 0.25 < (xs < 2).mean() < 0.33  # one in four, and the one that each row has


@pytest.mark.parametrize("length", [1, 3, 20])
def test_copy(length):
    """The rows, the mark, zeros; the bits are 0 or 1 with equal probability."""
    xs, targets = tasks.copy(length, 500, bits=7, rng=0)
    assert xs.shape == (2 * length + 1, 500, 8)
    assert targets.shape == (length, 500, 7)
    assert xs.dtype == targets.dtype == np.float32
    assert (xs[:length, :, :7] == targets).all()
    assert xs[:, 0, 7].nonzero()[0].tolist() == [length]
    assert (xs[length, :, 7] == 1).all()
    assert xs[length:].sum() == 500  # zeros except for the mark
    assert set(targets.ravel()) == {0, 1}
    assert (abs(targets.mean((1, 2)) - 0.5) < 0.05).all()
    assert length == 1 or (targets[0] != targets[1]).any()


def test_repeat_copy():
    """The rows, a mark, the number of repeats, zeros; the targets are the repeated rows and the end mark."""
    xs, targets = tasks.repeat_copy(3, 4, 50, bits=7, most=10, rng=0)
    assert xs.shape == (3 + 2 + 12 + 1, 50, 9)
    assert targets.shape == (13, 50, 8)
    assert xs.dtype == targets.dtype == np.float32
    for k in range(4):
        assert (targets[3 * k : 3 * k + 3, :, :7] == xs[:3, :, :7]).all()
    assert (targets[:, :, 7] == np.eye(13)[12][:, None]).all()
    assert (targets[12, :, :7] == 0).all()
    assert (xs[:, :, 7] == np.eye(18)[3][:, None]).all()
    assert (np.delete(xs[:, :, 8], 4, axis=0) == 0).all()
    assert (xs[3:, :, :7] == 0).all()
    codes = [tasks.repeat_copy(1, r, 1, most=6, rng=0)[0][2, 0, 9] for r in range(1, 7)]
    assert_allclose([np.mean(codes), np.var(codes)], [0, 1], rtol=0, atol=1e-6)
    assert (np.diff(codes) > 0).all()


def test_associative_recall():
    """Marked items; one of them, between other marks, as the query; and the item that came after it."""
    items, rows, bits = 5, 3, 16  # enough bits that no two items are equal
    xs, targets = tasks.associative_recall(items, 200, rows=rows, bits=bits, rng=0)
    assert xs.shape == (items * 4 + 5 + 3, 200, bits + 2)
    assert targets.shape == (rows, 200, bits)
    assert xs.dtype == targets.dtype == np.float32
    assert (xs[:, :, bits] == np.isin(np.arange(len(xs)), [0, 4, 8, 12, 16])[:, None]).all()
    assert (xs[:, :, bits + 1] == np.isin(np.arange(len(xs)), [20, 24])[:, None]).all()
    assert (xs[25:] == 0).all()
    asked = []
    for b in range(200):
        shown = [xs[4 * i + 1 : 4 * i + 4, b, :bits] for i in range(items)]
        (i,) = [i for i, item in enumerate(shown) if (item == xs[21:24, b, :bits]).all()]
        assert (targets[:, b] == shown[i + 1]).all()
        asked.append(i)
    assert set(asked) == {0, 1, 2, 3}  # the last has none after it


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: tasks.copy(0, 1), "copy needs an integer length .* got 0"),
        (lambda: tasks.repeat_copy(0, 1, 1), "repeat_copy needs an integer length .* got 0"),
        (lambda: tasks.repeat_copy(2, 0, 1), "repeat_copy needs an integer repeats .* got 0"),
        (lambda: tasks.repeat_copy(2, 1, 1, most=1), "repeat_copy needs an integer most .* got 1"),
        (lambda: tasks.associative_recall(1, 1), "associative_recall needs an integer items .* got 1"),
        (lambda: tasks.associative_recall(2, 1, rows=0), "associative_recall needs an integer rows .* got 0"),
        (lambda: tasks.logic(0, 1), "logic needs an integer length .* got 0"),
        (lambda: tasks.logic(3, 1, gates=0), "logic needs an integer gates .* got 0"),
        (lambda: tasks.addition(1, 1), "addition needs an integer numbers .* got 1"),
        (lambda: tasks.addition(2, 1, digits=0), "addition needs an integer digits .* got 0"),
        (lambda: tasks.sort(1, 1), "sort needs an integer numbers .* got 1"),
    ],
)
def test_sizes_that_are_too_small(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_reversal():
    """The targets are the reversed inputs and an end symbol; all symbols are equally frequent."""
    lengths = np.resize([1, 5, 12], 3000)
    xs, targets = tasks.reversal(lengths, symbols=7, rng=0)
    assert (xs.shape, targets.shape) == ((12, 3000), (13, 3000))
    for read, written, n in zip(xs.T, targets.T, lengths, strict=True):
        assert list(written) == [*reversed(read[:n]), *[0] * (13 - n)]
        assert (read[n:] == 0).all()
    counts = np.bincount(xs.ravel(), minlength=9)
    assert counts[0] == (12 - lengths).sum()
    assert counts[8] == 0
    assert (np.abs(counts[1:8] / lengths.sum() - 1 / 7) < 0.01).all()


# --- images in larger images ----------------------------------------------------------------------------


def found_at(larger, image):
    """The upper left corners where `image` stands in `larger`, which may be larger there."""
    height, width = image.shape
    return [
        (i, j)
        for i in range(larger.shape[0] - height + 1)
        for j in range(larger.shape[1] - width + 1)
        if (larger[i : i + height, j : j + width] >= image).all()
    ]


def test_images_are_translated_to_all_places():
    images = np.random.default_rng(0).uniform(0.5, 1, (600, 3, 2)).astype(np.float32)
    larger = tasks.cluttered(images, 5, pieces=0, rng=1)
    assert larger.dtype == np.float32
    places = [found_at(*pair) for pair in zip(larger, images, strict=True)]
    assert all(len(place) == 1 for place in places)
    assert {place for (place,) in places} == {(i, j) for i in range(3) for j in range(4)}
    assert_allclose(larger.sum((1, 2)), images.sum((1, 2)), rtol=1e-5)  # and the rest is 0


def test_clutter_is_pieces_of_images_of_the_batch():
    """Each row has values of its own, so that every pixel says of which image it is."""
    rng = np.random.default_rng(0)
    images = rng.permuted(np.arange(1.0, 20 * 30 + 1)).reshape(20, 6, 5)
    larger = tasks.cluttered(images, 40, pieces=5, side=3, rng=1)
    others, shown = set(), set()
    for row, (canvas, image) in enumerate(zip(larger, images, strict=True)):
        assert len(found_at(canvas, image)) == 1
        lit = np.unique(canvas[canvas > 0]) - 1
        assert 30 <= (canvas > 0).sum() <= 30 + 5 * 9
        owners = np.array([np.argwhere(images == value + 1)[0] for value in lit])
        others |= {(row, owner) for owner in owners[:, 0] if owner != row}
        shown |= {tuple(place) for owner, *place in owners if owner != row}
    assert len(others) > 50  # of 100 pieces, some of the same image
    assert len(shown) == 30  # all pixels of images, those at the edges too
    assert (tasks.cluttered(images, 6, pieces=0, rng=0).max((1, 2)) == images.max((1, 2))).all()


def test_overlaps_show_the_larger_value():
    images = np.array([[[1.0, 0.0], [0.0, 3.0]], [[2.0, 2.0], [2.0, 2.0]]])
    larger = tasks.cluttered(images, 2, pieces=1, side=2, rng=0)  # there is one place
    other = [larger[0].tolist(), larger[1].tolist()]
    assert other in ([[[2, 2], [2, 3]], [[2, 2], [2, 3]]], images.tolist())


def test_pairs_do_not_share_a_column_and_the_first_is_left():
    first, second = np.full((2, 500, 2, 3), [[[[1.0]]], [[[2.0]]]])
    larger = tasks.paired(np.stack([first, second]), 4, 9, rng=0)
    seen = set()
    for canvas in larger:
        corners = [tuple(np.argwhere(canvas == value)[0]) for value in (1, 2)]
        assert [(canvas == value).sum() for value in (1, 2)] == [6, 6]
        assert [found_at(np.where(canvas == value, 1.0, 0.0), np.ones((2, 3))) for value in (1, 2)] == [
            [corner] for corner in corners
        ]
        assert corners[0][1] + 3 <= corners[1][1]
        seen.add((corners[0], corners[1]))
    assert {left for (_, left), _ in seen} == {right - 3 for _, (_, right) in seen} == {0, 1, 2, 3}
    assert {top for (top, _), _ in seen} == {top for _, (top, _) in seen} == {0, 1, 2}
    assert len(seen) > 80  # of 3 x 3 x 10 arrangements


def test_distortions_are_affine_maps_of_the_image():
    """A plane within a wide margin stays a plane, whose slope and height say what the map is."""
    plane = np.zeros((300, 60, 40))
    i, j = np.mgrid[:60, :40]
    plane += 5 + 0.3 * i - 0.2 * j
    found = tasks.distorted(plane, strength=0.05, shift=2.0, rng=0)[:, 20:40, 15:25]
    down, across = np.diff(found, axis=1), np.diff(found, axis=2)
    assert_allclose(down, np.broadcast_to(down[:, :1, :1], down.shape), atol=1e-9)
    assert_allclose(across, np.broadcast_to(across[:, :1, :1], across.shape), atol=1e-9)
    slopes = np.stack([down[:, 0, 0], across[:, 0, 0]])  # A' (0.3, -0.2), so of this mean and deviation
    assert_allclose(slopes.mean(1), [0.3, -0.2], atol=4 * 0.05 * 0.36 / 300**0.5)
    assert_allclose(slopes.std(1), [0.05 * 0.13**0.5] * 2, rtol=0.15)
    middle = found[:, 9:11, 4:6].mean((1, 2)) - (5 + 0.3 * 29.5 - 0.2 * 19.5)  # 0.3 d1 - 0.2 d2
    assert np.abs(middle).max() <= 2 * 0.5
    assert_allclose(middle.std(), 0.13**0.5 * 2 / 3**0.5, rtol=0.15)


def test_an_image_that_is_not_distorted_is_the_image_and_what_comes_from_outside_is_0():
    images = np.random.default_rng(0).random((3, 5, 4)).astype(np.float32)
    still = tasks.distorted(images, strength=0.0, rng=0)
    assert still.dtype == np.float32
    assert (still == images).all()
    moved = tasks.distorted(np.ones((2000, 3, 3)), strength=0.0, shift=4.0, rng=0)
    assert ((moved >= 0) & (moved <= 1)).all()
    assert (moved.max((1, 2)) == 0).any()  # by more than three pixels
    assert_allclose(moved.mean(), (3 / 8) ** 2, atol=0.02)  # in each direction, 3 pixels pass a window of 8


@pytest.mark.parametrize(
    ("draw", "kind", "message"),
    [
        (lambda: tasks.distorted(np.ones((4, 6))), ValueError, r"distorted needs images \(B, h, w\)"),
        (lambda: tasks.cluttered(np.ones((2, 4, 6)), 5, pieces=0), ValueError, "fit into 5 x 5"),
        (lambda: tasks.cluttered(np.ones((2, 4, 6)), 9, side=5), ValueError, "squares of 5 x 5 that fit"),
        (lambda: tasks.cluttered(np.ones((4, 6)), 9, side=5), ValueError, r"\(B, h, w\) of floats, got"),
        (lambda: tasks.cluttered(np.ones((2, 4, 6), int), 9), TypeError, r"\(B, h, w\) of floats, got"),
        (lambda: tasks.paired(np.ones((2, 3, 4, 6)), 5, 11), ValueError, "side by side into 5 x 11"),
        (lambda: tasks.paired(np.ones((2, 3, 4, 6)), 3, 12), ValueError, "side by side into 3 x 12"),
        (lambda: tasks.paired(np.ones((3, 3, 4, 6)), 9, 20), ValueError, r"needs images \(2, B, h, w\)"),
    ],
)
def test_images_that_do_not_fit(draw, kind, message):
    with pytest.raises(kind, match=message):
        draw()


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: tasks.temporal_order(20, 4, rng=rng),
        lambda rng: tasks.identical_halves(9, rng=rng),
        lambda rng: tasks.moving_digits(5, 2, rng=rng),
        lambda rng: tasks.adding(9, 4, rng=rng),
        lambda rng: tasks.parity(4, rng=rng),
        lambda rng: tasks.narma10(9, rng=rng),
        lambda rng: [tasks.mackey_glass(9, rng=rng)],
        lambda rng: [tasks.waveform(9, rng=rng)],
        lambda rng: tasks.promoters(9, rng=rng),
        lambda rng: tasks.first_key([9, 4], rng=rng),
        lambda rng: tasks.copy(5, 4, rng=rng),
        lambda rng: tasks.repeat_copy(5, 2, 4, rng=rng),
        lambda rng: tasks.associative_recall(3, 4, rng=rng),
        lambda rng: tasks.reversal([9, 4], rng=rng),
        lambda rng: tasks.logic(3, 4, rng=rng),
        lambda rng: tasks.addition(3, 4, rng=rng),
        lambda rng: tasks.sort(5, 4, rng=rng),
        lambda rng: tasks.cluttered(np.ones((4, 3, 3)), 15, side=2, rng=rng),
        lambda rng: [tasks.distorted(np.ones((4, 3, 3)), rng=rng)],
        lambda rng: tasks.paired(np.ones((2, 4, 3, 3)), 9, 9, rng=rng),
    ],
)
def test_a_seed_draws_the_same_again(draw):
    for a, b, c in zip(draw(3), draw(np.random.default_rng(3)), draw(4), strict=True):
        assert (a == b).all()
        assert a.shape != c.shape or (a != c).any()
