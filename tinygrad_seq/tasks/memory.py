"""Memory tasks: rows of bits, to be reproduced (Graves, Wayne & Danihelka 2014, sections 4.1 to 4.3).

The last axis holds the bits first, then the channels of the marks. While the answer is expected, the input is
0. The targets are for the last steps, `ys[-len(targets):]`. All sequences of a batch have the same length: draw
it anew for every batch. The source draws it from 1 ... 20 for `copy`, 1 ... 10 for the length and the repeats
of `repeat_copy`, and 2 ... 6 items for `associative_recall`.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.init import Rng


def copy(length: int, batch: int, *, bits: int = 8, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """Reproduce a sequence: xs (2T + 1, B, bits + 1), and targets (T, B, bits). float32.

    xs is T rows of random bits, a mark, and T rows of 0; the targets are the rows of bits. Raises ValueError if
    length < 1.

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
    length, batch, bits = sizes("copy", length=length, batch=batch, bits=bits)
    rows = drawn(length, batch, bits, rng)
    xs = [with_channels(rows, 1), mark(batch, bits, 1, 0), zeros(length, batch, bits + 1)]
    return np.concatenate(xs), rows


def repeat_copy(
    length: int, repeats: int, batch: int, *, bits: int = 8, most: int = 10, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray]:
    """Reproduce a sequence R times, then mark the end: xs (T + TR + 3, B, bits + 2) and (TR + 1, B, bits + 1).

    xs is T rows of random bits, a mark, a row whose last channel encodes the number of repeats R, and TR + 1
    rows of 0. The targets are the rows R times, and a last row in which only the last channel, the end mark, is
    1. R is encoded as (R - mean) / deviation, for the mean and standard deviation of U{1 ... most}: for R drawn
    from it, the code has mean 0 and variance 1. R may be larger than `most`. float32. Raises ValueError if
    length < 1, repeats < 1 or most < 2.

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
    length, repeats, batch, bits = sizes("repeat_copy", length=length, repeats=repeats, batch=batch, bits=bits)
    most = integer("repeat_copy", "most", most, "[2, inf)")
    rows = drawn(length, batch, bits, rng)
    code = np.float32((repeats - (1 + most) / 2) / math.sqrt((most**2 - 1) / 12))
    end = zeros(1, batch, bits + 1)
    end[..., -1] = 1
    marks = [mark(batch, bits, 2, 0), code * mark(batch, bits, 2, 1)]
    xs = np.concatenate([with_channels(rows, 2), *marks, zeros(length * repeats + 1, batch, bits + 2)])
    return xs, np.concatenate([np.tile(with_channels(rows, 1), (repeats, 1, 1)), end])


def associative_recall(
    items: int, batch: int, *, rows: int = 3, bits: int = 6, rng: Rng = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which item came after the query? xs (n(k + 1) + 2k + 2, B, bits + 2), and targets (k, B, bits).

    There are n items of k rows of random bits. xs has a mark before every item, then the query, which is one of
    the items, between two marks of another kind, then k rows of 0. The targets are the item that came after the
    query. float32. Raises ValueError if items < 2 or rows < 1.

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
    items = integer("associative_recall", "items", items, "[2, inf)")
    batch, rows, bits = sizes("associative_recall", batch=batch, rows=rows, bits=bits)
    rng = np.random.default_rng(rng)
    shown = [drawn(rows, batch, bits, rng) for _ in range(items)]
    asked, everyone = rng.integers(0, items - 1, batch), np.arange(batch)
    query, answer = (np.stack(shown)[asked + k, :, everyone].swapaxes(0, 1) for k in (0, 1))
    item, question = (mark(batch, bits, 2, channel) for channel in (0, 1))
    parts = [part for bits_ in shown for part in (item, with_channels(bits_, 2))]
    return np.concatenate(
        [*parts, question, with_channels(query, 2), question, zeros(rows, batch, bits + 2)]
    ), answer


def sizes(task: str, **given: int) -> tuple[int, ...]:
    """The sizes of a task: each 1 or more, except that a batch may be empty."""
    return tuple(
        integer(task, name, size, "[0, inf)" if name == "batch" else "[1, inf)") for name, size in given.items()
    )


def drawn(length: int, batch: int, bits: int, rng: Rng) -> np.ndarray:
    """Rows of random bits, (length, B, bits)."""
    return np.random.default_rng(rng).integers(0, 2, (length, batch, bits)).astype(np.float32)


def zeros(length: int, batch: int, width: int) -> np.ndarray:
    """Rows of 0, (length, B, width)."""
    return np.zeros((length, batch, width), np.float32)


def with_channels(rows: np.ndarray, channels: int) -> np.ndarray:
    """The rows with `channels` channels of 0 appended on the last axis."""
    length, batch, _ = rows.shape
    return np.concatenate([rows, zeros(length, batch, channels)], axis=-1)


def mark(batch: int, bits: int, channels: int, which: int) -> np.ndarray:
    """One row, (1, B, bits + channels), of 0 except for a 1 in channel `which`."""
    row = zeros(1, batch, bits + channels)
    row[..., bits + which] = 1
    return row
