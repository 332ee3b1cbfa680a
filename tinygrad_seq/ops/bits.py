"""Logic and shifts bit by bit, for integers and booleans. They have no derivative."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import primitive
from tinygrad_seq.engine.signature import example


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


@primitive("(),()->()", examples=[example([True, False], [True, True]), example([6, 5], [3, 3])])
def bitwise_xor(x, y, /):
    """z = either x or y: logical for booleans, bit by bit for integers

    >>> (ts.tensor([6, 5]) ^ 3).numpy()
    array([5, 6])
    """
    return np.bitwise_xor(x, y)


bitwise_xor.no_derivative()
bitwise_xor.c("x ^ y")


@primitive("(),()->()", examples=[example([6, -5], [3, 0])])
def left_shift(x, n, /):
    """z = x 2^n, for integers

    >>> (ts.tensor([1, 5]) << 2).numpy()
    array([ 4, 20])
    """
    return np.left_shift(x, n)


left_shift.no_derivative()


@primitive("(),()->()", examples=[example([6, -5], [1, 0])])
def right_shift(x, n, /):
    """z = x / 2^n, rounded down, for integers

    >>> (ts.tensor([7, -7]) >> 1).numpy()
    array([ 3, -4])
    """
    return np.right_shift(x, n)


right_shift.no_derivative()
