"""The memory of a loop in C: one allocation of rows, stacks, totals, scratch memory and panels; pointers to it.

If threads run parts of the batch, each has its own pointers, which begin at its own blocks, and its own scratch
memory. All else is shared.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Protocol

import numpy as np

from tinygrad_seq.scan.c.slots import Slot
from tinygrad_seq.scan.c.threads import thread_count
from tinygrad_seq.scan.groups.batch import moved
from tinygrad_seq.scan.groups.grouping import Grouped
from tinygrad_seq.scan.np.loop import rooms_for
from tinygrad_seq.scan.program import Program, Spec

WORTH = 3e7  # operations of a run, about .3 ms, from which a second thread pays
OBJECTS, EACH = 2000, 600  # bytes of the Python objects of memory, about, and of each of its arrays


class Part:
    """Blocks of the batch that one thread computes.

    first, blocks   the first block, and how many
    pointers, at    the pointers of the function, and their address
    wrong           whether the function has met an index without an element
    """

    def __init__(self, first: int, blocks: int, slots: int) -> None:
        self.first, self.blocks, self.wrong = first, blocks, False
        self.pointers = (ctypes.c_int64 * slots)()
        self.at = ctypes.addressof(self.pointers)


class Loop(Protocol):
    """What memory depends on, apart from the number of steps; `work` is the number of operations of a step."""

    program: Program
    made: Grouped
    slots: tuple[Slot, ...]
    kept: tuple[int, ...]
    wide: list[bool]
    work: int


class Memory:
    """The memory of a loop of `n` steps as C, and the pointers to it.

    kept     the values kept of all steps, in the order of time
    bound    for each of them its address and its stride, with which another loop reads it
    carries  for each carry its rows, those of all steps if they are kept, else two that take turns; and the
             rows before the first step and after the last
    parts    of the batch; the pointers of the first are those of the whole
    """

    def __init__(self, loop: Loop, n: int, reverse: bool) -> None:
        program, made = loop.program, loop.made
        values = program.values
        self.blocks, self.parts = made.given.blocks, parts_of(loop, n)
        stacks = [s.value for s in loop.slots if s.kind == "stack"]
        own = [k for k, s in enumerate(loop.slots) if s.kind == "scratch"]  # of each part
        spare = [s.size for s in loop.slots if s.size]
        spare += [loop.slots[k].size for k in own] * (len(self.parts) - 1)
        rooms = [
            Spec((n + 1 if on else 2, *values[before].shape), values[before].dtype)
            for (before, _), on in zip(program.carries, loop.wide, strict=True)
        ]
        rooms += [Spec((n, *values[v].shape), values[v].dtype) for v in stacks]
        rooms += [made.given.values[made.given.totals[v]] for v in program.totals]
        rooms += [Spec((size,), np.dtype(np.uint8)) for size in spare]
        given = set(program.outputs)  # the caller may hold them longer than the rest
        apart = [not given.isdisjoint(pair) for pair in program.carries] + [v in given for v in stacks]
        self.owners, self.arrays = rooms_for(rooms, apart, "cpu")
        found = iter(self.arrays)
        self.carries = []
        for on in loop.wide:
            first, last = (0, n) if on else (0, n % 2)
            self.carries.append((next(found), *((last, first) if on and reverse else (first, last))))
        by_value = {v: next(found) for v in stacks}
        self.totals = [next(found) for _ in program.totals]
        self.moves = [moves(slot, made) for slot in loop.slots]
        self.pointers, self.at = self.parts[0].pointers, self.parts[0].at
        self.strides = (ctypes.c_int64 * max(1, len(loop.slots)))()
        self.by = ctypes.addressof(self.strides)
        for k, slot in enumerate(loop.slots):
            if slot.size:
                self._bind(k, next(found))
            elif slot.kind == "total":
                self._bind(k, self.totals[program.totals.index(slot.value)])
            elif slot.kind == "stack":
                self._bind(k, by_value[slot.value], n - 1 if reverse else 0, -1 if reverse else 1)
            elif slot.kind == "carry":
                rows, first, _ = self.carries[slot.value]
                self._bind(k, rows, first, -1 if first else 1)
        self.follow(range(len(loop.slots)))
        for part in self.parts[1:]:
            for k in own:
                part.pointers[k] = address(next(found))
        self.kept = tuple(self._stack(v, by_value, made, reverse) for v in loop.kept)
        self.bound = [(address(stack), stack.strides[0]) for stack in self.kept]
        self.nbytes = sum(owner.nbytes for owner in self.owners) + OBJECTS + EACH * len(self.arrays)
        self.at_rest = self._references()

    def _bind(self, k: int, array: np.ndarray, first: int = 0, sign: int = 1) -> None:
        stride = array.strides[0] if array.ndim else 0
        self.pointers[k] = address(array) + first * stride
        self.strides[k] = sign * stride

    def follow(self, slots: Iterable[int]) -> None:
        """Point to the blocks of the other parts, where the pointers of these slots have changed."""
        for part in self.parts[1:]:
            for k in slots:
                part.pointers[k] = self.pointers[k] + part.first * self.moves[k]

    def _stack(self, v: int, stacks: dict[int, np.ndarray], made: Grouped, reverse: bool) -> np.ndarray:
        """A kept value of all steps."""
        if v in stacks:
            return stacks[v][:]
        for (before, _), after, (rows, *_) in zip(
            made.given.program.carries, made.given.carries, self.carries, strict=True
        ):
            if v == before or made.given.kept[v] == after:
                return rows[:-1] if (v == before) != reverse else rows[1:]
        raise AssertionError(f"value {v} is not kept")

    def sums(self) -> list[np.ndarray]:
        """The totals: those of all blocks, added in order."""
        return [total.sum(axis=0) for total in self.totals] if self.blocks > 1 else self.totals

    def _references(self) -> list[int]:
        return list(map(sys.getrefcount, (*self.owners, *self.kept)))

    def idle(self) -> bool:
        """Whether nobody else holds the arrays that were returned, or views of them."""
        return self._references() == self.at_rest


def parts_of(loop: Loop, n: int) -> list[Part]:
    """The blocks of the batch, for as many threads as pay."""
    blocks, slots = loop.made.given.blocks, max(1, len(loop.slots))
    count = min(thread_count(), blocks) if loop.work * n >= WORTH else 1
    ends = [blocks * i // count for i in range(count + 1)]
    return [Part(ends[i], ends[i + 1] - ends[i], slots) for i in range(count)]


def moves(slot: Slot, made: Grouped) -> int:
    """The bytes from block to block of what a slot points to."""
    given = made.given
    if slot.kind == "carry":
        v = given.program.carries[slot.value][0]
    elif slot.kind == "total":
        v = given.totals[slot.value]
    elif slot.kind == "stack":
        v = given.kept[slot.value]
    elif slot.kind in ("input", "constant"):
        v = slot.value
    else:
        return 0
    shape, dtype = given.values[v]
    return moved(shape) * dtype.itemsize


def address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]
