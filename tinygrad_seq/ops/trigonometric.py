"""Sine, cosine, and the angle of a point. Sine and cosine of infinity are NaN, and so are their derivatives."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import primitive


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


@primitive("(),()->()")
def arctan2(y, x, /):
    """z = the angle of the point (x, y), within [-pi, pi]; at the origin its derivative is NaN

    >>> ts.arctan2(ts.tensor([0.0, 1.0]), ts.tensor([1.0, -1.0])).numpy().round(3)
    array([0.   , 2.356], dtype=float32)
    """
    return np.arctan2(y, x)


arctan2.partials(
    lambda y, x: x / (np.square(x) + np.square(y)),
    lambda y, x: -(y / (np.square(x) + np.square(y))),
    singular=True,
)
arctan2.c("arctan2_(y, x)")
