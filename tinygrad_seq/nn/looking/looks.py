"""What the models that look return of every look, and the loss by which they learn where to look."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_seq.nn import reinforce
from tinygrad_seq.nn.losses import mse
from tinygrad_seq.ops.choice import stop_gradient
from tinygrad_seq.tensor.tensor import Tensor


class Looks(NamedTuple):
    """The looks at a batch of images, for every step.

    centres            where the network looked, (x, y), (T, B, 2)
    log_probabilities  of the centre that it chose at this step, (T, B)
    baselines          the reward to come that it predicted before it chose, (T, B)

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> model = nn.RAM(10, size=4, rng=0)
    >>> _, looks = model(np.ones((2, 9, 9), np.float32), np.zeros((6, 2, 2), np.float32))
    >>> looks.centres.shape, looks.baselines.shape
    ((6, 2, 2), (6, 2))
    """

    centres: Tensor
    log_probabilities: Tensor
    baselines: Tensor


def policy_loss(log_probabilities: Tensor, returns: Tensor, baselines: Tensor, weight: float) -> Tensor:
    """weight times the loss of REINFORCE, plus the mean of (R - b)^2, which trains the baselines b."""
    return weight * reinforce.loss(log_probabilities, returns, baselines) + mse(
        baselines, stop_gradient(returns)
    )
