"""Linear algebra. A singular matrix silently gives NaN, unless errors are switched on; then the host waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from double.array import function, host, ndarray, view, wrap
from double.counting import downloaded


def matrices(*arrays, square: bool = True) -> list[np.ndarray]:
    """The operands of linear algebra, in a float dtype."""
    if not all(type(a) is ndarray for a in arrays):
        raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
    raw = [host(a) for a in arrays]
    if any(a.dtype == np.float16 for a in raw):
        raise TypeError("float16 is unsupported in linalg")
    if raw[0].ndim < 2:
        raise np.linalg.LinAlgError(
            f"{raw[0].ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if square and raw[0].ndim >= 2 and raw[0].shape[-1] != raw[0].shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    return [a if a.dtype.kind in "fc" else a.astype(np.float64) for a in raw]


class Errors(threading.local):
    """What linear algebra does if there is no result: "raise" or nothing."""

    linalg = "ignore"


errors = Errors()


@contextmanager
def errstate(*, linalg: str | None = None) -> Iterator[None]:
    """`cupyx.errstate`: with "raise" the host waits for each factorisation, and raises an error if it fails."""
    before = errors.linalg
    errors.linalg = linalg or before
    try:
        yield
    finally:
        errors.linalg = before


def factored(f, *arrays: np.ndarray) -> np.ndarray:
    """f(...); if it fails for a matrix, an error if errors are switched on, else NaN in that matrix."""
    if errors.linalg == "raise":
        downloaded()
        return f(*arrays)
    try:
        return f(*arrays)
    except np.linalg.LinAlgError:
        if arrays[0].ndim > 2:
            return np.stack([factored(f, *parts) for parts in zip(*arrays, strict=True)])
        return np.full_like(arrays[-1], np.nan)


@function("linalg.solve")
def solve(a, b):
    a, b = matrices(a, b)
    if (b.ndim != 1 and a.shape[:-2] != b.shape[:-2]) or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
    return wrap(factored(np.linalg.solve, a, b))


@function("linalg.inv")
def inv(a):
    return wrap(factored(np.linalg.inv, *matrices(a)))


@function("linalg.cholesky")
def cholesky(a):
    return wrap(factored(np.linalg.cholesky, *matrices(a)))


@function("linalg.det")
def det(a):
    return wrap(np.linalg.det(*matrices(a)))


@function("linalg.slogdet")
def slogdet(a):
    return tuple(map(wrap, np.linalg.slogdet(*matrices(a))))


@function("linalg.qr")
def qr(a, mode="reduced"):
    return tuple(map(wrap, np.linalg.qr(*matrices(a, square=False), mode)))


@function("linalg.svd")
def svd(a, full_matrices=True, compute_uv=True):
    found = np.linalg.svd(*matrices(a, square=False), full_matrices, compute_uv)
    return tuple(map(wrap, found)) if compute_uv else wrap(found)


@function("linalg.eigh")
def eigh(a, UPLO="L"):  # noqa: N803, NumPy's name
    return tuple(map(wrap, np.linalg.eigh(*matrices(a), UPLO)))


@function("linalg.eigvalsh")
def eigvalsh(a, UPLO="L"):  # noqa: N803, NumPy's name
    return wrap(np.linalg.eigvalsh(*matrices(a), UPLO))


@function("linalg.norm")
def norm(x, ord=None, axis=None, keepdims=False):
    z = wrap(np.linalg.norm(host(x), ord, axis, keepdims))
    return view(z, z._host) if keepdims else z
