"""The memory of each value of a loop: a stack of all steps, scratch memory, or a part of another value.

    constant  given, the same at every step
    input     given, one row at every step
    carry     a row of the stack of a carry: step t reads row t and writes row t + 1; if earlier rows are not
              needed again, two rows take turns
    stack     a row of a stack: the value of every step is needed, by the caller or by the backward loop
    view      a view of another value, created once, before the first step
    part      a place in a larger value (a concatenation, say), written there directly
    scratch   memory that is reused by other values, and at the next step

A plan has shapes and lifetimes, and does not depend on an array library: an emitter for another language can
start from it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from tinygrad_seq.scan.program import Operation, Program, Spec

JOINING = {"concatenate", "stack", "reshape"}  # ops whose arguments may be written directly into their result
VIEWS = {"split", "unstack", "transpose", "reshape", "getitem", "stop_gradient", "broadcast_to"}


@dataclass
class Plan:
    """The calls of every step, and the memory of every value.

    scratch  the shapes and dtypes of the pieces of scratch memory
    homes    for each value that the step computes its memory: ("carry", j), ("stack",), ("scratch", k);
             ("view", base, call, i): output i of `call` on the value `base`; or ("part", whole, path): the
             place of the value in `whole`, where `path` lists the calls (and which of their inputs) that lead
             from the value to `whole`, the last call first
    kept     the values that are kept of all steps
    wide     for each carry, whether all its rows are kept
    copies   (carry, value): the value is copied into the next row of the carry at the end of a step
    calls    the calls that do work at every step: all except views
    """

    loop: Program
    kept: tuple[int, ...]
    scratch: list[Spec] = field(default_factory=list)
    homes: dict[int, tuple] = field(default_factory=dict)
    wide: list[bool] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    calls: list[Operation] = field(default_factory=list)

    def of_all_steps(self) -> list[int]:
        """The values that have memory for all steps."""
        stacks = [v for v, home in self.homes.items() if home[0] == "stack"]
        return stacks + [after for (_, after), wide in zip(self.loop.carries, self.wide, strict=True) if wide]

    def moves(self, v: int) -> bool:
        """Whether the memory of a value changes from step to step."""
        kind, *where = self.homes.get(v, ("given",))
        return self.moves(where[0]) if kind in ("view", "part") else kind != "scratch"

    def in_one_piece(self, v: int) -> bool:
        """Whether a value that the step computes has contiguous memory of its own."""
        return self.homes[v][0] in ("carry", "stack", "scratch")

    def placed(self, call: Operation, i: int) -> bool:
        """Whether input i of a call is written directly into the output, so that it need not be copied."""
        parts = (home for home in self.homes.values() if home[0] == "part" and home[1] == call.outputs[0])
        return any(path[0][1] == i for _, _, path in parts)

    def memory(self) -> int:
        """The bytes that are kept per step."""
        specs = [self.loop.values[v] for v in self.of_all_steps()]
        return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs)


def is_view(call: Operation, loop: Program) -> bool:
    """Whether the output of a call is a view of its argument; a 0-d output is a copy."""
    if call.op.name == "getitem" and (
        len(call.inputs) > 1 or any(isinstance(k, bool) for k in call.metadata()["key"])
    ):
        return False
    return call.op.name in VIEWS and all(loop.values[v].shape for v in call.outputs)


def pointwise(call: Operation) -> bool:
    """Whether the op works element by element: its signature has no core axes."""
    signature = call.op.signature
    return signature is not None and not any(signature.inputs) and not any(signature.outputs)


def planned(loop: Program, saved: Collection[int], in_place: Collection[str]) -> Plan:
    """A plan for `loop` that keeps its outputs and the values `saved` of all steps.

    `in_place` has the names of the ops that may write over an argument.
    """
    kept = tuple(dict.fromkeys([*loop.outputs, *sorted(saved)]))
    plan = Plan(loop, kept)
    made = {v: call for call in loop.operations for v in call.outputs}
    base: dict[int, int] = {}  # for each view, the value that owns the memory
    whole: set[int] = set()  # views that are contiguous
    carried = {before for before, _ in loop.carries}

    for call in loop.operations:
        source = base.get(call.inputs[0], call.inputs[0])
        if is_view(call, loop) and (source in made or source in carried):
            if call.op.name == "reshape":
                if call.inputs[0] in base and call.inputs[0] not in whole:
                    continue
                whole.update(call.outputs)
            for i, v in enumerate(call.outputs):
                base[v] = source
                plan.homes[v] = ("view", call.inputs[0], call, i)

    keep = {base.get(v, v) for v in kept}
    for j, (before, after) in enumerate(loop.carries):
        plan.wide.append(before in keep or after in keep)
        if after in made and after not in plan.homes:
            plan.homes[after] = ("carry", j)
        else:
            plan.copies.append((j, after))
    for v in made:
        if v in keep and v not in plan.homes:
            plan.homes[v] = ("stack",)

    reshaped = {call.inputs[0] for call in loop.operations if call.op.name == "reshape"}  # must be contiguous
    for call in loop.operations:
        if call.outputs[0] not in base:
            for v, path in _parts(call, made):
                free = v in made and v not in plan.homes and v not in reshaped
                same = loop.values[v].dtype == loop.values[call.outputs[0]].dtype
                if free and same and made[v].op.name not in JOINING:
                    plan.homes[v] = ("part", call.outputs[0], path)

    _share_scratch(plan, made, base, in_place)
    plan.calls = [call for call in loop.operations if not all(plan.homes[v][0] == "view" for v in call.outputs)]
    return plan


def _parts(call: Operation, made: dict[int, Operation]) -> Iterator[tuple[int, tuple]]:
    """The values that a call joins to its output, each with its path into it."""
    if call.op.name in ("concatenate", "stack"):
        for i, v in enumerate(call.inputs):
            if call.inputs.count(v) == 1:
                yield v, ((call, i),)
    elif call.op.name == "reshape":  # of a transposed value; otherwise it would be a view
        path, v = [(call, 0)], call.inputs[0]
        while v in made and _keeps_rows(made[v]):
            path.append((made[v], 0))
            v = made[v].inputs[0]
        yield v, tuple(path)


def _keeps_rows(call: Operation) -> bool:
    """Whether a call transposes and keeps the last axis last; otherwise writing into the whole is slow."""
    axes = call.metadata()["axes"] if call.op.name == "transpose" else None
    return isinstance(axes, tuple) and axes[-1:] in ((-1,), (len(axes) - 1,))


def _share_scratch(
    plan: Plan, made: dict[int, Operation], base: dict[int, int], in_place: Collection[str]
) -> None:
    """Give the remaining values scratch memory, and reuse that of values which are not read any more."""
    loop = plan.loop
    owner = {v: home[1] for v, home in plan.homes.items() if home[0] == "part"}

    def memory_of(v: int) -> int:
        v = base.get(v, v)
        return owner.get(v, v)

    last: dict[int, int] = {}
    for i, call in enumerate(loop.operations):
        for v in (*call.inputs, *call.outputs):
            last[memory_of(v)] = i
    for v in [*loop.totals, *(v for _, v in plan.copies)]:
        last[memory_of(v)] = len(loop.operations)

    free: dict[Spec, list[int]] = {}

    def take(v: int) -> None:
        spec = loop.values[v]
        if not (slots := free.setdefault(spec, [])):
            slots.append(len(plan.scratch))
            plan.scratch.append(spec)
        plan.homes[v] = ("scratch", slots.pop())

    def give_back(values: Iterable[int]) -> None:
        for v in values:
            free[loop.values[v]].append(plan.homes[v][1])

    for i, call in enumerate(loop.operations):
        read = dict.fromkeys(memory_of(v) for v in call.inputs)
        dying = [v for v in read if last[v] == i and plan.homes.get(v, ("",))[0] == "scratch"]
        places = [v for v in call.inputs if memory_of(v) in dying] + [v for v in call.outputs if v not in base]
        whole = all(memory_of(v) == v for v in places)  # all of them own their memory, so it is contiguous
        may = call.op.name in in_place and whole
        if may:  # write over an argument that is not read any more
            give_back(dying)
        for v in call.outputs:
            if v in base:
                continue
            if v not in plan.homes:
                take(v)
            elif plan.homes[v][0] == "part" and plan.homes[v][1] not in plan.homes:
                take(plan.homes[v][1])
        if not may:
            give_back(dying)
        unread = dict.fromkeys(v for v in call.outputs if memory_of(v) == v and last[v] == i)
        give_back(v for v in unread if plan.homes[v][0] == "scratch")
