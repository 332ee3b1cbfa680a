"""Indices that a user gives: ids, labels, lengths. Out of range, they are an error, or the result is NaN.

What comes from the host, an array or a list, is checked there, and then goes to the device where it is
needed. An index tensor that lives on a device already is taken as it is: to look at it, the host would have
to wait for the device in every step, and the device itself wraps an index that is out of range, in silence.
So there what such an index finds becomes NaN, by an op of the graph, and with it the loss.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Indices = Tensor | np.ndarray | list


def indices(
    given: Indices, count: int, device: str, name: str, *, besides: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """`given` as a tensor of integers, and whether each lies within 0 ... count - 1: None, if that was checked.

    It is checked on the host, where `besides` is lawful as well; from there an array or a list goes to
    `device`. A tensor stays where it is. TypeError if they are no integers, IndexError for one out of range.
    """
    if not isinstance(given, Tensor):
        if backend.on_host(given):
            refuse_outside(host := integers(np.asarray(given), name), count, name, besides)
            return tensor(host, device=device), None
        given = tensor(given)
    integers(given, name)
    if given.device != "cpu":
        return given, logical_and(given >= 0, given < count)
    return WITHIN.function(given, count=count, name=name, besides=besides), None


def integers(x, name: str):
    """`x`, an array or a tensor of integers; else a TypeError."""
    if x.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {describe(x)}")
    return x


def refuse_outside(host: np.ndarray, count: int, name: str, besides: int | None) -> None:
    """IndexError for an index that lies outside of 0 ... count - 1 and is not `besides`."""
    host = host if besides is None else host[host != besides]
    if host.size and (host.min() < 0 or host.max() >= count):
        raise IndexError(
            f"{name} must lie within 0 ... {count - 1}; the smallest is {host.min()}, the largest {host.max()}"
        )


def found(x: Tensor, inside: Tensor | None) -> Tensor:
    """`x`, found by indices: NaN in its rows whose index is not `inside`, as far as nobody has checked it."""
    return x if inside is None or x.dtype.kind != "f" else rows(inside, x, math.nan)


def rows(inside: Tensor, x: Tensor, y: Tensor | float) -> Tensor:
    """x in the rows that are inside, y in the others."""
    return where(inside.reshape(inside.shape + (1,) * (x.ndim - inside.ndim)), x, y)


def _within(x, /, *, count, name, besides):
    """z = x, integers within 0 ... count - 1, or `besides`"""
    refuse_outside(x, count, name, besides)
    return x


WITHIN = Primitive(_within, "()->()")  # an op, so that in the step of a scan it looks at all time steps
