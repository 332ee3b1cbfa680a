"""Recurrent cells: one step of a recurrent network, as its equations.

A cell is a pure function of state and input, `state, y = cell(state, x)`, with x (B, I) and y (B, H); its
state is h, or (h, c), each (B, H). `cell.initial_state(batch, like)` is zeros. Parameters: `Wx` (I, kH)
acts on the input, `Wh` (H, kH) on h, `b` (kH,), where k counts the gates, side by side in the order of
PyTorch: i, f, g, o and r, z, n. The projection of the input stands first, by itself: it needs no state,
and so could be computed for all time steps at once. Every parameter is drawn from
U(-1/sqrt H, 1/sqrt H).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.exponential import sigmoid, tanh
from tinygrad_seq.ops.shape import split
from tinygrad_seq.tensor import Tensor

State = Tensor | tuple["State", ...]  # what a cell carries from step to step: a tensor or a tree of them


class Cell(Module):
    """What a runner asks of a cell: a state to start from, and a step. Cells of your own inherit from it.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> class Leaky(nn.Cell):
    ...     "h' = (h + x) / 2"
    ...
    ...     def initial_state(self, batch, like):
    ...         return zeros_like(like, shape=(batch, like.shape[-1]))
    ...
    ...     def __call__(self, h, x):
    ...         h = (h + x) / 2.0
    ...         return h, h
    >>> ys, h = nn.Recurrent(Leaky())(np.ones((3, 1, 1), np.float32))
    >>> ys.numpy().ravel()
    array([0.5  , 0.75 , 0.875], dtype=float32)
    >>> nn.LSTMCell(3, 5).initial_state(batch=2, like=h)[0].shape
    (2, 5)
    """

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step for `batch` rows, of the dtype and on the device of `like`."""
        raise NotImplementedError(f"{type(self).__name__} states no initial state")

    def __call__(self, state, x):
        """One step: the next state and the output."""
        raise NotImplementedError(f"{type(self).__name__} states no equations")


class GatedCell(Cell):
    """What the cells below share: the parameters of `gates` affine maps of x and h."""

    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(hidden_size)
        width = self.gates * hidden_size
        self.Wx = Parameter(init.uniform((input_size, width), bound, rng=rng, dtype=dtype))
        self.Wh = Parameter(init.uniform((hidden_size, width), bound, rng=rng, dtype=dtype))
        self.b = Parameter(init.uniform((width,), bound, rng=rng, dtype=dtype))

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step: h = 0, (batch, H), of the dtype and on the device of `like`."""
        return zeros_like(like, shape=(batch, self.Wh.shape[0]))


class RNNCell(GatedCell):
    """The vanilla recurrent network (Elman 1990); its state is h.

        h' = tanh(x Wx + b + h Wh)

    with Wx (I, H), Wh (H, H), b (H,). The output is h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.RNNCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> h, y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape
    (1, 5)
    """

    gates = 1

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = tanh(x @ self.Wx + self.b + h @ self.Wh)
        return h, h


class LSTMCell(GatedCell):
    """Hochreiter & Schmidhuber (1997), with the forget gate of Gers et al. (2000); its state is (h, c).

        i, f, g, o = split(x Wx + b + h Wh)
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    with Wx (I, 4H), Wh (H, 4H), b (4H,). The output is h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.LSTMCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> (h, c), y = cell(cell.initial_state(1, like=x), x)
    >>> h.shape, c.shape, y.shape
    ((1, 5), (1, 5), (1, 5))
    """

    gates = 4

    def initial_state(self, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """h = c = 0, each (batch, H), of the dtype and on the device of `like`."""
        zeros = zeros_like(like, shape=(batch, self.Wh.shape[0]))
        return zeros, zeros

    def __call__(self, state: tuple[Tensor, Tensor], x: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h, c = state
        i, f, g, o = split(x @ self.Wx + self.b + h @ self.Wh, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h, c), h


class GRUCell(GatedCell):
    """The gated recurrent unit of Cho et al. (2014); its state is h. z lets the new value in:

        r, z = split(sigmoid([x, h] [Wr, Wz] + [br, bz]))
        n    = tanh(x Wxn + bn + (r h) Whn)
        h'   = (1 - z) h + z n

    with Wx (I, 3H), Wh (H, 3H), b (3H,), each of them [r, z, n]. The output is h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.GRUCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> h, y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape
    (1, 5)
    """

    gates = 3

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        gates = [2 * self.Wh.shape[0]]  # where r and z end and n begins
        x_rz, x_n = split(x @ self.Wx + self.b, gates, axis=-1)
        w_rz, w_n = split(self.Wh, gates, axis=-1)
        r, z = split(sigmoid(x_rz + h @ w_rz), 2, axis=-1)
        n = tanh(x_n + (r * h) @ w_n)
        h = (1 - z) * h + z * n
        return h, h


class ResetAfterGRUCell(GatedCell):
    """The GRU as PyTorch and cuDNN have it; its state is h. r acts after the product, z keeps the old value:

        r, z = split(sigmoid([x, h] [Wr, Wz] + [br, bz]))
        n    = tanh(x Wxn + bn + r (h Whn + bhn))
        h'   = (1 - z) n + z h

    with Wx (I, 3H), Wh (H, 3H), b (3H,), bh (3H,), each of them [r, z, n]; of bh, the blocks r and z are
    added to those of b. The output is h'. One product with Wh serves all gates, which makes it the faster
    form (Appleyard et al. 2016, Optimizing performance of recurrent neural networks on GPUs).

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.ResetAfterGRUCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> h, y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape
    (1, 5)
    """

    gates = 3

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        bound = 1 / math.sqrt(hidden_size)
        self.bh = Parameter(init.uniform((3 * hidden_size,), bound, rng=rng, dtype=dtype))

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        gates = [2 * self.Wh.shape[0]]  # where r and z end and n begins
        x_rz, x_n = split(x @ self.Wx + self.b, gates, axis=-1)
        h_rz, h_n = split(h @ self.Wh + self.bh, gates, axis=-1)
        r, z = split(sigmoid(x_rz + h_rz), 2, axis=-1)
        n = tanh(x_n + r * h_n)
        h = (1 - z) * n + z * h
        return h, h
