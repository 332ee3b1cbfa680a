"""Running sums along an axis, and what they have in common with running products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_seq.engine.precision import running_total
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.reduction import as_dtype, axis_from_end, refuse_out
from tinygrad_seq.ops.shape import reshape

EXAMPLES = [example("(a,b)", axis=0), example("(a)", axis=-1), example("(a,b,c)", axis=1)]


@primitive(examples=EXAMPLES)
def _cumsum(x, /, axis):
    """z_i = sum_{j <= i} x_j"""
    return running_total(x, axis)


_cumsum.linear(lambda g, s, axis: np.reshape(np.flip(_cumsum(np.flip(g, axis), axis), axis), s))
_cumsum.rides(axis=axis_from_end)


def running(name: str, op: Callable, x, axis, dtype, out):
    """`op` along `axis`, or of the flattened x, with NumPy's other arguments."""
    refuse_out(name, out)
    x = as_dtype(x, dtype)
    return as_dtype(op(reshape(x, -1), 0) if axis is None else op(x, axis), dtype)


@numpy_function
def cumsum(x, axis: int | None = None, dtype=None, out=None):
    """The partial sums along `axis`; without an axis, of the flattened x.

    >>> import tinygrad_seq as ts
    >>> ts.cumsum(ts.tensor([1, 2, 3])).numpy()
    array([1, 3, 6])
    """
    return running("cumsum", _cumsum, x, axis, dtype, out)


def from_start(name: str, op: Callable, one: Callable, x, axis, dtype, out, include_initial):
    """`op` along an axis, after `one` if that is to be included; ValueError if the axis is not clear."""
    x = reshape(x, -1) if np.ndim(x) == 0 else x
    if axis is None and np.ndim(x) > 1:
        raise ValueError(f"{name} of an array with {np.ndim(x)} axes needs an axis")
    axis = np.lib.array_utils.normalize_axis_index(0 if axis is None else axis, np.ndim(x))
    z = running(name, op, x, axis, dtype, out)
    if not include_initial:
        return z
    shape = np.shape(z)
    return concatenate([one(z, shape=(*shape[:axis], 1, *shape[axis + 1 :])), z], axis)


@numpy_function
def cumulative_sum(x, /, *, axis: int | None = None, dtype=None, out=None, include_initial=False):
    """The partial sums along `axis`, which x needs if it has several; after a 0 with `include_initial`.

    >>> import tinygrad_seq as ts
    >>> ts.cumulative_sum(ts.tensor([1, 2, 3]), include_initial=True).numpy()
    array([0, 1, 3, 6])
    """
    return from_start("cumulative_sum", _cumsum, zeros_like, x, axis, dtype, out, include_initial)
