"""Functions that CuPy answers in a way of its own: what they wait for, upload, refuse, or take for granted."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np

from double import counting, indexing
from double.array import IMPLICIT, NUMBERS, ndarray, own, wrap
from double.methods import plain


def _dtypes(function):
    def answer(*given, **words):
        return function(*[x.dtype if isinstance(x, ndarray) else x for x in given], **words)

    return answer


def _where(condition, x=None, y=None):
    if not isinstance(condition, (ndarray, np.generic)):
        if isinstance(condition, np.ndarray):
            raise TypeError(f"Unsupported type {type(condition)}")
        raise AttributeError(f"{type(condition).__name__!r} object has no attribute 'astype'")
    if x is None:
        counting.downloaded()
        return wrap(np.nonzero(own(condition)))
    for part in (x, y):
        if not isinstance(part, (ndarray, *NUMBERS)):
            raise TypeError(f"Unsupported type {type(part)}")
    return wrap(np.where(plain(condition), plain(x), plain(y)))


def _copyto(dst, src, casting="same_kind", where=None):
    if not isinstance(dst, ndarray):
        raise AttributeError("'memoryview' object has no attribute 'copy_from_async'")
    if isinstance(src, np.ndarray) and src.ndim:
        raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
    np.copyto(
        own(dst),
        own(src) if isinstance(src, ndarray) else src,
        casting,
        True if where is None else plain(where),
    )


def _einsum(*operands, **kwargs):
    if wrong := [name for name in kwargs if name not in ("dtype", "optimize")]:
        raise TypeError(f"Did not understand the following kwargs: {wrong}")
    arrays = []
    for x in operands:
        if isinstance(x, np.ndarray):
            counting.uploaded()
        arrays.append(own(x) if isinstance(x, ndarray) else x)
    return wrap(np.einsum(*arrays, **kwargs), *operands)


def _take(a, indices, axis=None, out=None):
    if axis is None:
        a, axis = wrap(own(a).ravel()), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return wrap(indexing.read(own(a), (*[slice(None)] * axis, indices)), a)


def _take_along_axis(a, indices, axis):
    if isinstance(indices, np.ndarray):
        counting.uploaded()
    index = indices if isinstance(indices, np.ndarray) else own(indices)
    return wrap(np.take_along_axis(own(a), indexing.wrapped(index, own(a).shape[axis]), axis))


def _broadcast_to(array, shape):
    a = own(array)
    strides = np.broadcast_to(a, shape).strides
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return wrap(np.lib.stride_tricks.as_strided(a, shape, strides, writeable=True), array)


def _like(function):
    """An empty shape, and 0, is no shape to CuPy."""

    def make(a, dtype=None, order="K", subok=None, shape=None):
        return ndarray(function(own(a), dtype, order, shape=shape or None))

    return make


def _empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return poisoned(np.empty_like(own(prototype), dtype, order, shape=shape or None))


def poisoned(a: np.ndarray) -> ndarray:
    """Fresh memory, filled with what shows if it is read."""
    a.fill(np.nan if a.dtype.kind in "fc" else a.dtype.type(-1) if a.dtype.kind == "i" else 1)
    return ndarray(a)


def _joined(function):
    def join(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
        for x in tup:
            if isinstance(x, np.ndarray):
                raise TypeError(f"Unsupported type {type(x)}")
        result = function(
            [own(x) for x in tup], axis, None if out is None else own(out), dtype=dtype, casting=casting
        )
        return wrap(result) if out is None else out

    return join


def _repeat(a, repeats, axis=None):
    if isinstance(repeats, ndarray):
        counting.downloaded()
        counting.downloaded()  # CuPy reads them twice
        repeats = own(repeats)
    return wrap(np.repeat(own(a), repeats, axis))


def _nonzero(a):
    counting.downloaded()
    return wrap(np.nonzero(own(a)))


def _place(function):
    """Of several NaN CuPy may name any, and NumPy names the first; here it is the last."""

    def place(a, axis=None, dtype=None, out=None, keepdims=False):
        x = own(a)
        found = function(x, axis, keepdims=keepdims)
        if x.dtype.kind == "f" and np.isnan(x).any():
            n = x.size if axis is None else x.shape[axis]
            last = n - 1 - function(np.flip(x, axis), axis, keepdims=keepdims)
            found = np.where(np.isnan(x).any(axis, keepdims=keepdims), last, found)
        return wrap(found)

    return place


def _ordered(function):
    def order(a, axis=-1, kind=None):
        if kind not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        return wrap(function(own(a), axis, kind))

    return order


def _pad(array, pad_width, mode="constant", **kwargs):
    if any(isinstance(value, ndarray) for value in kwargs.values()):
        raise TypeError(IMPLICIT)
    return wrap(np.pad(own(array), pad_width, mode, **kwargs))


# --- linear algebra: what has no answer is garbage, unless it is asked for loudly ---------------------


class Linalg(threading.local):
    how = None


linalg = Linalg()


@contextmanager
def errstate(*, linalg: str | None = None):
    """`cupyx.errstate`: "raise" waits for the outcome of linear algebra."""
    before, state = globals()["linalg"].how, globals()["linalg"]
    state.how = linalg
    try:
        yield
    finally:
        state.how = before


def _solved(function, *arrays, garbage):
    if linalg.how == "raise":
        counting.synchronised()
    try:
        return wrap(function(*arrays))
    except np.linalg.LinAlgError as error:
        if linalg.how == "raise" or "square" in str(error):
            raise
        return wrap(np.full_like(garbage, np.nan))


def _solve(a, b):
    if not isinstance(a, ndarray) or not isinstance(b, ndarray):
        raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
    a, b = own(a), own(b)
    if (
        a.shape[:-1] != b.shape[: a.ndim - 1]
        or b.ndim not in (a.ndim, a.ndim - 1)
        or a.shape[-1] != a.shape[-2]
    ):
        raise ValueError("a must have (..., M, M) shape and b must have (..., M, K) for multidimensional b")
    return _solved(np.linalg.solve, a, b, garbage=b)


SPECIAL = {
    "argmax": _place(np.argmax),
    "argmin": _place(np.argmin),
    "argsort": _ordered(np.argsort),
    "sort": _ordered(np.sort),
    "broadcast_to": _broadcast_to,
    "can_cast": _dtypes(np.can_cast),
    "concatenate": _joined(np.concatenate),
    "copyto": _copyto,
    "einsum": _einsum,
    "empty_like": _empty_like,
    "linalg.cholesky": lambda a: _solved(np.linalg.cholesky, own(a), garbage=own(a)),
    "linalg.solve": _solve,
    "nonzero": _nonzero,
    "ones_like": _like(np.ones_like),
    "zeros_like": _like(np.zeros_like),
    "pad": _pad,
    "repeat": _repeat,
    "result_type": _dtypes(np.result_type),
    "stack": _joined(np.stack),
    "take": _take,
    "take_along_axis": _take_along_axis,
    "where": _where,
}
