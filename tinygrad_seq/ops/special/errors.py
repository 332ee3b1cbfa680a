"""The error function and the normal distribution, with their inverses.

The derivatives of inverse functions are infinite at the ends of their domains, and NaN outside. Equations are
those of the Digital Library of Mathematical Functions, DLMF, chapter 7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_seq.engine.primitive import primitive, safe_product
from tinygrad_seq.ops.special.library import computed, in_one_dtype
from tinygrad_seq.ops.trigonometric import UNIT

SLOPE = 2 / math.sqrt(math.pi)  # erf'(0)
DENSITY = 1 / math.sqrt(2 * math.pi)  # of the normal distribution at 0


@primitive("()->()", module="special")
@in_one_dtype
def erf(x, /):
    """z = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x

    >>> ts.special.erf(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.843], dtype=float32)
    """
    return computed("erf", x)


erf.partials(lambda x: SLOPE * np.exp(-np.square(x)))  # DLMF 7.10.1


@primitive("()->()", module="special")
@in_one_dtype
def erfc(x, /):
    """z = 1 - erf x, exact for large x

    >>> ts.special.erfc(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 0.157], dtype=float32)
    """
    return computed("erfc", x)


erfc.partials(lambda x: -SLOPE * np.exp(-np.square(x)))


@primitive("()->()", module="special")
@in_one_dtype
def erfcx(x, /):
    """z = e^(x^2) erfc x, which tends to 1 / (x sqrt(pi)) for large x

    >>> ts.special.erfcx(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 0.428], dtype=float32)
    """
    return computed("erfcx", x)


def erfcx_slope(x, z):
    """2 x z - 2 / sqrt(pi), DLMF 7.10.3; where that cancels, the series of DLMF 7.12.1, differentiated"""
    large = x > 12
    t = 0.5 / np.square(np.where(large, x, 12))
    series: Any = 0
    for n in range(13, 0, -1):  # 1 - 3 t (1 - 5 t (1 - ...))
        series = 1 - (2 * n + 1) * t * series
    return np.where(large, -SLOPE * t * series, 2 * safe_product(x, z) - SLOPE)


erfcx.partials(lambda x, z: erfcx_slope(x, z), singular=True)


@primitive("()->()", domain={"x": UNIT}, module="special")
@in_one_dtype
def erfinv(x, /):
    """z = the inverse of erf, for -1 <= x <= 1

    >>> ts.special.erfinv(ts.tensor([0.0, 0.5])).numpy().round(3)
    array([0.   , 0.477], dtype=float32)
    """
    return computed("erfinv", x)


erfinv.partials(lambda z: np.exp(np.square(z)) / SLOPE, singular=True)


@primitive("()->()", domain={"x": (0.0, 2.0)}, module="special")
@in_one_dtype
def erfcinv(x, /):
    """z = the inverse of erfc, for 0 <= x <= 2

    >>> ts.special.erfcinv(ts.tensor([0.5, 1.5])).numpy().round(3)
    array([ 0.477, -0.477], dtype=float32)
    """
    return computed("erfcinv", x)


erfcinv.partials(lambda z: -np.exp(np.square(z)) / SLOPE, singular=True)


@primitive("()->()", module="special")
@in_one_dtype
def ndtr(x, /):
    """z = the probability that a standard normal variable is at most x

    >>> ts.special.ndtr(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.5  , 0.841], dtype=float32)
    """
    return computed("ndtr", x)


ndtr.partials(lambda x: DENSITY * np.exp(-0.5 * np.square(x)))


@primitive("()->()", domain={"x": (0.0, 1.0)}, module="special")
@in_one_dtype
def ndtri(x, /):
    """z = the inverse of ndtr, for 0 <= x <= 1

    >>> ts.special.ndtri(ts.tensor([0.5, 0.8])).numpy().round(3)
    array([0.   , 0.842], dtype=float32)
    """
    return computed("ndtri", x)


ndtri.partials(lambda z: np.exp(0.5 * np.square(z)) / DENSITY, singular=True)


@primitive("()->()", module="special")
@in_one_dtype
def log_ndtr(x, /):
    """z = log ndtr x, exact where ndtr x is 0 in floating-point numbers

    >>> ts.special.log_ndtr(ts.tensor([0.0, -50.0])).numpy().round(3)
    array([-6.930000e-01, -1.254831e+03], dtype=float32)
    """
    return computed("log_ndtr", x)


# the density over ndtr x = e^(-x^2/2) erfcx(-x / sqrt 2) / 2
log_ndtr.partials(lambda x: math.sqrt(2 / math.pi) / erfcx(-math.sqrt(0.5) * x), singular=True)
