"""The activations of a cell's gates as one operation, on gates that lie in one piece each.

    i, f, g, o = split(a)                        a = transpose(reshape(a))    gates along the first axis
    sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)  unstack(gates(a))

Sigmoid is a tanh, sigmoid(x) = tanh(x / 2) / 2 + 1/2, so that z = s tanh(s x) + 1 - s is either, with
s = 1/2 or s = 1. Where all parts of a split go through one of the two, one pass over memory takes the place
of several over its parts; and what is done with a part later runs through memory in one piece, which takes
half the time of rows cut out of longer ones. (Features before batch does that too, but the products over all
steps, which read rows of T times B, would have to copy.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.ops.shape import reshape, transpose, unstack
from tinygrad_seq.scan.program import Operation, Program, Spec

ACTIVATIONS = {"sigmoid": 0.5, "tanh": 1.0}


@lru_cache(maxsize=128)
def scale(kinds: tuple[str, ...], axis: int, dtype: np.dtype, device: str):
    """s: 1/2 where the function is the sigmoid, 1 where it is tanh, along an axis counted from the last."""
    s = np.reshape(np.asarray([ACTIVATIONS[kind] for kind in kinds], dtype), (-1, *[1] * (-1 - axis)))
    return backend.asarray(s, device)


def _gates(x, /, kinds, axis):
    """z = s tanh(s x) + 1 - s: the sigmoid where s = 1/2, tanh where s = 1"""
    s = scale(kinds, axis, x.dtype, backend.device_of(x))
    return s * np.tanh(s * x) + (1 - s)


def slope(z, kinds, axis):
    """dz/dx = z (1 - z) for the sigmoid, (1 + z) (1 - z) for tanh."""
    one = 2 * scale(kinds, axis, z.dtype, backend.device_of(data_of(z))) - 1
    return (z + one if "tanh" in kinds else z) * (1 - z)


GATES = Primitive(_gates, examples=[example("(2,5)", kinds=("sigmoid", "tanh"), axis=-2)])
GATES.vjp(lambda g, z, kinds, axis: g * slope(z, kinds, axis))
GATES.jvp(lambda g, z, kinds, axis: g * slope(z, kinds, axis))
GATES.rides(kinds=lambda kinds: kinds, axis=lambda axis: axis)
for op in (GATES, reshape.primitive, transpose.primitive, unstack.primitive):
    op.finish()  # which its first call does, but here programs hold it without one


class Gathered(NamedTuple):
    """A split whose parts go through activations: what is split, the activations, and what comes out.

    gone  the calls whose work is done with it
    """

    argument: int
    kinds: tuple[str, ...]
    outputs: tuple[int, ...]
    gone: tuple[Operation, ...]


def gathered(program: Program) -> Program:
    """`program`, with one operation for the activations of all parts of a split, wherever it has them."""
    uses: dict[int, list[Operation | None]] = {v: [None] for v in program.outputs}
    for _, after in program.carries:
        uses.setdefault(after, []).append(None)
    for call in program.operations:
        for v in call.inputs:
            uses.setdefault(v, []).append(call)
    makers = {v: call for call in program.operations for v in call.outputs}

    splits = {call.outputs[0]: _gathered(call, uses, makers, program) for call in program.operations}
    gone = {call.outputs[0] for found in splits.values() if found for call in found.gone}
    values, operations, names = list(program.values), [], dict(program.names)
    for call in program.operations:
        if found := splits[call.outputs[0]]:
            operations += _operations(found, values, call.quiet)
            for v, z in zip(call.outputs, found.outputs, strict=True):  # i = split(a)[0] names sigmoid(i)
                if v in names:
                    names.setdefault(z, names[v])
        elif call.outputs[0] not in gone:
            operations.append(call)
    return replace(program, values=tuple(values), operations=tuple(operations), names=names)


def _gathered(
    call: Operation, uses: Mapping[int, Sequence], makers: Mapping[int, Operation], program: Program
) -> Gathered | None:
    """A split of the last axis in equal parts, with an activation before it, or one of every part behind it."""
    specs = [program.values[v] for v in call.outputs]
    if call.op.name != "split" or len(set(specs)) > 1 or len(specs) < 2 or specs[0].dtype.kind != "f":
        return None
    if call.metadata()["axis"] not in (-1, len(specs[0].shape) - 1):
        return None

    def activations(calls: Iterable[Operation | None]) -> bool:
        return all(c is not None and c.op.name in ACTIVATIONS and c.quiet == call.quiet for c in calls)

    behind = [use for v in call.outputs for use in uses.get(v, [None])]
    if len(behind) == len(specs) and activations(behind):
        kinds = tuple(use.op.name for use in behind)
        return Gathered(call.inputs[0], kinds, tuple(use.outputs[0] for use in behind), tuple(behind))
    before = makers.get(call.inputs[0])
    if before is not None and activations([before]) and len(uses[call.inputs[0]]) == 1:
        return Gathered(before.inputs[0], (before.op.name,) * len(specs), call.outputs, (before,))
    return None


def _operations(found: Gathered, values: list[Spec], quiet: bool) -> list[Operation]:
    """The calls that take the place of a split and its activations."""
    *lead, width = values[found.argument].shape
    count, rank = len(found.kinds), len(lead)
    made: list[Operation] = []

    def step(op: Primitive, v: int, meta: tuple, shape: tuple[int, ...]) -> int:
        values.append(Spec(shape, values[v].dtype))
        made.append(Operation(op, (v,), meta, (len(values) - 1,), quiet))
        return len(values) - 1

    shape = (*lead, count, width // count)
    v = step(reshape.primitive, found.argument, (shape,), shape)
    order = (rank, *range(rank), rank + 1)
    shape = tuple(shape[axis] for axis in order)
    v = step(transpose.primitive, v, (order,), shape)
    v = step(GATES, v, (found.kinds, -len(shape)), shape)
    return [*made, Operation(unstack.primitive, (v,), (0,), found.outputs, quiet)]
