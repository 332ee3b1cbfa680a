"""The C expression of a pointwise op: what it is made of, and what it may name.

It is written like the body of a C function of one element: the names of the op's arguments, numbers, operators,
and functions whose names end with `_`. `scan/c/elementary.h` defines these functions; a function of C's own
library is not among them, because it is for one type only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Sequence

REAL_FUNCTIONS = frozenset(  # of floats only
    [
        *("exp_", "expm1_", "log_", "log1p_", "logaddexp_", "softplus_", "sigmoid_", "tanh_", "pow_", "sqrt_"),
        *("sin_", "cos_", "arctan2_"),
    ]
)
FUNCTIONS = REAL_FUNCTIONS | {  # of integers and truth values, too
    *("maximum_", "minimum_", "abs_", "sign_", "square_", "safe_product_", "isnan_", "isfinite_")
}

TOKEN = re.compile(
    r"""(?P<name> [A-Za-z_]\w*)
      | (?P<number> (?: \d+\.?\d* | \.\d+ ) (?: [eE][-+]?\d+ )?)
      | (?P<operator> [<>=!]= | && | \|\| | [-+*/%&|^~!<>?:(),])
      | (?P<unknown> \S)""",
    re.VERBOSE,
)


@functools.lru_cache(maxsize=1024)
def tokens(text: str) -> tuple[tuple[str, str], ...]:
    """The parts of an expression, each with what it is: a name, a number, an operator, or unknown.

    >>> tokens("-x * 0.5")
    (('operator', '-'), ('name', 'x'), ('operator', '*'), ('number', '0.5'))
    """
    return tuple([(found.lastgroup or "", found[0]) for found in TOKEN.finditer(text)])


def checked(owner: str, text: str, arguments: Collection[str]) -> str:
    """`text`, if it is an expression of the arguments; otherwise TypeError."""
    parts = tokens(text)
    names = {part for kind, part in parts if kind == "name"}
    if unknown := sorted(names - FUNCTIONS - set(arguments)):
        raise TypeError(
            f"the C expression of {owner} names {', '.join(unknown)}; it may name {', '.join(arguments)} and "
            f"the functions {', '.join(sorted(FUNCTIONS))}"
        )
    if unknown := sorted({part for kind, part in parts if kind == "unknown"}):
        raise TypeError(f"the C expression of {owner} cannot contain {' '.join(unknown)}: {text!r}")
    if not parts or not _nested(parts):
        raise TypeError(f"the C expression of {owner} is not complete: {text!r}")
    return text


def _nested(parts: Sequence[tuple[str, str]]) -> bool:
    """Whether every parenthesis has its partner."""
    depth = 0
    for _, part in parts:
        depth += (part == "(") - (part == ")")
        if depth < 0:
            return False
    return depth == 0
