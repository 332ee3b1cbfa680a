"""Functions of the array API, which NumPy has at its top with other arguments: they work on the last two axes,
or along one axis, and their arrays are positional.
"""

from __future__ import annotations

import operator

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops import reduction
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.linalg.arguments import matrices
from tinygrad_seq.ops.linalg.products import matmul
from tinygrad_seq.ops.rearranging import moveaxis, roll
from tinygrad_seq.ops.shape import expand_dims, reshape, swapaxes


@numpy_function(module="linalg")
def diagonal(x, /, *, offset: int = 0):
    """The diagonal of every matrix x (..., n, m), or the one `offset` places above it.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.diagonal(ts.tensor([[1.0, 2.0], [3.0, 4.0]])).numpy()
    array([1., 4.], dtype=float32)
    """
    *_, n, m = np.shape(matrices(x))
    offset = operator.index(offset)
    below, above = max(-offset, 0), max(offset, 0)
    i = np.arange(max(min(n - below, m - above), 0))
    return getitem(x, (..., i + below, i + above))


@numpy_function(module="linalg")
def trace(x, /, *, offset: int = 0):
    """The sum of the diagonal of every matrix x (..., n, m), or of the one `offset` places above it.

    >>> import tinygrad_seq as ts
    >>> float(ts.linalg.trace(ts.tensor([[1.0, 2.0], [3.0, 4.0]])))
    5.0
    """
    return reduction.sum(diagonal(x, offset=offset), -1)


@numpy_function(module="linalg")
def matrix_transpose(x, /):
    """The transpose of every matrix x (..., n, m).

    >>> import tinygrad_seq as ts
    >>> ts.linalg.matrix_transpose(ts.tensor([[1.0, 2.0, 3.0]])).shape
    (3, 1)
    """
    return swapaxes(matrices(x), -1, -2)


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
    return reshape(x1, (-1, 1)) * reshape(x2, (1, -1))


@numpy_function(module="linalg")
def cross(x1, x2, /, *, axis: int = -1):
    """The cross product of vectors of three elements along `axis`; ValueError for other lengths.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.cross(ts.tensor([1.0, 0.0, 0.0]), ts.tensor([0.0, 1.0, 0.0])).numpy()
    array([0., 0., 1.], dtype=float32)
    """
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ValueError(
            f"cross expects vectors of three elements along axis {axis}, got the shapes {np.shape(x1)} and "
            f"{np.shape(x2)}"
        )
    x1, x2 = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)
    z = roll(x1, -1, -1) * roll(x2, 1, -1) - roll(x1, 1, -1) * roll(x2, -1, -1)
    return moveaxis(z, -1, axis)


@numpy_function(module="linalg")
def vecdot(x1, x2, /, *, axis: int = -1):
    """sum_i x1_i x2_i, for vectors along `axis`.

    >>> import tinygrad_seq as ts
    >>> float(ts.linalg.vecdot(ts.tensor([1.0, 2.0]), ts.tensor([3.0, 4.0])))
    11.0
    """
    x1, x2 = (moveaxis(x, operator.index(axis), -1) for x in (x1, x2))
    z = matmul(expand_dims(x1, -2), expand_dims(x2, -1))
    return reshape(z, np.shape(z)[:-2])
