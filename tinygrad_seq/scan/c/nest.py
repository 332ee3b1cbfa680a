"""The loop nest of a group: a `for` for every axis, and the assignments of the group in the innermost.

Axes are put in the order in which memory is contiguous, and merged where all maps allow it. A value of the
group is a local variable; memory is read and written by index expressions. Compilers vectorise the innermost
loop: it has no branches, and `omp simd` says that its iterations are independent. If its length is not a
multiple of a vector, its last piece overlaps the one before it, so that nothing is computed element by element.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from tinygrad_seq.ops.elementwise import divide
from tinygrad_seq.scan.c.expressions import ctype, expression
from tinygrad_seq.scan.c.names import converted, literal, local
from tinygrad_seq.scan.c.reduction import Reduction
from tinygrad_seq.scan.groups.assignments import Access, Assign, Assignments
from tinygrad_seq.scan.groups.batch import Blocks
from tinygrad_seq.scan.groups.grouping import Group, Grouped, in_register
from tinygrad_seq.scan.groups.maps import Map, Shape

SIXTEEN = 16  # elements that fill the widest vector with float32, and two of the widest with float64


class Loop(Protocol):
    """What a nest knows of the loop that it is in: its groups, and the names of its values."""

    made: Grouped
    given: Assignments
    names: dict[int, str]


class Nest:
    """The loop nest of a group: its axes in the order of the loops, merged where all maps allow it."""

    def __init__(self, loop: Loop, group: Group) -> None:
        self.made, self.given, self.names = loop.made, loop.given, loop.names
        self.items = [item for item in group.items if isinstance(item, Assign)]
        self.registers: dict[int, Assign] = {}
        accesses = list(self._memory())
        self.ordered = any(item.ordered for item in self.items)
        space = group.space or ()
        axes: list[tuple[int, tuple[int, ...]]] = [(n, (axis,)) for axis, n in enumerate(space)]
        if not self.ordered:
            counts = [a.map for item in self.items for a in item.reads if a.value in self.given.counted]
            axes = loops_of(space, [a.map for a in accesses], counts)
        self.order = axes
        self.sizes = [size for size, _ in axes]
        self.rows: list[str] = []  # what is computed once for every row, before the innermost loop
        self.inverses: dict[str, str] = {}  # the numbers of the variables for 1 / y

    def _memory(self) -> Iterator[Access]:
        """The accesses of the group to memory."""
        own: dict[int, Assign] = {}
        for item in self.items:
            for access in item.reads:
                if access.value in self.given.numbers or not self.given.shape(access.value):
                    continue
                writer = own.get(access.value)
                if writer is None or not in_register(writer, item, access):
                    yield access
            own[item.write.value] = item
            if item.combine or item.write.value in self.made.stored:
                yield item.write

    def strides(self, m: Map) -> list[int]:
        """The strides of a map over the loops."""
        return [m.strides[axes[-1]] for _, axes in self.order]

    def index(self, m: Map) -> str:
        terms = [(s, f"k{d}") for d, s in enumerate(self.strides(m)) if s]
        text = " + ".join(k if s == 1 else f"{s} * {k}" for s, k in terms)
        if m.offset or not text:
            text = f"{text} + {m.offset}" if text else str(m.offset)
        return text.replace("+ -", "- ")

    def element(self, item: Assign, access: Access) -> str:
        return f"{self.names[access.value]}_at[{self.place(item, access)}]"

    def place(self, item: Assign, access: Access) -> str:
        """The place of an element, with the indices that are read."""
        place = self.index(access.map)
        for stride, size, read in ((i.stride, i.size, item.reads[i.read]) for i in access.indices):
            place += f" + {stride} * index_of({self.read(item, read)}, {size}, &wrong)"
        return place

    def read(self, item: Assign, access: Access) -> str:
        v = access.value
        if v in self.given.counted:
            return f"((int64_t) ({self.place(item, access)}))"
        if v in self.given.numbers:
            return literal(self.given.numbers[v], self.given.values[v].dtype)
        writer = self.registers.get(v)
        if writer is not None and in_register(writer, item, access):
            return self.names[v]
        if not self.given.shape(v) and v in self.given.program.constants:
            return self.names[v]
        return self.element(item, access)

    def lines(self) -> Iterator[str]:
        """The nest, in a scope of its own if it declares variables outside of its loops."""
        found = list(self._lines())
        alone = (found[0].startswith("for") and len(self.sizes) > 1) or not self.sizes
        yield from found if alone else ["{", *indented(found), "}"]

    def _lines(self) -> Iterator[str]:
        sizes = self.sizes
        depth = len(sizes)
        reductions = {id(item): Reduction(self, item) for item in self.items if item.combine}
        inner = [reduction for reduction in reductions.values() if reduction.start < depth]
        for reduction in reductions.values():
            if reduction.outer:
                yield from reduction.cleared()
        body = list(self._body(reductions))
        rows = list(self.rows)  # of the innermost loop
        pad = ""
        closing: list[tuple[str, list[str], bool]] = []
        for d in range(depth):
            here = [reduction for reduction in inner if reduction.start == d]
            yield from (pad + line for reduction in here for line in reduction.opened())
            n = sizes[d]
            if d == depth - 1:
                yield from (pad + line for line in rows)
                checked = any("&wrong" in line for line in body)
                ragged = n % SIXTEEN > SIXTEEN // 2 and not isinstance(n, Blocks)
                whole = ragged and not (reductions or checked or self.ordered)
                yield from (pad + line for line in self._innermost(d, n, body, inner, whole))
            else:
                yield f"{pad}{loop(d, n)} {{"
            closing.append((pad, [line for reduction in here for line in reduction.closed()], d < depth - 1))
            pad += "    "
        if not depth:
            yield "{"
            yield from (f"    {line}" for line in body)
            yield "}"
        for margin, after, braces in reversed(closing):
            if braces:
                yield f"{margin}}}"
            yield from (margin + line for line in after)

    def _innermost(
        self, d: int, n: int, body: list[str], inner: Sequence[Reduction], whole: bool
    ) -> Iterator[str]:
        """The innermost loop; where possible in pieces of one vector, of which the last two may overlap."""
        clauses = "".join(clause for reduction in inner for clause in reduction.clauses())
        if whole:
            yield f"for (int first = 0, next; first < {n}; first = next) {{"
            yield f"    next = first + LANES({n});"
            yield f"    if (next > {n}) first = {n} - LANES({n}), next = {n};"
            yield "    #pragma omp simd"
            yield f"    for (int k{d} = first; k{d} < first + LANES({n}); k{d}++) {{"
            yield from (f"        {line}" for line in body)
            yield "    }"
        else:
            if not any("&wrong" in line for line in body) and not self.ordered:
                yield f"#pragma omp simd{clauses}"
            yield f"{loop(d, n)} {{"
            yield from (f"    {line}" for line in body)
        yield "}"

    def _body(self, reductions: Mapping[int, Reduction]) -> Iterator[str]:
        values = self.given.values
        for item in self.items:
            v = item.write.value
            dtype = values[v].dtype
            reads = [self.read(item, a) for a in item.reads]
            dtypes = [values[a.value].dtype for a in item.reads]
            if item.op is None:
                value = converted(reads[0], dtypes[0], dtype)
            elif item.op is divide.primitive and dtypes == [dtype, dtype] and self._of_row(item.reads[1]):
                value = self._divided(reads[0], reads[1], dtype)
            else:
                found = expression(item.op, tuple(dtypes), dtype, tuple(reads))
                assert found is not None, item.op.name
                value = found
            if item.combine:
                yield from reductions[id(item)].combined(value)
            else:
                stored = v in self.made.stored
                if item.op is None and stored:
                    yield f"{self.element(item, item.write)} = {value};"
                    continue
                yield f"const {local(dtype)} {self.names[v]} = {value};"
                self.registers[v] = item
                if stored:
                    yield f"{self.element(item, item.write)} = {self.names[v]};"

    def _of_row(self, access: Access) -> bool:
        """Whether an element in memory stays the same in the innermost loop, which is not short."""
        v = access.value
        if not self.sizes or self.sizes[-1] < SIXTEEN or v in self.registers or v in self.given.numbers:
            return False
        return self.strides(access.map)[-1] == 0

    def _divided(self, x: str, y: str, dtype: np.dtype) -> str:
        """x / y as (x s) (1 / (y s)); s is 1, or so large that 1 / (y s) is finite for a subnormal y."""
        if y not in self.inverses:
            k = self.inverses[y] = f"{len(self.inverses)}"
            kind, f = ctype(dtype), "f" if dtype == np.float32 else ""
            least, large = ("FLT_MIN", "0x1p64f") if f else ("DBL_MIN", "0x1p512")
            self.rows.append(f"const {kind} scale{k} = fabs{f}({y}) < {least} ? {large} : 1;")
            self.rows.append(f"const {kind} inverse{k} = 1 / ({y} * scale{k});")
        k = self.inverses[y]
        return f"({x} * scale{k} * inverse{k})"


def loops_of(space: Shape, maps: Sequence[Map], counts: Sequence[Map]) -> list[tuple[int, tuple[int, ...]]]:
    """The loops over a space, from the outermost: for each its length, and the axes that it runs over.

    An axis of blocks is the outermost. The innermost runs over the axis along which most maps are contiguous.
    Neighbouring axes become one loop where all maps go through both as through one, also the maps `counts` of
    numbers that are made from the indices.
    """
    blocks: list[tuple[int, tuple[int, ...]]] = [
        (n, (a,)) for a, n in enumerate(space) if isinstance(n, Blocks)
    ]
    rest = [axis for axis, n in enumerate(space) if not isinstance(n, Blocks)]
    if not rest:
        return blocks

    def merit(axis: int) -> tuple[bool, int, int]:
        strides = [m.strides[axis] for m in maps]
        return space[axis] >= 4, sum(s == 1 for s in strides) - sum(s not in (0, 1) for s in strides), axis

    last = max(rest, key=merit)
    loops: list[tuple[int, tuple[int, ...]]] = []
    for axis in [*(axis for axis in rest if axis != last), last]:
        if loops:
            n, axes = loops[-1]
            if all(m.strides[axes[-1]] == m.strides[axis] * space[axis] for m in (*maps, *counts)):
                loops[-1] = n * space[axis], (*axes, axis)
                continue
        loops.append((space[axis], (axis,)))
    return [*blocks, *loops]


def loop(d: int, n: int) -> str:
    """The head of the loop over n elements at depth d.

    An index of blocks has 64 bits: an index expression of 32 bits could overflow, as far as compilers know, and
    they would gather single elements.
    """
    if isinstance(n, Blocks):
        return f"for (int64_t k{d} = 0; k{d} < blocks; k{d}++)"
    return f"for (int k{d} = 0; k{d} < {n}; k{d}++)"


def indented(lines: Iterable[str], levels: int = 1) -> Iterator[str]:
    for line in lines:
        yield "    " * levels + line
