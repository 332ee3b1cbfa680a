"""In which precision sums accumulate: decided here, for sums, means, variances, norms, softmax and derivatives.

    float16   is computed in float32, and the result of an op, a layer or a loss is rounded once, at its end
    float32   is added in blocks along a long axis, so that the error does not grow with the length; on a device
              it is added in float64

A sum of float16 numbers that are added one by one stops growing at 2,048 ones and overflows at 65,504; a count
above that is not a float16 at all. 1e6 float32 numbers added one by one are 1 % off. NumPy adds pairwise, but
only along the axis that is contiguous in memory. Matrix products of float16 accumulate in float32 already.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from tinygrad_seq.engine import backend

P = ParamSpec("P")
R = TypeVar("R")

HALF, SINGLE, DOUBLE = (np.dtype(name) for name in ("float16", "float32", "float64"))
BLOCK = 128  # elements that are added one after another; the sums of blocks are added next


def accumulating(dtype: np.dtype) -> np.dtype:
    """The dtype in which sums of a dtype accumulate."""
    return SINGLE if dtype == HALF else dtype


def wide(x: Any) -> Any:
    """`x`, an array or a Tensor, in the precision in which its sums accumulate; anything else as it is.

    >>> wide(np.float16([1.5])).dtype
    dtype('float32')
    """
    if isinstance(x, tuple):
        return tuple(map(wide, x))
    return x.astype(SINGLE) if getattr(x, "dtype", DOUBLE) == HALF else x


def rounded(z: Any, *given: Any) -> Any:
    """`z`, computed from `wide` arrays, rounded to float16 if that is the dtype of an operation on `given`."""
    halves = z.dtype == SINGLE and np.result_type(*(x.dtype for x in given)) == HALF
    return z.astype(HALF) if halves else z


def rounded_once(f: Callable[P, R]) -> Callable[P, R]:
    """Decorator: `f` computes float16 arguments in float32, and its result is rounded once, at the end.

    >>> rounded_once(lambda x: np.sqrt(np.sum(np.square(x))))(np.float16([300.0, 400.0]))
    np.float16(500.0)
    """

    @wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given: tuple[Any, ...] = (*args, *kwargs.values())
        for x in given:
            if getattr(x, "dtype", DOUBLE) == HALF:
                z = f(*map(wide, args), **{name: wide(x) for name, x in kwargs.items()})
                arrays = (x for x in given if hasattr(x, "dtype"))
                return cast(
                    R, rounded(z, *(x for x in arrays if x.ndim or x.dtype.kind not in "iu"))
                )  # an axis
        return f(*args, **kwargs)

    return call


def real(x: Any) -> Any:
    """`x` as floats: integers and booleans become float64, before their difference can wrap around."""
    x = backend.array(x)
    return x if x.dtype.kind == "f" else x.astype(DOUBLE)


def total(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """sum(x) over `axis`, for an array or a Tensor.

    >>> total(np.ones((3000, 2), np.float16), axis=0).tolist()
    [3000.0, 3000.0]
    """
    if not isinstance(x, np.ndarray):
        if backend.is_array(x) and x.dtype == SINGLE and x.size > BLOCK:  # on a device: as fast, in one kernel
            return np.sum(x, axis=axis, dtype=DOUBLE, keepdims=keepdims).astype(SINGLE)
        return np.sum(x, axis=axis, keepdims=keepdims)  # CuPy accumulates float16 in float32
    if x.dtype == HALF:
        return total(x.astype(SINGLE), axis, keepdims).astype(HALF)
    if x.ndim > 1 and x.size > BLOCK and x.dtype.kind == "f":
        axis = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        strides = [abs(step) if step else x.nbytes for step in x.strides]
        nearest = strides.index(min(strides))  # the axis along which NumPy adds pairwise
        for a in axis:
            if -x.ndim <= a < x.ndim and x.shape[a] > BLOCK and a % x.ndim != nearest:
                x = in_blocks(x, a % x.ndim)
    return x.sum(axis=axis, keepdims=keepdims)


def running_total(x: Any, axis: int) -> Any:
    """cumsum(x) along an axis: as no blocks are added here, float16 and float32 accumulate in float64.

    >>> float(running_total(np.full(3000, 1, np.float16), 0)[-1])
    3000.0
    """
    dtype = getattr(x, "dtype", DOUBLE)
    return np.cumsum(x, axis, DOUBLE).astype(dtype) if dtype in (HALF, SINGLE) else np.cumsum(x, axis)


def in_blocks(x: np.ndarray, axis: int) -> np.ndarray:
    """`x` with the sums of blocks along an axis in the place of its elements, at most BLOCK of them."""
    while (n := x.shape[axis]) > BLOCK:
        before, after = (slice(None),) * axis, x.shape[axis + 1 :]
        whole = n - n % BLOCK
        blocks = x[(*before, slice(whole))].reshape((*x.shape[:axis], -1, BLOCK, *after))
        sums = np.add.reduce(blocks, axis + 1)
        if n > whole:
            rest = np.add.reduce(x[(*before, slice(whole, n))], axis, keepdims=True)
            sums = np.concatenate([sums, rest], axis)
        x = sums
    return x
