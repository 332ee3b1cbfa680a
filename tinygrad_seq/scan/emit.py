"""NumPy source for a planned loop: every operation writes into memory that is there already.

A short table says how each primitive is written with `out=` (as the last argument, which is what NumPy's
functions take it for, and quicker than the keyword); an op that is not in it is computed by its forward
function and copied. The source is a real file to a debugger.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from tinygrad_seq.generated import write_out
from tinygrad_seq.scan.equations import equations
from tinygrad_seq.scan.gates import scale
from tinygrad_seq.scan.plan import Plan
from tinygrad_seq.scan.program import Operation

SAME = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "square",
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "logaddexp",
    "tanh",
    "sin",
    "cos",
    "arctan2",
    "maximum",
    "minimum",
    "sign",
    "isnan",
    "isfinite",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_not",
    "bitwise_and",
    "bitwise_or",
    "invert",
]  # NumPy's ufuncs of the same name

TABLE: dict[str, tuple[str, ...]] = {name: (f"{name}({{args}}, {{z}})",) for name in SAME}
TABLE |= {
    "maximum": ("maximum({x}, {y}, out={z})",),  # in its place it is deprecated
    "minimum": ("minimum({x}, {y}, out={z})",),
    "abs": ("absolute({x}, {z})",),
    "relu": ("maximum({x}, 0, out={z})",),
    "sigmoid": (
        "multiply({x}, half, {z})",
        "tanh({z}, {z})",
        "multiply({z}, half, {z})",
        "add({z}, half, {z})",
    ),
    "gates": ("multiply({x}, {s}, {z})", "tanh({z}, {z})", "multiply({z}, {s}, {z})", "add({z}, {r}, {z})"),
    "matmul": ("matmul({x}, {y}, {z})",),
    "sum": ("add.reduce({x}, {axis}, None, {z}, {keepdims})",),
    "max": ("maximum.reduce({x}, {axis}, None, {z}, {keepdims})",),
    "min": ("minimum.reduce({x}, {axis}, None, {z}, {keepdims})",),
    "where": ("copyto({z}, {v2})", "copyto({z}, {v1}, where={v0})"),
    "safe_product": ("copyto({z}, {v1})", "copyto({z}, 1, where={v0} == 0)", "multiply({z}, {v0}, {z})"),
    "astype": ("copyto({z}, {x}, 'unsafe')",),
    "cast": ("copyto({z}, {x}, 'unsafe')",),
    "zeros_like": ("{z}.fill(0)",),
    "ones_like": ("{z}.fill(1)",),
    "clip": ("maximum({v0}, {v1}, out={z})", "minimum({z}, {v2}, out={z})"),
    "contract": ("einsum({subscripts}, {x}, {y}, out={z}, optimize=True)",),
}
ARRAYS: dict[str, dict[str, Callable]] = {  # what the lines of an op read besides its arguments
    "gates": {"s": scale, "r": lambda **given: 1 - scale(**given)},
}
IN_PLACE = frozenset([*SAME, "abs", "relu", "sigmoid", "gates"])  # may write over an argument of the same shape
REDUCTIONS = {"sum", "max", "min"}
VIEWED = {"transpose", "reshape", "getitem", "broadcast_to", "stop_gradient", "split", "unstack"}


class Emitted(NamedTuple):
    """A loop as a function of (constants, fixed, rows), and which values these hold, in order.

    fixed  memory that is the same at every step
    rows   what is another array at every step
    totals  the accumulators stand at the end of `fixed`
    """

    source: str
    function: Callable
    constants: tuple[int, ...]
    fixed: tuple[int, ...]
    rows: tuple[int, ...]


counter = itertools.count(1)


def emitted(plan: Plan, name: str) -> Emitted:
    """The source of `plan`, compiled."""
    loop = plan.loop
    names, notes = identifiers(plan), equations(loop, loop.operations, plan.kept)
    makers = {v: call for call in loop.operations for v in call.outputs}
    namespace: dict = {
        f: getattr(np, f) for f in [*SAME, "absolute", "matmul", "copyto", "concatenate", "einsum"]
    }
    body: list[tuple[str, str]] = []
    for k, call in enumerate(plan.calls):
        note = str(notes[call.outputs[0]])
        for line in written(call, k, plan, names, namespace):
            body.append((line, note))
            note = ""
    for v in loop.totals:
        body.append((f"add(sum_{names[v]}, {names[v]}, sum_{names[v]})", f"summed over the steps: {names[v]}"))
    for j, v in plan.copies:
        body.append((f"copyto(next_{names[loop.carries[j][0]]}, {names[v]})", ""))

    text = " ".join(line for line, _ in body)
    used = lambda v: _mentions(text, names[v])  # noqa: E731
    stepwise = {v: _changes(v, plan) for v in plan.homes}
    rows = [v for v in (*loop.inputs, *(b for b, _ in loop.carries)) if used(v)]
    rows += [v for v in makers if v in plan.homes and stepwise[v] and used(v)]
    fixed = [v for v in makers if v in plan.homes and not stepwise[v] and used(v)]
    constants = [v for v in (*loop.constants, *loop.numbers) if used(v)]
    copied = [f"next_{names[loop.carries[j][0]]}" for j, _ in plan.copies]

    def unpacked(parts: list[str], of: str) -> str:
        return f"    ({', '.join(parts)},) = {of}" if parts else ""

    heads = [
        f"def {name}(constants, fixed, rows, half):",
        unpacked([names[v] for v in constants], "constants"),
        unpacked([*(names[v] for v in fixed), *(f"sum_{names[v]}" for v in loop.totals)], "fixed"),
        f"    for {', '.join((*(names[v] for v in rows), *copied)) + ',' if rows or copied else '_'} in rows:",
    ]
    width = min(max((len(line) for line, _ in body), default=0), 60)
    lines = [f"        {line:{width}}  # {note}" if note else f"        {line}" for line, note in body]
    source = [*filter(None, heads), *(lines or ["        pass"])]
    write_out(source, f"<{name}, {next(counter)}>", namespace)
    return Emitted("\n".join(source), namespace[name], tuple(constants), tuple(fixed), tuple(rows))


def _changes(v: int, plan: Plan) -> bool:
    """Whether a value lies in other memory at every step."""
    home = plan.homes.get(v)
    if home is None or home[0] in ("carry", "stack"):
        return True  # also a carry before the step
    return _changes(home[1], plan) if home[0] in ("view", "part") else False


def _mentions(text: str, name: str) -> bool:
    import re

    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is not None


RESERVED = {
    *SAME,
    "half",
    "fixed",
    "rows",
    "constants",
    "absolute",
    "matmul",
    "copyto",
    "concatenate",
    "einsum",
}


def identifiers(plan: Plan) -> dict[int, str]:
    """The names of all values, where they hide no function that the source calls."""
    return {v: f"{name}_" if name in RESERVED else name for v, name in plan.loop.names.items()}


def written(call: Operation, k: int, plan: Plan, names: dict[int, str], namespace: dict) -> Iterator[str]:
    """The lines of one call."""
    op, args = call.op, [names[v] for v in call.inputs]
    zs = [names[v] for v in call.outputs]
    if op.name == "concatenate":
        placed = {
            home[3]
            for home in (plan.homes.get(v, ()) for v in call.inputs)
            if home[:2] == ("part", call.outputs[0])
        }
        if not placed:
            namespace[f"axis__{k}"] = call.metadata()["axis"]
            yield f"concatenate(({', '.join(args)},), axis__{k}, {zs[0]})"
            return
        axis = call.metadata()["axis"]
        at = 0
        for i, v in enumerate(call.inputs):
            size = plan.loop.values[v].shape[axis]
            if i not in placed:
                rank = len(plan.loop.values[v].shape)
                key = tuple(slice(at, at + size) if a == axis % rank else slice(None) for a in range(rank))
                namespace[f"part__{k}_{i}"] = key
                yield f"{zs[0]}[part__{k}_{i}] = {args[i]}"
            at += size
        return
    if op.name == "power" and plan.loop.numbers.get(call.inputs[1]) == 2:
        yield f"square({args[0]}, {zs[0]})"
        return
    if op.name in TABLE and not (op.name in REDUCTIONS and not plan.loop.values[call.inputs[0]].shape):
        meta = call.metadata()
        if "axis" in meta:
            axis = meta["axis"]
            meta["axis"] = tuple(range(len(plan.loop.values[call.inputs[0]].shape))) if axis is None else axis
        fields = {name: repr(value) for name, value in meta.items() if name not in ("dtype", "shape")}
        fields |= {f"v{i}": a for i, a in enumerate(args)} | {"args": ", ".join(args), "z": zs[0], "x": args[0]}
        fields["y"] = args[-1]
        for name, make in ARRAYS.get(op.name, {}).items():
            fields[name] = f"{name}__{k}"
            spec = plan.loop.values[call.outputs[0]]  # in its full shape: to broadcast takes twice the time
            array = make(dtype=spec.dtype, **call.metadata())
            namespace[fields[name]] = np.ascontiguousarray(np.broadcast_to(array, spec.shape))
        for line in TABLE[op.name]:
            yield line.format(**fields)
        return
    namespace[f"forward__{k}"] = op.forward
    given = list(args)
    for i, p in enumerate(op.metadata):
        namespace[f"meta__{k}_{i}"] = call.meta[i]
        given.append(f"{p.name}=meta__{k}_{i}" if p.kind is p.KEYWORD_ONLY else f"meta__{k}_{i}")
    made = f"forward__{k}({', '.join(given)})"
    if not op.many:
        yield f"{zs[0]}[...] = {made}"
        return
    yield f"made__{k} = {made}"
    for i, z in enumerate(zs):
        yield f"{z}[...] = made__{k}[{i}]"
