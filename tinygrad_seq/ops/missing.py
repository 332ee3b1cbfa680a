"""Reductions of the elements that are not NaN, a missing value: those of NumPy that begin with `nan`.

Each is the function of that name under a mask, so a missing element has zero derivative. A slice without other
elements has NumPy's value (0, 1 or NaN) and zero derivative. NumPy's warnings (`All-NaN slice encountered`) are
not given, since a recorded step reads no values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops import choice, cumulative, element_products, quantiles, reduction, statistics
from tinygrad_seq.ops.bits import invert
from tinygrad_seq.ops.comparison import isnan, logical_and
from tinygrad_seq.ops.indexing import data_of, take_along_axis
from tinygrad_seq.ops.ordering import sort
from tinygrad_seq.ops.reduction import _sum, as_dtype, at_last_axis, kept, refuse_out
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.ops.statistics import average_of, count, deviation, spread, variance


def floats(x) -> bool:
    return np.result_type(x).kind == "f"


def present(x, where=True):
    """The mask of the elements that are not NaN, and that `where` chooses; True for all of them."""
    if not floats(x):
        return where
    mask = invert(isnan(x))
    return mask if where is True else logical_and(mask, where)


def unless(undefined, z):
    """z, and NaN with zero derivative where it is undefined."""
    return choice.where(undefined, np.nan, z)


@numpy_function
def nansum(x, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """The sum over `axis` of the elements that are not NaN.

    >>> import tinygrad_seq as ts
    >>> float(ts.nansum(ts.tensor([1.0, float("nan"), 3.0])))
    4.0
    """
    return reduction.sum(x, axis, dtype, out, keepdims, initial, present(x, where))


@numpy_function
def nanprod(x, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True):
    """The product over `axis` of the elements that are not NaN.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanprod(ts.tensor([2.0, float("nan"), 3.0])))
    6.0
    """
    return element_products.prod(x, axis, dtype, out, keepdims, initial, present(x, where))


@numpy_function
def nanmean(x, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    """The mean over `axis` of the elements that are not NaN; NaN if there is none.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanmean(ts.tensor([1.0, float("nan"), 3.0])))
    2.0
    """
    return statistics.mean(x, axis, dtype, out, keepdims, where=present(x, where))


def nanspread(name: str, measure: Callable, x, axis, dtype, out, ddof, keepdims, where, mean, correction):
    """The variance or the standard deviation, NaN if there are not more elements than `ddof`."""
    where = present(x, where)
    z = spread(name, measure, x, axis, dtype, out, ddof, keepdims, where, mean, correction)
    n = count(x, axis, keepdims, where)
    return unless(n <= (ddof if correction is None else correction), z)


@numpy_function
def nanvar(
    x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None
):
    """The variance over `axis` of the elements that are not NaN; NaN if these are not more than `ddof`.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanvar(ts.tensor([1.0, float("nan"), 3.0])))
    1.0
    """
    return nanspread("nanvar", variance, x, axis, dtype, out, ddof, keepdims, where, mean, correction)


@numpy_function
def nanstd(
    x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None
):
    """The standard deviation over `axis` of the elements that are not NaN; otherwise as `nanvar`.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanstd(ts.tensor([1.0, float("nan"), 3.0])))
    1.0
    """
    return nanspread("nanstd", deviation, x, axis, dtype, out, ddof, keepdims, where, mean, correction)


def extremum(reduce: Callable, least: float, x, axis, out, keepdims, initial, where):
    """The extremum of the elements that are not NaN; NaN if there is none, and no `initial`."""
    if initial is not None or where is not True or out is not None or not floats(x):
        return reduce(x, axis, out, keepdims, initial, present(x, where))
    missing = isnan(x)
    z = reduce(choice.where(missing, least, x), axis, keepdims=keepdims)
    return unless(reduction.min(missing, axis, keepdims=keepdims), z)


@numpy_function
def nanmax(x, axis=None, out=None, keepdims=False, initial=None, where=True):
    """The largest element over `axis` that is not NaN; NaN if there is none.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanmax(ts.tensor([1.0, float("nan"), 3.0])))
    3.0
    """
    return extremum(reduction.max, -np.inf, x, axis, out, keepdims, initial, where)


@numpy_function
def nanmin(x, axis=None, out=None, keepdims=False, initial=None, where=True):
    """The smallest element over `axis` that is not NaN; NaN if there is none.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanmin(ts.tensor([1.0, float("nan"), 3.0])))
    1.0
    """
    return extremum(reduction.min, np.inf, x, axis, out, keepdims, initial, where)


def filled(x, value):
    """`x` with `value` in the place of NaN."""
    return choice.where(isnan(x), value, x) if floats(x) else x


@numpy_function
def nancumsum(x, axis=None, dtype=None, out=None):
    """The partial sums along `axis`, with 0 in the place of NaN; without an axis, of the flattened x.

    >>> import tinygrad_seq as ts
    >>> ts.nancumsum(ts.tensor([1.0, float("nan"), 3.0])).numpy()
    array([1., 1., 4.], dtype=float32)
    """
    return cumulative.cumsum(filled(x, 0), axis, dtype, out)


@numpy_function
def nancumprod(x, axis=None, dtype=None, out=None):
    """The partial products along `axis`, with 1 in the place of NaN; without an axis, of the flattened x.

    >>> import tinygrad_seq as ts
    >>> ts.nancumprod(ts.tensor([2.0, float("nan"), 3.0])).numpy()
    array([2., 2., 6.], dtype=float32)
    """
    return element_products.cumprod(filled(x, 1), axis, dtype, out)


def counted(y):
    """How many elements along the last axis are not NaN."""
    return _sum(invert(isnan(y)), -1, keepdims=True)


def of_present(y, method: str, q: np.ndarray, dtype):
    """The quantiles q of the elements along the last axis that are not NaN; NaN if there is none."""
    if not floats(y):
        return quantiles.of_all(y, method, q, dtype)
    n, ordered = counted(y), as_dtype(sort(y), dtype)  # NaN comes last
    near, far, share = quantiles.place(method, n, backend.asarray(q, backend.device_of(data_of(y))))
    z = take_along_axis(ordered, near, -1)
    if method not in quantiles.DISCRETE:
        z = quantiles.between(z, take_along_axis(ordered, far, -1), as_dtype(share, dtype))
    return unless(n == 0, z)


@numpy_function
def nanmedian(x, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The median over `axis` of the elements that are not NaN; NaN if there is none.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanmedian(ts.tensor([1.0, float("nan"), 3.0])))
    2.0
    """
    refuse_out("nanmedian", out)
    y = at_last_axis(x, axis)
    if not floats(y) or not y.shape[-1]:
        return quantiles.median(x, axis, keepdims=keepdims)
    n = counted(y)
    middle = np.concatenate([np.maximum(n - 1, 0), n], -1) // 2
    middle = take_along_axis(sort(y), np.minimum(middle, y.shape[-1] - 1), -1)
    z = unless((n == 0)[..., 0], average_of(middle, -1, False, True))
    return reshape(z, kept(np.shape(x), axis)) if keepdims else z


@numpy_function
def nanquantile(
    x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """The quantiles over `axis` of the elements that are not NaN, NaN if there is none; else as `quantile`.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanquantile(ts.tensor([1.0, float("nan"), 3.0]), 0.25))
    1.5
    """
    return quantiles.quantiles("nanquantile", x, q, 1.0, axis, out, method, keepdims, weights, of_present)


@numpy_function
def nanpercentile(
    x, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None
):
    """The quantiles over `axis` of the elements that are not NaN, for percentages; else as `nanquantile`.

    >>> import tinygrad_seq as ts
    >>> float(ts.nanpercentile(ts.tensor([1.0, float("nan"), 3.0]), 25))
    1.5
    """
    return quantiles.quantiles("nanpercentile", x, q, 100.0, axis, out, method, keepdims, weights, of_present)
