"""Softmax and its logarithm: primitives for stability, since x - max x cannot overflow.

An element of -inf is masked: its probability is 0. If all elements of a row are -inf, its softmax is 0, its
log_softmax is -inf, and both have zero derivative. If an element is inf or NaN, its whole row is NaN.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.reduction import axes_from_end

EXAMPLES = [example("(a,B)"), example("(a,B,c)", axis=1), example("(a,0)")]


def shifted(x, axis):
    """x - max x, which has the same softmax and no exponential above 1; -inf if all elements are -inf."""
    if not np.size(x):
        return x
    top = np.max(x, axis=axis, keepdims=True)
    return x - np.where(top == -np.inf, 0, top)


@primitive(examples=EXAMPLES)
def softmax(x, /, axis=-1):
    """z_i = exp x_i / sum_j exp x_j along an axis

    >>> ts.softmax(ts.tensor([0.0, 0.0, -float("inf")])).numpy()
    array([0.5, 0.5, 0. ], dtype=float32)
    """
    e = np.exp(shifted(x, axis))
    # the sum is at least e^0 = 1, unless all are -inf
    return e / np.maximum(np.sum(e, axis=axis, keepdims=True), 1)


def symmetric(g, z, axis):
    """J g for J = diag(z) - z z'; J is symmetric, so one rule serves both modes"""
    return z * (g - np.sum(z * g, axis=axis, keepdims=True))


softmax.vjp(symmetric)
softmax.jvp(symmetric)
softmax.rides(axis=axes_from_end)


@primitive(examples=EXAMPLES)
def log_softmax(x, /, axis=-1):
    """z_i = x_i - log sum_j exp x_j along an axis

    >>> ts.log_softmax(ts.tensor([1000.0, 1000.0])).numpy().round(3)
    array([-0.693, -0.693], dtype=float32)
    """
    y = shifted(x, axis)
    return y - np.log(np.maximum(np.sum(np.exp(y), axis=axis, keepdims=True), 1))


def alive(z, axis):
    """p = exp z, and whether each row has an element above -inf."""
    p = np.exp(z)
    return p, np.sum(p, axis=axis, keepdims=True) > 0


def log_softmax_vjp(g, z, axis):
    """(I - 1 p')' g = g - p sum g"""
    p, row = alive(z, axis)
    return g * row - p * np.sum(g, axis=axis, keepdims=True)


def log_softmax_jvp(g, z, axis):
    """(I - 1 p') g = g - p'g"""
    p, row = alive(z, axis)
    return g * row - np.sum(p * g, axis=axis, keepdims=True)


log_softmax.vjp(log_softmax_vjp)
log_softmax.jvp(log_softmax_jvp)
log_softmax.rides(axis=axes_from_end)
