"""Bessel functions of real arguments.

j0 and j1 are of the first kind, y0 and y1 of the second, i0 and i1 modified; i0e and i1e are these times
e^-|x|. jv, yv, yn, iv and ive have an order, which is constant; of these CuPy has yn. Equations are those of
the Digital Library of Mathematical Functions, DLMF, chapter 10.

A derivative with x in a denominator is a power series near 0. y0 and y1 have a pole at 0 and are NaN below.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.engine.record import Handle
from tinygrad_seq.ops.elementwise import POSITIVE
from tinygrad_seq.ops.series import near_zero
from tinygrad_seq.ops.special.library import computed, in_one_dtype

# x/2 sum_k (x/2)^2k / (k! (k + 1)!) is i1 (DLMF 10.25.2), and with alternating signs j1; here its derivative
I1_SLOPES = [0.5 * (2 * k + 1) / (4**k * math.factorial(k) * math.factorial(k + 1)) for k in range(12)]
J1_SLOPES = [(-1) ** k * c for k, c in enumerate(I1_SLOPES)]


@primitive("()->()", module="special")
@in_one_dtype
def j0(x, /):
    """z = J_0(x)

    >>> ts.special.j0(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 0.765], dtype=float32)
    """
    return computed("j0", x)


@primitive("()->()", module="special")
@in_one_dtype
def j1(x, /):
    """z = J_1(x)

    >>> ts.special.j1(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.  , 0.44], dtype=float32)
    """
    return computed("j1", x)


j0.partials(lambda x: -j1(x), singular=True)
# J_0 - J_1 / x, DLMF 10.6.2
j1.partials(lambda x: near_zero(x, 1, J1_SLOPES, lambda x: j0(x) - j1(x) / x), singular=True)


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def y0(x, /):
    """z = Y_0(x), for x > 0

    >>> ts.special.y0(ts.tensor([1.0, 2.0])).numpy().round(3)
    array([0.088, 0.51 ], dtype=float32)
    """
    return computed("y0", x)


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def y1(x, /):
    """z = Y_1(x), for x > 0

    >>> ts.special.y1(ts.tensor([1.0, 2.0])).numpy().round(3)
    array([-0.781, -0.107], dtype=float32)
    """
    return computed("y1", x)


y0.partials(lambda x: -y1(x), singular=True)
y1.partials(lambda x, z: y0(x) - z / x, singular=True)


@primitive("()->()", module="special")
@in_one_dtype
def i0(x, /):
    """z = I_0(x)

    >>> ts.special.i0(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 1.266], dtype=float32)
    """
    return computed("i0", x)


@primitive("()->()", module="special")
@in_one_dtype
def i1(x, /):
    """z = I_1(x)

    >>> ts.special.i1(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.565], dtype=float32)
    """
    return computed("i1", x)


i0.partials(lambda x: i1(x), singular=True)


def i1_slope(x):
    """I_0 - I_1 / x, DLMF 10.29.2; where I_0 and I_1 overflow, their ratio does not"""
    return near_zero(x, 1, I1_SLOPES, lambda x: safe_product(i0(x), 1 - i1e(x) / i0e(x) / x))


i1.partials(lambda x: i1_slope(x), singular=True)


@primitive("()->()", module="special")
@in_one_dtype
def i0e(x, /):
    """z = e^-|x| I_0(x); at its kink, 0, the derivative is 0

    >>> ts.special.i0e(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([1.   , 0.466], dtype=float32)
    """
    return computed("i0e", x)


@primitive("()->()", module="special")
@in_one_dtype
def i1e(x, /):
    """z = e^-|x| I_1(x)

    >>> ts.special.i1e(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.208], dtype=float32)
    """
    return computed("i1e", x)


i0e.partials(lambda x, z: i1e(x) - np.sign(x) * z, singular=True)


def i1e_slope(x, z):
    """(I_0 - I_1 / x - I_1 sign x) e^-|x|, without overflow"""
    near = np.abs(x) < 1
    small = np.where(near, x, 0)
    scaled = np.where(near, np.exp(-np.abs(small)) * i1_slope(small), i0e(x) - z / np.where(near, 1, x))
    return scaled - np.sign(x) * z


i1e.partials(lambda x, z: i1e_slope(x, z), singular=True)


def constant(order, name: str):
    """The order of a function that has no derivative with respect to it; TypeError if it requires one."""
    if isinstance(order, Handle) and order.line is not None:
        raise TypeError(f"{name} has no derivative with respect to its order: give a number, or order.detach()")
    return order


@primitive("(),()->()", domain={"x": POSITIVE})
@in_one_dtype
def _jv(v, x, /):
    """z = J_v(x), for x >= 0 unless v is whole; DLMF 10.6.1"""
    return computed("jv", v, x)


_jv.partials(None, lambda v, x: 0.5 * (_jv(v - 1, x) - _jv(v + 1, x)), singular=True)


@numpy_function(module="special")
def jv(v, x):
    """The Bessel function of the first kind and of order `v`; TypeError if the order requires a gradient.

    >>> import tinygrad_seq as ts
    >>> ts.special.jv(2, ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.115], dtype=float32)
    """
    return _jv(constant(v, "jv"), x)


jn = jv


@primitive("(),()->()", domain={"x": POSITIVE})
@in_one_dtype
def _yv(v, x, /):
    """z = Y_v(x), for x > 0; DLMF 10.6.1"""
    return computed("yv", v, x)


_yv.partials(None, lambda v, x: 0.5 * (_yv(v - 1, x) - _yv(v + 1, x)), singular=True)


@numpy_function(module="special")
def yv(v, x):
    """The Bessel function of the second kind and of order `v`; TypeError if the order requires a gradient.

    >>> import tinygrad_seq as ts
    >>> ts.special.yv(2, ts.tensor([1.0, 2.0])).numpy().round(3)
    array([-1.651, -0.617], dtype=float32)
    """
    return _yv(constant(v, "yv"), x)


@primitive("(),()->()", domain={"x": POSITIVE})
@in_one_dtype
def _yn(n, x, /):
    """z = Y_n(x), for x > 0 and whole n; DLMF 10.6.1"""
    return computed("yn", n, x)


_yn.partials(None, lambda n, x: 0.5 * (_yn(n - 1, x) - _yn(n + 1, x)), singular=True)


@numpy_function(module="special")
def yn(n, x):
    """The Bessel function of the second kind and of whole order `n`; TypeError if it requires a gradient.

    >>> import tinygrad_seq as ts
    >>> ts.special.yn(2, ts.tensor([1.0, 2.0])).numpy().round(3)
    array([-1.651, -0.617], dtype=float32)
    """
    return _yn(constant(n, "yn"), x)


@primitive("(),()->()", domain={"x": POSITIVE})
@in_one_dtype
def _iv(v, x, /):
    """z = I_v(x), for x >= 0 unless v is whole; DLMF 10.29.1"""
    return computed("iv", v, x)


_iv.partials(None, lambda v, x: 0.5 * (_iv(v - 1, x) + _iv(v + 1, x)), singular=True)


@numpy_function(module="special")
def iv(v, x):
    """The modified Bessel function of order `v`; TypeError if the order requires a gradient.

    >>> import tinygrad_seq as ts
    >>> ts.special.iv(2, ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.   , 0.136], dtype=float32)
    """
    return _iv(constant(v, "iv"), x)


@primitive("(),()->()", domain={"x": POSITIVE})
@in_one_dtype
def _ive(v, x, /):
    """z = e^-|x| I_v(x); at its kink, 0, |x| has the derivative 0"""
    return computed("ive", v, x)


_ive.partials(None, lambda v, x, z: 0.5 * (_ive(v - 1, x) + _ive(v + 1, x)) - np.sign(x) * z, singular=True)


@numpy_function(module="special")
def ive(v, x):
    """e^-|x| times the modified Bessel function of order `v`; TypeError if the order requires a gradient.

    >>> import tinygrad_seq as ts
    >>> ts.special.ive(2, ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.  , 0.05], dtype=float32)
    """
    return _ive(constant(v, "ive"), x)
