"""`explain`: what scan makes of a step, and of its derivative, as equations and as source.

What is printed is derived anew from the recorded step, with all its gradients, so that it is whole: the
backpropagation-through-time equations of a network, written by the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from tinygrad_seq.scan.backward import Backward, derived, not_pointwise, reached
from tinygrad_seq.scan.differentiable import first_step
from tinygrad_seq.scan.equations import equations, spelled, transposes
from tinygrad_seq.scan.gates import gathered
from tinygrad_seq.scan.loop import Loop
from tinygrad_seq.scan.naming import identified
from tinygrad_seq.scan.program import Operation, Parts, Program, taken_apart
from tinygrad_seq.scan.step import Step, steps_of
from tinygrad_seq.tensor import Tensor


class Explanation:
    """What scan makes of a step: print it.

    memory  bytes that are kept of every step for the backward pass

    >>> import numpy as np, tinygrad_seq as ts
    >>> w = ts.tensor(0.5, requires_grad=True)
    >>> ts.explain(lambda h, x: (ts.tanh(w * h + x), None), ts.tensor(0.0), np.ones(3, np.float32)).memory
    4
    """

    def __init__(self, program: Program, sources: frozenset[int], arrays: Sequence, steps: str) -> None:
        self.program, self.steps = program, steps
        self.parts = taken_apart(program)
        self.derivation: Backward | None = None
        saved: set[int] = set()
        live = reached(program, sources)
        ends = [v for v in (*(after for _, after in program.carries), *program.outputs) if v in live]
        if ends:
            cotangents = live.intersection(program.outputs)
            self.derivation = derived(program, sources, cotangents, first_step(program, arrays))
            self.back = taken_apart(self.derivation.program, early=not_pointwise)
            saved = set(self.derivation.reads.values())
        self.loop = Loop(self.parts.loop, saved & inside(self.parts.loop), "scan")
        self.memory: int = self.loop.plan.memory()

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"forward, {self.steps}"
        yield from part(self.parts, self.program, self.loop.code.source)
        if reasons := list(why(self.parts, self.program)):
            yield "\nwhat could not be moved out of the loop"
            yield from (f"    {reason}" for reason in reasons)
        if self.derivation is None:
            yield "\nno derivative passes through it"
            return
        names = ", ".join(self.program.names[v] for v in self.loop.plan.of_all_steps())
        yield f"\nkept for the backward pass, {self.memory} bytes of every step: {names}"
        yield "\nbackward, in the other direction"
        back = self.derivation.program
        yield from part(self.back, back, Loop(self.back.loop, name="backward").code.source)


def explain(step: Callable, init, xs=None, *, length: int | None = None, reverse: bool = False) -> Explanation:
    """What `scan(step, init, xs)` runs, to be printed: the equations of every part, and the loops' source.

    constant  what changes with no step, run once
    before    what needs no carry, run for all steps at once
    loop      what is left, run at every step: the source, which writes into memory that is there already
    after     what no carry needs, run for all steps at once

    and the same of the backward pass, with the gradients that are sums over the steps. It says of what stays
    in the loop although it does not depend on the carry why that is, and what is kept of every step for the
    backward pass. Gradients are those of what requires one, or of every float if nothing does.

    >>> import numpy as np, tinygrad_seq as ts
    >>> w = ts.tensor(0.5, requires_grad=True)
    >>> ts.explain(lambda h, x: (ts.tanh(w * h + x), None), ts.tensor(0.0), np.ones(3, np.float32))
    forward, t = 0 ... 2
    loop
        def scan(constants, fixed, rows, half):
            (w,) = constants
            (a, a1,) = fixed
            for x, h, h_new, in rows:
                multiply(w, h, a)  # a = w * h
                add(a, x, a1)      # a1 = a + x
                tanh(a1, h_new)    # h_new = tanh(a1)
    """
    n = steps_of(xs, length)
    recorded = Step(step, init, xs)
    program = identified(gathered(recorded.named_program()))
    given = recorded.arguments()
    sources = dict(zip(program.arguments, given, strict=True))
    floats = {v for v in sources if program.values[v].dtype.kind == "f"}
    wanted = {v for v in floats if getattr(sources[v], "line", None) is not None}
    arrays = [x._data if isinstance(x, Tensor) else x for x in given]
    steps = f"t = {n - 1} ... 0" if reverse else f"t = 0 ... {n - 1}"
    return Explanation(program, frozenset(wanted or floats), arrays, steps)


def inside(loop: Program) -> set[int]:
    """The values that a loop makes."""
    return {v for call in loop.operations for v in call.outputs} | {before for before, _ in loop.carries}


def part(parts: Parts, program: Program, source: str) -> Iterator[str]:
    """The four parts of a program, as far as there is something in them."""
    names = spelled(program)
    summed = [v for v in program.totals if v not in parts.loop.totals]
    made = {v: call for call in (*parts.constant, *parts.before, *parts.after) for v in call.outputs}

    yield from section("constant", told(parts.constant, program))
    yield from section("before, for all t at once", told(parts.before, program))
    if parts.loop.operations:
        yield from section("loop", source.splitlines())
    totals = [f"sum_t {names[v]}" for v in summed if v not in made]
    yield from section("after, for all t at once", told(parts.after, program, summed) + totals)


def told(calls: Sequence[Operation], program: Program, summed: Collection[int] = ()) -> list[str]:
    """The equations of calls, but for those that stand within others."""
    known = equations(program, calls, summed=summed)
    return [str(known[call.outputs[0]]) for call in calls if not transposes(call) and known[call.outputs[0]].left]


def section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """A title and what stands under it, if anything does."""
    if lines:
        yield title
        yield from (f"    {line}" for line in lines)


def why(parts: Parts, program: Program) -> Iterator[str]:
    """Why operations are in the loop that need no carry, or that no carry needs, or do so in part."""
    names = spelled(program)
    loop = parts.loop
    on_carry = {before for before, _ in loop.carries}
    for call in loop.operations:
        if on_carry.intersection(call.inputs):
            on_carry.update(call.outputs)
    for_carry = {after for _, after in loop.carries}
    for call in reversed(loop.operations):
        if for_carry.intersection(call.outputs):
            for_carry.update(call.inputs)

    known = equations(loop, loop.operations, kept=[v for call in loop.operations for v in call.outputs])
    joined = {call.outputs[0]: call for call in loop.operations if call.op.name == "concatenate"}
    for call in loop.operations:
        free = not on_carry.intersection(call.inputs)
        if free or not for_carry.intersection(call.outputs):
            where = "does not depend on the carry" if free else "no carry depends on it"
            yield f"{known[call.outputs[0]]}: {where}, but {obstacle(call)}"
        elif call.op.name == "matmul" and call.inputs[0] in joined:
            side_by_side = joined[call.inputs[0]].inputs
            if not on_carry.issuperset(side_by_side):
                w, xs = names[call.inputs[1]], [names[v].removesuffix("_prev") for v in side_by_side]
                apart = " + ".join(f"{x} @ {w}{x}" for x in xs)
                yield f"{known[call.outputs[0]]}: depends on the carry; write {apart}"


def obstacle(call: Operation) -> str:
    """Why a call does not ride."""
    op = call.op.name
    if not (call.op.signature or call.op.riding):
        return f"{op} has no signature and no rides"
    return "mixed indices do not ride" if op == "getitem" else f"{op} does not ride with these arguments"
