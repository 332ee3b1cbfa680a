"""Where a tape repeats: the steps of a loop over time, found again in the list of records.

Nothing marks the steps of an unrolled loop, but each resembles the one before it: the same ops on the same
shapes, with arguments at the same distance (the state) or from the same record (the weights). A loop
of period p is therefore a stretch in which record i + p resembles record i. The first step, which starts from
another state, comes before the loop. Two repetitions are not yet a loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.record import Line, Record

LONGEST = 512  # records in the longest time step that is searched for
FEWEST = 3  # steps that make a loop


class Loop(NamedTuple):
    """A stretch of a tape that repeats: `times` times `period` records, from number `start` on."""

    start: int
    period: int
    times: int

    @property
    def stop(self) -> int:
        """The number of the first record after the loop."""
        return self.start + self.period * self.times


def loops(records: Sequence[Record]) -> list[Loop]:
    """The loops of a tape, in order. The loop that hides most records is found first, then loops in the rest.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq.engine.tape import tape
    >>> x = y = ts.tensor(0.5, requires_grad=True)
    >>> for _ in range(5):
    ...     y = ts.tanh(y) * x
    >>> loops(tape([y.line]))
    [Loop(start=1, period=2, times=5)]
    """
    numbers = {record: i for i, record in enumerate(records)}
    known: dict[tuple, int] = {}
    kinds = np.array([known.setdefault(_kind(record), len(known)) for record in records], np.int64)
    width = max((len(record.inputs) for record in records), default=0)
    # For every argument its distance and its number: one of the two stays the same from step to step. An op
    # with more arguments than a cell needs ends a loop (a stack of all outputs) and belongs to none.
    sources = np.full((len(records), min(width, 8), 2), -1, np.int64)
    for i, record in enumerate(records):
        if len(record.inputs) > sources.shape[1]:
            kinds[i] = -1 - i
            continue
        for k, line in enumerate(record.inputs):
            sources[i, k] = (-1, -1) if line is None else _place(line, i, numbers)
    return _loops(kinds, sources)


def _kind(record: Record) -> tuple:
    return record.op, repr(record.meta), record.shapes, record.dtypes, tuple(x is None for x in record.inputs)


def _place(line: Line, i: int, numbers: dict[Record, int]) -> tuple[int, int]:
    """How far before record i the record of `line` is, and its number."""
    j = numbers[line[0]]
    return i - j, j


def _loops(kinds: np.ndarray, sources: np.ndarray) -> list[Loop]:
    """The loops that hide most records, and further loops between them, in order."""
    found, pending = [], [(0, len(kinds))]
    while pending:
        first, end = pending.pop()
        best = [
            loop._replace(start=first + loop.start) for loop in _largest(kinds[first:end], sources[first:end])
        ]
        found += best
        if best:
            edges = [first, *(edge for loop in best for edge in (loop.start, loop.stop)), end]
            pending += zip(edges[::2], edges[1::2], strict=True)
    return sorted(found)


def _largest(kinds: np.ndarray, sources: np.ndarray) -> list[Loop]:
    """The repetitions that each hide the largest number of records, of the shortest period."""
    best: list[Loop] = []
    hidden = 0
    for period in range(1, min(len(kinds) // FEWEST, LONGEST) + 1):
        same = kinds[:-period] == kinds[period:]
        if np.count_nonzero(same) <= hidden:
            continue
        same &= (sources[:-period] == sources[period:]).any(axis=2).all(axis=1)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]])))
        ends, lengths = edges[1::2], edges[1::2] - edges[::2]
        repeats = lengths // period
        times = int(repeats.max(initial=0)) + 1
        most = (times - 1) * period
        if times >= FEWEST and most > hidden:
            alike: list[Loop] = []
            for end in ends[
                repeats == times - 1
            ].tolist():  # one that starts within the previous one is skipped
                loop = Loop(end - most, period, times)
                if (not alike or loop.start >= alike[-1].stop) and _steady(loop, sources):
                    alike.append(loop)
            if alike:
                best, hidden = alike, most
    return best


def _steady(loop: Loop, sources: np.ndarray) -> bool:
    """Whether each argument comes from the same distance in all steps, or from the same record in all."""
    steps = sources[loop.start : loop.stop].reshape(loop.times, loop.period, -1, 2)
    return bool((steps == steps[0]).all(axis=0).any(axis=-1).all())
