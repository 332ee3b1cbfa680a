"""A step that computes with other values at every call: with draws, say, or the next items of an iterator.

In the Python loop such a value is another one at every step. In a step that is recorded once, it would be the
same at all of them. So a step that makes values of its own (numbers, arrays, tensors from data) is recorded a
second time before it first runs with these values, and refused if the two recordings differ. If the values do
not change from scan to scan, the step is called twice by the first scan only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.record import Line
from tinygrad_seq.scan.program import key_of
from tinygrad_seq.scan.recording.step import Step
from tinygrad_seq.tensor.tensor import Tensor


def made(recorded: Step, used: Sequence[int]) -> dict[int, tuple[Line, Any]]:
    """The values that the step makes itself, as arrays, with their lines, by their order in the program."""
    values = enumerate(recorded.captured(used))
    return {
        i: (line, x._array if isinstance(x, Tensor) else backend.array(x))
        for i, (line, x) in values
        if line in recorded.trace.fresh
    }


def hash_of_made(recorded: Step, used: Sequence[int]) -> int | None:
    """A hash of the values that the step makes itself; None if it makes none."""
    if not recorded.trace.fresh:
        return None
    parts = [(x.shape, x.dtype, backend.to_numpy(x).tobytes()) for _, x in made(recorded, used).values()]
    return hash(tuple(parts)) if parts else None


def refuse_another(first: Step, second: Step) -> None:
    """RuntimeError if two recordings of a step differ."""
    before, after = made(first, first.used), made(second, second.used)
    changed = next((i for i, (_, x) in before.items() if i in after and not backend.same(x, after[i][1])), None)
    if changed is not None:
        (line, x), (_, y) = before[changed], after[changed]
        values = "" if x.shape else f": {x!s} first, then {y!s}"
        found = f"computes with another {describe(x)}{first.use_of(line)}{values}"
    elif key_of(first.program) != key_of(second.program):
        found = "calls other operations"
    else:
        return
    raise RuntimeError(
        f"the step of a scan is recorded once for all time steps, but when it is called again it {found}. A "
        f"draw, or the next item of an iterator, would be the same at all steps: draw before the loop and pass "
        f"the values as an input, xs, or run the Python loop with nn.Recurrent(..., unroll=True)"
    )
