"""Running a program: the operations before the loop, the loop, and the operations after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, cast

import numpy as np

from tinygrad_seq.engine.mode import mode, recording
from tinygrad_seq.scan.loop import Run
from tinygrad_seq.scan.program import Operation, Parts, Program, summable
from tinygrad_seq.scan.riding import Lifted


class Values(NamedTuple):
    """The results of a run of a program.

    env      the array of each value that is known, stacked over all steps if the value varies
    finals   the carries after the last step
    totals   the totals, by value
    stacked  a function that returns a value of all steps, stacked
    """

    env: dict[int, Any]
    finals: list
    totals: dict[int, Any]
    stacked: Callable[[int], Any]


class Execution:
    """A program whose operations have been placed, ready to run around its loop."""

    def __init__(self, parts: Parts, program: Program) -> None:
        self.parts, self.program = parts, program
        self.loops = bool(parts.loop.carries or parts.loop.operations)
        varying = {*parts.stacked, *parts.loop.outputs}
        self.before = [self._lifted(call, varying) for call in parts.before]
        self.dead = self._dead()
        self.summed = {call.outputs[0]: call for call in parts.after if sums(call, parts, program)}
        self.after = []
        for call in parts.after:
            varying.update(call.outputs)
            if call.outputs[0] not in self.summed:
                self.after.append(self._lifted(call, varying))
        self.varying = varying
        self.metadata = [call.metadata() for call in parts.constant]
        self.places = {pair: j for j, pair in enumerate(parts.loop.carries)}

    def _lifted(self, call: Operation, varying: set[int]) -> tuple[Operation, Lifted]:
        values = self.program.values
        shapes, on = [values[v].shape for v in call.inputs], [v in varying for v in call.inputs]
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
        self, loop: Callable[[dict, int, bool], Run], given: Mapping[int, Any], n: int, reverse: bool
    ) -> Values:
        """Run the program for `n` steps; `given` are its arguments by value.

        `loop(env, n, reverse)` runs the loop part. If the arguments are tensors, the operations outside the
        loop are recorded on the tape like any other call.
        """
        program, parts, varying = self.program, self.parts, self.varying
        env: dict[int, Any] = {**given, **program.numbers}

        def stacked(v: int):
            return env[v] if v in varying else np.broadcast_to(env[v], (n, *program.values[v].shape))

        for call, meta in zip(parts.constant, self.metadata, strict=True):
            with as_recorded(call):
                store(env, call, call.op.function(*[env[v] for v in call.inputs], **meta))
        for (call, lifted), dead in zip(self.before, self.dead, strict=True):
            with as_recorded(call):
                store(env, call, lifted([env[v] for v in call.inputs], n))
            for v in dead:  # so that the next calls can reuse its memory
                del env[v]
        run = loop(env, n, reverse) if self.loops else Run({}, {}, {})
        env.update(run.kept)
        for call, lifted in self.after:
            with as_recorded(call):
                store(env, call, lifted([env[v] for v in call.inputs], n))

        totals = run.totals
        for v in program.totals:
            if v in self.summed:
                summing = cast(Callable, self.summed[v].op.summing)
                totals[v] = summing(*map(stacked, self.summed[v].inputs))
            elif v not in totals:
                totals[v] = np.sum(env[v], axis=0) if v in varying else env[v] * n
        finals = [
            run.finals[self.places[pair]] if pair in self.places else given[pair[0]] for pair in program.carries
        ]
        return Values(env, finals, totals, stacked)


def sums(call: Operation, parts: Parts, program: Program) -> bool:
    """Whether only the sum of a call over all steps is needed, and its op can compute the sum directly."""
    v = call.outputs[0]
    alone = v not in program.outputs and all(v not in other.inputs for other in parts.after)
    return summable(call, program) and v in program.totals and alone


def as_recorded(call: Operation) -> AbstractContextManager[None]:
    """The context in which a call is replayed: a call under `no_grad` is not put on the tape."""
    return recording(mode.recording and not call.quiet)


def store(env: dict, call: Operation, made) -> None:
    """Put the outputs of a call into `env`."""
    env.update(zip(call.outputs, made if call.op.many else [made], strict=True))
