"""Systems of linear equations, and inverses: of square matrices, and in the sense of least squares.

A derivative of the inverse multiplies by the inverse again. The Moore-Penrose inverse jumps where the rank of
the matrix changes; its derivative is that along matrices of the same rank.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.ops import reduction
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.ops.linalg.arguments import finite, floats, squares
from tinygrad_seq.ops.linalg.singular import _svd, spread, svdvals
from tinygrad_seq.ops.linalg.triangles import mirrored
from tinygrad_seq.ops.matmul import matmul
from tinygrad_seq.ops.shape import reshape, transpose


def dominant(x):
    """x + 8 I, which is invertible for the values that the laws draw."""
    return x + 8 * np.eye(x.shape[-1])


@primitive("(n,n),(n,m)->(n,m)", domain={"a": dominant})
def _solve(a, b, /):
    """z = a^-1 b"""
    return backend.solve(a, b)


_solve.vjp(lambda g, a, z: _solve(a.mT, np.negative(g)) @ z.mT, lambda g, a: _solve(a.mT, g))
_solve.jvp(lambda g, a, z: _solve(a, np.negative(g @ z)), lambda g, a: _solve(a, g))


@numpy_function(module="linalg")
def solve(a, b):
    """The solution x of a x = b, for invertible a (..., n, n) and b, a vector (n,) or matrices (..., n, m).

    NumPy's LinAlgError for a singular matrix.

    >>> import tinygrad_seq as ts
    >>> ts.solve(ts.tensor([[2.0, 0.0], [0.0, 4.0]]), ts.tensor([2.0, 2.0])).numpy()
    array([1. , 0.5], dtype=float32)
    """
    if np.ndim(b) == 1:
        z = _solve(a, reshape(b, (-1, 1)))
        return reshape(z, np.shape(z)[:-1])
    return _solve(a, b)


@primitive("(n,n)->(n,n)", domain={"a": dominant}, module="linalg")
def inv(a, /):
    """z = a^-1, for invertible a (..., n, n)

    NumPy's LinAlgError for a singular matrix.

    >>> ts.linalg.inv(ts.tensor([[2.0, 0.0], [0.0, 4.0]])).numpy()
    array([[0.5 , 0.  ],
           [0.  , 0.25]], dtype=float32)
    """
    return backend.checked(np.linalg.inv, a)


inv.vjp(lambda g, z: np.negative(z.mT @ g @ z.mT))
inv.jvp(lambda g, z: np.negative(z @ g @ z))


@primitive("(n,m),()->(m,n)", domain={"a": spread})
def _pinv(a, rtol, /):
    """z = V diag(1 / s) U', for a = U diag(s) V'; with 0 for 1 / s_i where s_i <= rtol max s"""
    u, s, v = backend.checked(np.linalg.svd, finite(a), False)
    zero = cut_off(s, rtol)
    return v.mT @ (np.where(zero, 0, 1 / np.where(zero, 1, s))[..., None] * u.mT)


def cut_off(s, rtol):
    """Which of the singular values s count as 0."""
    return s <= (np.expand_dims(rtol, -1) if np.ndim(rtol) else rtol) * s[..., :1]


# dz = -z da z + z z' da' (I - a z) + (I - z a) da' z' z, if what is cut off is 0 (Golub and Pereyra 1973)
def pinv_vjp(g, a, z, rtol):
    h, of_kept = g.mT, chain(z.mT, g, z.mT)
    of_rank = chain(z.mT, z, h - chain(h, z, a)) + chain(h - chain(a, z, h), z, z.mT) - of_kept
    return of_rank + mixed(h, a, rtol)


def pinv_jvp(g, a, z, rtol):
    h, of_kept = g.mT, chain(z, g, z)
    of_rank = chain(z, z.mT, h - chain(h, a, z)) + chain(h - chain(z, a, h), z.mT, z) - of_kept
    return of_rank + mixed(g, a, rtol).mT


def chain(x, y, w):
    """x y w, by the smaller of the two products: of a long matrix never the large one."""
    first, last = x.shape[-2] * y.shape[-1], y.shape[-2] * w.shape[-1]
    return (x @ y) @ w if first <= last else x @ (y @ w)


def mixed(h, a, rtol):
    """What is missing if a singular value c that is cut off is not 0: its vectors turn with the others.

    With p = U' h V it is U m V', m_ij = e (c / b p_ij + p_ji) with e = c / (b (b^2 - c^2)) for i and j of which
    one, b, is kept and one, c, is cut off, and 0 for others. A symmetric map, for the VJP and the JVP.
    """
    u, s, v = _svd(a, False)
    p, zero = u.mT @ h @ v.mT, cut_off(s, rtol)
    one, other = s[..., :, None], s[..., None, :]
    pairs = zero[..., :, None] != zero[..., None, :]
    b, c = np.where(pairs, np.maximum(one, other), 2), np.where(pairs, np.minimum(one, other), 0)
    return u @ (c / (b * (b * b - c * c)) * (c / b * p + p.mT)) @ v


_pinv.vjp(pinv_vjp, None)
_pinv.jvp(pinv_jvp, None)

RTOL = 1e-15  # of pinv, if nothing is given


@numpy_function(module="linalg")
def pinv(a, rcond=None, hermitian: bool = False, *, rtol=RTOL):
    """The Moore-Penrose inverse of a (..., n, m); singular values up to `rtol` times the largest count as 0.

    hermitian  a is symmetric, and only its lower triangle is read
    rtol       a number, or one per matrix; None for max(n, m) times the eps of the dtype
    rcond      another name for rtol, without None; ValueError for both

    Where a singular value begins to count, the inverse jumps and has no derivative.

    >>> import tinygrad_seq as ts
    >>> ts.linalg.pinv(ts.tensor([[2.0, 0.0], [0.0, 0.0]])).numpy()
    array([[0.5, 0. ],
           [0. , 0. ]], dtype=float32)
    """
    if rcond is not None and rtol is not RTOL:
        raise ValueError("pinv accepts rtol or rcond, got both")
    a = floats(a)
    rtol = rcond if rcond is not None else rtol if rtol is not None else smallest(a)
    return _pinv(mirrored(squares(a)) if hermitian else a, rtol)


def smallest(a) -> float:
    """max(n, m) eps: smaller singular values, relative to the largest, may be rounding errors."""
    return max(a.shape[-2:]) * float(np.finfo(a.dtype).eps)


class LstsqResult(NamedTuple):
    """What `lstsq` returns."""

    x: Any
    residuals: Any
    rank: Any
    singular_values: Any


@numpy_function(module="linalg")
def lstsq(a, b, rcond: float | None = None):
    """The shortest x with the least sum of squares of b - a x, for a (n, m) and b (n,) or (n, k).

    rcond  singular values up to `rcond` times the largest count as 0; None for max(n, m) times eps

    Returns x, the sum of squares for each column of b (or none, if n <= m or the rank of a is less than m), the
    rank of a, and its singular values. LinAlgError for other shapes. x is pinv(a, rcond) @ b, and so are its
    derivatives.

    >>> import tinygrad_seq as ts
    >>> x, residuals, rank, s = ts.linalg.lstsq(ts.tensor([[2.0], [0.0]]), ts.tensor([1.0, 3.0]))
    >>> x.numpy(), residuals.numpy(), rank.item()
    (array([0.5], dtype=float32), array([9.], dtype=float32), 1)
    """
    a, b = floats(a), floats(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or len(a) != len(b):
        raise np.linalg.LinAlgError(
            f"lstsq expects a matrix (n, m), and a vector (n,) or a matrix (n, k), got {a.shape} and {b.shape}"
        )
    if np.float16 in (a.dtype, b.dtype):
        raise TypeError("lstsq does not support float16: use astype")
    none = reduction.sum(a[:0]) + reduction.sum(b[:0])
    a, b = a + none, b + none  # of one dtype, and Tensors if one of them is
    n, m = a.shape
    eps = float(np.finfo(a.dtype).eps)
    rcond = smallest(a) if rcond is None else eps if rcond < 0 else rcond
    s = svdvals(a)
    rank = reduction.sum(s > rcond * s[:1]).astype(np.int32)
    x = matmul(pinv(a, rcond), b)
    if n <= m or data_of(rank) < m:
        return LstsqResult(x, s[:0], rank, s)
    errors = square(b - matmul(a, x))
    return LstsqResult(x, reduction.sum(errors, 0, keepdims=b.ndim == 1), rank, s)


@numpy_function(module="linalg")
def tensorsolve(a, b, axes=None):
    """The x with tensordot(a, x, x.ndim) = b; `axes` of a are first moved to its end.

    LinAlgError if the axes of a for x have not as many elements as b.

    >>> import tinygrad_seq as ts
    >>> a = ts.tensor(np.eye(6).reshape(2, 3, 6))
    >>> ts.linalg.tensorsolve(a, ts.ones((2, 3))).shape
    (6,)
    """
    if axes is not None:
        axes = tuple(axes)
        a = transpose(a, (*(i for i in range(np.ndim(a)) if i not in axes), *axes))
    shape = np.shape(a)[np.ndim(b) - np.ndim(a) :]
    size = math.prod(shape)
    if math.prod(np.shape(a)) != size**2:
        raise np.linalg.LinAlgError(
            f"tensorsolve expects prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim]), got {np.shape(a)} and "
            f"{np.shape(b)}"
        )
    return reshape(solve(reshape(a, (size, size)), reshape(b, -1)), shape)


@numpy_function(module="linalg")
def tensorinv(a, ind: int = 2):
    """The inverse of the map x -> tensordot(a, x, a.ndim - ind): its shape is a.shape[ind:] + a.shape[:ind].

    >>> import tinygrad_seq as ts
    >>> ts.linalg.tensorinv(ts.tensor(np.eye(6).reshape(2, 3, 6))).shape
    (6, 2, 3)
    """
    if ind <= 0:
        raise ValueError(f"tensorinv expects ind of 1 or more, got {ind}")
    shape = np.shape(a)
    return reshape(inv(reshape(a, (math.prod(shape[ind:]), -1))), shape[ind:] + shape[:ind])
