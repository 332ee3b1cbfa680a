"""Matrices: products, triangles, linear systems, the Cholesky factor, and norms.

>>> import tinygrad_seq as ts
>>> ts.linalg.norm(ts.tensor([3.0, 4.0]))
tensor(5., float32, cpu)
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.precision import rounded_once, total
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.rules import push, read
from tinygrad_seq.engine.signature import example
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.ops import elementwise, reduction
from tinygrad_seq.ops.reduction import EXAMPLES, axes_from_end, axes_of, kept
from tinygrad_seq.ops.shape import reshape

normalize_axis_tuple = np.lib.array_utils.normalize_axis_tuple


@primitive("(n,k),(k,m)->(n,m)")
def _matmul(x, y, /):
    """z = x y, for matrices or stacks of matrices"""
    return np.matmul(x, y)


_matmul.vjp(lambda g, y: g @ y.mT, lambda g, x: x.mT @ g)
_matmul.bilinear()


@numpy_function
def matmul(x, y):
    """The product of matrices, stacks of matrices, or vectors, as NumPy's `@`.

    >>> import tinygrad_seq as ts
    >>> (ts.tensor([[1.0, 2.0], [3.0, 4.0]]) @ ts.tensor([1.0, 1.0])).numpy()
    array([3., 7.], dtype=float32)
    """
    rank_x, rank_y = (a.ndim if hasattr(a, "ndim") else np.ndim(a) for a in (x, y))
    if rank_x == rank_y == 2:
        return _matmul(x, y)
    if 1 in (rank_x, rank_y) and rank_x and rank_y:  # a vector counts as one row (x) or one column (y)
        z = matmul(reshape(x, (1, -1)) if rank_x == 1 else x, reshape(y, (-1, 1)) if rank_y == 1 else y)
        *stack, n, m = np.shape(z)
        return reshape(z, (*stack, *([n] if rank_x > 1 else []), *([m] if rank_y > 1 else [])))
    if rank_x > 2 and rank_y == 2:  # one large product is faster than a stack of small ones
        *rows, k = np.shape(x)
        return reshape(_matmul(reshape(x, (math.prod(rows), k)), y), (*rows, np.shape(y)[1]))
    return _matmul(x, y)


def summed_products(x, y):
    """sum_t x_t y_t for stacks of matrices, or of stacks: one product, [x_1 x_2 ...] [y_1; y_2; ...]"""
    left, right = np.moveaxis(x, 0, -2), np.moveaxis(y, 0, -3)
    tk = x.shape[0] * x.shape[-1]
    return np.matmul(left.reshape(*left.shape[:-2], tk), right.reshape(*right.shape[:-3], tk, y.shape[-1]))


_matmul.at_once(stacking=matmul, summing=summed_products)


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def tril(x, /, k=0):
    """z = x on and below the k-th diagonal of every matrix (..., n, m), else 0

    >>> ts.tril(ts.tensor([[1, 2], [3, 4]])).numpy()
    array([[1, 0],
           [3, 4]])
    """
    return np.tril(matrices(x), k)


def matrices(x):
    """`x`, or ValueError if it has fewer than two axes; NumPy would repeat a vector as the rows of a matrix."""
    if np.ndim(x) < 2:
        raise ValueError(f"expects matrices (..., n, m), got an array of shape {np.shape(x)}")
    return x


tril.linear(lambda g, k: np.tril(g, k))
tril.rides(k=lambda k: k)


@primitive(examples=[example("(a,b)"), example("(a,b,c)", k=-1), example("(a,b)", k=1)])
def triu(x, /, k=0):
    """z = x on and above the k-th diagonal of every matrix (..., n, m), else 0

    >>> ts.triu(ts.tensor([[1, 2], [3, 4]]), k=1).numpy()
    array([[0, 2],
           [0, 0]])
    """
    return np.triu(matrices(x), k)


triu.linear(lambda g, k: np.triu(g, k))
triu.rides(k=lambda k: k)


def dominant(x):
    """x + 8 I, which is invertible for the values that the laws draw."""
    return x + 8 * np.eye(x.shape[-1])


@primitive("(n,n),(n,m)->(n,m)", domain={"a": dominant})
def _solve(a, b, /):
    """z = a^-1 b"""
    return backend.solve(a, b)


_solve.vjp(lambda g, a, z: _solve(a.mT, np.negative(g)) @ z.mT, lambda g, a: _solve(a.mT, g))
_solve.jvp(lambda g, a, z: _solve(a, np.negative(g @ z)), lambda g, a: _solve(a, g))


@numpy_function(module="linalg")
def solve(a, b):
    """The solution x of a x = b, for invertible a (..., n, n) and b, a vector (n,) or matrices (..., n, m).

    NumPy's LinAlgError for a singular matrix.

    >>> import tinygrad_seq as ts
    >>> ts.solve(ts.tensor([[2.0, 0.0], [0.0, 4.0]]), ts.tensor([2.0, 2.0])).numpy()
    array([1. , 0.5], dtype=float32)
    """
    if np.ndim(b) == 1:
        z = _solve(a, reshape(b, (-1, 1)))
        return reshape(z, np.shape(z)[:-1])
    return _solve(a, b)


def positive_definite(x):
    """x x' + I, which has a Cholesky factor."""
    return x @ x.mT + np.eye(x.shape[-1])


@primitive("(n,n)->(n,n)", domain={"a": positive_definite}, module="linalg")
def cholesky(a, /):
    """z = the lower triangular L with L L' = a, for a symmetric positive definite a (..., n, n)

    As in NumPy, only the lower triangle of a is read, so the gradient is zero above the diagonal.

    >>> ts.cholesky(ts.tensor([[4.0, 2.0], [2.0, 5.0]])).numpy()
    array([[2., 0.],
           [1., 2.]], dtype=float32)
    """
    return backend.cholesky(a)


def half(x):
    """The lower triangle of x with half its diagonal: dL = L half(L^-1 da L'^-1) (Murray 2016)."""
    return 0.5 * (np.tril(x) + np.tril(x, -1))


def between(left, x):
    """left^-1 x left'^-1"""
    return _solve(left, _solve(left, x).mT).mT


def cholesky_vjp(g, z):
    s = between(z.mT, half(z.mT @ np.tril(g)))
    s = 0.5 * (s + s.mT)
    return np.tril(s) + np.tril(s, -1)  # an element of the lower triangle stands for its mirror image, too


cholesky.vjp(cholesky_vjp)
cholesky.jvp(lambda g, z: z @ half(between(z, np.tril(g) + np.tril(g, -1).mT)))


@primitive(examples=EXAMPLES)
@rounded_once
def _norm(x, /, axis=None, *, keepdims=False):
    """z = sqrt(sum_i x_i^2), without overflow or underflow of the squares; dz/dx = 0 at the zero vector"""
    with np.errstate(over="ignore"):
        z = np.sqrt(total(np.square(x), axis, keepdims))
    if not np.size(x) or (backend.on_host(z) and LEAST[z.dtype.char] < z.min() <= z.max() < math.inf):
        return z
    top = np.max(np.abs(x), axis=axis, keepdims=True)
    top = np.where(np.logical_and(top > 0, top < np.inf), top, 1)
    return np.reshape(top, np.shape(z)) * np.sqrt(total(np.square(x / top), axis, keepdims))


# the least norm whose squares are not rounded to subnormal numbers
LEAST = {dtype: 1e3 * math.sqrt(np.finfo(dtype).tiny) for dtype in "fd"}


def quotient(g, z):
    """g / z, and 0 where z = 0."""
    return np.where(z == 0, 0, g / np.where(z == 0, 1, z))


def limit(g, z):
    """g / z; where z = 0, the slope dg/dz, the limit of g / z if g vanishes together with z.

    A loss that is smooth at the zero vector is a function f of z^2: then g = 2 z f'(z^2), and its gradient is
    x g/z. At x = 0 that is 0 for any finite g/z, but the second derivative is g/z itself. The numbers g = 0 and
    z = 0 do not determine it. The tape of g does: a tangent of 1 is pushed from z to g, if g is recorded.
    """
    if getattr(g, "line", None) is None or not may_vanish(z):
        return quotient(g, z)
    made = z.line[0]
    if made.op is elementwise._astype.primitive:  # of a float16 norm, the rules read its value as float32
        made = made.inputs[0][0]
    slopes = {made: [np.ones_like(z)]}
    for record in tape([g.line]):
        if record.op is made.op and (record.inputs, record.meta) == (made.inputs, made.meta):
            slopes[record] = slopes[made]  # the same norm, computed a second time
            continue
        along = [slopes[line[0]][line[1]] if line and line[0] in slopes else None for line in record.inputs]
        if any(slope is not None for slope in along):
            slopes[record] = push(record, along, read(record, as_tensors=True))
    record, i = g.line
    return np.where(z == 0, slopes[record][i], quotient(g, z)) if record in slopes else quotient(g, z)


def may_vanish(z) -> bool:
    """Whether z has a 0, if second derivatives are needed.

    True where the values are not looked at: in the step of a scan (unless it is derived to first order only),
    and on a device, where the host would have to wait for them.
    """
    if mode.trace is not None:
        return not mode.trace.first_order
    return not backend.on_host(z._array) or bool(np.any(z._array == 0))


_norm.vjp(lambda g, x, z, s, axis: elementwise.safe_product(np.reshape(limit(g, z), kept(s, axis)), x))
_norm.jvp(lambda g, x, z, axis, keepdims: quotient(total(x * g, axis, keepdims), z))
_norm.rides(axis=axes_from_end)


@numpy_function(module="linalg")
def norm(x, ord: float | str | None = None, axis=None, *, keepdims: bool = False):
    """The norm of `x`.

    axis  None for all axes; an int for vectors along that axis; a pair for matrices in those axes
    ord   None for sqrt(sum x^2); for vectors also 2 (the same), 1 for sum |x|, inf for max |x| and -inf for
          min |x|; for matrices also "fro" (the same as None)

    At the zero vector the derivative of sqrt(sum x^2) is taken to be 0. Its square, and any other function of
    it that is smooth there, has the right derivatives to second order. ValueError for any other norm.

    >>> import tinygrad_seq as ts
    >>> float(ts.norm(ts.tensor([3.0, 4.0])))
    5.0
    """
    ndim = np.ndim(x)
    axes = axes_of(None, ndim) if axis is None else normalize_axis_tuple(axis, ndim)
    known = (
        (None, 2, 1, math.inf, -math.inf) if len(axes) == 1 else (None, "fro") if len(axes) == 2 else (None,)
    )
    if ord not in known or (axis is not None and len(axes) > 2):
        raise ValueError(
            f"norm accepts ord=None; for vectors (axis is an int) also 2, 1, inf and -inf; for matrices (axis "
            f'is a pair) also "fro"; got ord={ord!r}, axis={axis!r} for an array with {ndim} axes'
        )
    if np.result_type(x).kind != "f":
        x = (x if hasattr(x, "astype") else np.asarray(x)).astype(np.float64)
    if ord in (None, 2, "fro"):
        return _norm(x, axes, keepdims=keepdims)
    reduce = reduction.sum if ord == 1 else reduction.max if ord == math.inf else reduction.min
    return reduce(elementwise.abs(x), axes, keepdims=keepdims)
