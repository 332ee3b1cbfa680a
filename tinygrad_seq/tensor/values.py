"""Data as arrays: what `ts.tensor` accepts, and where the array is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine import backend


def array_of(data: ArrayLike, dtype: DTypeLike | None, device: str | None) -> np.ndarray:
    """A copy of `data` on `device`, or where `data` is.

    Python floats, also in nested lists, become float32; arrays and NumPy scalars keep their dtype. TypeError
    for a dtype that is not a float, integer or boolean, and for a list of tensors that are on the tape;
    ValueError for ragged lists.
    """
    values = backend.copy(data)
    if (
        dtype is None
        and values.dtype == np.float64
        and all(type(x) in (float, int, bool) for x in _elements(data))
    ):
        dtype = np.float32
    for kind in (values.dtype, np.dtype(dtype or values.dtype)):
        if kind.kind not in "fiub":
            raise TypeError(f"a tensor holds floats, integers or booleans, not {kind}")
    if dtype is not None and dtype != values.dtype:
        values = values.astype(dtype)
    return backend.asarray(values, backend.device_of(values) if device is None else device)


def _elements(data: object) -> Iterator[object]:
    """The elements of nested lists."""
    if isinstance(data, (list, tuple)):
        for part in data:
            yield from _elements(part)
    else:
        yield data
