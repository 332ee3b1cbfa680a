"""The derivative of broadcasting: a sum over the axes along which an argument was repeated.

Plain NumPy, so that it runs on arrays and, in a recorded reverse pass, on Tensors.
"""

from __future__ import annotations

import math

import numpy as np

BLOCK = (
    128  # rows that are added one after another; sums of blocks are added next, which bounds the rounding error
)


def unbroadcast(g, shape: tuple[int, ...], core: int, made: tuple[int, ...]):
    """Sum `g` over the loop axes along which an array of `shape` was broadcast to those of the result, `made`.

    The last `core` axes belong to the op and are never broadcast. Raises ValueError if `g` cannot be the
    cotangent of such an array.
    """
    sizes = g.shape
    lead, loop = len(sizes) - len(shape), len(sizes) - core
    loops = made[len(made) - loop :] if 0 < loop <= len(made) else ()
    stretched = tuple(
        [a for a, n in enumerate(loops) if sizes[a] == n and (a < lead or (shape[a - lead] == 1 and n != 1))]
    )
    left = tuple([1 if a in stretched else n for a, n in enumerate(sizes)])
    if left[max(lead, 0) :] != shape or len(stretched) < lead:
        raise ValueError(f"a cotangent of shape {sizes} is not a broadcast of its argument's shape {shape}")
    rows = math.prod([sizes[a] for a in stretched])
    if rows <= BLOCK:
        return g.sum(axis=stretched).reshape(shape)
    rest = tuple([a for a in range(len(sizes)) if a not in stretched])
    by_row = g.transpose(stretched + rest).reshape((rows, *[sizes[a] for a in rest]))
    return _sum_rows(by_row).reshape(shape)


def _sum_rows(g):
    """g.sum(axis=0), in blocks of rows. NumPy adds rows one by one, which is 1 % off after 1e6 float32 rows."""
    rows = g.shape[0]
    if rows <= BLOCK:
        return np.sum(g, axis=0)
    whole = rows - rows % BLOCK
    blocks = np.sum(np.reshape(g[:whole], (-1, BLOCK, *g.shape[1:])), axis=1)
    return _sum_rows(blocks) + np.sum(g[whole:], axis=0)
