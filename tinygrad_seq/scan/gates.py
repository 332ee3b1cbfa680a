"""The activations of a cell's gates as one operation.

    i, f, g, o = split(a)                        z = gates(a)
    sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)  split(z)

Sigmoid is a tanh, sigmoid(x) = tanh(x / 2) / 2 + 1/2, so that z = s tanh(s x) + 1 - s is either, with
s = 1/2 or s = 1. Where all parts of a split go through one of the two, one pass over memory in one piece
takes the place of several over its parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from tinygrad_seq.primitive import Primitive
from tinygrad_seq.scan.program import Operation, Program
from tinygrad_seq.signature import example

Kinds = tuple[tuple[int, str], ...]  # along the last axis: so many elements go through that function


@lru_cache(maxsize=128)
def scale(kinds: Kinds, dtype: np.dtype) -> np.ndarray:
    """s: 1/2 where the function is the sigmoid, 1 where it is tanh."""
    return np.concatenate([np.full(size, 0.5 if kind == "sigmoid" else 1.0, dtype) for size, kind in kinds])


def _gates(x, /, kinds):
    """z = s tanh(s x) + 1 - s: the sigmoid where s = 1/2, tanh where s = 1"""
    s = scale(kinds, x.dtype)
    return s * np.tanh(s * x) + (1 - s)


def slope(z, kinds):
    """dz/dx = z (1 - z) for the sigmoid, (1 + z) (1 - z) for tanh."""
    return (z + (2 * scale(kinds, z.dtype) - 1)) * (1 - z)


GATES = Primitive(_gates, "(n)->(n)", examples=[example("(2,5)", kinds=((2, "sigmoid"), (3, "tanh")))])
GATES.vjp(lambda g, z, kinds: g * slope(z, kinds))
GATES.jvp(lambda g, z, kinds: g * slope(z, kinds))
GATES.finish()  # which its first call would do, but programs alone hold it


def gathered(program: Program) -> Program:
    """`program`, with one operation for the activations of all parts of a split, wherever it has them."""
    wanted = {*program.outputs, *(after for _, after in program.carries)}
    uses: dict[int, list[Operation]] = {}
    for call in program.operations:
        for v in call.inputs:
            uses.setdefault(v, []).append(call)

    values, operations, gone, names = list(program.values), [], set[int](), dict(program.names)
    for call in program.operations:
        if call.outputs[0] in gone:
            continue
        activations = [uses.get(v, []) for v in call.outputs]
        if wanted.intersection(call.outputs) or not _gathers(call, activations, program):
            operations.append(call)
            continue
        functions = [use[0] for use in activations]
        kinds = tuple((values[v].shape[-1], f.op.name) for v, f in zip(call.outputs, functions, strict=True))
        z = len(values)
        values.append(values[call.inputs[0]])
        operations.append(Operation(GATES, call.inputs, (kinds,), (z,), call.quiet))
        operations.append(call._replace(inputs=(z,), outputs=tuple(f.outputs[0] for f in functions)))
        for v, f in zip(call.outputs, functions, strict=True):  # i = split(a)[0] is now the name of sigmoid(i)
            if v in names:
                names.setdefault(f.outputs[0], names[v])
        gone.update(f.outputs[0] for f in functions)
    return replace(program, values=tuple(values), operations=tuple(operations), names=names)


def _gathers(call: Operation, activations: Sequence[list[Operation]], program: Program) -> bool:
    """Whether a call splits the last axis into parts that go through an activation each, and nowhere else."""
    if call.op.name != "split" or not all(len(use) == 1 for use in activations):
        return False
    functions = [use[0] for use in activations]
    last = len(program.values[call.inputs[0]].shape) - 1
    alike = all(f.op.name in ("sigmoid", "tanh") and f.quiet == call.quiet for f in functions)
    alike = alike and program.values[call.inputs[0]].dtype.kind == "f"
    return alike and len(functions) > 1 and call.metadata()["axis"] in (-1, last)
