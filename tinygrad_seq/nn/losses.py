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
from tinygrad_seq.engine.precision import wide
from tinygrad_seq.engine.primitive import safe_product
from tinygrad_seq.nn.indices import Indices, found, indices
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.choice import clip, maximum, where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import abs, square
from tinygrad_seq.ops.exponential import softplus
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.reduction import mean
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.ops.softmax import log_softmax
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
    ignored targets. Raises TypeError if the logits are not floats or the targets are not integers, IndexError
    if a target is out of range, and ValueError if the shape, label_smoothing or reduction is invalid. Targets
    in a tensor that is already on a GPU are not checked: there, an out-of-range target gives a loss of NaN.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> logits = np.log([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    >>> nn.cross_entropy(logits, np.array([0, 2]), reduction="none")
    tensor([0.69314718, 0.51082562], float64, cpu)
    """
    given = as_tensor(logits)
    if given.dtype.kind != "f":
        raise TypeError(f"cross_entropy needs logits of floats, got {describe(given)}")
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
    log_p = log_softmax(logits)
    likelihood = found(squeeze(take_along_axis(log_p, expand_dims(y, -1), axis=-1), -1), inside)
    if label_smoothing:
        likelihood = (1 - label_smoothing) * likelihood + label_smoothing * mean(log_p, -1)
    if ignore_index is None:
        return reduced("cross_entropy", -likelihood, reduction, y.size, given.dtype)
    return reduced("cross_entropy", where(counts, -likelihood, 0), reduction, total(counts), given.dtype)


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
    owner = "binary_cross_entropy_with_logits"
    o, y, dtype = alike(owner, logits, targets)
    up = o > 0
    losses = softplus(where(up, -o, o)) + safe_product(where(up, 1 - y, -y), o)
    return reduced(owner, losses, reduction, o.size, dtype)


def mse(predictions: Input, targets: Input, *, reduction: Reduction = "mean") -> Tensor:
    """The squared error, L = (x - y)^2, of `predictions` x and `targets` y of the same shape.

    Raises TypeError if the predictions are not floats, ValueError if the targets have another shape or the
    reduction is invalid.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.mse(ts.tensor([1.0, 2.0]), ts.tensor([1.0, 4.0]))
    tensor(2., float32, cpu)
    """
    x, y, dtype = alike("mse", predictions, targets)
    return reduced("mse", square(x - y), reduction, x.size, dtype)


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
    x, y, dtype = alike("huber", predictions, targets)
    d = x - y
    near = clip(d, -delta, delta)
    losses = 0.5 * square(near) + delta * (abs(d) - abs(near))
    return reduced("huber", losses, reduction, x.size, dtype)


def alike(owner: str, predictions: Input, targets: Input) -> tuple[Tensor, Tensor, np.dtype]:
    """Predictions and targets as tensors of one shape and dtype, and the dtype of their loss."""
    x, y = as_tensor(predictions), as_tensor(targets)
    if x.dtype.kind != "f":
        raise TypeError(f"{owner}: predictions must be floats, not {describe(x)}")
    if y.shape != x.shape:
        raise ValueError(f"{owner}: targets must have the shape of the predictions, {x.shape}, not {y.shape}")
    dtype, x = x.dtype, wide(x)
    return x, y if y.dtype == x.dtype else y.astype(x.dtype), dtype


def reduced(owner: str, losses: Tensor, reduction: Reduction, count: int | Tensor, dtype: np.dtype) -> Tensor:
    """The mean of the losses over the `count` targets that count, their sum, or all losses, as `dtype`."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{owner}: reduction must be "mean", "sum" or "none", not {reduction!r}')
    losses = wide(losses)
    if reduction == "sum":
        losses = total(losses)
    if reduction == "mean":
        count = max(count, 1) if isinstance(count, int) else maximum(count, 1).astype(losses.dtype)
        losses = total(losses) / count
    return losses if losses.dtype == dtype else losses.astype(dtype)
