"""Loops as groups, forward and backward, compared with the forward functions of their ops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from group_laws import well_formed, written_once
from interpreted import Interpreter, Results, stepped
from random_scope import REFUSED

import tinygrad_seq as ts
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.scan import unrolled
from tinygrad_seq.scan.backward import Ends, derived
from tinygrad_seq.scan.differentiable import first_step
from tinygrad_seq.scan.execute import store
from tinygrad_seq.scan.groups.assignments import UnsupportedError
from tinygrad_seq.scan.groups.grouping import Grouped, grouped
from tinygrad_seq.scan.groups.printed import told
from tinygrad_seq.scan.groups.ways import assigned
from tinygrad_seq.scan.naming import identified
from tinygrad_seq.scan.program import Hoisting, Operation, Program, taken_apart
from tinygrad_seq.scan.recording.step import Step, steps_of
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.testing.differences import noise

UNSUPPORTED = {  # primitives that have no form as assignments
    *("argpartition", "argsort", "cholesky", "closed", "cofactors", "convolve", "correlate", "det", "eigh"),
    *("eigvalsh", "interp", "inv", "irfft", "move", "nanargmax", "nanargmin"),
    *("nonzero", "pinv", "qr", "ranked", "rfft", "scan", "searchsorted", "slogdet", "solve", "sort"),
    *("steps", "svd", "svdvals", "unique"),
}
NOTHING = Hoisting(*[lambda call, program: False] * 2)


class Loop(NamedTuple):
    """A loop, its arguments, and the values that it keeps."""

    program: Program
    kept: tuple[int, ...]
    arrays: list
    n: int


def arguments(operations: Sequence[Operation], loop: Program, env: dict) -> list:
    """The arguments of a loop, after the operations that run once."""
    with np.errstate(all="ignore"):
        for call in operations:
            store(env, call, call.op.forward(*[env[v] for v in call.inputs], **call.metadata()))
    return [env[v] for v in loop.arguments]


def forward(step, init, xs, length=None, hoisting: Hoisting = NOTHING) -> Loop:
    """The loop of a step, with all operations in it that `hoisting` leaves there."""
    with np.errstate(all="ignore"):
        recorded = Step(step, init, xs)
    program = identified(recorded.named_program(), hoisting)
    arrays = [x._array if isinstance(x, Tensor) else np.asarray(x) for x in recorded.arguments()]
    parts = taken_apart(program, hoisting)
    assert not parts.before
    env = {**dict(zip(program.arguments, arrays, strict=True)), **program.numbers}
    given = arguments(parts.constant, parts.loop, env)
    return Loop(parts.loop, parts.loop.outputs, given, steps_of(xs, length))


def of_step(step, init, xs) -> Loop:
    """The loop of a step of one carry and one input, from arrays."""
    return forward(step, ts.tensor(init), ts.tensor(xs))


def backward(loop: Loop, seed: int, reverse: bool, hoisting: Hoisting = NOTHING) -> tuple[Loop, Loop] | None:
    """The loop that also keeps what its backward loop reads, and that backward loop; None if it has none."""
    program, kept, arrays, n = loop
    floats = frozenset(v for v in program.arguments if program.values[v].dtype.kind == "f")
    ends = Ends(frozenset(program.outputs), frozenset(before for before, _ in program.carries))
    found = derived(program, floats, ends, first_step(program, arrays), hoisting)
    if not found.program.operations:
        return None
    own = {v for call in program.operations for v in call.outputs} | {v for v, _ in program.carries}
    saved = loop._replace(kept=tuple(dict.fromkeys([*kept, *sorted(own & set(found.reads.values()))])))
    _, stacks, _ = stepped(program, saved.kept, arrays, n, reverse)
    known = dict(zip(program.arguments, arrays, strict=True)) | dict(zip(saved.kept, stacks, strict=True))
    rng = np.random.default_rng(seed)
    env = {b: known[v] for b, v in found.reads.items()} | dict(found.program.numbers)
    for b, v in found.cotangents.items():
        env[b] = np.asarray(noise(rng, (n, *program.values[v].shape), program.values[v].dtype))
    for (b, _), v in zip(found.program.carries, found.carries, strict=True):
        env[b] = np.asarray(noise(rng, program.values[v].shape, program.values[v].dtype))
    parts = taken_apart(found.program, hoisting)
    given = arguments(parts.constant, parts.loop, env)
    return saved, Loop(parts.loop, parts.loop.outputs, given, n)


# --- the comparison -------------------------------------------------------------------------------------


def lowered(loop: Loop) -> Grouped:
    return grouped(assigned(loop.program, loop.kept, lambda *_: True))


def check(loop: Loop, reverse: bool = False) -> Grouped:
    """Groups compute the numbers of the loop, and obey their laws. UnsupportedError if it has no groups."""
    made = lowered(loop)
    well_formed(made)
    text = "\n".join(told(made))  # every program can be printed
    run = Interpreter(made)
    with np.errstate(all="ignore"):
        expected = flat(stepped(*loop, reverse))
        found = flat(run(loop.arrays, loop.n, reverse))
        written_once(run)
        far, limits = gaps(found, expected), [np.asarray(tolerance(loop, expected))] * len(expected)
        if any(np.any(gap > most) for gap, most in zip(far, limits, strict=True)):
            limits = list(map(np.maximum, limits, spread(loop, reverse, expected)))
        for x, y, gap, most in zip(found, expected, far, limits, strict=True):
            assert np.all(gap <= most), f"{x}\ninstead of\n{y}\na difference of {np.max(gap):.2e}\n{text}"
    return made


def flat(results: Results) -> list[np.ndarray]:
    return [np.asarray(x) for part in results for x in part]


def gaps(found: list[np.ndarray], expected: list[np.ndarray]) -> list[np.ndarray]:
    """How far two results are apart, element by element: infinitely, if only one of them is NaN."""
    made = []
    for x, y in zip(found, expected, strict=True):
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        far = np.abs(x.astype(float) - y.astype(float))
        made.append(np.where((x == y) | ((x != x) & (y != y)), 0, np.where(np.isnan(far), np.inf, far)))
    return made


def tolerance(loop: Loop, expected: list[np.ndarray]) -> float:
    """The rounding error that is allowed, relative to the largest number of all."""
    largest = max([1.0, *(float(np.abs(x[np.isfinite(x)].astype(float)).max(initial=0)) for x in expected)])
    single = any(spec.dtype == np.float32 for spec in loop.program.values)
    return (1e-5 if single else 1e-12) * largest


def spread(loop: Loop, reverse: bool, expected: list[np.ndarray]) -> list[np.ndarray]:
    """How far rounding errors of the arguments may lead."""
    found = [np.zeros(x.shape) for x in expected]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        arrays = [
            (x * (1 + 4 * np.finfo(x.dtype).eps * noise(rng, x.shape, x.dtype))).astype(x.dtype)
            if x.dtype.kind == "f"
            else x
            for x in map(np.asarray, loop.arrays)
        ]
        other = flat(stepped(loop.program, loop.kept, arrays, loop.n, reverse))
        found = list(map(np.maximum, found, [20 * gap for gap in gaps(other, expected)]))
    return found


def check_step(step, init, xs) -> Grouped:
    return check(of_step(step, init, xs))


def results(loop: Loop) -> Results:
    """What the groups of a loop compute."""
    return Interpreter(lowered(loop))(loop.arrays, loop.n, False)


def check_both(loop: Loop, reverse: bool = False, seed: int = 0) -> list[str]:
    """`check` for a loop and its backward loop; a word for each: "groups", or what is unsupported."""
    pair = backward(loop, seed, reverse)
    loops = [(loop, reverse)] if pair is None else [(pair[0], reverse), (pair[1], not reverse)]
    words = []
    for each, direction in loops:
        try:
            check(each, direction)
            words.append("groups")
        except UnsupportedError as error:
            words.append(str(error))
    return words


def checking(words: Counter, inner=unrolled):
    """The Python loop, which also checks the groups of the step; in the step of a loop, the loop `inner`."""

    def loop(step, init, xs=None, *, length=None, reverse=False, remat=None):
        if mode.trace is not None:
            return inner(step, init, xs, length=length, reverse=reverse)
        try:
            recorded = forward(step, init, xs, length)
        except REFUSED:
            words["refused"] += 1
        else:
            words.update(check_both(recorded, reverse))
        return unrolled(step, init, xs, length=length, reverse=reverse)

    return loop
