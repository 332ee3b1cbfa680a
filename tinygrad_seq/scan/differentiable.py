"""A loop that can give gradients: its program, its backward loops, and the plain unrolled loop.

`op.py` turns it into an op and states its derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_seq.ops.joining import stack, unstack
from tinygrad_seq.scan.backward import Backward, Ends, derived, pulled, reached
from tinygrad_seq.scan.emitters import Emitter, Ready
from tinygrad_seq.scan.execute import Execution, as_recorded, store
from tinygrad_seq.scan.np.loop import Kept
from tinygrad_seq.scan.program import Program, taken_apart


class BackwardLoop:
    """A backward program, ready to run, and how its values correspond to those of the `loop`, by position.

    places   for each of its arguments, the index in (arguments of the loop, values kept, cotangents)
    carries  for each of its carries, the index of the carry of the loop whose cotangent it is
    bound    for each argument of its loop part, the index in the values kept, if it is one of them
    shares   for each argument of the loop, the indices of the results (carries, outputs, totals) whose sum is
             its cotangent
    """

    def __init__(self, derivation: Backward, loop: Ready, emitter: Emitter) -> None:
        self.derivation = derivation
        program = self.program = derivation.program
        self.parts = taken_apart(program, emitter.backward)
        self.loop = emitter.ready(self.parts.loop, name="backward")
        self.execute = Execution(self.parts, program)
        forward, count = loop.program, len(program.carries)
        known = {v: i for i, v in enumerate((*forward.arguments, *loop.kept))}
        first = len(forward.arguments) + len(loop.kept)
        index = {before: j for j, (before, _) in enumerate(forward.carries)}
        cotangents = {v: i for i, v in enumerate(forward.outputs, first + len(index))}
        self.carries = [index[v] for v in derivation.carries]
        places = {b: first + j for (b, _), j in zip(program.carries, self.carries, strict=True)}
        places |= {b: known[v] for b, v in derivation.reads.items()}
        places |= {b: cotangents[v] for b, v in derivation.cotangents.items()}
        self.places = [places[b] for b in program.arguments]
        self.bound: list[int | None] = []
        if type(loop) is type(self.loop):  # of the same emitter
            kept = range(len(forward.arguments), first)
            found = [places.get(b, -1) for b in self.parts.loop.arguments]
            self.bound = [kept.index(i) if i in kept else None for i in found]
        outputs = {b: i for i, b in enumerate(program.outputs, count)}
        totals = {b: i for i, b in enumerate(program.totals, count + len(outputs))}
        shares: dict[int, tuple[int, ...]] = {v: (i,) for i, v in enumerate(derivation.carries)}
        for v, parts in derivation.gradients.items():
            shares[v] = tuple([(outputs if v in forward.inputs else totals)[b] for b in parts])
        self.shares = [shares.get(v, ()) for v in forward.arguments]

    def __call__(self, arrays: Sequence, kept: Sequence, g: Sequence, n: int, reverse: bool) -> list:
        """The cotangents of the arguments of the loop, None for those that have none.

        They are computed from its arguments, the values that it kept, and the cotangents of the carries after
        its last step and of its outputs.
        """
        known = [*arrays, *kept, *g]
        given = [known[i] for i in self.places]
        for i, j in enumerate(self.carries):
            if given[i] is None:
                given[i] = np.zeros_like(arrays[j])
        loop: Callable = self.loop
        if isinstance(kept, Kept) and kept.bound:
            loop = partial(loop, bound=[None if j is None else kept.bound[j] for j in self.bound])
        run = self.execute(loop, given, n, not reverse)
        results = [*run.finals, *run.kept, *run.totals]
        return [sum_of([results[i] for i in share]) if share else None for share in self.shares]


class Differentiable:
    """A loop that can give the gradients of the arguments `active`.

    made  the values that it returns: the carries after the last step, and outputs
    live  the values that depend on an active argument
    dead  the indices of those in `made` that do not: no derivative passes to them
    """

    def __init__(self, program: Program, active: frozenset[int], arrays: Sequence, emitter: Emitter) -> None:
        self.program, self.emitter = program, emitter
        self.live = reached(program, active)
        self.made = (*(after for _, after in program.carries), *program.outputs)
        self.dead = [i for i, v in enumerate(self.made) if v not in self.live]
        self.active = active if not self.live.isdisjoint(self.made) else frozenset()
        self.backwards: dict[tuple[frozenset[int], Ends], BackwardLoop] = {}
        self._asked: dict[tuple, BackwardLoop] = {}
        self.batched: dict[tuple, Any] = {}  # the loops for batches of examples
        saved: set[int] = set()
        if self.active:
            ends = self.ends(program.outputs, [after for _, after in program.carries])
            derivation = self._derived(self.active, ends, arrays)
            own = {v for call in program.operations for v in call.outputs} | {v for v, _ in program.carries}
            saved = own & set(derivation.reads.values())
        self.loop = emitter.ready(program, saved)
        if self.active:
            self.backwards[self.active, ends] = BackwardLoop(derivation, self.loop, emitter)

    def _derived(self, targets: frozenset[int], ends: Ends, arrays: Sequence) -> Backward:
        values = first_step(self.program, arrays)
        emitter = self.emitter
        return derived(self.program, targets, ends, values, emitter.backward, views=emitter.views)

    def backward(self, targets: frozenset[int], ends: Ends, arrays: Sequence) -> BackwardLoop:
        """The backward loop for the gradients of these arguments, given cotangents of `ends`."""
        key = targets, ends
        if key not in self.backwards:
            derivation = self._derived(targets, ends, arrays)
            self.backwards[key] = BackwardLoop(derivation, self.loop, self.emitter)
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

    def asked(self, needed: Sequence[bool], g: Sequence, arrays: Sequence) -> BackwardLoop:
        """The backward loop for the cotangents of the `needed` arguments from those in `g` that are not None.

        `g` has a cotangent or None for each value in `made`.
        """
        given = tuple([dz is not None for dz in g])
        key = tuple(needed), given
        if key not in self._asked:
            program, count = self.program, len(self.program.carries)
            targets = self.active.intersection(v for v, on in zip(program.arguments, needed, strict=True) if on)
            finals = [after for (_, after), on in zip(program.carries, given, strict=False) if on]
            ys = [v for v, on in zip(program.outputs, given[count:], strict=True) if on]
            self._asked[key] = self.backward(targets, self.ends(ys, finals), arrays)
        return self._asked[key]

    def unrolled(self, arguments: Sequence, n: int, reverse: bool) -> tuple:
        """The loop unrolled, on tensors: the carries after the last step, and the outputs."""
        program = self.program
        env = dict(zip(program.arguments, arguments, strict=True))
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
