"""The assignments of a loop: each call by its way, then memory for what outlives the step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tinygrad_seq.scan.groups.assignments import (
    DTYPES,
    Assign,
    Assignments,
    Expressible,
    UnsupportedError,
    Way,
)
from tinygrad_seq.scan.np.plan import pointwise
from tinygrad_seq.scan.program import Operation, Program, Spec


def lowered(
    loop: Program, kept: Sequence[int], expressible: Expressible, ways: Mapping[str, Way]
) -> Assignments:
    """The assignments of `loop`, which keeps the values `kept` of all steps."""
    numbers = {v: number_of(x) for v, x in loop.numbers.items()}
    found = Assignments(loop, list(loop.values), expressible, ways, numbers=numbers)
    for v in {*loop.arguments, *(v for call in loop.operations for v in (*call.inputs, *call.outputs))}:
        shape, dtype = loop.values[v]
        if dtype not in DTYPES or math.prod(shape) >= 2**31:
            raise UnsupportedError(f"an array {dtype}{list(shape)}")
    for call in loop.operations:
        lower(found, call)
    for item in found.items:
        if isinstance(item, Assign):
            dtypes = [found.values[access.value].dtype for access in (*item.reads, item.write)]
            if not expressible(item.op, dtypes[:-1], dtypes[-1]):
                name = item.op.name if item.op else "a conversion"
                raise UnsupportedError(f"{name} of {', '.join(map(str, dtypes[:-1]))}")
    _bind(found, kept)
    return found


def number_of(x):
    """The number that all elements of x are: a rule may make an array, such as the zeros of an unused carry."""
    if not np.ndim(x):
        return x
    if not x.size:
        return 0
    first = x.flat[0]
    if x.tobytes() != first.tobytes() * x.size:  # -0.0 is not 0.0, and NaN is NaN
        raise UnsupportedError("an array that a rule makes")
    return first


def again(found: Assignments, loop: Program, kept: Sequence[int]) -> Assignments:
    """The assignments of a loop within the loop of `found`."""
    return lowered(loop, kept, found.expressible, found.ways)


def lower(found: Assignments, call: Operation) -> None:
    """Assign the outputs of a call."""
    # a user's op may have the name of an inner one
    own = call.op.forward.__module__.startswith("tinygrad_seq.")
    if own and call.op.name in found.ways:
        found.ways[call.op.name](found, call)
    elif pointwise(call):
        found.assign(call.op, call.inputs, call.outputs[0])
    else:
        raise UnsupportedError(call.op.name)


def _bind(found: Assignments, kept: Sequence[int]) -> None:
    """Give memory to carries, kept values and totals: that of a copy, where a value has none of its own."""
    loop = found.program
    own = {v for item in found.items for v in item.written}
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
