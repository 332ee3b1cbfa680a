"""The equation of a call, as one writes it: emitted source and what `explain` prints are read by people."""

from __future__ import annotations

from collections.abc import Mapping

from tinygrad_seq.scan.program import Operation, Program

BETWEEN = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@",
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">",
    "greater_equal": ">=",
}  # fmt: skip


def spelled(program: Program) -> dict[int, str]:
    """How values stand in equations: a number as itself, and W' for W_T, a transpose."""
    names = {v: f"{name[:-2]}'" if name.endswith("_T") else name for v, name in program.names.items()}
    return names | {v: repr(x) for v, x in program.numbers.items() if isinstance(x, (float, int))}


def equation(call: Operation, names: Mapping[int, str], of: str = "") -> str:
    """`call` as an equation between values with these names; `of` is put before the right side."""
    made = ", ".join(names[v] for v in call.outputs)
    return f"{made} = {of}{expression(call, [names[v] for v in call.inputs])}"


def expression(call: Operation, args: list[str]) -> str:
    """The right side of the equation."""
    op, meta = call.op.name, call.metadata()
    if op in BETWEEN:
        return f" {BETWEEN[op]} ".join(args)
    if op == "negative":
        return f"-{args[0]}"
    if op in ("square", "power"):
        return f"{args[0]}^{'2' if op == 'square' else args[1]}"
    if op == "getitem":
        return f"{args[0]}[{key(meta['key'], args[1:])}]"
    if op == "gates":
        return f"({', '.join(meta['kinds'])})({args[0]})"
    if op == "transpose":
        return f"{args[0]}'"
    said = [f"{name}={value!r}" for name, value in meta.items() if value is not None and value is not False]
    return f"{op}({', '.join([*args, *said])})"


def key(parts: tuple, indices: list[str]) -> str:
    """What stands in the brackets of x[...]."""
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
