"""Running a loop as C: the same interface as `scan/np/loop.py`, whose NumPy form is the reference.

The compiler starts when the loop is made, and the first run waits for it; so the loop of a program and its
backward loop are compiled at the same time. On its first run a loop takes its first steps in both forms, on the
same values. If they differ by more than rounding, or if there is no library, it runs as NumPy from then on, and
says so once. Python decides how many steps a call of the library takes, so that Ctrl-C is answered between two
calls.

If the batch is split into blocks, each thread runs all steps of some blocks. One thread runs the same blocks,
so the bits are the same.
"""

from __future__ import annotations

import ctypes
import functools
import math
import threading
import time
from collections.abc import Collection, Sequence

import numpy as np

from tinygrad_seq.scan.c.cache import CompileError, library, started
from tinygrad_seq.scan.c.expressions import expressible
from tinygrad_seq.scan.c.memory import Memory, Part, address
from tinygrad_seq.scan.c.slots import Slot
from tinygrad_seq.scan.c.text import source
from tinygrad_seq.scan.c.threads import together
from tinygrad_seq.scan.emitter import fall_back
from tinygrad_seq.scan.groups.assignments import Inner, Product
from tinygrad_seq.scan.groups.batch import in_blocks
from tinygrad_seq.scan.groups.grouping import Grouped, grouped
from tinygrad_seq.scan.groups.ways import assigned
from tinygrad_seq.scan.np.loop import Kept, Loop, Run
from tinygrad_seq.scan.pool import Shelf
from tinygrad_seq.scan.program import Program, Spec

STEPS = 2  # that the first run takes in both forms
SOON = 0.2  # seconds after which a call of the library returns to Python
PATIENCE = 1e8  # operations that take less than that on any machine
CLOSE = {"f": 1e-4, "d": 1e-9}  # differences of two forms, relative to the largest element of an array
ROUNDINGS = 16  # and in roundings of 1


class CLoop:
    """A loop that is ready to run as C. Raises UnsupportedError if it has no such form."""

    def __init__(self, program: Program, saved: Collection[int] = (), name: str = "scan") -> None:
        self.program = program
        self.kept = tuple(dict.fromkeys([*program.outputs, *sorted(saved)]))
        self.made = grouped(in_blocks(assigned(program, self.kept, expressible)))
        self.code = source(self.made, name)
        self.slots, self.source = self.code.slots, self.code.function
        self.running = started(self.code.text)
        self.wide = self.made.wide
        self.stored = stored(self.made, self.wide)
        self.work = work(self.made)
        self.made.forget()
        self.patience = max(1, int(PATIENCE / self.work))
        self.shelf: Shelf[Memory] = Shelf()
        given = [(k, s.kind, program.arguments.index(s.value), s) for k, s in enumerate(self.slots) if s.given]
        self.given = [k for k, *_ in given]
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

    def groups(self) -> Grouped:
        """Its groups, for `explain`: with the batch in one piece."""
        return grouped(assigned(self.program, self.kept, expressible))

    def __call__(self, arrays: Sequence, n: int, reverse: bool, bound: Sequence = ()) -> Run:
        """Run `n` steps, from the last to the first if `reverse`, as `scan.np.loop.Loop` does."""
        if not self.checked:
            self._check(arrays, n, reverse)
        if self.reference is None:
            return self._run(arrays, n, reverse, bound)
        run = self.reference(arrays, n, reverse)
        return run._replace(kept=Kept(run.kept))  # its own bound form is for loops as NumPy

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
            try:
                self._load()
            except CompileError as error:
                fall_back("a loop could not be compiled", str(error))
                self.checked = True
                return
            with np.errstate(all="ignore"):
                right, found = self.reference(few, k, reverse), self._run(few, k, reverse)
            pairs = [pair for xs, ys in zip(found, right, strict=True) for pair in zip(xs, ys, strict=True)]
            single = any(s.dtype == np.float32 for s in self.program.values)  # a float64 may come from one
            if all_close(pairs, np.dtype(np.float32 if single else np.float64)):
                self.reference = None
            else:
                fall_back("the C and the NumPy form of a loop differ")
            self.checked = True

    def _load(self) -> None:
        running, self.running = self.running, None  # which ends here, also by Ctrl-C
        functions = library(self.code.text, running)
        self.function = getattr(functions, self.code.name)
        self.function.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_int64] * 3
        self.function.restype = ctypes.c_int64
        self.pack = getattr(functions, self.code.pack) if self.code.pack else None
        if self.pack:
            self.pack.argtypes, self.pack.restype = [ctypes.c_void_p] * 2, None

    def _run(self, arrays: Sequence, n: int, reverse: bool, bound: Sequence = ()) -> Run:
        work = self.shelf.take((n, reverse)) or Memory(self, n, reverse)
        for (rows, first, _), x in zip(work.carries, arrays, strict=False):
            rows[first] = x
        for total in work.totals:
            total.fill(0)
        held = self._bind(work, arrays, n, reverse, bound)
        if self.pack:
            self.pack(work.at, work.by)
        together([functools.partial(self._steps, work, part, n, (arrays, held)) for part in work.parts])
        if any(part.wrong for part in work.parts):  # NumPy has its own error for it
            return Loop(self.program, self.kept)(arrays, n, reverse)
        del held
        kept = Kept(work.kept)
        kept.bound = work.bound
        run = Run(
            tuple([rows[last].copy() for rows, _, last in work.carries]),
            kept,
            tuple([total.astype(dtype) for total, dtype in zip(work.sums(), self.dtypes, strict=True)]),
        )
        self.shelf.give((n, reverse), work)
        return run

    def _steps(self, work: Memory, part: Part, n: int, held: object, stop: threading.Event) -> None:
        """Run all steps of a part of the batch, in the memory `work`, on arrays that are `held` meanwhile."""
        step, most = 0, self.patience
        while step < n and not stop.is_set():
            start = time.perf_counter()
            done = self.function(part.at, work.by, part.blocks, step, min(n, step + most))
            part.wrong = done < 0
            if part.wrong:
                return
            if done < n:
                took = time.perf_counter() - start
                most = max(1, int(min(most * 2, (done - step) * SOON / max(took, 1e-9))))
            step = done

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
        work.follow(self.given)
        return held


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
                each = item.m * item.k * item.n if isinstance(item, Product) else 8
                count += each * math.prod(item.stack if isinstance(item, Product) else item.space)
    return count


def stored(made: Grouped, carried: Sequence[bool]) -> list[int]:
    """The values that have memory for all steps, for `explain`."""
    loop = made.given.program
    rows = {v for pair in loop.carries for v in pair}
    stacks = [v for v in made.given.kept if v not in rows]
    return stacks + [after for (_, after), on in zip(loop.carries, carried, strict=True) if on]
