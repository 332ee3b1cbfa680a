"""Powers and chains of products, and the numbers that describe a matrix: its rank and its condition."""

from __future__ import annotations

import functools
import math
import operator

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops import elementwise, reduction
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import isnan, not_equal
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.linalg.arguments import floats, squares
from tinygrad_seq.ops.linalg.determinants import _slogdet, identity, inverse
from tinygrad_seq.ops.linalg.eigen import eigvalsh
from tinygrad_seq.ops.linalg.norms import norm
from tinygrad_seq.ops.linalg.singular import svdvals
from tinygrad_seq.ops.linalg.systems import inv, smallest
from tinygrad_seq.ops.matmul import matmul
from tinygrad_seq.ops.shape import reshape


@numpy_function(module="linalg")
def matrix_power(a, n: int):
    """a^n, for a (..., k, k) and a whole n: by repeated squaring, of the inverse if n is negative.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.matrix_power(ts.tensor([[1.0, 1.0], [0.0, 1.0]]), 5).numpy()
    array([[1., 5.],
           [0., 1.]], dtype=float32)
    """
    a, n = squares(a), operator.index(n)
    if n == 0:
        return identity(a)
    square, n = (inv(a), -n) if n < 0 else (a, n)
    z = None
    while True:
        if n % 2:
            z = square if z is None else matmul(z, square)
        n //= 2
        if not n:
            return z
        square = matmul(square, square)


@numpy_function(module="linalg")
def multi_dot(arrays):
    """The product of two or more matrices, in the order of multiplication that takes the fewest operations.

    The first array may be a vector, which counts as a row, and the last a vector, which counts as a column.
    ValueError for fewer than two arrays. LinAlgError for other shapes.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.multi_dot([ts.ones((2, 5)), ts.ones((5, 3)), ts.ones(3)]).numpy()
    array([15., 15.], dtype=float32)
    """
    arrays = list(arrays)
    shapes = [np.shape(a) for a in arrays]
    if len(arrays) < 2:
        raise ValueError(f"multi_dot expects at least two arrays, got {len(arrays)}")
    ends = {0, len(arrays) - 1}
    if any(len(shape) != 2 and not (i in ends and len(shape) == 1) for i, shape in enumerate(shapes)):
        raise np.linalg.LinAlgError(
            f"multi_dot expects matrices, and vectors only at its two ends, got the shapes {shapes}"
        )
    whole = [shape if len(shape) == 2 else (*shape, 1) if i else (1, *shape) for i, shape in enumerate(shapes)]
    sizes = [whole[0][0], *(columns for _, columns in whole)]

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """The multiplications for the product of the arrays i to j, and the first array of its right factor."""
        if i == j:
            return 0, i
        parts = [
            (best(i, k - 1)[0] + best(k, j)[0] + sizes[i] * sizes[k] * sizes[j + 1], k)
            for k in range(i + 1, j + 1)
        ]
        return min(parts)

    def product(i: int, j: int):
        k = best(i, j)[1]
        return arrays[i] if i == j else matmul(product(i, k - 1), product(k, j))

    return product(0, len(arrays) - 1)


@numpy_function(module="linalg")
def matrix_rank(A, tol=None, hermitian: bool = False, *, rtol=None):  # noqa: N803, NumPy's name
    """The number of singular values of A (..., n, m) above `tol`, or above `rtol` times the largest.

    By default rtol is max(n, m) times eps. With `hermitian`, A is symmetric, and its lower triangle is read. A
    vector that is not 0 has rank 1. The rank has no derivative. ValueError for both `tol` and `rtol`.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.matrix_rank(ts.ones((3, 3))).item()
    1
    """
    if tol is not None and rtol is not None:
        raise ValueError("matrix_rank accepts tol or rtol, got both")
    if np.ndim(A) < 2:
        return (reduction.sum(not_equal(A, 0)) > 0).astype(np.int64)
    s = elementwise.abs(eigvalsh(A)) if hermitian else svdvals(A)
    if tol is None:
        rtol = smallest(floats(A)) if rtol is None else column(rtol)
        tol = norm(s, math.inf, axis=-1, keepdims=True) * rtol
    else:
        tol = column(tol)
    return reduction.sum(s > tol, -1)


def column(tol):
    """A tolerance, or one per matrix, with an axis for singular values."""
    return reshape(tol, (*np.shape(tol), 1)) if np.ndim(tol) else tol


@numpy_function(module="linalg")
def cond(x, p=None):
    """The condition of x (..., n, m): its largest singular value over its smallest, or |x| |x^-1| in a norm.

    p  None or 2, or -2 for the inverse of this number; "fro", "nuc", 1, -1, inf and -inf for square matrices

    Infinite for a singular matrix, where there is no derivative: it is NaN or infinite there. LinAlgError for
    empty matrices.

    >>> import tinygrad_seq as ts
    >>> float(ts.linalg.cond(ts.tensor([[4.0, 0.0], [0.0, 2.0]])))
    2.0
    """
    x = floats(x)
    if not math.prod(x.shape[-2:]):
        raise np.linalg.LinAlgError(f"cond is not defined for empty matrices, got shape {x.shape}")
    if p is None or p in (2, -2):
        s = svdvals(x)
        first, last = getitem(s, (..., 0)), getitem(s, (..., -1))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = last / first if p == -2 else first / last
    else:
        z = norm(x, p, (-2, -1)) * norm(inverse(x, _slogdet(x)[1]), p, (-2, -1))
    unknown = reduction.sum(isnan(x), (-2, -1)) > 0
    return where(isnan(z) > unknown, math.inf, z)
