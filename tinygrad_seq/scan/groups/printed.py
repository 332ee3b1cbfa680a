"""Groups in print: for each group its space, and the equations of the values that it computes.

    product, 32 x 128 by 128 x 512
        t3 = h_prev @ Wh -> memory
    over 32 x 128
        f = u[:, 128:256] + t3[:, 128:256]
        c = sigmoid(f) c_prev + i g -> memory

"-> memory" marks values that are stored; all others are in registers. A value that is read once and has no name
in the user's code is written out where it is read. k0, k1, ... are the indices of the space.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tinygrad_seq.scan.equations import LONGEST, SUM, TERM, Text, expression, spelled, value
from tinygrad_seq.scan.groups.assignments import ONTO, Access, Assign, Inner, Item, Product
from tinygrad_seq.scan.groups.grouping import Group, Grouped
from tinygrad_seq.scan.groups.maps import Map, Shape, contiguous, recovered, space_of, squeezed
from tinygrad_seq.scan.program import Operation, Program

UNNAMED = re.compile(rf"{TERM.pattern}|r\d+")


def told(made: Grouped) -> list[str]:
    """The lines of the print."""
    spell = spelled(made.given.program)
    names, views = names_of(made) | spell, view_names(made, spell)
    program = replace(made.given.program, values=tuple(made.given.values))
    return [line for group in made.groups for line in _Teller(made, program, names, views, group).lines()]


# --- names ----------------------------------------------------------------------------------------------

Views = dict[tuple[int, Map, Shape], str]


def names_of(made: Grouped) -> dict[int, str]:
    """A name for every value; except for views, no two are equal.

    A part that is computed where it is read has the name of the view that it is, and a copy that is kept or
    carried the name of its value. A value without a name is called r1, r2, ...
    """
    given = made.given
    names = dict(given.program.names)
    copied = {holder: v for v, holder in held(made)}
    names |= {total: f"{names[v]}__sum" for v, total in given.totals.items()}
    views = view_names(made, names)
    taken = {name for v, name in names.items() if v not in given.views}
    for v in range(len(given.values)):
        if v in names:
            continue
        wish = names[copied[v]] if v in copied else "r"
        if part := given.inlined.get(v):
            whole = names[part.value]
            wish = views.get((*part[:2], given.shape(v)), "r" if UNNAMED.fullmatch(whole) else whole)
        numbered = (f"{wish}{i}" for i in itertools.count(1))
        tries = numbered if wish == "r" else itertools.chain([wish], numbered)
        names[v] = next(name for name in tries if name not in taken)
        taken.add(names[v])
    return names


def view_names(made: Grouped, names: dict[int, str]) -> Views:
    """The names of views, by the value whose memory they are in, their map, and their space."""
    given = made.given
    copied = {v for v, holder in held(made) if v != holder}
    return {
        (base, squeezed(m, given.shape(v)), space_of(given.shape(v))): names[v]
        for v, (base, m) in given.views.items()
        if v in names and v not in copied and not UNNAMED.fullmatch(names[v])
    }


def held(made: Grouped) -> list[tuple[int, int]]:
    """The values that are carried or kept, each with the value that holds it in memory."""
    carried = [after for _, after in made.given.program.carries]
    return [*zip(carried, made.given.carries, strict=True), *made.given.kept.items()]


# --- equations ------------------------------------------------------------------------------------------


@dataclass
class _Teller:
    """The lines of a group, with the texts of the values that are written out."""

    made: Grouped
    program: Program
    names: dict[int, str]
    views: Views
    group: Group
    terms: dict[int, Text] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        items, space = self.group.items, self.group.space
        if isinstance(items[0], Inner):
            yield f"loop of {items[0].n} steps{' backwards' if items[0].reverse else ''}"
            yield from (f"    {line}" for line in told(items[0].loop))
            return
        yield product(items[0]) if space is None else f"over {' x '.join(map(str, space)) or 'one element'}"
        reads = Counter(access.value for item in items for access in item.reads)
        for item in items:
            assert not isinstance(item, Inner)
            v, right = item.write.value, self.right(item)
            stored = v in self.made.stored
            once = reads[v] == 1 and UNNAMED.fullmatch(self.names[v]) and len(right.text) <= LONGEST
            if once and not stored:
                self.terms[v] = right
            else:
                sign = f"{ONTO.get(item.combine or '', '')}=" if isinstance(item, Assign) else "="
                left = self.element(item, item.write)
                yield f"    {left} {sign} {right.text}{' -> memory' if stored else ''}"

    def right(self, item: Assign | Product) -> Text:
        """The right side of the equation of an assignment."""
        if isinstance(item, Product):
            return Text(f"{self.element(item, item.a)} @ {self.element(item, item.b)}")
        args = [self.read(item, access) for access in item.reads]
        if item.op is None:
            of, to = (self.made.given.values[a.value].dtype for a in (item.reads[0], item.write))
            made = args[0] if of == to or item.combine in ONTO else Text(f"{to}({args[0].text})")
        else:
            same = tuple(args.index(arg) for arg in args)  # equal numbers for equal arguments
            call = Operation(item.op, same, (), (item.write.value,))
            made = expression(call, args, self.program)
        if item.combine is None or item.combine in ONTO:
            return made
        axes = tuple(axis for axis, stride in enumerate(item.write.map.strides) if stride == 0)
        along = f", axis={axes[0] if len(axes) == 1 else axes}" if len(axes) < len(item.space) else ""
        return Text(f"{item.combine}({made.text}{along})")

    def read(self, item: Assign | Product, access: Access) -> Text:
        v, given = access.value, self.made.given
        if v in given.numbers:
            return value(str(given.numbers[v]))
        if v in given.counted:
            place = affine(access.map)
            for i in access.indices:
                times = "" if i.stride == 1 else f"{i.stride} "
                place = f"{place} + {times}{self.read(item, item.reads[i.read]).text}"
            return Text(place.removeprefix("0 + "), SUM)
        return self.terms.get(v) or Text(self.element(item, access))

    def element(self, item: Assign | Product, access: Access) -> str:
        """A value, the name of a view of it, or a part of it, x[:, 3:6]."""
        v, loops = access.value, loops_of(item, access)
        shape, space, m = self.made.given.shape(v), space_of(loops), squeezed(access.map, loops)
        axes = recovered(m, space, shape)
        indices = {(i.stride, i.size): self.read(item, item.reads[i.read]).text for i in access.indices}
        parts = [] if axes is None else slices(axes, space, shape)
        for axis, (stride, n) in enumerate(zip(contiguous(shape).strides, shape, strict=True)):
            if (stride, n) in indices:
                parts[axis] = indices[stride, n]
        while parts and parts[-1] == ":":
            parts.pop()
        if axes is not None and not parts:
            return self.names[v]
        of_view = None if indices else self.views.get((v, m, space))
        return of_view or f"{self.names[v]}[{', '.join(parts) if axes is not None else f'at {affine(m)}'}]"


def product(item: Item) -> str:
    assert isinstance(item, Product)
    count = f"{' x '.join(map(str, item.stack))} products" if item.stack else "product"
    return f"{count}, {item.m} x {item.k} by {item.k} x {item.n}"


def loops_of(item: Assign | Product, access: Access) -> Shape:
    """The shape over which an access of an item runs."""
    if isinstance(item, Assign):
        return item.space
    m, k, n = item[:3]
    return (*item.stack, *{id(item.a): (m, k), id(item.b): (k, n)}.get(id(access), (m, n)))


def slices(axes: Sequence[Map], space: Shape, shape: Shape) -> list[str]:
    """The indices of each axis of an array: slices, if its axes run with the last axes of the space."""
    found = []
    rank, long = len(shape), [n for n in shape if n > 1]
    seen = 0
    for axis, (index, n) in enumerate(zip(axes, shape, strict=True)):
        moving = [k for k, stride in enumerate(index.strides) if stride]
        along = ([len(space) - rank + axis], [len(space) - len(long) + seen])
        seen += n > 1
        if not moving:
            found.append(":" if n == 1 else str(index.offset))
        elif moving in along:
            found.append(cut(index.offset, space[moving[0]], index.strides[moving[0]], n))
        else:
            return [affine(index) for index in axes]
    return found


def cut(start: int, size: int, step: int, n: int) -> str:
    """The text of a slice of an axis of length n."""
    stop = start + (size - 1) * step + 1
    return f"{start or ''}:{stop if stop < n else ''}{f':{step}' if step > 1 else ''}"


def affine(m: Map) -> str:
    """A place as a sum of indices, 4 - k0 + 2 k1."""
    terms = [(s, f"{'' if abs(s) == 1 else f'{abs(s)} '}k{axis}") for axis, s in enumerate(m.strides) if s]
    terms = ([(m.offset, str(abs(m.offset)))] if m.offset or not terms else []) + terms
    text = "".join(f" {'-' if s < 0 else '+'} {term}" for s, term in terms)
    return text.removeprefix(" + ") if not text.startswith(" - ") else f"-{text[3:]}"
