"""Derivatives of a function of tensors: its pullback, its tangent, the product of its Hessian with a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.derive.call import Call, alone
from tinygrad_seq.derive.gradient import line_of
from tinygrad_seq.engine.errors import answering, describe
from tinygrad_seq.engine.mode import walking
from tinygrad_seq.engine.record import Record
from tinygrad_seq.engine.rules import push, read
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.tensor.tensor import Tensor, on_device_of
from tinygrad_seq.tree import Tree


def vjp(f: Callable[..., Tree], *primals: object) -> tuple[Tree, Callable[[object], tuple[Any, ...]]]:
    """`f(*primals)` and its pullback, g -> J'g.

    primals   trees of tensors; derivatives are with respect to floats, integers and booleans are constants
    pullback  takes a tree of cotangents, like the value of f; returns a tuple with a tree of gradients like
              each primal (None for an integer); it can be called any number of times

    TypeError if f returns anything but a tree of float tensors. Under `no_grad` the derivatives are the same,
    but not on the tape.

    >>> import tinygrad_seq as ts
    >>> y, pullback = ts.vjp(lambda x: x * x, ts.tensor([1.0, 2.0]))
    >>> pullback([1.0, 10.0])[0].numpy()
    array([ 2., 40.], dtype=float32)
    """
    call = Call(f, primals)

    def pullback(cotangents: object) -> tuple[Any, ...]:
        given = tree.matching(call.value, cotangents)
        if any(g is None for g in given):
            raise ValueError(
                "every output of f needs a cotangent, got None; pass zeros for an output to ignore"
            )
        return call.gradients(call.outputs, given)

    return tree.each(call.public, call.value), pullback


def jvp(f: Callable[..., Tree], primals: Sequence[object], tangents: Sequence[object]) -> tuple[Tree, Tree]:
    """`f(*primals)` and its derivative along `tangents`, J v, by one pass forward along the tape.

    primals   trees of tensors, as for `vjp`
    tangents  for each primal a tree of directions of the same shapes; None for an integer

    Returns the value of f and a tree of its tangents. TypeError for a missing tangent and for one of an
    integer; ValueError for a tangent of another shape, and for a number of tangents that is not the number of
    primals.

    >>> import tinygrad_seq as ts
    >>> y, dy = ts.jvp(lambda x: x * x, [ts.tensor(3.0)], [1.0])
    >>> float(y), float(dy)
    (9.0, 6.0)
    """
    if len(primals) != len(tangents):
        raise ValueError(f"{len(primals)} primals need {len(primals)} tangents, got {len(tangents)}")
    call = Call(f, primals)
    pushed: dict[Record, Sequence[Any]] = {}
    along = tree.matching(tuple(primals), tuple(tangents))
    for x, v in zip(tree.leaves(call.primals), along, strict=True):
        if (v is None) != (x.dtype.kind != "f"):
            raise TypeError(
                f"{describe(x)} needs a tangent, got None; pass zeros if it does not change"
                if v is None
                else f"{describe(x)} is not a float and cannot have a tangent; pass None for it"
            )
        if v is None:
            continue
        v = on_device_of(x, v, "tangent", x.dtype)
        if v.shape != x.shape:
            raise ValueError(f"a tangent of {describe(x)} must have its shape, got {v.shape}")
        pushed[line_of(x)[0]] = [v if v.dtype == x.dtype else v.astype(x.dtype)]
    with walking(create_graph=call.live(along)):
        for record in tape(y.line for y in call.outputs if y.line is not None):
            if record.op is None or record in pushed:
                continue
            shares = [
                pushed[line[0]][line[1]] if line and line[0] in pushed else None for line in record.inputs
            ]
            if any(share is not None for share in shares):
                pushed[record] = push(record, shares, read(record, as_tensors=True))
    found = [pushed[y.line[0]][y.line[1]] if y.line and y.line[0] in pushed else None for y in call.outputs]
    dys = [
        Tensor(np.zeros_like(y._array)) if dy is None else dy for y, dy in zip(call.outputs, found, strict=True)
    ]
    return tree.each(call.public, call.value), tree.like(call.value, map(call.public, dys))


@answering
def value_and_grad(f: Callable[..., object]) -> Callable[..., tuple[Any, Any]]:
    """The function that returns the value of `f`, which is one number, and its gradient.

    The gradient is a tree like the primals (a tuple of trees if there are several). TypeError for a value that
    is not one number.

    >>> import tinygrad_seq as ts
    >>> ts.value_and_grad(lambda x: (x**3).sum())(ts.tensor([1.0, 2.0]))
    (tensor(9., float32, cpu), tensor([ 3., 12.], float32, cpu))
    """

    def both(*primals: object) -> tuple[object, object]:
        value, pullback = vjp(f, *primals)
        if not isinstance(value, Tensor) or value.size != 1:
            given = describe(value) if isinstance(value, Tensor) else f"a {type(value).__name__}"
            raise TypeError(
                f"value_and_grad, hvp and hessian need a function whose value is one number, got {given}"
            )
        return value, alone(pullback(np.ones(value.shape)))

    return both


def hvp(f: Callable[..., object], primals: Sequence[object], tangents: Sequence[object]) -> Any:
    """The Hessian of `f` times `tangents`, as the JVP of the gradient; the Hessian itself is not computed.

    Returns a tree like the primals (a tuple of trees if there are several).

    >>> import tinygrad_seq as ts
    >>> ts.hvp(lambda x: (x**3).sum(), [ts.tensor([1.0, 2.0])], [[1.0, 1.0]]).numpy()
    array([ 6., 12.], dtype=float32)
    """
    return jvp(gradient_of(f), primals, tangents)[1]


def gradient_of(f: Callable[..., object]) -> Callable[..., object]:
    """The function that returns only the gradient."""
    return lambda *primals: value_and_grad(f)(*primals)[1]
