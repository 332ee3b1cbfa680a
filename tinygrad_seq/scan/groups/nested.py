"""A loop in the step of another loop, and its derivative there: the inner loop runs whole at every outer step.

Its rows, stacks and accumulators are memory of the outer step. What a derivation leaves around its loop, such
as operations on constants and sums of results, is assigned to the outer step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from tinygrad_seq.scan.groups.assignments import Access, Assignments, Inner, UnsupportedError
from tinygrad_seq.scan.groups.grouping import grouped
from tinygrad_seq.scan.groups.lowering import again, lower, number_of
from tinygrad_seq.scan.groups.maps import Map, contiguous, dropped, sliced
from tinygrad_seq.scan.groups.views import place
from tinygrad_seq.scan.program import NOTHING, Operation, Program, taken_apart


def scan(found: Assignments, call: Operation) -> None:
    """The op of a loop."""
    how = call.metadata()["call"]
    loop = how.what.loop
    finals, kept, _ = _looped(found, loop.program, loop.kept, how.n, how.reverse, call.inputs)
    for z, x in zip(call.outputs, [*finals, *kept], strict=True):
        found.view(z, x, found.place(x)[1])


def closed(found: Assignments, call: Operation) -> None:
    """The pullback of a loop, or a segment of a loop that recomputes."""
    function = call.metadata()["function"]
    if hasattr(function, "backward"):
        results = _pulled(found, function, call.inputs)
    elif hasattr(function, "compiled"):
        program = function.compiled.program
        results = _run(found, program, list(call.inputs), function.n, function.reverse)
    else:
        raise UnsupportedError(f"{call.op.name} {function!r}")
    for z, x in zip(call.outputs, results, strict=True):
        found.view(z, x, found.place(x)[1])


def _pulled(found: Assignments, function, inputs: Sequence[int]) -> list[int]:
    """The cotangents that a pullback computes."""
    back = function.backward()
    program = back.program
    arrays, kept, g = function.split(inputs)
    known = [*arrays, *kept, *g]
    given = [
        _filled(found, 0, program.values[v]) if known[i] is None else known[i]
        for v, i in zip(program.arguments, back.places, strict=True)
    ]
    results = _run(found, program, given, function.call.n, not function.call.reverse)
    shares = []
    for share in itertools.compress(back.shares, function.needed):
        x = results[share[0]]
        for i in share[1:]:
            x = found.made("add", (x, results[i]), *found.values[x])
        shares.append(x)
    return shares


def _run(found: Assignments, program: Program, given: Sequence[int], n: int, reverse: bool) -> list[int]:
    """The carries after `n` steps of a program, its outputs of all steps, and its totals."""
    parts = taken_apart(program, NOTHING)
    env = dict(zip(program.arguments, given, strict=True))
    env |= {v: _filled(found, number_of(x), program.values[v]) for v, x in program.numbers.items()}
    for call in parts.constant:
        env.update({v: found.new(*program.values[v]) for v in call.outputs})
        outputs = tuple(env[v] for v in call.outputs)
        lower(found, call._replace(inputs=tuple(env[v] for v in call.inputs), outputs=outputs))
    loop = parts.loop
    arguments = [env[v] for v in loop.arguments]
    last, stacks, sums = _looped(found, loop, loop.outputs, n, reverse, arguments)
    ends = dict(zip(loop.carries, last, strict=True))
    made = dict(zip(loop.outputs, stacks, strict=True))
    totals = dict(zip(loop.totals, sums, strict=True))
    return [
        *(ends[pair] if pair in ends else env[pair[0]] for pair in program.carries),
        *(made[v] if v in made else _repeated(found, program, env[v], v, n) for v in program.outputs),
        *(totals[v] if v in totals else _total(found, program, env[v], v, n) for v in program.totals),
    ]


def _repeated(found: Assignments, program: Program, x: int, v: int, n: int) -> int:
    """The stack of a value that the loop does not compute: of an input, or of a constant, which is repeated."""
    if v in program.inputs:
        return x
    shape, dtype = program.values[v]
    z = found.new((n, *shape), dtype)
    base, m = found.place(x)
    found.view(z, base, Map(m.offset, (0, *m.strides)))
    return z


def _total(found: Assignments, program: Program, x: int, v: int, n: int) -> int:
    """The sum over all steps of a value that is no result of the loop: of an input, or of a constant."""
    shape, dtype = program.values[v]
    if v not in program.inputs:
        return found.made("multiply", (x, found.number(n, x)), shape, dtype)
    total = found.new(shape, dtype)
    found.sum(x, (0,), total)
    return total


def _filled(found: Assignments, x, spec) -> int:
    """A value all of whose elements are a number."""
    v = found.new(*spec)
    few = found.number(x, v)
    found.view(v, few, Map(0, (0,) * len(spec.shape)))
    return v


def _looped(
    found: Assignments, program: Program, kept: Sequence[int], n: int, reverse: bool, arguments: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Assign a loop; the outer values of its last carries, of what it keeps, and of its totals."""
    inner = again(found, program, tuple(kept))
    made = grouped(inner)
    given = dict(zip(program.arguments, arguments, strict=True))
    memory: dict[int, tuple[int, int]] = {}
    rows: list[int] = []
    finals: list[int] = []
    stacks: dict[int, int] = {}
    for j, ((before, _), on) in enumerate(zip(program.carries, made.wide, strict=True)):
        shape, dtype = program.values[before]
        all_rows = found.new((n + 1 if on else 2, *shape), dtype)
        first, last = (0, n) if on else (0, n % 2)
        if on and reverse:
            first, last = last, first
        whole = contiguous(found.shape(all_rows))
        place(found, given[before], all_rows, dropped(whole, 0, first))
        rows.append(all_rows)
        finals.append(found.new(shape, dtype))
        found.view(finals[-1], all_rows, dropped(whole, 0, last))
        if on:
            for v, holder in inner.kept.items():
                if v == before or holder == inner.carries[j]:
                    start = 0 if (v == before) != reverse else 1
                    stacks[v] = found.new((n, *shape), dtype)
                    found.view(stacks[v], all_rows, sliced(whole, 0, start))
    for v in (*program.inputs, *program.constants):
        memory[v] = _in_rows(found, given[v])
    for v in kept:
        if v not in stacks:
            stacks[v] = found.new((n, *program.values[v].shape), program.values[v].dtype)
            memory[inner.kept[v]] = stacks[v], 0
    totals: list[int] = []
    for v in program.totals:
        holder = inner.totals[v]
        total = found.new(*inner.values[holder])
        found.assign("convert", (found.number(0, total),), total)
        memory[holder] = total, 0
        totals.append(found.new(*program.values[v]))
    scratch = found.new((made.size,), np.uint8) if made.size else None
    read = [*rows, *(v for v, _ in memory.values())]
    reads = tuple(Access(v, contiguous(found.shape(v))) for v in dict.fromkeys(read))
    outs = [*rows, *(memory[h][0] for h in {*inner.kept.values(), *inner.totals.values()} if h in memory)]
    writes = (*dict.fromkeys(outs), *([] if scratch is None else [scratch]))
    found.items.append(Inner(made, n, reverse, tuple(rows), memory, scratch, reads, writes))
    for v, z in zip(program.totals, totals, strict=True):
        found.assign("convert", (memory[inner.totals[v]][0],), z)
    return finals, [stacks[v] for v in kept], totals


def _in_rows(found: Assignments, x: int) -> tuple[int, int]:
    """The value whose memory has x in C order, and the place of its first element: a copy, if there is none."""
    base, m = found.place(x)
    if base in found.numbers or m.strides != contiguous(found.shape(x)).strides:
        return found.made("convert", (x,), found.shape(x), found.values[x].dtype), 0
    return base, m.offset
