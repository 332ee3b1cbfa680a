"""The long short-term memory and its variants, which differ in the inputs and the number of their gates."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import Cell, GatedCell
from tinygrad_seq.nn.cells.state import parts
from tinygrad_seq.nn.layers import LayerNorm
from tinygrad_seq.nn.module import Parameter, natural
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.exponential import sigmoid, tanh
from tinygrad_seq.ops.joining import split
from tinygrad_seq.tensor.tensor import Tensor

Pair = tuple[Tensor, Tensor]  # (h, c)


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

    def initial_state(self, batch: int, like: Tensor) -> Pair:
        """h = c = 0, each (batch, H), with the dtype and the device of `like`."""
        zeros = zeros_like(like, shape=(batch, self.Wh.shape[0]))
        return zeros, zeros

    def __call__(self, state: Pair, x: Tensor) -> tuple[Pair, Tensor]:
        h, c = parts(self, state, 2, "parts (h, c)")
        i, f, g, o = split(x @ self.Wx + self.b + h @ self.Wh, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h, c), h


class PeepholeLSTMCell(LSTMCell):
    """The LSTM with peepholes: the gates of a unit also receive its c (Gers & Schmidhuber 2000); state (h, c).

        i, f, g, o = split(x Wx + b + h Wh)
        c' = sigmoid(f + p_f c) c + sigmoid(i + p_i c) tanh(g)
        h' = sigmoid(o + p_o c') tanh(c')

    with the parameters of the LSTM and p_i, p_f, p_o (H,). The output gate receives the new c'. The output is
    h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.PeepholeLSTMCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> (h, c), y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape, cell.p_i.shape
    ((1, 5), (5,))
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        bound = 1 / math.sqrt(hidden_size)
        self.p_i, self.p_f, self.p_o = (
            Parameter(init.uniform((hidden_size,), bound, rng=rng, dtype=dtype)) for _ in range(3)
        )

    def __call__(self, state: Pair, x: Tensor) -> tuple[Pair, Tensor]:
        h, c = parts(self, state, 2, "parts (h, c)")
        i, f, g, o = split(x @ self.Wx + self.b + h @ self.Wh, 4, axis=-1)
        c_new = sigmoid(f + self.p_f * c) * c + sigmoid(i + self.p_i * c) * tanh(g)
        h = sigmoid(o + self.p_o * c_new) * tanh(c_new)
        return (h, c_new), h


class FullPeepholeLSTMCell(LSTMCell):
    """The peepholes of the lecture's slide, W [C, h, x]: every gate receives all of c; the state is (h, c).

        i, f, g, o = split(x Wx + b + h Wh)
        c' = sigmoid(f + c Wcf) c + sigmoid(i + c Wci) tanh(g)
        h' = sigmoid(o + c' Wco) tanh(c')

    with the parameters of the LSTM and Wc (H, 3H), [Wci, Wcf, Wco]. If these three matrices are diagonal, it is
    the PeepholeLSTMCell. The output is h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.FullPeepholeLSTMCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> (h, c), y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape, cell.Wc.shape
    ((1, 5), (5, 15))
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        rng = np.random.default_rng(rng)
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        bound = 1 / math.sqrt(hidden_size)
        self.Wc = Parameter(init.uniform((hidden_size, 3 * hidden_size), bound, rng=rng, dtype=dtype))

    def __call__(self, state: Pair, x: Tensor) -> tuple[Pair, Tensor]:
        h, c = parts(self, state, 2, "parts (h, c)")
        i, f, g, o = split(x @ self.Wx + self.b + h @ self.Wh, 4, axis=-1)
        before, after = split(self.Wc, [2 * self.Wh.shape[0]], axis=-1)
        c_i, c_f = split(c @ before, 2, axis=-1)
        c = sigmoid(f + c_f) * c + sigmoid(i + c_i) * tanh(g)
        h = sigmoid(o + c @ after) * tanh(c)
        return (h, c), h


class CoupledLSTMCell(LSTMCell):
    """The LSTM with one gate for both forgetting and writing; its state is (h, c).

        f, g, o = split(x Wx + b + h Wh)
        c' = sigmoid(f) c + (1 - sigmoid(f)) tanh(g)
        h' = sigmoid(o) tanh(c')

    with Wx (I, 3H), Wh (H, 3H), b (3H,). The output is h'. (The CIFG of Greff et al. 2017, LSTM: a search space
    odyssey.)

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.CoupledLSTMCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> (h, c), y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape, cell.b.shape
    ((1, 5), (15,))
    """

    gates = 3

    def __call__(self, state: Pair, x: Tensor) -> tuple[Pair, Tensor]:
        h, c = parts(self, state, 2, "parts (h, c)")
        f, g, o = split(x @ self.Wx + self.b + h @ self.Wh, 3, axis=-1)
        f = sigmoid(f)
        c = f * c + (1 - f) * tanh(g)
        h = sigmoid(o) * tanh(c)
        return (h, c), h


class LayerNormLSTMCell(Cell):
    """The layer-normalised LSTM (Ba, Kiros & Hinton 2016); its state is (h, c).

        i, f, g, o = split(LN_x(x Wx) + LN_h(h Wh))
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(LN_c(c'))

    with Wx (I, 4H), Wh (H, 4H). LN_x, LN_h (of size 4H) and LN_c (of size H) are `nn.LayerNorm`; the biases of
    LN_x and LN_h are the biases of the gates. The output is h'.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.LayerNormLSTMCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> (h, c), y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape, cell.norm_x.bias.shape
    ((1, 5), (20,))
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        self.input_size = natural(self, "input_size", input_size, least=0)
        hidden_size = natural(self, "hidden_size", hidden_size)
        rng = np.random.default_rng(rng)
        bound, width = 1 / math.sqrt(hidden_size), 4 * hidden_size
        self.Wx = Parameter(init.uniform((input_size, width), bound, rng=rng, dtype=dtype))
        self.Wh = Parameter(init.uniform((hidden_size, width), bound, rng=rng, dtype=dtype))
        self.norm_x, self.norm_h = LayerNorm(width, dtype=dtype), LayerNorm(width, dtype=dtype)
        self.norm_c = LayerNorm(hidden_size, dtype=dtype)

    def initial_state(self, batch: int, like: Tensor) -> Pair:
        """h = c = 0, each (batch, H), with the dtype and the device of `like`."""
        zeros = zeros_like(like, shape=(batch, self.Wh.shape[0]))
        return zeros, zeros

    def __call__(self, state: Pair, x: Tensor) -> tuple[Pair, Tensor]:
        h, c = parts(self, state, 2, "parts (h, c)")
        i, f, g, o = split(self.norm_x(x @ self.Wx) + self.norm_h(h @ self.Wh), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h = sigmoid(o) * tanh(self.norm_c(c))
        return (h, c), h
