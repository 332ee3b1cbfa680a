"""Ops that choose between elements: the gradient flows to the chosen element. Each states what a tie does."""

from __future__ import annotations

import builtins

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive


@primitive("()->()")
def relu(x, /):
    """z = max(x, 0); dz/dx = 0 at 0

    >>> ts.relu(ts.tensor([-1.0, 2.0])).numpy()
    array([0., 2.], dtype=float32)
    """
    return np.maximum(x, 0)


relu.partials(lambda x: x > 0)
relu.c("maximum_(x, 0)")


@primitive("(),()->()")
def maximum(x, y, /):
    """z = max(x, y); where x = y, each has the derivative 1/2

    >>> ts.maximum(ts.tensor([1.0, 5.0]), ts.tensor([3.0, 4.0])).numpy()
    array([3., 5.], dtype=float32)
    """
    return np.maximum(x, y)


def larger(g, x, y):
    """g where x > y, g/2 where x = y, else 0; masks multiply, which keeps the dtype of g"""
    return 0.5 * (g * (x > y) + g * (x >= y))


maximum.vjp(lambda g, x, y: larger(g, x, y), lambda g, x, y: larger(g, y, x))
maximum.jvp(lambda g, x, y: larger(g, x, y), lambda g, x, y: larger(g, y, x))
maximum.c("maximum_(x, y)")


@primitive("(),()->()")
def minimum(x, y, /):
    """z = min(x, y); where x = y, each has the derivative 1/2

    >>> ts.minimum(ts.tensor([1.0, 5.0]), ts.tensor([3.0, 4.0])).numpy()
    array([1., 4.], dtype=float32)
    """
    return np.minimum(x, y)


minimum.vjp(lambda g, x, y: larger(g, y, x), lambda g, x, y: larger(g, x, y))
minimum.jvp(lambda g, x, y: larger(g, y, x), lambda g, x, y: larger(g, x, y))
minimum.c("minimum_(x, y)")


@primitive("(),()->()")
def fmax(x, y, /):
    """z = max(x, y), or the other one where one is NaN; where x = y, each has the derivative 1/2

    >>> ts.fmax(ts.tensor([1.0, float("nan")]), ts.tensor([3.0, 4.0])).numpy()
    array([3., 4.], dtype=float32)
    """
    return np.fmax(x, y)


def chosen(g, x, y, z):
    """g where z is x, g/2 where it is y, too, else 0; masks multiply, which keeps the dtype of g"""
    return g * (x == z) - 0.5 * (g * np.logical_and(x == z, y == z))


fmax.vjp(lambda g, x, y, z: chosen(g, x, y, z), lambda g, x, y, z: chosen(g, y, x, z))
fmax.jvp(lambda g, x, y, z: chosen(g, x, y, z), lambda g, x, y, z: chosen(g, y, x, z))


@primitive("(),()->()")
def fmin(x, y, /):
    """z = min(x, y), or the other one where one is NaN; where x = y, each has the derivative 1/2

    >>> ts.fmin(ts.tensor([1.0, float("nan")]), ts.tensor([3.0, 4.0])).numpy()
    array([1., 4.], dtype=float32)
    """
    return np.fmin(x, y)


fmin.vjp(lambda g, x, y, z: chosen(g, x, y, z), lambda g, x, y, z: chosen(g, y, x, z))
fmin.jvp(lambda g, x, y, z: chosen(g, x, y, z), lambda g, x, y, z: chosen(g, y, x, z))


@primitive("(),(),()->()")
def _clip(x, low, high, /):
    """z = min(max(x, low), high); dz/dx = 1 between the bounds and on them"""
    return np.minimum(np.maximum(x, low), high)


_clip.partials(
    lambda x, low, high: np.logical_and(x >= low, x <= high),
    lambda x, low, high: np.logical_and(x < low, low <= high),
    lambda x, low, high: np.logical_or(x > high, low > high),
)
_clip.c("minimum_(maximum_(x, low), high)")


@numpy_function
def clip(x, a_min=None, a_max=None, *, min=None, max=None):
    """`x` limited to an interval: z = min(max(x, low), high).

    The bounds are arrays or numbers, None for no bound, under either of NumPy's pairs of names. Between the
    bounds and on them dz/dx = 1. TypeError for a bound that is given twice.

    >>> import tinygrad_seq as ts
    >>> ts.clip(ts.tensor([-2.0, 0.5, 3.0]), 0.0, 1.0).numpy()
    array([0. , 0.5, 1. ], dtype=float32)
    """
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise TypeError(
            "clip got one bound twice: a_min and min are the same, a_max and max too; give one of them"
        )
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    given = [
        b if isinstance(b, (int, float)) else getattr(b, "dtype", None) or np.asarray(b).dtype
        for b in (low, high)
        if b is not None
    ]
    least, most = extremes(np.result_type(x, *given))
    return _clip(x, bound(low, least, least, most), bound(high, most, least, most))


def extremes(dtype: np.dtype) -> tuple:
    """The smallest and the largest number of a dtype."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    return (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def bound(given, default, least, most):
    """The given bound, or the default; a Python int outside the range of an integer dtype is clipped to it."""
    if given is None:
        return default
    return builtins.max(least, builtins.min(given, most)) if type(given) is type(least) is int else given


@primitive("(),(),()->()")
def where(condition, x, y, /):
    """z = x where the condition is true, else y

    >>> ts.where([True, False], ts.tensor([1.0, 2.0]), 0.0).numpy()
    array([1., 0.], dtype=float32)
    """
    return np.where(truth(condition), x, y)


def truth(condition):
    """The condition as CuPy's where accepts it, too: not a Python number."""
    return np.bool_(condition) if isinstance(condition, (int, float)) else condition


where.linear(
    None,
    lambda g, condition: np.where(truth(condition), g, 0),
    lambda g, condition: np.where(truth(condition), 0, g),
)
where.c("condition ? x : y")


@primitive("()->()")
def stop_gradient(x, /):
    """z = x, with dz/dx taken to be 0: no gradient flows to x

    >>> x = ts.tensor(3.0, requires_grad=True)
    >>> float(ts.grad(x * ts.stop_gradient(x), x))
    3.0
    """
    return x


stop_gradient.no_derivative()
stop_gradient.c("x")


@primitive("(),()->()")
def heaviside(x, h, /):
    """z = 0 where x < 0, h where x = 0, 1 where x > 0; dz/dh = 1 at x = 0, and x has no derivative

    >>> ts.heaviside(ts.tensor([-1.0, 0.0, 2.0]), 0.5).numpy()
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return np.heaviside(x, h)


heaviside.partials(None, lambda x: x == 0)


@numpy_function
def nan_to_num(x, copy: bool = True, nan=0.0, posinf=None, neginf=None):
    """`x` with numbers in the place of NaN and infinities; there its derivative is 0.

    posinf and neginf are by default the largest and the smallest number of the dtype. ValueError for
    copy=False, since tensors are not changed in place.

    >>> import tinygrad_seq as ts
    >>> ts.nan_to_num(ts.tensor([float("nan"), 1.0, float("inf")]), posinf=9.0).numpy()
    array([0., 1., 9.], dtype=float32)
    """
    if not copy:
        raise ValueError("nan_to_num(copy=False) would change x in place: the result is a new array here")
    x = x if hasattr(x, "dtype") else np.asarray(x)
    if x.dtype.kind != "f":
        return x
    least, most = np.finfo(x.dtype).min, np.finfo(x.dtype).max
    z = where(np.isnan(x), nan, x)
    z = where(x == np.inf, most if posinf is None else posinf, z)
    z = where(x == -np.inf, least if neginf is None else neginf, z)
    return z if z.dtype == x.dtype else z.astype(x.dtype)
