"""Interpolation on a line: a weighted sum of two values, differentiable with respect to all arguments."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, safe_product
from tinygrad_seq.ops.choice import clip, where
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.indexing import take
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.ordering import argsort
from tinygrad_seq.ops.searching import searchsorted


@numpy_function
def interp(x, xp, fp, left=None, right=None, period=None):
    """The piecewise linear function through the points (xp, fp), at `x`, as float64.

    xp, fp       vectors of one length; xp increases, unless there is a period
    left, right  the value below the first point, and above the last one; by default the value there
    period       of the function: x and xp are reduced to one period

    The derivatives are those of the segment to the right of x; at the last point those of the last segment.
    Where the value is `left` or `right`, the derivative with respect to x is 0.

    >>> import tinygrad_seq as ts
    >>> ts.interp(ts.tensor([0.5, 9.0]), [0.0, 1.0, 2.0], [0.0, 10.0, 30.0]).numpy()
    array([ 5., 30.])
    """
    x = float(x) if isinstance(x, (int, float)) else astype(x, np.float64)
    xp, fp = astype(xp, np.float64), astype(fp, np.float64)
    if np.ndim(xp) != 1 or np.shape(xp) != np.shape(fp) or not len(xp):
        raise ValueError(
            f"interp expects xp and fp, vectors of one length, got shapes {np.shape(xp)} and {np.shape(fp)}"
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
    left, right = (fp[i] if value is None else value for i, value in ((0, left), (-1, right)))
    last = len(xp) - 1
    i = clip(searchsorted(xp, x, "right") - 1, 0, max(last - 1, 0))
    j = clip(i + 1, 0, last)
    x0, x1, f0, f1 = take(xp, i), take(xp, j), take(fp, i), take(fp, j)
    width = x1 - x0
    flat = width == 0  # at a last point that is there twice
    w = where(flat, 1.0, (x - x0) / where(flat, 1.0, width))
    z = safe_product(1.0 - w, f0) + safe_product(w, f1)  # exact at the points, for infinite values too
    return where(x < xp[0], left, where(x > xp[last], right, z))
