"""Reading and writing by index: out-of-range indices wrap, and among duplicates any one may be written last.

An index array on the host, a list or a range is uploaded silently, so each counts as an upload. The host needs
the number of elements that a mask chooses, and waits for it.
"""

from __future__ import annotations

import numpy as np

from double.array import SCALARS, deliver, function, host, method, ndarray, number, type_name, view, wrap
from double.counting import downloaded, uploaded

normalize_axis_index = np.lib.array_utils.normalize_axis_index
chance = np.random.default_rng(0)  # the order in which duplicates are written or added
INTEGER = "arrays used as indices must be of integer or boolean type. (actual: {})"
ADDED = {
    "add": "int32, int64, float16, float32, float64, uint32, uint64",
    "subtract": "int32, uint32, ",
    **dict.fromkeys(("maximum", "minimum"), "int32, int64, float32, float64, uint32, uint64"),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), "int32, int64, uint32, uint64"),
}


def indices_of(part, name: str = "indices") -> np.ndarray:
    """An index array, from any device, on the host."""
    if type(part) is ndarray:
        return host(part, name)
    array = np.asarray(part)
    if array.ndim and array.size:
        uploaded()
    return array.astype(np.intp) if array.size == 0 and not isinstance(part, np.ndarray) else array


def wrapped(indices: np.ndarray, size: int) -> np.ndarray:
    """Indices modulo the size of their axis."""
    if size == 0 and indices.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    return indices % size if size else indices


def parsed(key, shape: tuple[int, ...]) -> tuple[tuple, bool]:
    """`key` for NumPy, and whether it contains arrays: then the result is a copy, else a view."""
    parts = [
        indices_of(part) if isinstance(part, (ndarray, np.ndarray, list, tuple, range)) else part
        for part in (key if isinstance(key, tuple) else (key,))
    ]
    arrays = any(isinstance(part, (np.ndarray, bool)) for part in parts)
    unnamed = len(shape) - sum(axes_of(part) for part in parts)
    axis, result = 0, []
    for part in parts:
        size = shape[axis] if axis < len(shape) else None
        result.append(for_numpy(part, axis, size))
        axis += unnamed if part is Ellipsis else axes_of(part)
    return (*result, *([] if any(part is Ellipsis for part in parts) else [...])), arrays


def for_numpy(part, axis: int, size: int | None):
    """A part of a key for NumPy; it indexes `axis`, with length `size` (None after the last axis)."""
    if isinstance(part, slice):
        return slice(*(end if end is None else int(end) for end in (part.start, part.stop, part.step)))
    if isinstance(part, (bool, np.bool_)) or (isinstance(part, np.ndarray) and part.dtype == bool):
        downloaded()  # how many elements the mask chooses
        return part
    if isinstance(part, np.ndarray):
        if part.dtype.kind not in "iu":
            raise IndexError(INTEGER.format(part.dtype.type))
        return part if size is None else wrapped(part, size)
    if part is None or part is Ellipsis:
        return part
    i = int(part)
    if size is not None and not -size <= i < size:
        raise IndexError(f"Index {i} is out of bounds for axis {axis} with size {size}")
    return i


def axes_of(part) -> int:
    """The number of axes that a part of a key indexes."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1


def chosen(memory: np.ndarray, parts: tuple) -> np.ndarray:
    """memory[parts]; ValueError for index arrays that do not broadcast."""
    try:
        return memory[parts]
    except IndexError as error:
        if "shape mismatch" in str(error):
            raise ValueError(str(error)) from None
        raise


BASIC = (int, slice, type(None), type(Ellipsis))


@method("__getitem__")
def getitem(a, key):
    for part in key if type(key) is tuple else (key,):
        if type(part) not in BASIC:
            break
    else:
        try:  # faster, and right for most keys
            part = a._host[key]
            if type(part) is np.ndarray:
                return view(a, part)
        except (IndexError, TypeError):
            pass
    parts, arrays = parsed(key, a._host.shape)
    return wrap(chosen(host(a), parts)) if arrays else view(a, a._host[parts])


@method("__setitem__")
def setitem(a, key, value):
    memory = host(a)
    parts, arrays = parsed(key, memory.shape)
    if not arrays:
        memory[parts] = filling(value, "fill")
        return
    places, value = scattered(memory, parts, value)
    memory[places] = value


@method("__delitem__")
def delitem(a, key):
    raise NotImplementedError("Subscript deletion not supported by ndarray")


def scalar(x) -> bool:
    return isinstance(x, SCALARS)


def filling(value, verb: str):
    """The value for a fill or an assignment: an array on the device, or a scalar."""
    if type(value) is ndarray:
        return host(value)
    if np.ndim(value):
        raise ValueError(f"non-scalar numpy.ndarray cannot be used for {verb}")
    return value


def scattered(memory: np.ndarray, parts: tuple, value) -> tuple[tuple, np.ndarray]:
    """The positions to which the elements of `value` are written, one by one, in random order."""
    value = np.asarray(value if scalar(value) else indices_of(value)).astype(memory.dtype)
    places = chosen(np.arange(memory.size).reshape(memory.shape), parts)
    if not places.size:
        return np.unravel_index(places.ravel(), memory.shape), np.empty(0, memory.dtype)
    if value.ndim > places.ndim:
        value = value.reshape(value.shape[value.ndim - places.ndim :])
    try:
        value = np.broadcast_to(value, places.shape)
    except ValueError:
        raise ValueError(
            f"operands could not be broadcast together with shape {value.shape} "
            f"and requested shape {places.shape}"
        ) from None
    order = chance.permutation(places.size)
    return np.unravel_index(places.ravel()[order], memory.shape), value.ravel()[order]


def add_at(ufunc: np.ufunc, a, key, value) -> None:
    """a[key] += value for every element of value, in random order; also for other ufuncs than add."""
    if type(a) is not ndarray:
        raise AttributeError(f"'{type_name(a)}' object has no attribute '_scatter_op'")
    memory, name = host(a), ufunc.__name__
    if memory.dtype.name not in ADDED[name].split(", "):
        raise TypeError(f"cupy.{name}.at only supports {ADDED[name]} as data type")
    parts, _ = parsed(key, memory.shape)
    places, value = scattered(memory, parts, value)
    ufunc.at(memory, places, value)


@function
def take(a, indices, axis=None, out=None):
    memory = host(a)
    size = memory.size if axis is None else memory.shape[normalize_axis_index(axis, memory.ndim)]
    places = wrapped(indices_of(indices).astype(np.intp), size)
    return deliver(np.take(memory, places, axis), out)


@function
def take_along_axis(a, indices, axis):
    memory = host(a)
    memory, axis = (memory.ravel(), 0) if axis is None else (memory, axis)
    return wrap(np.take_along_axis(memory, wrapped(indices_of(indices), memory.shape[axis]), axis))


@function
def put_along_axis(arr, indices, values, axis):
    memory = host(arr)
    values = values if scalar(values) else indices_of(values)
    np.put_along_axis(memory, wrapped(indices_of(indices), memory.shape[axis]), values, axis)


@function
def put(a, ind, v, mode="wrap"):
    memory = host(a)
    places = wrapped(indices_of(ind), memory.size).ravel()
    order = chance.permutation(places.size)
    values = np.resize(v if scalar(v) else indices_of(v), places.size)
    memory.flat[places[order]] = values[order]


@function
def nonzero(a):
    downloaded()
    return tuple(wrap(part) for part in np.nonzero(host(a)))


@function
def flatnonzero(a):
    downloaded()
    return wrap(np.flatnonzero(host(a)))


@function
def argwhere(a):
    downloaded()
    return wrap(np.argwhere(host(a)))


@function
def where(condition, x=None, y=None):
    if (x is None) != (y is None):
        raise ValueError("Must provide both 'x' and 'y' or neither.")
    if x is None:
        return nonzero(condition)
    if isinstance(condition, (bool, int, float)):
        raise AttributeError(f"'{type(condition).__name__}' object has no attribute 'astype'")
    return wrap(np.where(number(condition), number(x), number(y)))
