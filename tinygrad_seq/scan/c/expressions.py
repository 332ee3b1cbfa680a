"""The C text of one element of a pointwise op, for given arguments and dtypes.

A primitive states its expression in terms of its arguments (`op.c("x * y")`). Here the arguments get their
texts, and the conversions that NumPy makes: an expression is computed in one dtype, that of the result, or the
one in which NumPy compares if the result is a truth value. Where C would compute something else there is no
text, and the op stays NumPy's: in float16 and complex numbers, in a division of integers, which traps at 0, and
in a comparison of signed with unsigned integers, which NumPy makes exactly.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.expression import REAL_FUNCTIONS, TOKEN, tokens

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
TYPES = {"float32": "float", "float64": "double", "bool": "uint8_t"} | {name: f"{name}_t" for name in INTEGERS}
WHOLE = ("int32", "int64")  # into which processors convert floats as NumPy does
COMPARISONS = {"<", ">", "<=", ">=", "==", "!=", "&&", "||", "!"}  # their value is an int in C
DIVISIONS = {"/", "%"}

Given = np.dtype | bool | int | float  # the dtype of an argument, or a Python number, which is weak


def ctype(dtype: np.dtype | str) -> str:
    """The C type of an element in memory. TypeError for a dtype that has none here.

    >>> ctype("float32"), ctype("int64"), ctype("bool")
    ('float', 'int64_t', 'uint8_t')
    """
    name = np.dtype(dtype).name
    if name not in TYPES:
        raise TypeError(f"{name} has no C type here, expected one of {', '.join(TYPES)}")
    return TYPES[name]


def expression(
    op: Declaration, dtypes_in: Sequence[Given], dtype_out: np.dtype, names: Sequence[str]
) -> str | None:
    """The C text of one element of `op`, if the elements of its arguments have the texts `names`.

    None if the op states no expression, or has none in these dtypes. An argument that is a Python number has
    the number in the place of its dtype. A truth value is an integer, 0 or 1. To use the text as an operand,
    write parentheses around it, or give it to this function, which does.

    >>> from tinygrad_seq.engine.primitive import PRIMITIVES
    >>> single, double, whole = map(np.dtype, ("float32", "float64", "int64"))
    >>> expression(PRIMITIVES["multiply"], [single, single], single, ["f", "c + 1"])
    'f * (c + 1)'
    >>> expression(PRIMITIVES["multiply"], [double, whole], double, ["f", "n"])
    'f * (double) n'
    """
    if op.expression is None:
        return None
    dtype_out = np.dtype(dtype_out)
    given = dict(zip(op.arguments, dtypes_in, strict=True))
    conditions = _before_question_marks(op.expression)
    operands = [dtype for name, dtype in given.items() if name not in conditions]
    common = np.result_type(*operands) if dtype_out.kind == "b" else dtype_out
    text = op.truth if op.truth and common.kind == "b" else op.expression
    if not _possible(text, common, operands, [*dtypes_in, dtype_out]):
        return None
    texts = {
        name: (x, _operand(x)) if name in conditions else _converted(x, given[name], common)
        for name, x in zip(op.arguments, names, strict=True)
    }
    return _typed(_spelled(text, texts, common), text, dtype_out)


def expressible(op: Declaration | None, dtypes_in: Sequence[np.dtype], dtype_out: np.dtype) -> bool:
    """Whether the op, or None for a conversion, has a C text in these dtypes.

    C leaves open what a float becomes that a small integer cannot hold.
    """
    if op is None:
        return not (dtypes_in[0].kind == "f" and dtype_out.kind in "iu" and dtype_out.name not in WHOLE)
    return expression(op, dtypes_in, dtype_out, [f"x{i}" for i in range(len(dtypes_in))]) is not None


def _before_question_marks(text: str) -> set[str]:
    """The arguments that are conditions: they keep their dtypes, as those of `where` do."""
    parts = [part for _, part in tokens(text)]
    return {name for name, after in itertools.pairwise(parts) if after == "?"}


def _possible(text: str, common: np.dtype, operands: Sequence[Given], every: Sequence[Given]) -> bool:
    """Whether C computes in this dtype what NumPy computes."""
    if any(np.result_type(dtype).name not in TYPES for dtype in (common, *every)):
        return False
    if common.kind == "f":
        *_, result = every
        return result != np.bool_ or any(np.result_type(dtype).kind == "f" for dtype in operands)
    parts = {part for _, part in tokens(text)}
    return not parts & (REAL_FUNCTIONS | DIVISIONS) and all(_holds(common, dtype) for dtype in operands)


def _holds(dtype: np.dtype, x: Given) -> bool:
    """Whether a number is one of an integer dtype; true for anything but a number."""
    return dtype.kind == "b" or not isinstance(x, int) or np.iinfo(dtype).min <= x <= np.iinfo(dtype).max


def _converted(x: str, given: Given, common: np.dtype) -> tuple[str, str]:
    """The text of an argument in the dtype `common`: where nothing is next to it, and as an operand."""
    if isinstance(given, np.dtype) and given == common:
        return x, _operand(x)
    cast = f"({ctype(common)}) {_operand(x)}"
    return cast, cast


def _operand(x: str) -> str:
    """The text in parentheses, unless it is one name, number, call or element of an array."""
    depth = 0
    for char in x:
        depth -= char in ")]"
        if not (depth or char.isalnum() or char in "_.()[]"):
            return f"({x})"
        depth += char in "(["
    return x


def _spelled(text: str, texts: dict[str, tuple[str, str]], common: np.dtype) -> str:
    """The expression with the texts of its arguments; a fraction gets the type in which it is computed."""
    parts = ["(", *(part for _, part in tokens(text)), ")"]
    alone = iter([before in "(," and after in ")," for before, after in zip(parts, parts[2:], strict=False)])

    def spelled(found: re.Match[str]) -> str:
        part, bare = found[0], next(alone)
        if found.lastgroup == "number" and common == np.float32 and not part.isdigit():
            return f"{part}f"
        return texts[part][not bare] if part in texts else part

    return TOKEN.sub(spelled, text)


def _typed(x: str, text: str, dtype: np.dtype) -> str:
    """The text with a cast, where C gives it another type: small integers become ints, and comparisons are."""
    small = dtype.kind in "iu" and dtype.itemsize < 4 and _operand(x) != x
    compared = dtype.kind == "f" and not COMPARISONS.isdisjoint(part for _, part in tokens(text))
    return f"({ctype(dtype)}) ({x})" if small or compared else x
