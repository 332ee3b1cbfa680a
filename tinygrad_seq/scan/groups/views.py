"""Views as maps, and arrays that are joined from parts: no op of this file computes.

A part is copied into its place. If one group computes it, it is written there directly. Views by keys are in
`indexing.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from tinygrad_seq.ops.shape import order
from tinygrad_seq.scan.groups import maps
from tinygrad_seq.scan.groups.assignments import Access, Assignments, UnsupportedError
from tinygrad_seq.scan.groups.maps import (
    Map,
    Shape,
    contiguous,
    dropped,
    reshaped,
    sliced,
    squeezed,
    transposed,
)  # fmt: skip
from tinygrad_seq.scan.program import Operation

# --- views ----------------------------------------------------------------------------------------------


def same(found: Assignments, call: Operation) -> None:
    found.view(call.outputs[0], call.inputs[0], found.place(call.inputs[0])[1])


def transpose(found: Assignments, call: Operation) -> None:
    (x,) = call.inputs
    rank = len(found.shape(x))
    axes = [a % rank for a in order(call.metadata()["axes"], rank)]
    found.view(call.outputs[0], x, transposed(found.place(x)[1], axes))


def broadcast(found: Assignments, call: Operation) -> None:
    (x,), (z,) = call.inputs, call.outputs
    found.view(z, x, maps.broadcast(found.place(x)[1], found.shape(x), found.shape(z)))


def reshape(found: Assignments, call: Operation) -> None:
    """A view, or a copy where that has no affine map."""
    (x,), (z,) = call.inputs, call.outputs
    m = reshaped(found.place(x)[1], found.shape(x), found.shape(z))
    if m is None:
        x = found.made("convert", (x,), found.shape(x), found.values[x].dtype)
        m = reshaped(contiguous(found.shape(x)), found.shape(x), found.shape(z))
        assert m is not None
    found.view(z, x, m)


def split(found: Assignments, call: Operation) -> None:
    (x,) = call.inputs
    axis = call.metadata()["axis"] % len(found.shape(x))
    start = 0
    for z in call.outputs:
        found.view(z, x, sliced(found.place(x)[1], axis, start))
        start += found.shape(z)[axis]


def unstack(found: Assignments, call: Operation) -> None:
    (x,) = call.inputs
    axis = call.metadata()["axis"] % len(found.shape(x))
    for i, z in enumerate(call.outputs):
        found.view(z, x, dropped(found.place(x)[1], axis, i))


# --- parts of arrays ------------------------------------------------------------------------------------


def part(found: Assignments, x: int, of: Map, z: int, to: Map, shape: Shape) -> None:
    """Copy an array of this shape, at the places `of` in the memory of x, to the places `to` of z."""
    read = Access(found.place(x)[0], squeezed(of, shape))
    found.add("convert", shape, (read,), found.mapped(z, to, shape))


def place(found: Assignments, x: int, z: int, to: Map) -> None:
    """Copy x to the places `to` of z."""
    part(found, x, found.place(x)[1], z, to, found.shape(x))


def concatenate(found: Assignments, call: Operation) -> None:
    (z,) = call.outputs
    axis = call.metadata()["axis"] % len(found.shape(z))
    start = 0
    for x in call.inputs:
        place(found, x, z, sliced(contiguous(found.shape(z)), axis, start))
        start += found.shape(x)[axis]


def stack(found: Assignments, call: Operation) -> None:
    (z,) = call.outputs
    axis = call.metadata()["axis"] % len(found.shape(z))
    for i, x in enumerate(call.inputs):
        place(found, x, z, dropped(contiguous(found.shape(z)), axis, i))


def roll(found: Assignments, call: Operation) -> None:
    """Along every axis two pieces change places, so a part is a piece of every axis."""
    meta, (x,), (z,) = call.metadata(), call.inputs, call.outputs
    shape = found.shape(x)
    shifts = [0] * len(shape)
    for shift, axis in np.broadcast(meta["shift"], meta["axis"]):
        shifts[axis] += int(shift)
    cuts = [n - shift % n if n else 0 for n, shift in zip(shape, shifts, strict=True)]
    pieces = [[(0, n - cut, cut), (cut, 0, n - cut)] for n, cut in zip(shape, cuts, strict=True)]
    for piece in itertools.product(*pieces):
        of, to = found.place(x)[1], contiguous(shape)
        for axis, (start, target, _) in enumerate(piece):
            of, to = sliced(of, axis, start), sliced(to, axis, target)
        part(found, x, of, z, to, tuple(size for _, _, size in piece))


def pad(found: Assignments, call: Operation) -> None:
    """The margins of an axis reach over the margins of the axes before it, as in NumPy."""
    meta, (x,), (z,) = call.metadata(), call.inputs, call.outputs
    shape, inner = list(found.shape(x)), contiguous(found.shape(z))
    for axis, (before, _) in enumerate(meta["widths"]):
        inner = sliced(inner, axis, before)
    place(found, x, z, inner)
    for axis, (widths, values) in enumerate(zip(meta["widths"], meta["values"], strict=True)):
        n, inner = shape[axis], sliced(inner, axis, -widths[0])
        for start, size, value in zip((0, widths[0] + n), widths, values, strict=True):
            margin = found.number(np.asarray(value).astype(found.values[z].dtype).item(), z)
            shape[axis] = size
            part(found, margin, Map(0, (0,) * len(shape)), z, sliced(inner, axis, start), tuple(shape))
        shape[axis] = n + sum(widths)


def triangle(found: Assignments, call: Operation) -> None:
    """x in row i and column j, if i - j + k >= 0 (triu: if j - i - k >= 0), else 0"""
    (x,), (z,), k = call.inputs, call.outputs, call.metadata()["k"]
    if not isinstance(k, int):
        raise UnsupportedError(f"a diagonal {k!r}")
    shape, sign = found.shape(z), 1 if call.op.name == "tril" else -1
    below = found.counting(shape, Map(sign * k, (*(0,) * (len(shape) - 2), sign, -sign)))
    inside = found.made("greater_equal", (below, found.number(0, below)), shape, bool)
    found.assign("where", (inside, x, found.number(0, x)), z)


def filled(x: int) -> Callable:
    def fill(found: Assignments, call: Operation) -> None:
        (z,) = call.outputs
        found.view(z, found.number(x, z), Map(0, (0,) * len(found.shape(z))))

    return fill


def convert(found: Assignments, call: Operation) -> None:
    found.assign("convert", call.inputs, call.outputs[0])
