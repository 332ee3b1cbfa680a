"""Eigenvalues and eigenvectors of symmetric matrices.

As in NumPy, only one triangle of a matrix is read. An element there stands for its mirror image, too, so the
gradient is zero in the other triangle.

Eigenvectors of equal eigenvalues are an arbitrary basis of their space, and have no derivative: in its place,
the rules take 1 / (w_j - w_i) to be 0. Eigenvalues count as equal if rounding errors could separate them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.linalg.arguments import finite
from tinygrad_seq.ops.linalg.triangles import folded, mirrored


def vanishes(x, w):
    """Whether x, an element of w, a difference or a sum of two, is 0 up to the rounding errors of w."""
    size = np.sum(np.abs(w), axis=-1, keepdims=True)
    return np.abs(x) <= np.finfo(w.dtype).eps * (size if np.ndim(x) == np.ndim(w) else size[..., None])


def reciprocal(x, w):
    """1 / x, and 0 where x is 0 up to the rounding errors of w."""
    zero = vanishes(x, w)
    return np.where(zero, 0, 1 / np.where(zero, 1, x))


def inverse_gaps(w):
    """F_ij = 1 / (w_j - w_i), and 0 for equal w_i and w_j."""
    return reciprocal(w[..., None, :] - w[..., :, None], w)


def apart(x):
    """A symmetric matrix with eigenvalues that differ, for the values that the laws draw."""
    n = x.shape[-1]
    return 0.1 * (x + x.mT) + 4 * np.diag(np.arange(1.0, n + 1))


EXAMPLES = [example("(a,a)", UPLO="L"), example("(b,a,a)", UPLO="U")]


@primitive("(n,n)->(n),(n,n)", examples=EXAMPLES, domain={"a": apart}, many=True)
def _eigh(a, /, UPLO):  # noqa: N803, NumPy's name
    """z = w, V with a V = V diag(w), w ascending and V'V = I"""
    return tuple(backend.checked(np.linalg.eigh, finite(a), UPLO))


def eigh_vjp(g, z, UPLO):  # noqa: N803
    (gw, gv), (w, v) = g, z
    s = (v @ (inverse_gaps(w) * (v.mT @ gv)) + v * gw[..., None, :]) @ v.mT
    return folded(0.5 * (s + s.mT), UPLO)


def eigh_jvp(g, z, UPLO):  # noqa: N803
    """dw = diag(V' da V), dV = V (F * V' da V)"""
    w, v = z
    p = v.mT @ mirrored(g, UPLO) @ v
    return np.einsum("...ii->...i", p), v @ (inverse_gaps(w) * p)


_eigh.vjp(eigh_vjp)
_eigh.jvp(eigh_jvp)


@primitive("(n,n)->(n)", examples=EXAMPLES, domain={"a": apart})
def _eigvalsh(a, /, UPLO):  # noqa: N803
    """z = the eigenvalues of a, ascending"""
    return backend.checked(np.linalg.eigvalsh, finite(a), UPLO)


def eigvalsh_vjp(g, a, UPLO):  # noqa: N803
    v = _eigh(a, UPLO)[1]
    return folded((v * g[..., None, :]) @ v.mT, UPLO)


def eigvalsh_jvp(g, a, UPLO):  # noqa: N803
    v = _eigh(a, UPLO)[1]
    return np.sum(v * (mirrored(g, UPLO) @ v), axis=-2)


_eigvalsh.vjp(eigvalsh_vjp)
_eigvalsh.jvp(eigvalsh_jvp)


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


def triangle(UPLO: str) -> str:  # noqa: N803
    """ "L" or "U"; ValueError for anything else."""
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise ValueError(f"UPLO is 'L', to read the lower triangle, or 'U', got {UPLO!r}")
    return UPLO.upper()


@numpy_function(module="linalg")
def eigh(a, UPLO: str = "L"):  # noqa: N803
    """The eigenvalues w, ascending, and the eigenvectors, the columns of V, of symmetric a (..., n, n).

    a V = V diag(w). Only the lower triangle of a is read, or the upper one with UPLO="U". The sign of an
    eigenvector is arbitrary, and so is the basis for equal eigenvalues: a function that depends on it has no
    derivative. A function of their space, such as the projection V V' on it, has the right gradient. The
    gradient of V diag(f(w)) V' is right only if all eigenvalues differ: for equal ones, a term f' is missing.

    >>> import tinygrad_seq as ts
    >>> w, v = ts.linalg.eigh(ts.tensor([[2.0, 0.0], [1.0, 2.0]]))
    >>> w.numpy()
    array([1., 3.], dtype=float32)
    """
    return EighResult(*_eigh(a, triangle(UPLO)))


@numpy_function(module="linalg")
def eigvalsh(a, UPLO: str = "L"):  # noqa: N803
    """The eigenvalues, ascending, of symmetric a (..., n, n), of which one triangle is read, as in `eigh`.

    Where eigenvalues are equal, a symmetric function of them, such as their sum, has the right gradient, but
    its second derivative lacks terms. One of them alone has no derivative there: its gradient is v v' for a
    unit vector v of their space.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.eigvalsh(ts.tensor([[2.0, 0.0], [1.0, 2.0]])).numpy()
    array([1., 3.], dtype=float32)
    """
    return _eigvalsh(a, triangle(UPLO))
