"""Derivatives as functions: what is built on the reverse pass, and its mirror image, forward mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.errors import describe
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.rules import push, read
from tinygrad_seq.tape import Leaf, Line, Record, recording, reverse, tape, walking
from tinygrad_seq.tensor import Tensor, own, seed_of, tensor


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    cotangents: ArrayLike | Tensor | Sequence | None = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> Tensor | list[Tensor | None] | None:
    """The gradient of `outputs` with respect to `inputs`, leaving every `t.grad` alone.

    outputs     a tensor or a sequence of them; their contributions add up
    inputs      a tensor or a sequence of them, leaves or intermediate; the result has the same form
    cotangents  one per output, of its shape; may be missing for outputs of one element
    zeros       zeros instead of None for an input that no output depends on; a constant output is then
                lawful, and has zero derivative

    Only what lies between inputs and outputs is computed. `retain_graph` and `create_graph` as in
    `Tensor.backward`. RuntimeError for an output or input that is not on the tape.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(3.0, requires_grad=True)
    >>> dy = ts.grad(x**3, x, create_graph=True)
    >>> float(dy), float(ts.grad(dy, x))
    (27.0, 18.0)
    """
    if callable(outputs):
        raise TypeError("ts.grad takes results, not functions: in place of grad(f, x), ts.grad(f(x), x)")
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    given: Sequence = [cotangents] if isinstance(outputs, Tensor) else cotangents or [None] * len(ys)  # type: ignore
    if len(given) != len(ys):
        raise ValueError(f"{len(ys)} outputs take a cotangent each, or None, not {len(given)}")
    seeds = [
        seed_of(y, g, recorded=create_graph)
        for y, g in zip(ys, given, strict=True)
        if not (zeros and y.line is None)
    ]
    targets = [_line(x) for x in xs]
    ends = {record for record, _ in targets}
    found: dict[Record, list] = {}
    with walking(create_graph):
        for record, shares in reverse(
            seeds, targets, retain_graph=retain_graph or create_graph, create_graph=create_graph
        ):
            if record in ends:
                found[record] = shares
    result: list[Tensor | None] = []
    for x, (record, i) in zip(xs, targets, strict=True):
        share = found[record][i] if record in found else None
        if share is None and zeros:
            share = np.zeros_like(x._data)
        result.append(None if share is None else own(share))
    return result[0] if isinstance(inputs, Tensor) else result


def _line(x: Tensor) -> Line:
    if x.line is None:
        raise RuntimeError(f"the input {describe(x)} is not on the tape: make it with requires_grad=True")
    return x.line


def jvp(f: Callable, primals: Sequence[Tensor], tangents: Sequence[ArrayLike | Tensor]) -> tuple:
    """`f(*primals)` and its derivative along `tangents`, by one pass forward along the tape.

    A tangent has its primal's shape. Returns what `f` returns, a tensor or a tuple of them, and the
    tangent of it, which is on the tape in its turn wherever the primals or tangents are.

    >>> import tinygrad_seq as ts
    >>> y, dy = ts.jvp(lambda x: x * x, [ts.tensor(3.0)], [1.0])
    >>> float(y), float(dy)
    (9.0, 6.0)
    """
    if len(primals) != len(tangents):
        raise ValueError(f"{len(primals)} primals take a tangent each, not {len(tangents)}")
    xs = [_own_line(x) for x in primals]
    pushed: dict[Record, Sequence] = {}
    for x, dx in zip(xs, tangents, strict=True):
        dx = dx if isinstance(dx, Tensor) else tensor(np.asarray(dx, dtype=x.dtype), device=x.device)
        if dx.shape != x.shape:
            raise ValueError(f"a tangent of {describe(x)} has to have its shape, not {dx.shape}")
        pushed[_line(x)[0]] = [dx]
    with recording(True):
        outputs = f(*xs)
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    with walking(create_graph=True):
        for record in tape(y.line for y in ys if y.line is not None):
            if record.op is None or record in pushed:
                continue
            along = [pushed[line[0]][line[1]] if line and line[0] in pushed else None for line in record.inputs]
            if any(dx is not None for dx in along):
                pushed[record] = push(record, along, read(record, as_tensors=True))
    dys = [
        pushed[y.line[0]][y.line[1]] if y.line and y.line[0] in pushed else Tensor(np.zeros_like(y._data))
        for y in ys
    ]
    private = {_line(x)[0] for x, given in zip(xs, primals, strict=True) if given.line is None}
    ys, dys = ([_without(private, t) for t in tensors] for tensors in (ys, dys))
    return (ys[0], dys[0]) if isinstance(outputs, Tensor) else (tuple(ys), tuple(dys))


def _without(private: set[Record], t: Tensor) -> Tensor:
    """`t`, off the tape if that leads to no leaf but the private ones, which nobody can ask for a gradient."""
    if t.line is None or any(isinstance(r, Leaf) and r not in private for r in tape([t.line])):
        return t
    return Tensor(t._data, None, t.buffer)


def _own_line(x: Tensor) -> Tensor:
    """`x` on a line of its own, so that only this use of it has a tangent."""
    if x.line is None:
        return Tensor(x._data, (Leaf(x.shape, x.dtype), 0), x.buffer)
    with recording(True):
        return reshape(x, x.shape)
