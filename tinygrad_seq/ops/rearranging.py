"""Rearranging: pad, roll, and compositions that reorder or repeat elements."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import getitem, take
from tinygrad_seq.ops.shape import broadcast_to, reshape, swapaxes, transpose

normalize = np.lib.array_utils.normalize_axis_tuple


@numpy_function
def moveaxis(x, source, destination):
    """`x` with the axes `source` moved to the positions `destination`: two ints, or two tuples of one length.

    >>> import tinygrad_seq as ts
    >>> ts.moveaxis(ts.tensor([[[1.0, 2.0, 3.0]]]), -1, 0).shape
    (3, 1, 1)
    """
    ndim = np.ndim(x)
    source, destination = normalize(source, ndim), normalize(destination, ndim)
    if len(source) != len(destination):
        raise ValueError(
            f"moveaxis needs as many destinations as sources, got source={source}, destination={destination}"
        )
    order = [axis for axis in range(ndim) if axis not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return transpose(x, tuple(order))


@numpy_function
def flip(x, axis=None):
    """`x` in reversed order along `axis`, an int or a tuple of ints; without an axis, along all axes.

    >>> import tinygrad_seq as ts
    >>> ts.flip(ts.tensor([1, 2, 3])).numpy()
    array([3, 2, 1])
    """
    ndim = np.ndim(x)
    axes = range(ndim) if axis is None else normalize(axis, ndim)
    return getitem(x, tuple(slice(None, None, -1) if a in axes else slice(None) for a in range(ndim)))


@numpy_function
def fliplr(x):
    """`x` with the elements along its second axis in reversed order.

    >>> import tinygrad_seq as ts
    >>> ts.fliplr(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([[2, 1],
           [4, 3]])
    """
    return flip(x, 1)


@numpy_function
def flipud(x):
    """`x` with the elements along its first axis in reversed order.

    >>> import tinygrad_seq as ts
    >>> ts.flipud(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([[3, 4],
           [1, 2]])
    """
    return flip(x, 0)


@numpy_function
def rot90(x, k: int = 1, axes=(0, 1)):
    """`x` turned `k` times by 90 degrees in the plane of two axes, from the first of them to the second.

    >>> import tinygrad_seq as ts
    >>> ts.rot90(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([[2, 4],
           [1, 3]])
    """
    first, second = normalize(tuple(axes), np.ndim(x))
    turns = operator.index(k) % 4
    if turns == 2:
        return flip(x, (first, second))
    if turns == 1:
        return swapaxes(flip(x, second), first, second)
    return flip(swapaxes(x, first, second), second) if turns else x


@numpy_function
def rollaxis(x, axis: int, start: int = 0):
    """`x` with `axis` moved to lie before the axis `start`.

    >>> import tinygrad_seq as ts
    >>> ts.rollaxis(ts.tensor([[[1.0, 2.0, 3.0]]]), 2).shape
    (3, 1, 1)
    """
    ndim, start = np.ndim(x), operator.index(start)
    axis = np.lib.array_utils.normalize_axis_index(axis, ndim)
    if not -ndim <= start <= ndim:
        raise np.exceptions.AxisError(f"rollaxis expects a start from {-ndim} to {ndim}, got {start}")
    start = start + ndim if start < 0 else start
    return moveaxis(x, axis, start - 1 if axis < start else start)


@primitive(
    examples=[
        example("(a,b)", shift=1, axis=0),
        example("(a,b)", shift=(2, -1), axis=(0, -1)),
        example("(a)", shift=-4, axis=0),
    ]
)
def _roll(x, /, shift, axis):
    """z_{i + shift} = x_i along an axis, modulo its length"""
    return np.roll(x, shift, axis)


_roll.linear(lambda g, shift, axis: np.roll(g, opposite(shift), axis))
_roll.rides(shift=lambda shift: shift, axis=lambda axis, s: from_end(axis, len(s[0])))


def opposite(shift):
    """The shift, or shifts, in the opposite direction."""
    return tuple(-n for n in shift) if isinstance(shift, tuple) else -shift


def from_end(axis, ndim: int):
    """An axis, or several, counted from the end."""
    return tuple(a % ndim - ndim for a in axis) if isinstance(axis, tuple) else axis % ndim - ndim


@numpy_function
def roll(x, shift, axis=None):
    """`x` with its elements moved by `shift` places along `axis`; those that pass the end come first.

    Without an axis, the flattened x is rolled; with two tuples, each axis has its own shift.

    >>> import tinygrad_seq as ts
    >>> ts.roll(ts.tensor([1, 2, 3]), 1).numpy()
    array([3, 1, 2])
    """
    if axis is None:
        return reshape(_roll(reshape(x, -1), shift, 0), np.shape(x))
    return _roll(x, shift, axis)


@primitive(
    examples=[
        example("(a,b)", widths=((1, 0), (0, 2)), values=((0.0, 1.0), (2.0, 3.0))),
        example("(a)", widths=((2, 1),), values=((-1.5, 0.5),)),
    ]
)
def _pad(x, /, widths, values):
    """z = x with margins: for every axis the `widths` (before, after) of its margins, and their `values`"""
    return np.pad(x, widths, constant_values=values)


def unpad(g, widths):
    """g without the margins."""
    return g[tuple(slice(before, size - after) for (before, after), size in zip(widths, g.shape, strict=True))]


_pad.vjp(lambda g, widths: unpad(g, widths))
_pad.jvp(lambda g, widths: np.pad(g, widths))
_pad.rides(widths=lambda widths: ((0, 0), *widths), values=lambda values: ((0, 0), *values))


@numpy_function
def pad(x, pad_width, mode: str = "constant", *, constant_values: ArrayLike = 0):
    """`x` with margins of a constant: `pad_width` elements before and after it along every axis.

    `pad_width` has NumPy's forms: n, (before, after), such a pair for every axis, or a dict {axis: n or pair}.
    `constant_values` has the same forms except the dict, and no derivative. ValueError for another mode.

    >>> import tinygrad_seq as ts
    >>> ts.pad(ts.tensor([1, 2]), (1, 2)).numpy()
    array([0, 1, 2, 0, 0])
    """
    if mode != "constant":
        raise ValueError(
            f'pad has only mode="constant", got {mode!r}; compose other modes from take or concatenate'
        )
    if getattr(constant_values, "requires_grad", False):
        raise TypeError("pad has no derivative for constant_values; concatenate x with margins of your own")
    ndim = np.ndim(x)
    if isinstance(pad_width, dict):
        given = {normalize(axis, ndim)[0]: width for axis, width in pad_width.items()}
        pad_width = [pairs(given.get(axis, 0), 1)[0] for axis in range(ndim)]
    return _pad(x, pairs(pad_width, ndim), pairs(constant_values, ndim))


def pairs(given: ArrayLike, ndim: int) -> tuple[tuple, ...]:
    """(before, after) for every axis, from any of NumPy's forms except the dict."""
    return tuple(map(tuple, np.broadcast_to(np.asarray(given), (ndim, 2)).tolist()))


@numpy_function
def repeat(x, repeats: int | Sequence[int] | np.ndarray, axis: int | None = None):
    """Every slice of `x` along `axis` repeated `repeats` times; a sequence has one count for each slice.

    Without an axis, the elements of the flattened x are repeated.

    >>> import tinygrad_seq as ts
    >>> ts.repeat(ts.tensor([1, 2]), [2, 1]).numpy()
    array([1, 1, 2])
    """
    if axis is None or not np.ndim(x):
        x, axis = reshape(x, -1), 0 if axis is None else axis
    (axis,) = normalize(axis, np.ndim(x))
    return take(x, np.repeat(np.arange(np.shape(x)[axis]), np.asarray(repeats)), axis)


@numpy_function
def tile(x, reps: int | Sequence[int]):
    """`x` repeated as a whole, `reps` times along every axis; missing axes of x or of `reps` come first.

    >>> import tinygrad_seq as ts
    >>> ts.tile(ts.tensor([1, 2]), (2, 2)).numpy()
    array([[1, 2, 1, 2],
           [1, 2, 1, 2]])
    """
    times: tuple = (reps,) if np.ndim(reps) == 0 else tuple(reps)  # type: ignore[arg-type]
    ndim = max(len(times), np.ndim(x))
    times = (1,) * (ndim - len(times)) + times
    shape = (1,) * (ndim - np.ndim(x)) + np.shape(x)
    pairs = tuple(n for pair in zip(times, shape, strict=True) for n in pair)
    apart = reshape(x, tuple(n for size in shape for n in (1, size)))
    return reshape(broadcast_to(apart, pairs), tuple(n * size for n, size in zip(times, shape, strict=True)))
