"""Means and variances, with all of NumPy's keywords but `out`, weighted means, and covariances.

A mask `where` chooses the elements that count. The mean of an empty slice is NaN, as NumPy's, with the warning
of the division 0 / 0, but without NumPy's own (`Mean of empty slice`), since a recorded step reads no values.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable

import numpy as np

from tinygrad_seq.engine.precision import rounded_once
from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops import choice
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.elementwise import sqrt, square
from tinygrad_seq.ops.indexing import getitem, on_device_of
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.linalg import matmul
from tinygrad_seq.ops.reduction import _sum, as_dtype, axes_of, refuse_out
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import broadcast_to, reshape, squeeze, transpose


def count(x, axis, keepdims, where):
    """How many elements of each slice of `x` over `axis` the mask chooses: a number if it chooses all."""
    shape = np.shape(x)
    if where is True:
        return math.prod(shape) if axis is None else math.prod([shape[a] for a in axes_of(axis, len(shape))])
    return _sum(where if np.shape(where) == shape else broadcast_to(where, shape), axis, keepdims=keepdims)


def per(z, n):
    """z / n for counts `n`, in the dtype of z if that is a float dtype."""
    return z / (as_dtype(n, z.dtype) if hasattr(n, "dtype") and z.dtype.kind == "f" else n)


def in_float(name: str, x, dtype, out):
    """`x` in `dtype`; TypeError for a dtype that is not a float dtype, and for `out`."""
    refuse_out(name, out)
    if dtype is not None and np.dtype(dtype).kind != "f":
        raise TypeError(f"{name} needs a float dtype, got {np.dtype(dtype)}: astype its result")
    return as_dtype(x, dtype)


@rounded_once
def average_of(x, axis, keepdims, where):
    z = _sum(x, axis, keepdims=keepdims) if where is True else total(x, axis, keepdims=keepdims, where=where)
    return per(z, count(x, axis, keepdims, where))


@rounded_once
def variance(x, axis, ddof, keepdims, where, mean):
    n = count(x, axis, True, where)
    if mean is None:
        mean = per(total(x, axis, keepdims=True, where=where), n)
    squares = total(square(x - mean), axis, keepdims=keepdims, where=where)
    if where is True:
        return squares / float(builtins.max(n - ddof, 0))
    return per(squares, reshape(choice.maximum(n - ddof, 0), np.shape(squares)))


@rounded_once
def deviation(*given):
    v = variance(*given)
    return choice.where(v == 0, 0.0, sqrt(choice.where(v == 0, 1.0, v)))


def spread(name: str, measure: Callable, x, axis, dtype, out, ddof, keepdims, where, mean, correction):
    """The variance or the standard deviation, with all of NumPy's arguments."""
    if correction is not None:
        if ddof:
            raise ValueError(
                f"{name} got ddof={ddof} and correction={correction}, which are the same: give one"
            )
        ddof = correction
    return measure(in_float(name, x, dtype, out), axis, ddof, keepdims, where, mean)


@numpy_function
def mean(x, axis=None, dtype=None, out=None, keepdims=False, *, where=True):
    """The arithmetic mean over `axis`; with a mask `where`, of the elements where it is true.

    >>> import tinygrad_seq as ts
    >>> ts.mean(ts.tensor([[1.0, 2.0], [3.0, 6.0]]), axis=0).numpy()
    array([2., 4.], dtype=float32)
    """
    if dtype is not None or out is not None:
        x = in_float("mean", x, dtype, out)
    return average_of(x, axis, keepdims, where)


@numpy_function
def var(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    """The variance over `axis`: the sum of squared deviations from the mean, divided by n - `ddof`.

    mean        the mean, if it is known, as `mean(x, axis, keepdims=True)` returns it
    correction  another name of `ddof`; ValueError if both are given

    >>> import tinygrad_seq as ts
    >>> float(ts.var(ts.tensor([1.0, 3.0])))
    1.0
    """
    return spread("var", variance, x, axis, dtype, out, ddof, keepdims, where, mean, correction)


@numpy_function
def std(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=True, mean=None, correction=None):
    """The standard deviation over `axis`, sqrt(var); where it is 0, its derivative is taken to be 0.

    >>> import tinygrad_seq as ts
    >>> float(ts.std(ts.tensor([1.0, 3.0])))
    1.0
    """
    return spread("std", deviation, x, axis, dtype, out, ddof, keepdims, where, mean, correction)


@rounded_once
def weighted(x, weights, axis, keepdims):
    return total(x * weights, axis, keepdims=keepdims) / total(weights, axis, keepdims=keepdims)


@numpy_function
def average(x, axis=None, weights=None, returned=False, *, keepdims=False):
    """The mean over `axis`, weighted by `weights`; with `returned`, also the sum of the weights.

    The weights have the shape of x, or that of the reduced axes. Weights whose sum is 0 give NaN or infinity.
    TypeError or ValueError for weights of another shape.

    >>> import tinygrad_seq as ts
    >>> float(ts.average(ts.tensor([1.0, 5.0]), weights=[3.0, 1.0]))
    2.0
    """
    x = x if hasattr(x, "ndim") else np.asarray(x)
    if weights is None:
        z = mean(x, axis, keepdims=keepdims)
        return (z, ones_like(z) * float(count(x, axis, keepdims, True))) if returned else z
    weights = as_shape_of(x, on_device_of(x, weights), axis)
    dtype = np.result_type(x.dtype, weights.dtype, *([] if x.dtype.kind == "f" else [np.float64]))
    x, weights = as_dtype(x, dtype), as_dtype(weights, dtype)
    z = weighted(x, weights, axis, keepdims)
    if not returned:
        return z
    return z, ones_like(z) * total(weights, axis, keepdims=keepdims)


def as_shape_of(x, weights, axis):
    """Weights of the reduced axes, in their order, as weights that broadcast with x."""
    if weights.shape == x.shape:
        return weights
    if axis is None:
        raise TypeError(f"average needs an axis for weights of shape {weights.shape} and x of shape {x.shape}")
    axes = np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    if weights.shape != tuple(x.shape[a] for a in axes):
        raise ValueError(f"average of shape {x.shape} over axis={axis} got weights of shape {weights.shape}")
    weights = transpose(weights, tuple(sorted(range(len(axes)), key=axes.__getitem__)))
    weights = reshape(weights, tuple(n if a in axes else 1 for a, n in enumerate(x.shape)))
    return broadcast_to(weights, x.shape)


def counts(weights, rows, name: str, kinds: str):
    """The weights of the observations `rows`, a vector, or None; ValueError or TypeError for anything else."""
    if weights is None:
        return None
    weights, n = on_device_of(rows, weights), rows.shape[1]
    if weights.shape != (n,):
        raise ValueError(f"cov needs {name} of shape ({n},), one for each observation, got {weights.shape}")
    if weights.dtype.kind not in kinds:
        raise TypeError(f"cov needs whole numbers as {name}, got {weights.dtype}")
    return weights


def rows_of(x, rowvar: bool, dtype):
    """Observations as a matrix with a variable in each row."""
    x = x if hasattr(x, "ndim") else np.asarray(x)
    if x.ndim > 2:
        raise ValueError(f"cov takes vectors and matrices, got shape {x.shape}")
    x = as_dtype(x, dtype)
    return reshape(x, (1, -1)) if x.ndim < 2 else x if rowvar else transpose(x)


@numpy_function
def cov(x, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    """The covariance matrix of variables, which are the rows of x, and of y if it is given.

    rowvar    False if variables are columns
    bias      True to divide by the number of observations n, not by n - 1; `ddof` divides by n - ddof
    fweights  how often each observation occurs, integers
    aweights  how reliable each observation is

    The result is float64, as NumPy's, also for float32, unless `dtype` says otherwise and there are no
    weights. If nothing is left to divide by, it is NaN or infinite, with the warning of the division.

    >>> import tinygrad_seq as ts
    >>> ts.cov(ts.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]])).numpy()
    array([[ 1., -2.],
           [-2.,  4.]])
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"cov needs a whole number as ddof, got {ddof}")
    dtype = np.dtype(np.float64 if dtype is None else dtype)
    if dtype.kind != "f":
        raise TypeError(f"cov needs a float dtype, got {dtype}")
    rows = rows_of(x, rowvar, dtype)
    if y is not None:
        rows = concatenate([rows, rows_of(y, rowvar or np.shape(y)[:1] == (1,), dtype)])
    n = rows.shape[1]
    ddof = int(not bias) if ddof is None else ddof
    f, a = counts(fweights, rows, "fweights", "iu"), counts(aweights, rows, "aweights", "fiu")
    w = f if a is None else a if f is None else f * a
    if w is None:
        left = float(builtins.max(n - ddof, 0))
        deviations = weighted_rows = rows - mean(rows, 1, keepdims=True)
    else:
        w = as_dtype(w, np.float64)
        mass = total(w)
        left = choice.maximum(mass - ddof * (1.0 if a is None else total(w * a) / mass), 0)
        deviations = as_dtype(rows - weighted(rows, broadcast_to(w, rows.shape), 1, True), dtype)
        weighted_rows = deviations * w
    return squeeze(matmul(deviations, transpose(weighted_rows)) / left)


@numpy_function
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    """The correlation coefficients of variables, which are the rows of x, and of y if it is given.

    A variable that is constant has no correlation: NaN in its row and column, as NumPy's. These do not change
    the derivatives of the others, if the loss does not read them (`ts.where(ts.isnan(z), 0, z)`).

    >>> import tinygrad_seq as ts
    >>> ts.corrcoef(ts.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]])).numpy().round(6)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    i = np.arange(c.shape[0])
    deviations = sqrt(getitem(c, (i, i)))
    return choice.clip(c / reshape(deviations, (-1, 1)) / deviations, -1.0, 1.0)
