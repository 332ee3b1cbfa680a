"""Products of vectors, and of the vectors and matrices in arrays; those of matrices are in `linalg`.

Most are a matrix product of the arguments in another shape. Convolution and correlation are a pair of
primitives, for speed: each is linear in either argument, and its rules are the other one.
"""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.elementwise import multiply
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.matmul import matmul
from tinygrad_seq.ops.rearranging import flip, moveaxis
from tinygrad_seq.ops.shape import expand_dims, reshape, swapaxes, transpose


@numpy_function
def dot(x, y):
    """The sum of products over the last axis of `x` and the last but one of `y`, or the only one of a vector.

    For matrices and vectors that is `x @ y`, and if one of them is a number it is `x * y`.

    >>> import tinygrad_seq as ts
    >>> float(ts.dot(ts.tensor([1.0, 2.0]), ts.tensor([3.0, 4.0])))
    11.0
    """
    if np.ndim(y) > 2 and np.ndim(x):
        return inner(x, swapaxes(y, -1, -2))
    return matmul(x, y) if np.ndim(x) and np.ndim(y) else multiply(x, y)


@numpy_function
def inner(x, y):
    """The sum of products over the last axes of `x` and `y`; if one of them is a number, `x * y`.

    >>> import tinygrad_seq as ts
    >>> ts.inner(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), ts.tensor([1.0, 1.0])).numpy()
    array([3., 7.], dtype=float32)
    """
    if not np.ndim(x) or not np.ndim(y):
        return multiply(x, y)
    *rows, n = np.shape(y)
    if len(rows) == 0:
        return matmul(x, y)
    z = matmul(x, transpose(reshape(y, (math.prod(rows), n))))
    return z if len(rows) == 1 else reshape(z, (*np.shape(x)[:-1], *rows))


@numpy_function
def vdot(x, y):
    """The sum of products of all elements of `x` and `y`, which have equally many.

    >>> import tinygrad_seq as ts
    >>> float(ts.vdot(ts.tensor([[1.0, 2.0]]), ts.tensor([[3.0], [4.0]])))
    11.0
    """
    return matmul(reshape(x, -1), reshape(y, -1))


@numpy_function
def vecdot(x, y, *, axis: int = -1):
    """The sum of products of two stacks of vectors, along one axis; the other axes broadcast.

    >>> import tinygrad_seq as ts
    >>> ts.vecdot(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), ts.tensor([1.0, 1.0])).numpy()
    array([3., 7.], dtype=float32)
    """
    x, y = (vectors("vecdot", a, axis) for a in (x, y))
    if np.ndim(x) == np.ndim(y) == 1:
        return matmul(x, y)
    z = matmul(expand_dims(x, -2), expand_dims(y, -1))
    return reshape(z, np.shape(z)[:-2])


def vectors(name: str, x, axis: int = -1):
    """`x` with the given axis as its last; ValueError if it has none."""
    if np.ndim(x) == 0:
        raise ValueError(f"{name} expects vectors, got a number: write x * y")
    return x if axis == -1 else moveaxis(x, operator.index(axis), -1)


@numpy_function
def matvec(x, y):
    """The product of matrices and vectors, or of stacks of both: z_i = sum_j x_ij y_j.

    >>> import tinygrad_seq as ts
    >>> ts.matvec(ts.tensor([[1.0, 2.0], [3.0, 4.0]]), ts.tensor([1.0, 1.0])).numpy()
    array([3., 7.], dtype=float32)
    """
    if np.ndim(x) < 2:
        raise ValueError(f"matvec expects matrices first, got shape {np.shape(x)}")
    if np.ndim(vectors("matvec", y)) == 1:
        return matmul(x, y)
    z = matmul(x, expand_dims(y, -1))
    return reshape(z, z.shape[:-1])


@numpy_function
def vecmat(x, y):
    """The product of vectors and matrices, or of stacks of both: z_j = sum_i x_i y_ij.

    >>> import tinygrad_seq as ts
    >>> ts.vecmat(ts.tensor([1.0, 1.0]), ts.tensor([[1.0, 2.0], [3.0, 4.0]])).numpy()
    array([4., 6.], dtype=float32)
    """
    if np.ndim(y) < 2:
        raise ValueError(f"vecmat expects matrices second, got shape {np.shape(y)}")
    if np.ndim(vectors("vecmat", x)) == 1:
        return matmul(x, y)
    z = matmul(expand_dims(x, -2), y)
    *stack, _, m = z.shape
    return reshape(z, (*stack, m))


@numpy_function
def tensordot(x, y, axes=2):
    """The sum of products over the last `axes` axes of x and the first `axes` axes of y.

    `axes` may also be a pair of lists: the axes of x and those of y. ValueError for an axis that does not exist
    or is named twice, for lists of different lengths, and for axes of different lengths.

    >>> import tinygrad_seq as ts
    >>> float(ts.tensordot(ts.tensor([[1.0, 2.0]]), ts.tensor([[3.0, 4.0]]), axes=2))
    11.0
    """
    rank_x, rank_y = np.ndim(x), np.ndim(y)
    if not isinstance(axes, (tuple, list)) and np.ndim(axes) == 0:
        if not 0 <= axes <= min(rank_x, rank_y):
            raise ValueError(
                f"tensordot of arrays with {rank_x} and {rank_y} axes needs 0 <= axes <= "
                f"{min(rank_x, rank_y)}, got axes={axes}"
            )
        pairs = [(rank_x - axes + i, i) for i in range(axes)]
    else:
        a, b = axes
        pairs = list(zip(normalize_axis_tuple(a, rank_x), normalize_axis_tuple(b, rank_y), strict=True))
    shape_x, shape_y = np.shape(x), np.shape(y)
    if wrong := [(i, j) for i, j in pairs if shape_x[i] != shape_y[j]]:
        raise ValueError(
            f"tensordot of shapes {shape_x} and {shape_y}: paired axes must have one length, {wrong} differ"
        )
    rows = [i for i in range(rank_x) if i not in {i for i, _ in pairs}]
    columns = [j for j in range(rank_y) if j not in {j for _, j in pairs}]
    n, m = [shape_x[i] for i in rows], [shape_y[j] for j in columns]
    k = math.prod(shape_x[i] for i, _ in pairs)
    left = reshape(transpose(x, (*rows, *(i for i, _ in pairs))), (math.prod(n), k))
    right = reshape(transpose(y, (*(j for _, j in pairs), *columns)), (k, math.prod(m)))
    return reshape(matmul(left, right), (*n, *m))


@numpy_function
def kron(x, y):
    """The Kronecker product: `x` with each element replaced by its product with the whole `y`.

    >>> import tinygrad_seq as ts
    >>> ts.kron(ts.tensor([1, 10]), ts.tensor([1, 2])).numpy()
    array([ 1,  2, 10, 20])
    """
    if not np.ndim(x) or not np.ndim(y):
        return multiply(x, y)
    ndim = max(np.ndim(x), np.ndim(y))
    a, b = ((1,) * (ndim - np.ndim(z)) + np.shape(z) for z in (x, y))
    apart = reshape(x, tuple(size for n in a for size in (n, 1))) * reshape(
        y, tuple(size for n in b for size in (1, n))
    )
    return reshape(apart, tuple(n * m for n, m in zip(a, b, strict=True)))


@numpy_function
def cross(x, y, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None):
    """The cross product of vectors of 3 elements, along `axisa` of x, `axisb` of y and `axisc` of the result.

    `axis` stands for all three. ValueError for vectors of another length.

    >>> import tinygrad_seq as ts
    >>> ts.cross(ts.tensor([1, 0, 0]), ts.tensor([0, 1, 0])).numpy()
    array([0, 0, 1])
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = vectors("cross", x, axisa), vectors("cross", y, axisb)
    if (np.shape(x)[-1], np.shape(y)[-1]) != (3, 3):
        raise ValueError(
            f"cross expects vectors of 3 elements, got {np.shape(x)[-1]} and {np.shape(y)[-1]}; of 2 elements, "
            f"write x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0]"
        )
    (x1, x2), (y1, y2) = turned(x), turned(y)
    z = x1 * y2 - x2 * y1
    return z if axisc == -1 else moveaxis(z, -1, axisc)


def turned(x) -> tuple:
    """The elements 1, 2, 0 and the elements 2, 0, 1 of vectors of 3 elements."""
    twice = concatenate([x, x], -1)
    return getitem(twice, (..., slice(1, 4))), getitem(twice, (..., slice(2, 5)))


PAIR = [example("(A)", "(B)"), example("(5)", "(3)")]


@primitive(examples=PAIR)
def _convolve(x, y, /):
    """z_k = sum_i x_i y_{k - i}, for all k where a product exists"""
    return np.convolve(x, y)


@primitive(examples=[example("(5)", "(3)"), example("(A)", "(1)")])
def _correlate(x, y, /):
    """z_k = sum_i x_{k + i} y_i, for all k where every product exists; x is not shorter than y"""
    return np.correlate(x, y)


_convolve.vjp(lambda g, y: _correlate(g, y), lambda g, x: _correlate(g, x))
_convolve.bilinear()
_correlate.vjp(lambda g, y: _convolve(g, y), lambda g, x: _correlate(x, g))
_correlate.bilinear()


@numpy_function
def convolve(x, y, mode: str = "full"):
    """The convolution of two vectors: z_k = sum_i x_i y_{k - i}.

    mode  "full" for all k where a product exists, "same" for the middle of them, as many as the longer vector
          has elements, "valid" for all k where the shorter vector lies within the longer

    ValueError for another mode, for an empty vector, and for arrays that are not vectors.

    >>> import tinygrad_seq as ts
    >>> ts.convolve(ts.tensor([1.0, 2.0, 3.0]), ts.tensor([0.0, 1.0]), "same").numpy()
    array([0., 1., 2.], dtype=float32)
    """
    x, y = (vector("convolve", a) for a in (x, y))
    if len(x) < len(y):
        x, y = y, x
    if mode == "valid":
        return _correlate(x, flip(y))
    return middle(_convolve(x, y), len(x), mode)


@numpy_function
def correlate(x, y, mode: str = "valid"):
    """The correlation of two vectors: z_k = sum_i x_{k + i} y_i, for the k of a mode, as `convolve`.

    >>> import tinygrad_seq as ts
    >>> ts.correlate(ts.tensor([1.0, 2.0, 3.0]), ts.tensor([0.0, 1.0])).numpy()
    array([2., 3.], dtype=float32)
    """
    x, y = (vector("correlate", a) for a in (x, y))
    if len(x) < len(y):
        return flip(correlate(y, x, mode))
    if mode == "valid":
        return _correlate(x, y)
    return middle(_convolve(x, flip(y)), len(x), mode)


def vector(name: str, x):
    """`x` as a vector that has elements; ValueError if it is none."""
    x = x if hasattr(x, "ndim") else np.asarray(x)
    if x.ndim > 1 or x.size == 0:
        raise ValueError(f"{name} expects vectors with at least one element, got shape {x.shape}")
    return reshape(x, (1,)) if x.ndim == 0 else x


def middle(z, n: int, mode: str):
    """All of a full convolution, or the n elements in its middle. ValueError for a mode that is not known."""
    if mode not in ("full", "same"):
        raise ValueError(f'convolve and correlate have the modes "full", "same" and "valid", got {mode!r}')
    first = (len(z) - n) // 2
    return z if mode == "full" else getitem(z, (slice(first, first + n),))
