"""A loop that can give gradients: its program, its backward loops, and the plain unrolled loop.

`op.py` turns it into an op and states its derivatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tinygrad_seq.ops.shape import stack, unstack
from tinygrad_seq.scan.backward import BACKWARD, Backward, Ends, derived, pulled, reached
from tinygrad_seq.scan.execute import Execution, as_recorded, store
from tinygrad_seq.scan.loop import Loop
from tinygrad_seq.scan.program import Program, taken_apart


class BackwardLoop:
    """A backward program, ready to run."""

    def __init__(self, derivation: Backward) -> None:
        self.derivation = derivation
        self.program = derivation.program
        self.parts = taken_apart(self.program, BACKWARD)
        self.loop = Loop(self.parts.loop, name="backward")
        self.execute = Execution(self.parts, self.program)


class Differentiable:
    """A loop that can give the gradients of the arguments `active`.

    sources  its arguments: the carries before the first step, inputs of all steps, constants
    live     the values that depend on an active argument
    """

    def __init__(self, program: Program, active: frozenset[int], arrays: Sequence) -> None:
        self.program = program
        self.sources = program.arguments
        self.live = reached(program, active)
        made = {*(after for _, after in program.carries), *program.outputs}
        self.active = active if self.live & made else frozenset()
        self.backwards: dict[tuple[frozenset[int], Ends], BackwardLoop] = {}
        self._present: dict[tuple[bool, ...], Ends] = {}
        saved: set[int] = set()
        if self.active:
            every = self.backward(self.active, self.ends(program.outputs, made), arrays)
            own = {v for call in program.operations for v in call.outputs} | {v for v, _ in program.carries}
            saved = own & set(every.derivation.reads.values())
        self.loop = Loop(program, saved)

    def backward(self, targets: frozenset[int], ends: Ends, arrays: Sequence) -> BackwardLoop:
        """The backward loop for the gradients of these arguments, given cotangents of `ends`."""
        key = targets, ends
        if key not in self.backwards:
            values = first_step(self.program, arrays)
            self.backwards[key] = BackwardLoop(derived(self.program, targets, ends, values))
        return self.backwards[key]

    def ends(self, outputs: Iterable[int], finals: Iterable[int]) -> Ends:
        """Where cotangents arrive, from those of outputs and of carries after the last step.

        A carry that none of them reaches has no cotangent: with zeros, a derivative that is not finite would
        make the gradients NaN.
        """
        live = self.live.intersection
        found = pulled(self.program, live((*outputs, *finals)))
        return Ends(
            frozenset(live(outputs)), frozenset(live(b for b, after in self.program.carries if after in found))
        )

    def present(self, g: Sequence) -> Ends:
        """The ends for those cotangents that are not None, where `g` has one for each value in `made`."""
        given = tuple(dz is not None for dz in g)
        if given not in self._present:
            carries, outputs = self.program.carries, self.program.outputs
            finals = [after for (_, after), on in zip(carries, given, strict=False) if on]
            ys = [v for v, on in zip(outputs, given[len(carries) :], strict=False) if on]
            self._present[given] = self.ends(ys, finals)
        return self._present[given]

    @property
    def made(self) -> tuple[int, ...]:
        """The values that the loop returns: carries after the last step, outputs, and values that it saved."""
        return (*(after for _, after in self.program.carries), *self.loop.plan.kept)

    def compute(self, arrays: Sequence, n: int, reverse: bool) -> tuple:
        """The values of `made`: carries after the last step, and all other values for all steps."""
        run = self.loop(dict(zip(self.sources, arrays, strict=True)), n, reverse)
        return (*run.finals.values(), *(run.kept[v] for v in self.loop.plan.kept))

    def pull(
        self,
        targets: frozenset[int],
        g: Sequence,
        arrays: Sequence,
        made: Sequence,
        n: int,
        reverse: bool,
    ) -> list:
        """The cotangents of the arguments in `targets`, from those of `made`; None for all other arguments."""
        program, count = self.program, len(self.program.carries)
        arriving = dict(zip(self.loop.plan.kept, g[count:], strict=True))
        back = self.backward(targets, self.present(g), arrays)
        derivation = back.derivation
        known = dict(zip(self.sources, arrays, strict=True)) | dict(
            zip(self.loop.plan.kept, made[count:], strict=True)
        )
        given = {b: known[v] for b, v in derivation.reads.items()}
        given |= {b: arriving[v] for b, v in derivation.cotangents.items()}
        finals = {before: i for i, (before, _) in enumerate(program.carries)}
        for (b, _), v in zip(back.program.carries, derivation.carries, strict=True):
            dz = g[finals[v]]
            given[b] = np.zeros_like(made[finals[v]]) if dz is None else dz

        found = back.execute(back.loop, given, n, not reverse)
        shares = dict(zip(derivation.carries, found.finals, strict=True))
        for v, parts in derivation.gradients.items():
            shares[v] = sum_of([found.stacked(b) if v in program.inputs else found.totals[b] for b in parts])
        return [shares[v] if v in targets and v in shares else None for v in self.sources]

    def unrolled(self, arguments: Sequence, n: int, reverse: bool) -> tuple:
        """The loop unrolled, on tensors: the carries after the last step, and the outputs."""
        program = self.program
        env = dict(zip(self.sources, arguments, strict=True))
        rows = {v: unstack(env[v]) for v in program.inputs}
        outputs: dict[int, list] = {v: [None] * n for v in program.outputs}
        for t in reversed(range(n)) if reverse else range(n):
            env.update({v: rows[v][t] for v in rows})
            replay(program, env)
            for v, ys in outputs.items():
                ys[t] = env[v]
            env.update(zip([b for b, _ in program.carries], [env[a] for _, a in program.carries], strict=True))
        finals = [env[before] for before, _ in program.carries]
        return (*finals, *(stack(ys) for ys in outputs.values()))


def first_step(program: Program, arrays: Sequence) -> dict[int, object]:
    """Every value of the first step of a program with these arguments; the derivation runs rules on them."""
    env = {**dict(zip(program.arguments, arrays, strict=True)), **program.numbers}
    env.update({v: env[v][0] for v in program.inputs})
    with np.errstate(all="ignore"):
        for call in program.operations:
            store(env, call, call.op.forward(*[env[v] for v in call.inputs], **call.metadata()))
    return env


def replay(program: Program, env: dict) -> None:
    """Run the operations of one step on the tensors in `env`, and put the results there."""
    env.update(program.numbers)
    for call in program.operations:
        with as_recorded(call):
            store(env, call, call.op.function(*[env[v] for v in call.inputs], **call.metadata()))


def sum_of(parts: list):
    return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0])
