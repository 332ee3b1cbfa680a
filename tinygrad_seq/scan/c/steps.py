"""The steps of a loop as C: pointers to the memory of a step, then one group after another.

A loop in the step of another one is a `for` in it, whose rows are memory of the outer step.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinygrad_seq.scan.c.expressions import ctype
from tinygrad_seq.scan.c.names import identifiers
from tinygrad_seq.scan.c.nest import Nest, indented, loop
from tinygrad_seq.scan.c.products import Product as Kernel
from tinygrad_seq.scan.c.slots import Shared
from tinygrad_seq.scan.groups.assignments import Access, Inner, Item, Product
from tinygrad_seq.scan.groups.grouping import Grouped
from tinygrad_seq.scan.groups.maps import Map


class Loop:
    """The text of the steps of a loop.

    once    declarations before its first step
    each    declarations at every step
    packed  the panels of matrices that are packed before the first step
    """

    def __init__(self, made: Grouped, shared: Shared) -> None:
        self.made, self.given, self.shared = made, made.given, shared
        self.names = identifiers(made, shared.taken)
        self.once: list[str] = []
        self.each: list[str] = []
        self.packed: dict[tuple[str, Access], str] = {}
        self.inner = {
            id(item): Nested(item, self)
            for group in made.groups
            for item in group.items
            if isinstance(item, Inner)
        }

    def steps(self) -> Iterator[str]:
        """The body of the loop over steps."""
        body = [line for group in self.made.groups for line in self._group(group)]
        yield from self.each
        yield from body

    def _group(self, group) -> Iterator[str]:
        if group.space is None:
            (item,) = group.items
            yield from self._product(item) if isinstance(item, Product) else self.inner[id(item)].lines()
            return
        nest = list(Nest(self, group).lines())
        yield from nest
        if any("&wrong" in line for line in nest):
            yield "if (wrong) return -1;"

    def read(self) -> set[int]:
        """The values that are read in C order, by this loop and by those in it."""
        found: set[int] = set()
        for item in self._items():
            if isinstance(item, Inner):
                found |= self.inner[id(item)].outer_values()
            else:
                found |= {a.value for a in item.reads if not (self._factor(item, a) and self.whole(a))}
        return found

    def _items(self) -> Iterator[Item]:
        for group in self.made.groups:
            yield from group.items

    @staticmethod
    def _factor(item: Item, access: Access) -> bool:
        return isinstance(item, Product) and access is item.b

    def pointer(self, v: int, address: str, *, const: bool = False) -> str:
        """The declaration of the memory of a value."""
        kind = ("const " if const else "") + ctype(self.given.values[v].dtype)
        return f"{kind} *restrict {self.names[v]}_at = ({kind} *) ({address});"

    def whole(self, access: Access) -> bool:
        """Whether a factor is a whole matrix that the caller of the function gives in any layout."""
        raise NotImplementedError

    def fixed(self, v: int) -> bool:
        """Whether a value is the same for all steps of the function."""
        raise NotImplementedError

    # --- products ---------------------------------------------------------------------------------------

    def _product(self, item: Product) -> Iterator[str]:
        dtype = self.given.values[item.write.value].dtype
        kernel = Kernel(item.m // item.blocks, item.k, item.n, dtype)
        self.shared.kernels[kernel] = None
        a_row, a_column = item.a.map.strides[-2:]
        row, column = item.b.map.strides[-2:]
        a = f"{'blocks' if item.blocks > 1 else 1}, {self.address(item.a)}, {a_row}, {a_column}"
        z, z_row = self.address(item.write), item.write.map.strides[-2]
        if item.fixed:
            lines = [f"{kernel.name}({a}, {self.panels(kernel, item.b)}, {z}, {z_row});"]
        elif kernel.direct and column == 1:
            lines = [f"{kernel.name}_direct({a}, {self.address(item.b)}, {row}, {z}, {z_row});"]
        else:
            panels, _ = self.room("scratch", kernel, self.kind(item.b))
            lines = [
                f"repack_{kernel.name}({self.address(item.b)}, {row}, {column}, {panels});",
                f"{kernel.name}({a}, {panels}, {z}, {z_row});",
            ]
        for d, n in reversed([*enumerate(item.stack)]):
            lines = [f"{loop(d, n)} {{", *indented(lines), "}"]
        yield from lines

    def panels(self, kernel: Kernel, b: Access) -> str:
        """The name of the panels of a matrix, which are packed before the first step."""
        if (kernel.name, b) not in self.packed:
            self.packed[kernel.name, b] = self._packed(kernel, b)
        return self.packed[kernel.name, b]

    def _packed(self, kernel: Kernel, b: Access) -> str:
        raise NotImplementedError

    def room(self, use: str, kernel: Kernel, kind: str) -> tuple[str, str]:
        """New memory for panels: its name, and its address among the pointers."""
        raise NotImplementedError

    def kind(self, access: Access) -> str:
        return ctype(self.given.values[access.value].dtype)

    def address(self, access: Access) -> str:
        """The address of the first element of a matrix, in the loops over its stack."""
        offset, (*stack, _, _) = access.map
        terms = [str(offset)] * bool(offset) + [f"{s} * k{d}" for d, s in enumerate(stack) if s]
        return " + ".join([f"{self.names[access.value]}_at", *terms])


class Nested(Loop):
    """A loop in the step of another loop, whose memory is that of the outer step."""

    def __init__(self, item: Inner, outer: Loop) -> None:
        super().__init__(item.loop, outer.shared)
        self.item, self.outer = item, outer
        self.shared.loops += 1
        self.step = f"step{self.shared.loops}"

    def outer_values(self) -> set[int]:
        """The values of the outer step that this loop reads in C order."""
        read = self.read()
        return {v for inner, (v, _) in self.item.memory.items() if inner in read} | {*self.item.rows}

    def lines(self) -> Iterator[str]:
        """The loop, as a part of the outer step."""
        self._bind()
        n, step = self.item.n, self.step
        body = list(self.steps())
        yield "{"
        yield from indented(self.once)
        yield f"    for (int64_t {step} = 0; {step} < {n}; {step}++) {{"
        yield from indented(body, 2)
        yield "    }"
        yield "}"

    def _bind(self) -> None:
        item, given, loop = self.item, self.given, self.given.program
        used = self.read()
        written = {v for each in self._items() for v in each.written}
        n, step = item.n, self.step
        forwards = not item.reverse
        now = step if forwards else f"({n - 1} - {step})"
        for v, (outer, offset) in item.memory.items():
            if v in loop.constants:
                if v in used:
                    self._constant(v, outer, offset)
            elif v in loop.inputs:
                if v in used:
                    self.each.append(self.pointer(v, self._row(outer, offset, now, v), const=True))
            elif v in given.totals.values():
                self.once.append(self.pointer(v, self._row(outer, offset, "0", v)))
            else:
                self.each.append(self.pointer(v, self._row(outer, offset, now, v)))
        pairs = zip(loop.carries, given.carries, item.rows, self.made.wide, strict=True)
        for (before, _), after, rows, wide in pairs:
            row, later = f"({step} & 1)", f"(({step} + 1) & 1)"
            if wide:
                row, later = (step, f"({step} + 1)") if forwards else (f"({n} - {step})", now)
            if before in used:
                self.each.append(self.pointer(before, self._row(rows, 0, row, before), const=True))
            self.each.append(self.pointer(after, self._row(rows, 0, later, after)))
        if item.scratch is not None:
            scratch = f"(char *) {self.outer.names[item.scratch]}_at"
            places = [(v, place) for v, place in self.made.scratch.items() if v in written]
            self.once += [self.pointer(v, f"{scratch} + {place}") for v, place in places]

    def _row(self, outer: int, offset: int, row: str, v: int) -> str:
        """The address of a row of the memory of an outer value."""
        size = self.given.size(v)
        place = f" + {offset}" if offset else ""
        return f"{self.outer.names[outer]}_at{place}" + (f" + {row} * {size}" if row != "0" else "")

    def _constant(self, v: int, outer: int, offset: int) -> None:
        if self.given.shape(v):
            self.once.append(self.pointer(v, self._row(outer, offset, "0", v), const=True))
            return
        name = self.outer.names[outer]
        scalar = not self.outer.given.shape(outer) and outer in self.outer.given.program.constants
        value = name if scalar else f"{name}_at[{offset}]"
        self.once.append(f"const {ctype(self.given.values[v].dtype)} {self.names[v]} = {value};")

    def _outside(self, access: Access) -> Access:
        """An access to a constant, as the outer step makes it."""
        outer, offset = self.item.memory[access.value]
        return Access(outer, Map(offset + access.map.offset, access.map.strides))

    def whole(self, access: Access) -> bool:
        return access.value in self.given.program.constants and self.outer.whole(self._outside(access))

    def fixed(self, v: int) -> bool:
        return v in self.given.program.constants and self.outer.fixed(self.item.memory[v][0])

    def room(self, use: str, kernel: Kernel, kind: str) -> tuple[str, str]:
        return self.outer.room(use, kernel, kind)

    def _packed(self, kernel: Kernel, b: Access) -> str:
        if self.fixed(b.value):
            return self.outer.panels(kernel, self._outside(b))
        panels, _ = self.room("scratch", kernel, self.kind(b))
        row, column = b.map.strides
        self.once.append(f"pack_{kernel.name}({self.address(b)}, {row}, {column}, {panels});")
        return panels
