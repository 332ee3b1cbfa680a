"""The hidden Markov model: a hidden state moves between S values, and emits a symbol at every step.

The likelihood of a sequence is a sum over all S^T paths of the hidden state. The forward algorithm computes it
one step at a time, by a recursion in logarithms: a recurrent network whose state is log p(state | the past) and
whose weights are probabilities. So the model is trained like a recurrent network, by the gradient of its
likelihood.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn import init
from tinygrad_seq.nn.indices import Indices, found, indices, rows
from tinygrad_seq.nn.module import Module, Parameter, natural
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.indexing import take
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.reduction import max as most
from tinygrad_seq.ops.shape import broadcast_to, expand_dims
from tinygrad_seq.ops.softmax import log_softmax, logsumexp
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor


class HiddenMarkovModel(Module):
    """z_1 ~ pi, z_t ~ A[z_{t-1}], x_t ~ B[z_t], for S states z and K symbols x (Rabiner 1989).

        a_1 = log pi,   j_t = a_t + log B[:, x_t],   log p(x_t | x_1 ... x_{t-1}) = logsumexp_i j_ti
        a_{t+1},k = logsumexp_i(log_softmax(j_t)_i + log A_ik)

    a_t is log p(z_t | x_1 ... x_{t-1}). The rows of pi (S,), A (S, S) and B (S, K) are softmaxes of the
    parameters `initial`, `transition` and `emission`, which are drawn from U(-1, 1). A parameter of -inf is a
    probability of 0, and stays 0 in training: `model.transition.assign_(np.log(A))` sets A.

    Symbols xs (T, B) are integers within 0 ... K - 1, also past the `lengths`, as `nn.padded` returns them;
    lengths are as for `Recurrent`. Raises TypeError if they are not integers, IndexError for a symbol out of
    range, and ValueError for wrong lengths or if xs is not (T, B). Symbols and lengths in a tensor on a GPU are
    not checked: the result is NaN where they are out of range.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> weather = nn.HiddenMarkovModel(2, 3, rng=0)
    >>> xs, lengths = nn.padded([[0, 0, 2, 1], [1, 1]])
    >>> logs = weather.log_likelihoods(xs, lengths)
    >>> logs.shape, weather.filtered(xs, lengths).shape, weather.viterbi(xs, lengths).shape
    ((4, 2), (4, 2, 2), (4, 2))
    >>> (-nn.mean_within(logs, lengths)).backward()
    >>> weather.sample(7, 2, rng=0).shape
    (7, 2)
    """

    def __init__(
        self, states: int, symbols: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        states, symbols = natural(self, "states", states), natural(self, "symbols", symbols)
        rng = np.random.default_rng(rng)
        self.initial = Parameter(init.uniform((states,), 1.0, rng=rng, dtype=dtype))
        self.transition = Parameter(init.uniform((states, states), 1.0, rng=rng, dtype=dtype))
        self.emission = Parameter(init.uniform((states, symbols), 1.0, rng=rng, dtype=dtype))

    def log_likelihoods(self, xs: Indices, lengths: Lengths = None) -> Tensor:
        """log p(x_t | x_1 ... x_{t-1}), (T, B), 0 past the lengths; their sum over t is log p(x_1 ... x_T).

        From the first symbol of probability 0 on, it is -inf, without a gradient.
        """
        return cut(logsumexp(self._joint(xs), axis=-1), lengths)

    def filtered(self, xs: Indices, lengths: Lengths = None) -> Tensor:
        """log p(z_t | x_1 ... x_t), (T, B, S), 0 past the lengths."""
        return cut(log_softmax(self._joint(xs)), lengths)

    def viterbi(self, xs: Indices, lengths: Lengths = None) -> Tensor:
        """The likeliest states, argmax_z p(z_1 ... z_T, x_1 ... x_T), integers (T, B), 0 past the lengths.

            m_T = 0,   m_{t-1},i = max_k(log A_ik + log B[k, x_t] + m_tk)
            z_t = argmax_k(log A[z_{t-1}, k] + log B[k, x_t] + m_tk),   log A[z_0] = log pi

        m_t,i is the log-probability of the best continuation after step t, from state i (Viterbi 1967).
        """

        def backward(m: Tensor, given: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor]:
            emitted, inside = given
            before = most(transition + expand_dims(emitted + m, -2), axis=-1)
            return before if inside is None else rows(inside, before, m), m

        def forward(row: Tensor, given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            emitted, m = given
            z = argmax(row + emitted + m, axis=-1)
            return take(transition, z, axis=0), z

        with no_grad():
            transition, emitted = log_softmax(self.transition), self._emitted(xs)
            inside, _ = (None, None) if lengths is None else within(lengths, emitted)
            _, worth = scan(backward, zeros_like(emitted[0]), (emitted, inside), reverse=True)
            _, path = scan(forward, self._first(emitted), (emitted, worth))
            return cut(path, lengths)

    def sample(self, steps: int, batch: int, *, rng: init.Rng = None) -> np.ndarray:
        """Symbols drawn from the model, together with their hidden states: integers (T, B), on the host."""
        steps, batch = (
            integer("sample", name, given, "[0, inf)") for name, given in (("steps", steps), ("batch", batch))
        )
        rng, xs = np.random.default_rng(rng), np.empty((steps, batch), np.int64)

        def drawn(logits: np.ndarray) -> np.ndarray:
            z: np.ndarray = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)  # the Gumbel-max trick
            return z

        z = drawn(np.broadcast_to(self.initial.numpy(), (batch, len(self.initial))))
        for t in range(steps):
            xs[t], z = drawn(self.emission.numpy()[z]), drawn(self.transition.numpy()[z])
        return xs

    def _first(self, emitted: Tensor) -> Tensor:
        """log pi for every row, (B, S)."""
        return broadcast_to(log_softmax(self.initial), emitted.shape[1:])

    def _emitted(self, xs: Indices) -> Tensor:
        """log B[:, x_t], (T, B, S)."""
        ids, inside = indices(xs, self.emission.shape[1], self.emission.device, "symbols")
        if ids.ndim != 2 or not ids.shape[0]:
            raise ValueError(f"symbols must be (T, B) with at least one time step T, got {describe(ids)}")
        return found(take(log_softmax(self.emission).T, ids, axis=0), inside)

    def _joint(self, xs: Indices) -> Tensor:
        """log p(z_t, x_t | x_1 ... x_{t-1}), (T, B, S)."""
        emitted = self._emitted(xs)
        transition = log_softmax(self.transition)

        def step(a: Tensor, emitted: Tensor) -> tuple[Tensor, Tensor]:
            joint = a + emitted
            return logsumexp(expand_dims(log_softmax(joint), -1) + transition, axis=-2), joint

        joint: Tensor
        _, joint = scan(step, self._first(emitted), emitted)
        return joint
