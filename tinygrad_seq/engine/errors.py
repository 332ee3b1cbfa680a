"""Words for errors: what was asked, what was given, and what to do instead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NoReturn

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.record import Record

HABITS = {  # PyTorch's names, and the names of NumPy that an op may have for them
    "dim": ("axis",),
    "dims": ("axes", "axis"),
    "keepdim": ("keepdims",),
    "correction": ("ddof",),
    "shifts": ("shift",),
    "split_size_or_sections": ("indices_or_sections",),
}
INSTEAD = {
    "dtype": "astype its argument",
    "out": "a result is a new tensor",
    "unbiased": "write ddof=1 for True and ddof=0 for False",
    "descending": "flip the result",
    "where": "choose the elements before, by where or a mask",
    "initial": "combine it with the result",
}


def describe(x: object) -> str:
    """A value in a message: float32[3,4] for anything with a shape and a dtype, else its type and repr."""
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
    return f"{type(x).__name__} {x!r:.40}"


def spelled(op: Declaration, arrays: Sequence[str], meta: tuple) -> str:
    """A call, from descriptions of its arrays: matmul(x: float32[3,4], y: float32[5,2])."""
    given = [f"{name}: {array}" for name, array in zip(_names(op, len(arrays)), arrays, strict=True)]
    given += [f"{p.name}={value!r}" for p, value in zip(op.metadata, meta, strict=True)]
    return f"{op.name}({', '.join(given)})"


def _names(op: Declaration, count: int) -> list[str]:
    return [*op.arguments, *(f"{op.variadic}[{i}]" for i in range(count - len(op.arguments)))]


def explain(op: Declaration, error: Exception, arrays: tuple, meta: tuple) -> None:
    """Add to `error` the call that raised it and, if the signature tells, why that call cannot work.

    Raises TypeError instead if the arrays are not on one device.
    """
    refuse_mixed(op, [(x, i) for i, x in enumerate(arrays) if backend.is_array(x)], len(arrays), error)
    shapes = [np.shape(array) for array in arrays]
    reason = op.signature and op.signature.mismatch(_names(op, len(arrays)), shapes)
    error.add_note(f"in {spelled(op, list(map(describe, arrays)), meta)}" + (f": {reason}" if reason else ""))


def refuse_mixed(op: Declaration, given: Iterable[tuple], count: int, cause: Exception | None = None) -> None:
    """TypeError unless all arrays of a call are on one device.

    `given` pairs each array with its position among the `count` arguments.
    """
    places = {i: backend.device_of(x) for x, i in given}
    if len(set(places.values())) > 1:
        names = _names(op, count)
        where = ", ".join(f"{names[i]} is on {device}" for i, device in places.items())
        raise TypeError(
            f"{op.name} needs all arrays on one device, but {where}: nothing is moved implicitly; move one, "
            f"as in {names[min(places)]}.to({places[max(places)]!r})"
        ) from cause


def refuse_undeclared(op: Declaration) -> NoReturn:
    """TypeError for a use on the tape of an argument whose derivative is not declared."""
    if op.undeclared:
        instead = (
            f"{op.name}.partials(...), .linear(...) or .vjp(...), or {op.name}.no_derivative() if it has none"
        )
    else:
        instead = f"{op.name}.joint_vjp(...), which covers all of *{op.variadic}"
    raise TypeError(
        f"{op.name} is used on the tape and does not declare its derivative, so that its gradient would be "
        f"lost: declare {instead}"
    )


def refuse(name: str, takes: Collection[str], unknown: Iterable[str]) -> NoReturn:
    """TypeError for keywords that the function `name` does not accept; PyTorch's are translated."""
    hints = [
        f"; {theirs} is called {ours} here, as in NumPy"
        for theirs in unknown
        for ours in HABITS.get(theirs, ())
        if ours in takes
    ]
    hints += [f"; instead of {theirs}, {INSTEAD[theirs]}" for theirs in unknown if theirs in INSTEAD]
    lacks = f"{name} has no argument {', '.join(unknown)}: it takes {', '.join(takes)}"
    raise TypeError(lacks + "".join(hints))


def call_of(record: Record) -> str:
    """The call that made a record: matmul(x: float32[3,4], y: constant)."""
    if record.op is None:
        return "a leaf"
    arrays = ["constant" if line is None else output_of(*line) for line in record.inputs]
    return spelled(record.op, arrays, record.meta)


def output_of(record: Record, i: int) -> str:
    """One output of a record: float32[3,4]."""
    return f"{record.dtypes[i]}[{','.join(map(str, record.shapes[i]))}]"
