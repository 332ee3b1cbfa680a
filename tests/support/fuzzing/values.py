"""The values of awkward arguments: numbers, dtypes, shapes, memory layouts, and nonsense."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

SHAPES = [(), (0,), (1,), (3,), (3, 3), (2, 3), (3, 0), (1, 3), (3, 1), (2, 1, 3), (2, 3, 3), (1, 1, 1, 3)]
FLOATS, OTHERS = ["f8", "f4", "f2"], ["i8", "i4", "i1", "u1", "?"]
FOREIGN = ["c16", "O", "U3", "M8[s]"]  # dtypes that no Tensor has
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e300, -1e300, 1e-300, 6e4, 1.0, -1.0]
NONSENSE = [None, "abc", object(), {}, {1, 2}, 1j, 10**400, b"x", len, slice(1), ..., float, NotImplemented]
RAGGED = [[[1.0], [2.0, 3.0]], ["a", 1], [None, 1.0], [[]], []]
NUMBERS = [0, 1, -1, 2, 2.5, -0.5, True, False, math.nan, math.inf, 1e308, 2**62]


def one_of(rng: np.random.Generator, choices: Sequence):
    return choices[int(rng.integers(len(choices)))]


def filled(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """An array of any dtype, with ordinary or awkward values."""
    dtype = np.dtype(one_of(rng, one_of(rng, [FLOATS] * 13 + [OTHERS] * 6 + [FOREIGN])))
    values = rng.normal(size=shape) * one_of(rng, [1.0, 1.0, 3.0, 100.0, 2e4])
    if dtype.kind == "f" and rng.random() < 0.4:
        values = np.where(rng.random(shape) < 0.5, rng.choice(SPECIAL, shape), values)
    if dtype.kind in "iubM":
        values = np.abs(values) % 4 if dtype.kind in "ub" else values % 4
    with np.errstate(all="ignore"):
        return np.asarray(values).astype("i8" if dtype.kind == "M" else dtype).astype(dtype)


LAYOUTS: list[Callable] = [
    lambda x: x,
    lambda x: x,
    lambda x: x[(slice(None, None, -1),) * x.ndim],
    lambda x: x[..., ::-1] if x.ndim else x,
    lambda x: np.transpose(np.transpose(x)[...]),
    lambda x: np.swapaxes(x, 0, -1) if x.ndim > 1 and x.shape[0] == x.shape[-1] else x,
    lambda x: np.broadcast_to(x[:1], x.shape) if x.ndim and x.shape[0] else x,
    lambda x: np.concatenate([x, x], axis=-1)[..., ::2] if x.ndim else x,
]
