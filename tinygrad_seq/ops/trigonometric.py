"""Sine, cosine, tangent, their inverses, and sinc.

Sine, cosine and tangent of infinity are NaN, and so are their derivatives. Outside of [-1, 1] arcsin and arccos
are NaN, with NaN derivatives; at -1 and 1 the derivatives are infinite.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.ops.series import near_zero

UNIT = (-1.0, 1.0)


@primitive("()->()")
def sin(x, /):
    """z = sin x

    >>> ts.sin(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.841], dtype=float32)
    """
    return np.sin(x)


sin.partials(lambda x: np.cos(x), singular=True)
sin.c("sin_(x)")


@primitive("()->()")
def cos(x, /):
    """z = cos x

    >>> ts.cos(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.  , 0.54], dtype=float32)
    """
    return np.cos(x)


cos.partials(lambda x: -np.sin(x), singular=True)
cos.c("cos_(x)")


@primitive("()->()", domain={"x": (-1.5, 1.5)})
def tan(x, /):
    """z = tan x

    >>> ts.tan(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 1.557], dtype=float32)
    """
    return np.tan(x)


tan.partials(lambda z: 1 + np.square(z), singular=True)


@primitive("()->()", domain={"x": UNIT})
def arcsin(x, /):
    """z = arcsin x, within [-pi/2, pi/2]

    >>> ts.arcsin(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 1.571], dtype=float32)
    """
    return np.arcsin(x)


arcsin.partials(lambda x: 1 / np.sqrt((1 - x) * (1 + x)), singular=True)


@primitive("()->()", domain={"x": UNIT})
def arccos(x, /):
    """z = arccos x, within [0, pi]

    >>> ts.arccos(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.571, 0.   ], dtype=float32)
    """
    return np.arccos(x)


arccos.partials(lambda x: -1 / np.sqrt((1 - x) * (1 + x)), singular=True)


@primitive("()->()")
def arctan(x, /):
    """z = arctan x, within [-pi/2, pi/2]

    >>> ts.arctan(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.785], dtype=float32)
    """
    return np.arctan(x)


arctan.partials(lambda x: 1 / (1 + np.square(x)), singular=True)
arctan.c("arctan2_(x, 1)")


@primitive("()->()")
def sinc(x, /):
    """z = sin(pi x) / (pi x), 1 at 0

    >>> ts.sinc(ts.tensor([0.0, 0.5])).numpy().round(3)
    array([1.   , 0.637], dtype=float32)
    """
    y = math.pi * np.where(x == 0, 1, x)
    return np.where(x == 0, 1, np.sin(y) / y)


# the derivative of sum_k (-1)^k (pi x)^2k / (2k + 1)!, over x
SINC_SLOPES = [(-1) ** k * 2 * k * math.pi ** (2 * k) / math.factorial(2 * k + 1) for k in range(1, 11)]


def sinc_slope(x):
    """(cos(pi x) - sinc x) / x"""
    return x * near_zero(x, 0.3, SINC_SLOPES, lambda x: (np.cos(math.pi * x) - sinc(x)) / np.square(x))


sinc.partials(lambda x: sinc_slope(x), singular=True)
