"""The activations of the gates of a cell as one operation, with each gate in contiguous memory.

    i, f, g, o = split(a)                        a = transpose(reshape(a))    gates along the first axis
    sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)  unstack(gates(a))

A sigmoid is a scaled tanh, sigmoid(x) = tanh(x / 2) / 2 + 1/2, so z = s tanh(s x) + 1 - s is the sigmoid for
s = 1/2 and tanh for s = 1. If every part of a split goes through one of the two, one pass over memory replaces
one pass per part. Later operations on a part read contiguous memory, which takes half the time of rows that are
slices of longer rows. (An array with features before batch has contiguous gates, too, but then the products
over all steps, which read T times B rows, would have to copy.)
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
from tinygrad_seq.ops.joining import unstack
from tinygrad_seq.ops.shape import reshape, transpose
from tinygrad_seq.scan.program import Operation, Program, Spec

ACTIVATIONS = {"sigmoid": 0.5, "tanh": 1.0}


@lru_cache(maxsize=128)
def scale(kinds: tuple[str, ...], axis: int, dtype: np.dtype, device: str):
    """s, 1/2 for the sigmoid and 1 for tanh, along an axis counted from the end."""
    s = np.reshape(np.asarray([ACTIVATIONS[kind] for kind in kinds], dtype), (-1, *[1] * (-1 - axis)))
    return backend.asarray(s, device)


def _gates(x, /, kinds, axis):
    """z = s tanh(s x) + 1 - s: the sigmoid for s = 1/2, tanh for s = 1"""
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
    op.finish()  # usually done by the first call, but programs use these ops without calling them


class Gathered(NamedTuple):
    """A split whose parts go through activations: the value that is split, the activations and their outputs.

    gone  the calls of the activations, which it replaces together with the split
    """

    argument: int
    kinds: tuple[str, ...]
    outputs: tuple[int, ...]
    gone: tuple[Operation, ...]


def gathered(program: Program) -> Program:
    """`program`, with one operation for the activations of all parts of a split, wherever that is possible."""
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
            for v, z in zip(
                call.outputs, found.outputs, strict=True
            ):  # sigmoid(i) gets the name of i = split(a)[0]
                if v in names:
                    names.setdefault(z, names[v])
        elif call.outputs[0] not in gone:
            operations.append(call)
    return replace(program, values=tuple(values), operations=tuple(operations), names=names)


def _gathered(
    call: Operation, uses: Mapping[int, Sequence], makers: Mapping[int, Operation], program: Program
) -> Gathered | None:
    """`call` as Gathered, if it splits the last axis into equal parts, with activations; else None.

    The activation is either applied to every part after the split, or to the whole before it.
    """
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
    """The calls that replace a split and its activations."""
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
