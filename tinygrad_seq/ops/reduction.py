"""Reductions over any axes: sum, max, min, and compositions of them.

`axis` is None for all axes, an int or a tuple; with `keepdims` the reduced axes stay, with length 1.
"""

from __future__ import annotations

import builtins
import math

import numpy as np

from tinygrad_seq.engine.precision import rounded_once, running_total, total
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.elementwise import sqrt, square
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.shape import reshape, transpose

normalize = np.lib.array_utils.normalize_axis_tuple
EXAMPLES = [
    example("(a,b)"),
    example("()"),
    example("(a,b)", axis=0),
    example("(a,b,c)", axis=(0, -1)),
    example("(a,b,c)", axis=1, keepdims=True),
    example("(a,b)", axis=()),
]
NONEMPTY = [  # for ops that have no value along an empty axis
    example("(A,B)"),
    example("()"),
    example("(A,b)", axis=0),
    example("(A,b,C)", axis=(0, -1)),
    example("(a,B,c)", axis=1, keepdims=True),
]


def axes_of(axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the first; a 0-d array has none, although NumPy accepts axis 0 for it."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % ndim for a in axes) if ndim else ()


def kept(s: tuple[int, ...], axis) -> tuple[int, ...]:
    """The shape `s` with length 1 for the reduced axes."""
    axes = axes_of(axis, len(s))
    return tuple(1 if i in axes else size for i, size in enumerate(s))


def axes_from_end(axis, s):
    """`axis` counted from the end, so that it stays the same when a leading axis is added."""
    ndim = len(s[0])
    if not ndim:
        return ()
    if isinstance(axis, int):
        return axis % ndim - ndim
    return tuple(a - ndim for a in axes_of(axis, ndim))


def axis_from_end(axis: int, s):
    """One axis, counted from the end; a number has none, although NumPy accepts axis 0 for it."""
    return axis % len(s[0]) - len(s[0]) if s[0] else NotImplemented


@primitive(examples=EXAMPLES)
def sum(x, /, axis=None, *, keepdims=False):
    """z = sum_i x_i

    >>> ts.sum(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
    array([4., 6.], dtype=float32)
    """
    return total(x, axis, keepdims)


sum.linear(lambda g, s, axis: np.broadcast_to(np.reshape(g, kept(s, axis)), s))
sum.rides(axis=axes_from_end)


@primitive(examples=NONEMPTY)
def max(x, /, axis=None, *, keepdims=False):
    """z = max_i x_i; equal maxima share the derivative equally

    >>> ts.max(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1, keepdims=True).numpy()
    array([[2.],
           [4.]], dtype=float32)
    """
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive(examples=NONEMPTY)
def min(x, /, axis=None, *, keepdims=False):
    """z = min_i x_i; equal minima share the derivative equally

    >>> ts.min(ts.tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    1.0
    """
    return np.min(x, axis=axis, keepdims=keepdims)


def winners(x, z, axis, dtype):
    """The partial derivatives of max and min: 1/k for each of the k elements equal to z, else 0."""
    attain = (x == np.reshape(z, kept(np.shape(x), axis))).astype(dtype)
    return attain / np.maximum(total(attain, axis, True), 1)


for extremum in (max, min):
    extremum.vjp(lambda g, x, z, s, axis: np.reshape(g, kept(s, axis)) * winners(x, z, axis, g.dtype))
    extremum.jvp(lambda g, x, z, axis, keepdims: total(g * winners(x, z, axis, g.dtype), axis, keepdims))
    extremum.rides(axis=axes_from_end)


@numpy_function
@rounded_once
def mean(x, axis=None, *, keepdims=False):
    """The arithmetic mean over `axis`.

    >>> import tinygrad_seq as ts
    >>> ts.mean(ts.tensor([[1.0, 2.0], [3.0, 6.0]]), axis=0).numpy()
    array([2., 4.], dtype=float32)
    """
    shape = np.shape(x)
    return sum(x, axis, keepdims=keepdims) / math.prod(shape[a] for a in axes_of(axis, len(shape)))


@numpy_function
@rounded_once
def var(x, axis=None, *, ddof: int = 0, keepdims=False):
    """The variance over `axis`: the sum of squared deviations from the mean, divided by n - `ddof`.

    >>> import tinygrad_seq as ts
    >>> float(ts.var(ts.tensor([1.0, 3.0])))
    1.0
    """
    deviation = x - mean(x, axis, keepdims=True)
    shape = np.shape(x)
    n = math.prod(shape[a] for a in axes_of(axis, len(shape)))
    return sum(square(deviation), axis, keepdims=keepdims) / float(builtins.max(n - ddof, 0))


@numpy_function
@rounded_once
def std(x, axis=None, *, ddof: int = 0, keepdims=False):
    """The standard deviation over `axis`, sqrt(var); where it is 0, its derivative is taken to be 0.

    >>> import tinygrad_seq as ts
    >>> float(ts.std(ts.tensor([1.0, 3.0])))
    1.0
    """
    v = var(x, axis, ddof=ddof, keepdims=keepdims)
    return where(v == 0, 0.0, sqrt(where(v == 0, 1.0, v)))


@numpy_function
def prod(x, axis=None, *, keepdims=False):
    """The product over `axis`, computed in pairs, so that derivatives of every order are right at zeros, too.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ts.grad(ts.prod(x), x).numpy()
    array([0., 6., 0.], dtype=float32)
    """
    x = x if hasattr(x, "ndim") else np.asarray(x)
    reduced = axes_of(None, x.ndim) if axis is None else normalize(axis, builtins.max(x.ndim, 1))[: x.ndim]
    rest = tuple(a for a in range(x.ndim) if a not in reduced)
    shape = tuple(x.shape[a] for a in rest)
    n = math.prod(x.shape[a] for a in reduced)
    wide = np.result_type(np.prod(np.empty(0, x.dtype)))  # as NumPy does, small integers are widened first
    factors = reshape(transpose(x, rest + reduced), (*shape, n))
    factors = factors if factors.dtype == wide else factors.astype(wide)
    while n > 1:
        half = n // 2
        pairs = getitem(factors, (..., slice(0, half))) * getitem(factors, (..., slice(half, 2 * half)))
        factors = concatenate([pairs, getitem(factors, (..., slice(2 * half, n)))], axis=-1) if n % 2 else pairs
        n -= half
    if n == 0:
        factors = ones_like(factors, shape=(*shape, 1))
    return reshape(factors, kept(x.shape, axis) if keepdims else shape)


@primitive(examples=[example("(a,b)", axis=0), example("(a)", axis=-1), example("(a,b,c)", axis=1)])
def _cumsum(x, /, axis):
    """z_i = sum_{j <= i} x_j"""
    return running_total(x, axis)


_cumsum.linear(lambda g, s, axis: np.reshape(np.flip(_cumsum(np.flip(g, axis), axis), axis), s))
_cumsum.rides(axis=axis_from_end)


@numpy_function
def cumsum(x, axis: int | None = None):
    """The partial sums along `axis`; without an axis, of the flattened x.

    >>> import tinygrad_seq as ts
    >>> ts.cumsum(ts.tensor([1, 2, 3])).numpy()
    array([1, 3, 6])
    """
    return _cumsum(reshape(x, -1), 0) if axis is None else _cumsum(x, axis)
