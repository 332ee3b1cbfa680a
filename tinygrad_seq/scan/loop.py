"""Running a loop: its memory, its derivative, and its one record on the tape.

The memory of a run is a `Workspace`. What a caller receives are views of it, so nothing is copied; a
workspace is used again only when nobody holds a view of it any more, which Python's reference counts tell
exactly. So nothing that anybody can still see is ever overwritten.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.scan.emit import IN_PLACE, emitted
from tinygrad_seq.scan.plan import planned
from tinygrad_seq.scan.program import Program
from tinygrad_seq.scan.riding import Lifted

POOL = 4  # workspaces that a loop keeps for its next runs


class Run(NamedTuple):
    """What a run of a loop made: the carries after it, what it kept of all steps, and its totals, by value."""

    finals: dict[int, Any]
    kept: dict[int, Any]
    totals: dict[int, Any]


class Loop:
    """A loop ready to run; with `saved`, it keeps for its derivative what that reads."""

    def __init__(self, program: Program, saved: Collection[int] = (), name: str = "scan") -> None:
        self.program = program
        self.plan = planned(program, saved, IN_PLACE)
        self.code = emitted(self.plan, name)
        self.pool: list[Workspace] = []
        self.lock = threading.Lock()

    def __call__(self, given: Mapping[int, Any], n: int, reverse: bool) -> Run:
        """Run `n` steps, from the last to the first if `reverse`.

        `given` holds, by value: carries before the first step, inputs stacked, constants.
        """
        work = self._take(n, reverse)
        for (before, _), rows in zip(self.program.carries, work.carries, strict=True):
            rows[0][...] = given[before]
        for total in work.totals:
            total.fill(0)
        constants = [self._constant(v, given) for v in self.code.constants]
        rows = [rows_of(given[v], reverse) if v in work.outside else work.rows[v] for v in self.code.rows]
        rows += [work.carries[j][1:] for j, _ in self.plan.copies]
        steps = zip(*rows, strict=True) if rows else iter([()] * n)
        self.code.function(constants, work.fixed, steps, HALF)
        finals = {j: np.array(rows[n]) for j, rows in enumerate(work.carries)}
        run = Run(
            finals,
            dict(work.kept),
            {v: t.copy() for v, t in zip(self.program.totals, work.totals, strict=True)},
        )
        with self.lock:
            self.pool = [work, *self.pool][:POOL]
        return run

    def _constant(self, v: int, given: Mapping[int, Any]):
        if v in self.program.numbers:
            x = self.program.numbers[v]
            return np.asarray(x, self.program.values[v].dtype) if isinstance(x, (float, int)) else x
        x = np.asarray(given[v], self.program.values[v].dtype)
        return np.ascontiguousarray(x) if x.ndim else x

    def _take(self, n: int, reverse: bool) -> Workspace:
        with self.lock:
            for work in self.pool:
                if (work.n, work.reverse) == (n, reverse) and work.idle():
                    self.pool.remove(work)
                    return work
        return Workspace(self, n, reverse)


HALF = np.asarray(0.5, np.float32)


def rows_of(stack, reverse: bool) -> list:
    """The rows of a stack as arrays, in the order in which a loop meets them."""
    rows = list(stack) if stack.ndim > 1 else [stack[t, ...] for t in range(len(stack))]
    return rows[::-1] if reverse else rows


class Workspace:
    """The memory of a loop of `n` steps, and the views of it that the emitted source works on.

    kept  the values kept of all steps, in the order of time: what is handed out
    """

    def __init__(self, loop: Loop, n: int, reverse: bool) -> None:
        self.plan, self.n, self.reverse = loop.plan, n, reverse
        plan, program = loop.plan, loop.program
        self.outside = set(program.inputs)
        values = program.values
        self.stacks: dict[int, np.ndarray] = {}
        self.wide: dict[int, np.ndarray] = {}
        self.carries: list[list] = []
        self.rows: dict[int, list] = {}  # by value: its memory at every step, in the order of the loop
        for j, (before, _) in enumerate(program.carries):
            self._bind_carry(j, before)
        scratch = [np.empty(spec.shape, spec.dtype) for spec in plan.scratch]
        self.memory: dict[int, np.ndarray] = {}
        for v in program_order(program):
            self._bind(v, scratch, values)
        self.totals = [np.zeros(values[v].shape, values[v].dtype) for v in program.totals]
        self.fixed = [*(self.memory[v] for v in loop.code.fixed), *self.totals]
        self.kept = {v: self._all_steps(v) for v in plan.kept}
        self.at_rest = self._references()

    def _bind_carry(self, j: int, before: int) -> None:
        spec = self.plan.loop.values[before]
        whole = np.empty((self.n + 1 if self.plan.wide[j] else 2, *spec.shape), spec.dtype)
        rows = [whole[i % len(whole), ...] for i in range(self.n + 1)]
        if self.plan.wide[j]:
            self.wide[j] = whole
            rows = rows[::-1] if self.reverse else rows
        self.carries.append(rows)
        self.rows[before] = rows[: self.n]

    def _bind(self, v: int, scratch: list, values) -> None:
        if v in self.memory or v in self.rows or v not in self.plan.homes:
            return
        kind, *where = self.plan.homes[v]
        if kind == "carry":
            self.rows[v] = self.carries[where[0]][1:]
        elif kind == "stack":
            stack = self.stacks[v] = np.empty((self.n, *values[v].shape), values[v].dtype)
            self.rows[v] = rows_of(stack, self.reverse)
        elif kind == "scratch":
            self.memory[v] = scratch[where[0]]
        else:
            base, call, i = where
            self._bind(base, scratch, values)
            look = looking(kind, call, i, values)
            if base in self.rows:
                self.rows[v] = [look(row) for row in self.rows[base]]
            else:
                self.memory[v] = look(self.memory[base])

    def _references(self) -> list[int]:
        return list(map(sys.getrefcount, (*self.stacks.values(), *self.wide.values(), *self.kept.values())))

    def idle(self) -> bool:
        """Whether nobody else holds what was handed out, or a view of it."""
        return self._references() == self.at_rest

    def _all_steps(self, v: int):
        for j, (before, _) in enumerate(self.plan.loop.carries):
            if v == before or self.plan.homes.get(v) == ("carry", j):
                first = (v == before) != self.reverse
                return self.wide[j][:-1] if first else self.wide[j][1:]
        kind, *where = self.plan.homes[v]
        if kind == "stack":
            return self.stacks[v][:]
        base, call, i = where
        specs = self.plan.loop.values
        stack = self._all_steps(base)
        if kind == "part":
            look = looking(kind, call, i, specs)
            return look(stack)
        shapes, ndim = [specs[call.inputs[0]].shape], len(specs[v].shape)
        found = Lifted(call.op, shapes, [True], ndim, call.metadata())([stack], self.n)
        return found[i] if call.op.many else found


def looking(kind: str, call, i: int, values):
    """The function that makes, of the memory of a base, the view that a value is of it."""
    if kind == "part":
        axis = call.metadata()["axis"]
        rank = len(values[call.inputs[i]].shape)
        sizes = [values[v].shape[axis] for v in call.inputs]
        here = slice(sum(sizes[:i]), sum(sizes[: i + 1]))
        behind = rank - axis % rank - 1
        key = (Ellipsis, here, *[slice(None)] * behind)
        return lambda whole: whole[key]
    meta, many = call.metadata(), call.op.many
    forward = call.op.forward
    return (lambda x: forward(x, **meta)[i]) if many else (lambda x: forward(x, **meta))


def program_order(program: Program):
    for call in program.operations:
        yield from call.outputs
