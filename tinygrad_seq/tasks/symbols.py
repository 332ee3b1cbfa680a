"""Tasks on symbols: letters, digits, and questions about their order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.numbers import number as probability
from tinygrad_seq.nn.init import Rng
from tinygrad_seq.nn.runners.padding import padded


def temporal_order(length: int, batch: int, *, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Which two relevant symbols came, and in which order? xs (T, B, 6), one-hot, and labels 0 ... 3, (B,).

    Each of the two symbols is A or B, the first at a time in [T/10, 2T/10), the second in [5T/10, 6T/10). All
    other steps hold one of four distractors. The label is AA, AB, BA or BB. (Hochreiter & Schmidhuber 1997; in
    this form Pascanu, Mikolov & Bengio 2013.) Raises ValueError if length < 10.

    >>> xs, labels = temporal_order(20, 3, rng=0)
    >>> xs.shape, xs.argmax(-1).T[0], labels[0]
    ((20, 3, 6), array([5, 3, 2, 1, 4, 4, 4, 5, 3, 2, 5, 0, 2, 3, 2, 4, 3, 3, 5, 4]), np.int64(2))
    """
    length = integer("temporal_order", "length", length, "[10, inf)")
    batch = integer("temporal_order", "batch", batch, "[0, inf)")
    rng = np.random.default_rng(rng)
    symbols = rng.integers(2, 6, (length, batch))
    pair = rng.integers(0, 2, (2, batch))
    for first, last, which in ((length // 10, 2 * length // 10, 0), (5 * length // 10, 6 * length // 10, 1)):
        symbols[rng.integers(first, last, batch), np.arange(batch)] = pair[which]
    return np.eye(6, dtype=np.float32)[symbols], 2 * pair[0] + pair[1]


def identical_halves(
    batch: int, *, longest: int = 5, symbols: int = 10, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Are the two halves of a sequence identical? Symbols (T, B), lengths (B,), labels 0 or 1 (B,).

    (The lecture's classification problem.) A half has 1 ... `longest` symbols out of 0 ... `symbols` - 1. Half
    of the rows have label 1. Of the rows with label 0, about half have halves that differ in one symbol; the
    others are random.

    >>> xs, lengths, labels = identical_halves(6, longest=3, rng=0)
    >>> [row[:n].tolist() for row, n in zip(xs.T, lengths)]
    [[1, 1], [7, 5, 9, 2, 8, 6], [3, 3], [1, 0, 5, 0, 2, 4], [4, 0, 0, 0], [6, 2, 6, 2]]
    >>> labels
    array([1, 0, 1, 0, 0, 1])
    """
    batch = integer("identical_halves", "batch", batch, "[1, inf)")
    longest = integer("identical_halves", "longest", longest, "[1, inf)")
    symbols = integer("identical_halves", "symbols", symbols, "[2, inf)")  # one symbol makes no two halves
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


def first_key(lengths: ArrayLike, *, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Which of two keys came first? Symbols (T, B) of rows of these `lengths`, and labels 0 or 1 (B,).

    One step in four holds a key, 0 or 1, and each row has at least one key within its length. The other steps
    hold one of four distractors. Made up for this project.

    >>> xs, labels = first_key([6, 3], rng=0)
    >>> [row[:n].tolist() for row, n in zip(xs.T, [6, 3])], labels
    ([[3, 1, 1, 2, 4, 3], [3, 1, 0]], array([1, 1]))
    """
    rng, lengths = np.random.default_rng(rng), np.asarray(lengths)
    steps, batch = max(lengths), len(lengths)
    keys = rng.random((steps, batch)) < 0.25
    keys[rng.integers(0, lengths), np.arange(batch)] = True
    xs = np.where(keys, rng.integers(0, 2, (steps, batch)), rng.integers(2, 6, (steps, batch)))
    return xs, xs[np.argmax(keys, axis=0), np.arange(batch)]


def reversal(lengths: ArrayLike, *, symbols: int = 10, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Random symbols, to be written in reverse order: inputs (T, B), and targets (T + 1, B).

    Symbols are 1 ... `symbols`, in rows of these `lengths`. In the targets the end symbol 0 follows the
    reversed symbols; past the lengths both arrays are 0. It is like a translation that needs the whole input,
    starting with its end.

    >>> xs, targets = reversal([4, 2], rng=0)
    >>> xs.T.tolist(), targets.T.tolist()
    ([[9, 6, 4, 1], [7, 3, 0, 0]], [[1, 4, 6, 9, 0], [3, 7, 0, 0, 0]])
    """
    symbols = integer("reversal", "symbols", symbols, "[1, inf)")
    rng, lengths = np.random.default_rng(rng), np.asarray(lengths)
    inside = np.arange(max(lengths))[:, None] < lengths
    xs = rng.integers(1, symbols + 1, inside.shape) * inside
    targets = np.zeros_like(xs, shape=(len(xs) + 1, len(lengths)))
    for row, n in enumerate(lengths):
        targets[:n, row] = xs[:n, row][::-1]
    return xs, targets


def spelled(number: int) -> str:
    """A number from 0 to 999 in English words.

    >>> spelled(0), spelled(17), spelled(342)
    ('zero', 'seventeen', 'three hundred forty two')
    """
    number = integer("spelled", "number", number, "[0, 999]")
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


def hello() -> tuple[np.ndarray, np.ndarray, str]:
    """The lecture's training sequence: the symbols of "hell" and "ello", (4, 1) each; the alphabet "helo".

    >>> xs, targets, alphabet = hello()
    >>> [alphabet[i] for i in xs[:, 0]], [alphabet[i] for i in targets[:, 0]]
    (['h', 'e', 'l', 'l'], ['e', 'l', 'l', 'o'])
    """
    alphabet = "helo"
    word = np.array([[alphabet.index(letter)] for letter in "hello"])
    return word[:-1], word[1:], alphabet


def promoters(batch: int, *, mutated: float = 0.12, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Is it a promoter, where transcription starts? DNA (57, B), 0 ... 3 for A, C, G, T; labels 0 or 1 (B,).

    Generated, not measured. A promoter is random except for the boxes TTGACA and TATAAT, 16 to 18 letters
    apart; each letter of a box is replaced by another with probability `mutated`. The second box ends 7 letters
    before the start of transcription, which is letter 51. (Harley & Reynolds 1987 found this geometry in
    E. coli.) A sequence with label 0 is random.

    >>> xs, labels = promoters(4, mutated=0.0, rng=0)
    >>> ["".join("ACGT"[i] for i in row) for row in xs.T[labels == 1]]
    ... # doctest: +NORMALIZE_WHITESPACE
    ['AGTGGGTACAGTTTTTGACAGCGCCAGTTTGTTGTCACTATAATGATGCCACATGCA',
     'ATGTAAAGCAGCTGCGTTGACAGTAAATAAGGTATTCTTATAATTTTTTATGTGAAG']
    """
    batch = integer("promoters", "batch", batch, "[0, inf)")
    mutated = probability("promoters", "mutated", mutated, "[0, 1]")
    rng = np.random.default_rng(rng)
    labels = rng.permutation(np.arange(batch) % 2)
    xs = rng.integers(0, 4, (57, batch))
    for i in np.flatnonzero(labels):
        for box, end in (("TATAAT", 44), ("TTGACA", 38 - int(rng.integers(16, 19)))):  # past its last letter
            letters = np.array(["ACGT".index(letter) for letter in box])
            changed = rng.random(6) < mutated
            letters = np.where(changed, (letters + rng.integers(1, 4, 6)) % 4, letters)
            xs[end - 6 : end, i] = letters
    return xs, labels
