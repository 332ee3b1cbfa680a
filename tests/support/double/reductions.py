"""Reductions; a result without axes is a 0-d array, never a NumPy scalar.

They have no `initial` and no `where`. The mean of an empty array is NaN, without a warning.
"""

from __future__ import annotations

import numpy as np

from double.array import deliver, function, host, number, wrap


def reduced(f, a, axis, out, keepdims, **dtype):
    axis = tuple(axis) if isinstance(axis, list) else axis
    return deliver(f(host(a), axis=axis, keepdims=bool(keepdims), **dtype), out)


@function
def sum(a, axis=None, dtype=None, out=None, keepdims=False):
    return total(np.sum, a, axis, dtype, out, keepdims)


@function
def prod(a, axis=None, dtype=None, out=None, keepdims=False):
    return total(np.prod, a, axis, dtype, out, keepdims)


def total(f, a, axis, dtype, out, keepdims):
    """A sum or a product; half precision is accumulated in single precision and rounded once."""
    if np.dtype(dtype or host(a).dtype) != np.float16:
        return reduced(f, a, axis, out, keepdims, dtype=dtype)
    found = reduced(f, a, axis, None, keepdims, dtype=np.float32)
    return deliver(found._host.astype(np.float16), out)


@function("max", "amax")
def amax(a, axis=None, out=None, keepdims=False):
    return extreme(np.max, a, axis, out, keepdims)


@function("min", "amin")
def amin(a, axis=None, out=None, keepdims=False):
    return extreme(np.min, a, axis, out, keepdims)


def extreme(f, a, axis, out, keepdims):
    try:
        return reduced(f, a, axis, out, keepdims)
    except ValueError as error:
        if "no identity" in str(error):
            raise no_identity(f.__name__.removeprefix("a")) from None
        raise


def no_identity(name: str) -> ValueError:
    return ValueError(f"zero-size array to reduction operation cupy_{name} which has no identity")


@function
def ptp(a, axis=None, out=None, keepdims=False):
    return reduced(np.ptp, a, axis, out, keepdims)


@function
def all(a, axis=None, out=None, keepdims=False):
    return reduced(np.all, a, axis, out, keepdims)


@function
def any(a, axis=None, out=None, keepdims=False):
    return reduced(np.any, a, axis, out, keepdims)


@function
def argmax(a, axis=None, dtype=None, out=None, keepdims=False):
    return place(np.argmax, a, axis, dtype, out, keepdims)


@function
def argmin(a, axis=None, dtype=None, out=None, keepdims=False):
    return place(np.argmin, a, axis, dtype, out, keepdims)


@function
def nanargmax(a, axis=None, dtype=None, out=None, keepdims=False):
    return place_of_number(np.argmax, -np.inf, a, axis, dtype, out, keepdims)


@function
def nanargmin(a, axis=None, dtype=None, out=None, keepdims=False):
    return place_of_number(np.argmin, np.inf, a, axis, dtype, out, keepdims)


def place_of_number(f, last, a, axis, dtype, out, keepdims):
    """-1 where all are NaN."""
    memory = host(a)
    if memory.size == 0 and (axis is None or memory.shape[axis] == 0):
        raise no_identity(f"nan{f.__name__}")
    absent = np.isnan(memory)
    found = f(np.where(absent, last, memory), axis=axis, keepdims=keepdims)
    found = np.where(np.all(absent, axis=axis, keepdims=keepdims), -1, found)
    return deliver(found.astype(dtype or np.longlong), out)


def place(f, a, axis, dtype, out, keepdims):
    memory = host(a)
    if memory.size == 0 and (axis is None or memory.shape[axis] == 0):
        raise no_identity(f.__name__)
    return deliver(np.asarray(f(memory, axis=axis, keepdims=keepdims)).astype(dtype or np.longlong), out)


@function
def mean(a, axis=None, dtype=None, out=None, keepdims=False):
    memory = host(a)
    count = np.sum(np.ones_like(memory, np.int64), axis, keepdims=keepdims)
    kind = np.dtype(dtype or (memory.dtype if memory.dtype.kind in "fc" else np.float64))
    total = np.sum(memory, axis, np.float32 if kind == np.float16 else kind, keepdims=keepdims)
    return deliver(np.asarray(total / count).astype(kind), out)


@function
def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    memory = host(a)
    if memory.size == 0:
        return deliver(np.asarray(np.nan + np.sum(memory, axis, keepdims=keepdims)), out)
    return deliver(np.var(memory, axis, dtype, ddof=ddof, keepdims=keepdims), out)


@function
def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False):
    return deliver(np.sqrt(var(a, axis, dtype, None, ddof, keepdims)._host), out)


@function
def cumsum(a, axis=None, dtype=None, out=None):
    return running(np.cumsum, a, axis, dtype, out)


@function
def cumprod(a, axis=None, dtype=None, out=None):
    return running(np.cumprod, a, axis, dtype, out)


def running(f, a, axis, dtype, out):
    """Cumulative sums or products; half precision is accumulated in single precision."""
    if np.dtype(dtype or host(a).dtype) != np.float16:
        return deliver(f(host(a), axis, dtype), out)
    return deliver(f(host(a), axis, np.float32).astype(np.float16), out)


@function
def count_nonzero(a, axis=None):
    return wrap(np.count_nonzero(host(a), axis))


@function
def trace(a, offset=0, axis1=0, axis2=1, dtype=None, out=None):
    return deliver(np.trace(host(a), offset, axis1, axis2, dtype), out)


@function
def array_equal(a1, a2, equal_nan=False):
    return wrap(np.array_equal(host(a1), host(a2), equal_nan=equal_nan))


@function
def allclose(a, b, rtol=1e-5, atol=1e-8, equal_nan=False):
    return wrap(np.allclose(number(a), number(b), rtol, atol, equal_nan))
