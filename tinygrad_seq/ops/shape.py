"""Shape ops: they move elements and do not change them, so each is linear, and its VJP moves them back."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example


@primitive(examples=[example("(a,B)", shape=-1), example("(2,6)", shape=(3, -1)), example("()", shape=(1, 1))])
def reshape(x, /, shape):
    """z = x in another shape, in C order; one size may be -1

    >>> ts.reshape(ts.tensor([[1, 2, 3], [4, 5, 6]]), (3, -1)).numpy()
    array([[1, 2],
           [3, 4],
           [5, 6]])
    """
    return np.reshape(x, shape)


reshape.linear(lambda g, s: np.reshape(g, s))
reshape.rides(shape=lambda shape, s, n: (n, *resolve(shape, math.prod(s[0]))))


def resolve(shape, size: int) -> tuple[int, ...]:
    """`shape` as a tuple without -1."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    known = math.prod(n for n in shape if n != -1)
    return tuple((size // known if known else 0) if n == -1 else n for n in shape)


@primitive(examples=[example("(a,b)"), example("(a,b,c)", axes=(1, -1, 0)), example("()")])
def transpose(x, /, axes=None):
    """z_{i_axes} = x_i: the axes in the order `axes`; without it, in reversed order

    >>> ts.transpose(ts.tensor([[1, 2, 3], [4, 5, 6]])).shape
    (3, 2)
    """
    return np.transpose(x, axes)


def order(axes, ndim: int) -> tuple[int, ...]:
    """`axes` as a tuple: reversed without it; an int is the order of a single axis."""
    if axes is None:
        return tuple(range(ndim))[::-1]
    return (axes,) if isinstance(axes, int) else tuple(axes)


def inverse(axes):
    """The permutation that undoes `axes`."""
    if axes is None or isinstance(axes, int):
        return axes
    return tuple(int(a) for a in np.argsort([a % len(axes) for a in axes]))


transpose.linear(lambda g, axes: np.transpose(g, inverse(axes)))
transpose.rides(axes=lambda axes, s: (0, *(a % len(s[0]) + 1 for a in order(axes, len(s[0])))))


@numpy_function
def swapaxes(x, axis1: int, axis2: int):
    """`x` with two of its axes exchanged.

    >>> import tinygrad_seq as ts
    >>> ts.swapaxes(ts.tensor([[1, 2, 3]]), 0, 1).shape
    (3, 1)
    """
    order = list(range(np.ndim(x)))
    axis1, axis2 = (np.lib.array_utils.normalize_axis_index(axis, len(order)) for axis in (axis1, axis2))
    order[axis1], order[axis2] = axis2, axis1
    return transpose(x, tuple(order))


@primitive(
    "()->()",
    examples=[example("(3)", shape=(2, 3)), example("(3,1)", shape=(2, 3, 4)), example("()", shape=(0, 2))],
)
def broadcast_to(x, /, shape):
    """z_{...i} = x_i: repeated along leading axes and along axes of length 1

    >>> ts.broadcast_to(ts.tensor([1, 2]), (2, 2)).numpy()
    array([[1, 2],
           [1, 2]])
    """
    if not backend.on_host(x) and np.min(shape, initial=0) < 0:  # CuPy would accept it
        raise ValueError(f"all elements of a shape must be 0 or more, got {shape}")
    return np.broadcast_to(x, shape)


broadcast_to.linear(lambda g: g)  # the engine sums over the axes that the signature allowed to broadcast
broadcast_to.rides(shape=lambda shape, n: (n, *(shape if isinstance(shape, tuple) else (shape,))))


@numpy_function
def expand_dims(x, axis):
    """`x` with new axes of length 1 at the positions `axis` of the result.

    >>> import tinygrad_seq as ts
    >>> ts.expand_dims(ts.tensor([1.0, 2.0]), (0, -1)).shape
    (1, 2, 1)
    """
    new = (axis,) if np.ndim(axis) == 0 else tuple(axis)
    new = np.lib.array_utils.normalize_axis_tuple(new, np.ndim(x) + len(new))
    sizes = iter(np.shape(x))
    return reshape(x, tuple(1 if i in new else next(sizes) for i in range(np.ndim(x) + len(new))))


@numpy_function
def squeeze(x, axis=None):
    """`x` without its axes of length 1, or only without those in `axis`; ValueError if one of those is longer.

    >>> import tinygrad_seq as ts
    >>> ts.squeeze(ts.tensor([[[1.0], [2.0]]]), axis=0).shape
    (2, 1)
    """
    shape = np.shape(x)
    if axis is None:
        return reshape(x, tuple(size for size in shape if size != 1))
    axes = np.lib.array_utils.normalize_axis_tuple(axis, len(shape))
    if any(shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze(axis={axis}) of shape {shape}: only axes of length 1 can be dropped")
    return reshape(x, tuple(size for a, size in enumerate(shape) if a not in axes))


@primitive(examples=[example("(a,b)", "(c,b)"), example("(a,b)", "(a,C)", "(a,d)", axis=-1), example("(a)")])
def _concatenate(*arrays, axis=0):
    """z = the arrays joined along an existing axis"""
    return np.concatenate(backend.together(arrays), axis)


def offsets(s, axis) -> tuple[int, ...]:
    """The index at which each array but the first begins."""
    return tuple(itertools.accumulate(shape[axis] for shape in s))[:-1]


_concatenate.linear()
_concatenate.joint_vjp(lambda g, s, axis: split(g, offsets(s, axis), axis))  # type: ignore[has-type]
_concatenate.rides(axis=lambda axis, s: axis % len(s[0]) - len(s[0]))


@numpy_function
def concatenate(arrays, axis: int | None = 0):
    """A sequence of arrays joined along an existing axis; with `axis=None` they are flattened first.

    >>> import tinygrad_seq as ts
    >>> ts.concatenate([ts.tensor([1, 2]), ts.tensor([3])]).numpy()
    array([1, 2, 3])
    """
    if axis is None:
        return _concatenate(*(reshape(array, -1) for array in arrays))
    return _concatenate(*arrays, axis=axis)


@primitive(examples=[example("(a,b)", "(a,b)"), example("()", "()"), example("(a,b)", "(a,b)", axis=-1)])
def _stack(*arrays, axis=0):
    """z = the arrays joined along a new axis"""
    return np.stack(backend.together(arrays), axis)


_stack.linear()
_stack.joint_vjp(lambda g, axis: unstack(g, axis))  # type: ignore[has-type]
_stack.rides(axis=lambda axis, s: axis % (len(s[0]) + 1) - (len(s[0]) + 1))


@numpy_function
def stack(arrays, axis: int = 0):
    """A sequence of arrays of one shape joined along a new axis; a Tensor counts as the sequence of its rows.

    >>> import tinygrad_seq as ts
    >>> ts.stack([ts.tensor([1, 2]), ts.tensor([3, 4])], axis=1).numpy()
    array([[1, 3],
           [2, 4]])
    """
    return _stack(*arrays, axis=axis)


@primitive(
    examples=[
        example("(4,b)", indices_or_sections=2),
        example("(a,5)", indices_or_sections=(1, 1, 4), axis=-1),
    ],
    many=True,
)
def split(x, /, indices_or_sections, axis=0):
    """z = the sections of x along an axis: a number of equal sections, or cut before each of the given indices

    >>> [part.shape for part in ts.split(ts.tensor([1, 2, 3, 4, 5]), [2, 3])]
    [(2,), (1,), (2,)]
    """
    x = backend.array(x)
    axis = np.lib.array_utils.normalize_axis_index(axis, x.ndim)
    size, ends = x.shape[axis], indices_or_sections
    if np.ndim(ends) == 0:
        if ends < 1 or size % ends:
            raise ValueError(f"split cannot cut an axis of length {size} into {ends} equal sections")
        ends = [i * (size // ends) for i in range(1, ends)]
    whole = (slice(None),) * axis  # not np.split, which takes four times as long
    parts = tuple([x[(*whole, slice(*bounds))] for bounds in itertools.pairwise([0, *ends, size])])
    if sum([part.shape[axis] for part in parts]) != size:
        raise ValueError(f"split needs ascending indices, got {indices_or_sections}: sections must not overlap")
    return parts


split.linear(lambda g, axis: concatenate(g, axis))
split.rides(
    indices_or_sections=lambda indices_or_sections: indices_or_sections,
    axis=lambda axis, s: axis % len(s[0]) - len(s[0]),
)


@primitive(examples=[example("(A,b)"), example("(a,B,c)", axis=-2), example("(A)")], many=True)
def unstack(x, /, axis=0):
    """z = the slices of x along an axis; one record on the tape, where indexing would leave one per slice

    >>> [row.numpy() for row in ts.unstack(ts.tensor([[1, 2], [3, 4]]))]
    [array([1, 2]), array([3, 4])]
    """
    x = backend.array(x)
    return tuple(np.moveaxis(x, np.lib.array_utils.normalize_axis_index(axis, x.ndim), 0))


unstack.linear(lambda g, axis: stack(g, axis))
unstack.rides(axis=lambda axis, s: axis % len(s[0]) - len(s[0]))
