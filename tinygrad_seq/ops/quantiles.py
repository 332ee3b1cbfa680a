"""Order statistics: ranges, medians and quantiles, piecewise linear in the elements.

The gradient flows to the elements that have the needed ranks; equal elements keep their order. Where a slice
has a NaN, its median and its quantiles are NaN, with zero derivative.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops import reduction
from tinygrad_seq.ops.indexing import _scatter_along_axis, _take_along_axis, data_of
from tinygrad_seq.ops.joining import split
from tinygrad_seq.ops.ordering import _argsort
from tinygrad_seq.ops.rearranging import moveaxis
from tinygrad_seq.ops.reduction import as_dtype, at_last_axis, kept, refuse_out
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.ops.statistics import average_of


@primitive(examples=[example("(a,5)", ranks=(2, 4)), example("(3)", ranks=(1, 1, 0))])
def _ranked(x, /, ranks):
    """z_k = the element of rank ranks_k along the last axis; if one of x is NaN, NaN with zero derivative"""
    ordered = np.sort(x)  # hardly slower than np.partition, and what CuPy does for that
    found = ordered[..., list(ranks)]
    return np.where(np.isnan(ordered[..., -1:]), ordered[..., -1:], found) if x.dtype.kind == "f" else found


def positions(x, ranks):
    """Where these elements are; of equal ones, the first has the lowest rank."""
    return _argsort(x, -1)[..., list(ranks)]


_ranked.vjp(
    lambda g, x, z, s, ranks: _scatter_along_axis(np.where(np.isnan(z), 0, g), positions(x, ranks), -1, s)
)
_ranked.jvp(lambda g, x, z, ranks: np.where(np.isnan(z), 0, _take_along_axis(g, positions(x, ranks), -1)))
_ranked.rides(ranks=lambda ranks: ranks)


@numpy_function
def ptp(x, axis=None, out=None, keepdims=False):
    """The range over `axis`: its largest element minus its smallest.

    >>> import tinygrad_seq as ts
    >>> ts.ptp(ts.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1).numpy()
    array([4., 1.], dtype=float32)
    """
    refuse_out("ptp", out)
    return reduction.max(x, axis, keepdims=keepdims) - reduction.min(x, axis, keepdims=keepdims)


@numpy_function
def median(x, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The median over `axis`: the middle element, or the mean of the two in the middle.

    NaN if there are no elements, or one that is NaN. `overwrite_input` would allow NumPy to sort x in place; it
    changes nothing here.

    >>> import tinygrad_seq as ts
    >>> ts.median(ts.tensor([[1.0, 9.0, 3.0], [2.0, 2.0, 8.0]]), axis=1).numpy()
    array([3., 2.], dtype=float32)
    """
    refuse_out("median", out)
    y = at_last_axis(x, axis)
    n = np.shape(y)[-1]
    if n == 0:
        return average_of(x, axis, keepdims, True)
    z = average_of(_ranked(y, (n // 2,) if n % 2 else (n // 2 - 1, n // 2)), -1, False, True)
    return reshape(z, kept(np.shape(x), axis)) if keepdims else z


# --- where a quantile is --------------------------------------------------------------------------------
#
# The quantile q of n ordered elements is at the place v(n, q), between the elements i = floor v and i + 1, and
# a share of the way that depends on the rest v - i. Both are given here for each of NumPy's methods
# (Hyndman & Fan 1996, "Sample quantiles in statistical packages", and four others).

METHODS: dict[str, tuple[Callable, Callable]] = {
    "linear": (lambda n, q: (n - 1) * q, lambda rest, i: rest),
    "lower": (lambda n, q: (n - 1) * q, lambda rest, i: 0.0 * rest),
    "higher": (lambda n, q: (n - 1) * q, lambda rest, i: 1.0 * (rest > 0)),
    "nearest": (lambda n, q: (n - 1) * q, lambda rest, i: 1.0 * (rest > 0.5) + (rest == 0.5) * odd(i)),
    "midpoint": (lambda n, q: (n - 1) * q, lambda rest, i: 0.5 * (rest > 0)),
    "inverted_cdf": (lambda n, q: n * q - 1, lambda rest, i: 1.0 * (rest > 0)),
    "averaged_inverted_cdf": (lambda n, q: n * q - 1, lambda rest, i: 0.5 + 0.5 * (rest > 0)),
    "closest_observation": (lambda n, q: n * q - 1.5, lambda rest, i: 1.0 - (rest == 0) * odd(i)),
    "interpolated_inverted_cdf": (lambda n, q: n * q - 1, lambda rest, i: rest),
    "hazen": (lambda n, q: n * q - 0.5, lambda rest, i: rest),
    "weibull": (lambda n, q: (n + 1) * q - 1, lambda rest, i: rest),
    "median_unbiased": (lambda n, q: (n + 1 / 3) * q - 2 / 3, lambda rest, i: rest),
    "normal_unbiased": (lambda n, q: (n + 1 / 4) * q - 5 / 8, lambda rest, i: rest),
}
DISCRETE = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}  # one of the elements


def odd(i):
    return i % 2 == 1


def place(method: str, n, q):
    """Where the quantile q of n elements is: the rank of the nearer element, that of the other, and the share
    of the way from one to the other, at most 1/2."""
    at, share = METHODS[method]
    v = at(n, q)
    low = np.floor(v)
    share = share(v - low, low)
    low, high = (np.maximum(np.minimum(rank, n - 1), 0).astype(np.int64) for rank in (low, low + 1))
    over = share > 0.5
    return np.where(over, high, low), np.where(over, low, high), np.where(over, 1 - share, share)


def between(near, far, share):
    """The element `near`, and a share of the way to `far`, which for a share of 0 may be infinite."""
    return near + safe_product(share, far - near)


def fractions(name: str, q, scale: float, method: str, weights: object, out: object) -> np.ndarray:
    """`q` as an array of fractions; errors for what is none, and for arguments that we refuse."""
    refuse_out(name, out)
    if weights is not None:
        raise TypeError(f"{name} has no argument weights: sort by ts.argsort, and weigh the elements yourself")
    if method not in METHODS:
        raise ValueError(f"{name} has the methods {', '.join(METHODS)}, got {method!r}")
    if getattr(q, "requires_grad", False):
        raise TypeError(f"{name} has no derivative for q: detach it")
    if hasattr(q, "line"):
        q = q.numpy()
    q = np.asarray(backend.to_numpy(q))
    if q.dtype.kind not in "fiub" or not np.all((q >= 0) & (q <= scale)):
        raise ValueError(f"{name} needs q between 0 and {scale:g}, got {q}")
    return q if scale == 1 else q / scale


def dtype_of(x, q, given, method: str) -> np.dtype:
    """The dtype of a quantile: that of the elements if it is one of them, or if `given` is a Python number."""
    own = x.dtype
    if (
        method in DISCRETE
        or (method == "linear" and q.dtype.kind in "iu")
        or (own.kind == "f" and type(given) in (int, float))
    ):
        return own
    return np.result_type(own, q.dtype, *([] if own.kind == "f" else [np.float64]))


def of_all(y, method: str, q: np.ndarray, dtype):
    """The quantiles q of all elements along the last axis."""
    near, far, share = place(method, y.shape[-1], q)
    ranks = near.tolist()
    if not share.any():
        return as_dtype(_ranked(y, tuple(ranks)), dtype)
    nearer, other = split(as_dtype(_ranked(y, (*ranks, *far.tolist())), dtype), 2, -1)
    return between(nearer, other, backend.asarray(share.astype(dtype), backend.device_of(data_of(y))))


def quantiles(name: str, x, given, scale, axis, out, method, keepdims, weights, find: Callable = of_all):
    """Quantiles of x for the fractions `given / scale`; `find` finds them along the last axis."""
    q = fractions(name, given, scale, method, weights, out)
    y = at_last_axis(x, axis)
    if y.shape[-1] == 0:
        raise IndexError(f"{name} of an empty slice: {describe(x)}, axis={axis}")
    z = find(y, method, q.ravel(), dtype_of(y, q, given, method))
    rest = kept(np.shape(x), axis) if keepdims else y.shape[:-1]
    return reshape(
        z if len(z.shape) == 1 else moveaxis(z, -1, 0), (*q.shape, *rest)
    )  # the axes of q come first


@numpy_function
def quantile(
    x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """The quantiles of x over `axis`, for fractions `q` between 0 and 1, whose axes come first in the result.

    `method` is any of NumPy's. `q` has no derivative. IndexError for an empty slice, TypeError for `weights`,
    which are refused.

    >>> import tinygrad_seq as ts
    >>> ts.quantile(ts.tensor([4.0, 1.0, 3.0, 2.0]), [0.5, 1.0]).numpy()
    array([2.5, 4. ])
    """
    return quantiles("quantile", x, q, 1.0, axis, out, method, keepdims, weights)


@numpy_function
def percentile(
    x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """The quantiles of x over `axis`, for percentages `q` between 0 and 100; the rest as `quantile`.

    >>> import tinygrad_seq as ts
    >>> float(ts.percentile(ts.tensor([4.0, 1.0, 3.0, 2.0]), 50))
    2.5
    """
    return quantiles("percentile", x, q, 100.0, axis, out, method, keepdims, weights)
