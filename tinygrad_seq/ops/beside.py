"""Index arrays of the host beside arrays of a device: looked at on the host, then uploaded.

CuPy takes them as they are, by an upload in silence at every use, and wraps what is out of range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_seq.engine import backend


def indices_beside(x, key: tuple, indices: Sequence) -> list:
    """The index arrays of `key` where `x` lives; those that come from the host are checked before they go.

    In the key stands "array" or "mask" for each.
    """
    if backend.on_host(x):
        return list(indices)
    arrays = iter(indices)
    parts = [(part, next(arrays) if isinstance(part, str) else None) for part in key]
    widths = [_width(*part) for part in parts]
    axis = 0
    for (part, index), width in zip(parts, widths, strict=True):
        refuse_out_of_range(index, x, axis)
        axis += x.ndim - sum(widths) if part is Ellipsis else width
    return [_beside(x, index) for index in indices]


def _width(part, index) -> int:
    """How many axes a part of a key reads."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return index.ndim if part == "mask" else 1


def index_beside(x, index, axis: int):
    """`index`, of an axis of x, where `x` lives; what comes from the host is checked before it goes."""
    if backend.on_host(x):
        return index
    refuse_out_of_range(index, x, axis)
    return _beside(x, index)


def refuse_out_of_range(index, x, axis: int) -> None:
    """IndexError, in NumPy's words, for an integer array of the host that names what that axis of x has not."""
    if isinstance(index, (np.ndarray, np.generic)) and index.dtype != bool:
        index, size = np.asarray(index), x.shape[axis]
        wrong = index[(index < -size) | (index >= size)]
        if wrong.size:
            raise IndexError(f"index {wrong.flat[0]} is out of bounds for axis {axis} with size {size}")


def _beside(x, index):
    host = isinstance(index, (np.ndarray, np.generic))
    return backend.asarray(np.asarray(index), backend.device_of(x)) if host else index
