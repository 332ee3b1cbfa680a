"""Recording a step: the tape of one step of a loop, on which every argument has a line.

While a step is recorded, each call of a primitive leaves a `Record`, as in eager mode, but a complete one: a
value from outside the step (a parameter, a constant array, a number) also gets a line, so that the step can be
replayed with other values for each of its arguments. The tape itself is the program; there is no second tracer.

A step is recorded at every call of scan, and its program is nearly always known. So a trace notes as little as
it can: it numbers the lines as they come, and writes the key of the program on the way. What only a new program
or an error needs is worked out later from what was noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.errors import output_of
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.record import Leaf, Line, Record, next_serial
from tinygrad_seq.engine.recording import immutable, keep, plain
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.scan.recording.places import Place, caller, name_at
from tinygrad_seq.scan.recording.traced import Escaped, Traced
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from types import FrameType

new = object.__new__
UNLIKE = frozenset({int, bool, str, type, type(None)})  # metadata that are equal only if they are the same


class Noted(Record):
    """The record of a call in a step. The fields that a reverse pass reads are computed on demand.

    arguments  the line of every array argument
    arrays     the array arguments, with the values of the first step
    made       the output arrays
    quiet      whether the call was under no_grad, so that no derivative passes
    place      the place of the call in the user's code
    """

    __slots__ = ("arguments", "arrays", "made", "quiet", "place")

    buffers = ()  # nothing that a step made can change

    arguments: tuple[Line, ...]
    arrays: tuple
    made: tuple
    quiet: bool
    place: Place

    @property
    def inputs(self) -> tuple[Line | None, ...]:  # type: ignore[override]
        """The line of every argument that a derivative passes to, None for the others, such as integers."""
        count = len(self.arguments)
        passes = [False] * count if self.quiet else self.op.differentiable(count)
        floats = [line[0].dtypes[line[1]].kind == "f" for line in self.arguments]
        return tuple(
            [line if on and f else None for line, on, f in zip(self.arguments, passes, floats, strict=True)]
        )

    @property
    def saved(self) -> tuple:  # type: ignore[override]
        """The arrays that the rules read."""
        op, rest = self.op, self.arrays[len(self.op.arguments) :]
        known: dict[str | None, object] = dict(zip(op.arguments, self.arrays, strict=False))
        known.update({op.variadic: rest, "z": self.made if op.many else self.made[0]})
        known["s"] = tuple(map(np.shape, self.arrays))
        return tuple([known.get(name) for name in op.reads])

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:  # type: ignore[override]
        return tuple([z.shape for z in self.made])

    @property
    def dtypes(self) -> tuple[np.dtype, ...]:  # type: ignore[override]
        return tuple([z.dtype for z in self.made])


class Trace:
    """The records of one step, and the values that it captured.

    records   the calls, in order
    numbers   the number of every line, in the order in which they came; ~number for a placeholder that the step
              has not used
    key       what the program depends on: for every value from outside its spec, for every call all but arrays
    captured  the values from outside that the step uses, by line: a Tensor, an array, or a number, which is a
              scalar of NumPy if it is a float
    fresh     the lines of those whose value another call of the step may change: numbers that are not literals
              in the code, arrays that can change, and tensors that the step made from data
    names     the user's name of a line, where it is known

    has_read     whether the step read the value of a tensor from outside
    walked       whether rules of derivatives are among the calls
    derivatives  those that the step takes by tensors from outside: the line of one, and the carries and inputs
                 to which the derivative leads
    origins      for every carry and input, the line from which its first value comes, or None
    first_order  the recorded calls will not be differentiated again
    """

    def __init__(self, *, first_order: bool = False) -> None:
        self.first_order = first_order
        self.outer, self.began = cast("Trace | None", mode.trace), next_serial()
        self.has_read = self.walked = False
        self.derivatives: list[tuple[Line, list[Line]]] = []
        self.origins: dict[Line, Line | None] = {}
        self.records: list[Noted] = []
        self.numbers: dict[Line, int] = {}
        self.key: list[tuple] = []
        self.captured: dict[Line, object] = {}
        self.fresh: set[Line] = set()
        self.names: dict[Line, str] = {}
        self._constants: dict[int, tuple[object, Line]] = {}  # by id: the value itself, and its line
        self._tensors: list[Tensor] = []

    def placeholder(self, array, name: str | None = None, origin: Line | None = None) -> Traced:
        """A tensor of the step that stands for a carry or an input, which at first has the line `origin`."""
        line = Leaf(array.shape, array.dtype), 0
        t: Traced = object.__new__(Traced)
        t._array, t.line, t.buffer = array, line, None
        self.origins[line] = origin
        self.numbers[line] = ~len(self.numbers)
        self.key.append(spec_of(array))
        self._tensors.append(t)
        if name:
            self.names[line] = name
        return t

    def called(self, op: Declaration, given: tuple, arrays: tuple, meta: tuple, out) -> None:
        """Record a call on the tape of the step."""
        frame, numbers = caller(3), self.numbers
        lines: list[Line] = []
        inputs: list[int] = []
        for x, array in zip(given, arrays):  # noqa: B905 (strict takes a third longer)
            line = x.line if isinstance(x, Tensor) else None
            number = numbers.get(line, -1)  # type: ignore[arg-type]
            if number < 0:
                line, number = self._first_use(x, array, arrays, out, frame, (op, len(lines)))
            lines.append(line)  # type: ignore[arg-type]
            inputs.append(number)
        sign: tuple = ()
        if meta:
            sign = tuple(map(type, meta)), meta
            if not UNLIKE.issuperset(sign[0]):
                meta = tuple(map(plain, meta))
                sign = hashable(meta)
        record: Noted = new(Noted)
        record.op, record.serial, record.meta, record.arguments = op, next_serial(), meta, tuple(lines)
        record.arrays, record.place = arrays, (frame.f_code, frame.f_lasti)
        record.quiet = quiet = not mode.recording
        self.walked |= mode.walking
        self.records.append(record)
        if isinstance(out, tuple):
            record.made = tuple([t._array for t in out])
            specs = tuple([(z.shape, z.dtype) for z in record.made])
            for i, t in enumerate(out):
                self._own(t, (record, i))
        else:
            z = out._array
            record.made, specs = (z,), (z.shape, z.dtype)
            self._own(out, (record, 0))
        self.key.append((op, tuple(inputs), sign, quiet, specs))

    def _own(self, t: Tensor, line: Line) -> None:
        """Make t, the result of a call, a tensor of the step."""
        t.line, t.buffer = line, None
        t.__class__ = Traced
        self.numbers[line] = len(self.numbers)
        self._tensors.append(t)

    def _first_use(self, x, array, arrays: tuple, out, frame: FrameType, role: tuple) -> tuple[Line, int]:
        """The line and the number of an argument, which is a number or is used for the first time."""
        if hasattr(array, "dtype"):
            line = self.line(x, array)
            if line not in self.names:
                self.names[line] = name_at(frame, role, x)
        else:
            line = self.number(array, arrays, (out[0] if isinstance(out, tuple) else out).dtype, frame)
        return line, self.numbers[line]

    def line(self, x, array) -> Line:
        """The line of an argument; a value without a line of this step is captured and gets one.

        An array of the host is captured as it is now: if the step changes it, its next use gets a new line.
        """
        line: Line | None = x.line if isinstance(x, Tensor) else None
        if line in self.numbers:
            self.numbers[line] = max(self.numbers[line], ~self.numbers[line])
            return line
        if line is not None:
            self.captured[line] = x
        else:
            x = x if isinstance(x, Tensor) else array
            if id(x) in self._constants:
                _, line = self._constants[id(x)]
                if x is self.captured[line] or backend.same(x, self.captured[line]):
                    return line
            line = Leaf(np.shape(array), array.dtype), 0
            self._constants[id(x)] = x, line
            self.captured[line] = x if isinstance(x, Tensor) else keep(x)
            if not (isinstance(x, Tensor) or immutable(x)):
                self.fresh.add(line)
        if isinstance(x, Tensor) and x.buffer is not None and x.buffer.stamp > self.began:
            self.fresh.add(line)
        self.numbers[line] = len(self.numbers)
        self.key.append(spec_of(array, isinstance(x, Tensor)))
        return line

    def number(self, x: float, arrays: tuple, made: np.dtype, frame: FrameType) -> Line:
        """A new line for a Python number, an argument of a call whose result has the dtype `made`.

        It has the dtype of the result, or, if that cannot hold it, as in a comparison, that of the arguments.
        """
        whole, dtype = isinstance(x, int), made
        if isinstance(x, bool):
            dtype = np.dtype(bool)
        elif not (dtype.kind == "f" or (dtype.kind in "iu" and whole)):
            dtype = np.result_type(*[a.dtype if hasattr(a, "dtype") else a for a in arrays])
        line = Leaf((), dtype), 0
        for literal in frame.f_code.co_consts:
            if x is literal:
                break
        else:
            self.fresh.add(line)
        self.captured[line] = dtype.type(x) if isinstance(x, float) else x if isinstance(x, bool) else int(x)
        self.numbers[line] = len(self.numbers)
        self.key.append((dtype, type(x), x) if whole else (dtype,))
        return line

    def read(self) -> None:
        """The value of a tensor from outside is read, also for the steps around this one."""
        self.has_read = True
        if self.outer is not None:
            self.outer.read()

    def owns(self, line: Line | None) -> bool:
        """Whether a line belongs to the step."""
        return line in self.numbers and line not in self.captured

    def varies(self, x) -> bool:
        """Whether x belongs to the step, so that its value may differ between steps."""
        return isinstance(x, Tensor) and self.owns(x.line)

    def differentiated(self, outputs: Sequence[Line], by: Sequence[Line]) -> None:
        """Note a derivative by a tensor that was there before the step, also for the steps around this one."""
        leaves = [record for record in tape(outputs) if record.op is None]
        trace: Trace | None = self
        while trace is not None:
            ends = [(leaf, 0) for leaf in leaves if (leaf, 0) in trace.origins]
            origins = {record for end in ends if (line := trace.origins[end]) for record in tape([line])}
            for line in by:
                if not trace.owns(line) and line[0].serial < trace.began and ends:
                    trace.derivatives.append((line, ends))
                    if line[0] in origins:
                        refuse_history(line)
            trace = trace.outer

    def end(self) -> None:
        """The step is over: using one of its tensors is an error from now on."""
        for t in self._tensors:
            t._array = Escaped(t._array)  # type: ignore[assignment]  # whatever reads it raises an error


def refuse_history(line: Line) -> NoReturn:
    """RuntimeError for a derivative by a tensor from outside that would have to pass through earlier steps."""
    raise RuntimeError(
        f"the step of a scan is recorded once for all time steps, so ts.grad in it cannot follow "
        f"{output_of(*line)} from outside the step through earlier steps: a carry or an input depends on it, "
        f"too; use ts.vjp for the derivative of one step, or run the Python loop, "
        f"nn.Recurrent(..., unroll=True), for that of all steps"
    )


def spec_of(array, on_device: bool = True) -> tuple:
    """The shape, the dtype, and the device of an array; a number of NumPy may be on none."""
    if array.__class__ is np.ndarray:
        return array.shape, array.dtype
    return array.shape, array.dtype, backend.device_of(array) if on_device else None


def hashable(meta: object) -> tuple:
    """Metadata as a part of a key: slices have no hash before Python 3.12, and True must differ from 1.

    A float is written out, because -0.0 must differ from 0.0, and NaN must equal itself.
    """
    if isinstance(meta, tuple):
        return tuple(map(hashable, meta))
    if isinstance(meta, slice):
        return (slice, hashable((meta.start, meta.stop, meta.step)))
    return (type(meta), meta.hex() if isinstance(meta, float) else meta)
