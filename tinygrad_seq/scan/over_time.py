"""`scan`: a loop over time whose step is recorded once and run as a program.

`unrolled` is the definition: the Python loop. `scan` computes the same values and gradients, faster.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.ops.joining import concatenate, split, stack, unstack
from tinygrad_seq.scan.closed import closed
from tinygrad_seq.scan.differentiable import Differentiable
from tinygrad_seq.scan.emitter import chosen
from tinygrad_seq.scan.emitters import Emitter, emitter_of
from tinygrad_seq.scan.execute import Execution
from tinygrad_seq.scan.np.loop import Run
from tinygrad_seq.scan.op import run_loop
from tinygrad_seq.scan.program import Program, taken_apart
from tinygrad_seq.scan.recording.kept import find, fingerprint, keep
from tinygrad_seq.scan.recording.step import Step, steps_of
from tinygrad_seq.scan.recording.twice import hash_of_made, refuse_another
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

PROGRAMS: OrderedDict[tuple, Compiled] = OrderedDict()  # the most recently used ones, by key
CAPACITY = 128
lock = threading.Lock()


class Compiled:
    """A program, the places of its operations, and a loop for each set of arguments that need a gradient.

    used  which of the values that a recorded step captured are its constants and numbers
    same  hashes of the last values that a step made itself, and made again when it was called again
    """

    def __init__(self, program: Program, emitter: Emitter | None = None) -> None:
        self.used: tuple[int, ...] = ()
        self.same: deque[int] = deque(maxlen=CAPACITY)
        self.emitter = emitter or emitter_of(program)
        self.program = self.emitter.form(program)
        self.parts = taken_apart(self.program, self.emitter.forward)
        self.execute = Execution(self.parts, self.program)
        self.loops: dict[tuple[bool, ...], Differentiable] = {}

    @classmethod
    def of(cls, recorded: Step, emitter: Emitter | None = None) -> Compiled:
        """The compiled program of a recorded step; from the cache, if it is there."""
        key = emitter or chosen(), recorded.key
        with lock:
            if (known := PROGRAMS.get(key)) is not None:
                PROGRAMS.move_to_end(key)
                return known
        made = cls(recorded.named_program(), emitter)
        made.used = recorded.used
        with lock:
            PROGRAMS[key] = made
            while len(PROGRAMS) > CAPACITY:
                PROGRAMS.popitem(last=False)
        return made

    def __call__(self, arguments: Sequence, n: int, reverse: bool) -> tuple[list, list]:
        """The carries after `n` steps, and the outputs of all steps."""
        run = self.execute(self._loop, arguments, n, reverse)
        return list(map(as_tensor, run.finals)), list(map(_own, run.kept))

    def _loop(self, arguments: Sequence, n: int, reverse: bool) -> Run:
        active = tuple([mode.recording and _differentiable(x) for x in arguments])
        if active not in self.loops:
            loop = self.parts.loop
            arrays = [x._array if isinstance(x, Tensor) else x for x in arguments]
            sources = frozenset(v for v, on in zip(loop.arguments, active, strict=True) if on)
            self.loops[active] = Differentiable(loop, sources, arrays, self.emitter)
        return run_loop(self.loops[active], arguments, n, reverse)


def _differentiable(x) -> bool:
    return isinstance(x, Tensor) and x.line is not None and x.dtype.kind == "f"


def scan(
    step: Callable,
    init,
    xs=None,
    *,
    length: int | None = None,
    reverse: bool = False,
    remat: int | None = None,
):
    """Run `step` over time: carry, y = step(carry, x) for every row x of xs.

    step     a function (carry, x) -> (carry, y); it is called once, with the tensors of the first step, and a
             second time if it makes values that are new, to see whether it makes the same ones again; a cell
             of `nn`, or a step that is marked `pure`, is not called if it was recorded before
    init     the carry before the first step, a tree of tensors
    xs       a tree of tensors whose first axis is time, or None
    length   the number of steps, needed if xs has no tensor
    reverse  run from the last step to the first; the outputs stay in the order of the inputs
    remat    run in segments of `remat` steps; only the carry before each segment is stored, and the backward
             pass recomputes the rest: of T steps, T / remat + remat are in memory at a time

    Returns the carry after the last step, and the outputs y of all steps, stacked along a new first axis. A
    tree is nested tuples, lists and dicts of tensors; None is a tree without tensors. The step may use any
    other tensors, parameters or constants, and gradients flow to them. In anomaly mode the Python loop is run.

    ValueError for zero steps, or inputs with different numbers of steps. TypeError for a carry that changes its
    form, shape or dtype, an output that is not a tensor, a step that reads the value of a tensor, and tensors
    on different devices. RuntimeError for a step with a random draw, and for a gradient in it that would pass
    through earlier steps.

    >>> import tinygrad_seq as ts
    >>> total, sums = ts.scan(lambda c, x: (c + x, c + x), ts.tensor(0.0), ts.tensor([1.0, 2.0, 3.0]))
    >>> float(total), sums.numpy()
    (6.0, array([1., 3., 6.], dtype=float32))
    """
    n = steps_of(xs, length)
    if remat is not None:
        remat = integer("scan", "remat", remat, "[1, inf)")
    if mode.watchers:  # they are told of the calls of the loop itself
        return unrolled(step, init, xs, length=length, reverse=reverse)
    compiled, arguments, form = recording(step, init, xs, n)
    if remat is None:
        finals, ys = compiled(arguments, n, reverse)
    else:
        finals, ys = in_segments(compiled, arguments, n, reverse, remat)
    return tree.like(init, finals), tree.like(form, ys)


def recording(step: Callable, init, xs, n: int) -> tuple[Compiled, list, object]:
    """The program of a step that is to run `n` times, its arguments, and a tree of the form of the outputs."""
    known = fingerprint(step, init, xs)
    if known and (found := find(known)):
        return found
    recorded = Step(step, init, xs)
    compiled = Compiled.of(recorded)
    if n > 1:
        refuse_draws(recorded, compiled, lambda: Step(step, init, xs))
    if known and (n > 1 or not recorded.trace.fresh):
        keep(known, recorded, compiled, fingerprint(step, init, xs))
    return compiled, recorded.arguments(compiled.used), recorded.tree_of_ys


def refuse_draws(recorded: Step, compiled: Compiled, again: Callable[[], Step]) -> None:
    """RuntimeError if the step makes other values, or calls other operations, when it is recorded `again`."""
    made = hash_of_made(recorded, compiled.used)
    if made is not None and made not in compiled.same:
        refuse_another(recorded, again())
        compiled.same.append(made)


def in_segments(compiled: Compiled, arguments: Sequence, n: int, reverse: bool, k: int) -> tuple[list, list]:
    """A loop over segments of `k` steps; each segment is one op, whose record keeps only its arguments."""
    program = compiled.program
    i, j = len(program.carries), len(program.carries) + len(program.inputs)
    carry, inputs, constants = arguments[:i], arguments[i:j], arguments[j:]
    cuts = range(k, n, k)
    segments = list(zip(*(split(x, cuts) for x in inputs), strict=True)) or [()] * (len(cuts) + 1)
    sizes = np.diff([0, *cuts, n]).tolist()
    outputs: list = [None] * len(sizes)
    for s in reversed(range(len(sizes))) if reverse else range(len(sizes)):
        made = closed(Segment(compiled, sizes[s], reverse), [*carry, *segments[s], *constants])
        carry, outputs[s] = made[:i], made[i:]
    return list(carry), [concatenate(parts) for parts in zip(*outputs, strict=True)]


@dataclass(frozen=True)
class Segment:
    """`n` steps of a loop, as a function of carries, inputs and constants."""

    compiled: Compiled
    n: int
    reverse: bool

    def compute(self, arrays: Sequence) -> tuple:
        return tuple(z._array for z in self.meaning(arrays))

    def meaning(self, tensors: Sequence) -> tuple:
        finals, ys = self.compiled(tensors, self.n, self.reverse)
        return (*finals, *ys)

    def follows(self, arrays: Sequence) -> list[bool]:
        return [getattr(x, "dtype", np.dtype(int)).kind == "f" for x in arrays]

    def __repr__(self) -> str:
        return f"{self.n} steps{' backwards' if self.reverse else ''}"


def unrolled(step: Callable, init, xs=None, *, length: int | None = None, reverse: bool = False):
    """The definition of `scan`: the Python loop, in which every step is called and recorded."""
    n = steps_of(xs, length)
    carry = tree.each(as_tensor, init)
    rows = [unstack(as_tensor(x)) for x in tree.leaves(xs)]
    outputs = []
    for t in reversed(range(n)) if reverse else range(n):
        carry, y = step(carry, None if xs is None else tree.like(xs, [row[t] for row in rows]))
        outputs.append(y)
    outputs = outputs[::-1] if reverse else outputs
    parts = zip(*map(tree.leaves, outputs), strict=True)
    return carry, tree.like(outputs[0], [stack(part) for part in parts])


def _own(x) -> Tensor:
    """x as a new tensor that shares no memory with a leaf, or with a carry or input of the step around it."""
    x = as_tensor(x)
    if x.buffer is not None or (x.is_leaf and (x.requires_grad or mode.trace)):
        return concatenate([x])
    return x if mode.trace else Tensor(x._array, x.line)
