"""A loop as assignments: element by element over a space, by affine maps; and matrix products.

    z[write] = op(x[read], y[read])          for all indices of a space
    z[write] = sum, prod, max or min of it   where the map sends several indices to one place

Every op of a program becomes one or more of these, in `lowering.py`. A view becomes none: whoever reads it,
reads its memory by another map. An array without elements needs none either: no space is empty.

A place can depend on indices that are read: z = x[i]. The element of a counted value at place p is p, so that
an op can read the indices of its space.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.scan.groups.maps import Map, Shape, broadcast, contiguous, reshaped, space_of, squeezed
from tinygrad_seq.scan.program import Operation, Program, Spec

ONTO = {"add": "+", "multiply": "*"}  # how values are combined with what is there already
LONG = 1024  # terms of a sum in float32 beyond which it is added up in float64
FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
DTYPES = {
    *FLOATS,
    *map(np.dtype, ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")),
}


class UnsupportedError(Exception):
    """What a loop has that cannot be written as assignments."""


class Index(NamedTuple):
    """A part of a place that is read: an index of an axis of length `size`, times `stride`.

    read  which of the reads of the assignment is the index; a negative one counts from the end of the axis
    """

    read: int
    stride: int
    size: int


class Access(NamedTuple):
    """The elements of a value that a loop over a space visits: at the places of the map, plus the indices."""

    value: int
    map: Map
    indices: tuple[Index, ...] = ()


class Assign(NamedTuple):
    """write = op(reads) for all indices of `space`.

    op       the op; None for the same values, in the dtype that is written
    reads    the arguments of the op, then the indices that accesses need
    combine  how values that go to one place are combined: "sum", "prod", "max", "min"; and with what is there
             already: "add", "multiply"
    """

    op: Declaration | None
    space: Shape
    reads: tuple[Access, ...]
    write: Access
    combine: str | None = None

    @property
    def written(self) -> tuple[int, ...]:
        """The values that it writes."""
        return (self.write.value,)

    @property
    def ordered(self) -> bool:
        """Whether the space must be run in C order, element by element.

        It must, if places to write are read, because two of them may be one, and if the assignment reads what
        it has written.
        """
        return bool(self.write.indices) or any(a.value == self.write.value for a in self.reads)


class Product(NamedTuple):
    """write = a b, matrices of m by k and k by n.

    fixed   if b is the same at every step
    blocks  into which the rows of a are split; see `batch.py`
    stack   the shape of a stack of such products, whose axes are the first of all maps
    """

    m: int
    k: int
    n: int
    a: Access
    b: Access
    write: Access
    fixed: bool
    blocks: int = 1
    stack: Shape = ()

    @property
    def space(self) -> Shape:
        """The rows, over which a batch may be split, or the stack."""
        return self.stack or (self.m,)

    @property
    def reads(self) -> tuple[Access, ...]:
        return self.a, self.b

    @property
    def written(self) -> tuple[int, ...]:
        return (self.write.value,)


class Inner(NamedTuple):
    """A loop of `n` steps within a step; the outer step has its memory.

    loop    its groups
    rows    for each of its carries the value that has its rows: those of all steps if they are kept, else two
    memory  for each input, constant, kept value and total of the loop, by its number there, the value whose
            memory it has, and the place of its first element
    scratch the value whose memory is the scratch memory of the loop, if it needs any
    """

    loop: Any
    n: int
    reverse: bool
    rows: tuple[int, ...]
    memory: dict[int, tuple[int, int]]
    scratch: int | None
    reads: tuple[Access, ...]
    written: tuple[int, ...]


Item = Assign | Product | Inner
Expressible = Callable[[Declaration | None, Sequence[np.dtype], np.dtype], bool]
Op = Declaration | str


@dataclass
class Assignments:
    """The assignments of a loop, and the memory of its values.

    program  the loop
    ways     how ops become assignments, by their names; and what `expressible` says, see `lowering.assigned`
    items    the assignments, in order
    values   the shape and dtype of every value: those of the program, and more that the assignments make
    views    the values that are views: the value whose memory they are in, and their map over their own axes
    numbers  the values that are numbers
    counted  the values whose element at place p is p; they have no memory
    kept     the values that are kept of all steps; for each the value that holds it in memory
    carries  for each carry, the value that is written into its next row
    totals   for each total, its accumulator
    inlined  values that are computed where they are read: for each, the elements of another that it repeats
    blocks   into which the batch is split; see `batch.py`
    """

    program: Program
    values: list[Spec]
    expressible: Expressible
    ways: Mapping[str, Way]
    items: list[Item] = field(default_factory=list)
    views: dict[int, tuple[int, Map]] = field(default_factory=dict)
    numbers: dict[int, Any] = field(default_factory=dict)
    counted: set[int] = field(default_factory=set)
    kept: dict[int, int] = field(default_factory=dict)
    carries: list[int] = field(default_factory=list)
    totals: dict[int, int] = field(default_factory=dict)
    inlined: dict[int, Access] = field(default_factory=dict)
    blocks: int = 1

    # --- values and their places ------------------------------------------------------------------------

    def new(self, shape: Shape, dtype) -> int:
        """A value that the program does not have."""
        self.values.append(Spec(tuple(shape), np.dtype(dtype)))
        return len(self.values) - 1

    def shape(self, v: int) -> Shape:
        return self.values[v].shape

    def size(self, v: int) -> int:
        """The number of elements of a value."""
        return math.prod(self.shape(v))

    def place(self, v: int) -> tuple[int, Map]:
        """The value whose memory v is in, and its map over the axes of v."""
        return self.views.get(v) or (v, contiguous(self.shape(v)))

    def access(self, v: int, shape: Shape) -> Access:
        """v, broadcast to a shape, over the space of that shape."""
        base, m = self.place(v)
        return Access(base, squeezed(broadcast(m, self.shape(v), shape), shape))

    def mapped(self, v: int, m: Map, shape: Shape) -> Access:
        return Access(v, squeezed(m, shape))

    # --- making assignments: `op` is an op, the name of one, or "convert" ---------------------------------

    def assign(self, op: Op, inputs, z: int, combine: str | None = None, write: Access | None = None) -> None:
        """z = op(inputs) over the shape of z; the op may be given by its name, or is "convert"."""
        shape = self.shape(z)
        reads = tuple(self.access(v, shape) for v in inputs)
        self.add(op, shape, reads, write or self.access(z, shape), combine)

    def add(
        self, op: Op, shape: Shape, reads: tuple[Access, ...], write: Access, combine: str | None = None
    ) -> None:
        """An assignment over the space of a shape, if that has elements."""
        if 0 not in shape:
            known = None if op == "convert" else PRIMITIVES[op] if isinstance(op, str) else op
            self.items.append(Assign(known, space_of(shape), reads, write, combine))

    def made(self, op: Op, inputs, shape: Shape, dtype) -> int:
        """A new value op(inputs)."""
        z = self.new(shape, dtype)
        self.assign(op, inputs, z)
        return z

    def reduce(self, how: str, x: int, axes: tuple[int, ...], z: int) -> None:
        """z = the sum, product, maximum or minimum of x along axes; z may have them, with length 1, or not."""
        shape = self.shape(x)
        if 0 in shape:
            self.assign("convert", (self.number(neutral(how, self.values[z].dtype), z),), z)
            return
        within = tuple(1 if a in axes else n for a, n in enumerate(shape))
        m = reshaped(contiguous(self.shape(z)), self.shape(z), within)
        assert m is not None  # of a contiguous value
        write = self.mapped(z, broadcast(m, within, shape), shape)
        self.add("convert", shape, (self.access(x, shape),), write, how)

    def sum(self, x: int, axes: tuple[int, ...], z: int) -> None:
        """z = the sum of x along axes, a long one of float32 by way of float64."""
        terms = math.prod(self.shape(x)[a] for a in axes)
        if terms > LONG and self.values[x].dtype == np.float32:
            wide = self.new(self.shape(z), np.float64)
            self.reduce("sum", self.made("convert", (x,), self.shape(x), np.float64), axes, wide)
            self.assign("convert", (wide,), z)
        else:
            self.reduce("sum", x, axes, z)

    def number(self, x, like: int) -> int:
        """A number as a value of the dtype of another."""
        v = self.new((), self.values[like].dtype)
        self.numbers[v] = x
        return v

    def counting(self, shape: Shape, m: Map) -> int:
        """A value of this shape whose elements are the numbers that the map gives."""
        v, z = self.new((), np.int64), self.new(shape, np.int64)
        self.counted.add(v)
        self.views[z] = v, m
        return z

    def view(self, z: int, x: int, m: Map) -> None:
        base, _ = self.place(x)
        self.views[z] = base, m
        if base in self.numbers:
            self.numbers[z] = self.numbers[base]


def neutral(how: str, dtype: np.dtype) -> float | int | bool:
    """The sum, product, maximum or minimum of no numbers."""
    if how in ("sum", "prod"):
        return int(how == "prod")
    if dtype.kind == "f":
        return -math.inf if how == "max" else math.inf
    if dtype.kind == "b":
        return how == "min"
    return int(np.iinfo(dtype).min if how == "max" else np.iinfo(dtype).max)


Way = Callable[[Assignments, Operation], None]
