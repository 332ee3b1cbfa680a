"""Tasks of memory: rows of bits, to be said again (Graves, Wayne & Danihelka 2014, sections 4.1 to 4.3).

Bits come first on the last axis, then the channels of the marks; while the answer is asked for, the input is 0.
The targets are those of the last steps, `ys[-len(targets):]`. All sequences of a batch have one length: draw it
anew for every batch, in the sources from 1 ... 20 for `copy`, 1 ... 10 for the length and the repeats of
`repeat_copy`, 2 ... 6 items for `associative_recall`.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.nn.init import Rng


def copy(length: int, batch: int, *, bits: int = 8, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Say it again: xs (2T + 1, B, bits + 1), and the T rows of bits, (T, B, bits). float32.

    The rows, a mark, and T times nothing. ValueError for a length below 1.

    >>> xs, targets = copy(2, 1, bits=3, rng=0)
    >>> xs[:, 0]
    array([[1., 1., 1., 0.],
           [0., 0., 0., 0.],
           [0., 0., 0., 1.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.]], dtype=float32)
    >>> targets[:, 0]
    array([[1., 1., 1.],
           [0., 0., 0.]], dtype=float32)
    """
    rows = drawn(length, batch, bits, rng)
    return np.concatenate([beside(rows, 1), mark(batch, bits, 1, 0), nothing(length, batch, bits + 1)]), rows


def repeat_copy(
    length: int, repeats: int, batch: int, *, bits: int = 8, most: int = 10, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray]:
    """Say it R times, then that it is over: xs (T + 2 + TR + 1, B, bits + 2), targets (TR + 1, B, bits + 1).

    The rows, a mark, a row whose last channel is the number of repeats, and nothing. The last channel of the
    targets is the end: 1 in the last row. What is told of R is (R - mean) / deviation of U[1, most], which for
    R from 1 to `most` has mean 0 and variance 1; R may be larger. float32; ValueError for a length or repeats
    below 1, or `most` below 2.

    >>> xs, targets = repeat_copy(1, 3, 1, bits=2, most=3, rng=0)
    >>> xs[:, 0].round(2)
    array([[1.  , 1.  , 0.  , 0.  ],
           [0.  , 0.  , 1.  , 0.  ],
           [0.  , 0.  , 0.  , 1.22],
           [0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  ]], dtype=float32)
    >>> targets[:, 0]
    array([[1., 1., 0.],
           [1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    if repeats < 1 or most < 2:
        raise ValueError(
            f"rows are said once or more, of at most 2 times or more, not {repeats} times of {most}"
        )
    rows = drawn(length, batch, bits, rng)
    told = np.float32((repeats - (1 + most) / 2) / math.sqrt((most**2 - 1) / 12))
    end = nothing(1, batch, bits + 1)
    end[..., -1] = 1
    marks = [mark(batch, bits, 2, 0), told * mark(batch, bits, 2, 1)]
    xs = np.concatenate([beside(rows, 2), *marks, nothing(length * repeats + 1, batch, bits + 2)])
    return xs, np.concatenate([np.tile(beside(rows, 1), (repeats, 1, 1)), end])


def associative_recall(
    items: int, batch: int, *, rows: int = 3, bits: int = 6, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which item came after this one? xs (n(k + 1) + 2k + 2, B, bits + 2), and its rows, (k, B, bits).

    Of n items of k rows. Before every item there is a mark, before and behind the item that is asked about
    there is another; then k times nothing. float32; ValueError for less than two items, or less than a row.

    >>> xs, targets = associative_recall(2, 1, rows=1, bits=3, rng=0)
    >>> xs[:, 0]
    array([[0., 0., 0., 1., 0.],
           [1., 1., 1., 0., 0.],
           [0., 0., 0., 1., 0.],
           [0., 0., 0., 0., 0.],
           [0., 0., 0., 0., 1.],
           [1., 1., 1., 0., 0.],
           [0., 0., 0., 0., 1.],
           [0., 0., 0., 0., 0.]], dtype=float32)
    >>> targets[:, 0]
    array([[0., 0., 0.]], dtype=float32)
    """
    if items < 2:
        raise ValueError(f"an item comes after another, of {items} there are not as many")
    rng = np.random.default_rng(rng)
    shown = [drawn(rows, batch, bits, rng) for _ in range(items)]
    asked, everyone = rng.integers(0, items - 1, batch), np.arange(batch)
    query, answer = (np.stack(shown)[asked + k, :, everyone].swapaxes(0, 1) for k in (0, 1))
    item, question = (mark(batch, bits, 2, channel) for channel in (0, 1))
    parts = [part for bits_ in shown for part in (item, beside(bits_, 2))]
    return np.concatenate(
        [*parts, question, beside(query, 2), question, nothing(rows, batch, bits + 2)]
    ), answer


def drawn(length: int, batch: int, bits: int, rng: Rng) -> np.ndarray:
    """Rows of random bits."""
    if length < 1:
        raise ValueError(f"a sequence has one row or more, not {length}")
    return np.random.default_rng(rng).integers(0, 2, (length, batch, bits)).astype(np.float32)


def nothing(length: int, batch: int, width: int) -> np.ndarray:
    return np.zeros((length, batch, width), np.float32)


def beside(rows: np.ndarray, channels: int) -> np.ndarray:
    """Rows, and channels beside them in which there is nothing."""
    length, batch, _ = rows.shape
    return np.concatenate([rows, nothing(length, batch, channels)], axis=-1)


def mark(batch: int, bits: int, channels: int, which: int) -> np.ndarray:
    """One row with a 1 in one of the channels."""
    row = nothing(1, batch, bits + channels)
    row[..., bits + which] = 1
    return row
