"""Several time scales: units that change slowly, connections from several steps back, modules with periods."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import Cell, GatedCell
from tinygrad_seq.nn.cells.state import parts, single
from tinygrad_seq.nn.module import Parameter, natural, naturals
from tinygrad_seq.ops.choice import clip, where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class LeakyCell(Cell):
    """Any cell whose state is one tensor, with a time constant gamma >= 1 for each of its units; state h.

        h' = (1 - 1/gamma) h + 1/gamma cell(h, x)

    With gamma = 1 it is the cell itself; a unit with gamma = infinity never changes. `gamma` is (H,), or () for
    all units. The rates 1/gamma are the parameter `rate`; with `learned=False` they are fixed. The step clips
    them to [0, 1]: a rate that an optimizer moves outside this interval has gradient 0 from then on.
    The output is h'. (Jaeger et al. 2007; Bengio et al. 2013.) Raises ValueError if a gamma is below 1, or
    if their number is wrong; TypeError if the state is not one tensor.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell = nn.LeakyCell(nn.RNNCell(3, 2, rng=0), gamma=[1.0, float("inf")])
    >>> h, y = cell(ts.tensor([[0.5, 0.5]]), ts.tensor([[1.0, 2.0, 3.0]]))
    >>> y.numpy()[0, 1]
    np.float32(0.5)
    """

    def __init__(self, cell: Cell, gamma: ArrayLike, *, learned: bool = False) -> None:
        gamma = np.asarray(gamma)
        if gamma.dtype.kind not in "iuf" or not np.all(gamma >= 1):
            raise ValueError(
                f"LeakyCell needs time constants >= 1 (infinity for units that never change), got {gamma}"
            )
        units = single(cell.initial_state(1, like=tensor(np.zeros((1, 0)))), "LeakyCell").shape[-1]
        if gamma.shape not in ((), (1,), (units,)):
            raise ValueError(
                f"LeakyCell needs one gamma, or one for each of {units} units, got shape {gamma.shape}"
            )
        self.cell, self.input_size = cell, cell.input_size
        dtype = next((t.dtype for _, t in cell.named_tensors() if t.dtype.kind == "f"), np.float32)
        self.rate = Parameter((1 / gamma.astype(np.float64)).astype(dtype))
        self.rate.requires_grad = learned

    def initial_state(self, batch: int, like: Tensor) -> Tensor:
        """The initial state of the cell."""
        return single(self.cell.initial_state(batch, like), "LeakyCell")

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        after, _ = self.cell(h, x)
        rate = clip(self.rate, 0, 1)
        h = (1 - rate) * h + rate * after
        return h, h


class SkipCell(Cell):
    """A vanilla network with connections from the states d steps back, for several d (Lin et al. 1996).

        h_t = tanh(x_t Wx + b + sum_d h_{t-d} W_d)

    with Wx (I, H), b (H,), and Wh (D H, H), the W_d of all D distances stacked in order. Distances (1, d) add a
    connection to the ordinary one of distance 1; distances (d,) replace it. The state is the window
    (h_{t-1}, ..., h_{t-d}) for the longest distance d, initially zeros; the output is h_t. Raises ValueError
    unless the distances are distinct integers >= 1.

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
        self.input_size = natural(self, "input_size", input_size, least=0)
        hidden_size = natural(self, "hidden_size", hidden_size)
        self.distances = naturals(self, "distances", distances)
        if not self.distances or len(set(self.distances)) != len(self.distances):
            raise ValueError(f"SkipCell needs one or more distinct distances, got {self.distances}")
        rng, bound = np.random.default_rng(rng), 1 / math.sqrt(hidden_size)
        width = len(self.distances) * hidden_size
        self.Wx = Parameter(init.uniform((input_size, hidden_size), bound, rng=rng, dtype=dtype))
        self.Wh = Parameter(init.uniform((width, hidden_size), bound, rng=rng, dtype=dtype))
        self.b = Parameter(init.uniform((hidden_size,), bound, rng=rng, dtype=dtype))

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, ...]:
        """The window before the first step: zeros, each (batch, H), one for each step back."""
        zeros = zeros_like(like, shape=(batch, self.Wh.shape[1]))
        return (zeros,) * max(self.distances)

    def __call__(self, window: tuple[Tensor, ...], x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        window = parts(self, window, max(self.distances), "steps back")
        back = concatenate([window[d - 1] for d in self.distances], axis=-1)
        h = tanh(x @ self.Wx + self.b + back @ self.Wh)
        return (h, *window[:-1]), h


class ClockworkRNNCell(GatedCell):
    """The clockwork network (Koutnik et al. 2014): modules of units, each with a period; its state is (h, t).

        h_m' = tanh(x Wx + b + h Wh)_m    if t mod T_m = 0, else h_m

    for the M modules m with the `periods` T_m, each of H / M units. A module receives the state only of itself
    and of modules with longer periods: the other blocks of Wh (H, H) are masked by `hears`. As periods ascend,
    Wh is block lower triangular. t (B, M), integers, counts the steps modulo each period, from 0: all
    modules are updated at the first step. The output is h'. Raises ValueError unless the periods ascend from 1
    or more and their number divides H.

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
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        periods = naturals(self, "periods", periods)
        ascending = all(a < b for a, b in itertools.pairwise(periods))
        if not (periods and ascending) or hidden_size % len(periods):
            raise ValueError(
                f"ClockworkRNNCell needs ascending periods, whose number divides hidden_size; got periods "
                f"{periods} for hidden_size {hidden_size}"
            )
        width = hidden_size // len(periods)
        mask = np.kron(np.tril(np.ones((len(periods), len(periods)))), np.ones((width, width)))
        self.hears = tensor(mask.astype(dtype))
        self.periods = tensor(np.array(periods))

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """h = 0, (batch, H), and t = 0, (batch, M), on the device of `like`."""
        h = zeros_like(like, shape=(batch, self.Wh.shape[0]))
        return h, astype(zeros_like(like, shape=(batch, self.periods.size)), np.int64)

    def __call__(self, state: tuple[Tensor, Tensor], x: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h, t = parts(self, state, 2, "parts (h, t)")
        modules = (*h.shape[:-1], t.shape[-1], h.shape[-1] // t.shape[-1])
        after = tanh(x @ self.Wx + self.b + h @ (self.Wh * self.hears))
        moves = reshape(t == 0, (*t.shape, 1))
        h = reshape(where(moves, reshape(after, modules), reshape(h, modules)), h.shape)
        t = where(t + 1 == self.periods, 0, t + 1)
        return (h, t), h
