"""The layout of scratch memory: the order of a value's axes, and where each value begins.

Scratch memory holds what another group reads in the same step. A value is laid out as its readers go through
it, so that they read contiguous elements, and values whose lives are apart share memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from tinygrad_seq.scan.groups.assignments import Access, Assign, Assignments, Inner, Item
from tinygrad_seq.scan.groups.maps import Map, composed, contiguous, recovered, space_of

LINE = 64  # bytes of a cache line
Axes = dict[Map, list[Map] | None]  # for each map of an access to a value, the index along every axis


def turn(given: Assignments, groups: Sequence[list[Item]], values: Collection[int]) -> None:
    """Lay out the values of scratch memory as most of their readers go through them."""
    uses: dict[int, list[tuple[Item, Access]]] = {v: [] for v in values}
    for group in groups:
        for item in group:
            accesses = [*item.reads, *([] if isinstance(item, Inner) else [item.write])]
            for access in accesses:
                if access.value in uses:
                    uses[access.value].append((item, access))
    turned: dict[int, tuple[Axes, Map]] = {}
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
        other = tuple(shape[a] for a in order)
        strides = dict(zip(order, contiguous(other).strides, strict=True))
        turned[v] = axes, Map(0, tuple(strides[a] for a in range(len(shape))))
        given.values[v] = given.values[v]._replace(shape=other)
    for group in groups:
        group[:] = [_moved(item, turned) for item in group]


def _last(axes: list[Map] | None) -> int | None:
    """The axis of an array along which the last axis of a space goes."""
    along = [a for a, m in enumerate(axes or []) if m.strides and m.strides[-1]]
    return along[0] if len(along) == 1 else None


def _moved(item: Item, turned: Mapping[int, tuple[Axes, Map]]) -> Item:
    """An assignment that finds values in another layout."""
    if not isinstance(item, Assign):
        return item

    def moved(access: Access) -> Access:
        if access.value not in turned:
            return access
        axes, whole = turned[access.value]
        return access._replace(map=composed(whole, axes[access.map] or [], len(item.space)))

    return item._replace(reads=tuple(map(moved, item.reads)), write=moved(item.write))


def laid_out(
    given: Assignments, groups: Sequence[list[Item]], values: Collection[int]
) -> tuple[dict[int, int], int]:
    """For each value the byte where it begins in scratch memory; values whose lives are apart share it."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for g, group in enumerate(groups):
        for item in group:
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
            start = end
        places[v] = start
        live.append((start, start + need, v))
        size = max(size, start + need)
    return places, size
