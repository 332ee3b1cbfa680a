"""Groups: assignments over one iteration space, which one loop nest computes with its values in registers.

An assignment joins the earliest group of its space that comes after everything it reads. In its own group it
may read a value that the same indices have just computed: that value is in a register. Memory is written only
for values that are kept, carried, or read by another group. A matrix product is a group of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from tinygrad_seq.scan.groups.assignments import Access, Assign, Assignments, Inner, Item
from tinygrad_seq.scan.groups.inlining import inlined
from tinygrad_seq.scan.groups.layout import laid_out, turn
from tinygrad_seq.scan.groups.maps import Shape


@dataclass
class Group:
    """Assignments over one space, in an order in which each reads only earlier ones; or one other item."""

    space: Shape | None
    items: list[Item] = field(default_factory=list)

    def joins(self, item: Assign) -> bool:
        """Whether an assignment may be in this group: one that needs an order of its own is alone."""
        ordered = any(isinstance(other, Assign) and other.ordered for other in self.items)
        return self.space == item.space and not ordered

    def reads(self) -> Iterator[Access]:
        for item in self.items:
            yield from item.reads


@dataclass
class Grouped:
    """The groups of a loop.

    groups   in the order in which they run
    stored   the values that have memory
    scratch  for each stored value that is not kept or carried: its first element in the scratch memory of its
             dtype's size, in bytes, and that memory's size
    """

    given: Assignments
    groups: list[Group]
    stored: set[int]
    scratch: dict[int, int]
    size: int

    def forget(self) -> None:
        """Free the assignments, once they are written: of a loop that runs, only its values are needed."""
        for part in (self.groups, self.scratch, self.given.items, self.given.views, self.given.inlined):
            part.clear()

    @property
    def wide(self) -> list[bool]:
        """For each carry, whether all its rows are kept."""
        held = set(self.given.kept.values())
        pairs = zip(self.given.program.carries, self.given.carries, strict=True)
        return [before in held or after in held for (before, _), after in pairs]


def grouped(given: Assignments) -> Grouped:
    held = {*given.kept.values(), *given.carries, *given.totals.values()}
    items = inlined(given, _needed(given.items, held), held)
    groups = _scheduled(items)
    _put_off(groups, held | _outside(given))
    stored = held | _read_elsewhere(groups)
    passed_on, items_of = stored - held - _outside(given), [group.items for group in groups]
    turn(given, items_of, passed_on)
    scratch, size = laid_out(given, items_of, passed_on)
    return Grouped(given, groups, stored, scratch, size)


def _needed(items: Sequence[Item], held: Collection[int]) -> list[Item]:
    """The assignments without those whose value is not read: by an array without elements, say."""
    wanted = set(held)
    found: list[Item] = []
    for item in reversed(items):
        if not wanted.isdisjoint(item.written):
            found.append(item)
            wanted.update(access.value for access in item.reads)
    return found[::-1]


def _outside(given: Assignments) -> set[int]:
    """The values that the caller gives."""
    return {*given.program.arguments, *given.numbers, *given.counted}


def _scheduled(items: list[Item]) -> list[Group]:
    groups: list[Group] = []
    written: dict[int, list[tuple[int, Item]]] = {}
    for item in items:
        earliest = 0
        for access in item.reads:
            writers = written.get(access.value, [])
            for g, other in writers:
                same = len(writers) == 1 and in_register(other, item, access)
                earliest = max(earliest, g if same else g + 1)
        for v in item.written:
            for g, other in written.get(v, []):  # pieces of one value, or an addition to it
                earliest = max(earliest, g if _apart(other, item) else g + 1)
        place = None
        if isinstance(item, Assign) and not item.ordered:
            places = (g for g in range(earliest, len(groups)) if groups[g].joins(item))
            place = next(places, None)
        if place is None:
            place = len(groups)
            groups.append(Group(item.space if isinstance(item, Assign) else None))
        groups[place].items.append(item)
        for v in item.written:
            written.setdefault(v, []).append((place, item))
    return groups


def _put_off(groups: list[Group], known: Collection[int]) -> None:
    """Move an assignment to the group of its readers, if they are in one, and if that saves memory.

    There its value is in a register, and what it reads must be in memory: a value that is there anyway, or one
    more, in place of its own.
    """
    reading: dict[int, set[int]] = {}
    writers = Counter(v for group in groups for item in group.items for v in item.written)
    for g, group in enumerate(groups):
        for access in group.reads():
            reading.setdefault(access.value, set()).add(g)
    for g in reversed(range(len(groups))):
        for item in reversed(list(groups[g].items)):
            if not isinstance(item, Assign) or item.combine:
                continue
            v = item.write.value
            readers = reading.get(v, set())
            if v in known or writers[v] > 1 or len(readers) != 1:
                continue
            (later,) = readers
            there = groups[later]
            if later == g or not there.joins(item):
                continue
            if not all(in_register(item, i, a) for i in there.items for a in i.reads if a.value == v):
                continue
            more = {a.value for a in item.reads if a.value not in known and reading[a.value] <= {g}}
            if len(more) > 1:
                continue
            groups[g].items.remove(item)
            there.items.insert(0, item)
            for access in item.reads:
                left = any(a.value == access.value for a in groups[g].reads())
                reading[access.value] = (reading[access.value] - (set() if left else {g})) | {later}
    groups[:] = [group for group in groups if group.items]


def in_register(writer: Item, reader: Item, access: Access) -> bool:
    """Whether the reader finds the value in the register of the writer, if both are in one group."""
    return (
        isinstance(writer, Assign)
        and isinstance(reader, Assign)
        and writer.combine is None
        and writer.space == reader.space
        and writer.write == access
    )


def _apart(first: Item, second: Item) -> bool:
    """Whether two assignments to one value may be in one group: to the same place, or to parts side by side."""
    if not (isinstance(first, Assign) and isinstance(second, Assign)):
        return False
    return first.space == second.space and first.write.map.strides == second.write.map.strides


def _read_elsewhere(groups: list[Group]) -> set[int]:
    """The values that are read by another group than the one that computes them, or not by their register."""
    found: set[int] = set()
    for group in groups:
        own = {v: item for item in group.items for v in item.written}
        for item in group.items:
            found.update(item.written if isinstance(item, Inner) else ())
            for access in item.reads:
                writer = own.get(access.value)
                if writer is None or not in_register(writer, item, access):
                    found.add(access.value)
    return found
