"""Indices from the user: ids, labels, lengths. An index out of range is an error, or gives NaN on a GPU.

An array or a list is checked on the host and then copied to the device. An index tensor that is already on a
GPU is not checked: the host would have to wait for the GPU in every step. Indexing on a GPU silently wraps an
index that is out of range, so an op of the graph sets the rows that such an index selects to NaN; the loss is
then NaN.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar, cast

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.cumulative import cumsum
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Array = TypeVar("Array", bound=Tensor | np.ndarray)
Indices = Tensor | np.ndarray | list[Any]  # of integers, nested to any depth


def indices(
    given: Indices, count: int, device: str, name: str, *, ignore: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """`given` as a tensor of integers, and a mask: which of them lie within 0 ... count - 1.

    The mask is None if `given` was on the host and has been checked; the check also accepts the value `ignore`.
    An array or a list is copied to `device`, a tensor stays on its device. Raises TypeError if `given` is not
    of integers, and IndexError if the check fails.
    """
    if not isinstance(given, Tensor):
        if backend.on_host(given):
            refuse_outside(host := integers(np.asarray(given), name), count, name, ignore)
            return tensor(host, device=device), None
        given = tensor(given)
    given = integers(given, name)
    if given.device != "cpu":
        return given, logical_and(given >= 0, given < count)
    return WITHIN.function(given, count=count, name=name, ignore=ignore), None


def integers(x: Array, name: str) -> Array:
    """`x`, an array or a tensor; TypeError unless it is of integers, or empty: [] is an array of floats."""
    if not x.size:
        return cast(Array, x.astype(np.int64))
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {describe(x)}")
    return x


def refuse_outside(host: np.ndarray, count: int, name: str, ignore: int | None) -> None:
    """Raise IndexError if an index is outside 0 ... count - 1 and is not `ignore`."""
    host = host if ignore is None else host[host != ignore]
    if host.size and (host.min() < 0 or host.max() >= count):
        raise IndexError(
            f"{name} must lie within 0 ... {count - 1}; the smallest is {host.min()}, the largest {host.max()}"
        )


def found(x: Tensor, inside: Tensor | None) -> Tensor:
    """`x`, selected by indices, with NaN in the rows that are not `inside`; `x` itself if `inside` is None."""
    return x if inside is None or x.dtype.kind != "f" else rows(inside, x, math.nan)


def rows(inside: Tensor, x: Tensor, y: Tensor | float) -> Tensor:
    """x in the rows where `inside` is True, y in the others."""
    return where(inside.reshape(inside.shape + (1,) * (x.ndim - inside.ndim)), x, y)


def _within(x: np.ndarray, /, *, count: int, name: str, ignore: int | None) -> np.ndarray:
    """z = x, integers within 0 ... count - 1, or equal to `ignore`"""
    refuse_outside(x, count, name, ignore)
    return x


WITHIN = Primitive(_within, "()->()")  # an op, so that inside a scan it checks every time step
WITHIN.no_derivative()


def counted(size: int, like: Tensor) -> Tensor:
    """0 ... size - 1, computed on the device of `like`, so that nothing is uploaded."""
    return cumsum(astype(ones_like(like, shape=(size,)), np.int64), axis=0) - 1
