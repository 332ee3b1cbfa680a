"""Sums, extrema, softmax, and the products of matrices, as assignments.

A product with a matrix of which every element is used in many rows is a `Product`, for which an emitter has its
own kernels. Any other product is a sum of products over a space with one more axis: one pass over memory.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.ops.reduction import axes_of
from tinygrad_seq.scan.groups.assignments import FLOATS, Access, Assignments, Product, UnsupportedError
from tinygrad_seq.scan.groups.maps import Map, contiguous, reshaped
from tinygrad_seq.scan.groups.views import number
from tinygrad_seq.scan.program import Operation

# --- reductions -----------------------------------------------------------------------------------------


def along(found: Assignments, call: Operation) -> tuple[int, ...]:
    return axes_of(call.metadata()["axis"], len(found.shape(call.inputs[0])))


def sum(found: Assignments, call: Operation) -> None:
    (x,), (z,) = call.inputs, call.outputs
    if found.values[x].dtype != found.values[z].dtype:
        x = found.made("convert", (x,), found.shape(x), found.values[z].dtype)
    found.sum(x, along(found, call), z)


def extremum(found: Assignments, call: Operation) -> None:
    found.reduce(call.op.name, call.inputs[0], along(found, call), call.outputs[0])


def softmax(found: Assignments, call: Operation) -> None:
    """exp(x - max x) / sum exp(x - max x)"""
    (x,), (z,) = call.inputs, call.outputs
    axes = along(found, call)
    e, total = exponentials(found, x, axes)
    found.assign("divide", (e, total), z)


def exponentials(found: Assignments, x: int, axes: tuple[int, ...]) -> tuple[int, int]:
    """exp(x - max x), where max x is 0 if it is -infinity, and its sum, which is then 0 and becomes 1."""
    y, one = shifted(found, x, axes)
    shape, dtype = found.values[x]
    e = found.made("exp", (y,), shape, dtype)
    total = found.new(found.shape(one), dtype)
    found.sum(e, axes, total)
    return e, found.made("maximum", (total, number(found, 1, x)), found.shape(one), dtype)


def shifted(found: Assignments, x: int, axes: tuple[int, ...]) -> tuple[int, int]:
    shape, dtype = found.values[x]
    within = tuple(1 if a in axes else n for a, n in enumerate(shape))
    top = found.new(within, dtype)
    found.reduce("max", x, axes, top)
    least = number(found, float(np.finfo(dtype).min), x)
    top = found.made("maximum", (top, least), within, dtype)
    return found.made("subtract", (x, top), shape, dtype), top


def log_softmax(found: Assignments, call: Operation) -> None:
    (x,), (z,) = call.inputs, call.outputs
    axes = along(found, call)
    y, top = shifted(found, x, axes)
    shape, dtype = found.values[x]
    total = found.new(found.shape(top), dtype)
    found.sum(found.made("exp", (y,), shape, dtype), axes, total)
    total = found.made("maximum", (total, number(found, 1, x)), found.shape(top), dtype)
    found.assign("subtract", (y, found.made("log", (total,), found.shape(top), dtype)), z)


# --- products -------------------------------------------------------------------------------------------

SMALL = 64  # columns of a step's own matrix from which a packed product pays


def matmul(found: Assignments, call: Operation) -> None:
    (x, y), (z,) = call.inputs, call.outputs
    dtype = found.values[z].dtype
    x, y = (
        v if found.values[v].dtype == dtype else found.made("convert", (v,), found.shape(v), dtype)
        for v in (x, y)
    )
    if dtype not in FLOATS:
        raise UnsupportedError(f"a matrix product of {dtype}")
    *rows, n, k = found.shape(x)
    *stack, _, m = found.shape(y)
    if k == 1:
        found.assign("multiply", (x, y), z)
        return
    if math.prod(stack) == 1:
        (base, a), count = found.place(x), math.prod(rows) * n
        flat = reshaped(a, (*rows, n, k), (count, k))
        if flat is None:
            base = found.made("convert", (x,), found.shape(x), dtype)
            flat = contiguous((count, k))
        b, right = found.place(y)
        fixed = b in found.program.constants
        right = Map(right.offset, right.strides[-2:])
        if fixed or min(count, m) >= 4:
            write = Access(z, contiguous((count, m)))
            found.items.append(Product(count, k, m, Access(base, flat), Access(b, right), write, fixed))
            return
    summed(found, x, y, z, k)


def summed(found: Assignments, x: int, y: int, z: int, k: int) -> None:
    """z = sum_k x_k y_k, over the space of z and k, in which the op is one pass over memory."""
    *lead, n, m = found.shape(z)
    dtype = found.values[z].dtype
    shape = (*lead, n, k, m)
    left = found.new((*found.shape(x), 1), dtype)
    found.view(left, x, Map(*with_axis(found.place(x)[1], len(found.shape(x)))))
    right = found.new((*found.shape(y)[:-2], 1, *found.shape(y)[-2:]), dtype)
    found.view(right, y, Map(*with_axis(found.place(y)[1], len(found.shape(y)) - 2)))
    found.sum(found.made("multiply", (left, right), shape, dtype), (len(lead) + 1,), z)


def with_axis(m: Map, axis: int) -> Map:
    """The map with one more axis of length 1 before `axis`."""
    return Map(m.offset, (*m.strides[:axis], 0, *m.strides[axis:]))


def contract(found: Assignments, call: Operation) -> None:
    """einsum: the product over the space of all letters, summed over those that the result lacks."""
    terms, result = call.metadata()["subscripts"].replace(" ", "").split("->")
    names = terms.split(",")
    if "." in terms or any(len(set(name)) < len(name) for name in names):
        raise UnsupportedError("a contraction with repeated letters")
    dtype = found.values[call.outputs[0]].dtype
    letters = [*result, *sorted(set("".join(names)) - set(result))]
    sizes: dict[str, int] = {}
    for name, v in zip(names, call.inputs, strict=True):
        sizes |= {c: n for c, n in zip(name, found.shape(v), strict=True) if n != 1 or c not in sizes}
    inputs = []
    for name, v in zip(names, call.inputs, strict=True):
        if found.values[v].dtype != dtype:
            v = found.made("convert", (v,), found.shape(v), dtype)
        base, m = found.place(v)
        places = dict(zip(name, zip(found.shape(v), m.strides, strict=True), strict=True))
        shape = tuple(places[c][0] if c in places else 1 for c in letters)
        part = found.new(shape, dtype)
        found.views[part] = base, Map(m.offset, tuple(places[c][1] if c in places else 0 for c in letters))
        if base in found.numbers:
            found.numbers[part] = found.numbers[base]
        inputs.append(part)
    shape = tuple(sizes[c] for c in letters)
    whole = found.made("multiply", inputs, shape, dtype)
    found.sum(whole, tuple(range(len(result), len(letters))), call.outputs[0])
