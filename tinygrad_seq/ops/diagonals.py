"""Diagonals: read, summed, and written into a matrix of zeros.

In a matrix of m columns that is flattened, the elements of a diagonal are m + 1 places apart. So a diagonal is
a slice of the flattened matrix, and a view; a diagonal matrix is the adjoint of that slice.
"""

from __future__ import annotations

import operator

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops.indexing import _scatter, getitem
from tinygrad_seq.ops.rearranging import moveaxis
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import ravel, reshape


def places(n: int, m: int, offset: int) -> slice:
    """The elements of a diagonal of an n-by-m matrix, in the flattened matrix."""
    offset = operator.index(offset)
    count = max(0, min(n, m - max(offset, 0)))
    first = offset if offset >= 0 else -offset * m
    return slice(first, first + count * (m + 1), m + 1)  # below the diagonal, the end of the matrix cuts it


@numpy_function
def diagonal(x, offset: int = 0, axis1: int = 0, axis2: int = 1):
    """The elements x_{i, i + offset} of the matrices in two axes of `x`, along a new last axis.

    >>> import tinygrad_seq as ts
    >>> ts.diagonal(ts.tensor([[1, 2, 3], [4, 5, 6]]), offset=1).numpy()
    array([2, 6])
    """
    if np.ndim(x) < 2:
        raise ValueError(f"diagonal expects an array with at least 2 axes, got shape {np.shape(x)}")
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    *stack, n, m = np.shape(x)
    return getitem(reshape(x, (*stack, n * m)), (..., places(n, m, offset)))


@numpy_function
def trace(x, offset: int = 0, axis1: int = 0, axis2: int = 1):
    """The sum of a diagonal of the matrices in two axes of `x`.

    >>> import tinygrad_seq as ts
    >>> ts.trace(ts.tensor([[1, 2], [3, 4]])).item()
    5
    """
    return total(diagonal(x, offset, axis1, axis2), -1)


@numpy_function
def diag(x, k: int = 0):
    """The k-th diagonal of a matrix; of a vector, the matrix with this diagonal and zeros.

    >>> import tinygrad_seq as ts
    >>> ts.diag(ts.tensor([1, 2])).numpy()
    array([[1, 0],
           [0, 2]])
    """
    shape = np.shape(x)
    if len(shape) == 2:
        return diagonal(x, k)
    if len(shape) != 1:
        raise ValueError(f"diag expects a matrix or a vector, got shape {shape}")
    n = shape[0] + abs(k)
    return reshape(_scatter(x, key=(places(n, n, k),), shape=(n * n,)), (n, n))


@numpy_function
def diagflat(x, k: int = 0):
    """The matrix whose k-th diagonal is the flattened `x`.

    >>> import tinygrad_seq as ts
    >>> ts.diagflat(ts.tensor([[1], [2]])).numpy()
    array([[1, 0],
           [0, 2]])
    """
    return diag(ravel(x), k)
