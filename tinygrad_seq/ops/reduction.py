"""Reductions over any axes: sum, max, logsumexp, and what is composed of them.

`axis` is None for all axes, an int or a tuple; with `keepdims` reduced axes stay, of length 1.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.ops.elementwise import safe_product
from tinygrad_seq.primitive import numpy_function, primitive
from tinygrad_seq.signature import example

EXAMPLES = [
    example("(a,b)"),
    example("()"),
    example("(a,b)", axis=0),
    example("(a,b,c)", axis=(0, -1)),
    example("(a,b,c)", axis=1, keepdims=True),
    example("(a,b)", axis=()),
]
NONEMPTY = [  # what has no value for an empty axis
    example("(A,B)"),
    example("()"),
    example("(A,b)", axis=0),
    example("(A,b,C)", axis=(0, -1)),
    example("(a,B,c)", axis=1, keepdims=True),
]


def axes_of(axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes, each counted from the front."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % ndim for a in axes)


def kept(s: tuple[int, ...], axis) -> tuple[int, ...]:
    """The shape `s` with its reduced axes at length 1."""
    axes = axes_of(axis, len(s))
    return tuple(1 if i in axes else size for i, size in enumerate(s))


def axes_from_end(axis, s):
    """`axis` counted from the end, which a new leading axis does not change."""
    ndim = len(s[0])
    if isinstance(axis, int) or (axis is None and not ndim):
        return () if axis is None else axis % ndim - ndim
    return tuple(a - ndim for a in axes_of(axis, ndim))


@primitive(examples=EXAMPLES)
def sum(x, /, axis=None, *, keepdims=False):
    """z = sum_i x_i"""
    return np.sum(x, axis=axis, keepdims=keepdims)


sum.linear(lambda g, s, axis: np.broadcast_to(np.reshape(g, kept(s, axis)), s))
sum.rides(axis=axes_from_end)


@primitive(examples=NONEMPTY)
def max(x, /, axis=None, *, keepdims=False):
    """z = max_i x_i; elements that tie for it share the derivative equally"""
    return np.max(x, axis=axis, keepdims=keepdims)


def winners(x, z, axis, dtype):
    """The partial derivatives of max: 1/k for each of the k elements that attain it."""
    attain = (x == np.reshape(z, kept(np.shape(x), axis))).astype(dtype)
    return attain / np.maximum(np.sum(attain, axis=axis, keepdims=True), 1)


max.vjp(lambda g, x, z, s, axis: np.reshape(g, kept(s, axis)) * winners(x, z, axis, g.dtype))
max.jvp(lambda g, x, z, axis, keepdims: np.sum(g * winners(x, z, axis, g.dtype), axis=axis, keepdims=keepdims))
max.rides(axis=axes_from_end)


@primitive(examples=EXAMPLES)
def logsumexp(x, /, axis=None, *, keepdims=False):
    """z = log sum_i exp x_i, shifted by max x against overflow

    Of nothing but -inf, and of nothing at all, it is -inf, with zero derivative.
    """
    with np.errstate(divide="ignore", over="ignore"):
        m = (
            finite(np.max(x, axis=axis, keepdims=True))
            if np.size(x)
            else np.zeros_like(x, shape=kept(x.shape, axis))
        )
        z = np.log(np.sum(np.exp(x - m), axis=axis, keepdims=keepdims))
        return z + np.reshape(m, np.shape(z))


def finite(x):
    """x where it is finite, else 0."""
    return np.where(np.isfinite(x), x, 0)


def weights(x, z, axis):
    """dz/dx = exp(x - z), the softmax of x."""
    return np.exp(x - finite(np.reshape(z, kept(np.shape(x), axis))))


logsumexp.vjp(lambda g, x, z, s, axis: safe_product(np.reshape(g, kept(s, axis)), weights(x, z, axis)))
logsumexp.jvp(
    lambda g, x, z, axis, keepdims: np.sum(safe_product(g, weights(x, z, axis)), axis=axis, keepdims=keepdims)
)
logsumexp.rides(axis=axes_from_end)


@numpy_function
def mean(x, axis=None, *, keepdims=False):
    """The arithmetic mean over `axis`.

    >>> import tinygrad_seq as ts
    >>> ts.mean(ts.tensor([[1.0, 2.0], [3.0, 6.0]]), axis=0).numpy()
    array([2., 4.], dtype=float32)
    """
    shape = np.shape(x)
    return sum(x, axis, keepdims=keepdims) / math.prod(shape[a] for a in axes_of(axis, len(shape)))


@primitive(examples=[example("(A,B)"), example("(A,b)", axis=0), example("(a,B)", axis=1, keepdims=True)])
def argmax(x, /, axis=None, *, keepdims=False):
    """z = the index of the first largest element; without a derivative"""
    return np.argmax(x, axis=axis, keepdims=keepdims)
