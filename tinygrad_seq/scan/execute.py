"""Running a program: what comes before the loop, the loop, and what comes after it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinygrad_seq.scan.loop import Run
from tinygrad_seq.scan.program import Parts, Program
from tinygrad_seq.scan.riding import on_stacks


def execute(parts: Parts, program: Program, loop, given: Mapping[int, object], n: int, reverse: bool) -> dict:
    """All values of a program that somebody wants, by value: run what comes before, the loop, what comes after.

    `loop(env, n, reverse)` runs the loop part and returns its `Run`, of arrays or of tensors. Given tensors,
    what is not in the loop is recorded as any other call.
    """
    env = {**given, **program.numbers}
    varying = set(parts.stacked)
    for call in parts.constant:
        _store(env, call, call.op.function(*[env[v] for v in call.inputs], **call.metadata()))
    for call in parts.before:
        _lift(env, call, varying, program, n)
    run = loop(env, n, reverse) if parts.loop.carries or parts.loop.operations else Run({}, {}, {})
    env.update(run.kept)
    varying.update(run.kept)
    for call in parts.after:
        varying.update(call.outputs)
        if not (
            call.op.summing
            and set(call.outputs) <= set(program.totals)
            and not set(call.outputs) & _read(parts)
        ):
            _lift(env, call, varying, program, n)
    makers = {v: call for call in parts.after for v in call.outputs}
    totals = {}
    for v in program.totals:
        if v in run.totals:
            totals[v] = run.totals[v]
        elif v not in varying:
            totals[v] = env[v] * n
        elif v in env:
            totals[v] = np.sum(env[v], axis=0)
        else:
            call = makers[v]
            stacks = [
                env[u] if u in varying else np.broadcast_to(env[u], (n, *program.values[u].shape))
                for u in call.inputs
            ]
            totals[v] = call.op.summing(*stacks)
    return {"env": env, "finals": run.finals, "totals": totals, "varying": varying}


def _read(parts: Parts) -> set[int]:
    return {v for call in parts.after for v in call.inputs}


def _store(env: dict, call, made) -> None:
    env.update(zip(call.outputs, made if call.op.many else [made], strict=True))


def _lift(env: dict, call, varying: set[int], program: Program, n: int) -> None:
    specs = program.values
    arrays = [env[v] for v in call.inputs]
    on = [v in varying for v in call.inputs]
    shapes = [specs[v].shape for v in call.inputs]
    ndim = len(specs[call.outputs[0]].shape)
    _store(env, call, on_stacks(call.op, arrays, on, shapes, ndim, n, call.metadata()))
    varying.update(call.outputs)
