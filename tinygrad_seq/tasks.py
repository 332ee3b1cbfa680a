"""Sequence tasks, as generators: what their sources define, drawn anew for every batch.

Every task takes the number of rows and a generator or a seed, and returns NumPy arrays, time first; one-hot
inputs are float32, symbols and labels integers.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.nn.init import Rng
from tinygrad_seq.nn.padding import padded


def temporal_order(length: int, batch: int, *, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """In which order did two of the symbols come? xs (T, B, 6), one-hot, and labels 0 ... 3, (B,).

    Each of two symbols is A or B, the first at a time in [T/10, 2T/10), the second in [5T/10, 6T/10); at
    all other times there is one of four distractors. The label is AA, AB, BA or BB. (Hochreiter & Schmidhuber
    1997; in this form Pascanu, Mikolov & Bengio 2013.) ValueError for a length below 10.

    >>> xs, labels = temporal_order(20, 3, rng=0)
    >>> xs.shape, xs.argmax(-1).T[0], labels[0]
    ((20, 3, 6), array([5, 3, 2, 1, 4, 4, 4, 5, 3, 2, 5, 0, 2, 3, 2, 4, 3, 3, 5, 4]), np.int64(2))
    """
    if length < 10:
        raise ValueError(f"temporal order needs 10 steps or more, not {length}")
    rng = np.random.default_rng(rng)
    symbols = rng.integers(2, 6, (length, batch))
    pair = rng.integers(0, 2, (2, batch))
    for first, last, which in ((length // 10, 2 * length // 10, 0), (5 * length // 10, 6 * length // 10, 1)):
        symbols[rng.integers(first, last, batch), np.arange(batch)] = pair[which]
    return np.eye(6, dtype=np.float32)[symbols], 2 * pair[0] + pair[1]


def identical_halves(
    batch: int, *, longest: int = 5, symbols: int = 10, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Is the second half of a sequence the first once more? Symbols (T, B), lengths (B,), labels 0 or 1 (B,).

    (The lecture's classification problem.) A half has 1 ... `longest` symbols, of as many kinds as there are
    `symbols`. Half of the rows are of label 1; of those of label 0, half differ from such a row in one symbol,
    the rest are random.

    >>> xs, lengths, labels = identical_halves(6, longest=3, rng=0)
    >>> [row[:n].tolist() for row, n in zip(xs.T, lengths)]
    [[1, 1], [7, 5, 9, 2, 8, 6], [3, 3], [1, 0, 5, 0, 2, 4], [4, 0, 0, 0], [6, 2, 6, 2]]
    >>> labels
    array([1, 0, 1, 0, 0, 1])
    """
    rng = np.random.default_rng(rng)
    labels = rng.permutation(np.arange(batch) % 2)
    rows = []
    for label in labels:
        half = rng.integers(0, symbols, rng.integers(1, longest + 1))
        row, near = np.concatenate([half, half]), rng.random() < 0.5
        while not label and np.array_equal(row[: len(half)], row[len(half) :]):
            if near:
                row[rng.integers(len(row))] = rng.integers(symbols)
            else:
                row = rng.integers(0, symbols, len(row))
        rows.append(row)
    return *padded(rows), labels


GLYPHS = [  # 5 x 3 pixels, by rows from above
    "111101101101111",
    "010110010010111",
    "111001111100111",
    "111001111001111",
    "101101111001001",
    "111100111001111",
    "111100111101111",
    "111001001001001",
    "111101111101111",
    "111101111001111",
]
DIRECTIONS = [(-1, -1), (-1, 1), (1, -1), (1, 1)]  # up or down, left or right


def moving_digits(
    frames: int, batch: int, *, size: int = 12, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A digit drifts through a film and bounces off its edges; which way does it go? Made up for this project.

    Films (T, B, size, size), float32 from 0 to 1 with a little noise; the direction of the move that led to
    each frame, (T, B): up-left 0, up-right 1, down-left 2, down-right 3; and the digits, (B,). A frame tells
    nothing of its direction, and for the first it is that of a move which nobody saw.

    >>> films, directions, digits = moving_digits(20, 3, rng=0)
    >>> films.shape, directions.shape, digits.shape
    ((20, 3, 12, 12), (20, 3), (3,))
    """
    rng = np.random.default_rng(rng)
    digits, directions = rng.integers(0, 10, batch), np.zeros((frames, batch), np.int64)
    films = rng.uniform(0, 0.3, (frames, batch, size, size)).astype(np.float32)
    for i, digit in enumerate(digits):
        glyph = np.array(list(GLYPHS[digit]), np.float32).reshape(5, 3) * 0.7
        room = np.array([size - 5, size - 3])
        place, way = rng.integers(1, room), np.array(DIRECTIONS[rng.integers(4)])
        for t in range(frames):
            films[t, i, place[0] : place[0] + 5, place[1] : place[1] + 3] += glyph
            directions[t, i] = DIRECTIONS.index((way[0], way[1]))
            way = np.where((place + way < 0) | (place + way > room), -way, way)
            place = place + way
    return films, directions, digits


def spelled(number: int) -> str:
    """A number from 0 to 999 in English words.

    >>> spelled(0), spelled(17), spelled(342)
    ('zero', 'seventeen', 'three hundred forty two')
    """
    if number < 20:
        return SMALL[number]
    if number < 100:
        return " ".join([TENS[number // 10], *([SMALL[number % 10]] if number % 10 else [])])
    return " ".join([SMALL[number // 100], "hundred", *([spelled(number % 100)] if number % 100 else [])])


SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
