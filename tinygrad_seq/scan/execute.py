"""Running a program: what comes before the loop, the loop, and what comes after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from tinygrad_seq.scan.loop import Run
from tinygrad_seq.scan.program import Operation, Parts, Program, summable
from tinygrad_seq.scan.riding import on_stacks


class Values(NamedTuple):
    """What a run of a program made.

    env      by value: one array, or that of all steps stacked, if it is in
    varying  the values that change from step to step
    finals   its carries after the last step
    totals   its totals, by value
    """

    env: dict[int, object]
    varying: set[int]
    finals: list
    totals: dict[int, object]
    shapes: Callable[[int], tuple[int, ...]]

    def stacked(self, v: int):
        """A value at all steps."""
        return self.env[v] if v in self.varying else np.broadcast_to(self.env[v], self.shapes(v))


def execute(
    parts: Parts, program: Program, loop: Callable[..., Run], given: Mapping[int, object], n: int, reverse: bool
) -> Values:
    """Run a program for `n` steps; `given` are its arguments by value.

    `loop(env, n, reverse)` runs the loop part. Given tensors, what is not in the loop is recorded as any
    other call.
    """
    specs = program.values
    env = {**given, **program.numbers}
    varying = set(parts.stacked)

    def everywhere(v: int):
        return env[v] if v in varying else np.broadcast_to(env[v], (n, *specs[v].shape))

    def lifted(call: Operation) -> None:
        arrays, on = [env[v] for v in call.inputs], [v in varying for v in call.inputs]
        shapes, ndim = [specs[v].shape for v in call.inputs], len(specs[call.outputs[0]].shape)
        store(env, call, on_stacks(call.op, arrays, on, shapes, ndim, n, call.metadata()))
        varying.update(call.outputs)

    for call in parts.constant:
        store(env, call, call.op.function(*[env[v] for v in call.inputs], **call.metadata()))
    for call in parts.before:
        lifted(call)
    run = loop(env, n, reverse) if parts.loop.carries or parts.loop.operations else Run({}, {}, {})
    env.update(run.kept)
    varying.update(run.kept)
    summed = {call.outputs[0]: call for call in parts.after if sums(call, parts, program)}
    for call in parts.after:
        if call.outputs[0] not in summed:
            lifted(call)

    totals = dict(run.totals)
    for v in program.totals:
        if v in summed:
            totals[v] = summed[v].op.summing(*map(everywhere, summed[v].inputs))
        elif v not in totals:
            totals[v] = np.sum(env[v], axis=0) if v in varying else env[v] * n
    places = {pair: j for j, pair in enumerate(parts.loop.carries)}
    finals = [run.finals[places[pair]] if pair in places else given[pair[0]] for pair in program.carries]
    return Values(env, varying, finals, totals, lambda v: (n, *specs[v].shape))


def sums(call: Operation, parts: Parts, program: Program) -> bool:
    """Whether nothing but the sum of a call over all steps is asked for, and its op has a form for that."""
    v = call.outputs[0]
    alone = v not in program.outputs and all(v not in other.inputs for other in parts.after)
    return summable(call, program) and v in program.totals and alone


def store(env: dict, call: Operation, made) -> None:
    """Put what a call made into `env`."""
    env.update(zip(call.outputs, made if call.op.many else [made], strict=True))
