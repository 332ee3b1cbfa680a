"""Recurrent cells: one step of a recurrent network, as its equations.

`CELLS` is the registry: every kind of cell by its name, made by (input_size, hidden_size, *, rng, dtype). Tests
hold each of them to the laws, and examples enumerate them.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_seq.nn.cells.cell import Cell, GatedCell, State
from tinygrad_seq.nn.cells.depth import DepthGatedLSTM
from tinygrad_seq.nn.cells.gru import GRUCell, MinimalGatedCell, ResetAfterGRUCell
from tinygrad_seq.nn.cells.lstm import (
    CoupledLSTMCell,
    FullPeepholeLSTMCell,
    LayerNormLSTMCell,
    LSTMCell,
    PeepholeLSTMCell,
)
from tinygrad_seq.nn.cells.reservoir import EchoStateCell, LiquidStateCell
from tinygrad_seq.nn.cells.rnn import RNNCell
from tinygrad_seq.nn.cells.timescales import ClockworkRNNCell, LeakyCell, SkipCell


def rectified(*sizes: int, **options) -> Cell:
    """The vanilla network with relu; with the identity for Wh it is the IRNN."""
    return RNNCell(*sizes, activation="relu", **options)


def leaky(*sizes: int, **options) -> Cell:
    """The vanilla network, half as fast at first."""
    return LeakyCell(RNNCell(*sizes, **options), 2.0, learned=True)


def clockwork(input_size: int, hidden_size: int, **options) -> Cell:
    """Periods 1, 2, 4, ... for as many modules as the units make, five at most."""
    modules = next(m for m in (5, 4, 3, 2, 1) if hidden_size % m == 0)
    return ClockworkRNNCell(input_size, hidden_size, periods=[2**m for m in range(modules)], **options)


CELLS: dict[str, Callable[..., Cell]] = {
    "RNN": RNNCell,
    "rectified RNN": rectified,
    "leaky RNN": leaky,
    "skip RNN": SkipCell,
    "clockwork RNN": clockwork,
    "LSTM": LSTMCell,
    "peephole LSTM": PeepholeLSTMCell,
    "full peephole LSTM": FullPeepholeLSTMCell,
    "coupled LSTM": CoupledLSTMCell,
    "layer-normalised LSTM": LayerNormLSTMCell,
    "depth-gated LSTM": DepthGatedLSTM,
    "GRU": GRUCell,
    "reset-after GRU": ResetAfterGRUCell,
    "minimal gated unit": MinimalGatedCell,
    "echo state network": EchoStateCell,
    "liquid state machine": LiquidStateCell,
}

__all__ = [
    "CELLS",
    "Cell",
    "ClockworkRNNCell",
    "CoupledLSTMCell",
    "DepthGatedLSTM",
    "EchoStateCell",
    "FullPeepholeLSTMCell",
    "GRUCell",
    "GatedCell",
    "LSTMCell",
    "LayerNormLSTMCell",
    "LeakyCell",
    "LiquidStateCell",
    "MinimalGatedCell",
    "PeepholeLSTMCell",
    "RNNCell",
    "ResetAfterGRUCell",
    "SkipCell",
    "State",
]
