"""The law of C expressions: an element that C computes equals the one that the forward function computes.

The expression of an op (`op.c("x * y")`) is compiled in a plain loop, one for every choice of dtypes, and
compared with the forward function on NumPy arrays: integers and truth values exactly, floats up to rounding,
NaN, infinities, and the extremes of integers included. The law applies where there is a C compiler.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.scan.c import cache, expressions
from tinygrad_seq.scan.c.compiler import compiler
from tinygrad_seq.scan.c.expressions import TYPES, ctype
from tinygrad_seq.scan.c.process import CompileError
from tinygrad_seq.testing.strategies import SINGULAR, Call, sprinkled

HEADER = Path(expressions.__file__).with_name("elementary.h")
LENGTH = 67  # elements of a compared array: whole vectors, and a rest
ALLOWED = 8  # units in the last place of a result; each of C's and NumPy's functions has up to 4
MIXED = [
    ("float32", "float64"),
    ("bool", "float32"),
    ("int64", "float32"),
    ("int16", "uint8"),
    ("int32", "bool"),
]


class Loop(NamedTuple):
    """A compiled loop over arrays of these dtypes, all of one length and contiguous."""

    dtypes: tuple[np.dtype, ...]
    out: np.dtype
    function: Callable[..., object]

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        z = np.empty(arrays[0].shape, self.out)
        self.function(*(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, z)), ctypes.c_int64(z.size))
        return z


def compiler_works() -> bool:
    """Whether there is a C compiler, without which there is no law."""
    try:
        return bool(compiler())
    except CompileError:
        return False


def library(source: str) -> ctypes.CDLL:
    """The compiled source. AssertionError, with what the compiler says, if it is not C."""
    try:
        return cache.library(source)
    except CompileError as error:
        raise AssertionError(f"the C expression does not compile: {error}") from error


def choices(op: Primitive) -> Iterator[tuple[np.dtype, ...]]:
    """Dtypes of the arguments of an op: all the same, and mixed in some ways."""
    count = len(op.arguments)
    for name in TYPES:
        yield (np.dtype(name),) * count
    if count > 1:
        for i, pair in enumerate(MIXED):
            yield tuple(np.dtype(pair[k == i % count]) for k in range(count))


def result(op: Primitive, arrays: Sequence[np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(op.forward(*arrays))


@functools.cache
def loops(op: Primitive) -> list[Loop]:
    """The loops over an op's expression, for all dtypes that NumPy and the expression accept."""
    found: list[tuple[tuple[np.dtype, ...], np.dtype]] = []
    functions: list[str] = []
    for dtypes in choices(op):
        try:
            out = result(op, [np.ones(1, dtype) for dtype in dtypes]).dtype
        except TypeError:  # as NumPy's subtraction of booleans
            continue
        names = [f"{name}[i]" for name in op.arguments]
        text = expressions.expression(op, dtypes, out, names)
        if text is not None:
            functions.append(function(f"loop{len(found)}", op.arguments, dtypes, out, text))
            found.append((dtypes, out))
    made = library("\n".join([HEADER.read_text(encoding="utf-8"), *functions]))
    return [Loop(*kinds, made[f"loop{i}"]) for i, kinds in enumerate(found)]


def function(name: str, arguments: Sequence[str], dtypes: Sequence[np.dtype], out: np.dtype, text: str) -> str:
    """C source of a function that computes an expression for every element of contiguous arrays."""
    given = "".join(
        f"const {ctype(d)} *restrict {argument}, " for argument, d in zip(arguments, dtypes, strict=True)
    )
    return f"""void {name}({given}{ctype(out)} *restrict z, int64_t n)
{{
    for (int64_t i = 0; i < n; i++)
        z[i] = {text};
}}
"""


def c(call: Call) -> None:
    """The C expression gives what the forward function gives, in every dtype."""
    rng = call.rng()
    given = sprinkled(call, (*SINGULAR, np.nan), rng)
    for loop in loops(call.op):
        arrays = [elements(a, dtype, rng) for a, dtype in zip(given, loop.dtypes, strict=True)]
        z = loop(*arrays)
        expected = result(call.op, arrays)
        wrong = ~agreeing(z, expected, arrays)
        if wrong.any():
            i = int(np.flatnonzero(wrong)[0])
            at = ", ".join(f"{dtype} {a[i]}" for a, dtype in zip(arrays, loop.dtypes, strict=True))
            raise AssertionError(
                f"the C expression {call.op.expression!r} of {call.op.name} is {z[i]} at {at}; the forward "
                f"function gives {expected[i]}"
            )


def elements(array: np.ndarray, dtype: np.dtype, rng: np.random.Generator) -> np.ndarray:
    """Elements of a dtype: those of the array, in any order; of integers all, and often small ones."""
    if dtype.kind == "f" and array.size:
        with np.errstate(all="ignore"):  # a number may be too large for float32
            return np.asarray(rng.choice(array.ravel(), LENGTH), dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        wide = rng.integers(info.min, info.max, LENGTH, dtype, endpoint=True)
        return np.where(rng.random(LENGTH) < 0.5, wide, rng.integers(0, 4, LENGTH).astype(dtype))
    return rng.integers(0, 2, LENGTH).astype(dtype)


def agreeing(z: np.ndarray, expected: np.ndarray, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Where two results are equal; of floats up to rounding, that of an argument below 1 included."""
    if z.dtype.kind != "f":
        return np.asarray(z == expected)
    with np.errstate(all="ignore"):
        sizes = [np.where(np.isfinite(a), np.abs(a.astype(np.float64)), 0) for a in arrays]
        size = np.maximum(np.abs(expected), np.minimum(1, np.max(sizes, axis=0)))
        close = np.abs(z - expected) <= ALLOWED * np.finfo(z.dtype).eps * size
    same = np.where(z == expected, np.signbit(z) == np.signbit(expected), close)  # 0 is not -0
    others = (z == expected) | (np.isnan(z) & np.isnan(expected))
    return np.asarray(np.where(np.isfinite(expected), same, others))
