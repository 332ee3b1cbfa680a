"""Matrices: products, norms, and what solves or factors them."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.ops import elementwise
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.reduction import max as largest
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.primitive import numpy_function, primitive
from tinygrad_seq.signature import example


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
    if 1 in (rank_x, rank_y) and rank_x and rank_y:  # a vector is a matrix of one row, or of one column
        z = matmul(reshape(x, (1, -1)) if rank_x == 1 else x, reshape(y, (-1, 1)) if rank_y == 1 else y)
        *stack, n, m = np.shape(z)
        return reshape(z, (*stack, *([n] if rank_x > 1 else []), *([m] if rank_y > 1 else [])))
    if rank_x > 2 and rank_y == 2:  # one large product in the place of a stack of small ones
        *rows, k = np.shape(x)
        return reshape(_matmul(reshape(x, (math.prod(rows), k)), y), (*rows, np.shape(y)[1]))
    return _matmul(x, y)


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def tril(x, /, k=0):
    """z = x on and below the k-th diagonal of every matrix, else 0"""
    return np.tril(x, k)


tril.linear(lambda g, k: np.tril(g, k))
tril.rides(k=lambda k: k)


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def triu(x, /, k=0):
    """z = x on and above the k-th diagonal of every matrix, else 0"""
    return np.triu(x, k)


triu.linear(lambda g, k: np.triu(g, k))
triu.rides(k=lambda k: k)


def dominant(x):
    """x with so much added to the diagonal that it is invertible."""
    return x + 8 * np.eye(x.shape[-1])


@primitive("(n,n),(n,m)->(n,m)", domain={"a": dominant})
def _solve(a, b, /):
    """z = a^-1 b"""
    return np.linalg.solve(a, b)


_solve.vjp(lambda g, a, z: -_solve(a.mT, g) @ z.mT, lambda g, a: _solve(a.mT, g))
_solve.jvp(lambda g, a, z: -_solve(a, g @ z), lambda g, a: _solve(a, g))


@numpy_function
def solve(a, b):
    """The x with a x = b, for invertible matrices a (..., n, n) and b, a vector (n,) or matrices (..., n, m).

    A singular matrix is NumPy's LinAlgError.

    >>> import tinygrad_seq as ts
    >>> ts.solve(ts.tensor([[2.0, 0.0], [0.0, 4.0]]), ts.tensor([2.0, 2.0])).numpy()
    array([1. , 0.5], dtype=float32)
    """
    if np.ndim(b) == 1:
        z = _solve(a, reshape(b, (-1, 1)))
        return reshape(z, np.shape(z)[:-1])
    return _solve(a, b)


def positive_definite(x):
    """A matrix that has a Cholesky factor, made of x."""
    return x @ x.mT + np.eye(x.shape[-1])


@primitive("(n,n)->(n,n)", domain={"a": positive_definite})
def cholesky(a, /):
    """z = the lower triangular L with L L' = a, of a symmetric positive definite a

    Only the lower triangle of a is read, as by NumPy, so only it has a derivative.
    """
    return np.linalg.cholesky(a)


def half(x):
    """The lower triangle with half its diagonal: dL = L half(L^-1 da L'^-1) (Murray 2016)."""
    return 0.5 * (np.tril(x) + np.tril(x, -1))


def between(left, x):
    """left^-1 x left'^-1"""
    return _solve(left, _solve(left, x).mT).mT


def cholesky_vjp(g, z):
    s = between(z.mT, half(z.mT @ np.tril(g)))
    s = 0.5 * (s + s.mT)
    return np.tril(s) + np.tril(s, -1)  # an element of the lower triangle stands for its mirror image too


cholesky.vjp(cholesky_vjp)
cholesky.jvp(lambda g, z: z @ half(between(z, np.tril(g) + np.tril(g, -1).mT)))


@numpy_function
def norm(x, ord: float | None = None, axis=None, *, keepdims: bool = False):
    """The length of `x`: over all axes without `axis`, of vectors along an int, of matrices over a pair.

    ord   None or 2 for sqrt(sum x^2) (2 for vectors alone), 1 for sum |x|, inf for max |x|

    At the zero vector the derivative is taken to be 0. ValueError for another norm.

    >>> import tinygrad_seq as ts
    >>> float(ts.norm(ts.tensor([3.0, 4.0])))
    5.0
    """
    vectors = isinstance(axis, (int, np.integer)) or (axis is None and np.ndim(x) == 1)
    if ord is not None and not (vectors and ord in (1, 2, math.inf)):
        raise ValueError(
            f"norm knows ord=None, and 1, 2 and inf for vectors (axis an int), not ord={ord!r}, axis={axis!r}"
        )
    if ord == 1:
        return total(elementwise.abs(x), axis, keepdims=keepdims)
    if ord == math.inf:
        return largest(elementwise.abs(x), axis, keepdims=keepdims)
    squares = total(elementwise.square(x), axis, keepdims=keepdims)
    return where(squares == 0, 0.0, elementwise.sqrt(where(squares == 0, 1.0, squares)))
