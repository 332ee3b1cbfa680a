"""Recording a step: the tape of one step of a loop, on which every argument has a line.

While a step is recorded each call of a primitive leaves a `Record` as always, but a complete one: what the
step only captures (a parameter, a constant array, a number) gets a line of its own, so that the step can
be replayed with other values in every place. There is no second tracer: the tape is the program.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.record import Leaf, Line, Record, next_serial
from tinygrad_seq.engine.recording import plain
from tinygrad_seq.scan.traced import Escaped, Traced
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from types import CodeType


HERE = str(Path(__file__).parents[1])
NUMBERS = (float, int, bool)  # exactly: NumPy's float64 is a float as well, but keeps its dtype
Place = tuple["CodeType", int, int]  # the code that called, its line, and its instruction


class Noted(Record):
    """The record of a call in a step, and how it was made; what a walk reads is put together when it asks.

    arguments  the line of every array argument
    arrays     these arrays, those of the first step
    made       the arrays that came out
    quiet      made under no_grad: no derivative passes
    place      where in the user's code
    """

    __slots__ = ("arguments", "arrays", "made", "quiet", "place")

    arguments: tuple[Line, ...]
    arrays: tuple
    made: tuple
    quiet: bool
    place: Place

    @property
    def inputs(self) -> tuple[Line | None, ...]:  # type: ignore[override]
        """The lines that a derivative passes to."""
        count = len(self.arguments)
        passes = [False] * count if self.quiet else self.op.differentiable(count)
        return tuple([line if on else None for line, on in zip(self.arguments, passes, strict=True)])

    @property
    def saved(self) -> tuple:  # type: ignore[override]
        """The arrays that the rules read."""
        op, rest = self.op, self.arrays[len(self.op.arguments) :]
        known: dict[str | None, object] = dict(zip(op.arguments, self.arrays, strict=False))
        known.update({op.variadic: rest, "z": self.made if op.many else self.made[0]})
        known["s"] = tuple(map(np.shape, rest))
        return tuple([known[name] for name in op.reads])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:  # type: ignore[override]
        return tuple([z.shape for z in self.made])

    @property
    def dtypes(self) -> tuple[np.dtype, ...]:  # type: ignore[override]
        return tuple([z.dtype for z in self.made])


class Trace:
    """The records of one step, and what it captured.

    records   the calls, in order
    made      those records and the placeholders: what belongs to the step
    captured  what the step uses from outside, by its line: a Tensor, an array or a number
    numbers   those of Python, by their line, as scalars of the dtype that they take
    names     what the user calls a line, where that is known

    first_order  nothing of what is recorded is differentiated again
    """

    def __init__(self, *, first_order: bool = False) -> None:
        self.first_order = first_order
        self.records: list[Noted] = []
        self.made: set[Record] = set()
        self.captured: dict[Line, object] = {}
        self.numbers: dict[Line, np.generic] = {}
        self.names: dict[Line, str] = {}
        self._constants: dict[int, Line] = {}
        self._tensors: list[Tensor] = []

    def placeholder(self, array, name: str | None = None) -> Traced:
        """A tensor of the step that stands for what comes from outside, step by step."""
        leaf = Leaf(np.shape(array), array.dtype)
        t: Traced = object.__new__(Traced)
        Tensor.__init__(t, array, (leaf, 0))
        self.made.add(leaf)
        self._tensors.append(t)
        if name:
            self.names[leaf, 0] = name
        return t

    def called(self, op: Declaration, given: tuple, arrays: tuple, meta: tuple, out) -> None:
        """Put a call on the tape of the step."""
        outputs: tuple[Tensor, ...] = out if isinstance(out, tuple) else (out,)
        record: Noted = object.__new__(Noted)
        frame = _user()
        record.op, record.serial, record.meta = op, next_serial(), tuple(map(plain, meta)) if meta else ()
        record.arguments = tuple(
            [self.line(x, array, arrays, frame) for x, array in zip(given, arrays, strict=True)]
        )
        record.arrays, record.made, record.buffers = arrays, tuple([t._data for t in outputs]), ()
        record.quiet, record.place = not mode.recording, (frame.f_code, frame.f_lineno, frame.f_lasti)
        for i, t in enumerate(outputs):
            t.line, t.buffer = (record, i), None
            t.__class__ = Traced
        self._tensors += outputs
        self.records.append(record)
        self.made.add(record)

    def line(self, x, array, arrays: tuple = (), frame=None) -> Line:
        """The line of an argument; what has none is captured, and gets one."""
        if isinstance(x, Tensor) and x.line is not None:
            line = x.line
            if line[0] in self.made or line in self.captured:
                if frame is not None and line[0].op is None and line not in self.names:
                    self.names[line] = _name_of(x, frame) or ""
                return line
        elif type(x) in NUMBERS:  # it counts anew wherever it stands
            dtype = np.result_type(*[a if type(a) in NUMBERS else a.dtype for a in arrays])
            line = (Leaf((), dtype), 0)
            self.numbers[line] = dtype.type(x)
        else:
            x = x if isinstance(x, Tensor) else array
            if id(x) in self._constants:
                return self._constants[id(x)]
            line = self._constants[id(x)] = (Leaf(np.shape(array), array.dtype), 0)
        self.captured[line] = x
        if frame is not None:
            self.names[line] = _name_of(x, frame) or ""
        return line

    def varies(self, x) -> bool:
        """Whether x belongs to the step, so that it may be another at every step."""
        return isinstance(x, Tensor) and x.line is not None and x.line[0] in self.made

    def end(self) -> None:
        """The step is over: its tensors no longer stand for anything."""
        for t in self._tensors:
            t._data = Escaped(t._data)  # type: ignore[assignment]  # whatever reads it raises an error


def _user():
    """The innermost frame that does not belong to this package; a cell's equations are the user's."""
    frame = sys._getframe(2)
    inner = frame
    while frame.f_back is not None and frame.f_code.co_filename.startswith((HERE, "<the call of")):
        if frame.f_code.co_name == "__call__":  # a layer or a cell: its variables are the names of the field
            return frame
        frame = frame.f_back
    return frame if frame.f_back is not None else inner


def _name_of(x, frame) -> str | None:
    """What the code in `frame` calls x: a variable, or an attribute of its self."""
    if not (isinstance(x, Tensor) or backend.is_array(x)):
        return None
    variables = frame.f_locals
    for name, value in variables.items():
        if value is x:
            return name
    for name, value in getattr(variables.get("self"), "__dict__", {}).items():
        if value is x:
            return name
    return next((name for name in frame.f_code.co_names if frame.f_globals.get(name) is x), None)
