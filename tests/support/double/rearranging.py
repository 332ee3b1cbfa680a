"""Shapes and the order of elements. A result that is a view in NumPy is a writable view here."""

from __future__ import annotations

import operator

import numpy as np

from double.array import deliver, function, host, lengths, ndarray, number, view, wrap
from double.counting import downloaded, uploaded


def part(a, memory: np.ndarray) -> ndarray:
    """A result as a view of `a`, if it is one, else as a new array."""
    return view(a, memory) if np.may_share_memory(memory, a._host) else wrap(memory)


def seen(a) -> np.ndarray:
    """The memory of `a` for a view, which runs no kernel: `a` need not be on the current device."""
    return a._host if type(a) is ndarray else host(a)


@function
def reshape(a, newshape, order="C", *, copy=None):
    memory = seen(a)
    if not isinstance(newshape, (tuple, list, np.ndarray)):
        newshape = operator.index(newshape)
    try:
        found = np.reshape(memory, newshape, order)
        return wrap(found.copy()) if copy else part(a, found)
    except ValueError as error:
        if "unknown" in str(error):
            raise
        shape = newshape if np.ndim(newshape) else (newshape,)
        raise ValueError(f"cannot reshape array of size {memory.size} into shape {tuple(shape)}") from None


@function
def ravel(a, order="C"):
    return part(a, np.ravel(seen(a), order))


@function
def transpose(a, axes=None):
    return view(a, np.transpose(seen(a), axes))


@function
def permute_dims(a, axes=None):
    return view(a, np.transpose(seen(a), axes))


@function
def matrix_transpose(x, /):
    return view(x, np.matrix_transpose(seen(x)))


@function
def moveaxis(a, source, destination):
    return view(a, np.moveaxis(seen(a), source, destination))


@function
def rollaxis(a, axis, start=0):
    return view(a, np.rollaxis(seen(a), axis, start))


@function
def swapaxes(a, axis1, axis2):
    try:
        return view(a, np.swapaxes(seen(a), axis1, axis2))
    except ValueError:
        raise ValueError("Axis out of range") from None


@function
def expand_dims(a, axis):
    if isinstance(axis, list):
        raise TypeError("Argument 'axis' has incorrect type (expected tuple, got list)")
    return view(a, np.expand_dims(seen(a), axis))


@function
def squeeze(a, axis=None):
    return view(a, np.squeeze(seen(a), axis))


@function
def broadcast_to(array, shape):
    return view(array, np.broadcast_to(seen(array), shape))


@function
def broadcast_arrays(*args):
    shape = np.broadcast_shapes(*(seen(a).shape for a in args))
    return tuple(broadcast_to(a, shape) for a in args)


@function
def diagonal(a, offset=0, axis1=0, axis2=1):
    if a._host.ndim < 2:
        raise np.exceptions.AxisError(f"axes {axis1} and {axis2} of an array of {a._host.ndim} axes")
    return view(a, np.diagonal(seen(a), offset, axis1, axis2))


@function
def diag(v, k=0):
    return part(v, np.diag(seen(v), k))


@function
def flip(a, axis=None):
    if isinstance(axis, list):
        raise TypeError("'list' object cannot be interpreted as an integer")
    return view(a, np.flip(seen(a), axis))


@function
def fliplr(a):
    return view(a, np.fliplr(seen(a)))


@function
def flipud(a):
    return view(a, np.flipud(seen(a)))


@function("lib.stride_tricks.as_strided")
def as_strided(x, shape=None, strides=None):
    return view(x, np.lib.stride_tricks.as_strided(seen(x), shape, strides))


@function("lib.stride_tricks.sliding_window_view")
def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    uploaded()  # a small array of axes is uploaded and downloaded
    downloaded()
    return view(x, np.lib.stride_tricks.sliding_window_view(seen(x), window_shape, axis, writeable=True))


@function
def atleast_1d(*arys):
    found = [view(a, np.atleast_1d(seen(a))) for a in arys]
    return found[0] if len(found) == 1 else tuple(found)


@function
def atleast_2d(*arys):
    found = [view(a, np.atleast_2d(seen(a))) for a in arys]
    return found[0] if len(found) == 1 else tuple(found)


@function
def split(ary, indices_or_sections, axis=0):
    lengths(indices_or_sections)
    try:
        return [view(ary, p) for p in np.split(seen(ary), indices_or_sections, axis)]
    except ValueError:
        raise ValueError("indices_or_sections must divide the size along the axes.") from None


@function
def array_split(ary, indices_or_sections, axis=0):
    return [view(ary, p) for p in np.array_split(seen(ary), indices_or_sections, axis)]


@function("concatenate", "concat")
def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    arrays = [number(a) for a in tup]
    if not arrays:
        raise ValueError("Cannot concatenate from empty tuple")
    if any(not isinstance(a, np.ndarray) for a in arrays):
        raise TypeError("Only cupy arrays can be concatenated")
    if len({a.ndim for a in arrays}) > 1 and axis is not None:
        raise ValueError("All arrays to concatenate must have the same ndim")
    return deliver(np.concatenate(arrays, axis, dtype=dtype, casting=casting), out)


@function
def stack(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    arrays = [host(a) for a in tup]
    if len({a.ndim for a in arrays}) > 1:
        raise ValueError("All arrays to concatenate must have the same ndim")
    return deliver(np.stack(arrays, axis, dtype=dtype, casting=casting), out)


@function
def vstack(tup, *, dtype=None, casting="same_kind"):
    return wrap(np.vstack([host(a) for a in tup], dtype=dtype, casting=casting))


@function
def hstack(tup, *, dtype=None, casting="same_kind"):
    return wrap(np.hstack([host(a) for a in tup], dtype=dtype, casting=casting))


@function
def tile(A, reps):  # noqa: N803, NumPy's name
    return wrap(np.tile(host(A), reps))


@function
def repeat(a, repeats, axis=None):
    if isinstance(repeats, np.ndarray):
        raise TypeError("'repeats' does not accept numpy.ndarray; convert with cupy.array() first")
    if type(repeats) is ndarray or np.ndim(repeats):
        if type(repeats) is not ndarray:
            uploaded()
        downloaded()  # the sum of the repeats, and the largest
        downloaded()
        repeats = host(repeats) if type(repeats) is ndarray else repeats
    elif repeats < 0:
        raise ValueError(f"'repeats' should not be negative: {repeats}")
    return wrap(np.repeat(host(a), repeats, axis))


@function
def roll(a, shift, axis=None):
    return wrap(np.roll(host(a), host(shift) if type(shift) is ndarray else shift, axis))


@function
def rot90(a, k=1, axes=(0, 1)):
    return part(a, np.rot90(seen(a), k, axes))


@function
def pad(array, pad_width, mode="constant", **kwargs):
    return wrap(np.pad(host(array), pad_width, mode, **kwargs))


@function
def tril(m, k=0):
    return wrap(np.tril(host(m), k))


@function
def triu(m, k=0):
    return wrap(np.triu(host(m), k))


@function
def sort(a, axis=-1, kind=None):
    return wrap(np.sort(host(a), axis, kind=only_kind(kind)))


@function
def argsort(a, axis=-1, kind=None):
    return wrap(np.argsort(host(a), axis, kind=only_kind(kind)))


@function
def argpartition(a, kth, axis=-1):
    """All elements are sorted."""
    memory = host(a)
    if axis is None:
        memory, axis = memory.ravel(), -1
    size = memory.shape[np.lib.array_utils.normalize_axis_index(axis, memory.ndim)]
    for k in (kth,) if isinstance(kth, int) else kth:
        if not -size <= k < size:
            raise ValueError(f"kth(={k}) out of bounds {size}")
    return wrap(np.argsort(memory, axis, kind="stable"))


def only_kind(kind: str | None) -> str:
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    return "stable"


@function
def searchsorted(a, v, side="left", sorter=None):
    if type(v) is not ndarray and np.ndim(v):
        raise NotImplementedError("Only python scalars or ndarrays are supported for v")
    return wrap(np.searchsorted(host(a), number(v), "right" if side == "right" else "left"))


@function
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True):
    downloaded()
    if return_counts:
        downloaded()
    found = np.unique(host(ar), return_index, return_inverse, return_counts, axis, equal_nan=equal_nan)
    return tuple(map(wrap, found)) if isinstance(found, tuple) else wrap(found)
