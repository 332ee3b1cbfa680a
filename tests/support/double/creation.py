"""New arrays: uploaded, filled, ranges, or like another array. They are created on the current device."""

from __future__ import annotations

import numpy as np

from double.array import function, get, host, lengths, ndarray, number, poison, poisoned, type_name, view, wrap
from double.counting import uploaded
from double.cuda import current
from double.indexing import filling


def upload(given, dtype=None, order="K") -> ndarray:
    """Host data as a new array; a list of arrays on the device is stacked there."""
    if isinstance(given, (list, tuple)) and given and all(type(x) is ndarray for x in given):
        stacked = np.stack([host(x) for x in given])
        return wrap(stacked if dtype is None else stacked.astype(dtype))
    data = np.array(given, dtype=dtype, order=order or "K", subok=False)
    if data.dtype.kind not in "biufc" or data.dtype.name in ("float128", "complex256"):
        raise ValueError(f"Unsupported dtype {data.dtype}")
    if data.ndim and data.size:  # a single number is an argument of the kernel, not an upload
        uploaded()
    return wrap(data.astype(data.dtype.newbyteorder("=")), "K")


@function
def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    if type(a) is not ndarray:
        return upload(a, dtype, order)
    same = dtype is None or np.dtype(dtype) == a._host.dtype
    if same and not copy and order in (None, "K") and a._device == current.id:
        return a
    return wrap(np.array(a._host, dtype, order=order), "K")


@function
def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    found = asarray(obj, dtype, order, copy=copy)
    lacking = ndmin - found._host.ndim
    return found if lacking <= 0 else view(found, found._host[(None,) * lacking])


@function
def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return get(a) if type(a) is ndarray else np.asarray(a)


@function
def ascontiguousarray(a, dtype=None):
    return asarray(
        np.ascontiguousarray(a) if type(a) is not ndarray else wrap(np.ascontiguousarray(host(a))), dtype
    )


@function
def copy(a, order="K"):
    return wrap(a._host.copy(order), "K")  # on the current device, even if `a` is on another


@function
def empty(shape, dtype=float, order="C"):
    return poisoned(shape, dtype, order)


@function
def zeros(shape, dtype=float, order="C"):
    return filled(shape, 0, dtype, order)


@function
def ones(shape, dtype=float, order="C"):
    return filled(shape, 1, dtype, order)


@function
def full(shape, fill_value, dtype=None, order="C"):
    value = filling(fill_value, "copyto")
    return filled(shape, value, dtype or np.asarray(value).dtype, order)


def filled(shape, value, dtype, order="C") -> ndarray:
    """A new array with `value` for every element."""
    z = poisoned(shape, dtype, order)
    z._host[...] = value
    return z


@function
def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return like(prototype, dtype, order, subok, shape)


@function
def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    return like(a, dtype, order, subok, shape, 0)


@function
def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    return like(a, dtype, order, subok, shape, 1)


@function
def full_like(a, fill_value, dtype=None, order="K", subok=None, shape=None):
    return like(a, dtype, order, subok, shape, filling(fill_value, "copyto"))


def like(a, dtype, order, subok, shape, value=None) -> ndarray:
    """A new array like `a`, except for the given properties, filled with `value` or with poison."""
    if subok is not None:
        raise TypeError("subok is not supported yet")
    if type(a) is not ndarray:
        raise AttributeError(f"'{type_name(a)}' object has no attribute 'dtype'")
    shape = lengths(shape) if shape else None  # CuPy treats () and 0 like None
    z = wrap(np.empty_like(a._host, dtype, order, shape=shape), "K")
    z._host[...] = poison(z._host.dtype) if value is None else value
    return z


@function
def arange(start, stop=None, step=1, dtype=None):
    return wrap(np.arange(*((0, start) if stop is None else (start, stop)), step, dtype))


@function
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    return wrap(np.linspace(start, stop, num, endpoint, retstep, dtype, axis))


@function
def eye(N, M=None, k=0, dtype=float, order="C"):  # noqa: N803, NumPy's names
    return wrap(np.eye(N, M, k, dtype, order))


@function
def identity(n, dtype=float):
    return wrap(np.identity(n, dtype))


@function
def tri(N, M=None, k=0, dtype=float):  # noqa: N803
    return wrap(np.tri(N, M, k, dtype))


@function
def copyto(dst, src, casting="same_kind", where=None):
    if type(dst) is not ndarray:
        raise AttributeError("'memoryview' object has no attribute 'copy_from_async'")
    given = src._host if type(src) is ndarray else filling(src, "copyto")  # from any device to any other
    np.copyto(dst._host, given, casting, where=True if where is None else number(where))
