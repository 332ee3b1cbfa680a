"""The gated recurrent unit and its variants, including one with a single gate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import GatedCell
from tinygrad_seq.nn.module import Parameter
from tinygrad_seq.ops.exponential import sigmoid, tanh
from tinygrad_seq.ops.joining import split
from tinygrad_seq.tensor.tensor import Tensor


class GRUCell(GatedCell):
    """The gated recurrent unit of Cho et al. (2014); its state is h. z is the share of the new value:

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
    """The GRU of PyTorch and cuDNN; its state is h. r acts after the product, z is the share of the old value:

        r, z = split(sigmoid([x, h] [Wr, Wz] + [br, bz]))
        n    = tanh(x Wxn + bn + r (h Whn + bhn))
        h'   = (1 - z) n + z h

    with Wx (I, 3H), Wh (H, 3H), b (3H,), bh (3H,), each of them [r, z, n]; br and bz are the sums of these
    blocks of b and bh, and bhn is the block n of bh. The output is h'. This form is faster than `GRUCell`,
    since one product with Wh serves all gates (Appleyard et al. 2016, Optimizing performance of recurrent
    neural networks on GPUs).

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


class MinimalGatedCell(GatedCell):
    """The minimal gated unit (Zhou et al. 2016): one gate both forgets and resets; its state is h.

        f  = sigmoid(x Wxf + bf + h Whf)
        n  = tanh(x Wxn + bn + (f h) Whn)
        h' = (1 - f) h + f n

    with Wx (I, 2H), Wh (H, 2H), b (2H,), each of them [f, n]. The output is h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.MinimalGatedCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> h, y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape
    (1, 5)
    """

    gates = 2

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        x_f, x_n = split(x @ self.Wx + self.b, 2, axis=-1)
        w_f, w_n = split(self.Wh, 2, axis=-1)
        f = sigmoid(x_f + h @ w_f)
        n = tanh(x_n + (f * h) @ w_n)
        h = (1 - f) * h + f * n
        return h, h
