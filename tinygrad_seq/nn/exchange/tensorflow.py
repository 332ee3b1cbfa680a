"""Weights of TensorFlow's fused LSTM: the inputs w and b of tf.raw_ops.BlockLSTM and BlockLSTMV2, and wci, wcf,
wco where use_peephole is set. The layers of tf.keras are those of Keras.

Both have one matrix for [x; h]. BlockLSTM has the gates i, g, f, o and adds its attribute forget_bias, by
default 1, to f; BlockLSTMV2 has our order. Both clip c by the attribute cell_clip, by default 3 in BlockLSTM:
pass cell_clip=0, or the outputs differ.

Checked with TensorFlow 2.21.0, outputs and states, and gradients of BlockLSTM; those of BlockLSTMV2 are wrong
there (findings/tensorflow_block_lstm_v2_gradient.sh).
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import LSTMCell, PeepholeLSTMCell
from tinygrad_seq.nn.exchange.tables import Counterpart, Library

FORGET_BIAS = {"w": "Wx i g f o; Wh i g f o", "b": "b i g f-1 o"}
PLAIN = {"w": "Wx; Wh", "b": "b"}
PEEPHOLES = {"wci": "p_i", "wcf": "p_f", "wco": "p_o"}

BLOCK_LSTM, BLOCK_LSTM_V2 = (
    Library(
        "TensorFlow",
        {
            LSTMCell: Counterpart(name, rows),
            PeepholeLSTMCell: Counterpart(f"{name} with use_peephole", {**rows, **PEEPHOLES}),
        },
        biasless=False,
    )
    for name, rows in {"BlockLSTM": FORGET_BIAS, "BlockLSTMV2": PLAIN}.items()
)
