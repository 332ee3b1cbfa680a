"""How each operation of a loop is written: one or more lines of NumPy that write into preallocated memory.

A table has the line of each primitive, with the output as the last argument (NumPy takes it for `out=`, and it
is faster than the keyword). An op that is not in the table is computed by its forward function, and the result
is copied. `written` has the cases that depend on more than the op: on shapes, on constants, or on the memory of
a value.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.precision import BLOCK, HALF
from tinygrad_seq.ops.reduction import axes_of
from tinygrad_seq.scan.np.gates import scale
from tinygrad_seq.scan.np.plan import Plan, pointwise
from tinygrad_seq.scan.program import Operation, Spec

SAME = """
    add subtract multiply divide negative power square sqrt exp expm1 log log1p logaddexp tanh sin cos arctan2
    sign isnan isfinite equal not_equal less less_equal greater greater_equal logical_and logical_or logical_not
    bitwise_and bitwise_or invert
"""
UFUNCS = SAME.split()  # the ops whose NumPy ufunc has the same name
FUNCTIONS = [*UFUNCS, "absolute", "maximum", "minimum", "amax", "amin", "matmul", "dot", "copyto", "einsum"]
RESERVED = {*FUNCTIONS, "full", "columns", "constants", "fixed", "rows"}

SQUASHED = (
    "multiply({{args}}, {s}, {{z}}); tanh({{z}}, {{z}}); multiply({{z}}, {s}, {{z}}); add({{z}}, {r}, {{z}})"
)
SOFTMAX = (
    "{m} = maximum(top, {least}); subtract({args}, {m}, {z}); exp({z}, {z}); "
    "add.reduce({z}, {axis}, None, {m}, True); maximum({m}, {one}, out={m}); divide({z}, {m}, {z})"
)

TABLE = {name: f"{name}({{args}}, {{z}})" for name in UFUNCS} | {  # semicolons separate lines
    "maximum": "maximum({args}, out={z})",  # a positional out is deprecated here
    "minimum": "minimum({args}, out={z})",
    "abs": "absolute({args}, {z})",
    "relu": "maximum({args}, {zero}, out={z})",
    "sigmoid": SQUASHED.format(s="{half}", r="{half}"),
    "gates": SQUASHED.format(s="{s}", r="{r}"),
    "softplus": "logaddexp({args}, {zero}, {z})",
    "clip": "maximum({v0}, {v1}, out={z}); minimum({z}, {v2}, out={z})",
    "where": "copyto({z}, {v2}); copyto({z}, {v1}, where={truth})",
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
    "reshape": "copyto({z}, {args}.reshape({shape}))",  # of an array that is not contiguous
}
ON_DEVICES = {  # CuPy has no maximum.reduce, and no einsum with out=
    **{name: line for name, line in TABLE.items() if name != "contract"},
    "max": "amax({args}, {axis}, {z}, {keepdims})",
    "min": "amin({args}, {axis}, {z}, {keepdims})",
    "softmax": SOFTMAX.replace("top", "amax({args}, {axis}, None, True)"),
}
SUMS = frozenset(["sum", "softmax", "contract"])  # see `precise`
IN_PLACE = frozenset(  # ops that may write over an argument: only their first line reads it
    [*UFUNCS, "maximum", "minimum", "abs", "relu", "sigmoid", "gates", "softplus"]
)


def multiplications() -> float:
    """The most multiplications of a small matrix product, infinite if small ones are not faster.

    With AVX-512 and one thread, OpenBLAS has a kernel for small products that does not copy the matrices first;
    the products of a step take a quarter less time if they are cut to that size.
    """
    found = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")
    wide = any(name == "X86_V4" or name.startswith("AVX512") for name in found)
    return 1e6 if wide and threads == "1" else math.inf


SMALL = multiplications()


def constant(value: float) -> Callable:
    return lambda spec, meta, device: as_constant(value, spec.dtype, device)


def as_constant(x, dtype: np.dtype, device: str):
    """x in the form that a line reads fastest: contiguous, and a number as a 0-d array.

    A Python number takes twice the time, but it stays one if the dtype cannot hold it, as in a comparison of
    bytes with 300. On a device a number stays a scalar, because CuPy accepts scalars together with `out=`, but
    no host arrays.
    """
    if type(x) is int and dtype.kind in "iu" and not np.iinfo(dtype).min <= x <= np.iinfo(dtype).max:
        return x
    if isinstance(x, np.ndarray) and x.dtype == dtype and x.flags.c_contiguous:
        return x
    if not backend.on_host(x):
        x = x.astype(dtype, copy=False)
        return x if x.flags.c_contiguous else x.copy()
    if device == "cpu":
        x = np.asarray(x, dtype)
        return np.ascontiguousarray(x) if x.ndim else x
    return dtype.type(x)


def full(x, shape: tuple[int, ...]):
    """x repeated to fill `shape`."""
    return np.broadcast_to(x, shape).copy()


ARRAYS = {  # constants that lines read in addition to the arguments of the op
    "half": constant(0.5),
    "zero": constant(0),
    "one": constant(1),
    "least": lambda spec, meta, device: as_constant(np.finfo(spec.dtype).min, spec.dtype, device),
    "s": lambda spec, meta, device: scale(dtype=spec.dtype, device=device, **meta),
    "r": lambda spec, meta, device: 1 - scale(dtype=spec.dtype, device=device, **meta),
}


def written(
    call: Operation, k: int, plan: Plan, names: dict[int, str], namespace: dict, filled: dict, once: dict
) -> Iterator[str]:
    """The lines of the k-th call.

    Other values that the lines read have names with two underscores. They are put into `namespace`; into
    `filled`, if they are to be repeated to fill a shape; or, if they are computed from arguments of the loop,
    as expressions into `once`.
    """
    op, meta, specs = call.op, call.metadata(), plan.loop.values
    host = plan.loop.device == "cpu"
    table = TABLE if host else ON_DEVICES
    args, zs = [names[v] for v in call.inputs], [names[v] for v in call.outputs]

    def bound(name: str, value) -> str:
        namespace[f"{name}__{k}"] = value
        return f"{name}__{k}"

    def repeated(name: str, value) -> str:  # broadcasting takes up to twice the time
        filled[f"{name}__{k}"] = value, shape
        return f"{name}__{k}"

    def first(name: str, made: str) -> str:
        once[f"{name}__{k}"] = made
        return f"{name}__{k}"

    shape = specs[call.outputs[0]].shape
    blas = op.name == "matmul" and len(shape) == 2 and host
    for i, v in enumerate(call.inputs if pointwise(call) else ()):
        if specs[v].shape not in ((), shape):
            if v in plan.loop.numbers:
                args[i] = repeated(args[i], plan.loop.numbers[v])
            elif v in plan.loop.constants:  # a bias, a gain
                args[i] = first(args[i], f"full({args[i]}, {shape})")

    if op.name in ("concatenate", "stack"):
        for i, x in enumerate(args):
            if not plan.placed(call, i):
                yield f"{zs[0]}[{bound(f'place_{i}', place(call, i, specs))}] = {x}"
    elif op.name == "reshape" and plan.placed(call, 0):
        return
    elif op.name == "roll" and type(meta["axis"]) is type(meta["shift"]) is int and has_axes(shape):
        for i, (to, of) in enumerate(turned(meta["shift"], meta["axis"], shape)):
            yield f"{zs[0]}[{bound(f'place_{i}', to)}] = {args[0]}[{bound(f'piece_{i}', of)}]"
    elif op.name == "matmul" and specs[call.inputs[0]].shape[-1] == 1:
        yield f"multiply({', '.join(args)}, {zs[0]})"  # a column times a row takes half the time of matmul
    elif op.name == "sum" and host and is_short(specs[call.inputs[0]], meta["axis"]):
        ones = np.ones((specs[call.inputs[0]].shape[-1], *[1] * meta["keepdims"]), specs[call.outputs[0]].dtype)
        yield f"matmul({args[0]}, {bound('ones', ones)}, {zs[0]})"
    elif blas and (count := pieces(*(specs[v] for v in call.inputs))) > 1:
        y, z = (f"columns({name}, {count})" for name in (args[1], zs[0]))
        if call.inputs[1] in plan.loop.constants:
            y = first(args[1], y)
        if not plan.moves(call.outputs[0]):
            z = first(zs[0], z)
        yield f"matmul({args[0]}, {y}, {z})"
    elif blas and plan.in_one_piece(call.outputs[0]):
        yield f"dot({', '.join(args)}, {zs[0]})"  # half a microsecond faster than matmul
    elif op.name == "power" and plan.loop.numbers.get(call.inputs[1]) == 2:
        yield f"square({args[0]}, {zs[0]})"
    elif op.name == "safe_product" and np.isfinite(plan.loop.numbers.get(call.inputs[1], np.inf)).all():
        yield f"multiply({', '.join(args)}, {zs[0]})"
    elif (
        op.name in table
        and ("{axis}" not in table[op.name] or has_axes(specs[call.inputs[0]].shape))
        and (op.name not in SUMS or precise(call, specs, host))
    ):
        if meta.get("axis", ()) is None:
            meta["axis"] = tuple(range(len(specs[call.inputs[0]].shape)))
        words = {"args": ", ".join(args), "z": zs[0], "m": f"m__{k}"}
        words |= {f"v{i}": x for i, x in enumerate(args)}
        words["truth"] = args[0] if specs[call.inputs[0]].dtype.kind == "b" else f"{args[0]} != 0"
        words |= {name: repr(value) for name, value in meta.items()}
        for name, make in ARRAYS.items():
            if f"{{{name}}}" in table[op.name]:
                x = make(specs[call.outputs[0]], call.metadata(), plan.loop.device)
                words[name] = repeated(name, x) if x.ndim else bound(name, x)
        yield from table[op.name].format(**words).split("; ")
    else:
        forward = bound("forward", functools.partial(op.forward, **meta) if meta else op.forward)
        for i, v in enumerate(call.inputs):
            if v in plan.loop.numbers:
                args[i] = bound(f"number_{i}", plan.loop.numbers[v])
        targets = "".join(f"{z}[...], " for z in zs) if op.many else f"{zs[0]}[...]"
        yield f"{targets} = {forward}({', '.join(args)})"


def pieces(x: Spec, y: Spec) -> int:
    """The number of products into which to cut x y, each with some columns of y, so that each is small."""
    (n, k), m = x.shape, y.shape[1]
    return next((count for count in range(1, 9) if m % count == 0 and n * k * m <= SMALL * count), 1)


def columns(x: np.ndarray, count: int) -> np.ndarray:
    """The columns of a matrix as a stack of `count` matrices."""
    n, m = x.shape
    return x.reshape(n, count, m // count).transpose(1, 0, 2)


def place(call: Operation, i: int, specs: Sequence[Spec]) -> tuple:
    """The index of argument i of a concatenation or a stack in the result."""
    axis, rank = call.metadata()["axis"], len(specs[call.outputs[0]].shape)
    here: object = i
    if call.op.name == "concatenate":
        ends = list(itertools.accumulate((specs[v].shape[axis] for v in call.inputs), initial=0))
        here = slice(ends[i], ends[i + 1])
    return (*[slice(None)] * (axis % rank), here, ...)


def is_short(x: Spec, axis: object) -> bool:
    """Whether a sum is along a last axis so short that matmul is several times faster than np.sum."""
    rank = len(x.shape)
    last = axis in (-1, rank - 1, (-1,), (rank - 1,))
    return last and x.dtype.kind == "f" and rank > 1 and 1 < x.shape[-1] <= 32 and x.shape[-2] > 1


def has_axes(shape: tuple[int, ...]) -> bool:
    """Whether the shape has an axis, and no axis of length 0."""
    return bool(shape) and 0 not in shape


def precise(call: Operation, specs: Sequence[Spec], host: bool) -> bool:
    """Whether a sum in one line is precise: not of float16, and not along an axis that is added in blocks.

    On the host, NumPy adds pairwise along the last axis.
    """
    x = specs[call.inputs[0]]
    axes = axes_of(call.metadata().get("axis", ()), len(x.shape))
    long = [a for a in axes if x.shape[a] > BLOCK and not (host and a == len(x.shape) - 1)]
    return specs[call.outputs[0]].dtype != HALF and not long


def turned(shift: int, axis: int, shape: tuple[int, ...]) -> Iterator[tuple[tuple, tuple]]:
    """The two pieces of a roll: for each, its index in the result and its index in the argument."""
    n = shape[axis]
    before = [slice(None)] * (axis % len(shape))
    for to, of, size in ((shift % n, 0, n - shift % n), (0, n - shift % n, shift % n)):
        if size:
            yield (*before, slice(to, to + size)), (*before, slice(of, of + size))
