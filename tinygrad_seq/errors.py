"""Words for errors: what was asked, what was given, and what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_seq.primitive import Primitive
    from tinygrad_seq.tape import Record

HABITS = {"dim": "axis", "dims": "axes", "dim0": "axis1", "dim1": "axis2", "keepdim": "keepdims"}


def describe(x: object) -> str:
    """A value in a message: float32[3,4] for anything with a shape and a dtype, else its type and repr."""
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
    return f"{type(x).__name__} {x!r:.40}"


def explain(op: Primitive, error: Exception, arrays: tuple, meta: tuple) -> None:
    """Add to `error` what was called with what and, where the signature tells, why that cannot work."""
    names = [*op.arguments, *(f"{op.variadic}[{i}]" for i in range(len(arrays) - len(op.arguments)))]
    given = [f"{name}: {describe(array)}" for name, array in zip(names, arrays, strict=True)]
    given += [f"{p.name}={value!r}" for p, value in zip(op.metadata, meta, strict=True)]
    reason = op.signature and op.signature.mismatch(names, [np.shape(array) for array in arrays])
    error.add_note(f"in {op.name}({', '.join(given)})" + (f": {reason}" if reason else ""))


def refuse(op: Primitive, unknown: dict[str, object]) -> None:
    """Metadata that `op` does not have; PyTorch's names are translated."""
    hints = [f"; {name} is called {HABITS[name]} here, as in NumPy" for name in unknown if name in HABITS]
    takes = ", ".join(p.name for p in op.metadata)
    raise TypeError(f"{op.name} has no argument {', '.join(unknown)}: it takes {takes}{''.join(hints)}")


def call_of(record: Record) -> str:
    """The call behind a record: matmul(x: float32[3,4], y: constant)."""
    op = record.op
    if op is None:
        return "a leaf"
    names = [*op.arguments, *[op.variadic] * (len(record.inputs) - len(op.arguments))]
    given = [
        f"{name}: " + ("constant" if line is None else describe(_Made(*line)))
        for name, line in zip(names, record.inputs, strict=True)
    ]
    given += [f"{p.name}={value!r}" for p, value in zip(op.metadata, record.meta, strict=True)]
    return f"{op.name}({', '.join(given)})"


class _Made:
    """One output of a record, as `describe` wants it."""

    def __init__(self, record: Record, i: int) -> None:
        self.shape, self.dtype = record.shapes[i], record.dtypes[i]
