"""Reading and writing by index, as a device does it: nothing is checked, and nobody knows who writes last.

An index array out of range wraps. Of several values for one element any may win. An index array of the host
is uploaded in silence, which is counted; of a mask the host has to know how many elements it chooses.
"""

from __future__ import annotations

import numpy as np

from double import counting

winner = np.random.default_rng(0)


def read(a: np.ndarray, key) -> np.ndarray:
    """a[key], a view where it can be one, an array in any case."""
    parts = lawful(a, key)
    return a[parts if any(part is Ellipsis for part in parts) else (*parts, Ellipsis)]


def write(a: np.ndarray, key, value) -> None:
    """a[key] = value, in any order."""
    from double.array import ndarray, own

    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
        raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
    value = own(value) if isinstance(value, ndarray) else value
    parts = lawful(a, key)
    if not any(isinstance(part, np.ndarray) and part.dtype != bool for part in parts):
        with np.errstate(all="ignore"):
            a[parts] = value
        return
    places = np.arange(a.size).reshape(a.shape)[parts]
    values = np.broadcast_to(value, places.shape).ravel()
    order = winner.permutation(places.size)
    a.flat[places.ravel()[order]] = values[order]


def lawful(a: np.ndarray, key) -> tuple:
    """The parts of a key as NumPy takes them, those out of range wrapped."""
    parts = [located(part) for part in (key if isinstance(key, tuple) else (key,))]
    widths = [width(part) for part in parts]
    axis = 0
    for i, (part, n) in enumerate(zip(parts, widths, strict=True)):
        if part is Ellipsis:
            axis += a.ndim - sum(widths)
        elif isinstance(part, np.ndarray) and part.dtype == bool:
            if part.shape != a.shape[axis : axis + n]:
                raise IndexError(f"boolean index did not match indexed array along dimension {axis}")
            counting.downloaded()  # how many it chooses
        elif isinstance(part, np.ndarray):
            parts[i] = wrapped(part, a.shape[axis] if axis < a.ndim else 1)
        axis += n
    return tuple(parts)


def wrapped(index: np.ndarray, size: int) -> np.ndarray:
    return index % size if size else index


def located(part):
    """A part of a key as NumPy takes it."""
    from double.array import ndarray, own

    if part is True or part is False:
        counting.downloaded()
    elif isinstance(part, ndarray):
        part = own(part)
    elif isinstance(part, (list, np.ndarray)):
        counting.uploaded()
        part = np.asarray(part, np.intp if isinstance(part, list) and not part else None)
    return part


def width(part) -> int:
    """How many axes a part of a key reads."""
    if part is None or part is Ellipsis or isinstance(part, (bool, np.bool_)):
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1
