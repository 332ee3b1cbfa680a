"""Ordering: positions of elements, which have no derivative, and sorting, which permutes the gradient."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.reduction import axis_from_end
from tinygrad_seq.ops.shape import reshape

EXAMPLES = [example("(A,B)"), example("(A,b)", axis=0), example("(a,B)", axis=1, keepdims=True)]


@primitive(examples=EXAMPLES)
def argmax(x, /, axis=None, *, keepdims=False):
    """z = the index of the first largest element along an axis; without an axis, of the flattened x

    >>> ts.argmax(ts.tensor([[1.0, 3.0], [4.0, 2.0]]), axis=1).numpy()
    array([1, 0])
    """
    return np.argmax(x, axis=axis, keepdims=keepdims)


@primitive(examples=EXAMPLES)
def argmin(x, /, axis=None, *, keepdims=False):
    """z = the index of the first smallest element along an axis; without an axis, of the flattened x

    >>> ts.argmin(ts.tensor([[1.0, 3.0], [4.0, 2.0]]), axis=1).numpy()
    array([0, 1])
    """
    return np.argmin(x, axis=axis, keepdims=keepdims)


@primitive(examples=[example("(a,b)"), example("(a,b)", axis=0)])
def _argsort(x, /, axis=-1):
    """z = the indices that sort x along an axis; equal elements keep their order"""
    return np.argsort(x, axis=axis, kind="stable")


_argsort.rides(axis=axis_from_end)


@numpy_function
def argsort(x, axis: int | None = -1):
    """The indices that sort `x` along `axis` (None: the flattened x); equal elements keep their order.

    >>> import tinygrad_seq as ts
    >>> ts.argsort(ts.tensor([3.0, 1.0, 2.0])).numpy()
    array([1, 2, 0])
    """
    return _argsort(reshape(x, -1), 0) if axis is None else _argsort(x, axis)


@numpy_function
def sort(x, axis: int | None = -1):
    """`x` in ascending order along `axis` (None: the flattened x); the gradient is permuted back.

    >>> import tinygrad_seq as ts
    >>> ts.sort(ts.tensor([3.0, 1.0, 2.0])).numpy()
    array([1., 2., 3.], dtype=float32)
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    return take_along_axis(x, argsort(x, axis), axis)
