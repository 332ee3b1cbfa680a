"""Whole matrices of derivatives: the pullback, a linear function, of all unit vectors at once, as by vmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.batching.rows import over_rows
from tinygrad_seq.derive.call import Call, alone
from tinygrad_seq.derive.functions import gradient_of
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import answering
from tinygrad_seq.engine.mode import walking
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.tensor.tensor import Tensor


@answering
def jacobian(f: Callable[..., object], *primals: object) -> Any:
    """All partial derivatives of `f` at `primals`, by one reverse pass for all elements of each value at once.

    Returns a tree like the value of f. In the place of each tensor y it has a tree like the primals (a tuple of
    trees if there are several), whose tensors have the shape y.shape + x.shape.

    >>> import tinygrad_seq as ts
    >>> ts.jacobian(lambda x: x * x, ts.tensor([1.0, 2.0])).numpy()
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    call = Call(f, primals)
    return tree.each(lambda y: alone(partials(call, y)), call.value)


def partials(call: Call[Any], y: Tensor) -> tuple[Any, ...]:
    """For each primal of a call, a tree of the partial derivatives of one of its outputs."""
    basis = backend.asarray(np.eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape), y.device)
    with walking(call.live(())):
        rows = over_rows(lambda row: call.gradients([y], row), [Tensor(basis)])
        made = tree.each(lambda dy: reshape(dy, y.shape + dy.shape[1:]), rows)
    return tree.each(call.public, made)


@answering
def hessian(f: Callable[..., object], *primals: object) -> Any:
    """All second derivatives of `f`, whose value is one number: the Jacobian of its gradient.

    Returns a tree like the primals (a tuple of trees if there are several). In the place of each tensor x it
    has another tree like the primals, with a tensor of shape x.shape + x'.shape for each tensor x'.

    >>> import tinygrad_seq as ts
    >>> ts.hessian(lambda x: (x**3).sum(), ts.tensor([1.0, 2.0])).numpy()
    array([[ 6.,  0.],
           [ 0., 12.]], dtype=float32)
    """
    return jacobian(gradient_of(f), *primals)
