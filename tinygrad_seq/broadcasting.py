"""Broadcasting backwards: what was repeated along an axis on the way in is summed on the way back.

Plain NumPy, so that it runs on arrays and, inside a recorded reverse pass, on Tensors.
"""

from __future__ import annotations

import math

import numpy as np

BLOCK = 1024  # rows added one after another before their sums are added: bounds float32's rounding error


def unbroadcast(g, shape: tuple[int, ...], core: int):
    """Sum `g` over the axes along which an array of `shape` was broadcast; the last `core` axes never are.

    A ValueError says so where `g` cannot have come from such an array.
    """
    lead = g.ndim - len(shape)
    loop = g.ndim - core
    stretched = tuple(
        axis for axis in range(max(loop, 0)) if axis < lead or (shape[axis - lead] == 1 and g.shape[axis] != 1)
    )
    kept = tuple(1 if axis in stretched else size for axis, size in enumerate(g.shape))
    if lead < 0 or kept[lead:] != shape:
        raise ValueError(f"a cotangent of shape {g.shape} is no broadcast of its argument's shape {shape}")
    if not stretched:
        return g
    if stretched == tuple(range(lead)) and lead:  # rows: the common case, a bias
        return _sum_rows(np.reshape(g, (math.prod(g.shape[:lead]), *shape)))
    return np.reshape(np.sum(g, axis=stretched), shape)


def _sum_rows(g):
    """g.sum(axis=0), in blocks of rows: NumPy adds rows one by one, 1 % off after 1e6 float32 rows."""
    rows = g.shape[0]
    if rows <= BLOCK:
        return np.sum(g, axis=0)
    whole = rows - rows % BLOCK
    blocks = np.sum(np.reshape(g[:whole], (-1, BLOCK, *g.shape[1:])), axis=1)
    return _sum_rows(blocks) + np.sum(g[whole:], axis=0)
