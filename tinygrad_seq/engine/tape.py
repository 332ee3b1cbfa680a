"""Records, the tape of a result, and the reverse pass.

A `Record` is one line of the tape: the operation, the lines its inputs came from, and the arrays that its
derivative rules will read. The tape of a result is the list of records it depends on, in the order they
were made. The chain rule is that list walked backwards: each record receives the cotangent of what it
made, dL/dz, and hands every input its share, dL/dx = dL/dz dz/dx; the shares of one line add up.

Nothing here recurses, so a tape may be as long as memory allows; nothing is global but a counter, so a
tape lives exactly as long as somebody holds its result.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_seq.engine.errors import call_of
from tinygrad_seq.engine.rules import pull, read

if TYPE_CHECKING:
    from tinygrad_seq.engine.primitive import Primitive
    from tinygrad_seq.scan.trace import Trace
    from tinygrad_seq.tensor.tensor import Tensor

next_serial = itertools.count(1).__next__


class Mode(threading.local):
    """How calls are treated; every thread has its own."""

    recording = True  # calls are recorded
    watching = False  # the values of calls are looked at
    trace: Trace | None = None  # the step of a scan that is being recorded
    anomaly = False  # the values of walks are looked at


mode = Mode()
watchers: list[
    object
] = []  # one for every block that watches or traces, in any thread: empty, it costs nothing


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Record, or do not, in this thread and this block."""
    before, mode.recording = mode.recording, on
    try:
        yield
    finally:
        mode.recording = before


def no_grad() -> AbstractContextManager[None]:
    """Compute without recording: `with ts.no_grad():`, in this thread alone.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(2.0, requires_grad=True)
    >>> with ts.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return recording(False)


def refuse_in_a_step(what: str) -> None:
    """RuntimeError while the step of a scan is recorded: it runs once for all time steps."""
    if mode.trace is not None:
        raise RuntimeError(f"the step of a scan is recorded once for all time steps, and so {what}")


@contextmanager
def walking(create_graph: bool) -> Iterator[None]:
    """The context of a walk: its rules divide by zero where a zero cotangent makes it harmless."""
    watching, mode.watching = mode.watching, False
    try:
        with recording(create_graph), np.errstate(all="ignore"):
            yield
    finally:
        mode.watching = watching


class Buffer:
    """The memory of a leaf, shared by its views; `stamp` is the serial of its last change, 0 if none."""

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = 0


class Record:
    """One line of the tape: plain data.

    op       the primitive that was called (None for a leaf)
    inputs   for every array argument the line that it came from, None for a constant
    meta     the values of the metadata arguments, in the order of the op's parameters
    saved    the arrays that the rules read, in the order of `op.reads`; None once a walk has freed them
    buffers  beside `saved`: the Buffer of memory that can change, else None; empty if none can
    shapes   the shape of every output
    dtypes   the dtype of every output
    serial   its place in time
    where    the line of the program that made it, noted in anomaly mode only
    """

    __slots__ = ("op", "inputs", "meta", "saved", "buffers", "shapes", "dtypes", "serial", "where")

    op: Primitive
    inputs: tuple[Line | None, ...]
    meta: tuple[object, ...]
    saved: tuple | None
    buffers: tuple
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]
    serial: int
    where: str


Line = tuple[Record, int]  # a record and the index of one of its outputs


class Leaf(Record):
    """The line of a tensor that requires a gradient; the gradient accumulates here.

    grad  the gradient so far
    gone  whether the tensor has given up this line: a gradient that arrived now would reach nobody
    """

    __slots__ = ("grad", "gone")

    grad: Tensor | None
    gone: bool

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.op = None  # type: ignore[assignment]  # the one record that no primitive made
        self.inputs, self.meta, self.saved, self.buffers = (), (), (), ()
        self.shapes, self.dtypes, self.serial = (shape,), (dtype,), next_serial()
        self.grad, self.gone = None, False


def tape(lines: Iterable[Line]) -> list[Record]:
    """The records that `lines` depend on, oldest first."""
    pending = list({record for record, _ in lines})
    found = set(pending)
    while pending:
        for line in pending.pop().inputs:
            if line is not None and line[0] not in found:
                found.add(line[0])
                pending.append(line[0])
    return sorted(found, key=attrgetter("serial"))


def between(ends: set[Record], records: Iterable[Record]) -> set[Record]:
    """Those of `records`, oldest first, that have an input which leads back to one of `ends`."""
    found: set[Record] = set()
    for record in records:
        if any(line is not None and (line[0] in found or line[0] in ends) for line in record.inputs):
            found.add(record)
    return found


def reverse(
    seeds: Sequence[tuple[Line, object]],
    targets: Iterable[Line] | None = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    every: bool = False,
) -> Iterator[tuple[Record, list, list]]:
    """Walk the tape of `seeds`, pairs of a line and its cotangent, backwards.

    Yields the leaves, or the records of `targets` if they are given, or `every` record: each with its
    cotangents, one per output (None: no share arrived), and the shares that it hands on, each behind its
    line. With `targets` only what leads to one of them is walked. The walk frees what it leaves behind unless
    `retain_graph`. With `create_graph` cotangents are Tensors, the rules run on Tensors, and so the walk is
    recorded in its turn.
    """
    records = tape(line for line, _ in seeds)
    if any(record.saved is None for record in records):
        raise RuntimeError(
            "this tape was freed by an earlier backward(); pass retain_graph=True to that one to walk it again"
        )
    if targets is None:
        needed = set(records)
        ends = {record for record in records if record.op is None}
        passed = needed - ends
    else:
        ends = {record for record, _ in targets}
        passed = between(ends, records)
        needed = passed | ends
    anomaly = mode.anomaly
    sums: dict[Record, list] = {}
    own: set[Line] = set()  # lines whose sum was allocated here and may be added into
    shares = list(seeds)  # what the record behind handed on, or at first the caller
    for record in reversed(records):
        for line, share in shares:
            source, i = line
            slots = sums.get(source)
            if slots is None:
                slots = sums[source] = [None] * len(source.shapes)
            total = slots[i]
            if total is None:
                slots[i] = share
            elif line in own:
                total += share
                slots[i] = total  # of values, NumPy's scalars and Tensors, += has made new ones
            else:
                slots[i] = total + share
                own.add(line)
        shares = []
        slots = sums.pop(record, None)
        if slots is None:
            continue
        if record in passed:
            try:
                shares = pull(record, slots, read(record, create_graph), needed)
            except Exception as error:
                error.add_note(f"in the reverse pass of {call_of(record)}")
                raise
            if anomaly:
                from tinygrad_seq.study.anomaly import watch_back

                watch_back(record, slots, shares)
        if every or record in ends:
            yield record, slots, shares
        if shares and not retain_graph:
            record.inputs, record.saved, record.buffers = (), None, ()
