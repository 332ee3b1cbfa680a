"""The tape of a result, and the reverse pass.

The tape of a result is the list of records that it depends on, in the order they were made. The chain rule
walks that list backwards: each record receives the cotangent of its output, dL/dz, and hands every input its
share, dL/dx = dL/dz dz/dx; the shares that arrive at one line are added up.

Nothing here recurses, so a tape may be as long as memory allows. Nothing is global, so a tape lives exactly
as long as its result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from tinygrad_seq.engine.errors import call_of
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.record import Line, Record
from tinygrad_seq.engine.rules import pull, read


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

    Yields the leaves, or the records of `targets` if given, or `every` record: each with its cotangents, one
    per output (None if no share arrived), and the shares that it hands on, pairs of a line and a cotangent.
    With `targets` the walk visits only records that lead to one of them. It frees each record after its visit
    unless `retain_graph`. With `create_graph` cotangents are Tensors and the rules run on Tensors, so the walk
    itself is recorded.
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
    watchers = mode.watchers
    sums: dict[Record, list] = {}
    own: set[Line] = set()  # lines whose sum was allocated here and may be added into
    shares = list(seeds)  # handed on by the record that was visited last, or at first by the caller
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
                slots[i] = total  # for NumPy scalars and Tensors, which are values, += has made a new one
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
            if watchers:  # most walks have none
                for watcher in watchers:
                    watcher.walked(record, slots, shares)
        if every or record in ends:
            yield record, slots, shares
        if shares and not retain_graph:
            record.inputs, record.saved, record.buffers = (), None, ()
