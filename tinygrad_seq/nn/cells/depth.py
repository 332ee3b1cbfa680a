"""The depth-gated LSTM: a gate passes the memory c from a layer to the layer above."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import Cell
from tinygrad_seq.nn.cells.lstm import LSTMCell, Pair
from tinygrad_seq.nn.cells.state import parts
from tinygrad_seq.nn.module import Module, Parameter, natural
from tinygrad_seq.ops.exponential import sigmoid, tanh
from tinygrad_seq.ops.joining import split
from tinygrad_seq.tensor.tensor import Tensor


class DepthGate(Module):
    """d = sigmoid(x Wd + bd + w_c c + w_l c_below): the share of the lower layer's memory to add."""

    def __init__(self, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32) -> None:
        rng, bound = np.random.default_rng(rng), 1 / math.sqrt(hidden_size)
        self.Wd = Parameter(init.uniform((hidden_size, hidden_size), bound, rng=rng, dtype=dtype))
        self.bd, self.w_c, self.w_l = (
            Parameter(init.uniform((hidden_size,), bound, rng=rng, dtype=dtype)) for _ in range(3)
        )

    def __call__(self, x: Tensor, c: Tensor, below: Tensor) -> Tensor:
        return sigmoid(x @ self.Wd + self.bd + self.w_c * c + self.w_l * below)


class DepthGatedLSTM(Cell):
    """Layers of LSTMs with a gate from the memory of each layer to the layer above (Yao et al. 2015).

        i, f, g, o = split(x Wx + b + h Wh)
        d  = sigmoid(x Wd + bd + w_c c + w_l c_below')
        c' = sigmoid(f) c + sigmoid(i) tanh(g) + d c_below'
        h' = sigmoid(o) tanh(c')

    in every layer except the first, which is an LSTM; x is the h' of the layer below. Each layer has the
    parameters of the LSTM; `gates` holds Wd (H, H) and bd, w_c, w_l (H,) for every layer except the first. The
    state is a tuple of (h, c) for each layer, and the output is the h' of the last layer. Raises ValueError if
    layers < 1.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.DepthGatedLSTM(3, 5, layers=2, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> ((h1, c1), (h2, c2)), y = cell(cell.initial_state(1, like=x), x)
    >>> y is h2, y.shape
    (True, (1, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        layers: int = 2,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.input_size = natural(self, "input_size", input_size, least=0)
        hidden_size, layers = natural(self, "hidden_size", hidden_size), natural(self, "layers", layers)
        rng = np.random.default_rng(rng)
        sizes = [input_size] + [hidden_size] * (layers - 1)
        self.layers = [LSTMCell(size, hidden_size, rng=rng, dtype=dtype) for size in sizes]
        self.gates = [DepthGate(hidden_size, rng=rng, dtype=dtype) for _ in sizes[1:]]

    def initial_state(self, batch: int, like: Tensor) -> tuple[Pair, ...]:
        """h = c = 0 for every layer, each (batch, H), with the dtype and the device of `like`."""
        return tuple(layer.initial_state(batch, like) for layer in self.layers)

    def __call__(self, state: tuple[Pair, ...], x: Tensor) -> tuple[tuple[Pair, ...], Tensor]:
        state = parts(self, state, len(self.layers), "layers")
        first, x = self.layers[0](state[0], x)
        after = [first]
        for layer, gate, (h, c) in zip(self.layers[1:], self.gates, state[1:], strict=True):
            i, f, g, o = split(x @ layer.Wx + layer.b + h @ layer.Wh, 4, axis=-1)
            below = after[-1][1]
            c = sigmoid(f) * c + sigmoid(i) * tanh(g) + gate(x, c, below) * below
            x = sigmoid(o) * tanh(c)
            after.append((x, c))
        return tuple(after), x
