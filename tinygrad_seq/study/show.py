"""Show a tape: print it as a table, and go through its reverse pass step by step.

    %1  f64[4,3]     leaf
    %3  f64[2,3]     matmul   _ %1
    %5  3 x f64[2]   split    %3         3, axis=-1

A line gives the number of a record, the dtype and shape of what it made, its op, where its arguments came
from (`_` is a constant, `%5.1` output 1 of record 5), and its metadata. Folded, a loop is shown once:

    %17  f32[2,20]   matmul   _ %0
    ... these 14 records 4 more times
"""

from __future__ import annotations

import html
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from tinygrad_seq.engine.tape import Line, Record, reverse, walking
from tinygrad_seq.engine.tape import tape as records_of
from tinygrad_seq.study import drawing
from tinygrad_seq.study.folding import Loop, loops
from tinygrad_seq.tensor.tensor import Tensor, own, seed_of

if TYPE_CHECKING:
    from tinygrad_seq.engine.primitive import Primitive

MANY = 6  # arguments: of more, as of the stack behind a loop, the first and the last are shown
PICTURE = 60  # records that a notebook draws


def tape(*outputs: Tensor) -> Tape:
    """The tape of `outputs`: the records that they depend on, oldest first.

    RuntimeError for an output that is not on a tape.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([1.0, 2.0], requires_grad=True)
    >>> print(ts.tape((x * x).sum()))
    %0  f32[2]  leaf
    %1  f32[2]  multiply  %0 %0
    %2  f32[]   sum       %1
    """
    lines = [y.line for y in outputs if y.line is not None]
    if len(lines) < len(outputs):
        raise RuntimeError("there is no tape: none of what this was computed from requires a gradient")
    return Tape(records_of(lines))


class Tape(Sequence[Record]):
    """The records of a tape, in order, oldest first; print it, or ask for `to_svg()`.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(0.5, requires_grad=True)
    >>> y = x
    >>> for _ in range(100):
    ...     y = ts.tanh(y) * x
    >>> len(ts.tape(y)), ts.tape(y)[-1].op.name
    (201, 'multiply')
    >>> print(ts.tape(y).folded())
    %0  f32[]  leaf
    %1  f32[]  tanh      %0
    %2  f32[]  multiply  %1 %0
    ... these 2 records 99 more times
    """

    def __init__(self, records: list[Record], folds: Sequence[Loop] = ()) -> None:
        self.records, self.folds = records, folds
        self.numbers = {record: i for i, record in enumerate(records)}

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> list[Record]: ...
    def __getitem__(self, key):
        return self.records[key]

    def folded(self) -> Tape:
        """The same tape, of which a stretch that repeats, as the steps of a loop over time, is shown once."""
        return Tape(self.records, loops(self.records))

    def shown(self) -> list[int]:
        """The numbers of the records that are shown: of a loop, one step."""
        numbers: list[int] = []
        behind = 0
        for loop in self.folds:
            numbers += range(behind, loop.start + loop.period)
            behind = loop.stop
        return [*numbers, *range(behind, len(self.records))]

    def __str__(self) -> str:
        numbers = self.shown()
        cells = [self._row(self.records[i]) for i in numbers]
        widths = [max((len(row[column]) for row in cells), default=0) for column in range(4)]
        rows = [
            "  ".join(cell.ljust(n) for cell, n in zip(row, [*widths, 0], strict=True)).rstrip()
            for row in cells
        ]
        ends = {loop.start + loop.period - 1: loop for loop in self.folds}
        table = []
        for i, row in zip(numbers, rows, strict=True):
            table.append(row)
            if i in ends:
                _, period, times = ends[i]
                these = "this record" if period == 1 else f"these {period} records"
                table.append(f"... {these} {times - 1} more times")
        return "\n".join(table)

    __repr__ = __str__

    def to_dot(self) -> str:
        """The tape as a graph in the language of Graphviz.

        >>> import tinygrad_seq as ts
        >>> print(ts.tape(ts.exp(ts.tensor(1.0, requires_grad=True))).to_dot().splitlines()[-2])
          "r0" -> "r1"
        """
        return drawing.dot(self)

    def to_svg(self) -> str:
        """The graph as a picture. ModuleNotFoundError, with the install line, without a Graphviz package.

        >>> import tinygrad_seq as ts
        >>> picture = ts.tape(ts.tensor(1.0, requires_grad=True) * 2.0).to_svg()
        >>> picture.count("<svg")
        1
        """
        return drawing.svg(self.to_dot())

    def _repr_html_(self) -> str:
        """What a notebook shows: the folded tape, as a picture too if it is small and can be drawn."""
        tape = self if self.folds else self.folded()
        table = f"<pre>{html.escape(str(tape))}</pre>"
        if len(tape.shown()) > PICTURE:
            return table
        try:
            picture = tape.to_svg()
        except ModuleNotFoundError:
            return table
        return table + picture[picture.index("<svg") :]

    def _row(self, record: Record) -> tuple[str, str, str, str, str]:
        op = "leaf" if record.op is None else record.op.name
        return f"%{self.numbers[record]}", made(record), op, self._arguments(record), metadata(record)

    def _arguments(self, record: Record) -> str:
        names = ["_" if line is None else self.name(line) for line in record.inputs]
        if self.folds and len(names) > MANY:
            names[2:-1] = ["..."]
        return " ".join(names)

    def name(self, line: Line) -> str:
        """How a line is called: %5, or output 1 of several, %5.1."""
        record, i = line
        return f"%{self.numbers[record]}" + (f".{i}" if len(record.shapes) > 1 else "")


def made(record: Record) -> str:
    """What a record made: f32[3,4], or 4 x f32[3,1]."""
    parts = [
        f"{dtype.kind}{8 * dtype.itemsize}[{','.join(map(str, shape))}]"
        for shape, dtype in zip(record.shapes, record.dtypes, strict=True)
    ]
    if len(parts) > 1 and len(set(parts)) == 1:
        return f"{len(parts)} x {parts[0]}"
    return ", ".join(parts)


def metadata(record: Record) -> str:
    """The metadata that the call gave: what has no default by its value, else by name."""
    if record.op is None:
        return ""
    pairs = zip(record.op.metadata, record.meta, strict=True)
    return ", ".join(
        repr(value) if p.default is p.empty else f"{p.name}={value!r}"
        for p, value in pairs
        if p.default is p.empty or repr(value) != repr(p.default)
    )


class Step(NamedTuple):
    """One step of a reverse pass.

    number      of the record, as `print(ts.tape(y))` shows it
    record      the record
    rules       the rule of each argument, or of all together, as it stands in the source
    cotangents  what came in: the derivative of y by each output of the record
    shares      what goes out: pairs of the number of a record, "%3", and its share
    """

    number: int
    record: Record
    rules: list[str]
    cotangents: list[Tensor | None]
    shares: list[tuple[str, Tensor]]

    def __str__(self) -> str:
        op = "leaf" if self.record.op is None else self.record.op.name
        lines = [f"%{self.number} {op}", *(f"    rule   {rule}" for rule in self.rules)]
        lines += [f"    in     {c}" for c in self.cotangents]
        lines += [f"    to {name:<4}{share}" for name, share in self.shares]
        return "\n".join(lines)


def step(y: Tensor, gradient: Tensor | np.ndarray | None = None) -> Iterator[Step]:
    """The reverse pass of `y`, one record at a time; no `grad` is touched, and the tape is kept.

    gradient  the cotangent of y, needed unless it has one element

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(3.0, requires_grad=True)
    >>> for s in ts.step(x * x):
    ...     print(s.number, [float(c) for c in s.cotangents], [(n, float(g)) for n, g in s.shares])
    1 [1.0] [('%0', 3.0), ('%0', 3.0)]
    0 [6.0] []
    """
    return _steps(tape(y), seed_of(y, gradient, recorded=False))


def _steps(shown: Tape, seed: tuple[Line, object]) -> Iterator[Step]:
    walk = reverse([seed], retain_graph=True, every=True)
    rules: dict[Primitive, list[str]] = {}
    while True:
        with walking(create_graph=False):  # left before each yield: what the caller does is recorded as ever
            at = next(walk, None)
        if at is None:
            return
        record, cotangents, shares = at
        if record.op is not None and record.op not in rules:
            rules[record.op] = _rules(record.op)
        yield Step(
            shown.numbers[record],
            record,
            rules.get(record.op, []),
            [None if c is None else own(c) for c in cotangents],
            [(shown.name(line), own(share)) for line, share in shares],
        )


def _rules(op: Primitive) -> list[str]:
    """The rules of an op as they stand in the source, the statement that declares them."""
    rules = [op.joint_rule] if op.joint_rule else [rule for rule in op.rules if rule]
    texts = []
    for rule in rules:
        try:
            text = textwrap.dedent(inspect.getsource(rule.function)).strip()
        except (OSError, TypeError):  # typed at a prompt
            text = repr(rule.function)
        if text not in texts:
            texts.append(text)
    return texts
