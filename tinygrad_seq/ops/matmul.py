"""Products of matrices, of stacks of matrices, and of vectors."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.ops.shape import reshape


@primitive("(n,k),(k,m)->(n,m)")
def _matmul(x, y, /):
    """z = x y, for matrices or stacks of matrices"""
    return np.matmul(x, y)


_matmul.vjp(lambda g, y: g @ y.mT, lambda g, x: x.mT @ g)
_matmul.bilinear()


@numpy_function
def matmul(x, y):
    """The product of matrices, stacks of matrices, or vectors, as NumPy's `@`.

    >>> import tinygrad_seq as ts
    >>> (ts.tensor([[1.0, 2.0], [3.0, 4.0]]) @ ts.tensor([1.0, 1.0])).numpy()
    array([3., 7.], dtype=float32)
    """
    rank_x, rank_y = (a.ndim if hasattr(a, "ndim") else np.ndim(a) for a in (x, y))
    if rank_x == rank_y == 2:
        return _matmul(x, y)
    if 1 in (rank_x, rank_y) and rank_x and rank_y:  # a vector counts as one row (x) or one column (y)
        z = matmul(reshape(x, (1, -1)) if rank_x == 1 else x, reshape(y, (-1, 1)) if rank_y == 1 else y)
        *stack, n, m = z.shape
        return reshape(z, (*stack, *([n] if rank_x > 1 else []), *([m] if rank_y > 1 else [])))
    if rank_x > 2 and rank_y == 2:  # one large product is faster than a stack of small ones
        *rows, k = np.shape(x)
        return reshape(_matmul(reshape(x, (math.prod(rows), k)), y), (*rows, np.shape(y)[1]))
    return _matmul(x, y)


def summed_products(x, y):
    """sum_t x_t y_t for stacks of matrices, or of stacks: one product, [x_1 x_2 ...] [y_1; y_2; ...]"""
    left, right = np.moveaxis(x, 0, -2), np.moveaxis(y, 0, -3)
    tk = x.shape[0] * x.shape[-1]
    return np.matmul(left.reshape(*left.shape[:-2], tk), right.reshape(*right.shape[:-3], tk, y.shape[-1]))


_matmul.at_once(stacking=matmul, summing=summed_products)
