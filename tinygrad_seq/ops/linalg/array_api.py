"""Functions of the array API, which NumPy has at its top with other arguments: they work on the last two axes,
or along one axis, and their arrays are positional.
"""

from __future__ import annotations

import operator

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops import diagonals, einsum, products
from tinygrad_seq.ops.linalg.arguments import matrices


@numpy_function(module="linalg")
def diagonal(x, /, *, offset: int = 0):
    """The diagonal of every matrix x (..., n, m), or the one `offset` places above it.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.diagonal(ts.tensor([[1.0, 2.0], [3.0, 4.0]])).numpy()
    array([1., 4.], dtype=float32)
    """
    return diagonals.diagonal(matrices(x), offset, -2, -1)


@numpy_function(module="linalg")
def trace(x, /, *, offset: int = 0):
    """The sum of the diagonal of every matrix x (..., n, m), or of the one `offset` places above it.

    >>> import tinygrad_seq as ts
    >>> float(ts.linalg.trace(ts.tensor([[1.0, 2.0], [3.0, 4.0]])))
    5.0
    """
    return diagonals.trace(matrices(x), offset, -2, -1)


@numpy_function(module="linalg")
def outer(x1, x2, /):
    """z_ij = x1_i x2_j, for two vectors; ValueError for other shapes.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.outer(ts.tensor([1.0, 2.0]), ts.tensor([3.0, 4.0])).numpy()
    array([[3., 4.],
           [6., 8.]], dtype=float32)
    """
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(f"outer expects two vectors, got the shapes {np.shape(x1)} and {np.shape(x2)}")
    return einsum.outer(x1, x2)


@numpy_function(module="linalg")
def cross(x1, x2, /, *, axis: int = -1):
    """The cross product of vectors of three elements along `axis`; ValueError for other lengths.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.cross(ts.tensor([1.0, 0.0, 0.0]), ts.tensor([0.0, 1.0, 0.0])).numpy()
    array([0., 0., 1.], dtype=float32)
    """
    return products.cross(x1, x2, axis=operator.index(axis))
