"""The C source of a loop: one function that runs steps, with one loop nest for every group.

The maps of a group say how its indices reach memory; its values are local variables, so that the body of the
innermost loop reads like the equations of the step. Compilers vectorise it: every innermost loop is free of
branches, and `omp simd` says that its iterations are independent.

    const float i = sigmoid_(a_i);
    const float c = f * c_prev + i * g;
    c_at[128 * k0 + k1] = c;
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.scan.c.expressions import ctype, expression
from tinygrad_seq.scan.c.products import PREAMBLE, product
from tinygrad_seq.scan.groups.assignments import Access, Assign, Item, Product
from tinygrad_seq.scan.groups.grouping import Group, Grouped, in_register
from tinygrad_seq.scan.groups.maps import Map, Shape, contiguous

HEADER = Path(__file__).with_name("elementary.h").read_text(encoding="utf-8")
KEYWORDS = set(
    [
        "auto",
        "break",
        "case",
        "char",
        "const",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "typedef",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "pointers",
        "strides",
        "step",
        "steps",
        "asm",
        "typeof",
        "linux",
        "unix",
        "main",
    ]
)
LANES = """
/* The elements of a vector of float, but no more than n. */
#define LANES(n) ((n) < VECTOR_BYTES / 4 ? (n) : VECTOR_BYTES / 4)
"""
SIXTEEN = 16  # elements that fill the widest vector with float32, and two of the widest with float64


class Slot(NamedTuple):
    """What one pointer of the function points to, and the bytes that it moves at every step.

    kind   "constant", "input", "carry", "stack", "total", "scratch", "panels"; "matrix": a constant in any layout,
           with the stride of its rows; "columns": the stride of its columns, and no pointer
    value  the number of the value, or of the carry
    size   bytes, of scratch memory and of panels
    """

    kind: str
    value: int = 0
    size: int = 0

    @property
    def given(self) -> bool:
        """Whether the caller gives the memory."""
        return self.kind in ("input", "constant", "matrix", "columns")


class Source(NamedTuple):
    """C text, the name of its function, and the meaning of the function's pointers."""

    text: str
    name: str
    slots: tuple[Slot, ...]


def source(made: Grouped, name: str) -> Source:
    """The source of a loop whose function is called `name`."""
    return _Writer(made, name).source()


class _Writer:
    def __init__(self, made: Grouped, name: str) -> None:
        self.made, self.given, self.name = made, made.given, name
        self.names = identifiers(made)
        self.slots: list[Slot] = []
        self.products = {}
        self.once: list[str] = []  # before the first step
        self.each: list[str] = []  # pointers of a step
        self._bind()

    def source(self) -> Source:
        body = [line for group in self.made.groups for line in self._group(group)]
        lines = [
            f"int64_t {self.name}(char *const *pointers, const int64_t *strides, int64_t step, int64_t steps)",
            "{",
            *indented(self.once),
            "    for (; step < steps; step++) {",
            *indented([*self.each, *body], 2),
            "    }",
            "    return step;",
            "}",
        ]
        parts = [
            HEADER,
            LANES,
            *([PREAMBLE] if self.products else []),
            *(p.source for p in self.products.values()),
        ]
        return Source("\n".join([*parts, *lines, ""]), self.name, tuple(self.slots))

    # --- memory -----------------------------------------------------------------------------------------

    def _slot(self, slot: Slot) -> int:
        if slot not in self.slots:
            self.slots.append(slot)
        return self.slots.index(slot)

    def _bind(self) -> None:
        """Declare a pointer for every value that has memory and is used."""
        given, loop = self.given, self.given.program
        used = set(self._read())
        written = {item.write.value for g in self.made.groups for item in g.items}
        for v in loop.constants:
            if v in used:
                self._constant(v, self._slot(Slot("constant", v)))
        for v in loop.inputs:
            if v in used:
                self._pointer(v, self._slot(Slot("input", v)), "step", const=True)
        homes = {}
        for v, holder in given.kept.items():
            homes[holder] = Slot("stack", v)
        for v, total in given.totals.items():
            homes[total] = Slot("total", v)
        carried = wide(self.made)
        for j, ((before, _), after) in enumerate(zip(loop.carries, given.carries, strict=True)):
            slot = self._slot(Slot("carry", j))
            if before in used:
                self._pointer(before, slot, "step" if carried[j] else "(step & 1)", const=True)
            self._pointer(after, slot, "(step + 1)" if carried[j] else "((step + 1) & 1)")
            homes.pop(before, None)
            homes.pop(after, None)
        for v, slot in homes.items():
            self._pointer(v, self._slot(slot), "step" if slot.kind == "stack" else "")
        if self.made.size:
            k = self._slot(Slot("scratch", size=self.made.size))
            for v, place in self.made.scratch.items():
                if v in written:
                    self._pointer(v, k, "", place=place)

    def _read(self) -> Iterator[int]:
        """The values that are read in C order."""
        for item in items_of(self.made):
            for access in item.reads:
                if not (isinstance(item, Product) and access is item.b and self._matrix(access)):
                    yield access.value

    def _matrix(self, access: Access) -> bool:
        """Whether a factor is a whole constant, which is packed in whatever layout it comes."""
        shape = self.given.shape(access.value)
        constant = access.value in self.given.program.constants
        return constant and len(shape) == 2 and access.map == contiguous(shape)

    def _constant(self, v: int, k: int) -> None:
        kind = ctype(self.given.values[v].dtype)
        if self.given.shape(v):
            self.once.append(f"const {kind} *restrict {self.names[v]}_at = (const {kind} *) pointers[{k}];")
        else:
            self.once.append(f"const {kind} {self.names[v]} = *(const {kind} *) pointers[{k}];")

    def _pointer(self, v: int, k: int, moves: str, *, place: int = 0, const: bool = False) -> None:
        kind = ("const " if const else "") + ctype(self.given.values[v].dtype)
        place_text = f" + {place}" if place else ""
        if moves:
            line = f"{kind} *restrict {self.names[v]}_at = ({kind} *) (pointers[{k}] + {moves} * strides[{k}]);"
            self.each.append(line)
        else:
            self.once.append(f"{kind} *restrict {self.names[v]}_at = ({kind} *) (pointers[{k}]{place_text});")

    # --- products ---------------------------------------------------------------------------------------

    def _product(self, item: Product) -> Iterator[str]:
        dtype = self.given.values[item.write.value].dtype
        made = product(item.m, item.k, item.n, dtype)
        self.products[made.name] = made
        kind, size = ctype(dtype), made.panels * dtype.itemsize
        a, z = self._address(item.a), self._address(item.write)
        panels = f"panels{sum('panels' in line for line in self.once)}"
        key = (made.name, item.b)
        if item.fixed and key in self.packed:
            panels = self.packed[key]
        else:
            k = self._slot(Slot("panels", len(self.slots), size))
            self.once.append(f"{kind} *restrict {panels} = ({kind} *) pointers[{k}];")
            if self._matrix(item.b):
                k = self._slot(Slot("matrix", item.b.value))
                b = f"(const {kind} *) pointers[{k}], strides[{k}], strides[{self._slot(Slot('columns', item.b.value))}]"
            else:
                b = f"{self._address(item.b)}, {item.b.map.strides[0]}, {item.b.map.strides[1]}"
            pack = f"pack_{made.name}({b}, {panels});"
            if item.fixed:
                self.once.append(f"if (step == 0) {pack}")
                self.packed[key] = panels
            else:
                yield pack
        a_row, a_column = item.a.map.strides
        yield f"{made.name}({a}, {a_row}, {a_column}, {panels}, {z}, {item.write.map.strides[0]});"

    @property
    def packed(self) -> dict:
        return self.__dict__.setdefault("_packed", {})

    def _address(self, access: Access) -> str:
        offset = f" + {access.map.offset}" if access.map.offset else ""
        return f"{self.names[access.value]}_at{offset}"

    # --- groups -----------------------------------------------------------------------------------------

    def _group(self, group: Group) -> Iterator[str]:
        if group.space is None:
            (item,) = group.items
            yield from self._product(item)
        else:
            yield from _Nest(self, group).lines()


class _Nest:
    """The loop nest of a group: its axes in the order of the loops, merged where all maps allow it."""

    def __init__(self, writer: _Writer, group: Group) -> None:
        self.writer, self.given, self.names = writer, writer.given, writer.names
        self.items = [item for item in group.items if isinstance(item, Assign)]
        self.registers: dict[int, Assign] = {}
        accesses = list(self._memory())
        axes = loops_of(group.space, [a.map for a in accesses])
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
            if item.combine or item.write.value in self.writer.made.stored:
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

    def element(self, access: Access) -> str:
        return f"{self.names[access.value]}_at[{self.index(access.map)}]"

    def read(self, item: Assign, access: Access) -> str:
        v = access.value
        if v in self.given.numbers:
            return literal(self.given.numbers[v], self.given.values[v].dtype)
        writer = self.registers.get(v)
        if writer is not None and in_register(writer, item, access):
            return self.names[v]
        if not self.given.shape(v) and v in self.given.program.constants:
            return self.names[v]
        return self.element(access)

    def lines(self) -> Iterator[str]:
        """The nest, in a scope of its own if it declares variables outside of its loops."""
        found = list(self._lines())
        alone = found[0].startswith("for") and len(self.sizes) > 1 or not self.sizes
        yield from found if alone else ["{", *indented(found), "}"]

    def _lines(self) -> Iterator[str]:
        sizes = self.sizes
        depth = len(sizes)
        reductions = [item for item in self.items if item.combine]
        start = {id(item): self._suffix(item) for item in reductions}  # the depth at which its loops begin
        inner = [item for item in reductions if start[id(item)] < depth]
        for item in reductions:
            if self._outer(item, start[id(item)]):
                yield from self._cleared(item)
        body = list(self._body(start))
        rows = list(self.rows)  # of the innermost loop
        pad = ""
        closing: list[str] = []
        for d in range(depth):
            for item in inner:
                if start[id(item)] == d:
                    yield from (pad + line for line in self._opened(item))
            n = sizes[d]
            if d == depth - 1:
                yield from (pad + line for line in rows)
                whole = not reductions and n % SIXTEEN
                yield from (pad + line for line in self._innermost(d, n, body, inner, whole))
            else:
                yield f"{pad}for (int k{d} = 0; k{d} < {n}; k{d}++) {{"
            after = [line for item in inner if start[id(item)] == d for line in self._closed(item, start)]
            closing.append((pad, after, d < depth - 1))
            pad += "    "
        if not depth:
            yield "{"
            yield from (f"    {line}" for line in body)
            yield "}"
        for pad, after, braces in reversed(closing):
            if braces:
                yield f"{pad}}}"
            yield from (pad + line for line in after)

    def _innermost(
        self, d: int, n: int, body: list[str], inner: Sequence[Assign], whole: bool
    ) -> Iterator[str]:
        """The innermost loop; where possible in pieces of one vector, of which the last two may overlap."""
        clauses = "".join(f" reduction({sign}:{names})" for sign, names in self._clauses(inner))
        if whole:
            yield f"for (int first = 0, next; first < {n}; first = next) {{"
            yield f"    next = first + LANES({n});"
            yield f"    if (next > {n}) first = {n} - LANES({n}), next = {n};"
            yield "    #pragma omp simd"
            yield f"    for (int k{d} = first; k{d} < first + LANES({n}); k{d}++) {{"
            yield from (f"        {line}" for line in body)
            yield "    }"
        else:
            yield f"#pragma omp simd{clauses}"
            yield f"for (int k{d} = 0; k{d} < {n}; k{d}++) {{"
            yield from (f"    {line}" for line in body)
        yield "}"

    def _clauses(self, inner: Sequence[Assign]) -> Iterator[tuple[str, str]]:
        """How the variables of reductions are combined, for `omp simd`."""
        signs = {"sum": "+", "add": "+", "max": "max", "min": "min"}
        for item in inner:
            yield signs[item.combine or ""], self.accumulator(item)
            if self._may_be_nan(item):
                yield "|", f"{self.accumulator(item)}_nan"

    def _may_be_nan(self, item: Assign) -> bool:
        return item.combine in ("max", "min") and self._dtype(item).kind == "f"

    def _dtype(self, item: Assign) -> np.dtype:
        return self.given.values[item.write.value].dtype

    def accumulator(self, item: Assign) -> str:
        return f"{self.names[item.write.value]}_so_far"

    def _suffix(self, item: Assign) -> int:
        """The depth from which on all loops run over elements that the reduction combines."""
        d = len(self.sizes)
        strides = self.strides(item.write.map)
        while d and strides[d - 1] == 0:
            d -= 1
        return d

    def _outer(self, item: Assign, d: int) -> bool:
        """Whether loops outside of depth d come to the same place again, so that it is combined in memory."""
        return any(s == 0 for s in self.strides(item.write.map)[:d])

    def _cleared(self, item: Assign) -> Iterator[str]:
        """Memory that is combined into must begin with the neutral element."""
        if item.combine != "add":
            v = item.write.value
            count = int(np.prod(self.given.shape(v)))
            start = neutral(item.combine, self._dtype(item))
            yield f"for (int k = 0; k < {count}; k++) {self.names[v]}_at[k] = {start};"

    def _opened(self, item: Assign) -> Iterator[str]:
        kind = ctype(self._dtype(item))
        yield f"{kind} {self.accumulator(item)} = {neutral(item.combine, self._dtype(item))};"
        if self._may_be_nan(item):
            yield f"int {self.accumulator(item)}_nan = 0;"

    def _closed(self, item: Assign, start: Mapping[int, int]) -> Iterator[str]:
        found, place = self.accumulator(item), self.element(item.write)
        if self._may_be_nan(item):
            yield f"if ({found}_nan) {found} = NAN;"
        if item.combine == "add" or (item.combine == "sum" and self._outer(item, start[id(item)])):
            yield f"{place} += {found};"
        elif self._outer(item, start[id(item)]):
            yield f"{place} = {self._extreme(item, place, found)};"
        else:
            yield f"{place} = {found};"

    def _extreme(self, item: Assign, so_far: str, x: str) -> str:
        """The larger, or smaller, of two; NaN if one is."""
        name = {"max": "maximum", "min": "minimum"}[item.combine or ""]
        dtype = self._dtype(item)
        found = expression(PRIMITIVES[name], (dtype, dtype), dtype, (so_far, x))
        assert found is not None
        return found

    def _body(self, start: Mapping[int, int]) -> Iterator[str]:
        values = self.given.values
        for item in self.items:
            v = item.write.value
            dtype = values[v].dtype
            reads = [self.read(item, a) for a in item.reads]
            dtypes = [values[a.value].dtype for a in item.reads]
            if item.op == "convert":
                value = converted(reads[0], dtypes[0], dtype)
            elif item.op == "divide" and dtypes == [dtype, dtype] and self._of_row(item.reads[1]):
                value = self._divided(reads[0], reads[1], dtype)
            else:
                found = expression(PRIMITIVES[item.op], tuple(dtypes), dtype, tuple(reads))
                assert found is not None, item.op
                value = found
            if item.combine:
                yield from self._combined(item, value, start[id(item)])
            else:
                stored = v in self.writer.made.stored
                if item.op == "convert" and stored:
                    yield f"{self.element(item.write)} = {value};"
                    continue
                yield f"const {local(dtype)} {self.names[v]} = {value};"
                self.registers[v] = item
                if stored:
                    yield f"{self.element(item.write)} = {self.names[v]};"

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

    def _combined(self, item: Assign, value: str, d: int) -> Iterator[str]:
        found = self.accumulator(item)
        if d == len(self.sizes):  # each element has a place of its own in this loop
            place = self.element(item.write)
            if item.combine != "add" and not self._outer(item, d):
                yield f"{place} = {value};"
            elif item.combine in ("sum", "add"):
                yield f"{place} += {value};"
            else:
                yield f"{place} = {self._extreme(item, place, value)};"
        elif item.combine in ("sum", "add"):
            yield f"{found} += {value};"
        else:
            sign = ">" if item.combine == "max" else "<"
            yield f"{found} = {value} {sign} {found} ? {value} : {found};"
            if self._may_be_nan(item):
                yield f"{found}_nan |= {value} != {value};"


def wide(made: Grouped) -> list[bool]:
    """For each carry, whether all its rows are kept."""
    held = set(made.given.kept.values())
    pairs = zip(made.given.program.carries, made.given.carries, strict=True)
    return [before in held or after in held for (before, _), after in pairs]


def loops_of(space: Shape, maps: Sequence[Map]) -> list[tuple[int, tuple[int, ...]]]:
    """The loops over a space, from the outermost: for each its length, and the axes that it runs over.

    The innermost runs over the axis along which most maps are contiguous. Neighbouring axes become one loop
    where all maps go through both as through one.
    """
    if not space:
        return []

    def merit(axis: int) -> tuple[bool, int, int]:
        strides = [m.strides[axis] for m in maps]
        return space[axis] >= 4, sum(s == 1 for s in strides) - sum(s not in (0, 1) for s in strides), axis

    last = max(range(len(space)), key=merit)
    loops: list[tuple[int, tuple[int, ...]]] = []
    for axis in [*(a for a in range(len(space)) if a != last), last]:
        if loops:
            n, axes = loops[-1]
            if all(m.strides[axes[-1]] == m.strides[axis] * space[axis] for m in maps):
                loops[-1] = n * space[axis], (*axes, axis)
                continue
        loops.append((space[axis], (axis,)))
    return loops


def neutral(combine: str | None, dtype: np.dtype) -> str:
    if combine in ("sum", "add"):
        return "0"
    if dtype.kind == "f":
        return "-INFINITY" if combine == "max" else "INFINITY"
    if dtype.kind == "b":
        return "0" if combine == "max" else "1"
    info = np.iinfo(dtype)
    return literal(info.min if combine == "max" else info.max, dtype)


def literal(x, dtype: np.dtype) -> str:
    """A number as C writes it."""
    if dtype.kind == "f":
        if x != x:
            return "NAN"
        if x in (np.inf, -np.inf):
            return "INFINITY" if x > 0 else "(-INFINITY)"
        text = repr(float(x))
        text += "f" if dtype == np.float32 else ""
    elif dtype.kind == "b":
        text = str(int(x))
    else:
        least = np.iinfo(np.int64).min
        text = "(-INT64_C(9223372036854775807) - 1)" if x == least else f"(({ctype(dtype)}) {_integer(int(x))})"
    return f"({text})" if text.startswith("-") else text


def _integer(x: int) -> str:
    return f"UINT64_C({x})" if x > np.iinfo(np.int64).max else f"INT64_C({x})" if x >= 0 else f"-INT64_C({-x})"


def local(dtype: np.dtype) -> str:
    """The type of a local variable: a truth value is an int, because vectors of bytes mix badly with floats."""
    return "int" if dtype.kind == "b" else ctype(dtype)


def converted(x: str, of: np.dtype, to: np.dtype) -> str:
    """x in another dtype, as NumPy's astype."""
    if to.kind == "b":
        return f"({x} != 0)"
    return f"(({ctype(to)}) {x})" if of != to else x


def identifiers(made: Grouped) -> dict[int, str]:
    """A name for every value in C: that of the program, where it can be one."""
    given = made.given
    names: dict[int, str] = {}
    taken: set[str] = set()
    for v in range(len(given.values)):
        whole = given.inlined.get(v, v)
        while whole in given.inlined:
            whole = given.inlined[whole]
        name = re.sub(r"\W", "_", given.program.names.get(whole, "v"), flags=re.ASCII)
        name = f"v{name}" if name[:1].isdigit() or name.startswith("_") else name
        if name in KEYWORDS or re.fullmatch(r"(k|panels|scale|inverse)\d*|first|next", name):
            name += "_"
        unique = next(
            n for n in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1))) if n not in taken
        )
        taken |= {unique, f"{unique}_at", f"{unique}_so_far", f"{unique}_so_far_nan"}
        names[v] = unique
    return names


def indented(lines: Iterable[str], levels: int = 1) -> Iterator[str]:
    for line in lines:
        yield line if line.startswith("#") else "    " * levels + line


def items_of(made: Grouped) -> Iterator[Item]:
    for group in made.groups:
        yield from group.items
