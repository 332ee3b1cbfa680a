"""Joining arrays and cutting them: elements are moved and not changed, so the VJP of a join is a cut.

Two pairs of primitives are adjoint to each other: concatenate and split, stack and unstack. The others are
compositions that bring their arguments to one number of axes, or work out where to cut.
"""

from __future__ import annotations

import itertools

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.shape import atleast_1d, atleast_2d, atleast_3d, reshape, transpose


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


# --- compositions -------------------------------------------------------------------------------------------


@numpy_function
def vstack(arrays):
    """A sequence of arrays joined along the first axis, where a vector counts as one row.

    >>> import tinygrad_seq as ts
    >>> ts.vstack([ts.tensor([1, 2]), ts.tensor([[3, 4], [5, 6]])]).numpy()
    array([[1, 2],
           [3, 4],
           [5, 6]])
    """
    return concatenate([atleast_2d(array) for array in arrays])


@numpy_function
def hstack(arrays):
    """A sequence of arrays joined along the second axis, or along the only one of vectors.

    >>> import tinygrad_seq as ts
    >>> ts.hstack([ts.tensor([[1], [2]]), ts.tensor([[3, 4], [5, 6]])]).numpy()
    array([[1, 3, 4],
           [2, 5, 6]])
    """
    parts = [atleast_1d(array) for array in arrays]
    return concatenate(parts, axis=0 if parts and np.ndim(parts[0]) == 1 else 1)


@numpy_function
def dstack(arrays):
    """A sequence of arrays joined along the third axis, which matrices and vectors get.

    >>> import tinygrad_seq as ts
    >>> ts.dstack([ts.tensor([1, 2]), ts.tensor([3, 4])]).numpy()
    array([[[1, 3],
            [2, 4]]])
    """
    return concatenate([atleast_3d(array) for array in arrays], axis=2)


@numpy_function
def column_stack(arrays):
    """A sequence of vectors, and of matrices, joined as the columns of a matrix.

    >>> import tinygrad_seq as ts
    >>> ts.column_stack([ts.tensor([1, 2]), ts.tensor([3, 4])]).numpy()
    array([[1, 3],
           [2, 4]])
    """
    return concatenate([a if np.ndim(a) > 1 else transpose(atleast_2d(a)) for a in arrays], axis=1)


@numpy_function
def append(x, values, axis: int | None = None):
    """`x` followed by `values` along `axis`; without an axis, the flattened x and the flattened values.

    >>> import tinygrad_seq as ts
    >>> ts.append(ts.tensor([1, 2]), [3, 4]).numpy()
    array([1, 2, 3, 4])
    """
    return concatenate([x, values], axis)


@numpy_function
def block(arrays):
    """The matrix of the blocks in nested lists: the innermost lists are joined along the last axis.

    ValueError for lists of different depths, and for an empty list; TypeError for a tuple.

    >>> import tinygrad_seq as ts
    >>> ts.block([[ts.tensor([[1, 2]]), 3], [4, 5, 6]]).numpy()
    array([[1, 2, 3],
           [4, 5, 6]])
    """
    nested = list(leaves(arrays, 0))
    depths = {depth for depth, _ in nested}
    if len(depths) > 1:
        raise ValueError(f"block expects its arrays at one depth of its lists, got depths {sorted(depths)}")
    (depth,) = depths
    ndim = max(depth, *(np.ndim(leaf) for _, leaf in nested))

    def joined(part, axis):
        if not isinstance(part, list):
            return reshape(part, (1,) * (ndim - np.ndim(part)) + np.shape(part))
        return concatenate([joined(inner, axis + 1) for inner in part], axis)

    return joined(arrays, -depth)


def leaves(part, depth: int):
    """The arrays in nested lists, each with its depth."""
    if isinstance(part, tuple):
        raise TypeError("block expects lists, which may contain lists, got a tuple")
    if not isinstance(part, list):
        yield depth, part
    elif not part:
        raise ValueError("block got an empty list")
    else:
        for inner in part:
            yield from leaves(inner, depth + 1)


@numpy_function
def array_split(x, indices_or_sections, axis=0):
    """The sections of `x` along an axis, as `split`; a number of sections need not divide the length.

    >>> import tinygrad_seq as ts
    >>> [part.shape for part in ts.array_split(ts.tensor([1, 2, 3, 4, 5]), 2)]
    [(3,), (2,)]
    """
    if np.ndim(indices_or_sections) == 0:
        n, size = int(indices_or_sections), np.shape(x)[axis]
        if n < 1:
            raise ValueError(f"array_split needs at least 1 section, got {n}")
        longer = size % n  # the first sections are longer by one
        indices_or_sections = [i * (size // n) + min(i, longer) for i in range(1, n)]
    return split(x, indices_or_sections, axis)


@numpy_function
def hsplit(x, indices_or_sections):
    """The sections of `x` along its second axis, or along the only one of a vector, as `split`.

    >>> import tinygrad_seq as ts
    >>> [part.shape for part in ts.hsplit(ts.tensor([[1, 2], [3, 4]]), 2)]
    [(2, 1), (2, 1)]
    """
    return split(with_axes(x, 1), indices_or_sections, 1 if np.ndim(x) > 1 else 0)


@numpy_function
def vsplit(x, indices_or_sections):
    """The sections of `x`, which has two axes or more, along the first, as `split`.

    >>> import tinygrad_seq as ts
    >>> [part.shape for part in ts.vsplit(ts.tensor([[1, 2], [3, 4]]), 2)]
    [(1, 2), (1, 2)]
    """
    return split(with_axes(x, 2), indices_or_sections, 0)


@numpy_function
def dsplit(x, indices_or_sections):
    """The sections of `x`, which has three axes or more, along the third, as `split`.

    >>> import tinygrad_seq as ts
    >>> [part.shape for part in ts.dsplit(ts.tensor([[[1, 2]]]), 2)]
    [(1, 1, 1), (1, 1, 1)]
    """
    return split(with_axes(x, 3), indices_or_sections, 2)


def with_axes(x, least: int):
    """`x`, or ValueError if it has fewer than `least` axes."""
    if np.ndim(x) < least:
        raise ValueError(f"expects an array with at least {least} axes, got shape {np.shape(x)}")
    return x
