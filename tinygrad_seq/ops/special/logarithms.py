"""Logistic functions, logarithms of probabilities, and entropies. They need no other library.

At the edges x = 0 the convention is 0 log 0 = 0; derivatives are the limits from inside, mostly infinite.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine.precision import rounded_once, total
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.ops import exponential, reduction
from tinygrad_seq.ops import softmax as rows
from tinygrad_seq.ops.choice import stop_gradient
from tinygrad_seq.ops.elementwise import POSITIVE
from tinygrad_seq.ops.reduction import axes_of
from tinygrad_seq.ops.special.library import in_one_dtype


@numpy_function(module="special")
def expit(x):
    """1 / (1 + e^-x), which is ts.sigmoid.

    >>> import tinygrad_seq as ts
    >>> ts.special.expit(ts.tensor([0.0, 1.0])).numpy().round(3)
    array([0.5  , 0.731], dtype=float32)
    """
    return exponential.sigmoid(x)


@primitive("()->()", module="special")
@in_one_dtype
def log_expit(x, /):
    """z = log(1 / (1 + e^-x)), without overflow

    >>> ts.special.log_expit(ts.tensor([0.0, -1000.0])).numpy().round(3)
    array([-6.93e-01, -1.00e+03], dtype=float32)
    """
    return -np.logaddexp(-x, 0)


log_expit.partials(lambda x: exponential.sigmoid(-x))
log_expit.c("-softplus_(-x)")


@primitive("()->()", domain={"x": (0.0, 1.0)}, module="special")
@in_one_dtype
def logit(x, /):
    """z = log(x / (1 - x)), exact near 1/2; infinite at 0 and 1, and NaN outside

    >>> ts.special.logit(ts.tensor([0.5, 0.9])).numpy().round(3)
    array([0.   , 2.197], dtype=float32)
    """
    # log(x / (1 - x)) for x > 1/2, where the quotient is 1 + (2 x - 1) / (1 - x), and its reflection below
    least = np.minimum(x, 1 - x) + 0.0  # -0 becomes 0
    return np.copysign(np.log1p(np.abs(2 * x - 1) / least), x - 0.5)


logit.partials(lambda x: 1 / (x * (1 - x)), singular=True)


@primitive("(),()->()", domain={"y": POSITIVE}, module="special")
@in_one_dtype
def xlogy(x, y, /):
    """z = x log y, and 0 where x = 0, unless y is NaN; there dz/dx = log y and dz/dy = 0

    >>> ts.special.xlogy(ts.tensor([0.0, 2.0]), ts.tensor([0.0, 3.0])).numpy().round(3)
    array([0.   , 2.197], dtype=float32)
    """
    return x * np.log(np.where(np.logical_and(np.equal(x, 0), np.equal(y, y)), 1, y))


xlogy.partials(lambda y: np.log(y), lambda x, y: safe_product(x, np.divide(1, y)), singular=True)


@primitive("(),()->()", domain={"y": (-1.0, math.inf)}, module="special")
@in_one_dtype
def xlog1py(x, y, /):
    """z = x log(1 + y), and 0 where x = 0, unless y is NaN; there dz/dx = log(1 + y) and dz/dy = 0

    >>> ts.special.xlog1py(ts.tensor([0.0, 2.0]), ts.tensor([-1.0, 2.0])).numpy().round(3)
    array([0.   , 2.197], dtype=float32)
    """
    return x * np.log1p(np.where(np.logical_and(np.equal(x, 0), np.equal(y, y)), 0, y))


xlog1py.partials(lambda y: np.log1p(y), lambda x, y: safe_product(x, np.divide(1, 1 + y)), singular=True)


@primitive("()->()", domain={"x": POSITIVE}, module="special")
@in_one_dtype
def entr(x, /):
    """z = -x log x, 0 at 0 and -inf for x < 0; dz/dx is infinite at 0

    >>> ts.special.entr(ts.tensor([0.0, 0.5])).numpy().round(3)
    array([0.   , 0.347], dtype=float32)
    """
    return np.where(x < 0, -math.inf, 0 - x * np.log(np.where(x <= 0, 1, x)))


entr.partials(lambda x: -np.log(x) - 1, singular=True)


@primitive("(),()->()", domain={"x": POSITIVE, "y": POSITIVE}, module="special")
@in_one_dtype
def rel_entr(x, y, /):
    """z = x log(x / y), 0 where x = 0 and y >= 0, and infinite where x < 0 or y < 0 or x > y = 0

    dz/dx is -inf at x = 0, where dz/dy = 0.

    >>> ts.special.rel_entr(ts.tensor([0.0, 0.5]), ts.tensor([1.0, 0.25])).numpy().round(3)
    array([0.   , 0.347], dtype=float32)
    """
    return extended(x, y, lambda x, y: x * np.log(x / y), 0)


def extended(x, y, inside, edge):
    """inside(x, y) where x > 0 and y > 0, edge where x = 0 and y >= 0, else inf; NaN where x or y is."""
    both = np.logical_and(x > 0, y > 0)
    z = inside(np.where(both, x, 1), np.where(both, y, 1))
    outside = np.where(np.logical_or(np.isnan(x), np.isnan(y)), x * y, math.inf)
    return np.where(both, z, np.where(np.logical_and(np.equal(x, 0), y >= 0), edge, outside))


rel_entr.partials(
    lambda x, y: np.log(np.divide(x, y)) + 1,
    lambda x, y: -safe_product(x, np.divide(1, y)),
    singular=True,
)


@primitive("(),()->()", domain={"x": POSITIVE, "y": POSITIVE}, module="special")
@in_one_dtype
def kl_div(x, y, /):
    """z = x log(x / y) - x + y, y where x = 0 and y >= 0, and infinite where x < 0 or y < 0 or x > y = 0

    dz/dx is -inf at x = 0, where dz/dy = 1.

    >>> ts.special.kl_div(ts.tensor([0.0, 0.5]), ts.tensor([1.0, 0.25])).numpy().round(3)
    array([1.   , 0.097], dtype=float32)
    """
    return extended(x, y, divergence, y)


def divergence(x, y):
    """x log(x / y) - x + y; where x and y are close, x (d - log(1 + d)), d = (y - x) / x, which cancels less"""
    d = (y - x) / x
    near = np.abs(d) < 0.5
    d = np.where(near, d, 0)
    return np.where(near, x * (d - np.log1p(d)), x * np.log(x / y) - x + y)


kl_div.partials(
    lambda x, y: np.log(np.divide(x, y)),
    lambda x, y: 1 - safe_product(x, np.divide(1, y)),
    singular=True,
)


def every(x, axis):
    """`axis`, or for None all axes of x: scipy.special's default."""
    return axes_of(axis, np.ndim(x)) if axis is None else axis


@numpy_function(module="special")
def softmax(x, axis=None):
    """exp x / sum exp x along an axis, or along several together; without an axis along all of them.

    >>> import tinygrad_seq as ts
    >>> ts.special.softmax(ts.tensor([[0.0, 0.0], [0.0, 0.0]])).numpy()
    array([[0.25, 0.25],
           [0.25, 0.25]], dtype=float32)
    """
    return rows.softmax(x, every(x, axis))


@numpy_function(module="special")
def log_softmax(x, axis=None):
    """log softmax x along an axis, or along several together; without an axis along all of them.

    >>> import tinygrad_seq as ts
    >>> ts.special.log_softmax(ts.tensor([[0.0, 0.0], [0.0, 0.0]])).numpy().round(3)
    array([[-1.386, -1.386],
           [-1.386, -1.386]], dtype=float32)
    """
    return rows.log_softmax(x, every(x, axis))


@numpy_function(module="special")
@rounded_once
def logsumexp(a, axis=None, b=None, keepdims: bool = False, return_sign: bool = False):
    """log sum b e^a along an axis, or along several; without an axis along all. NaN for a negative sum.

    ValueError for return_sign=True.

    >>> import tinygrad_seq as ts
    >>> ts.special.logsumexp(ts.tensor([0.0, 1.0]), b=ts.tensor([1.0, 0.5])).numpy().round(3)
    np.float32(0.858)
    """
    if return_sign:
        raise ValueError("logsumexp has no return_sign: its logarithm of a negative sum is NaN")
    if b is None:
        return rows.logsumexp(a, axis, keepdims=keepdims)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        top = reduction.max(np.where(np.equal(b, 0), -math.inf, stop_gradient(a)), axis, keepdims=True)
        top = exponential.finite(top)
        z = np.log(total(safe_product(b, np.exp(a - top)), axis, keepdims))
        return z + np.reshape(top, np.shape(z))
