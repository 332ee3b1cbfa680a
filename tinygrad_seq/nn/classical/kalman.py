"""The linear dynamical system: a hidden state with linear dynamics, observed through a linear map, with noise.

Given the past observations, the next hidden state has a normal distribution. The Kalman filter carries its
moments from step to step: it is a recurrent network without a nonlinearity, whose state is (m, P). The
likelihood of a sequence follows from its predictions and their errors. Its gradient trains the system.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn import init
from tinygrad_seq.nn.classical.gaussian import Covariance, diagonal, log_normal, unit, vectors
from tinygrad_seq.nn.module import Input, Module, Parameter, natural
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.ops.exponential import log
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.linalg import cholesky, solve
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import broadcast_to
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor

Moments = tuple[Tensor, Tensor]  # m (B, S) and P (S, S)
Steps = tuple[Tensor, Tensor, Tensor, Tensor]  # v, L, and m and P after the observation


class LinearDynamicalSystem(Module):
    """z_1 ~ N(m, P), z_t ~ N(z_{t-1} A, Q), x_t ~ N(z_t C + b, R), for states z (S,) and vectors x (O,).

        S = C' P C + R = L L'                  the covariance of the error of the prediction m C + b
        v = (x_t - m C - b) L'^-1              the error, whitened
        log p(x_t | x_1 ... x_{t-1}) = log N(v; 0, 1) - sum_i log L_ii
        W = L^-1 C' P,   K = L'^-1 W           the gain
        m <- m + v W,    P <- (1 - C K)' P (1 - C K) + K' R K
        m <- m A,        P <- A' P A + Q       the prediction for the next step

    (Kalman 1960; the sum of squares for P is Joseph's form, which stays nonnegative under rounding.) P does not
    depend on x, so all rows of a batch share it. The parameters are `initial` m, `transition` A, `emission` C
    and `bias` b, and those of the `Covariance`s `initial_noise` P, `transition_noise` Q and `emission_noise` R.
    Initially the covariances are the identity, A is orthogonal, and C is drawn from U(-k, k), k = 1/sqrt(S).

    Observations xs (T, B, O) are floats; past the `lengths`, which are as for `Recurrent`, they have no
    influence. Raises TypeError or ValueError for other xs or lengths, and LinAlgError if S is singular in its
    dtype. On a GPU, every step waits for `cholesky` and `solve` to report that.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> system = nn.LinearDynamicalSystem(4, 2, rng=0)
    >>> xs = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    >>> logs = system.log_likelihoods(xs, lengths=[5, 2, 4])
    >>> mean, covariance = system.filtered(xs)
    >>> logs.shape, mean.shape, covariance.shape
    ((5, 3), (5, 3, 4), (5, 4, 4))
    >>> (-nn.mean_within(logs, [5, 2, 4])).backward()
    >>> system.sample(7, 2, rng=0).shape
    (7, 2, 2)
    """

    def __init__(self, states: int, size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32) -> None:
        states, size = natural(self, "states", states), natural(self, "size", size)
        rng = np.random.default_rng(rng)
        self.initial = Parameter(np.zeros(states, dtype))
        self.initial_noise = Covariance(states, dtype=dtype)
        self.transition = Parameter(init.orthogonal((states, states), rng=rng, dtype=dtype))
        self.transition_noise = Covariance(states, dtype=dtype)
        self.emission = Parameter(init.uniform((states, size), states**-0.5, rng=rng, dtype=dtype))
        self.bias = Parameter(np.zeros(size, dtype))
        self.emission_noise = Covariance(size, dtype=dtype)

    def log_likelihoods(self, xs: Input, lengths: Lengths = None) -> Tensor:
        """log p(x_t | x_1 ... x_{t-1}), (T, B), 0 past the lengths; their sum over t is log p(x_1 ... x_T)."""
        v, factor, *_ = self._run(xs, lengths)
        return cut(log_normal(v) - total(log(diagonal(factor)), -1, keepdims=True), lengths)

    def filtered(self, xs: Input, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """The moments of p(z_t | x_1 ... x_t): means (T, B, S), 0 past the lengths; covariances (T, S, S)."""
        _, _, mean, covariance = self._run(xs, lengths)
        return cut(mean, lengths), covariance

    def sample(self, steps: int, batch: int, *, rng: init.Rng = None) -> np.ndarray:
        """Observations (T, B, O) drawn from the system, together with their hidden states; on the host."""
        steps, batch = (
            integer("sample", name, given, "[0, inf)") for name, given in (("steps", steps), ("batch", batch))
        )
        rng = np.random.default_rng(rng)
        a, c, b = (p.numpy() for p in (self.transition, self.emission, self.bias))
        covariances = self.initial_noise, self.transition_noise, self.emission_noise
        first, moving, seen = (covariance.factor().numpy() for covariance in covariances)

        def noise(factor: np.ndarray) -> np.ndarray:
            drawn: np.ndarray = rng.standard_normal((batch, len(factor))) @ factor.T
            return drawn

        z, xs = self.initial.numpy() + noise(first), np.empty((steps, batch, len(b)), b.dtype)
        for t in range(steps):
            xs[t], z = z @ c + b + noise(seen), z @ a + noise(moving)
        return xs

    def _run(self, xs: Input, lengths: Lengths) -> Steps:
        """v and L of every step, and the moments m and P after its observation."""
        a, c, states = self.transition, self.emission, self.transition.shape[0]
        one, q, r = unit(a), self.transition_noise(), self.emission_noise()

        def step(state: Moments, x: Tensor) -> tuple[Moments, Steps]:
            m, p = state
            factor = cholesky(c.T @ p @ c + r)
            e = x - m @ c - self.bias
            whitened = solve(factor, concatenate([c.T @ p, e.T], axis=1))
            w, v = whitened[:, :states], whitened[:, states:].T
            k = solve(factor.T, w)
            rest = one - c @ k
            m, p = m + v @ w, rest.T @ p @ rest + k.T @ r @ k
            return (m @ a, symmetric(a.T @ p @ a) + q), (v, factor, m, p)

        xs = vectors(xs, c.shape[1], lengths)
        dtype = np.result_type(xs.dtype, a.dtype)  # of the moments, as of everything that is computed from both
        m = broadcast_to(self.initial, (xs.shape[1], states)).astype(dtype)
        ys: Steps
        _, ys = scan(step, (m, self.initial_noise().astype(dtype)), xs)
        return ys


def symmetric(p: Tensor) -> Tensor:
    """(P + P') / 2, which equals P except for rounding."""
    return 0.5 * (p + p.T)
