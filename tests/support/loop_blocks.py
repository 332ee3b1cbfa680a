"""A batch in blocks, computed block by block: each by a run of its own, in which no other block is computed.

So a block that needs anything that another one computes reads an element that was not written, or gets a wrong
number.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from group_laws import well_formed
from interpreted import Interpreter, Results, stepped
from loop_groups import Loop, flat, gaps, spread, tolerance

from tinygrad_seq.scan.groups.assignments import Access, Assign, Product
from tinygrad_seq.scan.groups.batch import Blocks, in_blocks
from tinygrad_seq.scan.groups.grouping import Group, Grouped, grouped
from tinygrad_seq.scan.groups.maps import Map
from tinygrad_seq.scan.groups.ways import assigned


def split(loop: Loop) -> Grouped:
    """The groups of a loop, with the batch in blocks, if it allows that."""
    return grouped(in_blocks(assigned(loop.program, loop.kept, lambda *_: True)))


def check_blocks(loop: Loop, reverse: bool = False) -> int:
    """The number of blocks, each of which computes its rows of the results, and its share of the totals."""
    made = split(loop)
    well_formed(made)
    count = made.given.blocks
    with np.errstate(all="ignore"):
        expected = flat(stepped(*loop, reverse))
        runs = [Interpreter(only(made, k))(loop.arrays, loop.n, reverse) for k in range(count)]
        found = flat(joined(runs))
        far, limits = gaps(found, expected), [np.asarray(tolerance(loop, expected))] * len(expected)
        if any(np.any(gap > most) for gap, most in zip(far, limits, strict=True)):
            limits = list(map(np.maximum, limits, spread(loop, reverse, expected)))
        for x, y, gap, most in zip(found, expected, far, limits, strict=True):
            assert np.all(gap <= most), f"{x}\ninstead of\n{y}\na difference of {np.max(gap):.2e}"
    return count


def joined(runs: list[Results]) -> Results:
    """The rows of each block from its run; totals are added."""

    def rows(results: tuple, axis: int) -> np.ndarray:
        if len(results) == 1:
            return results[0]
        parts = [np.split(x, len(results), axis)[k] for k, x in enumerate(results)]
        return np.concatenate(parts, axis)

    finals, kept, totals = ([*zip(*part, strict=True)] for part in zip(*runs, strict=True))
    return (
        [rows(x, 0) for x in finals],
        [rows(x, 1) for x in kept],
        [np.sum(x, axis=0, dtype=x[0].dtype) for x in totals],
    )


def only(made: Grouped, k: int) -> Grouped:
    """The same groups, which compute block k alone."""
    return replace(made, groups=[_group(made, group, k) for group in made.groups])


def _group(made: Grouped, group: Group, k: int) -> Group:
    items = [_item(made, item, k) for item in group.items]
    space = items[0].space if isinstance(items[0], Assign) else None
    return replace(group, space=space, items=items)


def _item(made: Grouped, item, k: int):
    if isinstance(item, Product) and not item.stack:
        if item.blocks == 1:
            return item
        m = item.m // item.blocks
        a, write = (_moved(x, k * m * x.map.strides[0]) for x in (item.a, item.write))
        return item._replace(m=m, blocks=1, a=a, write=write)
    axis = next((axis for axis, n in enumerate(item.space) if isinstance(n, Blocks)), None)
    if axis is None:
        return item

    def one(access: Access) -> Access:
        return _moved(access, k * access.map.strides[axis])

    space = (*item.space[:axis], Blocks(1), *item.space[axis + 1 :])
    if isinstance(item, Product):
        return item._replace(stack=space, a=one(item.a), b=one(item.b), write=one(item.write))
    return item._replace(space=space, reads=tuple(map(one, item.reads)), write=one(item.write))


def _moved(access: Access, elements: int) -> Access:
    return access._replace(map=Map(access.map.offset + elements, access.map.strides))
