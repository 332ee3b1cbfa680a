"""Exponentials, logarithms, and the squashing functions made of them."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.ops.elementwise import POSITIVE
from tinygrad_seq.primitive import primitive


@primitive("()->()")
def exp(x, /):
    """z = e^x"""
    return np.exp(x)


exp.partials(lambda z: z, singular=True)


@primitive("()->()")
def expm1(x, /):
    """z = e^x - 1, exact for small x"""
    return np.expm1(x)


expm1.partials(lambda z: z + 1, singular=True)


@primitive("()->()", domain={"x": POSITIVE})
def log(x, /):
    """z = log x"""
    return np.log(x)


log.partials(lambda x: 1 / x, singular=True)


@primitive("()->()", domain={"x": (-1.0, math.inf)})
def log1p(x, /):
    """z = log(1 + x), exact for small x"""
    return np.log1p(x)


log1p.partials(lambda x: 1 / (1 + x), singular=True)


@primitive("(),()->()")
def logaddexp(x, y, /):
    """z = log(e^x + e^y), without overflow; of two -inf it is -inf, with zero derivative"""
    return np.logaddexp(x, y)


def finite(x):
    """x where it is finite, else 0."""
    return np.where(np.isfinite(x), x, 0)


def share(x, y, z):
    """e^x / (e^x + e^y), by the difference of the two, which is exact where both are large."""
    alike = np.logical_and(x == y, np.logical_not(np.isfinite(z)))  # their difference would be NaN
    return (z > -np.inf) / (1 + np.exp(np.where(alike, 0, y - x)))


logaddexp.partials(lambda x, y, z: share(x, y, z), lambda x, y, z: share(y, x, z), singular=True)


@primitive("()->()")
def tanh(x, /):
    """z = tanh x"""
    return np.tanh(x)


tanh.partials(lambda z: 1 - z * z)


@primitive("()->()")
def sigmoid(x, /):
    """z = 1 / (1 + e^-x), computed as (1 + tanh(x/2)) / 2, which cannot overflow"""
    return 0.5 * np.tanh(0.5 * x) + 0.5


sigmoid.partials(lambda z: z * (1 - z))


@primitive("()->()")
def softplus(x, /):
    """z = log(1 + e^x), without overflow; dz/dx = sigmoid x"""
    return np.logaddexp(x, 0)


softplus.partials(lambda x: sigmoid(x))
