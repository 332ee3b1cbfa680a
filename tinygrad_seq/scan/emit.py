"""NumPy source for a planned loop: every operation writes into memory that is there already.

A short table says how each primitive is written with `out=` (as the last argument, which is what NumPy's
functions take it for, and quicker than the keyword); an op that is not in it is computed by its forward
function and copied. The source is a real file to a debugger.

Tried and left out: functions and memory as local variables (9 ns of 210 a call), the inner 1/2 of a sigmoid in
the weights (2 % of a forward loop, and sources that nobody can read).
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_seq import backend
from tinygrad_seq.generated import write_out
from tinygrad_seq.scan.equations import equations
from tinygrad_seq.scan.gates import scale
from tinygrad_seq.scan.plan import Plan, pointwise
from tinygrad_seq.scan.program import Operation, Spec

SAME = """
    add subtract multiply divide negative square sqrt exp expm1 log log1p logaddexp tanh sin cos arctan2 sign
    isnan isfinite equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not
    bitwise_and bitwise_or invert
"""
UFUNCS = SAME.split()  # those of NumPy that are called as the op is
FUNCTIONS = [*UFUNCS, "absolute", "maximum", "minimum", "amax", "amin", "matmul", "dot", "copyto", "einsum"]
RESERVED = {*FUNCTIONS, "full", "columns", "constants", "fixed", "rows"}

SQUASHED = (
    "multiply({{args}}, {s}, {{z}}); tanh({{z}}, {{z}}); multiply({{z}}, {s}, {{z}}); add({{z}}, {r}, {{z}})"
)
SOFTMAX = (
    "{z}__ = maximum(top, {least}); subtract({args}, {z}__, {z}); exp({z}, {z}); "
    "add.reduce({z}, {axis}, None, {z}__, True); maximum({z}__, {one}, out={z}__); divide({z}, {z}__, {z})"
)

TABLE = {name: f"{name}({{args}}, {{z}})" for name in UFUNCS} | {  # a line each, between semicolons
    "maximum": "maximum({args}, out={z})",  # in its place it is deprecated
    "minimum": "minimum({args}, out={z})",
    "abs": "absolute({args}, {z})",
    "relu": "maximum({args}, {zero}, out={z})",
    "sigmoid": SQUASHED.format(s="{half}", r="{half}"),
    "gates": SQUASHED.format(s="{s}", r="{r}"),
    "clip": "maximum({v0}, {v1}, out={z}); minimum({z}, {v2}, out={z})",
    "where": "copyto({z}, {v2}); copyto({z}, {v1}, where={v0})",
    "safe_product": "copyto({z}, {v1}); copyto({z}, {one}, where={v0} == 0); multiply({z}, {v0}, {z})",
    "astype": "copyto({z}, {args}, 'unsafe')",
    "cast": "copyto({z}, {args}, 'unsafe')",
    "zeros_like": "{z}.fill(0)",
    "ones_like": "{z}.fill(1)",
    "matmul": "matmul({args}, {z})",
    "contract": "einsum({subscripts}, {args}, out={z}, optimize=True)",
    "sum": "add.reduce({args}, {axis}, None, {z}, {keepdims})",
    "max": "maximum.reduce({args}, {axis}, None, {z}, {keepdims})",
    "min": "minimum.reduce({args}, {axis}, None, {z}, {keepdims})",
    "softmax": SOFTMAX.replace("top", "maximum.reduce({args}, {axis}, None, None, True)"),
}
ON_DEVICES = {  # CuPy has no maximum.reduce, and no einsum with out=
    **{name: line for name, line in TABLE.items() if name != "contract"},
    "max": "amax({args}, {axis}, {z}, {keepdims})",
    "min": "amin({args}, {axis}, {z}, {keepdims})",
    "softmax": SOFTMAX.replace("top", "amax({args}, {axis}, None, True)"),
}
IN_PLACE = frozenset([*UFUNCS, "maximum", "minimum", "abs", "relu", "sigmoid", "gates"])  # read all, then write


def multiplications() -> float:
    """How many make a small product: up to so many OpenBLAS has a kernel that does not copy the matrices first.

    It has one with AVX-512, on one thread; products of a step are a quarter quicker cut to that size.
    """
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    wide = any(name == "X86_V4" or name.startswith("AVX512") for name in found)
    return 1e6 if wide and threads == "1" else math.inf


SMALL = multiplications()


def constant(value: float) -> Callable:
    return lambda spec, meta, device: as_constant(value, spec.dtype, device)


def as_constant(x, dtype: np.dtype, device: str):
    """x as what lines read quickest: in one piece, a number as an array of rank 0.

    A number of Python takes twice the time; beside `out=`, CuPy takes no array of the host, but scalars.
    """
    if not backend.on_host(x):
        x = x.astype(dtype, copy=False)
        return x if x.flags.c_contiguous else x.copy()
    if device == "cpu":
        x = np.asarray(x, dtype)
        return np.ascontiguousarray(x) if x.ndim else x
    return dtype.type(x)


def filled(make: Callable) -> Callable:
    """In the full shape of the result: to broadcast takes up to twice the time."""
    return lambda spec, meta, device: full(make(dtype=spec.dtype, device=device, **meta), spec.shape)


def full(x, shape: tuple[int, ...]):
    """x repeated to fill `shape`."""
    return np.broadcast_to(x, shape).copy()


ARRAYS = {  # what lines read besides the arguments of the op
    "half": constant(0.5),
    "zero": constant(0),
    "one": constant(1),
    "least": lambda spec, meta, device: as_constant(np.finfo(spec.dtype).min, spec.dtype, device),
    "s": filled(scale),
    "r": filled(lambda **given: 1 - scale(**given)),
}


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
    namespace: dict = {"full": full, "columns": columns} | {f: getattr(np, f) for f in FUNCTIONS}
    once: dict[str, str] = {}  # what is made before the first step, by name
    body: list[tuple[str, str]] = []  # lines, and what is said beside them
    for k, call in enumerate(plan.calls):
        for i, line in enumerate(written(call, k, plan, names, namespace, once)):
            body.append((line, "" if i else f"  # {notes[call.outputs[0]]}"))
    sums = [f"{names[v]}__sum" for v in loop.totals]
    for v, total in zip(loop.totals, sums, strict=True):
        body.append((f"add({total}, {names[v]}, {total})", f"  # summed over the steps: {names[v]}"))
    nexts = [f"{names[loop.carries[j][0]]}__next" for j, _ in plan.copies]
    for (_, v), after in zip(plan.copies, nexts, strict=True):
        body.append((f"copyto({after}, {names[v]})", ""))

    words = set(re.findall(r"\w+", " ".join([*once.values(), *(line for line, _ in body)])))
    used = lambda values: tuple(v for v in values if names[v] in words)  # noqa: E731
    made = used(v for call in loop.operations for v in call.outputs if v in plan.homes)
    constants = used((*loop.constants, *loop.numbers))
    fixed = tuple(v for v in made if not plan.moves(v))
    rows = (*used((*loop.inputs, *(before for before, _ in loop.carries))), *filter(plan.moves, made))

    def listed(values: tuple[int, ...], others: list[str]) -> str:
        return ", ".join((*(names[v] for v in values), *others))

    unpacked = {"constants": listed(constants, []), "fixed": listed(fixed, sums)}
    each = listed(rows, nexts)
    width = min(max((len(line) for line, _ in body), default=0), 60)
    source = [
        f"def {name}(constants, fixed, rows):",
        *(f"    ({these},) = {of}" for of, these in unpacked.items() if these),
        *(f"    {these} = {of}" for these, of in once.items()),
        f"    for {f'{each},' if each else '_'} in rows:",
        *(f"        {line:{width if note else 0}}{note}" for line, note in body or [("pass", "")]),
    ]
    write_out(source, f"<{name}, {next(counter)}>", namespace)
    return Emitted("\n".join(source), namespace[name], constants, fixed, rows)


def identifiers(plan: Plan) -> dict[int, str]:
    """The names of all values, where they hide no function that the source calls."""
    return {v: f"{name}_" if name in RESERVED else name for v, name in plan.loop.names.items()}


def written(
    call: Operation, k: int, plan: Plan, names: dict[int, str], namespace: dict, once: dict[str, str]
) -> Iterator[str]:
    """The lines of the k-th call.

    What else they read goes, by names with two underscores, into `namespace`, or into `once` if it has to be
    made of what the loop is given.
    """
    op, meta, specs = call.op, call.metadata(), plan.loop.values
    host = plan.loop.device == "cpu"
    table = TABLE if host else ON_DEVICES
    args, zs = [names[v] for v in call.inputs], [names[v] for v in call.outputs]

    def bound(name: str, value) -> str:
        namespace[f"{name}__{k}"] = value
        return f"{name}__{k}"

    def first(name: str, made: str) -> str:
        once[f"{name}__{k}"] = made
        return f"{name}__{k}"

    shape, over = specs[call.outputs[0]].shape, specs[call.inputs[0]].shape if call.inputs else ()
    blas = op.name == "matmul" and len(shape) == 2 and host
    for i, v in enumerate(call.inputs if pointwise(call) else ()):
        if specs[v].shape not in ((), shape):
            if v in plan.loop.numbers:
                args[i] = bound(args[i], full(plan.loop.numbers[v], shape))
            elif v in plan.loop.constants:  # a bias, a gain
                args[i] = first(args[i], f"full({args[i]}, {shape})")

    if op.name in ("concatenate", "stack"):
        for i, x in enumerate(args):
            if not plan.placed(call, i):
                yield f"{zs[0]}[{bound(f'place_{i}', place(call, i, specs))}] = {x}"
    elif op.name == "reshape" and plan.placed(call, 0):
        return
    elif blas and (count := pieces(*(specs[v] for v in call.inputs))) > 1:
        y, z = (f"columns({name}, {count})" for name in (args[1], zs[0]))
        if call.inputs[1] in plan.loop.constants:
            y = first(args[1], y)
        if not plan.moves(call.outputs[0]):
            z = first(zs[0], z)
        yield f"matmul({args[0]}, {y}, {z})"
    elif blas and plan.in_one_piece(call.outputs[0]):
        yield f"dot({', '.join(args)}, {zs[0]})"  # half a microsecond less
    elif op.name == "power" and plan.loop.numbers.get(call.inputs[1]) == 2:
        yield f"square({args[0]}, {zs[0]})"
    elif op.name == "safe_product" and np.isfinite(plan.loop.numbers.get(call.inputs[1], np.inf)).all():
        yield f"multiply({', '.join(args)}, {zs[0]})"
    elif op.name in table and ("{axis}" not in table[op.name] or (over and 0 not in over)):
        if meta.get("axis", ()) is None:
            meta["axis"] = tuple(range(len(specs[call.inputs[0]].shape)))
        words = {"args": ", ".join(args), "z": zs[0]} | {f"v{i}": x for i, x in enumerate(args)}
        words |= {name: repr(value) for name, value in meta.items()}
        for name, make in ARRAYS.items():
            if f"{{{name}}}" in table[op.name]:
                words[name] = bound(name, make(specs[call.outputs[0]], call.metadata(), plan.loop.device))
        yield from table[op.name].format(**words).split("; ")
    else:
        forward = bound("forward", functools.partial(op.forward, **meta) if meta else op.forward)
        targets = "".join(f"{z}[...], " for z in zs) if op.many else f"{zs[0]}[...]"
        yield f"{targets} = {forward}({', '.join(args)})"


def pieces(x: Spec, y: Spec) -> int:
    """In how many products to cut x y, each for some columns of y, so that they are small."""
    (n, k), m = x.shape, y.shape[1]
    return next((count for count in range(1, 9) if m % count == 0 and n * k * m <= SMALL * count), 1)


def columns(x: np.ndarray, count: int) -> np.ndarray:
    """The columns of a matrix as a stack of `count` matrices."""
    n, m = x.shape
    return x.reshape(n, count, m // count).transpose(1, 0, 2)


def place(call: Operation, i: int, specs: Sequence[Spec]) -> tuple:
    """Where argument i of a concatenation or a stack is in the result."""
    axis, rank = call.metadata()["axis"], len(specs[call.outputs[0]].shape)
    here: object = i
    if call.op.name == "concatenate":
        ends = list(itertools.accumulate((specs[v].shape[axis] for v in call.inputs), initial=0))
        here = slice(ends[i], ends[i + 1])
    return (*[slice(None)] * (axis % rank), here, ...)
