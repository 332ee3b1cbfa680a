"""From the operations of a loop to assignments.

An op that has no such form raises `UnsupportedError`, and the loop runs as NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinygrad_seq.scan.groups import indexing, products, reductions, views
from tinygrad_seq.scan.groups.assignments import DTYPES, Assign, Assignments, UnsupportedError
from tinygrad_seq.scan.plan import pointwise
from tinygrad_seq.scan.program import Operation, Program, Spec

WAYS: dict[str, Callable[[Assignments, Operation], None]] = {
    "stop_gradient": views.same,
    "transpose": views.transpose,
    "broadcast_to": views.broadcast,
    "reshape": views.reshape,
    "split": views.split,
    "unstack": views.unstack,
    "concatenate": views.concatenate,
    "stack": views.stack,
    "roll": views.roll,
    "pad": views.pad,
    "getitem": indexing.getitem,
    "scatter": indexing.scatter,
    "take_along_axis": indexing.take_along_axis,
    "scatter_along_axis": indexing.scatter_along_axis,
    "zeros_like": views.filled(0),
    "ones_like": views.filled(1),
    "astype": views.convert,
    "cast": views.convert,
    "sum": reductions.sum,
    "max": reductions.extremum,
    "min": reductions.extremum,
    "argmax": reductions.position,
    "argmin": reductions.position,
    "cumsum": reductions.cumsum,
    "norm": reductions.norm,
    "softmax": reductions.softmax,
    "log_softmax": reductions.log_softmax,
    "logsumexp": reductions.logsumexp,
    "tril": views.triangle,
    "triu": views.triangle,
    "matmul": products.matmul,
    "contract": products.contract,
}


def assigned(loop: Program, kept: tuple[int, ...], expressible: Callable[[str], bool]) -> Assignments:
    """The assignments of `loop`, which keeps the values `kept` of all steps.

    `expressible` says of the name of a pointwise op whether it has an expression. Raises UnsupportedError.
    """
    found = Assignments(loop, list(loop.values), numbers=dict(loop.numbers))
    for v in {*loop.arguments, *(v for call in loop.operations for v in (*call.inputs, *call.outputs))}:
        shape, dtype = loop.values[v]
        if dtype not in DTYPES or math.prod(shape) >= 2**31:
            raise UnsupportedError(f"an array {dtype}{list(shape)}")
    for call in loop.operations:
        if call.op.name in WAYS:
            WAYS[call.op.name](found, call)
        elif pointwise(call):
            found.assign(call.op.name, call.inputs, call.outputs[0])
        else:
            raise UnsupportedError(call.op.name)
    for item in found.items:
        if isinstance(item, Assign) and item.op != "convert" and not expressible(item.op):
            raise UnsupportedError(item.op)
    _bind(found, kept)
    return found


def _bind(found: Assignments, kept: tuple[int, ...]) -> None:
    """Give memory to carries, kept values and totals: that of a copy, where a value has none of its own."""
    loop = found.program
    own = {item.write.value for item in found.items}
    before = {b for b, _ in loop.carries}

    def copied(v: int) -> int:
        return found.made("convert", (v,), found.shape(v), found.values[v].dtype)

    for _, v in loop.carries:
        alone = v in own and v not in found.carries and v not in found.views and v not in found.numbers
        found.carries.append(v if alone else copied(v))
    for v in kept:
        alone = v in own and v not in found.views and v not in found.numbers
        found.kept[v] = v if alone or v in before else copied(v)
    for v in loop.totals:
        total = found.totals[v] = found.new(found.shape(v), loop.values[v].dtype)
        if found.values[v].dtype == np.float32:
            found.values[total] = Spec(found.shape(v), np.dtype(np.float64))
        found.assign("convert", (v,), total, "add")
