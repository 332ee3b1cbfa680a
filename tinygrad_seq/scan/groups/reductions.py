"""Sums, extrema and what is computed from them, softmax for example, as assignments."""

from __future__ import annotations

import functools
import math

import numpy as np

from tinygrad_seq.ops.reduction import axes_of
from tinygrad_seq.scan.groups.assignments import Assignments
from tinygrad_seq.scan.groups.maps import Map, Shape, contiguous, reshaped, transposed
from tinygrad_seq.scan.program import Operation


def along(found: Assignments, call: Operation) -> tuple[int, ...]:
    return axes_of(call.metadata()["axis"], len(found.shape(call.inputs[0])))


def converted(found: Assignments, x: int, dtype: np.dtype) -> int:
    """x in a dtype."""
    return x if found.values[x].dtype == dtype else found.made("convert", (x,), found.shape(x), dtype)


def kept(found: Assignments, x: int, axes: tuple[int, ...]) -> Shape:
    """The shape of x with length 1 for the reduced axes."""
    return tuple(1 if a in axes else n for a, n in enumerate(found.shape(x)))


def reduced(found: Assignments, how: str, x: int, axes: tuple[int, ...]) -> int:
    """The sum, maximum or minimum of x along axes, which stay with length 1."""
    z = found.new(kept(found, x, axes), found.values[x].dtype)
    (found.sum if how == "sum" else functools.partial(found.reduce, how))(x, axes, z)
    return z


def sum(found: Assignments, call: Operation) -> None:
    (x,), (z,) = call.inputs, call.outputs
    found.sum(converted(found, x, found.values[z].dtype), along(found, call), z)


def extremum(found: Assignments, call: Operation) -> None:
    found.reduce(call.op.name, call.inputs[0], along(found, call), call.outputs[0])


def truth(found: Assignments, call: Operation) -> None:
    """any and all: the largest truth value, and the smallest."""
    (x,), (z,) = call.inputs, call.outputs
    how = "max" if call.op.name == "any" else "min"
    found.reduce(how, x, along(found, call), z)


def position(found: Assignments, call: Operation) -> None:
    """argmax and argmin: the least index of an element that is the extremum, or of one that is NaN."""
    (x,), (z,), axis = call.inputs, call.outputs, call.metadata()["axis"]
    shape, axes = found.shape(x), along(found, call)
    top = reduced(found, call.op.name.removeprefix("arg"), x, axes)
    hit = found.made("equal", (x, top), shape, bool)
    if found.values[x].dtype.kind == "f":
        hit = found.made("logical_or", (hit, found.made("not_equal", (x, x), shape, bool)), shape, bool)
    among = contiguous(shape) if axis is None else Map(0, tuple(int(a in axes) for a in range(len(shape))))
    index = found.counting(shape, among)
    index = found.made("where", (hit, index, found.number(math.prod(shape), z)), shape, np.int64)
    found.reduce("min", index, axes, z)


def prod(found: Assignments, call: Operation) -> None:
    (x,), (z,) = call.inputs, call.outputs
    found.reduce("prod", x, along(found, call), z)


def cumsum(found: Assignments, call: Operation) -> None:
    """Each sum is added to the next element, in float64 for float32."""
    (x,), (z,) = call.inputs, call.outputs
    shape, dtype = found.values[z]
    so_far = found.new(shape, np.float64) if dtype == np.float32 else z
    found.assign("convert", (x,), so_far)
    running(found, "add", so_far, call)
    if so_far != z:
        found.assign("convert", (so_far,), z)


def cumprod(found: Assignments, call: Operation) -> None:
    """The next element is multiplied by each product."""
    (z,) = call.outputs
    found.assign("convert", call.inputs, z)
    running(found, "multiply", z, call)


def running(found: Assignments, combine: str, so_far: int, call: Operation) -> None:
    """Each element along the axis of the call is combined with the one before it."""
    shape = found.shape(so_far)
    axis = call.metadata()["axis"] % len(shape)
    n, step = shape[axis], contiguous(shape).strides[axis]
    others = [a for a in range(len(shape)) if a != axis]
    m = transposed(contiguous(shape), (axis, *others))
    rest = (max(n - 1, 0), *(shape[a] for a in others))
    target = found.mapped(so_far, Map(step, m.strides), rest)
    found.add("convert", rest, (found.mapped(so_far, m, rest),), target, combine)


def norm(found: Assignments, call: Operation) -> None:
    """top sqrt sum (x / top)^2, where top = max |x|, or 1 where that is 0, infinite or NaN"""
    (x,), (z,) = call.inputs, call.outputs
    (shape, dtype), axes = found.values[x], along(found, call)
    top = reduced(found, "max", found.made("abs", (x,), shape, dtype), axes)
    within = found.shape(top)
    some = found.made("greater", (top, found.number(0, x)), within, bool)
    some = found.made("logical_and", (some, found.made("isfinite", (top,), within, bool)), within, bool)
    top = found.made("where", (some, top, found.number(1, x)), within, dtype)
    parts = found.made("square", (found.made("divide", (x, top), shape, dtype),), shape, dtype)
    root = found.made("sqrt", (reduced(found, "sum", parts, axes),), within, dtype)
    without(found, found.made("multiply", (top, root), within, dtype), z)


def without(found: Assignments, x: int, z: int) -> None:
    """z = x without some axes of length 1."""
    m = reshaped(found.place(x)[1], found.shape(x), found.shape(z))
    assert m is not None
    found.view(z, x, m)


# --- softmax --------------------------------------------------------------------------------------------


def softmax(found: Assignments, call: Operation) -> None:
    """exp y / sum exp y for y = x - max x"""
    (x,), (z,) = call.inputs, call.outputs
    y, axes = shifted(found, x, z, along(found, call)), along(found, call)
    e = found.made("exp", (y,), *found.values[z])
    found.assign("divide", (e, at_least_one(found, reduced(found, "sum", e, axes))), z)


def log_softmax(found: Assignments, call: Operation) -> None:
    """y - log sum exp y for y = x - max x"""
    (x,), (z,) = call.inputs, call.outputs
    y, axes = shifted(found, x, z, along(found, call)), along(found, call)
    total = reduced(found, "sum", found.made("exp", (y,), *found.values[z]), axes)
    log = found.made("log", (at_least_one(found, total),), *found.values[total])
    found.assign("subtract", (y, log), z)


def logsumexp(found: Assignments, call: Operation) -> None:
    """log sum exp (x - m) + m for m = max x, or 0 where that is infinite or NaN"""
    (x,), (z,), axes = call.inputs, call.outputs, along(found, call)
    x = converted(found, x, found.values[z].dtype)
    top = reduced(found, "max", x, axes)
    within, dtype = found.values[top]
    finite = found.made("isfinite", (top,), within, bool)
    top = found.made("where", (finite, top, found.number(0, x)), within, dtype)
    e = found.made("exp", (found.made("subtract", (x, top), *found.values[x]),), *found.values[x])
    log = found.made("log", (reduced(found, "sum", e, axes),), within, dtype)
    without(found, found.made("add", (log, top), within, dtype), z)


def shifted(found: Assignments, x: int, z: int, axes: tuple[int, ...]) -> int:
    """x - max x in the dtype of z; where max x is -infinity, so is all x, and x minus any number."""
    x = converted(found, x, found.values[z].dtype)
    top = reduced(found, "max", x, axes)
    least = found.number(float(np.finfo(found.values[z].dtype).min), x)
    top = found.made("maximum", (top, least), *found.values[top])
    return found.made("subtract", (x, top), *found.values[x])


def at_least_one(found: Assignments, total: int) -> int:
    """A sum that has the term e^0 = 1, except if all x are -infinity."""
    return found.made("maximum", (total, found.number(1, total)), *found.values[total])
