"""Where every value of a loop lives: in a stack that keeps all steps, in scratch memory, or in another value.

    constant  given, the same at every step
    input     given, one row of it at every step
    carry     a row of the stack of a carry: step t reads row t and writes row t + 1; where no earlier row is
              asked for again, two rows take turns
    stack     a row of a stack: the value is wanted from every step, by the caller or by the backward loop
    view      a part of another value, bound once and then no work at all
    scratch   memory that others use before and after

A plan knows shapes and lifetimes and no array library: an emitter for another language starts from here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from tinygrad_seq.scan.program import Operation, Program, Spec

JOINING = {"concatenate", "stack", "reshape"}  # ops whose arguments may be written where the result has them
VIEWS = {"split", "unstack", "transpose", "reshape", "getitem", "stop_gradient", "broadcast_to"}


@dataclass
class Plan:
    """What is to be done at every step, and with what memory.

    scratch  the pieces of memory that steps use and forget
    homes    for each value the step computes: ("carry", j), ("stack",), ("scratch", k), or
             ("view", base, call, i): output i of `call` on the value `base`; ("part", whole, path): written
             where the whole has it, into which it goes through the calls of `path`, as their input i; the
             last call comes first
    kept     the values of which all steps are kept
    wide     for each carry whether all its rows are kept
    copies   (carry, value): what is copied into the next row of a carry at the end of a step
    """

    loop: Program
    kept: tuple[int, ...]
    scratch: list[Spec] = field(default_factory=list)
    homes: dict[int, tuple] = field(default_factory=dict)
    wide: list[bool] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    calls: list[Operation] = field(default_factory=list)

    def of_all_steps(self) -> list[int]:
        """The values of which there is memory for all steps."""
        stacks = [v for v, home in self.homes.items() if home[0] == "stack"]
        return stacks + [after for (_, after), wide in zip(self.loop.carries, self.wide, strict=True) if wide]

    def moves(self, v: int) -> bool:
        """Whether a value lies in other memory at every step."""
        kind, *where = self.homes.get(v, ("given",))
        return self.moves(where[0]) if kind in ("view", "part") else kind != "scratch"

    def in_one_piece(self, v: int) -> bool:
        """Whether a value that the step computes has memory of its own, row after row."""
        return self.homes[v][0] in ("carry", "stack", "scratch")

    def placed(self, call: Operation, i: int) -> bool:
        """Whether input i of a call is written where the output has it, which leaves the call no work."""
        parts = (home for home in self.homes.values() if home[0] == "part" and home[1] == call.outputs[0])
        return any(path[0][1] == i for _, _, path in parts)

    def memory(self) -> int:
        """Bytes kept of every step."""
        specs = [self.loop.values[v] for v in self.of_all_steps()]
        return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs)


def is_view(call: Operation, loop: Program) -> bool:
    """Whether a call only looks at its argument in another way; a single element is a copy."""
    if call.op.name == "getitem" and (
        len(call.inputs) > 1 or any(isinstance(k, bool) for k in call.metadata()["key"])
    ):
        return False
    return call.op.name in VIEWS and all(loop.values[v].shape for v in call.outputs)


def pointwise(call: Operation) -> bool:
    """Whether the op takes elements one by one, so that it may overwrite its argument."""
    signature = call.op.signature
    return signature is not None and not any(signature.inputs) and not any(signature.outputs)


def planned(loop: Program, saved: Collection[int], in_place: Collection[str]) -> Plan:
    """A plan for `loop` that keeps its outputs, and `saved`, of all steps.

    `in_place` names the ops that may write over an argument.
    """
    kept = tuple(dict.fromkeys([*loop.outputs, *sorted(saved)]))
    plan = Plan(loop, kept)
    made = {v: call for call in loop.operations for v in call.outputs}
    base: dict[int, int] = {}  # of views: the value that has the memory
    whole: set[int] = set()  # views that lie in one piece, as what they look at does
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

    reshaped = {call.inputs[0] for call in loop.operations if call.op.name == "reshape"}  # are in one piece
    for call in loop.operations:
        if call.outputs[0] not in base:
            for v, path in _parts(call, made):
                if v in made and v not in plan.homes and v not in reshaped and made[v].op.name not in JOINING:
                    plan.homes[v] = ("part", call.outputs[0], path)

    _share_scratch(plan, made, base, in_place)
    plan.calls = [call for call in loop.operations if not all(plan.homes[v][0] == "view" for v in call.outputs)]
    return plan


def _parts(call: Operation, made: dict[int, Operation]) -> Iterator[tuple[int, tuple]]:
    """The values that a call puts into a whole, each with its path into it."""
    if call.op.name in ("concatenate", "stack"):
        for i, v in enumerate(call.inputs):
            if call.inputs.count(v) == 1:
                yield v, ((call, i),)
    elif call.op.name == "reshape":  # of a value transposed, as it would be a view otherwise
        path, v = [(call, 0)], call.inputs[0]
        while v in made and _keeps_rows(made[v]):
            path.append((made[v], 0))
            v = made[v].inputs[0]
        yield v, tuple(path)


def _keeps_rows(call: Operation) -> bool:
    """Whether a call transposes all but the last axis; to write across the rows of a whole would cost more."""
    axes = call.metadata()["axes"] if call.op.name == "transpose" else None
    return isinstance(axes, tuple) and axes[-1] % len(axes) == len(axes) - 1


def _share_scratch(
    plan: Plan, made: dict[int, Operation], base: dict[int, int], in_place: Collection[str]
) -> None:
    """Give the remaining values memory, that of values which nobody reads any more where it fits."""
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
        whole = all(memory_of(v) == v for v in places)  # what is read and written lies row after row
        may = call.op.name in in_place and whole
        if may:  # write over an argument that nobody reads any more
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
