"""Weights of Equinox: `vars(cell)` of a cell of equinox.nn; of two directions, a dict of forward and backward.

Equinox stores (out, in). Where two biases are added in every gate it has one; its GRU has the recurrent bias of
n, `bias_n`.

Checked with Equinox 0.13.8, outputs, states and gradients.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import LSTMCell, ResetAfterGRUCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library

MATRICES = {"weight_ih": "Wx'", "weight_hh": "Wh'"}

EQUINOX = Library(
    "Equinox",
    {
        LSTMCell: Counterpart("LSTMCell", {**MATRICES, "bias": "b"}),
        ResetAfterGRUCell: Counterpart("GRUCell", {**MATRICES, "bias": "b+bh r z, b n", "bias_n": "bh n"}),
    },
    unread=r"(^|/)(input_size|hidden_size|use_bias)$",  # they are among vars(cell)
)
