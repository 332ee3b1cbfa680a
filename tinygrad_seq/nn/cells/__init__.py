"""Recurrent cells: each class computes one time step of a recurrent network, as its equations.

This folder holds basic cells and cells that wrap other cells; code that runs a cell over a sequence belongs in
`nn/runners`. A module here may import from this folder, from modules directly in `nn`, and from lower layers
(`scan`, `tensor`, `ops`, `tree`, `engine`), but no runner.

`CELLS` is the registry: it maps a name to a constructor with the arguments (input_size, hidden_size, *, rng,
dtype). Tests check every entry against its laws (properties that each cell must have), and examples enumerate
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.cells.cell import Cell, GatedCell
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
from tinygrad_seq.nn.cells.state import State
from tinygrad_seq.nn.cells.timescales import ClockworkRNNCell, LeakyCell, SkipCell


def rectified(*sizes: int, **options: Any) -> Cell:
    """The vanilla network with relu; if Wh is the identity, it is the IRNN."""
    return RNNCell(*sizes, activation="relu", **options)


def leaky(*sizes: int, **options: Any) -> Cell:
    """The vanilla network with one learned time constant, initially 2."""
    return LeakyCell(RNNCell(*sizes, **options), 2.0, learned=True)


def clockwork(input_size: int, hidden_size: int, **options: Any) -> Cell:
    """Periods 1, 2, 4, ...; the number of modules is the largest one up to 5 that divides the units."""
    hidden_size = integer("ClockworkRNNCell", "hidden_size", hidden_size, "[1, inf)")
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
