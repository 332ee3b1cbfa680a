"""Weights of Keras 3: `layer.get_weights()`, a list, or the arrays by the names of this table.

Keras stores matrices as we do. Its GRU has the blocks z, r, n, and with reset_after=False z is the share of the
old value, so that the block is negated. `get_weights` of Bidirectional lists forward first; of
RNN(StackedRNNCells) cell by cell, and of a Sequential layer by layer, as `Layers` does.

Checked with Keras 3.15.1 on JAX, outputs, states and gradients.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import GRUCell, LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library

PLAIN = {"kernel": "Wx", "recurrent_kernel": "Wh", "bias": "b"}

KERAS = Library(
    "Keras",
    {
        RNNCell: Counterpart("SimpleRNN", PLAIN),
        LSTMCell: Counterpart("LSTM", PLAIN),
        GRUCell: Counterpart(
            "GRU with reset_after=False",
            {"kernel": "Wx -z r n", "recurrent_kernel": "Wh -z r n", "bias": "b -z r n"},
        ),
        ResetAfterGRUCell: Counterpart(
            "GRU", {"kernel": "Wx z r n", "recurrent_kernel": "Wh z r n", "bias": "b z r n; bh z r n"}
        ),
    },
)
