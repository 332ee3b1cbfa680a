"""Comparisons, tests and logic, element by element. They have no derivative.

They still return Tensors, because a plain array would become a constant of a step that scan records.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.ops.choice import stop_gradient


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


@primitive("()->()")
def isinf(x, /):
    """z = true where x is infinite

    >>> ts.isinf(ts.tensor([1.0, float("inf"), float("nan")])).numpy()
    array([False,  True, False])
    """
    return np.isinf(x)


isinf.no_derivative()


@numpy_function
def isposinf(x):
    """True where x is infinity.

    >>> import tinygrad_seq as ts
    >>> ts.isposinf(ts.tensor([float("inf"), -float("inf")])).numpy()
    array([ True, False])
    """
    return equal(x, np.inf)


@numpy_function
def isneginf(x):
    """True where x is minus infinity.

    >>> import tinygrad_seq as ts
    >>> ts.isneginf(ts.tensor([float("inf"), -float("inf")])).numpy()
    array([False,  True])
    """
    return equal(x, -np.inf)


@primitive("()->()")
def signbit(x, /):
    """z = true where x is negative, also for -0

    >>> ts.signbit(ts.tensor([1.0, -1.0, -0.0])).numpy()
    array([False,  True,  True])
    """
    return np.signbit(x)


signbit.no_derivative()


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


@primitive("(),()->()")
def logical_xor(x, y, /):
    """z = true where one of x and y is true, and the other false

    >>> ts.logical_xor(ts.tensor([True, True]), [True, False]).numpy()
    array([False,  True])
    """
    return np.logical_xor(x, y)


logical_xor.no_derivative()
logical_xor.c("(x != 0) != (y != 0)")


@numpy_function
def isclose(a, b, rtol=1e-5, atol=1e-8, equal_nan: bool = False):
    """True where |a - b| <= atol + rtol |b|, and where a and b are the same infinity.

    With equal_nan also where both are NaN.

    >>> import tinygrad_seq as ts
    >>> ts.isclose(ts.tensor([1.0, 2.0]), ts.tensor([1.000001, 2.1])).numpy()
    array([ True, False])
    """
    a, b = (stop_gradient(x if hasattr(x, "dtype") else np.asarray(x)) for x in (a, b))
    near = less_equal(np.abs(a - 1.0 * b), atol + rtol * np.abs(b))
    close = logical_or(logical_and(near, isfinite(b)), equal(a, b))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close
