"""Comparisons, tests and logic, element by element. They have no derivative.

They still return Tensors, because a plain array would become a constant of a step that scan records.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example


@primitive("()->()")
def sign(x, /):
    """z = x / |x|, 0 at 0

    >>> ts.sign(ts.tensor([-3.0, 0.0, 2.0])).numpy()
    array([-1.,  0.,  1.], dtype=float32)
    """
    return np.sign(x)


sign.no_derivative()
sign.c("sign_(x)")


@primitive("()->()")
def isnan(x, /):
    """z = true where x is NaN

    >>> ts.isnan(ts.tensor([1.0, float("nan")])).numpy()
    array([False,  True])
    """
    return np.isnan(x)


isnan.no_derivative()
isnan.c("isnan_(x)")


@primitive("()->()")
def isfinite(x, /):
    """z = true where x is neither infinite nor NaN

    >>> ts.isfinite(ts.tensor([1.0, float("inf")])).numpy()
    array([ True, False])
    """
    return np.isfinite(x)


isfinite.no_derivative()
isfinite.c("isfinite_(x)")


@primitive("(),()->()")
def equal(x, y, /):
    """z = true where x = y

    >>> (ts.tensor([1, 2]) == 2).numpy()
    array([False,  True])
    """
    return np.equal(x, y)


equal.no_derivative()
equal.c("x == y")


@primitive("(),()->()")
def not_equal(x, y, /):
    """z = true where x != y

    >>> (ts.tensor([1, 2]) != 2).numpy()
    array([ True, False])
    """
    return np.not_equal(x, y)


not_equal.no_derivative()
not_equal.c("x != y")


@primitive("(),()->()")
def less(x, y, /):
    """z = true where x < y

    >>> (ts.tensor([1, 2]) < 2).numpy()
    array([ True, False])
    """
    return np.less(x, y)


less.no_derivative()
less.c("x < y")


@primitive("(),()->()")
def less_equal(x, y, /):
    """z = true where x <= y

    >>> (ts.tensor([1, 2]) <= 1).numpy()
    array([ True, False])
    """
    return np.less_equal(x, y)


less_equal.no_derivative()
less_equal.c("x <= y")


@primitive("(),()->()")
def greater(x, y, /):
    """z = true where x > y

    >>> (ts.tensor([1, 2]) > 1).numpy()
    array([False,  True])
    """
    return np.greater(x, y)


greater.no_derivative()
greater.c("x > y")


@primitive("(),()->()")
def greater_equal(x, y, /):
    """z = true where x >= y

    >>> (ts.tensor([1, 2]) >= 2).numpy()
    array([False,  True])
    """
    return np.greater_equal(x, y)


greater_equal.no_derivative()
greater_equal.c("x >= y")


@primitive("()->()")
def logical_not(x, /):
    """z = true where x is false

    >>> ts.logical_not(ts.tensor([True, False])).numpy()
    array([False,  True])
    """
    return np.logical_not(x)


logical_not.no_derivative()
logical_not.c("!x")


@primitive("(),()->()")
def logical_and(x, y, /):
    """z = true where x and y are both true

    >>> ts.logical_and(ts.tensor([True, True]), [True, False]).numpy()
    array([ True, False])
    """
    return np.logical_and(x, y)


logical_and.no_derivative()
logical_and.c("(x != 0) & (y != 0)")


@primitive("(),()->()")
def logical_or(x, y, /):
    """z = true where x or y is true

    >>> ts.logical_or(ts.tensor([True, False]), [False, False]).numpy()
    array([ True, False])
    """
    return np.logical_or(x, y)


logical_or.no_derivative()
logical_or.c("(x != 0) | (y != 0)")


@primitive("()->()", examples=[example([True, False]), example([5, -1])])
def invert(x, /):
    """z = not x: logical for booleans, bit by bit for integers

    >>> (~ts.tensor([True, False])).numpy()
    array([False,  True])
    """
    return np.invert(x)


invert.no_derivative()
invert.c("~x", truth="!x")


@primitive("(),()->()", examples=[example([True, False], [True, True]), example([6, 5], [3, 3])])
def bitwise_and(x, y, /):
    """z = x and y: logical for booleans, bit by bit for integers

    >>> (ts.tensor([6, 5]) & 3).numpy()
    array([2, 1])
    """
    return np.bitwise_and(x, y)


bitwise_and.no_derivative()
bitwise_and.c("x & y")


@primitive("(),()->()", examples=[example([True, False], [False, False]), example([6, 5], [3, 3])])
def bitwise_or(x, y, /):
    """z = x or y: logical for booleans, bit by bit for integers

    >>> (ts.tensor([6, 5]) | 3).numpy()
    array([7, 7])
    """
    return np.bitwise_or(x, y)


bitwise_or.no_derivative()
bitwise_or.c("x | y")
