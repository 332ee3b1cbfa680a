"""Models with a fixed window: they predict each step from the n steps before it, and from nothing earlier.

Sequences were predicted in this way before recurrent networks, and it is still a baseline for them: linear
autoregression for vectors, and the first neural language model for symbols. Nothing is carried from step to
step, so there is no loop: all windows form one batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.nn.classical.gaussian import diagonal, log_normal, triangular, unit, vectors
from tinygrad_seq.nn.module import Input, Module, Parameter, natural
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.padding import cut, visible
from tinygrad_seq.nn.runners.patterns import Features, Layer
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.linalg import solve
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.tensor.tensor import Tensor


def past(xs: Tensor, steps: int) -> Tensor:
    """[x_{t-1}; ...; x_{t-steps}] for every t of xs (T, B, I), 0 before the first step: (T, B, steps I)."""
    before = concatenate([zeros_like(xs, shape=(steps, *xs.shape[1:])), xs])
    return concatenate([before[steps - k : steps - k + len(xs)] for k in range(1, steps + 1)], axis=-1)


class FixedWindow(Module):
    """y_t = network([f(x_{t-1}); ...; f(x_{t-n})]), f = `features`: predicts x_t from the n steps before it.

    (For language, Bengio, Ducharme, Vincent & Jauvin 2003.) xs is (T, B, ...) and ys is (T, B, C), 0 past the
    `lengths`. Before the first step the features are zeros, so y_1 is the same for every sequence. `network`
    receives (T, B, n I). Lengths are as for `Recurrent`. Raises ValueError if n < 1.

    >>> import numpy as np, tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> network = nn.Sequential(nn.Linear(3 * 4, 8, rng=1), ts.tanh, nn.Linear(8, 10, rng=2))
    >>> model = nn.FixedWindow(nn.Embedding(10, 4, rng=0), network, steps=3)
    >>> ids = np.array([[3, 1], [9, 2], [9, 0], [4, 7]])
    >>> model(ids).shape, nn.cross_entropy(model(ids), ids).shape
    ((4, 2, 10), ())
    """

    def __init__(self, features: Features, network: Layer, *, steps: int) -> None:
        self.features, self.network, self.steps = features, network, natural(self, "steps", steps)

    def __call__(self, xs: Input, lengths: Lengths = None) -> Tensor:
        return cut(self.network(past(self.features(visible(xs, lengths)), self.steps)), lengths)


class Autoregressive(Module):
    """x_t = b + sum_{k=1..n} x_{t-k} W_k + e_t, e_t ~ N(0, Sigma), for vectors x (O,): an AR(n) process.

        log p(x_t | x_{t-1}, ..., x_{t-n}) = log N(e_t U; 0, 1) + sum_i log U_ii,   U U' = Sigma^-1

    Before the first step x is 0. The matrices W_k are stacked in one parameter `weight` (n O, O), W_1 first,
    and are initially 0. U is lower triangular: below its diagonal it has the elements of the parameter
    `whitening`, on it their exponentials; initially U is the identity. For any U, the maximum-likelihood
    weights are those of least squares (Hamilton 1994, ch. 11).

    Observations xs (T, B, O) are floats; past the `lengths`, which are as for `Recurrent`, they have no
    influence. Raises TypeError or ValueError for other xs or lengths, and ValueError if n < 1.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> model = nn.Autoregressive(2, steps=3)
    >>> xs = np.random.default_rng(0).normal(size=(5, 4, 2)).astype(np.float32)
    >>> logs = model.log_likelihoods(xs, lengths=[5, 1, 3, 0])
    >>> logs.shape, model.predictions(xs).shape
    ((5, 4), (5, 4, 2))
    >>> (-nn.mean_within(logs, [5, 1, 3, 0])).backward()
    >>> model.covariance().numpy()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    def __init__(self, size: int, *, steps: int, dtype: DTypeLike = np.float32) -> None:
        size, self.steps = natural(self, "size", size), natural(self, "steps", steps)
        self.weight = Parameter(np.zeros((self.steps * size, size), dtype))
        self.bias = Parameter(np.zeros(size, dtype))
        self.whitening = Parameter(np.zeros((size, size), dtype))

    def predictions(self, xs: Input, lengths: Lengths = None) -> Tensor:
        """The mean of x_t given the steps before it, (T, B, O), 0 past the lengths."""
        return cut(self._expected(vectors(xs, self.bias.size, lengths)), lengths)

    def log_likelihoods(self, xs: Input, lengths: Lengths = None) -> Tensor:
        """log p(x_t | x_1 ... x_{t-1}), (T, B), 0 past the lengths; their sum over t is log p(x_1 ... x_T)."""
        xs = vectors(xs, self.bias.size, lengths)
        z = (xs - self._expected(xs)) @ triangular(self.whitening)
        return cut(log_normal(z) + total(diagonal(self.whitening)), lengths)

    def covariance(self) -> Tensor:
        """Sigma = (U U')^-1, (O, O)."""
        inverse = solve(triangular(self.whitening), unit(self.whitening))
        return inverse.T @ inverse

    def _expected(self, xs: Tensor) -> Tensor:
        return past(xs, self.steps) @ self.weight + self.bias
