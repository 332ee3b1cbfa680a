"""The words of C text: a name for every value, numbers, types, and conversions."""

from __future__ import annotations

import itertools
import re

import numpy as np

from tinygrad_seq.scan.c.expressions import ctype
from tinygrad_seq.scan.groups.grouping import Grouped
from tinygrad_seq.scan.groups.printed import names_of

RESERVED = """
    auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    asm typeof linux unix main pointers strides blocks steps wrong first next
"""
OWN = re.compile("|".join([*RESERVED.split(), r"(k|panels|scale|inverse|step)\d*"]))


def identifiers(made: Grouped, taken: set[str]) -> dict[int, str]:
    """A name for every value: the one that it has in print, where it can be one in C and is not `taken`.

    A name stands for the value of one element, and with an ending for what belongs to the value.
    """
    names: dict[int, str] = {}
    printed = names_of(made)
    for v in range(len(made.given.values)):
        name = re.sub(r"\W+", "_", printed.get(v, "r"), flags=re.ASCII).strip("_") or "r"
        if name[:1].isdigit():
            name = f"v{name}"
        if OWN.fullmatch(name):
            name += "_"
        tries = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1)))
        names[v] = next(n for n in tries if taken.isdisjoint(_words(n)))
        taken.update(_words(names[v]))
    return names


def _words(name: str) -> list[str]:
    """A name, and what is called after it: memory, and the variables of a reduction."""
    return [f"{name}{end}" for end in ("", "_at", "_so_far", "_so_far_nan")]


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
