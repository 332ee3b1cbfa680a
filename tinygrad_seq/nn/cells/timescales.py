"""Several time scales: units that move slowly, connections from far back, modules that wait for their turn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import Cell, GatedCell, single
from tinygrad_seq.nn.module import Parameter
from tinygrad_seq.ops.choice import clip, where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.ops.shape import concatenate, reshape
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class LeakyCell(Cell):
    """Any cell whose state is one tensor, with a time constant gamma >= 1 for each of its units; state h.

        h' = (1 - 1/gamma) h + 1/gamma cell(h, x)

    gamma = 1 is the cell itself, gamma = infinity never moves. The rates 1/gamma, (H,) or () for all units,
    are the parameter `rate`, held within [0, 1] where they are used; a step of the optimizer that leads beyond
    leaves them without a gradient, for good. Without `learned` they stay as they are.
    The output is h'. (Jaeger et al. 2007; Bengio et al. 2013.) ValueError for a gamma below 1.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell = nn.LeakyCell(nn.RNNCell(3, 2, rng=0), gamma=[1.0, float("inf")])
    >>> h, y = cell(ts.tensor([[0.5, 0.5]]), ts.tensor([[1.0, 2.0, 3.0]]))
    >>> y.numpy()[0, 1]
    np.float32(0.5)
    """

    def __init__(self, cell: Cell, gamma: ArrayLike, *, learned: bool = False) -> None:
        gamma = np.asarray(gamma, np.float64)
        if not np.all(gamma >= 1):
            raise ValueError(f"a time constant is 1 or more, infinity for units that do not move, not {gamma}")
        self.cell = cell
        self.rate = Parameter((1 / gamma).astype(cell.parameters()[0].dtype))
        self.rate.requires_grad = learned

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        """That of the cell; TypeError unless it is one tensor."""
        return single(self.cell.initial_state(batch, like), "a LeakyCell")

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        after, _ = self.cell(h, x)
        rate = clip(self.rate, 0, 1)
        h = (1 - rate) * h + rate * after
        return h, h


class SkipCell(Cell):
    """A vanilla network that sees its states of some distances d back (Lin et al. 1996); state (h, ...).

        h_t = tanh(x_t Wx + b + sum_d h_{t-d} W_d)

    with Wx (I, H), b (H,), and Wh, the W_d of all distances in turn, (D H, H). Distances (1, d) add a
    connection to the ordinary one, (d,) puts it in its place. The state is the window (h_{t-1}, ..., h_{t-d})
    of the longest distance, at first zeros; the output is h_t. ValueError for distances that are no different
    whole numbers from 1 on.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.SkipCell(3, 5, distances=(1, 4), rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> window, y = cell(cell.initial_state(1, like=x), x)
    >>> len(window), y.shape
    (4, (1, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        distances: Sequence[int] = (1, 4),
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.distances = tuple(distances)
        whole = all(isinstance(d, int) and d >= 1 for d in self.distances)
        if not (whole and self.distances and len(set(self.distances)) == len(self.distances)):
            raise ValueError(f"the distances are different whole numbers from 1 on, not {self.distances}")
        rng, bound = np.random.default_rng(rng), 1 / math.sqrt(hidden_size)
        width = len(self.distances) * hidden_size
        self.Wx = Parameter(init.uniform((input_size, hidden_size), bound, rng=rng, dtype=dtype))
        self.Wh = Parameter(init.uniform((width, hidden_size), bound, rng=rng, dtype=dtype))
        self.b = Parameter(init.uniform((hidden_size,), bound, rng=rng, dtype=dtype))

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, ...]:
        """The states before the first step: zeros, (batch, H) each, the latest first."""
        zeros = zeros_like(like, shape=(batch, self.Wh.shape[1]))
        return (zeros,) * max(self.distances)

    def __call__(self, window: tuple[Tensor, ...], x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        back = concatenate([window[d - 1] for d in self.distances], axis=-1)
        h = tanh(x @ self.Wx + self.b + back @ self.Wh)
        return (h, *window[:-1]), h


class ClockworkRNNCell(GatedCell):
    """The clockwork network (Koutnik et al. 2014): modules of units, each with a period; its state is (h, t).

        h_m' = tanh(x Wx + b + h Wh)_m    if t mod T_m = 0, else h_m

    for the modules m with the `periods` T_m, of H / M units each. A module hears those of its own and of longer
    periods alone: of Wh (H, H) blocks are masked, so that it is lower triangular, as periods ascend. t, (B, M)
    integers, counts the steps modulo each period, from 0, at which all move. The output is h'. ValueError for
    periods that do not ascend from 1 or more, or whose number does not divide H.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.ClockworkRNNCell(3, 4, periods=(1, 2), rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> state, first = cell(cell.initial_state(1, like=x), x)
    >>> state, second = cell(state, 2.0 * x)
    >>> (first == second).numpy()
    array([[False, False,  True,  True]])
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        periods: Sequence[int] = (1, 2, 4, 8),
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        periods = tuple(periods)
        ascending = all(a < b for a, b in zip((0, *periods), periods, strict=False))
        if not (periods and ascending) or hidden_size % len(periods):
            raise ValueError(
                f"the periods ascend from 1 or more, and their number divides the units: not {periods} of "
                f"{hidden_size} units"
            )
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        width = hidden_size // len(periods)
        hears = np.kron(np.tril(np.ones((len(periods), len(periods)))), np.ones((width, width)))
        self.hears = tensor(hears.astype(dtype))
        self.periods = tensor(np.array(periods))

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """h = 0, (batch, H), and t = 0, (batch, M), on the device of `like`."""
        h = zeros_like(like, shape=(batch, self.Wh.shape[0]))
        return h, astype(zeros_like(like, shape=(batch, self.periods.size)), np.int64)

    def __call__(self, state: tuple[Tensor, Tensor], x: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h, t = state
        modules = (*h.shape[:-1], t.shape[-1], h.shape[-1] // t.shape[-1])
        after = tanh(x @ self.Wx + self.b + h @ (self.Wh * self.hears))
        moves = reshape(t == 0, (*t.shape, 1))
        h = reshape(where(moves, reshape(after, modules), reshape(h, modules)), h.shape)
        t = where(t + 1 == self.periods, 0, t + 1)
        return (h, t), h
