"""Indexing, and its adjoint: the gradient of a gather is a scatter that adds.

An element that is read twice receives the sum of two cotangents, so the adjoint adds and never assigns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.mode import mode, refuse_in_a_step
from tinygrad_seq.engine.precision import rounded, wide
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.device_indices import index_on_device_of, indices_on_device_of
from tinygrad_seq.ops.shape import broadcast_to, reshape

ARRAY, MASK = "array", "mask"  # placeholders in a key for its index arrays, in order


def fill(key: tuple, indices) -> tuple:
    """`key` with its index arrays back in their places."""
    arrays = iter(indices)
    return tuple(next(arrays) if part in (ARRAY, MASK) else part for part in key)


def is_basic(key: tuple) -> bool:
    """Whether `key` has no index array or mask: x[key] is then a view, and reads no element twice."""
    return ARRAY not in key and MASK not in key


@primitive(
    examples=[
        example("(3,b)", key=(1,)),
        example("(a,4,b)", key=(Ellipsis, slice(None, None, -2), slice(None))),
        example("(a,b)", key=(None, slice(1, None), None)),
        example("(3,b)", [2, 0, 2], key=(ARRAY,)),
        example("(3,4)", [[2, 0], [2, 1]], [1, 3], key=(ARRAY, ARRAY)),
        example("(a,3)", [0, 2, 0], key=(slice(None), ARRAY)),
        example("(3)", [True, False, True], key=(MASK,)),
        example("()", key=()),
    ]
)
def _getitem(x, /, *indices, key):
    """z = x[key], with NumPy's indexing; `key` is metadata, its index arrays are arguments"""
    return x[fill(key, indices)]


@primitive(
    examples=[
        example("(2)", key=(1,), shape=(3, 2)),
        example("(2,2)", [[2, 0], [2, 1]], [1, 3], key=(ARRAY, ARRAY), shape=(3, 4)),
        example("(3)", [1, 1, 0], key=(ARRAY,), shape=(2,)),
    ]
)
def _scatter(x, /, *indices, key, shape):
    """z = 0 with x added at [key]: the adjoint of z = x[key]"""
    if not is_basic(key):
        return added(x, fill(key, indices), shape)
    z = backend.shaped(np.zeros_like, x, shape)
    z[key] = x
    return z


def added(x, key, shape):
    """z = 0 with x added at [key], where an index may occur more than once."""
    z = backend.shaped(np.zeros_like, wide(x), shape)
    backend.index_add(z, key, wide(x))
    return rounded(z, x)


_getitem.linear(lambda g, s, indices, key: _scatter(g, *indices, key=key, shape=s))
_scatter.linear(lambda g, indices, key: _getitem(g, *indices, key=key))


def lifted(key: tuple, stacked):
    """`key` for a stacked x; the index array of a key that is one array may be stacked instead of x."""
    if any(stacked[1:]):
        return key if key == (ARRAY,) and not stacked[0] else NotImplemented
    basic = is_basic(key) and not any(isinstance(part, bool) for part in key)  # True is a 0-d mask
    rides = basic or all(part in (ARRAY, MASK) for part in key)  # in a mixed key NumPy reorders axes
    return (slice(None), *key) if rides else NotImplemented


def lifted_scatter(key: tuple, stacked):
    """`key` for a stacked x, where x[key] rides with it."""
    return NotImplemented if any(stacked[1:]) else lifted(key, stacked)


_getitem.rides(key=lifted)
_scatter.rides(key=lifted_scatter, shape=lambda shape, n: (n, *shape))


@numpy_function
def getitem(x, key):
    """`x[key]`, with ints, slices, None, Ellipsis, integer arrays and masks as in NumPy.

    IndexError for an index that is not one of these.

    >>> import tinygrad_seq as ts
    >>> ts.tensor([[1, 2], [3, 4]])[:, ::-1].numpy()
    array([[2, 1],
           [4, 3]])
    """
    parts, indices = parsed(key)
    return _getitem(x, *indices_on_device_of(data_of(x), parts, indices), key=parts)


def data_of(x: object) -> Any:
    """The array of a Tensor; any other value as it is."""
    return getattr(x, "_array", x)


def on_device_of(x: object, given: Any) -> Any:
    """`given`, a number or a list as an array on the device of x; arrays stay where they are."""
    return (
        given if hasattr(given, "dtype") else backend.asarray(np.asarray(given), backend.device_of(data_of(x)))
    )


def parsed(key) -> tuple[tuple, list]:
    """`key` with "array" or "mask" in the place of every array, and the list of these arrays."""
    parts: list[object] = []
    indices = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (list, tuple, range)):
            part = np.asarray(part) if len(part) else np.zeros(0, np.intp)
        if isinstance(part, (slice, bool)) or part is None or part is Ellipsis:
            parts.append(part)
        elif isinstance(part, (int, np.integer)):
            parts.append(int(part))
        elif isinstance(part, (float, np.floating)):  # CuPy would round it
            raise IndexError(
                f"an index must be an integer, a slice, None, ..., an integer array or a mask, got {part!r}"
            )
        else:
            masks = getattr(part, "dtype", None) == np.dtype(bool)
            if masks and mode.trace is not None and mode.trace.varies(part):
                refuse_in_a_step(
                    "x[mask], whose shape depends on values, is not possible; use where(mask, x, 0)"
                )
            parts.append(MASK if masks else ARRAY)
            indices.append(part)
    return tuple(parts), indices


@numpy_function
def take(x, indices, axis: int | None = None):
    """The slices of `x` at `indices` along `axis`; without an axis, elements of the flattened x.

    `indices` is an int or an integer array of any shape. IndexError for an index that is out of range, and for
    indices that are not integers (for a mask, write x[mask]).

    >>> import tinygrad_seq as ts
    >>> ts.take(ts.tensor([10.0, 20.0, 30.0]), [2, 0, 2]).numpy()
    array([30., 10., 30.], dtype=float32)
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    if isinstance(indices, (list, tuple)):
        indices = np.asarray(indices) if len(indices) else np.zeros(0, np.intp)
    if np.result_type(indices).kind not in "iu":
        raise IndexError(
            f"take expects integer indices, got {np.result_type(indices)}; for a mask, write x[mask]"
        )
    axis = np.lib.array_utils.normalize_axis_index(axis, np.ndim(x))
    return getitem(x, (*[slice(None)] * axis, indices))


def along(indices, axis: int) -> tuple:
    """The key with which x[key] is take_along_axis(x, indices, axis)."""
    ndim = indices.ndim
    key = []
    for i, size in enumerate(indices.shape):
        counts = np.cumsum(np.ones_like(indices, shape=(size,))) - 1  # an arange on the device of the indices
        key.append(counts.reshape([-1 if j == i else 1 for j in range(ndim)]))
    key[axis] = indices
    return tuple(key)


@primitive(
    examples=[
        example("(2,3)", [[0, 0], [2, 1]], axis=1),
        example("(3,2)", [[2, 2]], axis=0),
        example("(3)", [1, 1, 0, 2], axis=-1),
    ]
)
def _take_along_axis(x, indices, /, axis):
    """z_{...i...} = x_{... indices_{...i...} ...}"""
    return np.take_along_axis(backend.array(x), backend.array(indices), axis)


@primitive(examples=[example("(2,2)", [[0, 0], [2, 1]], axis=1, shape=(2, 3))])
def _scatter_along_axis(x, indices, /, axis, shape):
    """z = 0 with x added at `indices` along the axis: the adjoint of take_along_axis"""
    return added(x, along(indices, axis), shape)


_take_along_axis.linear(lambda g, s, indices, axis: _scatter_along_axis(g, indices, axis, s), None)
_take_along_axis.rides(axis=lambda axis, s: axis % len(s[0]) - len(s[0]))
_scatter_along_axis.linear(lambda g, indices, axis: _take_along_axis(g, indices, axis), None)
_scatter_along_axis.rides(
    axis=lambda axis, s: axis % len(s[0]) - len(s[0]),
    shape=lambda shape, n: (n, *shape),
)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


@numpy_function
def take_along_axis(x, indices, axis: int | None = -1):
    """The elements of `x` at `indices` along `axis`: z_{...i...} = x_{... indices_{...i...} ...}.

    `indices` is an integer array with as many axes as x. IndexError for an index that is out of range.

    >>> import tinygrad_seq as ts
    >>> ts.take_along_axis(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1).numpy()
    array([[2.],
           [3.]], dtype=float32)
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    indices = indices if hasattr(indices, "dtype") else np.asarray(indices)
    shape, picked = np.shape(x), indices.shape
    axis = np.lib.array_utils.normalize_axis_index(axis, len(shape))
    indices = index_on_device_of(data_of(x), indices, axis)
    if len(shape) == len(picked) and shape != picked:  # the other axes broadcast
        others = np.broadcast_shapes(_without(shape, axis), _without(picked, axis))
        x, indices = (
            broadcast_to(a, (*others[:axis], size, *others[axis:]))
            for a, size in ((x, shape[axis]), (indices, picked[axis]))
        )
    return _take_along_axis(x, indices, axis)


@numpy_function
def scatter_add(x, key, values):
    """`x` with `values` added at [key]; an element that the key names twice receives both values.

    `values` broadcasts to the shape of x[key].

    >>> import tinygrad_seq as ts
    >>> ts.scatter_add(ts.tensor([0.0, 0.0, 0.0]), [0, 2, 0], [1.0, 2.0, 4.0]).numpy()
    array([5., 0., 2.])
    """
    parts, indices = parsed(key)
    indices = indices_on_device_of(data_of(x), parts, indices)
    shape = np.shape(_getitem(x, *indices, key=parts))
    if isinstance(values, (int, float)) and not isinstance(values, np.generic):  # weak, as in x + 2
        values = np.asarray(values, np.result_type(x, values))
    return x + _scatter(broadcast_to(values, shape), *indices, key=parts, shape=np.shape(x))
