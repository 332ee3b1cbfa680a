"""Clipping: bounds for a gradient that has exploded, set between `backward()` and `step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.tensor.tensor import Tensor


def clip_grad_norm_(
    parameters: Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = True
) -> float | Tensor:
    """Clip the gradient g of all parameters together by its Euclidean norm, in place; returns the norm.

        g <- g                  if |g| <= v
        g <- v g / |g|          else,           v = max_norm

    (Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks.) The norm is
    that before clipping, accumulated in float64, so that no float32 gradient is too large for it.
    Parameters without a gradient count for nothing.

    A norm that is infinite or NaN has no direction to keep: it is a FloatingPointError; or, without
    `error_if_nonfinite`, all gradients are dropped, so that an optimizer's next step changes nothing.
    ValueError for a max_norm that is not positive, and for gradients that live on different devices.

    On a device nothing is read back: the norm is a 0-d tensor there, and where it is infinite or NaN all
    gradients become NaN, in the place of an error. To drop them instead, the norm has to be read.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([3.0, 4.0], requires_grad=True)
    >>> p.grad = ts.tensor([3.0, 4.0])
    >>> optim.clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad.numpy()
    array([0.6, 0.8], dtype=float32)
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be positive, not {max_norm}")
    unique = {id(p): p for p in parameters}.values()
    gradients = [g for p in unique if (g := p.grad) is not None]
    devices = {g.device for g in gradients}
    if len(devices) > 1:
        raise ValueError(f"gradients on {' and '.join(sorted(devices))} have no norm in common")
    norm = np.sqrt(sum((np.sum(np.square(g._data, dtype=np.float64)) for g in gradients), np.float64(0)))
    if error_if_nonfinite and backend.device_of(norm) != "cpu":
        scale(gradients, np.where(np.isfinite(norm), np.minimum(max_norm / norm, 1), np.nan))
        return Tensor(norm)
    norm = float(norm)
    if not math.isfinite(norm):
        if error_if_nonfinite:
            raise FloatingPointError(f"the norm of the gradient is {norm}")
        for p in unique:
            p.zero_grad()
    elif norm > max_norm:
        scale(gradients, np.float64(max_norm / norm))
    return norm


def scale(gradients: list[Tensor], factor: np.ndarray | np.float64) -> None:
    """Multiply the gradients, in place."""
    for g in gradients:
        array = g.mutable()  # a float64 is not weak: the product is taken in it, then rounded once
        np.multiply(array, factor, out=array, casting="same_kind")


def clip_grad_value_(parameters: Iterable[Tensor], max_value: float) -> None:
    """Clip every element of the gradients by itself, in place: g_i <- min(max(g_i, -v), v), v = max_value.

    Unlike `clip_grad_norm_` this changes the direction of the gradient. NaN stays NaN. Parameters without a
    gradient are skipped. ValueError for a max_value that is not positive.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([3.0, 4.0], requires_grad=True)
    >>> p.grad = ts.tensor([0.5, -4.0])
    >>> optim.clip_grad_value_([p], 1.0)
    >>> p.grad.numpy()
    array([ 0.5, -1. ], dtype=float32)
    """
    if not max_value > 0:
        raise ValueError(f"max_value must be positive, not {max_value}")
    for p in parameters:
        if p.grad is not None:
            array = p.grad.mutable()
            np.maximum(array, -max_value, out=array)
            np.minimum(array, max_value, out=array)
