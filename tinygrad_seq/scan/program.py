"""A step as a program: operations on numbered values, and the place where each of them runs.

An op *rides* if it works unchanged with an extra leading axis. Such an op can be applied to all time steps at
once, before the loop if it does not depend on the carry, after the loop if no carry depends on it:

    constant   depends on nothing that changes from step to step: run once
    before     depends only on inputs and constants, and rides: run once, on the whole sequence
    loop       depends on the carry, or does not ride: run at every step
    after      no carry depends on it, and it rides: run once, on the stacked values of the loop

A program holds no array: the captured values are arguments, its `constants`. Only whole numbers are a part of
the program, because they more often choose a computation (an exponent, a size) than vary within one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.record import Line, Record
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.scan.recording.trace import Noted, Trace, hashable


class Spec(NamedTuple):
    """The shape and dtype of a value at one step."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Operation(NamedTuple):
    """One call, with its input and output values by number. If it is `quiet`, no derivative passes."""

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
    inputs      values from outside, with a new row at every step
    constants   values from outside that are the same at every step
    numbers     whole numbers, and the arrays that the rules of a derivation make: {value: number}
    outputs     values whose stack over all steps is wanted
    totals      values whose sum over all steps is wanted
    names       the names of the values
    device      the device of its arrays
    walked      whether derivatives are taken in it, whose rules may divide by zero where that is harmless
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
    walked: bool = False

    @property
    def arguments(self) -> tuple[int, ...]:
        """The arguments: the carries before the first step, inputs, constants."""
        return (*(before for before, _ in self.carries), *self.inputs, *self.constants)


class Numbering:
    """Numbers for the lines of a trace, in the order of first use, so that equal steps get equal programs."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.number: dict[Line, int] = {}

    def __call__(self, line: Line) -> int:
        return self.number.setdefault(line, len(self.number))

    def operations(self, wanted: Iterable[Line]) -> tuple[Operation, ...]:
        """The calls that the lines `wanted` depend on."""
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
                specs.append(Spec(record.shapes[i], record.dtypes[i]))
        return tuple(specs)

    def literals(self) -> dict[int, Any]:
        """The arrays and numbers that the trace captured, of the lines that have a number."""
        captured = self.trace.captured.items()
        return {self.number[line]: data_of(x) for line, x in captured if line in self.number}

    def names(self) -> dict[int, str]:
        """The names of the lines that have a number and a name."""
        names = self.trace.names.items()
        return {self.number[line]: name for line, name in names if name and line in self.number}


def key_of(program: Program) -> tuple:
    """The key of a program: equal programs compute the same from the same arguments."""
    calls = tuple([(c.op, c.inputs, hashable(c.meta) if c.meta else (), c.quiet) for c in program.operations])
    numbers = tuple([(v, type(x), x) for v, x in program.numbers.items()])
    wiring = program.carries, program.inputs, program.constants, numbers, program.outputs
    return calls, *wiring, program.values, program.device, program.walked


class Parts(NamedTuple):
    """A program, taken apart by where its operations run; `loop` is the part that runs step by step.

    stacked   values that are known for all time steps before the loop
    """

    constant: tuple[Operation, ...]
    before: tuple[Operation, ...]
    loop: Program
    after: tuple[Operation, ...]
    stacked: frozenset[int]


Choice = Callable[[Operation, Program], bool]


class Hoisting(NamedTuple):
    """Which operations an emitter wants out of the loop, of those that may leave it.

    before    of those that are carry-free
    after     of those that no carry depends on
    constant  of those that are the same at every step
    """

    before: Choice
    after: Choice
    constant: Choice = lambda call, program: True


EVERYTHING = Hoisting(*[lambda call, program: True] * 2)
NOTHING = Hoisting(*[lambda call, program: False] * 2)


def taken_apart(program: Program, hoisting: Hoisting = EVERYTHING) -> Parts:
    """A program, taken apart by where its operations run."""
    unchanged = {before for before, after in program.carries if before == after}
    fixed = {*program.constants, *program.numbers, *unchanged}
    stacked = set(program.inputs)
    constant, before, rest = [], [], []
    for call in program.operations:
        if fixed.issuperset(call.inputs) and hoisting.constant(call, program):
            constant.append(call)
            fixed.update(call.outputs)
        elif (
            all(v in fixed or v in stacked for v in call.inputs)
            and rides(call, program, fixed)
            and hoisting.before(call, program)
        ):
            before.append(call)
            stacked.update(call.outputs)
        else:
            rest.append(call)

    carries = tuple(pair for pair in program.carries if pair[0] != pair[1])
    needed = {after for _, after in carries}  # by a carry, or by an operation in the loop
    made = {v: call for call in rest for v in call.outputs}
    for v in program.totals:
        if v in made and not (late(made[v], program, fixed) and hoisting.after(made[v], program)):
            needed.add(v)
    inside, after = [], []
    for call in reversed(rest):
        free = needed.isdisjoint(call.outputs) and rides(call, program, fixed)
        if free and hoisting.after(call, program):
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
    """Whether one call on stacked arguments can replace a call at every step."""
    shapes = [program.values[v].shape for v in call.inputs]
    return call.op.lift(shapes, [v not in fixed for v in call.inputs], 2, call.metadata()) is not None


def late(call: Operation, program: Program, fixed: set[int]) -> bool:
    """Whether a total is *late*: computed and summed after the loop, instead of accumulated in it.

    It is, if the op can compute the sum directly, or if the stack of its output is no larger than its inputs.
    """
    if summable(call):
        return True
    size = sum(math.prod(program.values[v].shape) for v in call.outputs)
    return size <= sum(math.prod(program.values[v].shape) for v in call.inputs if v not in fixed)


def summable(call: Operation) -> bool:
    """Whether the op can compute the sum of its values over all steps directly."""
    return bool(call.op.summing and call.op.signature)
