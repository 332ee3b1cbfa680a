"""REINFORCE (Williams 1992): the gradient of an expected reward by the probability of what was chosen.

A network that chooses (where to look, what to do) is not differentiable, but its expected reward is:

    d/dw E[R] = E[sum_t (R_t - b_t) d/dw log p(a_t | s_t)],   R_t the rewards that a_t can still influence

for every baseline b_t that does not depend on a_t. A good baseline, such as a prediction of R_t from s_t,
makes the estimate less noisy. `gaussian` and `categorical` choose, with noise that is drawn before, so that a
step of a scan can choose; they also return the logarithm of the probability of the choice. `returns` sums the
rewards. `loss` is a function whose gradient is the estimate with the opposite sign.

A choice is detached: no gradient flows through it. In `loss`, so are the returns and the baselines: a baseline
is trained by a loss of its own, such as `nn.mse(baselines, ts.stop_gradient(returns))`.

Here are two arms, the second of which pays; its probability grows:

>>> import numpy as np
>>> from tinygrad_seq import nn, optim
>>> rng, logits = np.random.default_rng(0), nn.Parameter(np.zeros(2))
>>> sgd = optim.SGD([logits], lr=0.5)
>>> for _ in range(50):
...     arms = ts.broadcast_to(logits, (1, 8, 2))  # one step, eight rows
...     choices, log_probabilities = nn.reinforce.categorical(arms, rng.gumbel(size=(1, 8, 2)))
...     rewards = nn.reinforce.returns(choices.astype(np.float64))
...     sgd.zero_grad()
...     nn.reinforce.loss(log_probabilities, rewards, ts.full_like(rewards, 0.5)).backward()
...     sgd.step()
>>> bool(ts.softmax(logits)[1] > 0.95)
True
"""

from __future__ import annotations

import math

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.engine.precision import rounded_once
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.choice import stop_gradient, where
from tinygrad_seq.ops.cumulative import cumsum
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import exp
from tinygrad_seq.ops.indexing import take_along_axis
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.rearranging import flip
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.ops.softmax import log_softmax
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


def gaussian(mean: Input, sigma: float, noise: Input) -> tuple[Tensor, Tensor]:
    """A draw from N(mean, sigma^2), and the logarithm of its density.

        a = mean + sigma noise,   log p = -sum_d ((a_d - mean_d)^2 / (2 sigma^2) + log(sigma sqrt(2 pi)))

    mean   (..., D), floats
    sigma  the standard deviation in every direction, a positive number
    noise  (..., D), drawn from N(0, 1); 0 gives the mean

    Returns a (..., D) and log p (...). The derivative of log p with respect to the mean is noise / sigma; a is
    detached. Raises ValueError if the shapes differ, or if sigma is not positive.

    >>> import numpy as np
    >>> mean = ts.tensor([[0.0, 0.0]], requires_grad=True)
    >>> a, log_p = gaussian(mean, 0.5, np.array([[2.0, 0.0]], np.float32))
    >>> a.numpy(), ts.grad(log_p.sum(), mean).numpy()
    (array([[1., 0.]], dtype=float32), array([[4., 0.]], dtype=float32))
    """
    sigma = number("gaussian", "sigma", sigma, "(0, inf)")
    mean, noise = alike("gaussian", "(..., D)", mean=mean, noise=noise)
    a = stop_gradient(mean + sigma * noise)
    off = (
        stop_gradient(noise) + (stop_gradient(mean) - mean) / sigma
    )  # (a - mean) / sigma, before a was rounded
    return a, -total(square(off) / 2.0 + math.log(sigma * math.sqrt(2 * math.pi)), -1)


def categorical(logits: Input, gumbel: Input) -> tuple[Tensor, Tensor]:
    """A draw from softmax(logits), and the logarithm of its probability.

        a = argmax_c (logits_c + gumbel_c),   log p = log softmax(logits)_a

    logits  (..., C), floats
    gumbel  (..., C), drawn from the Gumbel distribution, -log(-log u) with u from U(0, 1), which is
            `rng.gumbel`; 0 gives the likeliest choice

    Returns a (...), integers, and log p (...). (The argmax has these probabilities: the Gumbel-max trick, as in
    Maddison, Tarlow & Minka 2014.) Raises ValueError if the shapes differ.

    >>> import numpy as np
    >>> choice, log_p = categorical(np.log([[0.25, 0.75]]), [[2.0, 0.0]])
    >>> choice.numpy(), ts.exp(log_p).numpy().round(3)
    (array([0]), array([0.25]))
    """
    logits, gumbel = alike("categorical", "(..., C)", logits=logits, gumbel=gumbel)
    a = argmax(logits + gumbel, axis=-1)
    return a, squeeze(take_along_axis(log_softmax(logits), expand_dims(a, -1), axis=-1), -1)


@rounded_once
def entropy(logits: Input) -> Tensor:
    """H = -sum_c p_c log p_c for p = softmax(logits), (..., C): H is (...), in nats; log C if all are equal.

    Added to the expected reward with a small factor, it keeps a policy from settling on one choice too early.

    >>> ts.exp(entropy(ts.tensor([0.0, 0.0])))
    tensor(2., float32, cpu)
    """
    (logits,) = alike("entropy", "(..., C)", logits=logits)
    log_p = log_softmax(logits)
    possible = log_p > -math.inf  # 0 log 0 is 0
    return -total(where(possible, exp(log_p) * where(possible, log_p, 0.0), 0.0), -1)


def returns(rewards: Input) -> Tensor:
    """R_t = r_t + r_{t+1} + ... + r_T, the rewards from every step on, for rewards r (T, B).

    An earlier reward does not depend on a later choice: it would only add noise. Raises ValueError for another
    rank.

    >>> returns([[1.0], [0.0], [2.0]]).numpy().ravel()
    array([3., 2., 2.], dtype=float32)
    """
    (rewards,) = alike("returns", "(T, B)", rewards=rewards)
    return flip(cumsum(flip(rewards, 0), 0), 0)


@rounded_once
def loss(log_probabilities: Input, returns: Input, baselines: Input) -> Tensor:
    """-1/B sum_b sum_t (R_tb - b_tb) log p_tb, all (T, B): its gradient estimates that of -E[R].

    R and b are detached. Steps that do not count have a log p of 0. Raises ValueError unless all three have the
    same shape (T, B): nothing is broadcast.

    >>> log_p = ts.tensor([[-1.0, -1.0]], requires_grad=True)
    >>> ts.grad(loss(log_p, [[1.0, 0.0]], [[0.5, 0.5]]), log_p).numpy()
    array([[-0.25,  0.25]], dtype=float32)
    """
    log_probabilities, returns, baselines = alike(
        "loss", "(T, B)", log_probabilities=log_probabilities, returns=returns, baselines=baselines
    )
    return -mean(total(stop_gradient(returns - baselines) * log_probabilities, 0))


def alike(function: str, shape: str, **given: Input) -> list[Tensor]:
    """The arguments as tensors. Raises an error unless all are floats of one shape, written as "(T, B)".

    More axes may come before, if it is written as "(..., C)".
    """
    parts = [as_tensor(x) for x in given.values()]
    described = ", ".join(f"{name} {describe(x)}" for name, x in zip(given, parts, strict=True))
    needs = f"reinforce.{function} needs {' and '.join(given)} {shape}"
    if any(x.dtype.kind != "f" for x in parts):
        raise TypeError(f"{needs} of floats, got {described}; convert them by astype(np.float32)")
    more, rank = shape.startswith("(..., "), shape.count(",") + 1
    fits = parts[0].ndim >= rank - 1 if more else parts[0].ndim == rank
    if not fits or any(x.shape != parts[0].shape for x in parts):
        raise ValueError(f"{needs}{', of one shape' if len(parts) > 1 else ''}, got {described}")
    return parts
