"""`explain`: prints the program that scan runs for a step and for its derivative, as equations and as source.

The loops are exactly those that scan would run. The operations that scan lifts out of a loop are ordinary
calls, which the tape differentiates. `explain` derives them by the same rules, so that the printed backward
pass is complete: the backpropagation-through-time equations of a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from tinygrad_seq.engine import backend
from tinygrad_seq.scan.backward import Backward, Ends, derived, reached
from tinygrad_seq.scan.differentiable import Differentiable, first_step
from tinygrad_seq.scan.emitter import chosen
from tinygrad_seq.scan.emitters import NUMPY, Emitter, Ready, emitter_of, obstacle
from tinygrad_seq.scan.equations import Equation, equations, spelled, transposes
from tinygrad_seq.scan.execute import sums
from tinygrad_seq.scan.groups.printed import told as in_groups
from tinygrad_seq.scan.program import Operation, Parts, Program, Spec, rides, taken_apart
from tinygrad_seq.scan.recording.step import Step, steps_of
from tinygrad_seq.tensor.tensor import Tensor


class Explanation:
    """The program of a step and of its derivative; print it to read it.

    memory  the bytes that are kept for the backward pass, per step

    >>> import numpy as np, tinygrad_seq as ts
    >>> w = ts.tensor(0.5, requires_grad=True)
    >>> ts.explain(lambda h, x: (ts.tanh(w * h + x), None), ts.tensor(0.0), np.ones(3, np.float32)).memory
    4
    """

    def __init__(
        self, program: Program, emitter: Emitter, wanted: frozenset[int], arrays: Sequence, steps: str
    ) -> None:
        self.program, self.emitter, self.steps = program, emitter, steps
        self.parts = taken_apart(program, emitter.forward)
        self.env = first_step(program, arrays)
        self.live = reached(program, wanted)
        loop = self.parts.loop
        rows = [backend.array(self.env[v])[None] if v in loop.inputs else self.env[v] for v in loop.arguments]
        what = Differentiable(loop, frozenset(self.live.intersection(loop.arguments)), rows, emitter)
        self.loop = what.loop
        finals = [after for _, after in loop.carries]
        self.back = what.backward(what.active, what.ends(loop.outputs, finals), rows) if what.active else None
        stored = self.loop.stored if self.back else ()
        self.memory: int = sum(size(program.values[v]) for v in stored)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        program, parts = self.program, self.parts
        yield f"forward, {self.steps}"
        yield from section("constant", told(parts.constant, program))
        yield from section("before, for all t at once", told(parts.before, program))
        yield from running(self.loop)
        yield from section("after, for all t at once", told(parts.after, program))
        if self.emitter is NUMPY:
            yield from section("\nwhat could not be lifted out of the loop", list(why(parts, program)))
            if chosen() == "c" and (reason := obstacle(program)):
                yield f"\nthe loop runs as NumPy, because {reason}"
        if self.back:
            yield f"\nkept for the backward pass, {self.memory} bytes of every step"
            yield f"    {', '.join(self._kept())}"
        yield from self._backward()

    def _kept(self) -> Iterator[str]:
        """The values kept of all steps, with the bytes of each per step; a split by the names of its parts."""
        names, parts = spelled(self.program), {}
        for call in self.parts.loop.operations:
            if call.op.name in ("split", "unstack"):
                parts[call.inputs[0]] = " ".join(names[v] for v in call.outputs)
        for v in self.loop.stored:
            yield f"{parts.get(v, names[v])} {size(self.program.values[v])}"

    # --- the backward pass ----------------------------------------------------------------------------

    def _backward(self) -> Iterator[str]:
        """The derivative of the operations after the loop, of the loop, and of the operations before it."""
        before: list[str] = []
        after: list[str] = []
        loop: list[str] = []
        constant: list[str] = []
        told_of: set[str] = set()
        cotangents: dict[int, str] = {}  # the name of the cotangent of a value of the forward pass
        if self.back:
            names = self.back.program.names
            cotangents = {v: names[b] for b, v in self.back.derivation.cotangents.items()}
        if piece := self._derived(self.parts.after, {}, cotangents):
            before += self._piece(piece, told_of)
        if self.back:
            derivation, parts = self.back.derivation, self.back.parts
            constant += told(parts.constant, self.back.program)
            before += told(parts.before, self.back.program)
            loop += running(self.back.loop)
            after += self._piece(derivation, told_of, parts)
            cotangents = {v: derivation.program.names[bs[0]] for v, bs in derivation.gradients.items()}
        if piece := self._derived(self.parts.before, cotangents, {}):
            after += self._piece(piece, told_of)
        if piece := self._derived(self.parts.constant, {}, {}, constant=True):
            after += self._piece(piece, told_of)
        if not (before or loop or after):
            yield "\nno derivative passes through it"
            return
        yield "\nbackward, in the other direction"
        yield from section("constant", constant)
        yield from section("before, for all t at once", before)
        yield from loop
        yield from section("after, for all t at once", after)

    def _derived(
        self,
        calls: Sequence[Operation],
        given: Mapping[int, str],
        found: Mapping[int, str],
        *,
        constant: bool = False,
    ) -> Backward | None:
        """The derivative of lifted calls; None if there is none.

        The names of cotangents that are known: `given` for outputs of the calls, `found` for their arguments.
        """
        program, parts = self.program, self.parts
        made = {v for call in calls for v in call.outputs}
        read = {v for call in calls for v in call.inputs} - made - set(program.numbers)
        others = [call for call in program.operations if made.isdisjoint(call.outputs)]
        ends = (
            {v for call in others for v in call.inputs} | {v for _, v in program.carries} | {*program.outputs}
        )
        ends &= made & self.live
        sources = read & self.live
        if not (ends and sources):
            return None
        fixed = {*program.constants, *(v for call in parts.constant for v in call.outputs)}
        fixed |= {before for before, after in program.carries if before == after}
        inputs = tuple(sorted(read if constant else read - fixed))
        piece = replace(
            program,
            operations=tuple(calls),
            carries=(),
            inputs=inputs,
            constants=tuple(sorted(read.difference(inputs))),
            outputs=tuple(sorted(ends)),
        )
        result = derived(piece, sources, Ends(frozenset(ends), frozenset()), self.env)
        names = dict(result.program.names)
        names |= {b: given.get(v, f"d{program.names[v]}") for b, v in result.cotangents.items()}
        names |= {bs[0]: found[v] for v, bs in result.gradients.items() if v in found}
        return result._replace(program=replace(result.program, names=names))

    def _piece(self, derivation: Backward, told_of: set[str], parts: Parts | None = None) -> Iterator[str]:
        """The equations of a derivative that is computed for all t at once; the gradients come last."""
        program = derivation.program
        calls = parts.after if parts else program.operations
        names, totals = spelled(program), set(program.totals)
        known = equations(program, calls, summed=totals)
        results = {b for bs in derivation.gradients.values() for b in bs}
        yield from named([call for call in calls if results.isdisjoint(call.outputs)], known)
        made = {call.outputs[0]: call for call in calls}
        for v, b in [(v, b) for v, bs in derivation.gradients.items() for b in bs]:
            given = v in {*self.program.inputs, *self.program.constants}
            left = f"d{self.program.names[v]}" if given or b in totals else names[b]
            sign = "+=" if left in told_of or v in self.program.outputs else "="
            told_of.add(left)
            if parts and b in parts.loop.totals:
                yield f"{left} {sign} {names[b]}__sum, added up in the loop"
            elif parts and b in made and sums(made[b], parts, program):
                yield f"{left} {sign} {known[b].right}, as one product"
            elif b in totals or (b in known and not transposes(made[b])):
                yield f"{left} {sign} {known[b].right if b in known else f'sum_t {names[b]}'}"
            elif given and names[b] != left:
                yield f"{left} {sign} {names[b]}"


def explain(
    step: Callable, init, xs=None, *more, length: int | None = None, reverse: bool = False
) -> Explanation:
    """The program that `scan(step, init, xs)` runs, to be printed: the equations of its parts, and the source.

    constant  operations that do not change from step to step, run once
    before    operations that do not depend on the carry, run for all steps at once
    loop      all other operations, run at every step: the source, which writes into preallocated memory. If
              that is C, its groups are printed first: the equations of each loop nest; "-> memory" marks values
              that are stored, all others are in registers
    after     operations that no carry depends on, run for all steps at once

    The backward pass is printed in the same form. There dy is the cotangent of an output, dh_next is the
    cotangent of the carry h that arrives from the next step in time, and dh is their sum. The gradient of a
    constant is a sum over the steps: computed after the loop, as one product if possible, or accumulated in the
    loop.

    For an operation that stays in a NumPy loop although it does not depend on the carry, the reason is printed;
    so are the reason why a loop is NumPy if the emitter is C, and the values that are kept of every step for
    the backward pass. Gradients are computed for the tensors that require one; if none does, for all float
    tensors.

    `explain(ts.vmap(f), *arguments)` prints the same of a function under vmap. Its loop over examples has only
    the operations that do not ride, with the reasons.

    >>> import numpy as np, tinygrad_seq as ts
    >>> w = ts.tensor(0.5, requires_grad=True)
    >>> with ts.emitter("numpy"):  # where a C compiler works, the loop may be C
    ...     ts.explain(lambda h, x: (ts.tanh(w * h + x), None), ts.tensor(0.0), np.ones(3, np.float32))
    forward, t = 0 ... 2
    loop
        def scan(constants, fixed, rows):
            (w,) = constants
            (t1, a,) = fixed
            for x, h, h_new, in rows:
                multiply(w, h, t1)  # w h
                add(t1, x, a)       # a = w h + x
                tanh(a, h_new)      # h_new = tanh(a)
    ...
    """
    as_scan = getattr(step, "as_scan", None)
    if as_scan:
        step, xs = as_scan(*((init,) if xs is None and not more else (init, xs, *more)))
        init = None
    elif more:
        raise TypeError(
            f"explain takes a step, its initial state and its inputs, got {len(more)} more; only the result of "
            f"vmap takes more: put several inputs into one tuple"
        )
    time = "example" if as_scan else "t"
    n = steps_of(xs, length)
    recorded = Step(step, init, xs)
    emitter = NUMPY if as_scan else emitter_of(recorded.program)
    program = emitter.form(recorded.named_program())
    given = recorded.arguments()
    sources = dict(zip(program.arguments, given, strict=True))
    floats = {v: x for v, x in sources.items() if isinstance(x, Tensor) and x.dtype.kind == "f"}
    wanted = {v for v, x in floats.items() if x.line is not None}
    arrays = [x._array if isinstance(x, Tensor) else x for x in given]
    steps = f"{time} = {n - 1} ... 0" if reverse else f"{time} = 0 ... {n - 1}"
    return Explanation(program, emitter, frozenset(wanted or floats), arrays, steps)


def size(spec: Spec) -> int:
    """The bytes of a value at one step."""
    return math.prod(spec.shape) * spec.dtype.itemsize


def running(loop: Ready) -> Iterator[str]:
    """The source of a loop; for C also its groups, each of which is a product or a loop nest of the source."""
    if loop.program.operations:
        groups = getattr(loop, "groups", None)  # of a loop in C
        yield from section("loop, in groups", in_groups(groups()) if groups else [])
        yield from section("loop", loop.source.splitlines())


def told(calls: Sequence[Operation], program: Program) -> list[str]:
    """The equations of calls, without the terms that are written out in other equations."""
    return list(named(calls, equations(program, calls)))


def named(calls: Sequence[Operation], known: Mapping[int, Equation]) -> Iterator[str]:
    """The equations of calls that have a left side, except transposes, which are written W'."""
    for call in calls:
        if known[call.outputs[0]].left and not transposes(call):
            yield str(known[call.outputs[0]])


def section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """A title and the lines under it; nothing, if there are no lines."""
    if lines:
        yield title
        yield from (f"    {line}" for line in lines)


def why(parts: Parts, program: Program) -> Iterator[str]:
    """The reasons why operations that could be lifted are in the loop.

    These operations do not depend on the carry, or no carry depends on them, or a part of them does not depend
    on the carry.
    """
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
    fixed = {*loop.constants, *loop.numbers}
    for call in loop.operations:
        free = not on_carry.intersection(call.inputs)
        if free or not for_carry.intersection(call.outputs):
            where = "does not depend on the carry" if free else "no carry depends on it"
            yield f"{known[call.outputs[0]]}: {where}, but {why_inside(call, program, fixed)}"
        elif call.op.name == "matmul" and call.inputs[0] in joined:
            side_by_side = joined[call.inputs[0]].inputs
            if not on_carry.issuperset(side_by_side):
                w, xs = names[call.inputs[1]], [names[v].removesuffix("_prev") for v in side_by_side]
                apart = " + ".join(f"{x} @ {w}{x}" for x in xs)
                yield f"{known[call.outputs[0]]}: depends on the carry; write {apart}"


def why_inside(call: Operation, program: Program, fixed: set[int]) -> str:
    """The reason why a call is in the loop, if the carries do not require it."""
    op = call.op.name
    if rides(call, program, fixed):
        return "it depends on an operation that does not ride, or one depends on it"
    if not (call.op.signature or call.op.riding):
        return f"{op} has neither a signature nor .rides(...)"
    return "mixed indices do not ride" if op == "getitem" else f"{op} does not ride with these arguments"
