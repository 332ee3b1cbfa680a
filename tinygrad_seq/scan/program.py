"""A step as a program: operations on numbered values, and where each of them is to run.

In one sentence: an op that rides along leading axes can be applied to all time steps at once, before the
loop if it does not depend on the carry, after it if no carry depends on it.

    constant   depends on nothing that changes from step to step: run once
    before     depends on the inputs alone, and rides: run once, on the whole sequence
    loop       depends on the carry, or does not ride: run at every step
    after      no carry depends on it, and it rides: run once, on the stacked values of the loop

A program holds no array: what it captured are its `constants`, by position. Only whole numbers are part of
it, since they choose between programs (an exponent, a size) more often than they vary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.record import Line, Record
from tinygrad_seq.scan.trace import Noted, Trace


class Spec(NamedTuple):
    """The shape and dtype of a value at one step."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Operation(NamedTuple):
    """One call: the values that go in and come out, by number. `quiet`: no derivative passes."""

    op: Declaration
    inputs: tuple[int, ...]
    meta: tuple
    outputs: tuple[int, ...]
    quiet: bool = False

    def metadata(self) -> dict[str, Any]:
        return {p.name: value for p, value in zip(self.op.metadata, self.meta, strict=True)}


@dataclass(frozen=True)
class Program:
    """One step of a loop.

    values      shape and dtype of every value
    operations  the calls, in order
    carries     pairs: the value before the step, and after it
    inputs      values that come from outside, another one at every step
    constants   values that come from outside and stay
    numbers     whole numbers, by value
    outputs     values that are wanted from every step, stacked
    totals      values that are wanted summed over the steps
    names       what to call the values
    device      where its arrays are
    """

    values: tuple[Spec, ...]
    operations: tuple[Operation, ...]
    carries: tuple[tuple[int, int], ...]
    inputs: tuple[int, ...]
    constants: tuple[int, ...]
    numbers: Mapping[int, Any]
    outputs: tuple[int, ...]
    totals: tuple[int, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def arguments(self) -> tuple[int, ...]:
        """What it is given: the carries before the first step, inputs, constants."""
        return (*(before for before, _ in self.carries), *self.inputs, *self.constants)


class Numbering:
    """The lines of a trace as numbers, in the order in which they are met; it makes the key of a program."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.number: dict[Line, int] = {}

    def __call__(self, line: Line) -> int:
        return self.number.setdefault(line, len(self.number))

    def operations(self, wanted: Iterable[Line]) -> tuple[Operation, ...]:
        """The calls that `wanted` lines depend on."""
        needed: set[Record] = {line[0] for line in wanted}
        kept = []
        for record in reversed(self.trace.records):
            if record in needed:
                kept.append(record)
                needed.update(line[0] for line in record.arguments)
        return tuple(map(self._operation, reversed(kept)))

    def _operation(self, record: Noted) -> Operation:
        inputs = tuple(map(self, record.arguments))
        outputs = tuple([self((record, i)) for i in range(len(record.made))])
        return Operation(record.op, inputs, record.meta, outputs, record.quiet)

    def specs(self) -> tuple[Spec, ...]:
        specs = []
        for record, i in self.number:
            if isinstance(record, Noted):
                specs.append(Spec(record.made[i].shape, record.made[i].dtype))
            else:
                specs.append(Spec(record.shapes[0], record.dtypes[0]))
        return tuple(specs)


def hashable(meta: object):
    """Metadata as part of a key: a slice has no hash before Python 3.12, and True is not 1."""
    if isinstance(meta, tuple):
        return tuple(map(hashable, meta))
    if isinstance(meta, slice):
        return (slice, hashable((meta.start, meta.stop, meta.step)))
    return (type(meta), meta)


def key_of(program: Program) -> tuple:
    """What makes two recorded steps the same program."""
    calls = tuple([(c.op, c.inputs, hashable(c.meta) if c.meta else (), c.quiet) for c in program.operations])
    numbers = tuple([(v, type(x), x) for v, x in program.numbers.items()])
    wiring = program.carries, program.inputs, program.constants, numbers, program.outputs
    return calls, *wiring, program.values, program.device


class Parts(NamedTuple):
    """A program, taken apart by where its operations run; `loop` is what is left to do step by step.

    stacked   values that exist for all time steps at once before the loop
    """

    constant: tuple[Operation, ...]
    before: tuple[Operation, ...]
    loop: Program
    after: tuple[Operation, ...]
    stacked: frozenset[int]


def taken_apart(program: Program, early: Callable[[Operation], bool] = lambda call: True) -> Parts:
    """Where each operation of a program is to run; `early` says which may run before the loop."""
    unchanged = {before for before, after in program.carries if before == after}
    fixed = {*program.constants, *program.numbers, *unchanged}
    stacked = set(program.inputs)
    constant, before, rest = [], [], []
    for call in program.operations:
        if fixed.issuperset(call.inputs):
            constant.append(call)
            fixed.update(call.outputs)
        elif (
            all(v in fixed or v in stacked for v in call.inputs) and rides(call, program, fixed) and early(call)
        ):
            before.append(call)
            stacked.update(call.outputs)
        else:
            rest.append(call)

    carries = tuple(pair for pair in program.carries if pair[0] != pair[1])
    needed = {after for _, after in carries}  # by a carry, or by what has to stay in the loop
    made = {v: call for call in rest for v in call.outputs}
    for v in program.totals:
        if v in made and not late(made[v], program, fixed):
            needed.add(v)
    inside, after = [], []
    for call in reversed(rest):
        if needed.isdisjoint(call.outputs) and rides(call, program, fixed):
            after.append(call)
        else:
            inside.append(call)
            needed.update(call.inputs)
    inside, after = inside[::-1], after[::-1]

    own = {v for call in inside for v in call.outputs} | {v for v, _ in carries}
    read = {v for call in inside for v in call.inputs} | {v for _, v in carries}
    totals = tuple(v for v in program.totals if v in own)
    wanted = [*(v for call in after for v in call.inputs), *program.outputs]
    loop = replace(
        program,
        operations=tuple(inside),
        carries=carries,
        inputs=tuple(sorted(read & stacked)),
        constants=tuple(sorted(read & fixed - set(program.numbers))),
        numbers={v: x for v, x in program.numbers.items() if v in read},
        outputs=tuple(dict.fromkeys(v for v in wanted if v in own)),
        totals=totals,
    )
    return Parts(tuple(constant), tuple(before), loop, tuple(after), frozenset(stacked))


def rides(call: Operation, program: Program, fixed: set[int]) -> bool:
    """Whether one call on stacks can take the place of a call at every step."""
    shapes = [program.values[v].shape for v in call.inputs]
    return call.op.lift(shapes, [v not in fixed for v in call.inputs], 2, call.metadata()) is not None


def late(call: Operation, program: Program, fixed: set[int]) -> bool:
    """Whether to sum a call over the steps after the loop: if that takes no more memory than its inputs do."""
    if summable(call, program):
        return True
    size = sum(math.prod(program.values[v].shape) for v in call.outputs)
    return size <= sum(math.prod(program.values[v].shape) for v in call.inputs if v not in fixed)


def summable(call: Operation, program: Program) -> bool:
    """Whether the op has a form for the sum of its values over all steps, without loop axes of its own."""
    signature = call.op.signature
    if not (call.op.summing and signature):
        return False
    ranks = [len(program.values[v].shape) for v in call.inputs]
    return ranks == [len(core) for core in signature.inputs]
