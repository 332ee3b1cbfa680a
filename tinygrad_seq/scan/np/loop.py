"""Running a loop, and the memory that it uses.

The memory of a run is a `Workspace`. The caller receives views of it, so nothing is copied. A workspace is
reused only when no view of it is held any more, which Python's reference counts tell exactly. So a value that
is still reachable is never overwritten. Between runs workspaces wait in the pool (`pool.py`), which is bounded.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.precision import accumulating
from tinygrad_seq.ops.shape import inverse
from tinygrad_seq.scan.np.blas import threads_for
from tinygrad_seq.scan.np.emit import emitted
from tinygrad_seq.scan.np.lines import IN_PLACE, as_constant, full, place
from tinygrad_seq.scan.np.plan import planned
from tinygrad_seq.scan.pool import Shelf
from tinygrad_seq.scan.program import Operation, Program, Spec
from tinygrad_seq.scan.riding import Lifted

BYTE = np.dtype(np.uint8)
LINE = 64  # bytes of a cache line
VIEW = 120  # bytes of an array that is a view, about


class Kept(tuple):
    """The values that a loop kept of all steps, each as its stack; the handle by which a record holds them.

    bound  the same values in the form in which another loop of the same emitter reads them: here their rows, in
           the order of time; empty if they have none
    """

    bound: Sequence = ()


class Run(NamedTuple):
    """The results of a run of a loop, by position.

    finals  the carries after the last step
    kept    the values kept of all steps, each as its stack
    totals  the totals
    """

    finals: tuple
    kept: tuple
    totals: tuple


class Loop:
    """A loop that is ready to run; it also keeps the values `saved` of all steps, for its derivative."""

    def __init__(self, program: Program, saved: Collection[int] = (), name: str = "scan") -> None:
        self.program = program
        self.plan = planned(program, saved, IN_PLACE)
        self.code = emitted(self.plan, name)
        self.kept, self.stored, self.source = self.plan.kept, self.plan.of_all_steps(), self.code.source
        place = {v: i for i, v in enumerate(program.arguments)}
        self.constants = [
            (place.get(v), program.values[v].dtype, program.numbers.get(v)) for v in self.code.constants
        ]
        self.inputs = [(k, place[v]) for k, v in enumerate(self.code.rows) if v in program.inputs]
        self.dtypes = [program.values[v].dtype for v in program.totals]
        self.shelf: Shelf[Workspace] = Shelf()
        self.threads = threads_for(program)

    def __call__(self, arrays: Sequence, n: int, reverse: bool, bound: Sequence = ()) -> Run:
        """Run `n` steps, from the last to the first if `reverse`.

        `arrays` are the carries before the first step, the stacked inputs, and the constants, in the order of
        the arguments of the program. `bound` has for each of them its rows, if another loop has made them.
        """
        work = self.shelf.take((n, reverse)) or Workspace(self, n, reverse)
        for rows, first in zip(work.carries, arrays, strict=False):
            rows[0][...] = first
        for total in work.totals:
            total.fill(0)
        device = self.program.device
        constants = [
            as_constant(x if i is None else arrays[i], dtype, device) for i, dtype, x in self.constants
        ]
        rows = list(work.moving)
        for k, i in self.inputs:
            known = bound[i] if bound else None
            rows[k] = rows_of(arrays[i], reverse) if known is None else known[::-1] if reverse else known
        steps = zip(*rows, strict=True) if rows else iter([()] * n)
        with self.threads:
            self.code.function(constants, work.fixed, steps)
        kept = Kept(work.kept)
        kept.bound = work.bound
        run = Run(
            tuple([backend.copy(rows[n]) for rows in work.carries]),
            kept,
            tuple([total.astype(dtype) for total, dtype in zip(work.totals, self.dtypes, strict=True)]),
        )
        self.shelf.give((n, reverse), work)
        return run


def rows_of(stack, reverse: bool) -> list:
    """The rows of a stack as arrays (0-d ones, too), in the order of the loop."""
    rows = list(stack) if stack.ndim > 1 else [stack[t, ...] for t in range(len(stack))]
    return rows[::-1] if reverse else rows


class Workspace:
    """The memory of a loop of `n` steps, and the views of it that the emitted source works on.

    It is one block, except for the outputs, which a caller may hold for a long time. A large block gets large
    pages, and its arrays are aligned to cache lines; together this saves 5 % of the time at batch 32, width
    128.

    kept    the values kept of all steps, in the order of time, which the caller receives
    bound   their rows, in the order of time
    moving  the rows of the values that the source reads or writes at another place at every step; those of the
            inputs are given at every run
    nbytes  the memory that is freed with it: its blocks and constants, and the arrays of one row each
    """

    def __init__(self, loop: Loop, n: int, reverse: bool) -> None:
        self.plan, self.n, self.reverse = loop.plan, n, reverse
        plan, program = loop.plan, loop.program
        values = program.values
        stacks = [v for v, home in plan.homes.items() if home[0] == "stack"]
        rooms = [
            Spec((n + 1 if wide else 2, *values[before].shape), values[before].dtype)
            for (before, _), wide in zip(program.carries, plan.wide, strict=True)
        ]
        rooms += [Spec((n, *values[v].shape), values[v].dtype) for v in stacks]
        rooms += plan.scratch
        rooms += [values[v]._replace(dtype=accumulating(values[v].dtype)) for v in program.totals]
        given = set(program.outputs)  # the caller may hold them longer than the rest
        apart = [not given.isdisjoint(pair) for pair in program.carries] + [v in given for v in stacks]
        self.owners, arrays = rooms_for(rooms, apart, program.device)
        found = iter(arrays)
        self.whole = [next(found) for _ in program.carries]
        self.stacks = {v: next(found) for v in stacks}
        scratch = [next(found) for _ in plan.scratch]
        self.totals = [next(found) for _ in program.totals]

        self.rows: dict[int, list] = {}  # the memory of a value at every step, in the order of the loop
        self.carries: list[list] = []
        for (before, _), whole, wide in zip(program.carries, self.whole, plan.wide, strict=True):
            rows = [whole[i % len(whole), ...] for i in range(n + 1)]
            self.carries.append(rows[::-1] if wide and reverse else rows)
            self.rows[before] = self.carries[-1][:n]
        self.memory: dict[int, Any] = {}
        for v in program_order(program):
            self._bind(v, scratch, values)
        filled = [full(*given) for given in loop.code.filled]
        self.fixed = [*(self.memory[v] for v in loop.code.fixed), *self.totals, *filled]
        self.moving = [self.rows.get(v, []) for v in loop.code.rows]
        self.moving += [self.carries[j][1:] for j, _ in plan.copies]
        self.kept = [self._all_steps(v) for v in plan.kept]
        self.bound = [self.rows[v][::-1] if reverse else self.rows[v] for v in plan.kept]
        self.at_rest = self._references()
        self.nbytes = sum(x.nbytes for x in (*self.owners, *filled)) + VIEW * n * len(self.rows)

    def _bind(self, v: int, scratch: list, values) -> None:
        if v in self.memory or v in self.rows or v not in self.plan.homes:
            return
        kind, *where = self.plan.homes[v]
        if kind == "carry":
            self.rows[v] = self.carries[where[0]][1:]
        elif kind == "stack":
            self.rows[v] = rows_of(self.stacks[v], self.reverse)
        elif kind == "scratch":
            self.memory[v] = scratch[where[0]]
        else:
            base, *way = where
            self._bind(base, scratch, values)
            look = looking(*way) if kind == "view" else within(way[0], values)
            if base in self.rows:
                self.rows[v] = [look(row) for row in self.rows[base]]
            else:
                self.memory[v] = look(self.memory[base])

    def _references(self) -> list[int]:
        return list(map(sys.getrefcount, (*self.owners, *self.kept)))

    def idle(self) -> bool:
        """Whether nobody else holds the arrays that were returned, or views of them."""
        return self._references() == self.at_rest

    def _all_steps(self, v: int):
        for j, (before, _) in enumerate(self.plan.loop.carries):
            if v == before or self.plan.homes.get(v) == ("carry", j):
                first = (v == before) != self.reverse
                return self.whole[j][:-1] if first else self.whole[j][1:]
        kind, *where = self.plan.homes[v]
        if kind == "stack":
            return self.stacks[v][:]
        base, call, i = where  # a view: a kept value is never a "part"
        specs = self.plan.loop.values
        shapes, ndim = [specs[call.inputs[0]].shape], len(specs[v].shape)
        found = Lifted(call.op, shapes, [True], ndim, call.metadata())([self._all_steps(base)], self.n)
        return found[i] if call.op.many else found


def rooms_for(rooms: Sequence[Spec], apart: Sequence[bool], device: str) -> tuple[list, list]:
    """Memory, and arrays in it with the shapes and dtypes `rooms`.

    The memory is one block for all arrays, plus a separate one for each array that is to lie `apart`. A view of
    an array keeps only the block of that array alive.
    """
    sizes = [math.prod(room.shape) * room.dtype.itemsize for room in rooms]
    alone = [*apart, *[False] * (len(rooms) - len(apart))]
    starts = [
        0,
        *itertools.accumulate(
            0 if own else -(-size // LINE) * LINE for size, own in zip(sizes, alone, strict=True)
        ),
    ]
    owners = [block := backend.empty(starts[-1] + LINE, BYTE, device)]
    arrays = []
    for room, size, start, own in zip(rooms, sizes, starts, alone, strict=False):
        if own:
            owners.append(backend.empty(size + LINE, BYTE, device))
        memory, at = (owners[-1], 0) if own else (block, start)
        at += -memory.ctypes.data % LINE if device == "cpu" else 0  # CuPy aligns its blocks
        arrays.append(memory[at : at + size].view(room.dtype).reshape(room.shape))
    return owners, arrays


def looking(call: Operation, i: int) -> Callable:
    """The function from the argument of a call to its output i, a view."""
    look = functools.partial(call.op.forward, **call.metadata())
    return (lambda x: look(x)[i]) if call.op.many else look


def within(path: Sequence[tuple[Operation, int]], specs: Sequence[Spec]) -> Callable:
    """The function from a whole to the view of it where a part is written that goes into it by `path`."""

    def look(whole):
        for call, i in path:
            meta = call.metadata()
            if call.op.name == "reshape":
                whole = np.reshape(whole, specs[call.inputs[0]].shape)
            elif call.op.name == "transpose":
                whole = np.transpose(whole, inverse(meta["axes"]))
            else:
                whole = whole[place(call, i, specs)]
        return whole

    return look


def program_order(program: Program):
    for call in program.operations:
        yield from call.outputs
