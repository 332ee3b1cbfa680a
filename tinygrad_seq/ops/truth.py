"""Whether all or any elements are true: reductions of truth values. They have no derivative."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.comparison import logical_and, logical_or
from tinygrad_seq.ops.reduction import axes_from_end, reduced

EXAMPLES = [example("(a,b,c)", axis=(0, -1)), example("(a,b)", axis=1, keepdims=True), example("(a)")]


@primitive(examples=EXAMPLES)
def _all(x, /, axis=None, *, keepdims=False):
    """z = true if every x_i is true"""
    return np.all(x, axis=axis, keepdims=keepdims)


@primitive(examples=EXAMPLES)
def _any(x, /, axis=None, *, keepdims=False):
    """z = true if some x_i is true"""
    return np.any(x, axis=axis, keepdims=keepdims)


for quantifier in (_all, _any):
    quantifier.no_derivative()
    quantifier.rides(axis=axes_from_end)


@numpy_function
def all(x, /, axis=None, out=None, keepdims=False, *, where=True, **unknown):
    """Whether all elements over `axis` are true, that is not 0; with a mask `where`, those where it is true.

    >>> import tinygrad_seq as ts
    >>> ts.all(ts.tensor([[1.0, 2.0], [3.0, 0.0]]), axis=1).numpy()
    array([ True, False])
    """
    more = {"neutral": True, "out": out, "where": where, "unknown": unknown}
    return reduced(all, _all, logical_and, x, axis, keepdims, **more)


@numpy_function
def any(x, /, axis=None, out=None, keepdims=False, *, where=True, **unknown):
    """Whether any element over `axis` is true, that is not 0; with a mask `where`, one where it is true.

    >>> import tinygrad_seq as ts
    >>> bool(ts.any(ts.tensor([0.0, 0.0]))), bool(ts.any(ts.tensor([0.0, 2.0])))
    (False, True)
    """
    more = {"neutral": False, "out": out, "where": where, "unknown": unknown}
    return reduced(any, _any, logical_or, x, axis, keepdims, **more)
