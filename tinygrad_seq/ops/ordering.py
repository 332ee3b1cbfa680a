"""Ordering: positions of elements, which have no derivative, and sorting, which permutes the gradient."""

from __future__ import annotations

import operator

import numpy as np

from tinygrad_seq.engine.declaration import Domain
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import _scatter_along_axis, _take_along_axis, take_along_axis
from tinygrad_seq.ops.reduction import axis_from_end
from tinygrad_seq.ops.shape import reshape

EXAMPLES = [example("(A,B)"), example("(A,b)", axis=0), example("(a,B)", axis=1, keepdims=True)]
AS_THEY_ARE: dict[str, Domain] = {"x": np.asarray}  # laws add no NaN: a row of NaN alone is an error


@primitive(examples=EXAMPLES)
def argmax(x, /, axis=None, *, keepdims=False):
    """z = the index of the first largest element along an axis; without an axis, of the flattened x

    >>> ts.argmax(ts.tensor([[1.0, 3.0], [4.0, 2.0]]), axis=1).numpy()
    array([1, 0])
    """
    return np.argmax(x, axis=axis, keepdims=keepdims)


argmax.no_derivative()


@primitive(examples=EXAMPLES)
def argmin(x, /, axis=None, *, keepdims=False):
    """z = the index of the first smallest element along an axis; without an axis, of the flattened x

    >>> ts.argmin(ts.tensor([[1.0, 3.0], [4.0, 2.0]]), axis=1).numpy()
    array([0, 1])
    """
    return np.argmin(x, axis=axis, keepdims=keepdims)


argmin.no_derivative()


NUMBERS = [example([[np.nan, 1.0], [3.0, 2.0]]), example([[np.nan, 1.0], [3.0, 2.0]], axis=1, keepdims=True)]


@primitive(examples=NUMBERS, domain=AS_THEY_ARE)
def nanargmax(x, /, axis=None, *, keepdims=False):
    """z = the index of the first largest element that is not NaN

    ValueError where all are NaN; on a device it is -1 there.

    >>> ts.nanargmax(ts.tensor([float("nan"), 3.0, 2.0])).numpy()
    array(1)
    """
    return np.nanargmax(x, axis=axis, keepdims=keepdims)


nanargmax.no_derivative()


@primitive(examples=NUMBERS, domain=AS_THEY_ARE)
def nanargmin(x, /, axis=None, *, keepdims=False):
    """z = the index of the first smallest element that is not NaN

    ValueError where all are NaN; on a device it is -1 there.

    >>> ts.nanargmin(ts.tensor([float("nan"), 3.0, 2.0])).numpy()
    array(2)
    """
    return np.nanargmin(x, axis=axis, keepdims=keepdims)


nanargmin.no_derivative()


@primitive(examples=[example("(a,b)"), example("(a,b)", axis=0)])
def _argsort(x, /, axis=-1):
    """z = the indices that sort x along an axis; equal elements keep their order"""
    return np.argsort(x, axis=axis, kind="stable")


_argsort.no_derivative()
_argsort.rides(axis=axis_from_end)


@numpy_function
def argsort(x, axis: int | None = -1):
    """The indices that sort `x` along `axis` (None: the flattened x); equal elements keep their order.

    >>> import tinygrad_seq as ts
    >>> ts.argsort(ts.tensor([3.0, 1.0, 2.0])).numpy()
    array([1, 2, 0])
    """
    return _argsort(reshape(x, -1), 0) if axis is None else _argsort(x, axis)


@primitive(examples=[example("(a,b)"), example("(a,b)", axis=0)])
def _sort(x, /, axis=-1):
    """z = x in ascending order along an axis; the gradient is permuted back"""
    return np.sort(x, axis=axis)


_sort.vjp(lambda g, x, s, axis: _scatter_along_axis(g, _argsort(x, axis), axis, s))
_sort.jvp(lambda g, x, axis: _take_along_axis(g, _argsort(x, axis), axis))
_sort.rides(axis=axis_from_end)


@numpy_function
def sort(x, axis: int | None = -1):
    """`x` in ascending order along `axis` (None: the flattened x); the gradient is permuted back.

    >>> import tinygrad_seq as ts
    >>> ts.sort(ts.tensor([3.0, 1.0, 2.0])).numpy()
    array([1., 2., 3.], dtype=float32)
    """
    return _sort(reshape(x, -1), 0) if axis is None else _sort(x, axis)


@primitive(examples=[example("(A,3)", kth=1), example("(3,b)", kth=(0, 2), axis=0)])
def _argpartition(x, /, kth, axis=-1):
    """z = the indices by which the element at each kth place is that of the sorted x"""
    return np.argpartition(x, kth, axis)


_argpartition.no_derivative()
_argpartition.rides(kth=lambda kth: kth, axis=axis_from_end)


@numpy_function
def argpartition(x, kth, axis: int | None = -1):
    """The indices by which `x` is partitioned along `axis` (None: the flattened x), as `partition`.

    >>> import tinygrad_seq as ts
    >>> ts.argpartition(ts.tensor([3.0, 1.0, 2.0]), 0).numpy()[0]
    np.int64(1)
    """
    return _argpartition(reshape(x, -1), kth, 0) if axis is None else _argpartition(x, kth, axis)


@numpy_function
def partition(x, kth, axis: int | None = -1):
    """`x` with the element that belongs at place `kth` of the sorted x there, and no larger one before it.

    `kth` may be several places. The gradient is permuted back. Without an axis, x is flattened.

    >>> import tinygrad_seq as ts
    >>> ts.partition(ts.tensor([3.0, 1.0, 2.0]), 1)[1].item()
    2.0
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    return take_along_axis(x, argpartition(x, kth, axis), axis)


@numpy_function
def lexsort(keys, axis: int = -1):
    """The indices that sort by several keys, a sequence or the rows of an array; the last key decides first.

    >>> import tinygrad_seq as ts
    >>> ts.lexsort([ts.tensor([2, 1, 0]), [1, 1, 0]]).numpy()
    array([2, 1, 0])
    """
    first, *later = keys
    if any(np.shape(key) != np.shape(first) for key in later):
        raise ValueError(f"lexsort expects keys of one shape, got {[np.shape(key) for key in keys]}")
    axis = operator.index(axis)
    order = reshape(argsort(first, axis), np.shape(first))
    for key in later:
        order = take_along_axis(order, argsort(take_along_axis(key, order, axis), axis), axis)
    return order
