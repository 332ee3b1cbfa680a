"""A loop that rides: one loop over a batch of examples in the place of a loop for each of them.

The step of the batched loop is the step of the loop, applied to all examples at once: an op that rides is
called once, any other in a loop over the examples. So the loop over time stays the outer one. Its backward loop
is batched in the same way, which gives the gradients of each example by itself.

    (B, T, ...)   an input or an output of the op that rides: examples first
    (T, B, ...)   the same of the batched loop: time first
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_seq.engine.mode import recording, tracing
from tinygrad_seq.engine.record import Line
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.ops.joining import stack, unstack
from tinygrad_seq.ops.shape import broadcast_to, swapaxes
from tinygrad_seq.scan.differentiable import sum_of
from tinygrad_seq.scan.emitters import NUMPY, Emitter
from tinygrad_seq.scan.execute import Execution
from tinygrad_seq.scan.naming import identified
from tinygrad_seq.scan.op import Call, Pullback
from tinygrad_seq.scan.over_time import Compiled
from tinygrad_seq.scan.program import Numbering, Program, taken_apart
from tinygrad_seq.scan.recording.trace import Trace
from tinygrad_seq.tensor.tensor import Tensor

AS_RECORDED = NUMPY._replace(form=lambda program: program)  # the batched program gets a form afterwards


def batched(program: Program, arrays: Sequence, stacked: Sequence[bool], size: int) -> Program:
    """The program of one step for `size` examples.

    arrays   the arguments, as the batched loop receives them; the step is recorded with their first step
    stacked  for each argument whether every example has its own; carries always do
    """
    i, j = len(program.carries), len(program.carries) + len(program.inputs)
    own = [True] * i + list(stacked[i:])
    pairs = list(zip(program.arguments, own, strict=True))
    one_step = replace(
        program,
        carries=(),
        inputs=tuple([v for v, on in pairs if on]),
        constants=tuple([v for v, on in pairs if not on]),
        outputs=(*(after for _, after in program.carries), *program.outputs, *program.totals),
        totals=(),
    )
    trace = Trace()
    with tracing(trace), recording(True), np.errstate(all="ignore"):
        first = [x[0, ...] if i <= k < j else x for k, x in enumerate(map(data_of, arrays))]
        given = [
            trace.placeholder(x, program.names.get(v)) for x, v in zip(first, program.arguments, strict=True)
        ]
        known = dict(zip(program.arguments, given, strict=True))
        step = Compiled(one_step, AS_RECORDED)
        _, made = step([known[v] for v in one_step.arguments], size, False)
        lines = [trace.line(y, y._array) for y in made]
    trace.end()
    return _numbered(program, trace, [x.line for x in given], lines)


def _numbered(program: Program, trace: Trace, given: Sequence[Line], made: Sequence[Line]) -> Program:
    """The recorded step as a program with the carries, outputs and totals of `program`."""
    number = Numbering(trace)
    i, j = len(program.carries), len(program.carries) + len(program.inputs)
    arguments, ends = list(map(number, given)), list(map(number, made))
    operations = number.operations(made)
    return Program(
        values=number.specs(),
        operations=operations,
        carries=tuple(zip(arguments[:i], ends[:i], strict=True)),
        inputs=tuple(arguments[i:j]),
        constants=tuple(arguments[j:]),
        numbers=number.literals(),
        outputs=tuple(ends[i : i + len(program.outputs)]),
        totals=tuple(ends[i + len(program.outputs) :]),
        names=number.names(),
        device=program.device,
        walked=program.walked,
    )


def time_first(x: Any, on: bool) -> Any:
    return swapaxes(x, 0, 1) if on else x


def with_examples(x: Any, on: bool, size: int) -> Any:
    """A carry of every example."""
    return x if on else broadcast_to(x, (size, *np.shape(x)))


CAPACITY = 16  # batched forms of a loop: one for each size of the batch


def remembered(known: dict[tuple, Any], key: tuple, make: Callable[[], Any]) -> Any:
    """The value of `make`, or that of the last call with this key; the oldest is forgotten."""
    if (found := known.get(key)) is None:
        known[key] = found = make()
        while len(known) > CAPACITY:
            known.pop(next(iter(known)), None)
    return found


# --- the loop -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BatchedCall:
    """The metadata of the op of a loop that rides: its call, which arguments have examples, and how many."""

    call: Call
    stacked: tuple[bool, ...]
    size: int


def run_batched(*arrays, call: BatchedCall) -> tuple:
    """The results of the op of a loop for all examples."""
    what, program = call.call.what, call.call.what.program
    i, j = len(program.carries), len(program.carries) + len(program.inputs)
    given = [with_examples(x, on, call.size) for x, on in zip(arrays[:i], call.stacked, strict=False)]
    given += [time_first(x, on) for x, on in zip(arrays[i:j], call.stacked[i:j], strict=True)]
    given += arrays[j:]

    def made_ready() -> Compiled:
        kept = what.loop.kept if call.call.nested else program.outputs
        return Compiled(batched(replace(program, outputs=kept), given, call.stacked, call.size), what.emitter)

    loop = remembered(what.batched, (call.stacked, call.size, call.call.nested), made_ready)
    finals, ys = loop(given, call.call.n, call.call.reverse)
    made = (*finals, *(swapaxes(y, 0, 1) for y in ys))
    return made if any(isinstance(x, Tensor) for x in arrays) else tuple(map(data_of, made))


# --- its pullback -------------------------------------------------------------------------------------


class BatchedBackward:
    """The backward loop of a batch, ready to run."""

    def __init__(self, program: Program, emitter: Emitter) -> None:
        program = identified(program, emitter.backward)
        parts = taken_apart(program, emitter.backward)
        self.loop = emitter.ready(parts.loop, name="backward")
        self.execute = Execution(parts, program)


@dataclass(frozen=True)
class BatchedPullback:
    """The pullback of a loop for all examples, as a function that `closed` can call."""

    pullback: Pullback
    stacked: tuple[bool, ...]
    size: int

    def compute(self, arrays: Sequence) -> tuple:
        pullback, call = self.pullback, self.pullback.call
        pull, what = pullback.backward(), call.what
        sources, kept, g = pullback.split(arrays)
        known = [*sources, *kept, *g]
        on = [bool(flag) for part in pullback.split(self.stacked) for flag in part]
        i, j = len(pull.program.carries), len(pull.program.carries) + len(pull.program.inputs)
        given = [known[k] for k in pull.places]
        stacked = [on[k] for k in pull.places]
        for k, source in enumerate(pull.carries):
            if given[k] is None:
                given[k], stacked[k] = np.zeros_like(sources[source]), on[source]
        given[:i] = [with_examples(x, flag, self.size) for x, flag in zip(given[:i], stacked, strict=False)]
        given[i:j] = [time_first(x, flag) for x, flag in zip(given[i:j], stacked[i:j], strict=True)]

        def made_ready() -> BatchedBackward:
            return BatchedBackward(batched(pull.program, given, stacked, self.size), what.emitter)

        backward = remembered(what.batched, (self, *stacked), made_ready)
        run = backward.execute(backward.loop, given, call.n, not call.reverse)
        results = [*run.finals, *(np.swapaxes(y, 0, 1) for y in run.kept), *run.totals]
        shares = [share for share, on in zip(pull.shares, pullback.needed, strict=True) if on]
        return tuple([sum_of([results[k] for k in share]) for share in shares])

    def meaning(self, tensors: Sequence) -> tuple:
        """The pullback of every example by itself."""
        parts = [unstack(x) if on else [x] * self.size for x, on in zip(tensors, self.stacked, strict=True)]
        examples = [self.pullback.meaning(row) for row in zip(*parts, strict=True)]
        return tuple([stack(shares) for shares in zip(*examples, strict=True)])

    def follows(self, arrays: Sequence) -> list[bool]:
        return self.pullback.follows(arrays)


def of_pullback(function: object, stacked: Sequence[bool], n: int) -> Any:
    """The riding rule of a closed function: only a pullback has a batched form."""
    return BatchedPullback(function, tuple(stacked), n) if isinstance(function, Pullback) else NotImplemented


def of_loop(call: Call, stacked: Sequence[bool], n: int) -> Any:
    """The riding rule of a loop.

    A loop without a carry is there because of an op that does not ride. At once for all examples, it would be a
    loop over the examples in every step, which would ride in turn, without end.
    """
    program = call.what.program
    if not program.carries and taken_apart(program).loop.operations:
        return NotImplemented
    return BatchedCall(call, tuple(stacked), n)
