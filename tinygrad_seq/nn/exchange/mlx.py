"""Weights of MLX: `layer.parameters()` of mlx.nn.RNN, LSTM and GRU, which have one layer and one direction.

MLX stores (out, in). Its GRU has one bias of r and z, and two of n.

Checked with MLX 0.32.4, outputs, states and gradients.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library

MLX = Library(
    "MLX",
    {
        RNNCell: Counterpart("RNN", {"Wxh": "Wx'", "Whh": "Wh'", "bias": "b"}),
        LSTMCell: Counterpart("LSTM", {"Wx": "Wx'", "Wh": "Wh'", "bias": "b"}),
        ResetAfterGRUCell: Counterpart("GRU", {"Wx": "Wx'", "Wh": "Wh'", "b": "b+bh r z, b n", "bhn": "bh n"}),
    },
    separator=".",
)
