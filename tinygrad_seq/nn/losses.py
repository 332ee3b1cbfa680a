"""Losses that training minimises. Logarithms are natural, so losses are in nats; divide by log 2 for bits.

Every loss takes `reduction`: "mean" over the targets that count, 0 if there are none; "sum"; or "none", one
loss for every target. Targets must have exactly the documented shape: nothing is broadcast. Losses of float16
are computed in float32 and rounded once.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.engine.precision import rounded, wide
from tinygrad_seq.engine.primitive import Primitive, safe_product
from tinygrad_seq.nn.indices import Indices, found, indices
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.choice import maximum, where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import softplus
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.ops.softmax import log_softmax
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor

Reduction = Literal["mean", "sum", "none"]


def cross_entropy(
    logits: Input,
    targets: Indices,
    *,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """The negative log-likelihood of `targets` under softmax(logits).

        L_i = -sum_c q_ic log softmax(o_i)_c
        q_i = (1 - s) onehot(y_i) + s / C

    logits           o (..., C)
    targets          y (...), integers within 0 ... C - 1; targets equal to `ignore_index` do not count
    label_smoothing  s, 0 <= s < 1: the share of the probability that is spread over all classes (Szegedy et al.
                     2016, Rethinking the Inception architecture for computer vision)

    Returns the mean or the sum of L over the targets that count; with "none", every L (...), which is 0 for
    ignored targets. Raises TypeError if targets are not integers, IndexError if a target is out of range, and
    ValueError if the shape, label_smoothing or reduction is invalid. Targets in a tensor that is already on a
    GPU are not checked: there, an out-of-range target gives a loss of NaN.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> logits = np.log([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    >>> nn.cross_entropy(logits, np.array([0, 2]), reduction="none")
    tensor([0.69314718, 0.51082562], float64, cpu)
    """
    given = as_tensor(logits)
    logits = wide(given)
    if not logits.ndim or np.shape(targets) != logits.shape[:-1]:
        raise ValueError(
            f"cross_entropy needs logits (..., C) and targets (...), got logits of shape {logits.shape} and "
            f"targets of shape {np.shape(targets)}"
        )
    label_smoothing = number("cross_entropy", "label_smoothing", label_smoothing, "[0, 1)")
    if ignore_index is not None:
        ignore_index = integer("cross_entropy", "ignore_index", ignore_index, "(-inf, inf)")
    y, inside = indices(targets, logits.shape[-1], logits.device, "cross_entropy: targets", ignore=ignore_index)
    if ignore_index is not None:
        counts = y != ignore_index
        y = where(counts, y, zeros_like(y))
        logits = where(expand_dims(counts, -1), logits, 0)  # which may be NaN or infinite there
    log_p = log_softmax(logits)
    likelihood = found(squeeze(take_along_axis(log_p, expand_dims(y, -1), axis=-1), -1), inside)
    if label_smoothing:
        likelihood = (1 - label_smoothing) * likelihood + label_smoothing * mean(log_p, -1)
    if ignore_index is None:
        return reduced("cross_entropy", -likelihood, reduction, y.size, given)
    return reduced("cross_entropy", where(counts, -likelihood, 0), reduction, total(counts), given)


def binary_cross_entropy_with_logits(logits: Input, targets: Input, *, reduction: Reduction = "mean") -> Tensor:
    """The negative log-likelihood of `targets` under p = sigmoid(logits).

        L = -y log p - (1 - y) log(1 - p) = y softplus(-o) + (1 - y) softplus(o)

    (Computed as softplus(-|o|) + (1 - y) o for o > 0, or - y o for o <= 0: no term is negative, and 0 times an
    infinite o is 0.)

    logits   o, floats of any shape
    targets  y, of the same shape: probabilities within 0 ... 1, as floats, integers or booleans

    Raises TypeError if the logits are not floats, ValueError if the targets have another shape or the reduction
    is invalid.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> nn.binary_cross_entropy_with_logits(np.array([0.0, 1e4, -1e4]), np.array([1, 1, 1]), reduction="none")
    tensor([6.93147181e-01, 0.00000000e+00, 1.00000000e+04], float64, cpu)
    """
    o, y, given = alike("binary_cross_entropy_with_logits", logits, targets)
    up = o > 0
    losses = softplus(where(up, -o, o)) + safe_product(where(up, 1 - y, -y), o)
    return reduced("binary_cross_entropy_with_logits", losses, reduction, o.size, given)


def mse(predictions: Input, targets: Input, *, reduction: Reduction = "mean") -> Tensor:
    """The squared error, L = (x - y)^2, of `predictions` x and `targets` y of the same shape.

    Raises TypeError if the predictions are not floats, ValueError if the targets have another shape or the
    reduction is invalid.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.mse(ts.tensor([1.0, 2.0]), ts.tensor([1.0, 4.0]))
    tensor(2., float32, cpu)
    """
    x, y, given = alike("mse", predictions, targets)
    return reduced("mse", square(x - y), reduction, x.size, given)


def huber(
    predictions: Input,
    targets: Input,
    *,
    delta: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """An error that is squared near 0 and linear elsewhere (Huber 1964), so that outliers weigh less.

        L = d^2 / 2                    where |d| <= delta,    d = x - y
        L = delta (|d| - delta / 2)    elsewhere

    `predictions` x and `targets` y have the same shape. Raises TypeError if the predictions are not floats,
    ValueError if the targets have another shape, delta is not positive, or the reduction is invalid.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.huber(ts.tensor([1.0, 2.0]), ts.tensor([2.0, -3.0]), reduction="none")
    tensor([0.5, 4.5], float32, cpu)
    """
    delta = number("huber", "delta", delta, "(0, inf)")
    x, y, given = alike("huber", predictions, targets)
    return reduced("huber", HUBER.function(x - y, delta), reduction, x.size, given)


def _huber(d: np.ndarray, /, delta: float = 1.0) -> np.ndarray:
    """z = d^2 / 2 for |d| <= delta, delta (|d| - delta / 2) elsewhere; dz/dd is d within -delta ... delta"""
    near: np.ndarray = np.clip(d, -delta, delta)
    return near * (d - 0.5 * near)


HUBER = Primitive(_huber, "()->()")  # an op, since the derivative of a product is 0 times infinity at infinity
HUBER.partials(lambda d, delta: np.clip(d, -delta, delta))


def alike(loss: str, predictions: Input, targets: Input) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions and targets as `wide` tensors of one shape and dtype, and the given predictions."""
    given = as_tensor(predictions)
    y = as_tensor(targets)
    if given.dtype.kind != "f":
        raise TypeError(f"{loss}: predictions must be floats, not {describe(given)}")
    if y.shape != given.shape:
        raise ValueError(
            f"{loss}: targets must have the shape of the predictions, {given.shape}, not {y.shape}"
        )
    x = wide(given)
    return x, y if y.dtype == x.dtype else y.astype(x.dtype), given


def reduced(loss: str, losses: Tensor, reduction: Reduction, count: int | Tensor, given: Tensor) -> Tensor:
    """The mean of the losses over the `count` targets that count, their sum, or all losses.

    It is computed with `wide` losses, and rounded once if the predictions were `given` as float16.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{loss}: reduction must be "mean", "sum" or "none", not {reduction!r}')
    if reduction != "none":
        losses = total(losses)
    if reduction == "mean":
        count = max(count, 1) if isinstance(count, int) else maximum(count, 1).astype(losses.dtype)
        losses = losses / count
    z: Tensor = rounded(losses, given)
    return z
