"""Angles: of a point and of a real number, in radians and in degrees; and the distance of a point."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.ops.choice import stop_gradient


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


@primitive("(),()->()")
def hypot(x, y, /):
    """z = sqrt(x^2 + y^2), without overflow of the squares; its derivative is 0 at the origin

    >>> ts.hypot(ts.tensor([3.0, 0.0]), ts.tensor([4.0, 0.0])).numpy()
    array([5., 0.], dtype=float32)
    """
    return np.hypot(x, y)


hypot.partials(
    lambda x, z: x / np.where(z == 0, 1, z),
    lambda y, z: y / np.where(z == 0, 1, z),
    singular=True,
)


@numpy_function
def angle(z, deg: bool = False):
    """The angle of real numbers as complex ones: 0, and pi (or 180 degrees) for a negative number.

    It is constant, with derivative zero: its result is never on the tape.

    >>> import tinygrad_seq as ts
    >>> ts.angle(ts.tensor([2.0, -2.0]), deg=True).numpy()
    array([  0., 180.], dtype=float32)
    """
    radians = arctan2(0, stop_gradient(z))
    return rad2deg(radians) if deg else radians


@primitive("()->()")
def deg2rad(x, /):
    """z = pi x / 180

    >>> ts.deg2rad(ts.tensor([180.0])).numpy().round(3)
    array([3.142], dtype=float32)
    """
    return np.deg2rad(x)


deg2rad.linear(lambda g: np.deg2rad(g))
deg2rad.c("x * 0.017453292519943295")


@primitive("()->()")
def rad2deg(x, /):
    """z = 180 x / pi

    >>> ts.rad2deg(ts.tensor([np.pi])).numpy()
    array([180.], dtype=float32)
    """
    return np.rad2deg(x)


rad2deg.linear(lambda g: np.rad2deg(g))
rad2deg.c("x * 57.29577951308232")


degrees, radians = rad2deg, deg2rad
