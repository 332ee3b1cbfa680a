"""The batch of a loop in blocks of rows: threads can run the whole loop over time, each for its own blocks.

An axis of B rows becomes two axes, of blocks and of the rows in a block. A value belongs to the batch if its
memory holds B rows of equal size, one after another, and if every assignment reaches row b of it only at the
index b of its own batch axis. So no block reads what another block writes.

A sum over the batch becomes a sum for each block. The loop must do nothing with such sums but add them up to
totals, which get an axis of blocks as well; the caller adds up the blocks, in order. A value that does not
depend on the batch is computed by each thread. The blocks depend on the loop alone, and each is computed by the
same code at another address. So the bits do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from tinygrad_seq.scan.groups.assignments import Access, Assign, Assignments, Inner, Item, Product
from tinygrad_seq.scan.groups.maps import Map, Shape, contiguous

LEAST = 16  # rows of a batch that is split
ROWS = 16  # of a block, or more, but there are two blocks at least; 8 rows make layer norms 6 % slower
MOST = 16  # blocks


class Blocks(int):
    """The length of an axis of blocks.

    It equals no other length, so that the space of such an axis is no other space.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Blocks) and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((Blocks, int(self)))


def blocks_of(rows: int) -> int:
    """The number of blocks of a batch: an even one, if it can be; 1 if the batch cannot be split.

    >>> [blocks_of(rows) for rows in (15, 16, 17, 20, 32, 48, 51, 64, 99, 1024)]
    [1, 2, 1, 2, 2, 2, 3, 4, 3, 16]
    """
    if rows < LEAST:
        return 1
    most = min(max(rows // ROWS, 2), MOST)
    counts = [count for count in range(2, most + 1) if rows % count == 0]
    return max(counts, key=lambda count: (count % 2 == 0, count), default=1)


def moved(shape: Shape) -> int:
    """The elements from a block of a value to its next block: 0 if it has no blocks."""
    axis = next((axis for axis, n in enumerate(shape) if isinstance(n, Blocks)), None)
    return 0 if axis is None else math.prod(shape[axis + 1 :])


class _WholeError(Exception):
    """The batch cannot be split."""


def in_blocks(given: Assignments) -> Assignments:
    """The same assignments with the batch in blocks; those that are given, if they do not allow it."""
    sizes = {given.shape(before)[:1] for before, _ in given.program.carries}
    shape = sizes.pop() if len(sizes) == 1 else ()
    rows = math.prod(shape)
    count = blocks_of(rows)
    if count == 1:
        return given
    try:
        return _Split(given, rows, count).made()
    except _WholeError:
        return given


class _Split:
    """What belongs to the batch.

    rows     of the batch
    axes     for each item with a batch axis, its place in the list of items, that axis of its space
    batched  the values whose memory holds a row for each row of the batch
    partial  the values that are sums over the batch
    steps    for each other argument of the loop, the elements from row to row; 0 if it has no batch axis
    """

    def __init__(self, given: Assignments, rows: int, count: int) -> None:
        self.given, self.rows, self.count = given, rows, count
        if any(isinstance(item, Inner) for item in given.items):
            raise _WholeError
        self.items = [item for item in given.items if not isinstance(item, Inner)]
        self.own = {item.write.value for item in self.items}
        self.axes: dict[int, int] = {}
        self.batched = {*given.carries, *(before for before, _ in given.program.carries)}
        self.batched |= {v for v in given.kept.values() if given.shape(v)[:1] == (rows,)}
        self.partial: set[int] = set()
        self.steps: dict[int, int] = {}
        if any(self.given.size(v) % rows for v in self.batched):
            raise _WholeError
        while self._spread():
            pass
        for at, item in enumerate(self.items):
            self._check(at, item)
        if not (self.batched >= {*given.kept.values()} and self.partial >= {*given.totals.values()}):
            raise _WholeError

    # --- which values belong to the batch ---------------------------------------------------------------

    def _spread(self) -> bool:
        """What follows for values from items, and for items from values; whether anything did."""
        known = self._known()
        for at, item in enumerate(self.items):
            if at not in self.axes:
                for access, space in walks_of(item):
                    if access.value in self.batched:
                        self.axes[at] = self._axis(item, access, space)
            if at in self.axes:
                for access, space in walks_of(item):
                    step = self._step(access, space, self.axes[at])
                    if step and step * self.rows == self.given.size(access.value):
                        self.batched.add(access.value)
                if not item.write.map.strides[self.axes[at]]:
                    self.partial.add(item.write.value)
            elif self._reads_partial(item):
                self.partial.add(item.write.value)
        return self._known() > known

    def _known(self) -> int:
        return len(self.axes) + len(self.batched) + len(self.partial)

    def _step(self, access: Access, space: Shape, axis: int) -> int:
        """The elements from row to row along an axis."""
        return access.map.strides[axis] * (space[axis] // self.rows)

    def _reads_partial(self, item: Assign | Product) -> bool:
        return any(access.value in self.partial for access in item.reads)

    def _axis(self, item: Assign | Product, access: Access, space: Shape) -> int:
        """The axis of the space along which an access goes from row to row; along others it stays in a row."""
        m = access.map
        row = self.given.size(access.value) // self.rows
        for axis, (n, stride) in enumerate(zip(space, m.strides, strict=True)):
            if n % self.rows == 0 and stride * (n // self.rows) == row:
                in_row = [*space[:axis], n // self.rows, *space[axis + 1 :]]
                last = m.offset + sum(max(s * (k - 1), 0) for k, s in zip(in_row, m.strides, strict=True))
                if last < row and axis < len(item.space):
                    return axis
        raise _WholeError

    # --- whether every access allows it -----------------------------------------------------------------

    def _check(self, at: int, item: Assign | Product) -> None:
        axis = self.axes.get(at)
        for access, space in walks_of(item):
            v = access.value
            step = 0 if axis is None else self._step(access, space, axis)
            if v in self.batched:
                right = v not in self.partial and axis is not None and self._axis(item, access, space) == axis
            elif v in self.partial:
                right = self._adds(item) if axis is None else self._sums(item)
            elif v in self.own:
                right = step == 0
            else:
                right = v in self.given.numbers or self.steps.setdefault(v, step) == step
            if not right:
                raise _WholeError

    def _sums(self, item: Assign | Product) -> bool:
        """Whether an item sums over its batch axis."""
        return isinstance(item, Assign) and item.combine in ("sum", "add") and not self._reads_partial(item)

    def _adds(self, item: Assign | Product) -> bool:
        """Whether an item without a batch axis copies or adds up sums over the batch, or begins one with 0."""
        if not isinstance(item, Assign) or item.op is not None or item.combine not in (None, "sum", "add"):
            return False
        v = item.reads[0].value
        return item.write.value in self.partial and (v in self.partial or self.given.numbers.get(v) == 0)

    # --- the assignments --------------------------------------------------------------------------------

    def made(self) -> Assignments:
        values = list(self.given.values)
        steps = {v: self.given.size(v) // self.rows for v in self.batched} | self.steps
        for v, step in steps.items():
            if step:
                values[v] = values[v]._replace(shape=self._shape(v, step))
        for v in self.partial:
            values[v] = values[v]._replace(shape=(Blocks(self.count), *values[v].shape))
        items = [self._item(at, item) for at, item in enumerate(self.items)]
        return replace(self.given, values=values, items=items, blocks=self.count)

    def _shape(self, v: int, step: int) -> Shape:
        """The shape of v with an axis of blocks, where `step` elements lead from row to row."""
        shape = self.given.shape(v)
        for axis, (n, stride) in enumerate(zip(shape, contiguous(shape).strides, strict=True)):
            if n % self.rows == 0 and stride * (n // self.rows) == step:
                return *shape[:axis], Blocks(self.count), n // self.count, *shape[axis + 1 :]
        raise _WholeError

    def _item(self, at: int, item: Assign | Product) -> Item:
        axis = self.axes.get(at)
        if isinstance(item, Product) and not item.stack:
            return item if axis is None else item._replace(blocks=self.count)
        if axis is None and item.write.value not in self.partial:
            return item
        place = axis or 0  # of the axis of blocks
        rows = () if axis is None else (item.space[axis] // self.count,)
        space = (*item.space[:place], Blocks(self.count), *rows, *item.space[place + len(rows) :])

        def blocked(access: Access) -> Access:
            offset, strides = access.map
            if access.value in self.partial:
                step = self.given.size(access.value)
            else:
                step = strides[place] * rows[0] if rows else 0
            return access._replace(map=Map(offset, (*strides[:place], step, *strides[place:])))

        write = blocked(item.write)
        if isinstance(item, Product):
            return item._replace(stack=space, a=blocked(item.a), b=blocked(item.b), write=write)
        return item._replace(space=space, reads=tuple(map(blocked, item.reads)), write=write)


def walks_of(item: Assign | Product) -> Iterator[tuple[Access, Shape]]:
    """The accesses of an item, each with its space, to which the axes of indices are added.

    The batch axis is the same for all; that of a product is the axis of its rows, or one of its stack.
    """
    if isinstance(item, Product):
        b = item.b
        if not item.stack:  # every row reads all of b
            b = b._replace(map=Map(b.map.offset, (0, *b.map.strides)))
        yield item.a, (*item.stack, item.m, item.k)
        yield b, (*item.space, item.k, item.n)
        yield item.write, (*item.stack, item.m, item.n)
    else:
        for access in (*item.reads, item.write):
            offset, strides = access.map
            more = [(index.size, index.stride) for index in access.indices]
            m = Map(offset, (*strides, *[stride for _, stride in more]))
            yield access._replace(map=m), (*item.space, *[size for size, _ in more])
