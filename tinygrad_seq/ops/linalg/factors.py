"""Factors of a matrix: a = L L'."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.ops.linalg.systems import _solve


def positive_definite(x):
    """x x' + I, which has a Cholesky factor."""
    return x @ x.mT + np.eye(x.shape[-1])


@primitive("(n,n)->(n,n)", domain={"a": positive_definite}, module="linalg")
def cholesky(a, /):
    """z = the lower triangular L with L L' = a, for a symmetric positive definite a (..., n, n)

    As in NumPy, only the lower triangle of a is read, so the gradient is zero above the diagonal.

    >>> ts.cholesky(ts.tensor([[4.0, 2.0], [2.0, 5.0]])).numpy()
    array([[2., 0.],
           [1., 2.]], dtype=float32)
    """
    return backend.cholesky(a)


def half(x):
    """The lower triangle of x with half its diagonal: dL = L half(L^-1 da L'^-1) (Murray 2016)."""
    return 0.5 * (np.tril(x) + np.tril(x, -1))


def between(left, x):
    """left^-1 x left'^-1"""
    return _solve(left, _solve(left, x).mT).mT


def cholesky_vjp(g, z):
    s = between(z.mT, half(z.mT @ np.tril(g)))
    s = 0.5 * (s + s.mT)
    return np.tril(s) + np.tril(s, -1)  # an element of the lower triangle stands for its mirror image, too


cholesky.vjp(cholesky_vjp)
cholesky.jvp(lambda g, z: z @ half(between(z, np.tril(g) + np.tril(g, -1).mT)))
