"""Losses: what training makes small. Each returns nats, natural logarithms; divide by log 2 for bits."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tinygrad_seq import backend
from tinygrad_seq.nn.layers import indices
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.reduction import logsumexp
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.tensor import Tensor, tensor


def cross_entropy(
    logits: Tensor,
    targets: Tensor | np.ndarray,
    *,
    ignore_index: int | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """The negative log-likelihood of `targets` under softmax(logits).

        L_i = -log softmax(o_i)[y_i] = logsumexp(o_i) - o_i[y_i]

    logits   o (..., C)
    targets  y (...), integers within 0 ... C - 1; those equal to `ignore_index` count for nothing

    Returns the mean of L over the targets that count (0 if none does), its sum, or with "none" every L
    (...), 0 for ignored targets. TypeError if targets are no integers, ValueError for another shape or
    reduction, IndexError for a target out of range.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> logits = np.log([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    >>> nn.cross_entropy(logits, np.array([0, 2]), reduction="none")
    tensor([0.69314718, 0.51082562], float64)
    """
    logits = logits if isinstance(logits, Tensor) else tensor(logits)
    host = backend.to_numpy(targets._data) if isinstance(targets, Tensor) else np.asarray(targets)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction is "mean", "sum" or "none", not {reduction!r}')
    if not logits.ndim or host.shape != logits.shape[:-1]:
        raise ValueError(
            f"logits of shape {logits.shape}, (..., C), need targets of shape (...), not {host.shape}"
        )
    counts = np.ones(host.shape, bool) if ignore_index is None else host != ignore_index
    y = indices(np.where(counts, host, np.zeros_like(host)), logits.shape[-1], logits.device, "targets")
    losses = logsumexp(logits, axis=-1) - squeeze(take_along_axis(logits, expand_dims(y, -1), axis=-1), -1)
    if ignore_index is not None:
        losses = where(backend.asarray(counts, logits.device), losses, 0)
    if reduction == "none":
        return losses
    return total(losses) / max(int(counts.sum()), 1) if reduction == "mean" else total(losses)
