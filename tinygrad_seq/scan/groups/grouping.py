"""Groups: assignments over one iteration space, which one loop nest computes with its values in registers.

An assignment joins the earliest group of its space that comes after everything it reads. In its own group it
may read a value that the same indices have just computed: that value is in a register. Memory is written only
for values that are kept, carried, or read by another group. A matrix product is a group of its own.

A value that is only read in other spaces, and no element of it twice, is computed where it is read: the sum
a = u + h Wh of all gates, say, in the space of one gate.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from tinygrad_seq.scan.groups.assignments import Access, Assign, Assignments, Inner, Item
from tinygrad_seq.scan.groups.maps import Map, Shape, composed, contiguous, recovered, space_of, squeezed


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
    items = _inlined(given, _needed(given.items, held), held)
    groups = _scheduled(items)
    _put_off(groups, held | _outside(given))
    stored = held | _read_elsewhere(groups)
    _turn(given, groups, stored - held - _outside(given))
    scratch, size = _laid_out(given, groups, stored - held - _outside(given))
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


# --- computing a value where it is read -----------------------------------------------------------------


def _inlined(given: Assignments, items: list[Item], held: Collection[int]) -> list[Item]:
    """The assignments, without those whose value can be computed where it is read."""
    places: list[list[Item]] = [[item] for item in items]  # an item, after the copies that it reads
    reading: dict[int, set[int]] = {}  # for a value, the places that read it
    writers = Counter(v for item in items for v in item.written)
    for at, item in enumerate(items):
        for access in item.reads:
            reading.setdefault(access.value, set()).add(at)
    for at in reversed(range(len(items))):
        item = places[at][-1]
        if not isinstance(item, Assign) or item.combine or not _whole(given, item):
            continue
        v = item.write.value
        if v in held or writers[v] > 1:
            continue
        there = reading.get(v, set())
        every = [(i, other) for i in there for other in places[i] if any(a.value == v for a in other.reads)]
        readers = [(i, other) for i, other in every if _may_compute(other, v, item.space)]
        if len(readers) < len(every) or sum(math.prod(other.space) for _, other in readers) > math.prod(
            item.space
        ):
            continue
        for i, reader in readers:
            k = next(k for k, other in enumerate(places[i]) if other is reader)
            places[i][k : k + 1] = _computed(given, item, reader, v)
        for access in item.reads:
            reading[access.value] = reading[access.value] - {at} | there
        places[at].pop()
    return [item for place in places for item in place]


def _whole(given: Assignments, item: Assign) -> bool:
    shape = given.shape(item.write.value)
    return item.space == space_of(shape) and item.write.map == squeezed(contiguous(shape), shape)


def _may_compute(reader: Item, v: int, space: Shape) -> TypeGuard[Assign]:
    """Whether the reader can compute v, an array over `space`, itself: it reads v once, by other indices."""
    if not isinstance(reader, Assign) or reader.space == space:
        return False
    reads = [a for a in reader.reads if a.value == v]
    if len(reads) > 1 or reads[0].indices:
        return False
    return recovered(reads[0].map, reader.space, space) is not None


def _computed(given: Assignments, item: Assign, reader: Assign, v: int) -> list[Item]:
    """A copy of the assignment of v over the space of its reader, and the reader of that copy."""
    (m,) = [a.map for a in reader.reads if a.value == v]
    axes = recovered(m, reader.space, item.space)
    assert axes is not None
    own = given.new(reader.space, given.values[v].dtype)
    target = Access(own, contiguous(reader.space))
    ndim = len(reader.space)
    reads = tuple(a._replace(map=composed(a.map, axes, ndim)) for a in item.reads)
    copy = item._replace(space=reader.space, reads=reads, write=target)
    given.inlined[own] = Access(v, m)
    return [copy, reader._replace(reads=tuple(target if a.value == v else a for a in reader.reads))]


# --- the order of the groups ----------------------------------------------------------------------------


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


# --- the layout of scratch memory -----------------------------------------------------------------------


def _turn(given: Assignments, groups: list[Group], values: Collection[int]) -> None:
    """Lay out the values of scratch memory as most of their readers go through them."""
    uses: dict[int, list[tuple[Item, Access]]] = {v: [] for v in values}
    for group in groups:
        for item in group.items:
            accesses = [*item.reads, *([] if isinstance(item, Inner) else [item.write])]
            for access in accesses:
                if access.value in uses:
                    uses[access.value].append((item, access))
    for v, found in uses.items():
        shape = given.shape(v)
        if len(space_of(shape)) < 2 or any(not isinstance(item, Assign) or a.indices for item, a in found):
            continue
        axes = {a.map: recovered(a.map, item.space, shape) for item, a in found if isinstance(item, Assign)}
        votes = Counter(
            last for item, a in found if a in item.reads and (last := _last(axes[a.map])) is not None
        )
        if None in axes.values() or not votes:
            continue
        last = max(votes, key=lambda axis: (votes[axis], axis))
        order = [*(a for a in range(len(shape)) if a != last), last]
        turned = tuple(shape[a] for a in order)
        strides = dict(zip(order, contiguous(turned).strides, strict=True))
        whole = Map(0, tuple(strides[a] for a in range(len(shape))))
        given.values[v] = given.values[v]._replace(shape=turned)
        for group in groups:
            group.items[:] = [_moved(item, v, axes, whole) for item in group.items]


def _last(axes: list[Map] | None) -> int | None:
    """The axis of an array along which the last axis of a space goes."""
    along = [a for a, m in enumerate(axes or []) if m.strides and m.strides[-1]]
    return along[0] if len(along) == 1 else None


def _moved(item: Item, v: int, axes: Mapping[Map, list[Map] | None], whole: Map) -> Item:
    """An assignment that finds v in another layout."""
    if not isinstance(item, Assign):
        return item

    def moved(access: Access) -> Access:
        if access.value != v:
            return access
        return access._replace(map=composed(whole, axes[access.map] or [], len(item.space)))

    return item._replace(reads=tuple(map(moved, item.reads)), write=moved(item.write))


# --- scratch memory -------------------------------------------------------------------------------------

LINE = 64  # bytes of a cache line


def _laid_out(given: Assignments, groups: list[Group], values: Collection[int]) -> tuple[dict[int, int], int]:
    """For each value the byte where it begins in scratch memory; values whose lives are apart share it."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for g, group in enumerate(groups):
        for item in group.items:
            for v in (*item.written, *(a.value for a in item.reads)):
                if v in values:
                    first.setdefault(v, g)
                    last[v] = g
    live: list[tuple[int, int, int]] = []  # start, end, value
    places: dict[int, int] = {}
    size = 0
    for v in sorted(first, key=lambda v: first[v]):
        spec = given.values[v]
        need = -(-math.prod(spec.shape) * spec.dtype.itemsize // LINE) * LINE
        live = sorted(entry for entry in live if last[entry[2]] >= first[v])
        start = 0
        for begin, end, _ in live:
            if begin - start >= need:
                break
            start = max(start, end)
        places[v] = start
        live.append((start, start + need, v))
        size = max(size, start + need)
    return places, size
