"""The softmax family: logsumexp, its derivative softmax, and the logarithm of that.

They are primitives for stability: all exponentials are of x - max x, which cannot overflow, and which is exact
where x is large, where x - logsumexp x is not. An element of -inf is masked: its probability is 0. If all
elements of a row are -inf, its logsumexp and log_softmax are -inf, its softmax is 0, and they have zero
derivative. If an element is inf or NaN, the softmax of its whole row is NaN. Integers count as float64.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.precision import real, rounded_once, total
from tinygrad_seq.engine.primitive import primitive, safe_product
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops import reduction
from tinygrad_seq.ops.exponential import finite
from tinygrad_seq.ops.reduction import axes_from_end, kept

EXAMPLES = [example("(a,B)"), example("(a,B,c)", axis=1), example("(a,0)"), example("(a,B,C)", axis=(0, -1))]


def shifted(x, axis):
    """x - max x, which has the same softmax and no exponential above 1; -inf if all elements are -inf."""
    x = real(x)
    if not np.size(x):
        return x
    top = np.max(x, axis=axis, keepdims=True)
    return x - np.where(top == -np.inf, 0, top)


@primitive(examples=EXAMPLES)
@rounded_once
def softmax(x, /, axis=-1):
    """z_i = exp x_i / sum_j exp x_j along an axis, or along several together

    >>> ts.softmax(ts.tensor([0.0, 0.0, -float("inf")])).numpy()
    array([0.5, 0.5, 0. ], dtype=float32)
    """
    e = np.exp(shifted(x, axis))
    # the sum is at least e^0 = 1, unless all are -inf
    return e / np.maximum(total(e, axis, True), 1)


def symmetric(g, z, axis):
    """J g for J = diag(z) - z z'; J is symmetric, so one rule serves both modes"""
    return z * (g - total(z * g, axis, True))


softmax.vjp(symmetric)
softmax.jvp(symmetric)
softmax.rides(axis=axes_from_end)


@primitive(examples=reduction.EXAMPLES)
@rounded_once
def logsumexp(x, /, axis=None, *, keepdims=False):
    """z = log sum_i exp x_i; dz/dx = softmax x. -inf if there are no elements

    >>> ts.logsumexp(ts.tensor([[0.0, 0.0], [1.0, 1.0]]), axis=1).numpy().round(3)
    array([0.693, 1.693], dtype=float32)
    """
    x = real(x)
    with np.errstate(divide="ignore", over="ignore"):
        m = (
            finite(np.max(x, axis=axis, keepdims=True))
            if np.size(x)
            else np.zeros_like(x, shape=kept(x.shape, axis))
        )
        z = np.log(total(np.exp(x - m), axis, keepdims))
        return z + np.reshape(m, np.shape(z))


logsumexp.vjp(lambda g, x, s, axis: safe_product(np.reshape(g, kept(s, axis)), softmax(x, axis)))
logsumexp.jvp(lambda g, x, axis, keepdims: total(safe_product(g, softmax(x, axis)), axis, keepdims))
logsumexp.rides(axis=axes_from_end)


@primitive(examples=EXAMPLES)
@rounded_once
def log_softmax(x, /, axis=-1):
    """z_i = x_i - log sum_j exp x_j along an axis, or along several together

    >>> ts.log_softmax(ts.tensor([1000.0, 1000.0])).numpy().round(3)
    array([-0.693, -0.693], dtype=float32)
    """
    y = shifted(x, axis)
    return y - np.log(np.maximum(total(np.exp(y), axis, True), 1))


def alive(z, axis):
    """p = exp z, and whether each row has an element above -inf."""
    p = np.exp(z)
    return p, total(p, axis, True) > 0


def log_softmax_vjp(g, z, axis):
    """(I - 1 p')' g = g - p sum g"""
    p, row = alive(z, axis)
    return g * row - p * total(g, axis, True)


def log_softmax_jvp(g, z, axis):
    """(I - 1 p') g = g - p'g"""
    p, row = alive(z, axis)
    return g * row - total(p * g, axis, True)


log_softmax.vjp(log_softmax_vjp)
log_softmax.jvp(log_softmax_jvp)
log_softmax.rides(axis=axes_from_end)
