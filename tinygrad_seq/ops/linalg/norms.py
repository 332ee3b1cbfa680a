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
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.linalg.arguments import floats
from tinygrad_seq.ops.linalg.singular import svdvals
from tinygrad_seq.ops.rearranging import moveaxis
from tinygrad_seq.ops.reduction import EXAMPLES, axes_from_end, axes_of, kept
from tinygrad_seq.ops.shape import reshape

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


@rounded_once
def _power_norm(x, p, axes, keepdims):
    """(sum_i |x_i|^p)^(1/p); for p > 1 its derivative at the zero vector is 0"""
    z = reduction.sum(elementwise.power(elementwise.abs(x), p), axes, keepdims=keepdims)
    if p < 0:
        return elementwise.power(z, 1 / p)
    return where(z == 0, 0.0, elementwise.power(where(z == 0, 1.0, z), 1 / p))


def of_vectors(x, ord, axes, keepdims):
    """The norm of the vectors along `axes`."""
    if ord is None or ord == 2:
        return _norm(x, axes, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm of vectors expects a number or None for ord, got ord={ord!r}")
    x = elementwise.abs(x)
    if ord == 0:
        return reduction.sum((x > 0).astype(x.dtype), axes, keepdims=keepdims)
    if ord == 1:
        return reduction.sum(x, axes, keepdims=keepdims)
    if abs(ord) == math.inf:
        return (largest if ord > 0 else reduction.min)(x, axes, keepdims=keepdims)
    return _power_norm(x, float(ord), axes, keepdims)


def largest(x, axes, keepdims):
    """The maximum of numbers that are not negative; 0 of none."""
    empty = any(x.shape[a] == 0 for a in axes)
    return (reduction.sum if empty else reduction.max)(x, axes, keepdims=keepdims)


def of_matrices(x, ord, axes, keepdims):
    """The norm of the matrices in two axes, `axes`."""
    if ord in (None, "fro", "f"):
        return _norm(x, axes, keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        s = svdvals(moveaxis(x, axes, (-2, -1)))
        reduce = reduction.sum if ord == "nuc" else largest if ord > 0 else reduction.min
        z = reduce(s, (-1,), keepdims=False)
    elif ord in (1, -1, math.inf, -math.inf):
        summed = axes[0] if abs(ord) == 1 else axes[1]
        sums = reduction.sum(elementwise.abs(x), summed, keepdims=True)
        z = (largest if ord > 0 else reduction.min)(sums, axes, keepdims=False)
    else:
        raise ValueError(
            f'norm of matrices expects None, "fro", "nuc", 1, -1, 2, -2, inf or -inf for ord, got ord={ord!r}'
        )
    return reshape(z, kept(x.shape, axes)) if keepdims else z


@numpy_function(module="linalg")
def norm(x, ord: float | str | None = None, axis=None, *, keepdims: bool = False):
    """The norm of `x`.

    axis  None for all axes; an int for vectors along that axis; a pair for matrices in those axes
    ord   of vectors: None or 2 for sqrt(sum x^2), inf for max |x|, -inf for min |x|, 0 for the count of x != 0,
          any other number p for (sum |x|^p)^(1/p)
          of matrices: None or "fro" for sqrt(sum x^2), 1 and -1 for the largest and the smallest column of sums
          of |x|, inf and -inf for those of rows, 2 and -2 for the largest and the smallest singular value,
          "nuc" for the sum of the singular values

    At the zero vector the derivative of sqrt(sum x^2) is taken to be 0. Its square, and any other function of
    it that is smooth there, has the right derivatives to second order. For other p above 1 it is taken to be 0
    there, too; for p < 1 there is none at a zero element, and it is infinite or NaN. Equal maxima and minima
    share the derivative equally. `svdvals` says what it is for singular values of 0. ValueError for any other
    norm, and if neither `axis` nor x has one or two axes.

    >>> import tinygrad_seq as ts
    >>> float(ts.norm(ts.tensor([3.0, 4.0])))
    5.0
    """
    x = floats(x)
    axes = axes_of(None, x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if len(axes) == 1:
        return of_vectors(x, ord, axes, keepdims)
    if len(axes) == 2:
        return of_matrices(x, ord, axes, keepdims)
    if ord is not None or axis is not None:
        raise ValueError(
            f"norm of an array with {x.ndim} axes expects one or two axes, got axis={axis!r}, ord={ord!r}"
        )
    return _norm(x, axes, keepdims=keepdims)


@numpy_function(module="linalg")
def vector_norm(x, /, *, axis=None, keepdims: bool = False, ord: float = 2):
    """The norm of the vectors along `axis`, one or several axes, or of all elements; `ord` as in `norm`.

    >>> import tinygrad_seq as ts
    >>> float(ts.linalg.vector_norm(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), ord=1))
    10.0
    """
    x = floats(x)
    axes = axes_of(None, x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return of_vectors(x, ord, axes, keepdims)


@numpy_function(module="linalg")
def matrix_norm(x, /, *, keepdims: bool = False, ord: float | str = "fro"):
    """The norm of the matrices x (..., n, m); `ord` as in `norm`.

    >>> import tinygrad_seq as ts
    >>> float(ts.linalg.matrix_norm(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), ord=1))
    6.0
    """
    x = floats(x)
    return of_matrices(x, ord, normalize_axis_tuple((-2, -1), x.ndim), keepdims)
