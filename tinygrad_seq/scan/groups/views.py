"""Views as maps, and arrays that are joined from parts: no op of this file computes.

A part is copied into its place. If one group computes it, it is written there directly.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_seq.ops.shape import order
from tinygrad_seq.scan.groups import maps
from tinygrad_seq.scan.groups.assignments import Assignments, UnsupportedError
from tinygrad_seq.scan.groups.maps import Map, contiguous, dropped, indexed, reshaped, sliced, transposed
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


def getitem(found: Assignments, call: Operation) -> None:
    key = call.metadata()["key"]
    if len(call.inputs) > 1 or any(isinstance(part, bool) for part in key):
        raise UnsupportedError("indexing by arrays")
    x = call.inputs[0]
    found.view(call.outputs[0], x, indexed(found.place(x)[1], found.shape(x), key))


# --- parts of arrays ------------------------------------------------------------------------------------


def place(found: Assignments, x: int, z: int, m: Map) -> None:
    """Copy x into the part of z with the map m over the axes of x."""
    found.assign("convert", (x,), x, write=found.mapped(z, m, found.shape(x)))


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
    meta, (x,), (z,) = call.metadata(), call.inputs, call.outputs
    shape = found.shape(x)
    shifts, axes = meta["shift"], meta["axis"]
    pairs = list(zip(shifts, axes, strict=True)) if isinstance(axes, tuple) else [(shifts, axes)]
    if len(pairs) != 1 or not all(type(n) is int for n in pairs[0]) or not shape:
        raise UnsupportedError("a roll of several axes")
    (shift, axis) = pairs[0][0], pairs[0][1] % len(shape)
    n = shape[axis]
    shift %= n
    for start, to, size in ((0, shift, n - shift), (n - shift, 0, shift)):
        if size:
            piece = found.new((*shape[:axis], size, *shape[axis + 1 :]), found.values[x].dtype)
            found.view(piece, x, sliced(found.place(x)[1], axis, start))
            place(found, piece, z, sliced(contiguous(shape), axis, to))


def pad(found: Assignments, call: Operation) -> None:
    meta, (x,), (z,) = call.metadata(), call.inputs, call.outputs
    if len({value for pair in meta["values"] for value in pair}) > 1:
        raise UnsupportedError("a pad with different margins")
    inner = contiguous(found.shape(z))
    margin = meta["values"][0][0] if meta["values"] else 0
    for axis, (before, _) in enumerate(meta["widths"]):
        inner = sliced(inner, axis, before)
    found.assign("convert", (number(found, margin, z),), z)
    place(found, x, z, inner)


def scatter(found: Assignments, call: Operation) -> None:
    meta, (z,) = call.metadata(), call.outputs
    if len(call.inputs) > 1 or any(isinstance(part, bool) for part in meta["key"]):
        raise UnsupportedError("scattering by arrays")
    inner = indexed(contiguous(found.shape(z)), found.shape(z), meta["key"])
    found.assign("convert", (number(found, 0, z),), z)
    place(found, call.inputs[0], z, inner)


def number(found: Assignments, x, like: int) -> int:
    """A number as a value of the dtype of another."""
    v = found.new((), found.values[like].dtype)
    found.numbers[v] = x
    return v


def filled(x: int) -> Callable:
    def fill(found: Assignments, call: Operation) -> None:
        (z,) = call.outputs
        found.view(z, number(found, x, z), Map(0, (0,) * len(found.shape(z))))

    return fill


def convert(found: Assignments, call: Operation) -> None:
    found.assign("convert", call.inputs, call.outputs[0])
