"""The equation of each call in mathematical notation, for the emitted source and for `explain`.

    matmul(h_prev, Wh, t1)  # h_prev @ Wh
    add(u, t1, a)           # a = u + h_prev @ Wh

A *term* is a value without a name in the user's code, called t1, t2, ...; it is written out where it is used.
A product is written without a sign, f c_prev. A prime transposes. [x, h] is the concatenation of x and h along
the last axis.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from tinygrad_seq.scan.program import Operation, Program

LOOSE, SUM, PRODUCT, POWER, ATOM = range(5)  # the precedence of an expression
COMPARED = {
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}
OPERATORS = {
    "add", "subtract", "multiply", "safe_product", "divide", "matmul", "negative", "power", "square",
    "transpose", "concatenate", "reshape",
}  # fmt: skip
TERM = re.compile(r"t\d+")
LONGEST = 64  # the most characters of a term that is written out


class Text(NamedTuple):
    """An expression, its precedence `firm`, and for a product its sign ("" for an elementwise product)."""

    text: str
    firm: int = ATOM
    sign: str = ""

    def within(self, firm: int) -> str:
        """The text as a part of an expression of precedence `firm`: in parentheses, if it needs them."""
        return self.text if self.firm >= firm else f"({self.text})"


def spelled(program: Program) -> dict[int, str]:
    """How values are written in equations: a number as itself, a transpose W_T as W'."""
    names = {v: f"{name[:-2]}'" if name.endswith("_T") else name for v, name in program.names.items()}
    return names | {v: repr(x) for v, x in program.numbers.items() if isinstance(x, (float, int))}


class Equation(NamedTuple):
    """left = right; for a term that is written out where it is used, only the right side."""

    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.left} = {self.right}" if self.left else self.right


def equations(
    program: Program, calls: Sequence[Operation], kept: Collection[int] = (), summed: Collection[int] = ()
) -> dict[int, Equation]:
    """The equation of each of `calls`, by its first output.

    kept    values that are read elsewhere, so that their equations have a left side
    summed  values whose sum over the steps is wanted
    """
    names = spelled(program)
    uses = Counter(v for call in program.operations for v in call.inputs)
    read = Counter(v for call in calls for v in call.inputs)
    parts = {call.inputs[0]: call for call in calls if call.op.name == "unstack"}
    makers = {v: call for call in program.operations for v in call.outputs}
    terms: dict[int, Text] = {}
    told: dict[int, Equation] = {}
    for call in calls:
        v = call.outputs[0]
        right = expression(call, [terms.get(x) or value(names[x]) for x in call.inputs], program)
        once = TERM.fullmatch(program.names[v]) and uses[v] == read[v] == 1 and len(right.text) <= LONGEST
        if once or transposes(call):
            terms[v] = right
        made = [names[z] for z in call.outputs]
        if (
            call.op.name == "gates" and v in parts
        ):  # i = sigmoid(a_i), where a_i is the section of a for the gate i
            made = [names[z] for z in parts[v].outputs]
            a = call.inputs[0]
            while a in makers and makers[a].op.name in ("transpose", "reshape"):  # the value that was split
                a = makers[a].inputs[0]
            kinds = call.metadata()["kinds"]
            right = Text(", ".join(f"{kind}({names[a]}_{z})" for kind, z in zip(kinds, made, strict=True)))
        if v in summed:
            right = Text(f"sum_t {right.within(PRODUCT)}")
        told[v] = Equation("" if v in terms and v not in kept else ", ".join(made), right.text)
    return told


def expression(call: Operation, args: list[Text], program: Program) -> Text:
    """The right side of the equation of a call."""
    op, meta = call.op.name, call.metadata()
    x, y = args[0], args[-1]
    shapes = [program.values[v].shape for v in call.inputs]
    if op == "add":
        more = f"- {y.text[1:]}" if y.text.startswith("-") else f"+ {y.within(SUM)}"
        return Text(f"{x.within(SUM)} {more}", SUM)
    if op == "subtract":
        return Text(f"{x.within(SUM)} - {y.within(PRODUCT)}", SUM)
    if op in ("multiply", "safe_product"):
        if call.inputs[0] == call.inputs[1]:
            return Text(f"{x.within(ATOM)}^2", POWER)
        return Text(f"{factor(x)} {factor(y)}", PRODUCT)
    if op == "divide":
        return Text(f"{factor(x)} / {y.within(POWER)}", PRODUCT, "/")
    if op == "matmul":
        return Text(f"{factor(x, '@')} @ {y.within(POWER)}", PRODUCT, "@")
    if op == "negative":
        return Text(f"-{x.within(PRODUCT)}", SUM)
    if op in ("square", "power"):
        return Text(f"{x.within(ATOM)}^{'2' if op == 'square' else y.within(ATOM)}", POWER)
    if op in COMPARED:
        return Text(f"{x.text} {COMPARED[op]} {y.text}", LOOSE)
    if transposes(call):
        return Text(f"{x.within(ATOM)}'")
    if op == "getitem":
        return Text(f"{x.within(ATOM)}[{key(meta['key'], [index.text for index in args[1:]])}]")
    if op == "scatter":
        return Text(f"scatter({x.text}, [{key(meta['key'], [index.text for index in args[1:]])}])")
    if op == "concatenate" and meta["axis"] in (-1, len(shapes[0]) - 1):
        return Text(f"[{', '.join(arg.text for arg in args)}]")
    if op == "reshape" and shapes[0] == program.values[call.outputs[0]].shape:
        return x
    return Text(f"{op}({', '.join([arg.text for arg in args] + said(meta))})")


def factor(x: Text, sign: str = "") -> str:
    """x as a factor; in parentheses, if it is a sum or a product of another kind."""
    return x.text if x.firm > PRODUCT or (x.firm == PRODUCT and x.sign == sign) else f"({x.text})"


def value(name: str) -> Text:
    """A value, by its name or as a number."""
    return Text(name, SUM if name.startswith("-") else ATOM)


def said(meta: Mapping[str, object]) -> list[str]:
    """The metadata of a call as text, axis=0, without those that are None or False."""

    def alone(x: object) -> str:
        return repr(x[0] if isinstance(x, tuple) and len(x) == 1 else x)

    return [f"{name}={alone(x)}" for name, x in meta.items() if x is not None and x is not False]


def transposes(call: Operation) -> bool:
    """Whether a call exchanges the last two axes."""
    if call.op.name != "transpose":
        return False
    axes = call.metadata()["axes"]
    rank = len(axes) if isinstance(axes, tuple) else 0
    return axes is None or axes == (*range(rank - 2), rank - 1, rank - 2)


def key(parts: tuple, indices: list[str]) -> str:
    """The text in the brackets of x[...]."""
    rest = iter(indices)
    words = {"array": lambda: next(rest), "mask": lambda: next(rest)}

    def word(part) -> str:
        if isinstance(part, slice):
            ends = ["" if end is None else str(end) for end in (part.start, part.stop, part.step)]
            return ":".join(ends if ends[2] else ends[:2])
        if isinstance(part, str):
            return words[part]()
        return "..." if part is Ellipsis else repr(part)

    return ", ".join(map(word, parts))
