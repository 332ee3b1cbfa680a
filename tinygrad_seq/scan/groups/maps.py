"""Affine maps: where the elements of a view lie in the memory of another value.

A value of shape (n_0, ..., n_k) that is a view of other memory has its element i_0 ... i_k at

    offset + strides_0 i_0 + ... + strides_k i_k        counted in elements

Splitting, transposing, slicing, broadcasting and most reshapes give such a map from another one, so a chain of
views is one map, and nothing is done for a view when the loop runs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

Shape = tuple[int, ...]


class Map(NamedTuple):
    """The place of element i: offset + sum_k strides_k i_k."""

    offset: int
    strides: tuple[int, ...]


def contiguous(shape: Shape) -> Map:
    """The map of an array in C order.

    >>> contiguous((2, 3, 4))
    Map(offset=0, strides=(12, 4, 1))
    """
    return Map(0, tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape))))


# --- views: the map of a view, from the map of its argument ---------------------------------------------


def sliced(m: Map, axis: int, start: int, step: int = 1) -> Map:
    """The map of x[start::step] along an axis; a later length is the business of the shape."""
    strides = list(m.strides)
    offset = m.offset + start * strides[axis]
    strides[axis] *= step
    return Map(offset, tuple(strides))


def dropped(m: Map, axis: int, i: int) -> Map:
    """The map of x[i] along an axis."""
    return Map(m.offset + i * m.strides[axis], (*m.strides[:axis], *m.strides[axis + 1 :]))


def transposed(m: Map, axes: Sequence[int]) -> Map:
    return Map(m.offset, tuple(m.strides[axis] for axis in axes))


def broadcast(m: Map, shape: Shape, to: Shape) -> Map:
    """The map of x repeated along new leading axes and along axes of length 1.

    >>> broadcast(contiguous((3, 1)), (3, 1), (2, 3, 4))
    Map(offset=0, strides=(0, 1, 0))
    """
    strides = (0,) * (len(to) - len(shape)) + m.strides
    shape = (1,) * (len(to) - len(shape)) + shape
    return Map(m.offset, tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True)))


def reshaped(m: Map, shape: Shape, to: Shape) -> Map | None:
    """The map of x in another shape, in C order; None if it is not affine.

    Both shapes are cut into the shortest runs of axes with equal numbers of elements. The axes of the old run
    must lie behind each other in memory, as if they were one axis.

    >>> reshaped(contiguous((4, 6)), (4, 6), (2, 2, 3, 2))
    Map(offset=0, strides=(12, 6, 2, 1))
    >>> reshaped(transposed(contiguous((4, 6)), (1, 0)), (6, 4), (24,)) is None
    True
    """
    if 0 in shape:  # it has no places
        return Map(m.offset, (0,) * len(to))
    old = [(n, s) for n, s in zip(shape, m.strides, strict=True) if n != 1]
    strides: list[int] = []
    rest = list(to)
    while rest:
        if rest[0] == 1:
            strides.append(0)
            rest.pop(0)
            continue
        run, new = [old.pop(0)], [rest.pop(0)]
        while (have := math.prod(n for n, _ in run)) != (want := math.prod(new)):
            if have < want:
                run.append(old.pop(0))
            else:
                new.append(rest.pop(0))
        if any(s != following[1] * following[0] for (_, s), following in itertools.pairwise(run)):
            return None
        strides += [run[-1][1] * s for s in contiguous(tuple(new)).strides]
    return Map(m.offset, tuple(strides))


def expanded(key: tuple, ndim: int) -> tuple:
    """The key with a part for each of `ndim` axes: with slices in the place of the Ellipsis, or at the end."""
    count = sum(part is not None and part is not Ellipsis for part in key)
    here = next((i for i, part in enumerate(key) if part is Ellipsis), len(key))
    return (*key[:here], *[slice(None)] * (ndim - count), *key[here + 1 :])


def indexed(m: Map, shape: Shape, key: tuple) -> Map:
    """The map of x[key], for a key of integers, slices, None and Ellipsis."""
    offset, strides, axis = m.offset, [], 0
    for part in expanded(key, len(shape)):
        if part is None:
            strides.append(0)
            continue
        n, stride = shape[axis], m.strides[axis]
        axis += 1
        if isinstance(part, slice):
            start, _, step = part.indices(n)
            offset += start * stride
            strides.append(step * stride)
        else:
            offset += (part % n) * stride
    return Map(offset, tuple(strides))


# --- spaces: the shapes that loops run over -------------------------------------------------------------


def space_of(shape: Shape) -> Shape:
    """The iteration space of a shape: its axes that are longer than 1."""
    return tuple(n for n in shape if n != 1)


def squeezed(m: Map, shape: Shape) -> Map:
    """The map over the space of a shape: without the axes of length 1."""
    return Map(m.offset, tuple(s for n, s in zip(shape, m.strides, strict=True) if n != 1))


def recovered(m: Map, space: Shape, shape: Shape) -> list[Map] | None:
    """For each axis of an array in C order the map of its index, from the map `m` of places in the array.

    None if the place does not tell the indices: if an index could pass the end of its axis.

    >>> recovered(Map(128, (512, 1)), (32, 128), (32, 512))
    [Map(offset=0, strides=(1, 0)), Map(offset=128, strides=(0, 1))]
    """
    offset, left, found = m.offset, list(m.strides), []
    for n, stride in zip(shape, contiguous(shape).strides, strict=True):
        if n == 1:
            found.append(Map(0, (0,) * len(space)))
            continue
        own = [s // stride if s >= stride else 0 for s in left]
        left = [s - c * stride for s, c in zip(left, own, strict=True)]
        start, offset = divmod(offset, stride)
        last = start + sum(c * (size - 1) for c, size in zip(own, space, strict=True))
        if start < 0 or last >= n or any(s < 0 for s in left):
            return None
        found.append(Map(start, tuple(own)))
    return found


def composed(m: Map, axes: Sequence[Map], ndim: int) -> Map:
    """The map of a value by way of the indices `axes` of the array that it is read into.

    `m` is over the axes of that array, `axes` has a map for each of them, over a space of `ndim` axes.
    """
    offset = m.offset + sum(s * axis.offset for s, axis in zip(m.strides, axes, strict=True))
    strides = [sum(s * axis.strides[k] for s, axis in zip(m.strides, axes, strict=True)) for k in range(ndim)]
    return Map(offset, tuple(strides))
