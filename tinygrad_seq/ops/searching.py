"""Searching: the positions of elements that are not zero, of values in a sorted vector, and of unique values.

`nonzero`, `flatnonzero`, `argwhere` and `unique` have a shape that depends on values: they work outside of the
step of a scan, and in a step for a constant.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.mode import mode, refuse_in_a_step
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.comparison import not_equal
from tinygrad_seq.ops.indexing import data_of, take
from tinygrad_seq.ops.joining import stack
from tinygrad_seq.ops.rearranging import flip
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import along_axis, ravel


@primitive(examples=[example([[0.0, 2.0], [1.0, 0.0]]), example("(a)")], many=True)
def _nonzero(x, /):
    """z = the indices of the elements that are not zero, for each axis"""
    return np.nonzero(backend.array(x))


_nonzero.no_derivative()


def constant(x, what: str, instead: str = "where(mask, x, 0)"):
    """`x`; RuntimeError in the step of a scan if it differs from step to step."""
    if mode.trace is not None and mode.trace.varies(x):
        refuse_in_a_step(f"{what}, is not possible; use {instead}")
    return x


SHAPE = "{}, whose shape depends on values"


@numpy_function
def nonzero(x):
    """The indices of the elements that are not zero: a tuple with a vector for each axis.

    >>> import tinygrad_seq as ts
    >>> [i.numpy() for i in ts.nonzero(ts.tensor([[0, 5], [7, 0]]))]
    [array([0, 1]), array([1, 0])]
    """
    return _nonzero(constant(x, SHAPE.format("nonzero")))


@numpy_function
def flatnonzero(x):
    """The indices of the elements of the flattened `x` that are not zero.

    >>> import tinygrad_seq as ts
    >>> ts.flatnonzero(ts.tensor([[0, 5], [7, 0]])).numpy()
    array([1, 2])
    """
    return _nonzero(ravel(constant(x, SHAPE.format("flatnonzero"))))[0]


@numpy_function
def argwhere(x):
    """The indices of the elements that are not zero: a row for each of them.

    >>> import tinygrad_seq as ts
    >>> ts.argwhere(ts.tensor([[0, 5], [7, 0]])).numpy()
    array([[0, 1],
           [1, 0]])
    """
    if np.ndim(x) == 0:
        return argwhere(ravel(x))[:, :0]
    return stack(_nonzero(constant(x, SHAPE.format("argwhere"))), axis=1)


@numpy_function
def ix_(*vectors):
    """Indices, each along its own axis: z = x[ix_(i, j)] is z_ab = x_{i_a, j_b}. A mask stands for its indices.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor([[1, 2, 3], [4, 5, 6]])
    >>> x[ts.ix_([True, True], [2, 0])].numpy()
    array([[3, 1],
           [6, 4]])
    """
    vectors = tuple(x if hasattr(x, "dtype") else np.asarray(x, None if len(x) else np.intp) for x in vectors)
    if wrong := [x.shape for x in vectors if x.ndim != 1]:
        raise ValueError(f"ix_ expects vectors of indices, got shape {wrong[0]}")
    found = [flatnonzero(x) if x.dtype == bool else x for x in vectors]
    return tuple(along_axis(x, axis, len(found)) for axis, x in enumerate(found))


@numpy_function
def count_nonzero(x, axis=None, *, keepdims=False):
    """How many elements are not zero, over `axis`.

    >>> import tinygrad_seq as ts
    >>> ts.count_nonzero(ts.tensor([[0, 5], [7, 3]]), axis=1).numpy()
    array([1, 2])
    """
    return total(not_equal(x, 0), axis, keepdims=keepdims)


SORTED = np.array([-0.5, 0.25, 0.5, 2.0])


@primitive(examples=[example(SORTED, "(b,c)"), example(SORTED, "(b)", side="right")])
def _searchsorted(a, v, /, side="left"):
    """z = the index in the sorted vector a before which v keeps it sorted"""
    return np.searchsorted(a, v, side)


_searchsorted.no_derivative()
_searchsorted.rides(side=lambda side, stacked: NotImplemented if stacked[0] else side)


@numpy_function
def searchsorted(x, v, side: str = "left", sorter=None):
    """The indices in the sorted vector `x` before which the elements of `v` keep it sorted.

    side    of equal elements, "left" or "right"
    sorter  the indices that sort x, if it is not sorted

    >>> import tinygrad_seq as ts
    >>> ts.searchsorted([1.0, 2.0, 3.0], ts.tensor([0.5, 2.0])).numpy()
    array([0, 1])
    """
    if side not in ("left", "right"):
        raise ValueError(f'searchsorted has the sides "left" and "right", got {side!r}')
    if np.ndim(x) != 1:
        raise ValueError(f"searchsorted expects a sorted vector, got shape {np.shape(x)}")
    if sorter is not None and np.shape(sorter) != np.shape(x):
        raise ValueError(f"searchsorted expects a sorter of shape {np.shape(x)}, got {np.shape(sorter)}")
    return _searchsorted(x if sorter is None else take(x, sorter), v, side)


@numpy_function
def digitize(x, bins, right: bool = False):
    """The bin z of every element: bins_{z - 1} <= x < bins_z; with `right`, bins_{z - 1} < x <= bins_z.

    For decreasing edges, bins_{z - 1} > x >= bins_z and bins_{z - 1} >= x > bins_z. The edges are read: in the
    step of a scan they must be constants. ValueError for edges that do not increase or decrease.

    >>> import tinygrad_seq as ts
    >>> ts.digitize(ts.tensor([0.5, 1.0]), [0.0, 1.0, 2.0]).numpy()
    array([1, 2])
    """
    edges = backend.to_numpy(data_of(constant(bins, "digitize, which reads its edges", "searchsorted")))
    before, after, side = edges[:-1], edges[1:], "left" if right else "right"
    if np.all(before <= after):
        return searchsorted(bins, x, side)
    if not np.all(before >= after):
        raise ValueError("digitize expects edges that increase, or that decrease")
    return len(edges) - searchsorted(flip(bins), x, side)


@primitive(examples=[example([2.0, 1.0, 2.0], inverse=True), example([[1, 2], [1, 2]], axis=0)], many=True)
def _unique(x, /, inverse=False, counts=False, axis=None, equal_nan=True):
    """z = the index of the first of equal elements or slices; also which one equals each, and how many do"""
    return np.unique(x, True, inverse, counts, axis, equal_nan=equal_nan)[1:]


_unique.no_derivative()


@numpy_function
def unique(x, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True):
    """The unique elements of `x`, sorted; with an axis, its unique slices.

    return_index    also the index of the first element that is equal
    return_inverse  also for each element of x the index of its unique one
    return_counts   also how many are equal

    The gradient flows to the first of equal elements.

    >>> import tinygrad_seq as ts
    >>> ts.unique(ts.tensor([2.0, 1.0, 2.0])).numpy()
    array([1., 2.], dtype=float32)
    """
    first, *more = _unique(constant(x, SHAPE.format("unique")), return_inverse, return_counts, axis, equal_nan)
    values = take(x, first, axis)
    more = [first, *more] if return_index else more
    return (values, *more) if more else values
