"""The determinant, and its sign and logarithm.

The gradient of det a is the matrix of its cofactors, a polynomial of the elements. It exists for every matrix,
where det(a) a'^-1 does not: for singular a = U diag(s) V', too, it is

    cof(a) = det(U) det(V) U diag(prod_{k != i} s_k) V'

The logarithm has no derivative where the determinant is 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.ops.linalg.systems import inv


def identity(a):
    """The matrices I of the shape of a, on its device."""
    return np.triu(np.tril(np.ones_like(a)))


@primitive("(n,n)->()", module="linalg")
def det(a, /):
    """z = det a, for a (..., n, n)

    Its gradient and the derivative of that are right for every matrix, singular or not; the third is where all
    singular values differ.

    >>> float(ts.linalg.det(ts.tensor([[2.0, 0.0], [1.0, 2.0]])))
    4.0
    """
    return backend.checked(np.linalg.det, a)


@primitive("(n,n)->(n,n)")
def _cofactors(a, /):
    """z_ij = (-1)^(i+j) det a without row i and column j = d det(a) / da_ij"""
    u, s, v, sign = decomposed(a)
    return (u * (sign * others(s))[..., None, :]) @ v


det.vjp(lambda g, a: safe_product(g[..., None, None], _cofactors(a)))
det.jvp(lambda g, a: np.sum(safe_product(g, _cofactors(a)), axis=(-2, -1)))


def decomposed(a):
    """U, s, V' of a = U diag(s) V', and det(U) det(V'): 1 or -1; or NaN, if a has infinities or NaN."""
    with np.errstate(invalid="ignore"):
        zero = np.sum(a - a, axis=(-2, -1))  # or NaN
    u, s, v = np.linalg.svd(np.where(zero[..., None, None] == 0, a, identity(a)))
    return u, s, v, (np.sign(np.linalg.det(u) * np.linalg.det(v)) + zero)[..., None]


def others(x):
    """prod_{k != i} x_k, along the last axis."""
    rows = x[..., None, :] + np.zeros_like(x)[..., None]
    return np.prod(np.where(identity(rows) == 1, 1, rows), axis=-1)


def cofactors_derivative(g, a):
    """The derivative of the cofactors along g; a symmetric map, so it is the VJP and the JVP.

    With h = U' g V and p_ij = prod_{k != i, j} s_k it is det(U) det(V) U m V', m_ii = sum_{j != i} p_ij h_jj,
    m_ij = -p_ij h_ji.
    """
    u, s, v, sign = decomposed(a)
    h, diagonal = u.mT @ g @ v.mT, identity(a) == 1
    p = np.where(diagonal, 0, others(np.where(diagonal, 1, s[..., None, :])))
    along = np.sum(safe_product(np.einsum("...jj->...j", h)[..., None, :], p), axis=-1, keepdims=True)
    return safe_product(u @ np.where(diagonal, along, -safe_product(h.mT, p)) @ v, sign[..., None])


_cofactors.vjp(cofactors_derivative)
_cofactors.jvp(cofactors_derivative)


@primitive("(n,n)->(),()", many=True)
def _slogdet(a, /):
    """z = sign det a, log |det a|"""
    return tuple(backend.checked(np.linalg.slogdet, a))


def inverse(a, log):
    """a^-1; NaN for a singular a, whose log |det a| is -inf."""
    singular = (log == -np.inf)[..., None, None]
    return np.where(singular, np.nan, inv(np.where(singular, identity(a), a)))


_slogdet.vjp(lambda g, a, z: safe_product(g[1][..., None, None], inverse(a, z[1]).mT))
_slogdet.jvp(lambda g, a, z: (None, np.sum(safe_product(g, inverse(a, z[1]).mT), axis=(-2, -1))))


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


@numpy_function(module="linalg")
def slogdet(a):
    """The sign and the logarithm of the magnitude of det a, for a (..., n, n): det a = sign exp(logabsdet).

    For a singular matrix they are 0 and -inf, as in NumPy, and there is no derivative. It is NaN there, or 0
    if the incoming gradient is 0, as it is in sign * exp(logabsdet): use det, whose gradient is right.

    >>> import tinygrad_seq as ts
    >>> sign, logabsdet = ts.linalg.slogdet(ts.tensor([[0.0, 2.0], [3.0, 0.0]]))
    >>> sign.item(), float(ts.exp(logabsdet))
    (-1.0, 6.0)
    """
    return SlogdetResult(*_slogdet(a))
