"""The records of a tape as numbered rows, from which it is printed and drawn.

    %1  f64[4,3]     leaf
    %3  f64[2,3]     matmul   _ %1
    %5  3 x f64[2]   split    %3         3, axis=-1

A row gives the number of a record, the dtype and shape of its output, its op, the lines that its arguments came
from (`_` is a constant, `%5.1` is output 1 of record 5), and its metadata. A folded loop is shown once:

    %17  f32[2,20]   matmul   _ %0
    ... these 14 records 4 more times
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from tinygrad_seq.engine.record import Line, Record
from tinygrad_seq.study.folding import Loop

MANY = 6  # arguments; of more, as a stack after a loop has, only the first two and the last are shown


class Listing(Sequence[Record]):
    """The records of a tape, oldest first, with their numbers.

    folds  loops of which one step is shown
    names  what the user calls a line, where that is known
    """

    def __init__(
        self, records: list[Record], folds: Sequence[Loop] = (), names: Mapping[Line, str] | None = None
    ) -> None:
        self.records, self.folds, self.names = records, folds, names or {}
        self.numbers = {record: i for i, record in enumerate(records)}

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> list[Record]: ...
    def __getitem__(self, key):
        return self.records[key]

    def shown(self) -> list[int]:
        """The numbers of the records that are shown: all, but only one step of a loop."""
        numbers: list[int] = []
        behind = 0
        for loop in self.folds:
            numbers += range(behind, loop.start + loop.period)
            behind = loop.stop
        return [*numbers, *range(behind, len(self.records))]

    def __str__(self) -> str:
        numbers = self.shown()
        cells = [self.row(self.records[i]) for i in numbers]
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

    def row(self, record: Record) -> tuple[str, str, str, str, str]:
        """The five columns of a record: number, output, op, arguments, metadata."""
        op = "leaf" if record.op is None else record.op.name
        return f"%{self.numbers[record]}", made(record), op, self._arguments(record), metadata(record)

    def _arguments(self, record: Record) -> str:
        names = ["_" if line is None else self.name(line) for line in record.inputs]
        if self.folds and len(names) > MANY:
            names[2:-1] = ["..."]
        return " ".join(names)

    def name(self, line: Line) -> str:
        """The name of a line: %5, or %5.1 for output 1 of several."""
        record, i = line
        return f"%{self.numbers[record]}" + (f".{i}" if len(record.shapes) > 1 else "")


def made(record: Record) -> str:
    """The output of a record: f32[3,4], or 4 x f32[3,1]."""
    parts = [
        f"{dtype.kind}{8 * dtype.itemsize}[{','.join(map(str, shape))}]"
        for shape, dtype in zip(record.shapes, record.dtypes, strict=True)
    ]
    if len(parts) > 1 and len(set(parts)) == 1:
        return f"{len(parts)} x {parts[0]}"
    return ", ".join(parts)


def metadata(record: Record) -> str:
    """The metadata of the call: values of required parameters, and `name=value` where not the default."""
    if record.op is None:
        return ""
    pairs = zip(record.op.metadata, record.meta, strict=True)
    return ", ".join(
        repr(value) if p.default is p.empty else f"{p.name}={value!r}"
        for p, value in pairs
        if p.default is p.empty or repr(value) != repr(p.default)
    )
