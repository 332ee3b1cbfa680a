"""Products over axes and running products, with derivatives of every order that are right at zeros.

No rule divides by x. The derivative of a product is the product of the other elements: of those before, times
of those after. The derivative of a running product is a linear recurrence, which is computed by doubling:
log2 n operations on whole arrays, whose own derivatives follow.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.declaration import Domain
from tinygrad_seq.engine.precision import rounded_once, total
from tinygrad_seq.engine.primitive import numpy_function, primitive, safe_product
from tinygrad_seq.ops import cumulative, reduction
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.cumulative import from_start, running
from tinygrad_seq.ops.elementwise import multiply
from tinygrad_seq.ops.reduction import at_last_axis, axes_from_end, axis_from_end, from_last_axis, kept, reduced

SMALL: dict[str, Domain] = {"x": (-8.0, 8.0)}  # so that the laws draw no products that overflow


@primitive(examples=cumulative.EXAMPLES, domain=SMALL)
@rounded_once
def _cumprod(x, /, axis):
    """z_i = prod_{j <= i} x_j"""
    return np.cumprod(x, axis)


def before(z):
    """z_{i-1} along the last axis, and 1 before the first."""
    return np.concatenate([np.ones_like(z[..., :1]), z[..., :-1]], -1)


def recurrence(a, b):
    """h_i = a_i h_{i-1} + b_i along the last axis, from h_{-1} = 0; where h_{i-1} is 0, a may be anything."""
    step = 1
    while step < b.shape[-1]:
        b = np.concatenate([b[..., :step], b[..., step:] + safe_product(b[..., :-step], a[..., step:])], -1)
        a = np.concatenate([a[..., :step], a[..., step:] * a[..., :-step]], -1)
        step *= 2
    return b


def last(x, axis):
    """`x` with its axis `axis` as the last; a number as an array of one."""
    return np.moveaxis(x, axis, -1) if np.ndim(x) else np.reshape(x, (1,))


def cumprod_vjp(g, x, z, s, axis):
    """z_{j-1} h_j with h_j = g_j + x_{j+1} h_{j+1}"""
    g, x, z = last(g, axis), last(x, axis), last(z, axis)
    h = np.flip(recurrence(before(np.flip(x, -1)), np.flip(g, -1)), -1)
    share = safe_product(h, before(z))
    return np.moveaxis(share, -1, axis) if s else np.reshape(share, s)


def cumprod_jvp(g, x, z, axis):
    """z'_i = x_i z'_{i-1} + x'_i z_{i-1}"""
    tangent = recurrence(last(x, axis), safe_product(last(g, axis), before(last(z, axis))))
    return np.moveaxis(tangent, -1, axis) if np.ndim(z) > 1 else tangent


_cumprod.vjp(cumprod_vjp)
_cumprod.jvp(cumprod_jvp)
_cumprod.rides(axis=axis_from_end)


@primitive(examples=reduction.EXAMPLES, domain=SMALL)
@rounded_once
def _prod(x, /, axis=None, *, keepdims=False):
    """z = prod_i x_i"""
    return np.prod(x, axis=axis, keepdims=keepdims)


def others(x, axis):
    """prod_{j != i} x_j over the axes, for every i"""
    y = at_last_axis(x, axis)
    after = np.flip(before(_cumprod(np.flip(y, -1), -1)), -1)
    z = safe_product(before(_cumprod(y, -1)), after)
    return from_last_axis(z, np.shape(x), axis)


_prod.vjp(lambda g, x, s, axis: safe_product(np.reshape(g, kept(s, axis)), others(x, axis)))
_prod.jvp(lambda g, x, axis, keepdims: total(safe_product(g, others(x, axis)), axis, keepdims))
_prod.rides(axis=axes_from_end)


@numpy_function
def prod(x, /, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=True, **unknown):
    """The product over `axis`, times `initial`; with a mask `where`, of the elements where it is true.

    Its derivatives of every order are right at zeros, too.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ts.grad(ts.prod(x), x).numpy()
    array([0., 6., 0.], dtype=float32)
    """
    if dtype is None and out is None and initial is None and where is True and not unknown:
        return _prod(x, axis, keepdims=keepdims)
    return reduced(
        prod,
        _prod,
        multiply,
        x,
        axis,
        keepdims,
        neutral=1,
        dtype=dtype,
        out=out,
        initial=initial,
        where=where,
        unknown=unknown,
    )


@numpy_function
def cumprod(x, axis: int | None = None, dtype=None, out=None):
    """The partial products along `axis`; without an axis, of the flattened x. Derivatives are right at zeros.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ts.cumprod(x).numpy(), ts.grad(ts.cumprod(x).sum(), x).numpy()
    (array([2., 0., 0.], dtype=float32), array([1., 8., 0.], dtype=float32))
    """
    return running("cumprod", _cumprod, x, axis, dtype, out)


@numpy_function
def cumulative_prod(x, /, *, axis: int | None = None, dtype=None, out=None, include_initial=False):
    """The partial products along `axis`, which x needs if it has several; after a 1 with `include_initial`.

    >>> import tinygrad_seq as ts
    >>> ts.cumulative_prod(ts.tensor([1, 2, 3]), include_initial=True).numpy()
    array([1, 1, 2, 6])
    """
    return from_start("cumulative_prod", _cumprod, ones_like, x, axis, dtype, out, include_initial)
