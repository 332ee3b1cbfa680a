"""A reduction in a loop nest: an assignment that combines the values which go to one place.

Where axes can be put so, the loops that run over elements of one place are the innermost of the nest. The
values are then combined in a variable, which is declared before these loops and written to memory after them.
What goes to one place in the iterations of a loop outside of them is combined in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.scan.c.expressions import ctype, expression
from tinygrad_seq.scan.c.names import literal
from tinygrad_seq.scan.groups.assignments import ONTO, Access, Assign, Assignments
from tinygrad_seq.scan.groups.batch import moved
from tinygrad_seq.scan.groups.maps import Map

SIGNS = {"sum": "+", "prod": "*", "max": "max", "min": "min", **ONTO}  # of `omp simd`


class Nest(Protocol):
    """What a reduction knows of the nest that it is in."""

    given: Assignments
    names: dict[int, str]
    sizes: list[int]
    ordered: bool

    def strides(self, m: Map) -> list[int]: ...
    def element(self, item: Assign, access: Access) -> str: ...


class Reduction:
    """One reduction.

    start  the depth from which on all loops run over elements that it combines
    outer  whether loops outside of that depth come to the same place again
    found  the name of the variable that holds the result so far
    """

    def __init__(self, nest: Nest, item: Assign) -> None:
        self.nest, self.item, self.combine = nest, item, item.combine
        self.sign = SIGNS[item.combine or ""]
        self.dtype = nest.given.values[item.write.value].dtype
        strides = nest.strides(item.write.map)
        self.start = len(strides)
        while not nest.ordered and self.start and strides[self.start - 1] == 0:
            self.start -= 1
        self.outer = any(s == 0 for s in strides[: self.start])
        self.found = f"{nest.names[item.write.value]}_so_far"
        self.neutral = neutral(item.combine, self.dtype)
        self.extreme = item.combine in ("max", "min")
        self.may_be_nan = self.extreme and self.dtype.kind == "f"

    @property
    def place(self) -> str:
        """The element in memory."""
        return self.nest.element(self.item, self.item.write)

    def clauses(self) -> Iterator[str]:
        """How its variables are combined, for `omp simd`."""
        yield f" reduction({self.sign}:{self.found})"
        if self.may_be_nan:
            yield f" reduction(|:{self.found}_nan)"

    def cleared(self) -> Iterator[str]:
        """Memory that is combined into must begin with the neutral element."""
        if self.combine not in ONTO:
            v, given = self.item.write.value, self.nest.given
            step = moved(given.shape(v))
            count = f"blocks * {step}" if step else f"{given.size(v)}"
            yield f"for (int64_t k = 0; k < {count}; k++) {self.nest.names[v]}_at[k] = {self.neutral};"

    def opened(self) -> Iterator[str]:
        """Before its loops."""
        yield f"{ctype(self.dtype)} {self.found} = {self.neutral};"
        if self.may_be_nan:
            yield f"int {self.found}_nan = 0;"

    def combined(self, value: str) -> Iterator[str]:
        """In the innermost loop: a value is combined with the result so far."""
        if self.start == len(self.nest.sizes):  # each element has a place of its own in this loop
            if self.combine not in ONTO and not self.outer:
                yield f"{self.place} = {value};"
            elif self.extreme:
                yield f"{self.place} = {self._extreme(self.place, value)};"
            else:
                yield f"{self.place} {self.sign}= {value};"
        elif not self.extreme:
            yield f"{self.found} {self.sign}= {value};"
        else:
            sign = ">" if self.combine == "max" else "<"
            yield f"{self.found} = {value} {sign} {self.found} ? {value} : {self.found};"
            if self.may_be_nan:
                yield f"{self.found}_nan |= {value} != {value};"

    def closed(self) -> Iterator[str]:
        """After its loops."""
        if self.may_be_nan:
            yield f"if ({self.found}_nan) {self.found} = NAN;"
        if self.combine not in ONTO and not self.outer:
            yield f"{self.place} = {self.found};"
        elif self.extreme:
            yield f"{self.place} = {self._extreme(self.place, self.found)};"
        else:
            yield f"{self.place} {self.sign}= {self.found};"

    def _extreme(self, so_far: str, x: str) -> str:
        """The larger, or smaller, of two; NaN if one is."""
        name = {"max": "maximum", "min": "minimum"}[self.combine or ""]
        found = expression(PRIMITIVES[name], (self.dtype, self.dtype), self.dtype, (so_far, x))
        assert found is not None
        return found


def neutral(combine: str | None, dtype: np.dtype) -> str:
    if combine in ("sum", "prod", *ONTO):
        return "1" if SIGNS[combine or ""] == "*" else "0"
    if dtype.kind == "f":
        return "-INFINITY" if combine == "max" else "INFINITY"
    if dtype.kind == "b":
        return "0" if combine == "max" else "1"
    info = np.iinfo(dtype)
    return literal(info.min if combine == "max" else info.max, dtype)
