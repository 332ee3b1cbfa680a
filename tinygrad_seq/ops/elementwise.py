"""Arithmetic, element by element: z_i depends only on the i-th elements, so each rule is a partial derivative.

A partial that can be infinite or undefined is declared `singular`. The engine multiplies by it with the safe
product, so that the branch which `where` did not take contributes zero and not NaN.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.engine.signature import example

POSITIVE = (0.0, math.inf)


@primitive("(),()->()")
def add(x, y, /):
    """z = x + y

    >>> (ts.tensor([1.0, 2.0]) + 1.0).numpy()
    array([2., 3.], dtype=float32)
    """
    return x + y


add.linear(lambda g: g, lambda g: g)
add.c("x + y", truth="x | y")


@primitive("(),()->()")
def subtract(x, y, /):
    """z = x - y

    >>> (ts.tensor([1.0, 2.0]) - ts.tensor([3.0])).numpy()
    array([-2., -1.], dtype=float32)
    """
    return x - y


subtract.linear(lambda g: g, lambda g: -g)
subtract.c("x - y")


@primitive("(),()->()")
def multiply(x, y, /):
    """z = x y

    >>> (ts.tensor([1.0, 2.0]) * ts.tensor([[3.0], [4.0]])).numpy()
    array([[3., 6.],
           [4., 8.]], dtype=float32)
    """
    return x * y


multiply.partials(lambda y: y, lambda x: x)
multiply.c("x * y")


@primitive("(),()->()")
def divide(x, y, /):
    """z = x / y

    >>> (ts.tensor([1.0, 2.0]) / 4.0).numpy()
    array([0.25, 0.5 ], dtype=float32)
    """
    return x / y


def inverse(y):
    """1/y, also for Python numbers, where division by zero would raise an error."""
    return math.copysign(math.inf, y) if isinstance(y, (int, float)) and y == 0 else 1 / y


divide.partials(lambda y: inverse(y), lambda y, z: -z / y, singular=True)
divide.c("x / y")


@primitive("()->()")
def negative(x, /):
    """z = -x

    >>> (-ts.tensor([1.0, -2.0])).numpy()
    array([-1.,  2.], dtype=float32)
    """
    return -x


negative.linear(lambda g: -g)
negative.c("-x")


@primitive("()->()")
def positive(x, /):
    """z = x; TypeError for booleans

    >>> ts.positive(ts.tensor([1.0, -2.0])).numpy()
    array([ 1., -2.], dtype=float32)
    """
    return np.positive(x)


positive.linear(lambda g: g)
positive.c("x")


@primitive("()->()")
def reciprocal(x, /):
    """z = 1 / x; of integers an integer

    >>> ts.reciprocal(ts.tensor([1.0, 4.0])).numpy()
    array([1.  , 0.25], dtype=float32)
    """
    return np.reciprocal(x)


reciprocal.partials(lambda z: -np.square(z), singular=True)
reciprocal.c("1 / x")


@primitive("(),()->()", domain={"x": POSITIVE})
def power(x, p, /):
    """z = x^p

    d/dx x^0 = 0 and d/dp 0^p = 0 (p >= 0), at x = 0 too and to every order. For x < 0 the derivative with
    respect to p is not real: NaN. ValueError for a negative power of integers.

    >>> (ts.tensor([1.0, 2.0]) ** 3).numpy()
    array([1., 8.], dtype=float32)
    """
    # x ** 2 is faster, but its dtype is another for booleans, and before NumPy 2.3 for an array of 2
    squared = type(p) in (int, float) and p == 2 and getattr(x, "dtype", None) != np.bool_
    z = x**p if squared else np.power(x, p)
    if not isinstance(z, np.ndarray):  # NumPy refuses a negative power of integers itself
        backend.refuse_negative_power(z, p)
    return z


power.partials(
    lambda x, p: safe_product(p, x ** (p - 1)),
    lambda x, p, z: safe_product(z, np.log(np.where(np.logical_and(x == 0, p >= 0), 1, x))),
    singular=True,
)
power.c("pow_(x, p)")


@primitive("()->()")
def square(x, /):
    """z = x^2

    >>> ts.square(ts.tensor([1.0, -2.0])).numpy()
    array([1., 4.], dtype=float32)
    """
    return np.square(x)


square.partials(lambda x: 2 * x, singular=True)
square.c("square_(x)")


@primitive("()->()", domain={"x": POSITIVE})
def sqrt(x, /):
    """z = sqrt x; dz/dx is infinite at 0

    >>> ts.sqrt(ts.tensor([0.0, 4.0])).numpy()
    array([0., 2.], dtype=float32)
    """
    return np.sqrt(x)


sqrt.partials(lambda z: 0.5 / z, singular=True)
sqrt.c("sqrt_(x)")


@primitive("()->()")
def cbrt(x, /):
    """z = x^(1/3), also for negative x; dz/dx is infinite at 0

    >>> ts.cbrt(ts.tensor([-8.0, 27.0])).numpy().round(3)
    array([-2.,  3.], dtype=float32)
    """
    return np.cbrt(x)


cbrt.partials(lambda z: 1 / (3 * np.square(z)), singular=True)


@numpy_function
def float_power(x1, x2):
    """x1^x2 in float64.

    >>> import tinygrad_seq as ts
    >>> ts.float_power(ts.tensor([2, 3]), -1).numpy().round(3)
    array([0.5  , 0.333])
    """
    return power(double(x1), double(x2))


def double(x):
    """`x` as float64."""
    return x if getattr(x, "dtype", None) == np.float64 else astype(x, np.float64)


@primitive("()->()")
def abs(x, /):
    """z = |x|; dz/dx = 0 at 0

    >>> ts.abs(ts.tensor([1.0, -2.0])).numpy()
    array([1., 2.], dtype=float32)
    """
    return np.abs(x)


abs.partials(lambda x: np.sign(x))
abs.c("abs_(x)")


@primitive("()->()")
def fabs(x, /):
    """z = |x|, of integers a float; dz/dx = 0 at 0

    >>> ts.fabs(ts.tensor([1, -2])).numpy()
    array([1., 2.])
    """
    return np.fabs(x)


fabs.partials(lambda x: np.sign(x))
fabs.c("abs_(x)")


@primitive("(),()->()")
def copysign(x, y, /):
    """z = |x| with the sign of y, also of y = -0; dz/dx = 0 at x = 0, and y has no derivative

    >>> ts.copysign(ts.tensor([1.0, -2.0]), ts.tensor([-3.0, -0.0])).numpy()
    array([-1., -2.], dtype=float32)
    """
    return np.copysign(x, y)


copysign.partials(lambda x, y: np.sign(x) * np.copysign(1.0, y), None)


@primitive("(),()->()")
def ldexp(x, n, /):
    """z = x 2^n, for integers n

    >>> ts.ldexp(ts.tensor([1.0, 3.0]), [4, -1]).numpy()
    array([16. ,  1.5], dtype=float32)
    """
    return np.ldexp(x, n)


ldexp.linear(lambda g, n: np.ldexp(g, n), None)


@primitive(examples=[example("(a)", dtype="float64"), example("()", dtype="float64")])
def _astype(x, /, dtype):
    """z = x in another float dtype; the engine casts the cotangent back"""
    return backend.array(x).astype(dtype)


_astype.linear(lambda g: g)
_astype.rides(dtype=lambda dtype: dtype)


@primitive(examples=[example("(a)", dtype="int64")])
def _cast(x, /, dtype):
    """z = x as integers or booleans; it has no derivative"""
    return backend.array(x).astype(dtype)


_cast.no_derivative()
_cast.rides(dtype=lambda dtype: dtype)


@numpy_function
def astype(x, dtype):
    """`x` in another dtype; differentiable between float dtypes. TypeError for a dtype that no Tensor has.

    >>> import tinygrad_seq as ts
    >>> ts.tensor([1.5, 2.5]).astype("float64").dtype
    dtype('float64')
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds floats, integers or booleans, got {dtype}")
    return (_astype if dtype.kind == "f" else _cast)(x, dtype)
