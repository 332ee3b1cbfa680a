"""Finding the wrong rule: each rule on a tape is tested separately, at the values that it had in the call.

The function is called once more, while every op on its tape notes the arguments of its forward function and the
place of the call. Then each of these calls is compared, for one argument at a time, with finite differences of
that forward function.
"""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import tinygrad_seq
from tinygrad_seq.engine import backend, recording
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.record import Record, next_serial
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.testing.differences import (
    DisagreementError,
    Sequenced,
    agree_along,
    leaf,
    noise,
    pullback,
    sequence,
)

OURS = (str(Path(tinygrad_seq.__file__).parent), str(Path(np.__file__).parent), "<the call of ")


class Noted(NamedTuple):
    """A call of a forward function: its arrays and metadata, and the line of user code that led to it."""

    arrays: tuple[np.ndarray, ...]
    meta: dict[str, object]
    line: str


def suspects(f: Sequenced, arrays: Sequence[np.ndarray], order: int, device: str) -> Iterator[str]:
    """Lines for every rule on the tape of f(*arrays) that is wrong there, to first or to second order."""
    found = False
    seen = set()
    leaves = [leaf(a, device) for a in arrays]
    for record, noted in calls_on_tape(f, leaves):
        for i, line in enumerate(record.inputs):
            if line is None or (record.op, i, noted.line) in seen:
                continue
            if complaint := wrong(record, noted, i, order, device):
                seen.add((record.op, i, noted.line))
                yield from (f"  suspect: {complaint}", f"    called at {noted.line}")
                found = True
    if not found:
        yield (
            "  no rule is suspect: each is right at these values; look for a value that leaves the tape "
            "(.numpy(), .data, detach, no_grad), or for a kink (abs, max, relu, where) within a small step"
        )


def calls_on_tape(f: Sequenced, leaves: Sequence[Tensor]) -> list[tuple[Record, Noted]]:
    """The records of f(*leaves), oldest first, each with the call of its op."""
    noted: dict[int, Noted] = {}
    with noting([record.op for record in records(f, leaves)], noted):
        made = records(f, leaves)
    return [(record, noted[record.serial]) for record in made if record.serial in noted]


def records(f: Sequenced, leaves: Sequence[Tensor]) -> list[Record]:
    """The tape of f(*leaves), without its leaves."""
    with np.errstate(all="ignore"):
        lines = [z.line for z in f(*leaves) if z.line is not None]
    return [record for record in tape(lines) if record.op is not None]


@contextmanager
def noting(ops: Iterable[Declaration], noted: dict[int, Noted]) -> Iterator[None]:
    """In this context, every call of one of `ops` is put into `noted`, by the serial of its record."""
    before = {op: op.forward for op in ops}
    for op, forward in before.items():
        op.forward = _note(op, forward, noted)
        recording.specialise(op)
    try:
        yield
    finally:
        for op, forward in before.items():
            op.forward = forward
            recording.specialise(op)


def _note(op: Declaration, forward: Callable[..., Any], noted: dict[int, Noted]) -> Callable[..., Any]:
    signature = inspect.signature(forward)

    def note(*args: object, **kwargs: object) -> Any:
        z = forward(*args, **kwargs)
        given = signature.bind(*args, **kwargs).arguments
        arrays = [given[name] for name in op.arguments] + list(given.get(op.variadic or "", ()))
        meta = {p.name: given[p.name] for p in op.metadata if p.name in given}
        noted[next_serial() + 1] = Noted(
            tuple(np.array(backend.to_numpy(x)) for x in arrays), meta, users_line()
        )
        return z

    return note


def users_line() -> str:
    """The innermost line of the stack outside this package and NumPy: file, number and text."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OURS):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{number}  {linecache.getline(file, number).strip()}".rstrip()


def wrong(record: Record, noted: Noted, i: int, order: int, device: str) -> str | None:
    """A text about the rule of the i-th argument of a record, if it is wrong at that call; else None."""
    op, rng = record.op, np.random.default_rng(0)
    on_tape = [k for k, line in enumerate(record.inputs) if line is not None]
    name = op.arguments[i] if i < len(op.arguments) else f"{op.variadic}[{i - len(op.arguments)}]"
    rule = f"VJP rule of {name} in {op.name}({', '.join(map(describe, noted.arrays))}){declared(op, i)}"

    def of(places: Sequence[int]) -> Sequenced:
        """The op as a function of only the arguments at `places`."""

        def f(*xs: Tensor) -> Sequence[Tensor]:
            at = dict(zip(places, xs, strict=True))
            rest = [backend.asarray(a, device) for a in noted.arrays]
            return sequence(op.function(*(at.get(k, a) for k, a in enumerate(rest)), **noted.meta))

        return f

    try:
        what = f"the {rule}"
        gs = [noise(rng, shape) for shape in record.shapes]
        agree_along(of([i]), [noted.arrays[i]], gs, rng, what, "difference", device)
        if order > 1:
            what, pulled = f"the derivative of the {rule}", pullback(of(on_tape), gs)
            us = [noise(rng, noted.arrays[i].shape)]
            xs = [noted.arrays[k] for k in on_tape]
            agree_along(lambda *xs: [pulled(*xs)[on_tape.index(i)]], xs, us, rng, what, "difference2", device)
    except DisagreementError as error:
        return (
            f"{what}\n    derivative {error.found:.9g}  differences {error.expected:.9g}  relative error "
            f"{error.error:.1e}, along a random direction"
        )
    except Exception as error:  # the rule itself raises an error
        return f"{what}\n    {type(error).__name__}: {error}"
    return None


def declared(op: Declaration, i: int) -> str:
    """The place in the source where the rule of the i-th argument is declared, as text."""
    rule = op.joint_rule or (op.rules[i] if i < len(op.rules) else None)
    code = getattr(rule and rule.function, "__code__", None)
    return f", declared at {code.co_filename}:{code.co_firstlineno}" if code else ""
