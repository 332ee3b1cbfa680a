"""Questions about elements: comparisons, tests and logic. They have no derivative.

Their answers are Tensors all the same: a plain array would be baked into whatever records the call.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.primitive import primitive
from tinygrad_seq.signature import example


@primitive("()->()")
def sign(x, /):
    """z = x / |x|, 0 at 0"""
    return np.sign(x)


@primitive("()->()")
def isnan(x, /):
    """z = whether x is not a number"""
    return np.isnan(x)


@primitive("()->()")
def isfinite(x, /):
    """z = whether x is neither infinite nor NaN"""
    return np.isfinite(x)


@primitive("(),()->()")
def equal(x, y, /):
    """z = whether x = y"""
    return np.equal(x, y)


@primitive("(),()->()")
def not_equal(x, y, /):
    """z = whether x != y"""
    return np.not_equal(x, y)


@primitive("(),()->()")
def less(x, y, /):
    """z = whether x < y"""
    return np.less(x, y)


@primitive("(),()->()")
def less_equal(x, y, /):
    """z = whether x <= y"""
    return np.less_equal(x, y)


@primitive("(),()->()")
def greater(x, y, /):
    """z = whether x > y"""
    return np.greater(x, y)


@primitive("(),()->()")
def greater_equal(x, y, /):
    """z = whether x >= y"""
    return np.greater_equal(x, y)


@primitive("()->()")
def logical_not(x, /):
    """z = whether x is false"""
    return np.logical_not(x)


@primitive("(),()->()")
def logical_and(x, y, /):
    """z = whether both hold"""
    return np.logical_and(x, y)


@primitive("(),()->()")
def logical_or(x, y, /):
    """z = whether at least one holds"""
    return np.logical_or(x, y)


@primitive("()->()", examples=[example([True, False]), example([5, -1])])
def invert(x, /):
    """z = not x, of booleans; of integers, bit by bit"""
    return np.invert(x)


@primitive("(),()->()", examples=[example([True, False], [True, True]), example([6, 5], [3, 3])])
def bitwise_and(x, y, /):
    """z = x and y, of booleans; of integers, bit by bit"""
    return np.bitwise_and(x, y)


@primitive("(),()->()", examples=[example([True, False], [False, False]), example([6, 5], [3, 3])])
def bitwise_or(x, y, /):
    """z = x or y, of booleans; of integers, bit by bit"""
    return np.bitwise_or(x, y)
