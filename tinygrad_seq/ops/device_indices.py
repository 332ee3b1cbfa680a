"""Index arrays from the host, for arrays on a device: checked on the host, then uploaded.

Without this, CuPy would upload them silently at every use, and wrap an index that is out of range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_seq.engine import backend


def indices_on_device_of(x, key: tuple, indices: Sequence) -> list:
    """The index arrays of `key`, on the device of `x`; those from the host are checked before the upload.

    `key` holds the word "array" or "mask" in the place of each of them.
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
    return [_on_device_of(x, index) for index in indices]


def _width(part, index) -> int:
    """The number of axes that a part of a key indexes."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return index.ndim if part == "mask" else 1


def index_on_device_of(x, index, axis: int):
    """`index`, along an axis of x, on the device of `x`; one from the host is checked before the upload."""
    if backend.on_host(x):
        return index
    refuse_out_of_range(index, x, axis)
    return _on_device_of(x, index)


def refuse_out_of_range(index, x, axis: int) -> None:
    """IndexError, with NumPy's text, for an integer array on the host that is out of range for the axis."""
    if isinstance(index, (np.ndarray, np.generic)) and index.dtype != bool:
        index, size = np.asarray(index), x.shape[axis]
        wrong = index[(index < -size) | (index >= size)]
        if wrong.size:
            raise IndexError(f"index {wrong.flat[0]} is out of bounds for axis {axis} with size {size}")


def _on_device_of(x, index):
    host = isinstance(index, (np.ndarray, np.generic))
    return backend.asarray(np.asarray(index), backend.device_of(x)) if host else index
