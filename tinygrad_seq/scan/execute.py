"""Running a program: the operations before the loop, the loop, and the operations after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np

from tinygrad_seq.engine.mode import recording
from tinygrad_seq.engine.precision import total
from tinygrad_seq.scan.np.loop import Run
from tinygrad_seq.scan.program import Operation, Parts, Program, summable
from tinygrad_seq.scan.riding import Lifted

Env = list[Any]  # for each value that is known, its array or tensor, stacked over all steps if the value varies


class Execution:
    """A program whose operations have been placed, ready to run around its loop; it is called like a loop."""

    def __init__(self, parts: Parts, program: Program) -> None:
        self.parts, self.program = parts, program
        self.arguments, self.given = program.arguments, parts.loop.arguments
        self.loops = bool(parts.loop.carries or parts.loop.operations)
        self.start: Env = [program.numbers.get(v) for v in range(len(program.values))]
        self.varying = {*parts.stacked, *parts.loop.outputs}
        self.constant = [(call, call.metadata()) for call in parts.constant]
        self.before = [
            (*self._lifted(call), dead) for call, dead in zip(parts.before, self._dead(), strict=True)
        ]
        self.summed = {call.outputs[0]: call for call in parts.after if sums(call, parts, program)}
        self.after = []
        for call in parts.after:
            self.varying.update(call.outputs)
            if call.outputs[0] not in self.summed:
                self.after.append(self._lifted(call))
        places = {pair: j for j, pair in enumerate(parts.loop.carries)}
        self.finals = [(places.get(pair), pair[0]) for pair in program.carries]

    def _lifted(self, call: Operation) -> tuple[Operation, Lifted]:
        values = self.program.values
        shapes, on = [values[v].shape for v in call.inputs], [v in self.varying for v in call.inputs]
        return call, Lifted(call.op, shapes, on, len(values[call.outputs[0]].shape), call.metadata())

    def _dead(self) -> list[list[int]]:
        """For every call before the loop, the arguments that are not needed after it."""
        parts, program = self.parts, self.program
        later = {*parts.loop.arguments, *program.arguments, *program.outputs, *program.totals}
        later.update(v for call in parts.after for v in call.inputs)
        dead = []
        for call in reversed(parts.before):
            dead.append([v for v in dict.fromkeys(call.inputs) if v not in later and v not in program.numbers])
            later.update(call.inputs)
        return dead[::-1]

    def __call__(
        self, loop: Callable[[Sequence, int, bool], Run], arguments: Sequence, n: int, reverse: bool
    ) -> Run:
        """Run the program for `n` steps; `loop` runs the loop part.

        If the arguments are tensors, the operations outside the loop are recorded on the tape like any other
        call.
        """
        with np.errstate(all="ignore") if self.program.walked else AS_IT_IS:
            return self._run(loop, arguments, n, reverse)

    def _run(
        self, loop: Callable[[Sequence, int, bool], Run], arguments: Sequence, n: int, reverse: bool
    ) -> Run:
        program, part = self.program, self.parts.loop
        env = self.start.copy()
        for v, x in zip(self.arguments, arguments, strict=True):
            env[v] = x
        for call, meta in self.constant:
            with as_recorded(call):
                store(env, call, call.op.function(*[env[v] for v in call.inputs], **meta))
        for call, lifted, dead in self.before:
            with as_recorded(call):
                store(env, call, lifted([env[v] for v in call.inputs], n))
            for v in dead:  # so that the next calls can reuse its memory
                env[v] = None
        run = Run((), (), ())
        if self.loops:
            run = loop([env[v] for v in self.given], n, reverse)
        for v, x in zip(part.outputs, run.kept, strict=False):
            env[v] = x
        for call, lifted in self.after:
            with as_recorded(call):
                store(env, call, lifted([env[v] for v in call.inputs], n))
        in_loop = dict(zip(part.totals, run.totals, strict=True))
        return Run(
            tuple([env[v] if j is None else run.finals[j] for j, v in self.finals]),
            tuple([self._stacked(env, v, n) for v in program.outputs]),
            tuple([in_loop[v] if v in in_loop else self._total(env, v, n) for v in program.totals]),
        )

    def _stacked(self, env: Env, v: int, n: int):
        return env[v] if v in self.varying else np.broadcast_to(env[v], (n, *self.program.values[v].shape))

    def _total(self, env: Env, v: int, n: int):
        """The sum of a value over all steps."""
        if (call := self.summed.get(v)) is not None:
            return cast(Callable, call.op.summing)(*[self._stacked(env, x, n) for x in call.inputs])
        return total(env[v], 0) if v in self.varying else env[v] * n


def sums(call: Operation, parts: Parts, program: Program) -> bool:
    """Whether only the sum of a call over all steps is needed, and its op can compute the sum directly."""
    v = call.outputs[0]
    alone = v not in program.outputs and all(v not in other.inputs for other in parts.after)
    return summable(call) and v in program.totals and alone


AS_IT_IS = nullcontext()


def as_recorded(call: Operation) -> AbstractContextManager[None]:
    """The context in which a call is replayed: a call under `no_grad` is not put on the tape."""
    return recording(False) if call.quiet else AS_IT_IS


def store(env, call: Operation, made) -> None:
    """Put the outputs of a call into `env`, a dictionary or a list."""
    if call.op.many:
        for v, z in zip(call.outputs, made, strict=True):
            env[v] = z
    else:
        env[call.outputs[0]] = made
