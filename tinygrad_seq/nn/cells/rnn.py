"""The vanilla recurrent network, with tanh or relu."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.cell import GatedCell
from tinygrad_seq.ops.choice import relu
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.tensor.tensor import Tensor

ACTIVATIONS = {"tanh": tanh, "relu": relu}


class RNNCell(GatedCell):
    """The vanilla recurrent network (Elman 1990); its state is h.

        h' = f(x Wx + b + h Wh)

    with Wx (I, H), Wh (H, H), b (H,), and f = tanh or relu. The output is h'. With relu and the identity for
    Wh, `cell.Wh.assign_(nn.init.identity(H))`, it is the IRNN (Le, Jaitly & Hinton 2015), which initially
    forgets nothing. Raises ValueError for another activation.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> cell, x = nn.RNNCell(3, 5, rng=0), ts.tensor([[1.0, 2.0, 3.0]])
    >>> h, y = cell(cell.initial_state(1, like=x), x)
    >>> y.shape
    (1, 5)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if not isinstance(activation, str) or activation not in ACTIVATIONS:
            raise ValueError(f"RNNCell: activation must be one of {', '.join(ACTIVATIONS)}, not {activation!r}")
        super().__init__(input_size, hidden_size, rng=rng, dtype=dtype)
        self.activation = activation

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        h = ACTIVATIONS[self.activation](x @ self.Wx + self.b + h @ self.Wh)
        return h, h
