"""Weights of Paddle: the state dicts of paddle.nn.SimpleRNN, LSTM and GRU, and of their cells.

The names and layouts are those of PyTorch. A state dict of a network has every array twice: also under the
name of its cell, such as 0.cell.weight_ih, which is not read. Where a network has a projection (proj_size) or
one bias only (bias_ih_attr=False), Paddle gives the names without "cell" to other arrays, and loading raises an
error; rename those with "cell".

Checked with Paddle 3.3.1, outputs, states and gradients.
"""

from __future__ import annotations

from dataclasses import replace

from tinygrad_seq.nn.cells import RNNCell
from tinygrad_seq.nn.exchange.torch import TORCH

PADDLE = replace(
    TORCH,
    title="Paddle",
    layers={},
    cells={**TORCH.cells, RNNCell: TORCH.cells[RNNCell]._replace(name="SimpleRNN")},
    unread=r"(^|\.)\d+\.cell",
)
