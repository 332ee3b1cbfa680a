"""Clipping limits a gradient that has exploded, between `backward()` and `step()`."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.optim.parameters import each_once
from tinygrad_seq.tensor.tensor import Tensor


def clip_grad_norm_(
    parameters: Iterable[Tensor], max_norm: float, *, error_if_nonfinite: bool = True
) -> float | Tensor:
    """Clip the gradient g of all parameters together by its Euclidean norm, in place; returns the norm.

        g <- g                  if |g| <= v
        g <- v g / |g|          else,           v = max_norm

    (Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks.) The returned norm
    is the one before clipping. It is computed in float64, in which only the norm itself can overflow.
    Parameters without a gradient are skipped.

    If the norm is infinite or NaN, the gradient has no direction to keep: FloatingPointError. With
    `error_if_nonfinite=False` all gradients are dropped instead, so that the next step of an optimizer changes
    nothing. ValueError for a max_norm that is not positive, and for gradients on different devices.

    On a GPU the host does not wait for the norm: it is returned as a 0-d tensor on the device, and where it is
    infinite or NaN, all gradients become NaN instead of an error. With `error_if_nonfinite=False` the norm is
    read.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([3.0, 4.0], requires_grad=True)
    >>> p.grad = ts.tensor([3.0, 4.0])
    >>> optim.clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad.numpy()
    array([0.6, 0.8], dtype=float32)
    """
    max_norm = number("clip_grad_norm_", "max_norm", max_norm, "(0, inf]")
    unique = each_once("clip_grad_norm_", parameters)
    gradients = [g for p in unique if (g := p.grad) is not None]
    devices = {g.device for g in gradients}
    if len(devices) > 1:
        raise ValueError(
            f"clip_grad_norm_ needs all gradients on one device, got {' and '.join(sorted(devices))}"
        )
    there = norm_of([g._array for g in gradients])
    if error_if_nonfinite and backend.device_of(there) != "cpu":
        scale(gradients, np.where(np.isfinite(there), np.minimum(max_norm / there, 1), np.nan))
        return Tensor(there)
    norm = float(there)
    if not math.isfinite(norm):
        if error_if_nonfinite:
            raise FloatingPointError(f"clip_grad_norm_ needs a finite gradient, got one with norm {norm}")
        for p in unique:
            p.zero_grad()
    elif norm > max_norm:
        scale(gradients, np.float64(max_norm / norm))
    return norm


def norm_of(arrays: list[np.ndarray]) -> np.ndarray:
    """The Euclidean norm of all elements of all arrays, in float64, on their device.

    float64 holds the square of every smaller float. Squares of float64 are taken in units of a power of two
    near the largest element: none of them overflows, nor do all of them underflow, and no rounding differs.
    """
    unit: float | np.ndarray = 1.0
    if wide := [np.max(np.abs(a)) for a in arrays if a.dtype.itemsize >= 8 and a.size]:
        largest = functools.reduce(np.maximum, wide)
        largest = np.where(np.isfinite(largest) & (largest > 0), largest, 1.0)
        unit = largest / (2 * np.frexp(largest)[0])  # exact
        arrays = [np.divide(a, unit, dtype=np.float64) for a in arrays]
    squares = (np.sum(np.square(a, dtype=np.float64)) for a in arrays)
    with np.errstate(over="ignore"):  # of the norm itself
        norm: np.ndarray = np.sqrt(sum(squares, np.float64(0))) * unit
    return norm


def scale(gradients: list[Tensor], factor: np.ndarray | np.float64) -> None:
    """Multiply the gradients by `factor`, in place."""
    for g in gradients:
        array = g.mutable()  # with a float64 factor the product is taken in float64, then rounded once
        np.multiply(array, factor, out=array, casting="same_kind")


def clip_grad_value_(parameters: Iterable[Tensor], max_value: float) -> None:
    """Clip every element of the gradients, in place: g_i <- min(max(g_i, -v), v), v = max_value.

    Unlike `clip_grad_norm_`, this can change the direction of the gradient. NaN stays NaN. Parameters without a
    gradient are skipped. ValueError for a max_value that is not positive.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([3.0, 4.0], requires_grad=True)
    >>> p.grad = ts.tensor([0.5, -4.0])
    >>> optim.clip_grad_value_([p], 1.0)
    >>> p.grad.numpy()
    array([ 0.5, -1. ], dtype=float32)
    """
    max_value = number("clip_grad_value_", "max_value", max_value, "(0, inf]")
    for p in each_once("clip_grad_value_", parameters):
        if p.grad is not None:
            array = p.grad.mutable()
            with np.errstate(over="ignore"):  # a bound above all numbers of the dtype bounds nothing
                np.clip(array, -max_value, max_value, out=array)
