"""New tensors from a shape, made where they are to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq import backend
from tinygrad_seq.tensor import Tensor, tensor

Shape = int | tuple[int, ...]


def zeros(
    shape: Shape, *more: int, dtype: DTypeLike = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A leaf of zeros.

    RuntimeError for a device that cannot be had, with the reason; TypeError for sizes one by one.

    >>> import tinygrad_seq as ts
    >>> ts.zeros((2, 3)).shape
    (2, 3)
    """
    return _filled(0, (shape, *more), dtype, device, requires_grad)


def ones(
    shape: Shape, *more: int, dtype: DTypeLike = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A leaf of ones.

    RuntimeError for a device that cannot be had, with the reason; TypeError for sizes one by one.

    >>> import tinygrad_seq as ts
    >>> ts.ones(2, dtype=int)
    tensor([1, 1], int64, cpu)
    """
    return _filled(1, (shape, *more), dtype, device, requires_grad)


def _filled(value: int, sizes: tuple, dtype: DTypeLike, device: str, requires_grad: bool) -> Tensor:
    if len(sizes) != 1:
        raise TypeError(f"a shape is one argument, as in NumPy: ts.{'ones' if value else 'zeros'}({sizes})")
    values = backend.empty(sizes[0], np.dtype(dtype), device)
    values.fill(value)
    return tensor(values, requires_grad=requires_grad)
