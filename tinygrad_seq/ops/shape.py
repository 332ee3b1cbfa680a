"""Shape ops: they move elements and do not change them, so each is linear, and its VJP moves them back."""

from __future__ import annotations

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
def broadcast_arrays(*arrays):
    """The arrays, each repeated to the shape to which all of them broadcast.

    >>> import tinygrad_seq as ts
    >>> [x.shape for x in ts.broadcast_arrays(ts.tensor([1, 2]), [[3], [4]])]
    [(2, 2), (2, 2)]
    """
    shape = np.broadcast_shapes(*map(np.shape, arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


@numpy_function
def meshgrid(*arrays, copy: bool = True, sparse: bool = False, indexing: str = "xy"):
    """The coordinates of the points of a grid, from vectors of the coordinates along its axes.

    copy      has no effect: results are values
    sparse    whether the grids have length 1 along the axes where they do not change
    indexing  "xy": the first vector runs along the second axis; "ij": along the first

    >>> import tinygrad_seq as ts
    >>> x, y = ts.meshgrid(ts.tensor([1, 2, 3]), ts.tensor([4, 5]))
    >>> x.numpy()
    array([[1, 2, 3],
           [1, 2, 3]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f'meshgrid has the indexing "xy" and "ij", got {indexing!r}')
    n = len(arrays)
    axes = (1, 0, *range(2, n)) if indexing == "xy" and n > 1 else range(n)
    grids = tuple(along_axis(x, axis, n) for x, axis in zip(arrays, axes, strict=True))
    return grids if sparse else broadcast_arrays(*grids)


def along_axis(x, axis: int, ndim: int):
    """The elements of `x` along one of `ndim` axes."""
    return reshape(x, [-1 if i == axis else 1 for i in range(ndim)])


@numpy_function
def matrix_transpose(x):
    """Every matrix of `x` transposed: the last two axes exchanged. ValueError for fewer than two axes.

    >>> import tinygrad_seq as ts
    >>> ts.matrix_transpose(ts.tensor([[[1.0, 2.0]]])).shape
    (1, 2, 1)
    """
    return swapaxes(x, -1, -2)


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


@numpy_function
def ravel(x, order: str = "C"):
    """`x` flattened: in C order, or for `order="F"` with the first index changing fastest.

    ValueError for NumPy's other orders, which depend on the layout in memory.

    >>> import tinygrad_seq as ts
    >>> ts.ravel(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([1, 2, 3, 4])
    """
    if order not in ("C", "F"):
        raise ValueError(f'ravel accepts order="C" and order="F", got {order!r}')
    return reshape(x if order == "C" else transpose(x), -1)


@numpy_function
def atleast_1d(*arrays):
    """The array with at least one axis: a number becomes a vector of length 1. Of several arrays, a tuple.

    >>> import tinygrad_seq as ts
    >>> ts.atleast_1d(ts.tensor(1.0)).shape
    (1,)
    """
    return each(lambda x: reshape(x, (1,)) if np.ndim(x) == 0 else x, arrays)


@numpy_function
def atleast_2d(*arrays):
    """The array with at least two axes: a vector becomes a row. Of several arrays, a tuple.

    >>> import tinygrad_seq as ts
    >>> ts.atleast_2d(ts.tensor([1.0, 2.0])).shape
    (1, 2)
    """
    return each(lambda x: x if np.ndim(x) > 1 else reshape(x, (1, np.size(x))), arrays)


@numpy_function
def atleast_3d(*arrays):
    """The array with at least three axes: (m, n) becomes (m, n, 1), and (n,) becomes (1, n, 1).

    >>> import tinygrad_seq as ts
    >>> ts.atleast_3d(ts.tensor([1.0, 2.0])).shape
    (1, 2, 1)
    """
    forms = {0: lambda s: (1, 1, 1), 1: lambda s: (1, *s, 1), 2: lambda s: (*s, 1)}
    return each(lambda x: reshape(x, forms[np.ndim(x)](np.shape(x))) if np.ndim(x) < 3 else x, arrays)


def each(change, arrays):
    """`change` of every array: of one the result, of several a tuple."""
    changed = tuple(change(x if hasattr(x, "ndim") else np.asarray(x)) for x in arrays)
    return changed[0] if len(changed) == 1 else changed
