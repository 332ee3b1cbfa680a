"""Clipping: bounds for a gradient that has exploded, set between `backward()` and `step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from tinygrad_seq.tensor import Tensor


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = True) -> float:
    """Clip the gradient g of all parameters together by its Euclidean norm, in place; returns the norm.

        g <- g                  if |g| <= v
        g <- v g / |g|          else,           v = max_norm

    (Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks.) The norm is
    that before clipping, accumulated in float64, so that no float32 gradient is too large for it.
    Parameters without a gradient count for nothing.

    A norm that is infinite or NaN has no direction to keep: it is a FloatingPointError; or, without
    `error_if_nonfinite`, all gradients are dropped, so that an optimizer's next step changes nothing.
    ValueError for a max_norm that is not positive.

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
    gradients = [(p, g) for p in unique if (g := p.grad) is not None]
    norm = math.sqrt(sum((float(np.sum(np.square(g.data, dtype=np.float64))) for _, g in gradients), 0.0))
    if not math.isfinite(norm):
        if error_if_nonfinite:
            raise FloatingPointError(f"the norm of the gradient is {norm}")
        for p, _ in gradients:
            p.zero_grad()
    elif norm > max_norm:
        scale = np.float64(max_norm / norm)  # not weak: the product is taken in float64, then rounded once
        for _, g in gradients:
            array = g.mutable()
            np.multiply(array, scale, out=array, casting="same_kind")
    return norm


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
