"""Interpolation on a line: the value at x is a weighted sum of the values at the points to its left and right.

A primitive, for speed: a composition makes twenty records. Its rules are such compositions. Its derivative with
respect to fp is the interpolation of other values, with respect to x the slope, and a point that moves to the
right takes its value along: where x is, the value falls by the slope.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.choice import clip, where
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.indexing import scatter_add, take
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.ordering import argsort
from tinygrad_seq.ops.searching import searchsorted


def increasing(x):
    """An increasing vector around 0, for the laws."""
    return np.cumsum(np.abs(x) + 0.5) - 2.0


@primitive(
    examples=[
        example("(a,b)", "(4)", "(4)"),
        example("(a)", "(A)", "(A)", left=-1.0, right=1.5),
        example("(3)", "(1)", "(1)"),
    ],
    domain={"xp": increasing},
)
def _interp(x, xp, fp, /, left=None, right=None):
    """z = (1 - w) fp_i + w fp_{i + 1} for x = (1 - w) xp_i + w xp_{i + 1}; beyond the points their last values

    `left` and `right` are other values there.
    """
    dtype = np.result_type(x, xp, fp, 1.0)
    x, xp, fp = backend.together((x, xp, fp))
    return np.interp(x, xp, fp, left, right).astype(dtype)


def neighbours(x, xp) -> tuple:
    """The indices of the points to the left and to the right of x, and whether x lies between them."""
    last = xp.shape[0] - 1
    i = clip(searchsorted(xp, x, "right") - 1, 0, max(last - 1, 0))
    j = clip(i + 1, 0, last)
    return i, j, np.logical_and(x >= xp[0], x <= xp[-1])


def slope(x, xp, fp):
    """dz/dx: at a point that of the segment to its right, at the last one of the last segment; 0 elsewhere."""
    i, j, inside = neighbours(x, xp)
    width = take(xp, j) - take(xp, i)
    rises = np.logical_and(inside, width > 0)  # at the last point the width is 0 if it is there twice
    return where(rises, (take(fp, j) - take(fp, i)) / where(rises, width, 1.0), 0.0)


def spread(g, x, xp):
    """The cotangent of fp: g is added at the two points next to x, with their weights."""
    i, j, inside = neighbours(x, xp)
    x0 = take(xp, i)
    width = take(xp, j) - x0
    between = np.logical_and(inside, width > 0)
    w = where(between, (x - x0) / where(between, width, 1.0), x >= xp[-1])
    return scatter_add(scatter_add(np.zeros_like(xp), i, (1 - w) * g), j, w * g)


def free(g, x, xp, left, right):
    """g, and 0 where z is `left` or `right`."""
    g = g if left is None else g * (x >= xp[0])
    return g if right is None else g * (x <= xp[-1])


_interp.vjp(
    lambda g, x, xp, fp: safe_product(g, slope(x, xp, fp)),
    lambda g, x, xp, fp: spread(safe_product(-g, slope(x, xp, fp)), x, xp),
    lambda g, x, xp, left, right: spread(free(g, x, xp, left, right), x, xp),
)
_interp.jvp(
    lambda g, x, xp, fp: safe_product(g, slope(x, xp, fp)),
    lambda g, x, xp, fp: safe_product(-_interp(x, xp, g), slope(x, xp, fp)),
    lambda g, x, xp, left, right: free(_interp(x, xp, g), x, xp, left, right),
)
_interp.rides(left=lambda left, stacked: NotImplemented if any(stacked[1:]) else left)


def double(x):
    """`x` as float64."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype == np.float64 else astype(x, np.float64)


@numpy_function
def interp(x, xp, fp, left=None, right=None, period=None):
    """The piecewise linear function through the points (xp, fp), at `x`, as float64.

    xp, fp       vectors of one length; xp increases, unless there is a period
    left, right  the value below the first point, and above the last one; by default the value there
    period       of the function: x and xp are reduced to one period

    At a point the derivatives are those of the segment to its right, at the last point of the last segment.
    Beyond the points the derivative with respect to x is 0.

    >>> import tinygrad_seq as ts
    >>> ts.interp(ts.tensor([0.5, 9.0]), [0.0, 1.0, 2.0], [0.0, 10.0, 30.0]).numpy()
    array([ 5., 30.])
    """
    x = float(x) if isinstance(x, (int, float)) else double(x)
    xp, fp = double(xp), double(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ValueError(
            f"interp expects xp and fp, vectors of one length, got shapes {xp.shape} and {fp.shape}"
        )
    if period is not None:
        if period == 0:
            raise ValueError("interp expects a period that is not 0")
        period = abs(period)
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        xp = concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    numbers = [value if isinstance(value, (int, float)) else None for value in (left, right)]
    z = _interp(x, xp, fp, *numbers)
    if left is not numbers[0]:
        z = where(x < xp[0], left, z)
    return z if right is numbers[1] else where(x > xp[-1], right, z)
