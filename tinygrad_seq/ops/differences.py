"""Differences of neighbours, and what they approximate: derivatives and integrals along an axis."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.precision import rounded_once
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import _getitem, on_device_of
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.reduction import as_dtype, axis_from_end
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import broadcast_to, reshape

normalize_index = np.lib.array_utils.normalize_axis_index


def part(x, axis: int, start: int | None, stop: int | None):
    """x[start:stop] along an axis, counted from the first."""
    return _getitem(x, key=(*(slice(None),) * axis, slice(start, stop)))


@primitive(examples=[example("(a,b)", axis=0), example("(a,5)", axis=-1, apart=2)])
def _steps(x, /, axis, apart=1):
    """z_i = x_{i + apart} - x_i along an axis; of booleans, whether they differ"""
    whole = (slice(None),) * normalize_index(axis, x.ndim)
    after, before = x[(*whole, slice(apart, None))], x[(*whole, slice(None, -apart))]
    return np.not_equal(after, before) if x.dtype == bool else after - before


def steps_vjp(g, s, axis, apart):
    """g_{i - apart} - g_i, where an index out of range stands for 0"""
    widths = [(0, 0)] * len(s)
    widths[axis] = (apart, s[axis] - g.shape[axis])
    return -_steps(np.pad(g, widths), axis, apart)


_steps.linear(steps_vjp)
_steps.rides(axis=axis_from_end, apart=lambda apart: apart)


def margin(given, x, axis: int):
    """What `diff` joins to x: an array, or a number as a slice of it, on the device of x."""
    given = on_device_of(x, given)
    if np.ndim(given):
        return given
    shape = np.shape(x)
    return broadcast_to(given, (*shape[:axis], 1, *shape[axis + 1 :]))


def array(x):
    """`x`, or the array of a list or a number."""
    return x if hasattr(x, "ndim") else np.asarray(x)


@numpy_function
def diff(x, n: int = 1, axis: int = -1, prepend=None, append=None):
    """The n-th differences along `axis`: x_{i+1} - x_i, n times; `prepend` and `append` are joined to x first.

    >>> import tinygrad_seq as ts
    >>> ts.diff(ts.tensor([1.0, 4.0, 9.0, 16.0]), n=2).numpy()
    array([2., 2.], dtype=float32)
    """
    x = array(x)
    if n < 0 or not x.ndim:
        raise ValueError(f"diff needs n >= 0 and an array with an axis, got n={n} and shape {x.shape}")
    axis = normalize_index(axis, x.ndim)
    if n and not (prepend is append is None):
        x = concatenate([margin(given, x, axis) for given in (prepend, x, append) if given is not None], axis)
    for _ in range(n):
        x = _steps(x, axis)
    return x


@numpy_function
def ediff1d(x, to_end=None, to_begin=None):
    """The differences of neighbours in the flattened x, between `to_begin` and `to_end`, cast to its dtype.

    TypeError if these are floats and x is not.

    >>> import tinygrad_seq as ts
    >>> ts.ediff1d(ts.tensor([1.0, 2.0, 4.0]), to_begin=0.0).numpy()
    array([0., 1., 2.], dtype=float32)
    """
    x = reshape(x, -1)
    parts = [to_begin, _steps(x, 0), to_end]
    return concatenate([edge(given, x) for given in parts if given is not None])


def edge(given, x):
    given = margin(given, x, 0)
    if not np.can_cast(given.dtype, x.dtype, "same_kind"):
        raise TypeError(f"ediff1d of {x.dtype} cannot hold {given.dtype}: astype x first")
    return as_dtype(reshape(given, -1), x.dtype)


@numpy_function
def gradient(f, *varargs, axis=None, edge_order: int = 1):
    """The derivatives of f along its axes, or along those in `axis`: an array, or a tuple with one for each.

    varargs     the distance of neighbours, by default 1; or for each axis a distance or coordinates
    edge_order  the order of the differences at both ends, 1 or 2; within, it is 2

    Derivatives with respect to f, distances and coordinates. TypeError for another number of `varargs`,
    ValueError for coordinates that do not fit and for an axis that is too short.

    >>> import tinygrad_seq as ts
    >>> ts.gradient(ts.tensor([1.0, 4.0, 9.0, 16.0]), edge_order=2).numpy()
    array([2., 4., 6., 8.], dtype=float32)
    """
    f = array(f)
    axes = range(f.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, f.ndim)
    if len(varargs) not in (0, len(axes)) and not (len(varargs) == 1 and np.ndim(varargs[0]) == 0):
        raise TypeError(
            f"gradient along {len(axes)} axes takes 0, 1 or {len(axes)} distances, got {len(varargs)}"
        )
    if edge_order not in (1, 2):
        raise ValueError(f"gradient has edge_order 1 and 2, got {edge_order}")
    given = varargs or (1.0,)
    if f.dtype.kind != "f":
        f = as_dtype(f, np.float64)
    found = tuple(
        as_dtype(slope(f, h, a, edge_order), f.dtype)
        for a, h in zip(axes, given * len(axes) if len(given) == 1 else given, strict=True)
    )
    return found[0] if len(axes) == 1 else found


@rounded_once
def slope(f, h, axis: int, edge_order: int):
    """The derivative of f along one axis, for a distance h or coordinates h."""
    n, h = f.shape[axis], h if isinstance(h, (int, float)) else array(h)
    if n < edge_order + 1:
        raise ValueError(
            f"gradient with edge_order={edge_order} needs more than {edge_order} elements, got {n}"
        )
    if np.ndim(h) and np.shape(h) != (n,):
        raise ValueError(f"gradient needs a distance or {n} coordinates along axis {axis}, got {np.shape(h)}")
    if np.ndim(h):
        h = reshape(_steps(h, 0), (-1, *(1,) * (f.ndim - axis - 1)))
        first, second, second_last, last = (part(h, 0, i, i + 1 or None) for i in (0, 1, -2, -1))
        before, after = part(h, 0, None, -1), part(h, 0, 1, None)
    else:
        first = second = second_last = last = h
    slopes = _steps(f, axis) / h
    low, high = part(slopes, axis, 0, 1), part(slopes, axis, -1, None)
    if edge_order == 2:
        low = low + first / (first + second) * (low - part(slopes, axis, 1, 2))
        high = high + last / (last + second_last) * (high - part(slopes, axis, -2, -1))
    if np.ndim(h):
        inner = (after * part(slopes, axis, None, -1) + before * part(slopes, axis, 1, None)) / (before + after)
    else:  # where f_i is infinite, too
        inner = _steps(f, axis, 2) / (2.0 * h)
    return concatenate([low, inner, high], axis)


@numpy_function
@rounded_once
def trapezoid(y, x=None, dx=1.0, axis: int = -1):
    """The integral of y along `axis` by the trapezoidal rule, over coordinates `x` or with the distance `dx`.

    >>> import tinygrad_seq as ts
    >>> float(ts.trapezoid(ts.tensor([0.0, 1.0, 4.0]), dx=0.5))
    1.5
    """
    y = array(y)
    along = normalize_index(axis, y.ndim)
    if x is not None:
        x = array(x)
        dx = _steps(x, axis if x.ndim > 1 else 0)
        dx = reshape(dx, (-1, *(1,) * (y.ndim - along - 1))) if x.ndim == 1 else dx
    return total(dx * (part(y, along, 1, None) + part(y, along, None, -1)) / 2.0, axis)
