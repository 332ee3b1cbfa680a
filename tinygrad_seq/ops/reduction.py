"""Reductions over any axes: sum, max and min, each with all of NumPy's keywords.

`axis` is None for all axes, an int or a tuple; with `keepdims` the reduced axes stay, with length 1. The
primitives know only these two. The other keywords change what they read and return, for all alike (`reduced`):
`dtype` casts the array first and the result last, where the mask `where` is false an element is replaced by one
that changes nothing, and `initial` is combined with the result. `out` is refused, since a Tensor is a value.
"""

from __future__ import annotations

import builtins
import inspect
import math
from collections.abc import Callable, Collection

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import INSTEAD, describe, refuse
from tinygrad_seq.engine.precision import total
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops import choice
from tinygrad_seq.ops.elementwise import add, astype
from tinygrad_seq.ops.shape import inverse, reshape, transpose

normalize = np.lib.array_utils.normalize_axis_tuple
EXAMPLES = [
    example("(a,b)"),
    example("()"),
    example("(a,b)", axis=0),
    example("(a,b,c)", axis=(0, -1)),
    example("(a,b,c)", axis=1, keepdims=True),
    example("(a,b)", axis=()),
]
NONEMPTY = [  # for ops that have no value along an empty axis
    example("(A,B)"),
    example("()"),
    example("(A,b)", axis=0),
    example("(A,b,C)", axis=(0, -1)),
    example("(a,B,c)", axis=1, keepdims=True),
]


def axes_of(axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes, counted from the first; a 0-d array has none, although NumPy accepts axis 0 for it."""
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(a % ndim for a in axes) if ndim else ()


def kept(s: tuple[int, ...], axis) -> tuple[int, ...]:
    """The shape `s` with length 1 for the reduced axes."""
    axes = axes_of(axis, len(s))
    return tuple(1 if i in axes else size for i, size in enumerate(s))


def at_last_axis(x, axis):
    """`x` with the reduced axes as one, the last: all axes without `axis`."""
    x = x if hasattr(x, "ndim") else np.asarray(x)
    order, shape = last_order(x.shape, axis)
    x = x if order == tuple(range(x.ndim)) else transpose(x, order)
    return x if x.shape == shape else reshape(x, shape)


def last_order(s: tuple[int, ...], axis) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The order of axes in which the reduced ones come last, and then the shape with these as one."""
    ndim = len(s)
    axes = axes_of(None, ndim) if axis is None else normalize(axis, builtins.max(ndim, 1))[:ndim]
    rest = tuple(a for a in range(ndim) if a not in axes)
    return (*rest, *sorted(axes)), (*(s[a] for a in rest), math.prod(s[a] for a in axes))


def from_last_axis(z, s: tuple[int, ...], axis):
    """The inverse of `at_last_axis`, for an x of shape `s`."""
    order, _ = last_order(s, axis)
    z = reshape(z, tuple(s[a] for a in order))
    return z if order == tuple(range(len(s))) else transpose(z, inverse(order))


def axes_from_end(axis, s):
    """`axis` counted from the end, so that it stays the same when a leading axis is added."""
    ndim = len(s[0])
    if not ndim:
        return ()
    if isinstance(axis, int):
        return axis % ndim - ndim
    return tuple(a - ndim for a in axes_of(axis, ndim))


def axis_from_end(axis: int, s):
    """One axis, counted from the end; a number has none, although NumPy accepts axis 0 for it."""
    return axis % len(s[0]) - len(s[0]) if s[0] else NotImplemented


def refuse_out(name: str, out: object) -> None:
    """TypeError if `out` is given."""
    if out is not None:
        raise TypeError(f"{name} has no argument out: {INSTEAD['out']}")


def as_dtype(x, dtype):
    """`x` in `dtype`, unless that is None or its own; TypeError for a tensor in the place of a dtype."""
    if hasattr(dtype, "line"):
        raise TypeError(f"a dtype is expected, got a tensor, {describe(dtype)}")
    return x if dtype is None or getattr(x, "dtype", None) == dtype else astype(x, dtype)


def first(name: str, initial, dtype: np.dtype):
    """The number `initial` in the dtype of a result, also a Tensor; TypeError for a float among integers."""
    if np.ndim(initial):
        raise ValueError(f"{name} needs a single number as initial, got shape {np.shape(initial)}")
    if np.result_type(initial).kind == "f" and dtype.kind != "f":
        raise TypeError(f"{name} of {dtype} needs an integer as initial, got {initial!r}: astype one of them")
    known = hasattr(initial, "line") or backend.is_array(initial)
    return as_dtype(initial, dtype) if known else dtype.type(initial)


def reduced(
    public: Callable,
    reduce: Callable,
    combine: Callable,
    x,
    axis,
    keepdims,
    *,
    neutral=None,
    dtype=None,
    out=None,
    initial=None,
    where=True,
    unknown: Collection[str] = (),
):
    """`reduce(x, axis)` with NumPy's other keywords, for the function `public`.

    `combine` adds `initial` to a result, `neutral` is what a masked element becomes. Without a neutral element,
    which a maximum does not have, that is `initial`. Raises TypeError for `out` and for unknown keywords.
    """
    name = public.__name__
    try:
        refuse_out(name, out)
        if unknown:
            takes = [p for p in inspect.signature(public).parameters if p not in ("x", "out", "unknown")]
            refuse(name, takes, unknown)
        x = as_dtype(x if hasattr(x, "dtype") else np.asarray(x), dtype)
        if neutral is None and initial is not None:
            neutral = first(name, initial, x.dtype)
            if not x.size:  # plus a sum of nothing, to be on the tape
                x = as_dtype(_sum(x, axis, keepdims=True) + neutral, x.dtype)
        if where is not True:
            x = masked(name, x, where, neutral)
        z = as_dtype(reduce(x, axis, keepdims=keepdims), dtype)
        return z if initial is None else combine(z, first(name, initial, z.dtype))
    except Exception as error:
        error.add_note(f"in {name}")
        raise


def masked(name: str, x, where, neutral):
    """`x` with the neutral element where the mask is false; ValueError if there is none, or by the shapes."""
    if neutral is None:
        raise ValueError(f"{name} with where= needs initial=, for a slice of which nothing is left")
    if np.ndim(where) > x.ndim:
        raise ValueError(f"{name} of {describe(x)} needs a mask that broadcasts to it, got {describe(where)}")
    return choice.where(where, x, neutral)


@primitive(examples=EXAMPLES)
def _sum(x, /, axis=None, *, keepdims=False):
    """z = sum_i x_i"""
    return total(x, axis, keepdims)


_sum.linear(lambda g, s, axis: np.broadcast_to(np.reshape(g, kept(s, axis)), s))
_sum.rides(axis=axes_from_end)


@numpy_function
def sum(x, /, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True, **unknown):
    """The sum over `axis`, plus `initial`; with a mask `where`, of the elements where it is true.

    >>> import tinygrad_seq as ts
    >>> ts.sum(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
    array([4., 6.], dtype=float32)
    """
    if dtype is None and out is None and initial is None and where is True and not unknown:
        return _sum(x, axis, keepdims=keepdims)
    return reduced(
        sum,
        _sum,
        add,
        x,
        axis,
        keepdims,
        neutral=0,
        dtype=dtype,
        out=out,
        initial=initial,
        where=where,
        unknown=unknown,
    )


@primitive(examples=NONEMPTY)
def _max(x, /, axis=None, *, keepdims=False):
    """z = max_i x_i; equal maxima share the derivative equally"""
    return np.max(x, axis=axis, keepdims=keepdims)


@primitive(examples=NONEMPTY)
def _min(x, /, axis=None, *, keepdims=False):
    """z = min_i x_i; equal minima share the derivative equally"""
    return np.min(x, axis=axis, keepdims=keepdims)


def winners(x, z, axis, dtype):
    """The partial derivatives of max and min: 1/k for each of the k elements equal to z, else 0."""
    attain = (x == np.reshape(z, kept(np.shape(x), axis))).astype(dtype)
    return attain / np.maximum(total(attain, axis, True), 1)


for extremum in (_max, _min):
    extremum.vjp(lambda g, x, z, s, axis: np.reshape(g, kept(s, axis)) * winners(x, z, axis, g.dtype))
    extremum.jvp(lambda g, x, z, axis, keepdims: total(g * winners(x, z, axis, g.dtype), axis, keepdims))
    extremum.rides(axis=axes_from_end)


@numpy_function
def max(x, /, axis=None, out=None, keepdims=False, initial=None, where=True, **unknown):
    """The largest element over `axis`, or `initial` if that is larger; equal ones share the derivative equally.

    A mask `where` needs `initial`, as do slices without elements.

    >>> import tinygrad_seq as ts
    >>> ts.max(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1, keepdims=True).numpy()
    array([[2.],
           [4.]], dtype=float32)
    """
    if out is None and initial is None and where is True and not unknown:
        return _max(x, axis, keepdims=keepdims)
    return reduced(
        max, _max, choice.maximum, x, axis, keepdims, out=out, initial=initial, where=where, unknown=unknown
    )


@numpy_function
def min(x, /, axis=None, out=None, keepdims=False, initial=None, where=True, **unknown):
    """The smallest element over `axis`, or `initial` if that is smaller; else as `max`.

    >>> import tinygrad_seq as ts
    >>> ts.min(ts.tensor([[1.0, 2.0], [3.0, 4.0]])).item()
    1.0
    """
    if out is None and initial is None and where is True and not unknown:
        return _min(x, axis, keepdims=keepdims)
    return reduced(
        min, _min, choice.minimum, x, axis, keepdims, out=out, initial=initial, where=where, unknown=unknown
    )
