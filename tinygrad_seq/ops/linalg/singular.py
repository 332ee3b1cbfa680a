"""The singular value decomposition, a = U diag(s) V'.

With P = U' da V, f(P) its symmetric and h(P) its skew part, and for the thin factors

    ds = diag P,   dU = U Omega + (I - U U') da V / s,   dV = V Psi + (I - V V') da' U / s
    Omega, Psi = f(P)_ij / (s_j - s_i) +- h(P)_ij / (s_j + s_i)

(Townsend 2016, who adds the quotients). The columns of U and V form pairs with an arbitrary sign. For equal
singular values they are an arbitrary basis of a space, and have no derivative: there, 1 / (s_j - s_i) is taken
to be 0, and likewise 1 / s_i and 1 / (s_j + s_i) for singular values of 0. Singular values count as equal if
rounding errors could separate them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.linalg.arguments import finite
from tinygrad_seq.ops.linalg.eigen import inverse_gaps, reciprocal, vanishes


def spread(x):
    """A matrix with singular values that differ and are not 0, for the values that the laws draw."""
    n, m = x.shape[-2:]
    return 0.2 * x + np.eye(n, m) * (3.0 * np.arange(1, m + 1))


@primitive(
    "(n,m)->(n,k),(k),(k,m)",
    examples=[
        example("(a,b)", full_matrices=False),
        example("(a,3,2)", full_matrices=True),
        example("(2,3)", full_matrices=True),
    ],
    domain={"a": spread},
    many=True,
)
def _svd(a, /, full_matrices):
    """z = U, s, V' with a = U diag(s) V', s descending, U'U = I and V'V = I"""
    return tuple(backend.checked(np.linalg.svd, finite(a), full_matrices))


def skew(x):
    """The skew part of x."""
    return 0.5 * (x - x.mT)


def inverse_sums(s):
    """1 / (s_i + s_j), and 0 where both are 0."""
    return reciprocal(s[..., None, :] + s[..., :, None], s)


def within(u, gu, k: int):
    """U' gu, and the part of gu outside of the space of U; the columns of u after the first k complete U.

    These columns u_ are a basis of the rest. They turn only as far as they must, du_ = -U dU' u_.
    """
    first, rest = u[..., :k], u[..., k:]
    inner = first.mT @ gu[..., :k]
    return inner, gu[..., :k] - first @ inner - rest @ (gu[..., k:].mT @ first)


def svd_vjp(g, z):
    (gu, gs, gv), (u, s, v) = g, z
    gv, v, k = gv.mT, v.mT, s.shape[-1]
    (mu, left), (mv, right) = within(u, gu, k), within(v, gv, k)
    u, v, inverse = u[..., :k], v[..., :k], reciprocal(s, s)[..., None, :]
    p = inverse_gaps(s) * skew(mu + mv) + inverse_sums(s) * skew(mu - mv)
    return (u @ p + u * gs[..., None, :] + left * inverse) @ v.mT + u @ (right * inverse).mT


def svd_jvp(g, z):
    u, s, v = z
    v, k = v.mT, s.shape[-1]
    first, last, inverse = u[..., :k], v[..., :k], reciprocal(s, s)[..., None, :]
    p = first.mT @ g @ last
    even, odd = inverse_gaps(s) * 0.5 * (p + p.mT), inverse_sums(s) * skew(p)
    du = turned(u, even + odd, (g @ last - first @ p) * inverse)
    dv = turned(v, even - odd, (g.mT @ first - last @ p.mT) * inverse)
    return du, np.einsum("...ii->...i", p), dv.mT


def turned(u, omega, outside):
    """The tangent of u: that of its first columns U, and of the columns that complete U."""
    k = omega.shape[-1]
    return np.concatenate([u[..., :k] @ omega + outside, -u[..., :k] @ (outside.mT @ u[..., k:])], axis=-1)


_svd.vjp(svd_vjp)
_svd.jvp(svd_jvp)


@primitive("(n,m)->(k)", examples=[example("(a,b)"), example("(a,3,2)")], domain={"x": spread}, module="linalg")
def svdvals(x, /):
    """z = the singular values of x (..., n, m), descending

    Where singular values are equal and not 0, a symmetric function of them, such as their sum, has the right
    gradient, but its second derivative lacks terms. One of them alone has no derivative there: its gradient is
    u v' for a pair u, v of their spaces. One that is 0 has none: it is taken to be 0, as that of |x| at 0.

    >>> ts.linalg.svdvals(ts.tensor([[0.0, 2.0], [1.0, 0.0]])).numpy()
    array([2., 1.], dtype=float32)
    """
    return backend.checked(np.linalg.svd, finite(x), False, False)


def svdvals_vjp(g, x):
    u, s, v = _svd(x, False)
    return (u * np.where(vanishes(s, s), 0, g)[..., None, :]) @ v


def svdvals_jvp(g, x):
    u, s, v = _svd(x, False)
    return np.where(vanishes(s, s), 0, np.sum(u * (g @ v.mT), axis=-2))


svdvals.vjp(svdvals_vjp)
svdvals.jvp(svdvals_jvp)


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


@numpy_function(module="linalg")
def svd(a, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False):
    """U, s and V' with a = U diag(s) V', for a (..., n, m); s is descending.

    full_matrices  U is (n, n) and V' is (m, m); otherwise both have min(n, m) singular vectors
    compute_uv     if false, only s is returned

    A function that depends on the signs of the vectors, or on the basis for equal singular values or for those
    of 0, has no derivative. Functions of the spaces, and U V' for singular values above 0, have the right
    gradient for equal singular values. ValueError for hermitian=True.

    >>> import tinygrad_seq as ts
    >>> u, s, vh = ts.linalg.svd(ts.tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> s.numpy()
    array([2., 1.], dtype=float32)
    """
    if hermitian:
        raise ValueError(
            "svd has no hermitian=True: the singular values of a symmetric matrix are the magnitudes of its "
            "eigenvalues, use ts.linalg.eigh"
        )
    return SVDResult(*_svd(a, bool(full_matrices))) if compute_uv else svdvals(a)
