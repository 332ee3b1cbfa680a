"""Weights of Flax: `variables["params"]` of linen, `nnx.state(rnn, nnx.Param)` of nnx.

The names before those of the cells are those of `RNN(cell)` and `Bidirectional(RNN(cell), RNN(cell))`; what
precedes them in a larger model, and "params", are ignored. Where two biases are added in every gate, Flax has
one. The GRU of linen also has the recurrent bias of n; that of nnx does not.

MGUCell of linen, a minimal gated unit, is the GRU with one gate for both r and z: a `ResetAfterGRUCell` whose
blocks r and z are equal (training makes them differ). `MinimalGatedCell` is another cell: its gate
acts before the product with Whn, and is the share of the new value. Without reset_gate, an MGUCell has no
counterpart.

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

MGU = replace(
    LINEN,
    cells={
        ResetAfterGRUCell: Counterpart(
            "MGUCell",
            {
                "if/kernel": "Wx r=z",
                "in/kernel": "Wx n",
                "hf/kernel": "Wh r=z",
                "hn/kernel": "Wh n",
                "if/bias": "b+bh r=z",
                "in/bias": "b n",
                "hn/bias": "bh n",
            },
        )
    },
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
