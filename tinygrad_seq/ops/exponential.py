"""Exponentials, logarithms, and the activation functions that are computed from them."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.ops.elementwise import POSITIVE


@primitive("()->()")
def exp(x, /):
    """z = e^x

    >>> ts.exp(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 2.718], dtype=float32)
    """
    return np.exp(x)


exp.partials(lambda z: z, singular=True)
exp.c("exp_(x)")


@primitive("()->()")
def exp2(x, /):
    """z = 2^x

    >>> ts.exp2(ts.tensor([0.0, 3.0])).numpy()
    array([1., 8.], dtype=float32)
    """
    return np.exp2(x)


exp2.partials(lambda z: z * math.log(2), singular=True)
exp2.c("pow_(2, x)")


@primitive("()->()")
def expm1(x, /):
    """z = e^x - 1, exact for small x

    >>> ts.expm1(ts.tensor(1e-30)).item() > 0
    True
    """
    return np.expm1(x)


expm1.partials(lambda z: z + 1, singular=True)
expm1.c("expm1_(x)")


@primitive("()->()", domain={"x": POSITIVE})
def log(x, /):
    """z = log x

    >>> ts.log(ts.tensor([1.0, 2.0])).numpy().round(3)
    array([0.   , 0.693], dtype=float32)
    """
    return np.log(x)


log.partials(lambda x: 1 / x, singular=True)
log.c("log_(x)")


@primitive("()->()", domain={"x": POSITIVE})
def log2(x, /):
    """z = log x / log 2

    >>> ts.log2(ts.tensor([1.0, 8.0])).numpy()
    array([0., 3.], dtype=float32)
    """
    return np.log2(x)


log2.partials(lambda x: 1 / (x * math.log(2)), singular=True)
log2.c("log_(x) * 1.4426950408889634")


@primitive("()->()", domain={"x": POSITIVE})
def log10(x, /):
    """z = log x / log 10

    >>> ts.log10(ts.tensor([1.0, 1000.0])).numpy().round(3)
    array([0., 3.], dtype=float32)
    """
    return np.log10(x)


log10.partials(lambda x: 1 / (x * math.log(10)), singular=True)
log10.c("log_(x) * 0.4342944819032518")


@primitive("()->()", domain={"x": (-1.0, math.inf)})
def log1p(x, /):
    """z = log(1 + x), exact for small x

    >>> ts.log1p(ts.tensor(1e-30)).item() > 0
    True
    """
    return np.log1p(x)


log1p.partials(lambda x: 1 / (1 + x), singular=True)
log1p.c("log1p_(x)")


@primitive("(),()->()")
def logaddexp(x, y, /):
    """z = log(e^x + e^y), without overflow; -inf if x and y are both -inf, with zero derivative

    >>> ts.logaddexp(ts.tensor([0.0]), ts.tensor([0.0])).numpy().round(3)
    array([0.693], dtype=float32)
    """
    return np.logaddexp(x, y)


def finite(x):
    """x where it is finite, else 0."""
    return np.where(np.isfinite(x), x, 0)


def share(x, y, z, exp=np.exp):
    """e^x / (e^x + e^y), computed from y - x, which is exact where both are large; or the same with 2^x."""
    alike = np.logical_and(x == y, np.logical_not(np.isfinite(z)))  # here y - x would be NaN
    return (z > -np.inf) / (1 + exp(np.where(alike, 0, y - x)))


logaddexp.partials(lambda x, y, z: share(x, y, z), lambda x, y, z: share(y, x, z), singular=True)
logaddexp.c("logaddexp_(x, y)")


@primitive("(),()->()")
def logaddexp2(x, y, /):
    """z = log2(2^x + 2^y), without overflow; -inf if x and y are both -inf, with zero derivative

    >>> ts.logaddexp2(ts.tensor([3.0]), ts.tensor([3.0])).numpy()
    array([4.], dtype=float32)
    """
    return np.logaddexp2(x, y)


logaddexp2.partials(
    lambda x, y, z: share(x, y, z, np.exp2), lambda x, y, z: share(y, x, z, np.exp2), singular=True
)


@primitive("()->()")
def tanh(x, /):
    """z = tanh x

    >>> ts.tanh(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.762], dtype=float32)
    """
    return np.tanh(x)


tanh.partials(lambda z: 1 - z * z)
tanh.c("tanh_(x)")


@primitive("()->()")
def sigmoid(x, /):
    """z = 1 / (1 + e^-x), computed as (1 + tanh(x/2)) / 2, which cannot overflow

    >>> ts.sigmoid(ts.tensor([0.0, 1.0, -1e30])).numpy().round(3)
    array([0.5  , 0.731, 0.   ], dtype=float32)
    """
    z = np.tanh(0.5 * x)
    z *= 0.5
    z += 0.5
    return z


sigmoid.partials(lambda z: z * (1 - z))
sigmoid.c("sigmoid_(x)")


@primitive("()->()")
def softplus(x, /):
    """z = log(1 + e^x), without overflow; dz/dx = sigmoid x

    >>> ts.softplus(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.693, 1.313], dtype=float32)
    """
    return np.logaddexp(x, 0)


softplus.partials(lambda x: sigmoid(x))
softplus.c("softplus_(x)")
