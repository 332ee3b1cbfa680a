"""Rounding to whole numbers, and division with a remainder.

Rounding has a derivative of zero wherever it has one, so its results are never on the tape. A remainder is
x - y n with a whole number n that counts as constant: its derivatives are 1 and -n, also where n jumps.
"""

from __future__ import annotations

import builtins
import operator

import numpy as np

from tinygrad_seq.engine.declaration import Domain
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.engine.signature import example

# Where n is -2 or -3 for all, so that the laws meet no jump.
STEADY: dict[str, Domain] = {"x": (-7.0, -6.0), "y": (2.4, 3.0)}


@primitive("()->()")
def floor(x, /):
    """z = the largest whole number <= x

    >>> ts.floor(ts.tensor([1.7, -1.2])).numpy()
    array([ 1., -2.], dtype=float32)
    """
    return np.floor(x)


floor.no_derivative()


@primitive("()->()")
def ceil(x, /):
    """z = the smallest whole number >= x

    >>> ts.ceil(ts.tensor([1.2, -1.7])).numpy()
    array([ 2., -1.], dtype=float32)
    """
    return np.ceil(x)


ceil.no_derivative()


@primitive("()->()")
def trunc(x, /):
    """z = x without its digits after the point

    >>> ts.trunc(ts.tensor([1.7, -1.7])).numpy()
    array([ 1., -1.], dtype=float32)
    """
    return np.trunc(x)


trunc.no_derivative()


fix = trunc


@primitive("()->()")
def rint(x, /):
    """z = the whole number nearest to x, the even one of two

    >>> ts.rint(ts.tensor([0.5, 1.5, -1.7])).numpy()
    array([ 0.,  2., -2.], dtype=float32)
    """
    return np.rint(x)


rint.no_derivative()


@numpy_function
def round(a, decimals: int = 0):
    """`a` rounded to a number of decimals, or for a negative number to tens, hundreds and so on.

    >>> import tinygrad_seq as ts
    >>> ts.round(ts.tensor([1.25, -12.75]), 1).numpy()
    array([  1.2, -12.8], dtype=float32)
    """
    a, decimals = a if hasattr(a, "dtype") else np.asarray(a), operator.index(decimals)
    whole = a.dtype.kind in "iu"
    if decimals >= 0 and whole:
        return np.positive(a)
    if decimals == 0:
        return rint(a)
    scale = 10.0 ** builtins.abs(decimals)
    z = rint(a * scale) / scale if decimals > 0 else rint(a / scale) * scale
    return z.astype(a.dtype) if whole else z


around = round


@primitive("(),()->()", examples=[example([7.5, -7.5], [2.0, 3.0]), example([7, -7], [2, -3])])
def floor_divide(x, y, /):
    """z = the largest whole number <= x / y

    >>> (ts.tensor([7.0, -7.0]) // 2).numpy()
    array([ 3., -4.], dtype=float32)
    """
    return np.floor_divide(x, y)


floor_divide.no_derivative()


@primitive("(),()->()", domain=STEADY)
def remainder(x, y, /):
    """z = x - y floor(x / y), which has the sign of y

    >>> (ts.tensor([7.0, -7.0]) % 3).numpy()
    array([1., 2.], dtype=float32)
    """
    return np.remainder(x, y)


def constant_quotient(quotient):
    """The rules of x - y n for n = quotient(x, y), which counts as constant."""
    return lambda g: g, lambda g, x, y: safe_product(g, -quotient(x, y))


mod = remainder
remainder.vjp(*constant_quotient(np.floor_divide))
remainder.jvp(*constant_quotient(np.floor_divide))


@primitive("(),()->()", domain=STEADY)
def fmod(x, y, /):
    """z = x - y trunc(x / y), which has the sign of x

    >>> ts.fmod(ts.tensor([7.0, -7.0]), 3).numpy()
    array([ 1., -1.], dtype=float32)
    """
    return np.fmod(x, y)


fmod.vjp(*constant_quotient(lambda x, y: np.trunc(x / y)))
fmod.jvp(*constant_quotient(lambda x, y: np.trunc(x / y)))


@numpy_function
def divmod(x1, x2):
    """The pair floor_divide(x1, x2), remainder(x1, x2).

    >>> import tinygrad_seq as ts
    >>> [part.numpy() for part in divmod(ts.tensor([7.0, -7.0]), 3)]
    [array([ 2., -3.], dtype=float32), array([1., 2.], dtype=float32)]
    """
    return floor_divide(x1, x2), remainder(x1, x2)


@primitive("()->()")
def _fraction(x, /):
    """z = the digits of x after the point, with the sign of x"""
    return np.modf(x)[0]


_fraction.vjp(lambda g: g)
_fraction.jvp(lambda g: g)


@numpy_function
def modf(x):
    """The pair of the digits of x after the point and those before it, both with the sign of x.

    >>> import tinygrad_seq as ts
    >>> [part.numpy() for part in ts.modf(ts.tensor([1.5, -2.25]))]
    [array([ 0.5 , -0.25], dtype=float32), array([ 1., -2.], dtype=float32)]
    """
    x = x if hasattr(x, "dtype") else np.asarray(x)
    x = x if x.dtype.kind == "f" else x.astype(np.result_type(x.dtype, np.float16))
    return _fraction(x), trunc(x)
