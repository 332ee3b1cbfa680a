"""Weights of Flax: `variables["params"]` of linen, `nnx.state(rnn, nnx.Param)` of nnx.

The names before those of the cells are those of `RNN(cell)` and `Bidirectional(RNN(cell), RNN(cell))`; what
precedes them in a larger model, and "params", are ignored. Where two biases are added in every gate, Flax has
one. The GRU of linen also has the recurrent bias of n; that of nnx does not.

There is no counterpart of linen's MGUCell: its forget gate acts after the product, f (h Whn + bhn), and on the
old state, f h; ours acts before the product, and f is the share of the new value.

Checked with Flax 0.12.8, outputs, states and gradients.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tinygrad_seq.nn.cells import LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library, prefixed

LINEN = Library(
    "Flax linen",
    {
        RNNCell: Counterpart("SimpleCell", {"i/kernel": "Wx", "h/kernel": "Wh", "i/bias": "b"}),
        LSTMCell: Counterpart(
            "LSTMCell or OptimizedLSTMCell",
            {f"i{gate}/kernel": f"Wx {gate}" for gate in "ifgo"}
            | {f"h{gate}/kernel": f"Wh {gate}" for gate in "ifgo"}
            | {f"h{gate}/bias": f"b {gate}" for gate in "ifgo"},
        ),
        ResetAfterGRUCell: Counterpart(
            "GRUCell",
            {f"i{gate}/kernel": f"Wx {gate}" for gate in "rzn"}
            | {f"h{gate}/kernel": f"Wh {gate}" for gate in "rzn"}
            | {"ir/bias": "b+bh r", "iz/bias": "b+bh z", "in/bias": "b n", "hn/bias": "bh n"},
        ),
    },
    name=partial(prefixed, runner="cell/", directions=("forward_rnn/cell/", "backward_rnn/cell/")),
    biasless=False,
)

NNX = replace(
    LINEN,
    title="Flax nnx",
    cells={
        RNNCell: Counterpart(
            "SimpleCell", {"dense_i/kernel": "Wx", "dense_h/kernel": "Wh", "dense_i/bias": "b"}
        ),
        LSTMCell: Counterpart(
            "LSTMCell",
            {("if_/kernel" if n == "if/kernel" else n): row for n, row in LINEN.cells[LSTMCell].rows.items()},
        ),
        ResetAfterGRUCell: Counterpart(
            "GRUCell", {"dense_i/kernel": "Wx", "dense_h/kernel": "Wh", "dense_i/bias": "b+bh r z, b n"}
        ),
    },
    unread=r"(^|/)rngs/",
)

NNX_OPTIMIZED = replace(
    NNX,
    cells={
        **NNX.cells,
        LSTMCell: Counterpart(
            "OptimizedLSTMCell", {"dense_i/kernel": "Wx", "dense_h/kernel": "Wh", "dense_h/bias": "b"}
        ),
    },
)
