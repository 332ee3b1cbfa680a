"""New tensors, from data or filled with a constant, made on the device where they are to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import answering
from tinygrad_seq.engine.record import Buffer
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.tensor.values import array_of

Shape = int | tuple[int, ...]


@answering
def tensor(
    data: ArrayLike | Tensor,
    *,
    dtype: DTypeLike | None = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A leaf tensor holding a copy of `data`.

    Python floats, also in nested lists, become float32, ints int64, bools bool; arrays and NumPy scalars keep
    their dtype. The copy is on `device`, "cpu", "cuda" or "cuda:1"; by default it is where `data` is, so that a
    CuPy array stays on its device. Raises TypeError for data that are not numbers, and for `requires_grad`
    without a float dtype; ValueError for ragged lists; RuntimeError for a device that is not available, with
    the reason.

    >>> import tinygrad_seq as ts
    >>> ts.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    tensor([[1., 2.],
            [3., 4.]], float32, cpu, requires_grad)
    """
    values = array_of(data.data if isinstance(data, Tensor) else data, dtype, device)
    t = Tensor(values, None, Buffer())
    t.requires_grad = requires_grad
    return t


def as_tensor(x: ArrayLike | Tensor) -> Tensor:
    """`x` itself if it is a tensor, else a tensor of it: of an array, a number or nested lists.

    >>> as_tensor([1.0, 2.0])
    tensor([1., 2.], float32, cpu)
    """
    return x if isinstance(x, Tensor) else tensor(x)


@answering
def zeros(
    shape: Shape, *more: int, dtype: DTypeLike = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A leaf of zeros.

    Raises RuntimeError for a device that is not available, with the reason; TypeError if the sizes are separate
    arguments.

    >>> import tinygrad_seq as ts
    >>> ts.zeros((2, 3)).shape
    (2, 3)
    """
    return _filled(0, (shape, *more), dtype, device, requires_grad)


@answering
def ones(
    shape: Shape, *more: int, dtype: DTypeLike = np.float32, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A leaf of ones.

    Raises RuntimeError for a device that is not available, with the reason; TypeError if the sizes are separate
    arguments.

    >>> import tinygrad_seq as ts
    >>> ts.ones(2, dtype=int)
    tensor([1, 1], int64, cpu)
    """
    return _filled(1, (shape, *more), dtype, device, requires_grad)


def _filled(value: int, sizes: tuple[Shape, ...], dtype: DTypeLike, device: str, requires_grad: bool) -> Tensor:
    if len(sizes) != 1:
        raise TypeError(f"the shape is one argument, as in NumPy: ts.{'ones' if value else 'zeros'}({sizes})")
    values = backend.empty(sizes[0], np.dtype(dtype), device)
    values.fill(value)
    return tensor(values, requires_grad=requires_grad)
