"""New arrays with the dtype and the device of a given array: constants, and copies of a fill value."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.shape import broadcast_to

EXAMPLES = [example("(a,b)"), example("(a)", shape=(2, 3))]


@primitive(examples=EXAMPLES)
def zeros_like(x, /, *, shape=None):
    """z = 0, in the shape of x or in `shape`

    >>> ts.zeros_like(ts.tensor([1.0, 2.0])).numpy()
    array([0., 0.], dtype=float32)
    """
    return backend.shaped(np.zeros_like, x, shape)


zeros_like.no_derivative()


@primitive(examples=EXAMPLES)
def ones_like(x, /, *, shape=None):
    """z = 1, in the shape of x or in `shape`

    >>> ts.ones_like(ts.tensor(5), shape=(2,)).numpy()
    array([1, 1])
    """
    return backend.shaped(np.ones_like, x, shape)


ones_like.no_derivative()


@numpy_function
def empty_like(x, *, shape=None):
    """An array in the shape of x or in `shape`, whose values are not to be read; they are zeros.

    >>> import tinygrad_seq as ts
    >>> ts.empty_like(ts.tensor([1.0, 2.0]), shape=(2, 3)).shape
    (2, 3)
    """
    return zeros_like(x, shape=shape)


@numpy_function
def full_like(x, fill_value, dtype=None, *, shape=None):
    """`fill_value`, a number or an array that broadcasts, in the shape of x or in `shape`.

    The dtype is that of x if none is given; the fill value is converted to it, and differentiable.

    >>> import tinygrad_seq as ts
    >>> ts.full_like(ts.tensor([1.0, 2.0]), 7).numpy()
    array([7., 7.], dtype=float32)
    """
    ones = ones_like(x, shape=shape)
    if dtype is not None and np.dtype(dtype) != ones.dtype:
        ones = astype(ones, dtype)
    if isinstance(fill_value, (int, float)):
        return ones * ones.dtype.type(fill_value)
    fill = fill_value if hasattr(fill_value, "dtype") else np.asarray(fill_value)
    fill = fill if fill.dtype == ones.dtype else astype(fill, ones.dtype)
    return ones * (broadcast_to(fill, ones.shape) if np.ndim(fill) else fill)
