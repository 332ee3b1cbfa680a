"""Hyperbolic sine and cosine, and the inverses of the hyperbolic functions. (tanh is in exponential.py.)

Where a function is NaN, arccosh below 1 and arctanh outside of [-1, 1], there is no derivative.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.ops.trigonometric import UNIT


@primitive("()->()")
def sinh(x, /):
    """z = sinh x

    >>> ts.sinh(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 1.175], dtype=float32)
    """
    return np.sinh(x)


sinh.partials(lambda x: np.cosh(x), singular=True)


@primitive("()->()")
def cosh(x, /):
    """z = cosh x

    >>> ts.cosh(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 1.543], dtype=float32)
    """
    return np.cosh(x)


cosh.partials(lambda x: np.sinh(x), singular=True)


@primitive("()->()")
def arcsinh(x, /):
    """z = arcsinh x, the inverse of sinh

    >>> ts.arcsinh(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.881], dtype=float32)
    """
    return np.arcsinh(x)


arcsinh.partials(lambda x: 1 / np.hypot(1, x), singular=True)


@primitive("()->()", domain={"x": (1.0, math.inf)})
def arccosh(x, /):
    """z = arccosh x >= 0, the inverse of cosh; dz/dx is infinite at 1

    >>> ts.arccosh(ts.tensor([1.0, 2.0])).numpy().round(3)
    array([0.   , 1.317], dtype=float32)
    """
    return np.arccosh(x)


arccosh.partials(lambda x: 1 / np.sqrt(x - 1) / np.sqrt(x + 1), singular=True)


@primitive("()->()", domain={"x": UNIT})
def arctanh(x, /):
    """z = arctanh x, the inverse of tanh; infinite at -1 and 1

    >>> ts.arctanh(ts.tensor([0.0, 0.5])).numpy().round(3)
    array([0.   , 0.549], dtype=float32)
    """
    return np.arctanh(x)


arctanh.partials(lambda x: 1 / ((1 - x) * (1 + x)), singular=True)
