"""Elements at indices: x[key], take_along_axis, and their adjoints, which add into zeros.

    z[i, j] = x[k[i], j]         a gather: the place of an element depends on an index that is read
    z[k[i], j] += x[i, j]        a scatter: it adds, because two indices may be equal

With integers and slices alone, x[key] is a view, and its adjoint writes into a part of the zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_seq.ops.indexing import ARRAY, MASK, is_basic
from tinygrad_seq.scan.groups.assignments import Access, Assignments, Index, UnsupportedError
from tinygrad_seq.scan.groups.maps import Map, Shape, broadcast, contiguous, expanded, indexed, squeezed
from tinygrad_seq.scan.groups.reductions import converted
from tinygrad_seq.scan.groups.views import place
from tinygrad_seq.scan.program import Operation


def getitem(found: Assignments, call: Operation) -> None:
    (x, *arrays), (z,), key = call.inputs, call.outputs, checked(call)
    m, shape = found.place(x)[1], found.shape(x)
    if is_basic(key):
        found.view(z, x, indexed(m, shape, key))
    else:
        gather(found, x, z, keyed(found, m, shape, key, arrays, found.shape(z)))


def scatter(found: Assignments, call: Operation) -> None:
    (x, *arrays), (z,), key = call.inputs, call.outputs, checked(call)
    m, shape = contiguous(found.shape(z)), found.shape(z)
    found.assign("convert", (found.number(0, z),), z)
    if is_basic(key):
        place(found, x, z, indexed(m, shape, key))
    else:
        add_at(found, x, z, keyed(found, m, shape, key, arrays, found.shape(x)))


def take_along_axis(found: Assignments, call: Operation) -> None:
    (x, indices), (z,) = call.inputs, call.outputs
    m, shape = found.place(x)[1], found.shape(x)
    gather(found, x, z, along(found, m, shape, call.metadata()["axis"], indices, found.shape(z)))


def scatter_along_axis(found: Assignments, call: Operation) -> None:
    (x, indices), (z,) = call.inputs, call.outputs
    m, shape = contiguous(found.shape(z)), found.shape(z)
    found.assign("convert", (found.number(0, z),), z)
    add_at(found, x, z, along(found, m, shape, call.metadata()["axis"], indices, found.shape(x)))


def within(found: Assignments, call: Operation) -> None:
    """x, if all its elements are indices of an axis of length `count`, or are equal to `ignore`.

    What counts from the end is out of range here: it becomes `count`.
    """
    (x,), (z,), meta = call.inputs, call.outputs, call.metadata()
    shape, count = found.shape(z), meta["count"]
    whole = converted(found, x, np.dtype(np.int64))
    negative = found.made("less", (whole, found.number(0, whole)), shape, bool)
    index = found.made("where", (negative, found.number(count, whole), whole), shape, np.int64)
    if meta["ignore"] is not None:
        ignored = found.made("equal", (whole, found.number(meta["ignore"], whole)), shape, bool)
        index = found.made("where", (ignored, found.number(0, whole), index), shape, np.int64)
    checked = found.new(shape, np.int64)
    picked = Picked(Map(0, (0,) * len(shape)), [Pick(found.access(index, shape), 1, count)])
    gather(found, found.counting((), Map(0, ())), checked, picked)
    if meta["ignore"] is not None:
        checked = found.made("where", (ignored, whole, checked), shape, np.int64)
    found.assign("convert", (checked,), z)


def checked(call: Operation) -> tuple:
    """The key of a call, if it has a form here."""
    key = call.metadata()["key"]
    if MASK in key or any(isinstance(part, bool) for part in key):
        raise UnsupportedError("indexing by a mask")
    return key


# --- places that depend on indices ----------------------------------------------------------------------


class Pick(NamedTuple):
    """An index array, over the space of the result, and the stride and length of the axis that it indexes."""

    access: Access
    stride: int
    size: int


class Picked(NamedTuple):
    """The elements of an array at index arrays: a map over the axes of the result, and the indices."""

    map: Map
    picks: list[Pick]


def keyed(found: Assignments, m: Map, shape: Shape, key: tuple, arrays: Sequence[int], result: Shape) -> Picked:
    """The elements x[key], where x has the map `m` and a `shape`, and x[key] has the shape `result`.

    The index arrays broadcast. Their axes come first in the result; if the arrays and the integers of the key
    are neighbours, their axes take the place of the axes that they index.
    """
    advanced = [i for i, part in enumerate(key) if is_advanced(part)]
    together = advanced[-1] - advanced[0] == len(advanced) - 1
    parts = expanded(key, len(shape))
    at = next(i for i, part in enumerate(parts) if is_advanced(part)) if together else 0

    sizes = iter(shape)
    axes = [(part, 1 if part is None else next(sizes)) for part in parts]
    view = indexed(m, shape, tuple(slice(None) if part == ARRAY else part for part in parts))
    strides: list[int] = []
    picked: list[tuple[int, int]] = []
    kept = (axis for axis in axes if not isinstance(axis[0], int))
    for (part, n), stride in zip(kept, view.strides, strict=True):
        if part == ARRAY:
            picked.append((stride, n))
        else:
            strides.append(stride)

    rank = max(len(found.shape(v)) for v in arrays)
    before, after = (0,) * at, (0,) * (len(result) - at - rank)
    picks = []
    for v, (stride, n) in zip(arrays, picked, strict=True):
        base, own = found.place(v)
        own = broadcast(own, found.shape(v), result[at : at + rank])
        own = Map(own.offset, (*before, *own.strides, *after))
        picks.append(Pick(Access(base, squeezed(own, result)), stride, n))
    return Picked(Map(view.offset, (*strides[:at], *(0,) * rank, *strides[at:])), picks)


def is_advanced(part) -> bool:
    return part == ARRAY or isinstance(part, int)


def along(found: Assignments, m: Map, shape: Shape, axis: int, indices: int, result: Shape) -> Picked:
    """The elements at `indices` along an axis of x, where x has the map `m` and a `shape`."""
    axis %= len(shape)
    others = tuple(1 if i == axis else n for i, n in enumerate(shape))
    pick = Pick(found.access(indices, result), m.strides[axis], shape[axis])
    return Picked(broadcast(m, others, result), [pick])


def gather(found: Assignments, x: int, z: int, picked: Picked) -> None:
    shape, (base, _) = found.shape(z), found.place(x)
    if base in found.numbers:  # it has no places, but an index that is out of range must be found
        raise UnsupportedError("indices of a number")
    of = Access(base, squeezed(picked.map, shape), numbered(picked.picks))
    found.add("convert", shape, (of, *(pick.access for pick in picked.picks)), found.access(z, shape))


def add_at(found: Assignments, x: int, z: int, picked: Picked) -> None:
    shape = found.shape(x)
    to = Access(z, squeezed(picked.map, shape), numbered(picked.picks))
    found.add("convert", shape, (found.access(x, shape), *(pick.access for pick in picked.picks)), to, "add")


def numbered(picks: Sequence[Pick]) -> tuple[Index, ...]:
    """The indices of an assignment that reads them after the argument of its op."""
    return tuple(Index(i, pick.stride, pick.size) for i, pick in enumerate(picks, 1))
