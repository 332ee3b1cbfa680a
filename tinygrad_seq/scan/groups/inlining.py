"""Inlining: a value is computed where it is read.

A value that is only read in other spaces, and no element of it twice, needs neither a loop nest nor memory: the
sum a = u + h Wh of all gates, say, is computed in the space of each gate.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from typing import TypeGuard

from tinygrad_seq.scan.groups.assignments import Access, Assign, Assignments, Item
from tinygrad_seq.scan.groups.maps import Shape, composed, contiguous, recovered, space_of, squeezed


def inlined(given: Assignments, items: list[Item], held: Collection[int]) -> list[Item]:
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
