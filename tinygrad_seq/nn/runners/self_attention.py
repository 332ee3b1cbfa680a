"""Self-attention: every step of a sequence attends to all steps at once, without a loop over time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.precision import rounded, wide
from tinygrad_seq.nn import init
from tinygrad_seq.nn.attention import ScaledDotScore, attend
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.cells.fitting import refuse_sequence
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.module import Input, Module, natural
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.cumulative import cumsum
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.joining import split, unstack
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, reshape, transpose
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.ops.trigonometric import sin
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class SelfAttention(Runner):
    """Every step of a sequence attends to all steps, with several heads in parallel (Vaswani et al. 2017).

        q, k, v = split(x W + b),   c_j = attend(q_j' k_j / sqrt d, v_j) for each head j, d = size / heads,
        y = [c_1; ...; c_heads] W_o + b_o

    It is called like a runner, with () as its state. It ignores the order of the steps; `Positions` adds their
    positions to the input.

    xs       (T, B, size), and so are ys
    lengths  integers (B,): steps past them are not attended to, and y is 0 there

    The summary is the mean of the outputs within the lengths. Raises ValueError unless `heads` divides `size`,
    if there is no time step, and as for `Recurrent`.

    >>> from tinygrad_seq import nn
    >>> look = nn.SelfAttention(6, heads=2, rng=0)
    >>> ys, _ = look(ts.ones((5, 3, 6)), lengths=[5, 2, 0])
    >>> ys.shape, look.summary(ts.ones((5, 3, 6)))[0].shape
    ((5, 3, 6), (3, 6))
    >>> ys, weights = look.attended(ts.ones((5, 3, 6)), lengths=[5, 2, 0])
    >>> weights.shape, weights[1, 0, 0].numpy()
    ((3, 2, 5, 5), array([0.5, 0.5, 0. , 0. , 0. ], dtype=float32))
    """

    batch_first = False

    def __init__(
        self, size: int, *, heads: int = 1, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        size, heads = natural(self, "size", size), natural(self, "heads", heads)
        if size % heads:
            raise ValueError(f"SelfAttention needs heads that divide size, got {heads} heads and size {size}")
        rng = np.random.default_rng(rng)
        self.heads = heads
        self.projection = Linear(size, 3 * size, rng=rng, dtype=dtype)
        self.output = Linear(size, size, rng=rng, dtype=dtype)
        self.score = ScaledDotScore()

    def attended(self, xs: Input, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """The outputs (T, B, size), and the weights (B, heads, T, T) of each step over all steps."""
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        refuse_sequence(type(self).__name__, xs, self.output.weight.shape[0])
        keep = None
        if lengths is not None:
            xs = cut(xs, lengths)
            keep = expand_dims(transpose(within(lengths, xs)[0]), (1, 2))  # (B, 1, 1, T)
        queries, keys, values = (self._by_head(part) for part in split(self.projection(xs), 3, axis=-1))
        contexts, weights = attend(self.score(queries, keys), values, keep)
        ys = self.output(reshape(transpose(contexts, (2, 0, 1, 3)), xs.shape))
        return cut(ys, lengths), weights

    def _by_head(self, xs: Tensor) -> Tensor:
        """xs (T, B, size) rearranged to (B, heads, T, d)."""
        steps, batch, size = xs.shape
        return transpose(reshape(xs, (steps, batch, self.heads, size // self.heads)), (1, 2, 0, 3))

    def __call__(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        if tree.leaves(state):
            raise ValueError(f"self-attention has no state, got {describe(state)}; pass None or ()")
        return self.attended(xs, lengths)[0], ()

    def summary(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The mean of the outputs within the lengths, (B, size), 0 for a row of length 0; and the state ()."""
        ys, state = self(xs, state, lengths)
        if lengths is None:
            return mean(ys, 0), state
        inside, _ = within(lengths, ys)
        sums = total(wide(ys), 0)
        count = astype(total(inside, 0), sums.dtype)
        return rounded(sums / expand_dims(where(count == 0, 1.0, count), -1), ys), state


class Positions(Module):
    """y_t = x_t + p_t for x (T, B, size) of any length: adds the position of each step to its vector.

        p_t,2i = sin(t / 10000^(2i / size)),   p_t,2i+1 = cos(t / 10000^(2i / size))

    (Vaswani et al. 2017, 3.5.) Raises ValueError if x has another rank.

    >>> from tinygrad_seq import nn
    >>> nn.Positions()(ts.zeros((3, 1, 2)))[:, 0].numpy().round(3)
    array([[ 0.   ,  1.   ],
           [ 0.841,  0.54 ],
           [ 0.909, -0.416]], dtype=float32)
    """

    def __call__(self, xs: Input) -> Tensor:
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        if xs.ndim != 3:
            raise ValueError(f"Positions needs xs (T, B, size), got {describe(xs)}")
        steps, _, size = xs.shape
        i = np.arange(size)
        waves = np.stack([10000 ** -(i // 2 * 2 / max(size, 1)), i % 2 * math.pi / 2])  # cos a = sin(a + pi/2)
        rates, phases = unstack(tensor(waves, device=xs.device))
        t = cumsum(astype(ones_like(xs, shape=(steps, 1, 1)), np.float64), 0) - 1
        return xs + astype(sin(t * rates + phases), xs.dtype)
