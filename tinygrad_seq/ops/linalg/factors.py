"""Triangular factors of a matrix: a = L L' and a = Q R."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.linalg.systems import _solve
from tinygrad_seq.ops.linalg.triangles import folded, mirrored
from tinygrad_seq.ops.matmul import matmul
from tinygrad_seq.ops.shape import swapaxes


def positive_definite(x):
    """x x' + I, which has a Cholesky factor."""
    return x @ x.mT + np.eye(x.shape[-1])


@primitive("(n,n)->(n,n)", domain={"a": positive_definite})
def _cholesky(a, /):
    """z = the lower triangular L with L L' = a"""
    return backend.checked(np.linalg.cholesky, a)


def half(x):
    """The lower triangle of x with half its diagonal: dL = L half(L^-1 da L'^-1) (Murray 2016)."""
    return 0.5 * (np.tril(x) + np.tril(x, -1))


def between(left, x):
    """left^-1 x left'^-1"""
    return _solve(left, over(x, left.mT))


def over(x, right):
    """x right^-1"""
    return _solve(right.mT, x.mT).mT


def cholesky_vjp(g, z):
    s = between(z.mT, half(z.mT @ np.tril(g)))
    return folded(0.5 * (s + s.mT))


_cholesky.vjp(cholesky_vjp)
_cholesky.jvp(lambda g, z: z @ half(between(z, mirrored(g))))


@numpy_function(module="linalg")
def cholesky(a, *, upper: bool = False):
    """The lower triangular L with L L' = a, for symmetric positive definite a (..., n, n); L' with `upper`.

    As in NumPy, only the lower triangle of a is read, with `upper` only the upper one, and the gradient is zero
    in the other. NumPy's LinAlgError for a matrix that is not positive definite.

    >>> import tinygrad_seq as ts
    >>> ts.cholesky(ts.tensor([[4.0, 2.0], [2.0, 5.0]])).numpy()
    array([[2., 0.],
           [1., 2.]], dtype=float32)
    """
    return swapaxes(_cholesky(swapaxes(a, -1, -2)), -1, -2) if upper else _cholesky(a)


def independent(x):
    """A matrix with independent columns, for the values that the laws draw, if it is not wide."""
    return x + 8 * np.eye(*x.shape[-2:])


@primitive(
    "(n,m)->(n,m),(m,m)",
    examples=[
        example("(a,a)", complete=False),
        example("(b,3,2)", complete=False),
        example("(3,2)", complete=True),
    ],
    domain={"a": independent},
    many=True,
)
def _qr(a, /, complete):
    """z = Q, R with a = Q R, Q'Q = I and R upper triangular, for a (..., n, m) with n >= m"""
    return tuple(backend.checked(np.linalg.qr, a, "complete" if complete else "reduced"))


def qr_vjp(g, z):
    """(gQ + Q S) R'^-1, for symmetric S with the lower triangle of R gR' - gQ' Q (Walter and Lehmann 2012)"""
    (gq, gr), (q, r) = g, z
    m = r.shape[-1]
    gq, gr, q, rest, grest, r = (
        gq[..., :m],
        np.triu(gr[..., :m, :]),
        q[..., :m],
        q[..., m:],
        gq[..., m:],
        r[..., :m, :],
    )
    gq = gq - rest @ (grest.mT @ q)  # the columns that complete Q turn with it: d rest = -Q dQ' rest
    return over(gq + q @ mirrored(r @ gr.mT - gq.mT @ q), r.mT)


def qr_jvp(g, z):
    q, r = z
    m = r.shape[-1]
    first, rest, r_ = q[..., :m], q[..., m:], r[..., :m, :]
    b = over(g, r_)
    c = first.mT @ b
    omega = np.tril(c, -1) - np.tril(c, -1).mT
    outside = b - first @ c
    dq = np.concatenate([first @ omega + outside, -first @ (outside.mT @ rest)], axis=-1)
    return dq, np.concatenate([(c - omega) @ r_, np.zeros_like(r[..., m:, :])], axis=-2)


_qr.vjp(qr_vjp)
_qr.jvp(qr_jvp)


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


@numpy_function(module="linalg")
def qr(a, mode: str = "reduced"):
    """Q and R with a = Q R, for a (..., n, m): the columns of Q are orthonormal, R is upper triangular.

    mode  "reduced": Q is (n, k) and R is (k, m), k = min(n, m); "complete": Q is (n, n) and R is (n, m);
          "r": only the reduced R

    Where the first k columns of a are dependent there is no derivative: a LinAlgError if R has a 0 on its
    diagonal, and large numbers without a meaning if rounding errors stand in its place. The columns that
    "complete" adds are an arbitrary basis: what depends on it has no derivative. ValueError for mode="raw".

    >>> import tinygrad_seq as ts
    >>> q, r = ts.linalg.qr(ts.tensor([[0.0, 2.0], [1.0, 3.0]]))
    >>> ts.abs(r).numpy()
    array([[1., 3.],
           [0., 2.]], dtype=float32)
    """
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f'qr has the modes "reduced", "complete" and "r", got {mode!r}')
    n, m = np.shape(a)[-2:]
    q, r = _qr(a if n >= m else getitem(a, (..., slice(n))), mode == "complete")
    if n < m:
        r = concatenate([r, matmul(swapaxes(q, -1, -2), getitem(a, (..., slice(n, None))))], axis=-1)
    return r if mode == "r" else QRResult(q, r)
