"""Running a loop as C: the same interface as `scan/loop.py`, whose NumPy form is the reference.

On its first run a loop takes its first steps in both forms, on the same values. If they differ by more than
rounding, or if there is no library, it runs as NumPy from then on, and says so once. Python decides how many
steps a call of the library takes, so that Ctrl-C is answered between two calls.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from collections.abc import Collection, Sequence

import numpy as np

from tinygrad_seq.scan.c.cache import library
from tinygrad_seq.scan.c.expressions import expressible
from tinygrad_seq.scan.c.text import Slot, source
from tinygrad_seq.scan.emitter import fall_back
from tinygrad_seq.scan.groups.assignments import Inner, Product
from tinygrad_seq.scan.groups.grouping import Grouped, grouped
from tinygrad_seq.scan.groups.lowering import assigned
from tinygrad_seq.scan.loop import Kept, Loop, Run, rooms_for
from tinygrad_seq.scan.pool import Shelf
from tinygrad_seq.scan.program import Program, Spec

STEPS = 2  # that the first run takes in both forms
SOON = 0.2  # seconds after which a call of the library returns to Python
PATIENCE = 1e8  # operations that take less than that on any machine
CLOSE = {"f": 1e-4, "d": 1e-9}  # differences of two forms, relative to the largest element of an array
ROUNDINGS = 16  # and in roundings of 1


class CLoop:
    """A loop that is ready to run as C. Raises Unsupported if it has no such form, CompileError."""

    def __init__(self, program: Program, saved: Collection[int] = (), name: str = "scan") -> None:
        self.program = program
        self.kept = tuple(dict.fromkeys([*program.outputs, *sorted(saved)]))
        self.made = grouped(assigned(program, self.kept, expressible))
        found = source(self.made, name)
        self.slots, self.source = found.slots, body(found.text, name)
        self.function = getattr(library(found.text), name)
        self.function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        self.function.restype = ctypes.c_int64
        self.wide = self.made.wide
        self.stored = stored(self.made, self.wide)
        self.patience = max(1, int(PATIENCE / work(self.made)))
        self.shelf = Shelf()
        given = [(k, s.kind, program.arguments.index(s.value), s) for k, s in enumerate(self.slots) if s.given]
        specs = program.values
        self.inputs = [(k, i, specs[s.value]) for k, kind, i, s in given if kind == "input"]
        self.constants = [(k, i, specs[s.value]) for k, kind, i, s in given if kind == "constant"]
        self.matrices = [
            (k, self.slots.index(Slot("columns", s.value)), i, specs[s.value])
            for k, kind, i, s in given
            if kind == "matrix"
        ]
        self.dtypes = [specs[v].dtype for v in program.totals]
        self.reference: Loop | None = Loop(program, saved, name)
        self.checked = False
        self.lock = threading.Lock()

    def __call__(self, arrays: Sequence, n: int, reverse: bool, bound: Sequence = ()) -> Run:
        """Run `n` steps, from the last to the first if `reverse`, as `scan.loop.Loop` does."""
        if not self.checked:
            self._check(arrays, n, reverse)
        if self.reference is not None:
            return self.reference(arrays, n, reverse)
        return self._run(arrays, n, reverse, bound)

    def _check(self, arrays: Sequence, n: int, reverse: bool) -> None:
        """Compare the two forms on the first steps; only the one that is right stays."""
        k = min(n, STEPS)
        first = len(self.program.carries)
        inputs = slice(first, first + len(self.program.inputs))
        few = list(arrays)
        few[inputs] = [x[n - k :] if reverse else x[:k] for x in few[inputs]]
        with self.lock:
            if self.checked:
                return
            assert self.reference is not None
            with np.errstate(all="ignore"):
                right, found = self.reference(few, k, reverse), self._run(few, k, reverse)
            pairs = [pair for xs, ys in zip(found, right, strict=True) for pair in zip(xs, ys, strict=True)]
            single = any(s.dtype == np.float32 for s in self.program.values)  # a float64 may come from one
            if all_close(pairs, np.dtype(np.float32 if single else np.float64)):
                self.reference = None
            else:
                fall_back("the C and the NumPy form of a loop differ")
            self.checked = True

    def _run(self, arrays: Sequence, n: int, reverse: bool, bound: Sequence = ()) -> Run:
        work = self.shelf.take((n, reverse)) or Memory(self, n, reverse)
        for (rows, first, _), x in zip(work.carries, arrays, strict=False):
            rows[first] = x
        for total in work.totals:
            total.fill(0)
        held = self._bind(work, arrays, n, reverse, bound)
        step, most = 0, self.patience
        while step < n:
            start = time.perf_counter()
            done = self.function(work.at, work.by, step, min(n, step + most))
            if done < 0:  # an index without an element, for which NumPy has its own error
                return Loop(self.program, self.kept)(arrays, n, reverse)
            if done < n:
                took = time.perf_counter() - start
                most = max(1, int(min(most * 2, (done - step) * SOON / max(took, 1e-9))))
            step = done
        del held
        kept = Kept(work.kept)
        kept.bound = work.bound
        run = Run(
            tuple([rows[last].copy() for rows, _, last in work.carries]),
            kept,
            tuple([total.astype(dtype) for total, dtype in zip(work.totals, self.dtypes, strict=True)]),
        )
        self.shelf.give((n, reverse), work)
        return run

    def _bind(self, work: Memory, arrays: Sequence, n: int, reverse: bool, bound: Sequence) -> list:
        """Point to the arrays that are given; returns those that must live until the loop is over."""
        held = []
        pointers, strides = work.pointers, work.strides
        for k, i, spec in self.inputs:
            known = bound[i] if bound else None
            if known is None:
                x = in_rows(arrays[i], spec)
                held.append(x)
                known = address(x), x.strides[0]
            start, stride = known
            pointers[k] = start + (n - 1) * stride if reverse else start
            strides[k] = -stride if reverse else stride
        for k, i, spec in self.constants:
            x = np.ascontiguousarray(arrays[i], spec.dtype)
            held.append(x)
            pointers[k] = address(x)
        for k, columns, i, spec in self.matrices:
            x = np.asarray(arrays[i], spec.dtype)
            held.append(x)
            pointers[k] = address(x)
            strides[k] = x.strides[0] // spec.dtype.itemsize
            strides[columns] = x.strides[1] // spec.dtype.itemsize
        return held


def address(x: np.ndarray) -> int:
    return x.__array_interface__["data"][0]


def in_rows(x, spec: Spec):
    """A stack whose rows are contiguous; time may have any stride."""
    row = tuple(math.prod(spec.shape[a + 1 :]) * spec.dtype.itemsize for a in range(len(spec.shape)))
    return x if x.strides[1:] == row and x.dtype == spec.dtype else np.ascontiguousarray(x, spec.dtype)


def all_close(pairs: Sequence[tuple], coarsest: np.dtype) -> bool:
    """Whether the results of two forms, in pairs, are equal up to rounding in a dtype.

    An array may differ relative to its own largest element, and by a few roundings of 1, or of the largest of
    all results if that is less: sigmoid x and 1 - tanh^2 x have that error where they are almost 0.
    """
    pairs = [(np.asarray(x), np.asarray(y)) for x, y in pairs]
    whole = min(1.0, max([largest(y) for _, y in pairs if y.dtype.kind == "f"], default=0.0))
    return all(
        close(x, y, CLOSE[coarsest.char] * largest(y) + ROUNDINGS * np.finfo(coarsest).eps * whole)
        if y.dtype.kind == "f"
        else np.array_equal(x, y)
        for x, y in pairs
    )


def close(x: np.ndarray, y: np.ndarray, most: float) -> bool:
    """Whether no two finite elements differ by more than `most`, and the others are the same."""
    finite = np.isfinite(y)
    if not np.array_equal(finite, np.isfinite(x)) or not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    return bool(np.all(np.abs(x[finite] - y[finite]) <= most))


def largest(x: np.ndarray) -> float:
    """The largest absolute value of the finite elements."""
    return float(np.max(np.abs(x[np.isfinite(x)]), initial=0))


def work(made: Grouped) -> int:
    """About how many operations a step takes."""
    count = 1
    for group in made.groups:
        for item in group.items:
            if isinstance(item, Inner):
                count += item.n * work(item.loop)
            else:
                count += item.m * item.k * item.n if isinstance(item, Product) else 8 * math.prod(item.space)
    return count


def stored(made: Grouped, carried: Sequence[bool]) -> list[int]:
    """The values that have memory for all steps, for `explain`."""
    loop = made.given.program
    rows = {v for pair in loop.carries for v in pair}
    stacks = [v for v in made.given.kept if v not in rows]
    return stacks + [after for (_, after), on in zip(loop.carries, carried, strict=True) if on]


def body(text: str, name: str) -> str:
    """The function of a loop, without what stands before it."""
    return text[text.index(f"int64_t {name}(") :].rstrip()


class Memory:
    """The memory of a loop of `n` steps as C, and the pointers to it.

    kept     the values kept of all steps, in the order of time
    bound    for each of them its address and its stride, with which another loop reads it
    carries  for each carry its rows, those of all steps if they are kept, else two that take turns; and the
             rows before the first step and after the last
    """

    def __init__(self, loop: CLoop, n: int, reverse: bool) -> None:
        program, made = loop.program, loop.made
        values = program.values
        stacks = [s.value for s in loop.slots if s.kind == "stack"]
        rooms = [
            Spec((n + 1 if on else 2, *values[before].shape), values[before].dtype)
            for (before, _), on in zip(program.carries, loop.wide, strict=True)
        ]
        rooms += [Spec((n, *values[v].shape), values[v].dtype) for v in stacks]
        rooms += [Spec((s.size,), np.dtype(np.uint8)) for s in loop.slots if s.size]
        rooms += [made.given.values[made.given.totals[v]] for v in program.totals]
        given = set(program.outputs)  # the caller may hold them longer than the rest
        apart = [not given.isdisjoint(pair) for pair in program.carries] + [v in given for v in stacks]
        self.owners, self.arrays = rooms_for(rooms, apart, "cpu")
        found = iter(self.arrays)
        self.carries = []
        for on in loop.wide:
            first, last = (0, n) if on else (0, n % 2)
            self.carries.append((next(found), *((last, first) if on and reverse else (first, last))))
        by_value = {v: next(found) for v in stacks}
        others = [next(found) for s in loop.slots if s.size]
        self.totals = [next(found) for _ in program.totals]
        self.pointers = (ctypes.c_int64 * max(1, len(loop.slots)))()
        self.strides = (ctypes.c_int64 * max(1, len(loop.slots)))()
        self.at, self.by = ctypes.addressof(self.pointers), ctypes.addressof(self.strides)
        spare = iter(others)
        for k, slot in enumerate(loop.slots):
            if slot.size:
                self._bind(k, next(spare))
            elif slot.kind == "total":
                self._bind(k, self.totals[program.totals.index(slot.value)])
            elif slot.kind == "stack":
                self._bind(k, by_value[slot.value], n - 1 if reverse else 0, -1 if reverse else 1)
            elif slot.kind == "carry":
                rows, first, _ = self.carries[slot.value]
                self._bind(k, rows, first, -1 if first else 1)
        self.kept = tuple(self._stack(v, by_value, made, reverse) for v in loop.kept)
        self.bound = [(address(stack), stack.strides[0]) for stack in self.kept]
        self.nbytes = sum(owner.nbytes for owner in self.owners) + 2000
        self.at_rest = self._references()

    def _bind(self, k: int, array: np.ndarray, first: int = 0, sign: int = 1) -> None:
        stride = array.strides[0] if array.ndim else 0
        self.pointers[k] = address(array) + first * stride
        self.strides[k] = sign * stride

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

    def _references(self) -> list[int]:
        return list(map(sys.getrefcount, (*self.owners, *self.kept)))

    def idle(self) -> bool:
        """Whether nobody else holds the arrays that were returned, or views of them."""
        return self._references() == self.at_rest
