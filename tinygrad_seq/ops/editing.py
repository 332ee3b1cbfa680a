"""Slices added to an array or left out: the result takes slices of x by positions that are known beforehand."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.indexing import take
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.rearranging import moveaxis
from tinygrad_seq.ops.shape import broadcast_to, ravel, reshape

normalize = np.lib.array_utils.normalize_axis_index


@numpy_function
def delete(x, obj, axis: int | None = None):
    """`x` without the slices at `obj` along `axis`: an int, a slice, integers or a mask.

    Without an axis, elements of the flattened x are left out. IndexError for an index that is out of range.

    >>> import tinygrad_seq as ts
    >>> ts.delete(ts.tensor([1, 2, 3]), 1).numpy()
    array([1, 3])
    """
    if axis is None:
        x, axis = ravel(x), 0
    axis = normalize(axis, np.ndim(x))
    obj = np.asarray(obj) if hasattr(obj, "dtype") else obj  # a Tensor of indices is read
    return take(x, np.delete(np.arange(np.shape(x)[axis]), obj), axis)


@numpy_function
def insert(x, obj, values, axis: int | None = None):
    """`x` with `values` inserted before the slices `obj` along `axis`: an int, a slice or integers.

    Without an axis, `x` is flattened first. The values are converted to the dtype of x. IndexError for an index
    that is out of range, and for a mask.

    >>> import tinygrad_seq as ts
    >>> ts.insert(ts.tensor([1, 2, 3]), [0, 2], [8, 9]).numpy()
    array([8, 1, 2, 9, 3])
    """
    if axis is None:
        x, axis = ravel(x), 0
    shape = np.shape(x)
    axis = normalize(axis, len(shape))
    n = shape[axis]
    before = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    if before.dtype.kind not in "iu" and before.size:
        raise IndexError(
            f"insert expects integer positions, got {before.dtype}; np.flatnonzero(mask) of a mask"
        )
    if before.ndim > 1 or np.any((before < -n) | (before > n)):
        raise IndexError(f"insert expects positions from {-n} to {n} as one int or a vector of ints, got {obj}")
    before = np.where(before < 0, before + n, before).astype(int)

    values = values if hasattr(values, "ndim") else np.asarray(values)
    if before.size == 1:  # then any number of slices is inserted
        values = reshape(values, (1,) * (len(shape) - values.ndim) + values.shape)
        if before.ndim == 0:  # x[:, 0] = values, where the first axis of the values belongs to the new slices
            values = moveaxis(values, 0, axis)
        before = np.repeat(before, values.shape[axis])
    inserted = broadcast_to(values, (*shape[:axis], len(before), *shape[axis + 1 :]))
    if inserted.dtype != (dtype := np.result_type(x)):
        inserted = astype(inserted, dtype)
    order = np.insert(np.arange(n), before, np.arange(n, n + len(before)))
    return take(concatenate([x, inserted], axis), order, axis)


@numpy_function
def resize(x, new_shape):
    """The flattened `x`, repeated as often as needed, in a shape of any size; zeros if x is empty.

    >>> import tinygrad_seq as ts
    >>> ts.resize(ts.tensor([1, 2, 3]), (2, 2)).numpy()
    array([[1, 2],
           [3, 1]])
    """
    indices = np.resize(np.arange(np.size(x)), new_shape)
    return take(x, indices) if np.size(x) else zeros_like(x, shape=indices.shape)
