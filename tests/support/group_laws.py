"""Laws of groups that hold whatever the numbers are: who may read what, and where values lie."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from interpreted import Interpreter, places

from tinygrad_seq.scan.groups.assignments import Assign, Assignments, Inner, Item, Product
from tinygrad_seq.scan.groups.grouping import Group, Grouped, in_register
from tinygrad_seq.scan.groups.layout import LINE
from tinygrad_seq.scan.groups.printed import names_of


def well_formed(made: Grouped) -> None:
    reads_only_what_is_there(made)
    runs_alone_what_needs_an_order(made)
    writes_no_element_by_two_indices(made)
    multiplies_matrices_of_floats(made)
    shares_memory_only_in_turns(made)
    computes_no_element_twice(made)
    names_all_values_differently(made)


def reads_only_what_is_there(made: Grouped) -> None:
    """A group reads what earlier groups wrote to memory, and what the same indices have in a register."""
    given = made.given
    empty = (v for v in range(len(given.values)) if given.size(v) == 0)
    outside = {*given.program.arguments, *given.numbers, *given.counted, *empty}
    last_write = {v: g for g, group in enumerate(made.groups) for v in written(group)}
    for g, group in enumerate(made.groups):
        registers: dict[int, Item] = {}
        for item in group.items:
            for access in item.reads:
                v = access.value
                if v in outside or (v in registers and in_register(registers[v], item, access)):
                    continue
                again = v in item.written and (isinstance(item, Inner) or item.ordered)
                assert v in made.stored
                assert last_write[v] < g or again
            registers.update(dict.fromkeys(item.written, item))


def runs_alone_what_needs_an_order(made: Grouped) -> None:
    """Additions at indices, and running sums: two indices may meet at one place."""
    for group in made.groups:
        for item in group.items:
            if isinstance(item, Assign) and (
                item.write.indices or item.write.value in {a.value for a in item.reads}
            ):
                assert group.items == [item]


def writes_no_element_by_two_indices(made: Grouped) -> None:
    """Two assignments of a group to one value: each index writes elements that no other index writes."""
    for group in made.groups:
        assigns = [item for item in group.items if isinstance(item, Assign)]
        for first, second in itertools.combinations(assigns, 2):
            if first.write.value == second.write.value:
                one, other = (places(item.write.map, group.space or ()) for item in (first, second))
                apart = one != other
                assert set(one[apart]).isdisjoint(other[apart])


def multiplies_matrices_of_floats(made: Grouped) -> None:
    """An emitter has kernels for products of floats, both of which are in memory."""
    for group in made.groups:
        for item in group.items:
            if isinstance(item, Product):
                values = {item.a.value, item.b.value, item.write.value}
                assert values.isdisjoint(made.given.numbers)
                assert {made.given.values[v].dtype for v in values} in ({np.dtype("f4")}, {np.dtype("f8")})


def shares_memory_only_in_turns(made: Grouped) -> None:
    """Values that are alive in one group do not overlap; what is kept, carried or summed has its own memory."""
    lives = {v: alive(made, v) for v in made.scratch}
    for v, start in made.scratch.items():
        assert start % LINE == 0
        assert start + size(made, v) <= made.size
        for w, other in made.scratch.items():
            if v < w and lives[v][0] <= lives[w][1] and lives[w][0] <= lives[v][1]:
                assert start + size(made, v) <= other or other + size(made, w) <= start
    assert len(set(made.given.carries)) == len(made.given.carries)
    assert held(made) <= made.stored
    assert held(made).isdisjoint(made.scratch)


def written(group: Group) -> Iterator[int]:
    return (v for item in group.items for v in item.written)


def held(made: Grouped) -> set[int]:
    return {*made.given.kept.values(), *made.given.carries, *made.given.totals.values()}


def alive(made: Grouped, v: int) -> tuple[int, int]:
    """The first and the last group that writes or reads a value."""
    uses = [
        g
        for g, group in enumerate(made.groups)
        for item in group.items
        if v in (*item.written, *(a.value for a in item.reads))
    ]
    return min(uses), max(uses)


def size(made: Grouped, v: int) -> int:
    shape, dtype = made.given.values[v]
    return math.prod(shape) * dtype.itemsize


def written_once(run: Interpreter) -> None:
    """After a step: every element of what is kept, carried or summed was written once, or filled before."""
    items = [item for group in run.made.groups for item in group.items]
    writers = Counter(v for item in items for v in item.written)
    numbers, assigns = run.given.numbers, [item for item in items if isinstance(item, Assign)]
    fills = (item for item in assigns if writers[item.write.value] > 1 and item.reads[0].value in numbers)
    filled = {item.write.value for item in fills}
    for v in held(run.made) - set(run.loop.arguments):
        assert np.all(run.written[v] >= 1)
        assert np.all(run.written[v] == 1) or v in filled


def computes_no_element_twice(made: Grouped) -> None:
    given = made.given
    before = computed(given, given.items)
    after = computed(given, [item for group in made.groups for item in group.items])
    assert all(count <= before[v] for v, count in after.items())


def computed(given: Assignments, items: Iterable[Item]) -> Counter:
    """How many elements are computed of each value, those of copies included."""
    found: Counter = Counter()
    for item in items:
        if isinstance(item, Inner):
            continue
        v = item.write.value
        while v in given.inlined:
            v = given.inlined[v].value
        found[v] += math.prod(item.space) if isinstance(item, Assign) else item.m * item.n
    return found


def names_all_values_differently(made: Grouped) -> None:
    """Values in memory or in registers have different names, each of which can be an identifier."""
    names = names_of(made)
    values = {v for group in made.groups for v in written(group)} | made.stored
    count = Counter(names[v] for v in values)
    assert max(count.values(), default=1) == 1
    assert all(name.isidentifier() for name in count)
