"""Weights of Chainer: the arrays of links.LSTM or links.StatelessLSTM, as `save_npz` names them.

Chainer stores (out, in), with the gates g, i, f, o of the first unit, then those of the second.

Checked with the equations of functions.lstm in Chainer 7.8.1, written in NumPy.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import LSTMCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library

CHAINER = Library(
    "Chainer",
    {
        LSTMCell: Counterpart(
            "links.LSTM", {"upward/W": "Wx' gifo", "upward/b": "b gifo", "lateral/W": "Wh' gifo"}
        ),
    },
    biasless=False,
)
