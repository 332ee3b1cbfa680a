"""The derivative of a loop, as another loop: the rules of the primitives, run over its recorded step.

    dC = (dC' dC'/dC) + (dY dY/dC)        carried from the last step to the first
    dX = (dC' dC'/dX) + (dY dY/dX)        an output of every step
    dW = sum_t (dC' dC'/dW) + (dY dY/dW)  a total over the steps, for a constant W

The rules run on tensors of a step that is itself being recorded. So the result is again a program, of the same
primitives, whose operations are placed (before, in or after the loop) in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine.mode import recording, tracing
from tinygrad_seq.engine.record import Line, Record, next_serial
from tinygrad_seq.engine.rules import pull
from tinygrad_seq.scan.naming import has_own_name, identified
from tinygrad_seq.scan.np.plan import is_view, pointwise
from tinygrad_seq.scan.program import EVERYTHING, Hoisting, Numbering, Operation, Program
from tinygrad_seq.scan.recording.trace import Trace
from tinygrad_seq.scan.recording.traced import Traced
from tinygrad_seq.tensor.tensor import Tensor


class Backward(NamedTuple):
    """The backward program of a loop, and how its values correspond to those of the loop.

    program      one step backwards; its carries are the cotangents of the carries of the loop
    reads        {value of `program`: the value of the loop that it holds}
    cotangents   {input of `program`: the output of the loop whose cotangent it is}
    carries      for each carry of `program`, the value (before a step of the loop) whose cotangent it is
    gradients    {input or constant of the loop: the outputs or totals of `program` that sum to its gradient}
    """

    program: Program
    reads: Mapping[int, int]
    cotangents: Mapping[int, int]
    carries: tuple[int, ...]
    gradients: Mapping[int, tuple[int, ...]]


# Pointwise factors, such as 1 - z z, are computed in the loop, where z is at hand. Computed before it, for all
# steps, they take memory, and benchmarks/scan.py takes 6 to 8 % longer at S1 and S2.
BACKWARD = EVERYTHING._replace(before=lambda call, program: not pointwise(call))


def differentiable(call: Operation) -> list[bool]:
    """For every argument of a call, whether a derivative passes to it."""
    count = len(call.inputs)
    return [False] * count if call.quiet else call.op.differentiable(count)


def reached(program: Program, sources: Collection[int]) -> set[int]:
    """The values that depend differentiably on `sources`."""
    live = set(sources)
    while True:
        for call in program.operations:
            if any(v in live and on for v, on in zip(call.inputs, differentiable(call), strict=True)):
                live.update(v for v in call.outputs if program.values[v].dtype.kind == "f")
        more = {before for before, after in program.carries if after in live} - live
        if not more:
            return live
        live |= more


def pulled(program: Program, ends: Collection[int]) -> set[int]:
    """The values that a cotangent of `ends` reaches."""
    found = set(ends)
    while True:
        for call in reversed(program.operations):
            if not found.isdisjoint(call.outputs):
                found.update(v for v, on in zip(call.inputs, differentiable(call), strict=True) if on)
        more = {after for before, after in program.carries if before in found} - found
        if not more:
            return found
        found |= more


class Ends(NamedTuple):
    """Where cotangents arrive in a loop: at which outputs and carries (the value before a step)."""

    outputs: frozenset[int]
    carries: frozenset[int]


def derived(
    loop: Program,
    sources: Collection[int],
    ends: Ends,
    values: Mapping[int, object],
    hoisting: Hoisting = BACKWARD,
    *,
    views: bool = False,
) -> Backward:
    """The backward program for the gradients of `sources`, given cotangents of `ends`.

    `values` are the values of any one step; the rules run on them. With `views` the derivative reads no view of
    a value that the loop computes, but that value, and takes the view itself.
    """
    trace = Trace(first_order=True)
    live = reached(loop, sources)
    fixed = {*loop.constants, *loop.numbers}
    stand_ins: dict[int, Traced] = {}
    names = loop.names

    taken = {  # the views that the derivative takes itself
        v: call
        for call in loop.operations
        if views and is_view(call, loop) and call.inputs[0] not in fixed
        for v in call.outputs
        if v not in loop.outputs
    }
    looked: dict[int, Any] = {}

    def tensor_of(v: int):
        taking = []  # no recursion: a function that names itself is a reference cycle, with all tensors in it
        while v in taken and v not in looked:
            taking.append((v, taken[v]))
            v = taken[v].inputs[0]
        found = looked[v] if v in looked else stand_in(v)
        for z, call in reversed(taking):
            made = call.op.function(found, **call.metadata())
            looked.update(zip(call.outputs, made if call.op.many else [made], strict=True))
            name_as(call.outputs, [looked[each] for each in call.outputs])
            found = looked[z]
        return found

    def stand_in(v: int):
        if v in loop.numbers:
            return loop.numbers[v]
        if v not in stand_ins:
            stand_ins[v] = trace.placeholder(values[v], names[v])
        return stand_ins[v]

    def name_as(vs: Sequence[int], tensors: Sequence) -> None:
        for v, t in zip(vs, tensors, strict=True):
            trace.names.setdefault(t.line, names[v])

    def name(vs: Sequence[int], gradients: Sequence) -> None:
        for v, g in zip(vs, gradients, strict=True):
            if isinstance(g, Traced):
                trace.names.setdefault(g.line, f"d{names[v]}")

    with tracing(trace), recording(True), np.errstate(all="ignore"):
        carried = [(before, after) for before, after in loop.carries if before in live & ends.carries]
        ys = [v for v in loop.outputs if v in ends.outputs and v in live]
        ways = Counter([*ys, *(after for _, after in carried), *(v for c in loop.operations for v in c.inputs)])
        dy = {v: "dy" if len(ys) == 1 else f"dy_{names[v]}" for v in ys}
        later = [
            trace.placeholder(values[v], f"d{names[v]}_next" if ways[v] > 1 else f"d{names[v]}")
            for _, v in carried
        ]
        given = {v: trace.placeholder(values[v], dy[v] if ways[v] > 1 else f"d{names[v]}") for v in ys}
        shares: dict[int, list[Any]] = {v: [g] for v, g in given.items()}
        for (_, after), g in zip(carried, later, strict=True):
            shares.setdefault(after, []).append(g)
        for call in reversed(loop.operations):
            arriving = [_sum(shares.pop(v, [])) if v in live else None for v in call.outputs]
            if has_own_name(call, names):
                name(call.outputs, arriving)
            if all(g is None for g in arriving):
                continue
            record, lines = _record(call, loop, live, tensor_of)
            for line, share in pull(record, arriving, record.saved or (), {source for source, _ in lines}):
                shares.setdefault(lines[line], []).append(share)
        earlier = [_sum(shares.get(before, [])) for before, _ in carried]
        earlier = [np.zeros_like(g) if e is None else e for e, g in zip(earlier, later, strict=True)]
        name([before for before, _ in carried], earlier)
        gradients = {
            v: found if v in fixed else [_sum(found)]
            for v in sorted(sources)
            if v not in dict(carried) and (found := shares.get(v))
        }
        for v, found in gradients.items():
            name([v] * len(found), found)

    def line_of(t) -> Line:
        return trace.line(t, t._array if isinstance(t, Tensor) else t)

    number = Numbering(trace)
    reads = {number(t.line): v for v, t in stand_ins.items()}
    carries = [(number(g.line), line_of(e)) for g, e in zip(later, earlier, strict=True)]
    outputs = {v: number(g.line) for v, g in given.items()}
    wanted = [line for _, line in carries] + [line_of(t) for found in gradients.values() for t in found]
    operations = number.operations(wanted)
    used = {v for call in operations for v in call.inputs} | {number(line) for line in wanted}
    reads = {b: v for b, v in reads.items() if b in used}
    parts = {v: tuple(number(line_of(t)) for t in found) for v, found in gradients.items()}
    program = identified(
        Program(
            values=number.specs(),
            operations=operations,
            carries=tuple((g, number(line)) for g, line in carries),
            inputs=(*(b for b, v in reads.items() if v not in fixed), *outputs.values()),
            constants=tuple(b for b, v in reads.items() if v in fixed),
            numbers=number.literals(),
            outputs=tuple(dict.fromkeys(b for v, bs in parts.items() if v not in fixed for b in bs)),
            totals=tuple(dict.fromkeys(b for v, bs in parts.items() if v in fixed for b in bs)),
            names=number.names(),
            device=loop.device,
        ),
        hoisting,
    )
    result = Backward(program, reads, {b: v for v, b in outputs.items()}, tuple(b for b, _ in carried), parts)
    trace.end()
    return result


def _record(call: Operation, loop: Program, live: set[int], tensor_of) -> tuple[Record, dict[Line, int]]:
    """A call of the step as a record with new lines, and the value of the loop that each line stands for.

    The record holds the tensors that its rules read.
    """
    lines: dict[Line, int] = {}
    record: Record = object.__new__(Record)
    record.op, record.meta, record.serial, record.buffers = call.op, call.meta, next_serial(), ()
    inputs: list[Line | None] = []
    for v, on in zip(call.inputs, differentiable(call), strict=True):
        if on and v in live:
            source: Record = object.__new__(Record)
            source.shapes, source.dtypes = (loop.values[v].shape,), (loop.values[v].dtype,)
            lines[source, 0] = v
            inputs.append((source, 0))
        else:
            inputs.append(None)
    record.inputs = tuple(inputs)
    record.shapes = tuple(loop.values[v].shape for v in call.outputs)
    record.dtypes = tuple(loop.values[v].dtype for v in call.outputs)
    k = len(call.op.arguments)
    known = dict(zip(call.op.arguments, call.inputs, strict=False))
    saved: list = []
    for name in call.op.reads:
        if name == "s":
            saved.append(tuple(loop.values[v].shape for v in call.inputs))
        elif name == "kept":
            saved.append(None)
        elif name == "z":
            z = [tensor_of(v) for v in call.outputs]
            saved.append(tuple(z) if call.op.many else z[0])
        elif name == call.op.variadic:
            saved.append(tuple(tensor_of(v) for v in call.inputs[k:]))
        else:
            saved.append(tensor_of(known[name]))
    record.saved = tuple(saved)
    return record, lines


def _sum(terms: list):
    total = None
    for term in terms:
        total = term if total is None else total + term
    return total
