"""Groups, computed by NumPy in memory that is laid out as theirs: what an emitter of loop nests has to do.

Only stored values have memory. Those of the scratch memory share one buffer, at the places that they were
given, so that two values that overlap while both are needed are a wrong number. A register holds its values for
one group. At the beginning of a step all scratch memory is NaN, and no element may be read before it was
written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tinygrad_seq.scan.execute import store
from tinygrad_seq.scan.groups.assignments import Access, Assign, Inner, Product, neutral
from tinygrad_seq.scan.groups.grouping import Group, Grouped, in_register
from tinygrad_seq.scan.groups.maps import Map, Shape
from tinygrad_seq.scan.program import Program

FUNCTIONS = {
    "sum": np.add,
    "add": np.add,
    "prod": np.multiply,
    "multiply": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
}
Results = tuple[list, list, list]  # carries after the last step; kept values of all steps; totals


@np.errstate(all="ignore")
def stepped(loop: Program, kept: Sequence[int], arrays: Sequence, n: int, reverse: bool) -> Results:
    """The loop, computed by the forward functions of its ops."""
    env = {**dict(zip(loop.arguments, arrays, strict=True)), **loop.numbers}
    rows = {v: env[v] for v in loop.inputs}
    stacks = {v: [np.zeros(0)] * n for v in kept}
    totals = {v: np.zeros(loop.values[v].shape) for v in loop.totals}
    for t in reversed(range(n)) if reverse else range(n):
        env |= {v: rows[v][t] for v in rows}
        for call in loop.operations:
            store(env, call, call.op.forward(*[env[v] for v in call.inputs], **call.metadata()))
        for v, stack in stacks.items():
            stack[t] = np.array(env[v])
        totals = {v: total + env[v] for v, total in totals.items()}
        after = [env[v] for _, v in loop.carries]
        env |= {before: x for (before, _), x in zip(loop.carries, after, strict=True)}
    sums = [total.astype(loop.values[v].dtype) for v, total in totals.items()]
    return [env[before] for before, _ in loop.carries], [np.stack(stacks[v]) for v in kept], sums


def places(m: Map, space: Shape) -> np.ndarray:
    """The places of a map for all indices of a space, in C order."""
    found = np.full(space, m.offset)
    for axis, (n, stride) in enumerate(zip(space, m.strides, strict=True)):
        found += (stride * np.arange(n)).reshape([-1 if a == axis else 1 for a in range(len(space))])
    return found.ravel()


class Interpreter:
    """A loop as groups, run step by step.

    memory   for each stored value its elements
    written  for each stored value how often its elements were written in this step
    """

    def __init__(self, made: Grouped) -> None:
        self.made, self.given, self.loop = made, made.given, made.given.program
        self.buffer = np.zeros(made.size, np.uint8)
        self.memory: dict[int, np.ndarray] = {}
        self.written: dict[int, np.ndarray] = {}
        for v in made.stored - set(self.given.numbers) - self.given.counted:
            (shape, dtype), place = self.given.values[v], made.scratch.get(v)
            if place is None:
                self.memory[v] = np.zeros(math.prod(shape), dtype)
            else:
                self.memory[v] = np.frombuffer(self.buffer, dtype, math.prod(shape), place)
            self.written[v] = np.zeros(math.prod(shape), int)

    def __call__(self, arrays: Sequence, n: int, reverse: bool) -> Results:
        loop, given = self.loop, self.given
        env = dict(zip(loop.arguments, map(np.asarray, arrays), strict=True))
        for v in loop.arguments:
            if v not in loop.inputs:
                self.memory[v] = np.array(env[v]).ravel()
        stacks: dict[int, list] = {v: [np.zeros(0)] * n for v in given.kept}
        for total in given.totals.values():
            self.memory[total][...] = 0
        for t in reversed(range(n)) if reverse else range(n):
            for v in loop.inputs:
                self.memory[v] = np.array(env[v][t]).ravel()
            self.step()
            for v, holder in given.kept.items():
                stacks[v][t] = self.memory[holder].reshape(loop.values[v].shape).copy()
            after = [self.memory[v].copy() for v in given.carries]
            self.memory.update({before: x for (before, _), x in zip(loop.carries, after, strict=True)})
        finals = [self.memory[before].reshape(loop.values[before].shape) for before, _ in loop.carries]
        totals = [
            self.memory[total].reshape(given.blocks, *shape).sum(axis=0).astype(dtype)
            for (shape, dtype), total in ((loop.values[v], total) for v, total in given.totals.items())
        ]
        return finals, [np.stack(stacks[v]) for v in given.kept], totals

    def step(self) -> None:
        self.buffer[...] = 0xFF  # NaN, for floats
        for v, count in self.written.items():
            count[...] = v in self.loop.arguments
        for group in self.made.groups:
            self.group(group)

    # --- one group --------------------------------------------------------------------------------------

    def group(self, group: Group) -> None:
        self.own = {v for item in group.items for v in item.written}
        self.registers: dict[int, tuple[Assign, np.ndarray]] = {}
        for item in group.items:
            if isinstance(item, Product):
                assert len(group.items) == 1
                self.product(item)
            elif isinstance(item, Inner):
                assert len(group.items) == 1
                self.inner(item)
            else:
                assert item.space == group.space
                if item.ordered:
                    assert len(group.items) == 1
                    for i in range(math.prod(item.space)):
                        self.assign(item, slice(i, i + 1))
                else:
                    self.assign(item, slice(None))

    def product(self, item: Product) -> None:
        left, right = (*item.stack, item.m, item.k), (*item.stack, item.k, item.n)
        a = self.load(item, item.a, left, slice(None)).reshape(left)
        b = self.load(item, item.b, right, slice(None)).reshape(right)
        where = places(item.write.map, (*item.stack, item.m, item.n))
        self.memory[item.write.value][where] = (a @ b).ravel()
        self.written[item.write.value][where] += 1

    def inner(self, item: Inner) -> None:
        """A loop whose rows, stacks and totals are memory of this step."""
        within, n = item.loop.given, item.n
        loop = within.program

        def outer(v: int, shape: Shape) -> np.ndarray:
            value, first = item.memory[v]
            return self.memory[value][first : first + math.prod(shape)].reshape(shape)

        rows = [self.memory[v].reshape(self.given.shape(v)) for v in item.rows]
        backwards = [wide and item.reverse for wide in item.loop.wide]
        arrays = [row[-1 if back else 0].copy() for row, back in zip(rows, backwards, strict=True)]
        arrays += [outer(v, (n, *loop.values[v].shape)).copy() for v in loop.inputs]
        arrays += [outer(v, loop.values[v].shape).copy() for v in loop.constants]
        finals, kept, totals = Interpreter(item.loop)(arrays, n, item.reverse)
        for j, (row, final) in enumerate(zip(rows, finals, strict=True)):
            wide, back = item.loop.wide[j], backwards[j]
            row[0 if back else n if wide else n % 2] = final
            for v, stack in zip(within.kept, kept, strict=True):
                before = v == loop.carries[j][0]
                if before or within.kept[v] == within.carries[j]:
                    (row[:-1] if before != item.reverse else row[1:])[...] = stack
        for v, stack in zip(within.kept, kept, strict=True):
            if within.kept[v] in item.memory:
                outer(within.kept[v], stack.shape)[...] = stack
        for (v, total), found in zip(within.totals.items(), totals, strict=True):
            outer(total, loop.values[v].shape)[...] += found
        for v in item.written:
            self.written[v][...] = 1

    def assign(self, item: Assign, part: slice) -> None:
        """The assignment for a part of its space."""
        v, of = item.write.value, self.given.values
        args = [self.read(item, a, part) for a in item.reads]
        if item.op is None:
            made = np.asarray(args[0]).astype(of[v].dtype)
        else:
            made = np.asarray(item.op.forward(*args))
            assert made.dtype == of[v].dtype, f"{item.op.name} gives {made.dtype}, not {of[v].dtype}"
        count = len(np.arange(math.prod(item.space))[part])
        made = np.broadcast_to(made, count)
        if not item.combine:
            self.registers[v] = item, made
            if v not in self.made.stored:
                return
        where = self.located(item, item.write, part)
        if item.combine in ("sum", "prod", "max", "min") and not self.written[v].any():
            self.memory[v][...] = neutral(item.combine, of[v].dtype)
        if item.combine:
            FUNCTIONS[item.combine].at(self.memory[v], where, made)
            self.written[v][where] = 1
        else:
            self.memory[v][where] = made
            np.add.at(self.written[v], where, 1)

    def read(self, item: Assign, access: Access, part: slice):
        v = access.value
        if v in self.loop.numbers:
            return self.loop.numbers[v]
        if v in self.given.numbers:
            return np.asarray(self.given.numbers[v]).astype(self.given.values[v].dtype)
        if v in self.given.counted:
            return self.located(item, access, part)
        if v in self.registers and in_register(self.registers[v][0], item, access):
            return self.registers[v][1][part]
        return self.load(item, access, item.space, part)

    def load(self, item, access: Access, space: Shape, part: slice) -> np.ndarray:
        """The elements of an access to memory, which no assignment of the same group has just written."""
        v = access.value
        assert v in self.memory, "a value without memory is read"
        assert v not in self.own or item.ordered, "a group reads what it has written"
        where = self.located(item, access, part, space)
        if v not in self.loop.arguments:
            assert self.written[v][where].all(), "an element is read before it is written"
        return self.memory[v][where]

    def located(self, item, access: Access, part: slice, space: Shape | None = None) -> np.ndarray:
        """The places of an access; IndexError for an index that is out of range."""
        found = places(access.map, item.space if space is None else space)[part]
        for index in access.indices:
            i = np.asarray(self.read(item, item.reads[index.read], part)).astype(np.int64)
            if np.any((i < -index.size) | (i >= index.size)):
                raise IndexError(f"index {i} is out of bounds for an axis of size {index.size}")
            found = found + index.stride * np.where(i < 0, i + index.size, i)
        if access.value not in self.given.counted:
            assert np.all((found >= 0) & (found < len(self.memory[access.value])))
        return found
