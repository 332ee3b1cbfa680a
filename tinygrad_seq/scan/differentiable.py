"""The loop as one record of the tape, and what becomes of it in each kind of derivative.

reverse mode           the backward loop, emitted like the loop itself
of higher order        the loop unrolled, from its recorded step: the loop is the meaning
forward mode           the same
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_seq.derive import vjp
from tinygrad_seq.ops.shape import stack, unstack
from tinygrad_seq.primitive import Primitive
from tinygrad_seq.recording import frozen, keep
from tinygrad_seq.scan.backward import derived, reached
from tinygrad_seq.scan.execute import execute
from tinygrad_seq.scan.loop import Loop, Run
from tinygrad_seq.scan.plan import pointwise
from tinygrad_seq.scan.program import Operation, Program, taken_apart
from tinygrad_seq.signature import example
from tinygrad_seq.tape import Record, mode, next_serial, recording
from tinygrad_seq.tensor import Tensor


class Differentiable:
    """A loop and its backward loop, for one choice of arguments that need a gradient."""

    def __init__(self, program: Program, active: frozenset[int], values: Mapping[int, object]) -> None:
        self.program = program
        self.sources = (*(before for before, _ in program.carries), *program.inputs, *program.constants)
        self.live = reached(program, active)
        saved: set[int] = set()
        if active:
            self.back = derived(program, active, program.outputs, values)
            own = {v for call in program.operations for v in call.outputs} | {v for v, _ in program.carries}
            saved = own & set(self.back.reads.values())
            self.parts = taken_apart(self.back.program, early=not_pointwise)
            self.back_loop = Loop(self.parts.loop, name="backward")
        self.loop = Loop(program, saved)

    def pull(self, g: Sequence, arrays: Sequence, kept: Sequence, n: int, reverse: bool) -> list:
        """The cotangents of the arguments, from those of the carries after the loop and of its outputs."""
        back, program = self.back, self.program
        known = {
            **dict(zip(self.sources, arrays, strict=True)),
            **dict(zip(self.loop.plan.kept, kept, strict=True)),
        }
        given = {b: known[v] for b, v in back.reads.items()}
        finals = dict(zip((before for before, _ in program.carries), g, strict=False))
        given |= {b: finals[v] for b, v in zip(self._before(), back.carries, strict=True)}
        outputs = dict(zip(program.outputs, g[len(program.carries) :], strict=True))
        given |= {b: outputs[v] for b, v in back.cotangents.items()}
        found = execute(self.parts, back.program, self.back_loop, given, n, not reverse)
        shares: dict[int, object] = {
            v: found["finals"][j] if b != a else given[b]
            for (b, a), v, j in zip(back.program.carries, back.carries, self._places(), strict=True)
        }
        for v, parts in back.gradients.items():
            fixed = v not in program.inputs
            made = [found["totals"][b] if fixed else self._stacked(found, b, n) for b in parts]
            shares[v] = made[0] if len(made) == 1 else sum(made[1:], made[0])
        return [
            shares[v] if v in shares else np.zeros_like(x) for v, x in zip(self.sources, arrays, strict=True)
        ]

    def _before(self) -> list[int]:
        return [b for b, _ in self.back.program.carries]

    def _places(self) -> list[int | None]:
        inside = {pair: j for j, pair in enumerate(self.parts.loop.carries)}
        return [inside.get(pair) for pair in self.back.program.carries]

    def _stacked(self, found: dict, b: int, n: int):
        value = found["env"][b]
        return value if b in found["varying"] else np.broadcast_to(value, (n, *value.shape))

    def unrolled(self, arrays: Sequence, n: int, reverse: bool) -> tuple:
        """The loop as it stands, on tensors: the carries after it and its outputs."""
        program = self.program
        env = {**dict(zip(self.sources, arrays, strict=True)), **program.numbers}
        rows = {v: unstack(env[v]) for v in program.inputs}
        outputs: dict[int, list] = {v: [None] * n for v in program.outputs}
        for t in reversed(range(n)) if reverse else range(n):
            env.update({v: rows[v][t] for v in rows})
            for call in program.operations:
                with recording(mode.recording and not call.quiet):
                    made = call.op.function(*[env[v] for v in call.inputs], **call.metadata())
                env.update(zip(call.outputs, made if call.op.many else [made], strict=True))
            for v, ys in outputs.items():
                ys[t] = env[v]
            env.update(zip([b for b, _ in program.carries], [env[a] for _, a in program.carries], strict=True))
        finals = [env[before] for before, _ in program.carries]
        return (*finals, *(stack(ys) for ys in outputs.values()))


def not_pointwise(call: Operation) -> bool:
    """Factors such as 1 - z z are computed within the backward loop, while z is at hand, not for all steps at once."""
    return not pointwise(call)


class Call(NamedTuple):
    """The metadata of a loop's record: what was run, and how."""

    what: Differentiable
    n: int
    reverse: bool

    def __repr__(self) -> str:
        return f"{self.n} steps{' backwards' if self.reverse else ''}"


def _scan(*arrays, call):
    """z = the carries after a loop, and its outputs"""
    what = call.what
    run = what.loop(dict(zip(what.sources, arrays, strict=True)), call.n, call.reverse)
    return (*run.finals.values(), *(run.kept[v] for v in what.program.outputs))


def _vjp(g, arrays, z, call):
    if not any(isinstance(x, Tensor) for x in g):
        return call.what.pull(g, arrays, z, call.n, call.reverse)
    floats = [i for i, x in enumerate(arrays) if getattr(x, "dtype", None) is not None and x.dtype.kind == "f"]

    def loop(*xs):
        whole = list(arrays)
        for i, x in zip(floats, xs, strict=True):
            whole[i] = x
        made = call.what.unrolled(whole, call.n, call.reverse)
        return tuple(y for y in made if y.dtype.kind == "f")

    y, pullback = vjp(loop, *[arrays[i] for i in floats])
    found = dict(zip(floats, pullback(tuple(c for c in g if c.dtype.kind == "f")), strict=True))
    return [found.get(i) for i in range(len(arrays))]


SCAN = Primitive(
    _scan, examples=[example("(a)", call=None)], many=True
)  # its laws are those of random programs
SCAN.joint_vjp(_vjp)


def run_loop(what: Differentiable, env: Mapping[int, object], n: int, reverse: bool) -> Run:
    """Run a loop on tensors, and record it if one of them is on the tape."""
    SCAN.function  # noqa: B018
    if not hasattr(SCAN, "reads"):
        SCAN.finish()
    program = what.program
    given = [env[v] for v in what.sources]
    arrays = [x._data if isinstance(x, Tensor) else x for x in given]
    run = what.loop(dict(zip(what.sources, arrays, strict=True)), n, reverse)
    finals = {j: Tensor(frozen(z)) for j, z in run.finals.items()}
    outputs = {v: Tensor(frozen(run.kept[v].view())) for v in program.outputs}
    lines = tuple(x.line if isinstance(x, Tensor) else None for x in given)
    if mode.recording and any(lines):
        made = [*finals.values(), *outputs.values()]
        values = [*(a for _, a in program.carries), *program.outputs]
        record: Record = object.__new__(Record)
        record.op, record.serial, record.inputs = SCAN, next_serial(), lines
        record.meta = (Call(what, n, reverse),)
        kept = tuple(run.kept[v] for v in what.loop.plan.kept)
        record.saved = (
            tuple(a if isinstance(x, Tensor) else keep(a) for a, x in zip(arrays, given, strict=True)),
            kept,
        )
        buffers = tuple(x.buffer if isinstance(x, Tensor) else None for x in given)
        record.buffers = (buffers, None)
        record.shapes, record.dtypes = tuple(t.shape for t in made), tuple(t.dtype for t in made)
        for i, (t, v) in enumerate(zip(made, values, strict=True)):
            if v in what.live:
                t.line = (record, i)
    return Run(finals, outputs, {})
