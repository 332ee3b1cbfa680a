"""Weights of tinygrad: `get_state_dict(cell)` of its LSTMCell, with the names of PyTorch's.

Checked with tinygrad 0.14.0, outputs, states and gradients.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import LSTMCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library
from tinygrad_seq.nn.exchange.torch import SUMMED

TINYGRAD = Library("tinygrad", {LSTMCell: Counterpart("LSTMCell", SUMMED)}, separator=".")
