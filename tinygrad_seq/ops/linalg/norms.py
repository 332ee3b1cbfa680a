"""Norms of vectors and matrices."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.precision import rounded_once, total
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.rules import push, read
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.ops import elementwise, reduction
from tinygrad_seq.ops.reduction import EXAMPLES, axes_from_end, axes_of, kept

normalize_axis_tuple = np.lib.array_utils.normalize_axis_tuple


@primitive(examples=EXAMPLES)
@rounded_once
def _norm(x, /, axis=None, *, keepdims=False):
    """z = sqrt(sum_i x_i^2), without overflow or underflow of the squares; dz/dx = 0 at the zero vector"""
    with np.errstate(over="ignore"):
        z = np.sqrt(total(np.square(x), axis, keepdims))
    if not np.size(x) or (backend.on_host(z) and LEAST[z.dtype.char] < z.min() <= z.max() < math.inf):
        return z
    top = np.max(np.abs(x), axis=axis, keepdims=True)
    top = np.where(np.logical_and(top > 0, top < np.inf), top, 1)
    return np.reshape(top, np.shape(z)) * np.sqrt(total(np.square(x / top), axis, keepdims))


# the least norm whose squares are not rounded to subnormal numbers
LEAST = {dtype: 1e3 * math.sqrt(np.finfo(dtype).tiny) for dtype in "fd"}


def quotient(g, z):
    """g / z, and 0 where z = 0."""
    return np.where(z == 0, 0, g / np.where(z == 0, 1, z))


def limit(g, z):
    """g / z; where z = 0, the slope dg/dz, the limit of g / z if g vanishes together with z.

    A loss that is smooth at the zero vector is a function f of z^2: then g = 2 z f'(z^2), and its gradient is
    x g/z. At x = 0 that is 0 for any finite g/z, but the second derivative is g/z itself. The numbers g = 0 and
    z = 0 do not determine it. The tape of g does: a tangent of 1 is pushed from z to g, if g is recorded.
    """
    if getattr(g, "line", None) is None or not may_vanish(z):
        return quotient(g, z)
    made = z.line[0]
    if made.op is elementwise._astype.primitive:  # of a float16 norm, the rules read its value as float32
        made = made.inputs[0][0]
    slopes = {made: [np.ones_like(z)]}
    for record in tape([g.line]):
        if record.op is made.op and (record.inputs, record.meta) == (made.inputs, made.meta):
            slopes[record] = slopes[made]  # the same norm, computed a second time
            continue
        along = [slopes[line[0]][line[1]] if line and line[0] in slopes else None for line in record.inputs]
        if any(slope is not None for slope in along):
            slopes[record] = push(record, along, read(record, as_tensors=True))
    record, i = g.line
    return np.where(z == 0, slopes[record][i], quotient(g, z)) if record in slopes else quotient(g, z)


def may_vanish(z) -> bool:
    """Whether z has a 0, if second derivatives are needed.

    True where the values are not looked at: in the step of a scan (unless it is derived to first order only),
    and on a device, where the host would have to wait for them.
    """
    if mode.trace is not None:
        return not mode.trace.first_order
    return not backend.on_host(z._array) or bool(np.any(z._array == 0))


_norm.vjp(lambda g, x, z, s, axis: elementwise.safe_product(np.reshape(limit(g, z), kept(s, axis)), x))
_norm.jvp(lambda g, x, z, axis, keepdims: quotient(total(x * g, axis, keepdims), z))
_norm.rides(axis=axes_from_end)


@numpy_function(module="linalg")
def norm(x, ord: float | str | None = None, axis=None, *, keepdims: bool = False):
    """The norm of `x`.

    axis  None for all axes; an int for vectors along that axis; a pair for matrices in those axes
    ord   None for sqrt(sum x^2); for vectors also 2 (the same), 1 for sum |x|, inf for max |x| and -inf for
          min |x|; for matrices also "fro" (the same as None)

    At the zero vector the derivative of sqrt(sum x^2) is taken to be 0. Its square, and any other function of
    it that is smooth there, has the right derivatives to second order. ValueError for any other norm.

    >>> import tinygrad_seq as ts
    >>> float(ts.norm(ts.tensor([3.0, 4.0])))
    5.0
    """
    ndim = np.ndim(x)
    axes = axes_of(None, ndim) if axis is None else normalize_axis_tuple(axis, ndim)
    known = (
        (None, 2, 1, math.inf, -math.inf) if len(axes) == 1 else (None, "fro") if len(axes) == 2 else (None,)
    )
    if ord not in known or (axis is not None and len(axes) > 2):
        raise ValueError(
            f"norm accepts ord=None; for vectors (axis is an int) also 2, 1, inf and -inf; for matrices (axis "
            f'is a pair) also "fro"; got ord={ord!r}, axis={axis!r} for an array with {ndim} axes'
        )
    if np.result_type(x).kind != "f":
        x = (x if hasattr(x, "astype") else np.asarray(x)).astype(np.float64)
    if ord in (None, 2, "fro"):
        return _norm(x, axes, keepdims=keepdims)
    reduce = reduction.sum if ord == 1 else reduction.max if ord == math.inf else reduction.min
    return reduce(elementwise.abs(x), axes, keepdims=keepdims)
