"""Weights of ONNX: the inputs W, R, B and P of the operators RNN, LSTM and GRU (opset 7 to 22).

ONNX stores (out, in), with the gates i, o, f, g and z, r, n, and an array contains both directions along its
first axis. B is [Wb, Rb], two biases that are added, except for the n of a GRU with linear_before_reset=1. The
attributes of a node are not in its weights; those that the cells need are in the names below.

With input_forget=1, f is 1 - i: the i of ONNX is the negated f of ours, and its block f is not used. With
linear_before_reset=0, z is the share of the old value, which ours negates.

Checked with ONNX 1.23.2 and ONNX Runtime 1.32.0, outputs and states.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import (
    CoupledLSTMCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
    ResetAfterGRUCell,
    RNNCell,
)
from tinygrad_seq.nn.exchange.tables import Counterpart, Library


def summed(gates: str) -> dict[str, str]:
    """W and R with these gates, and two biases that are added."""
    return {"W": f"Wx'{gates}", "R": f"Wh'{gates}", "B": f"b{gates}, +b{gates}"}


ONNX = Library(
    "ONNX",
    {
        RNNCell: Counterpart("RNN", summed("")),
        LSTMCell: Counterpart("LSTM", summed(" i o f g")),
        PeepholeLSTMCell: Counterpart("LSTM with P", summed(" i o f g") | {"P": "p_i, p_o, p_f"}),
        CoupledLSTMCell: Counterpart("LSTM with input_forget=1", summed(" -f o 0 g")),
        GRUCell: Counterpart("GRU with linear_before_reset=0", summed(" -z r n")),
        ResetAfterGRUCell: Counterpart(
            "GRU with linear_before_reset=1", summed(" z r n") | {"B": "b z r n, bh z r n"}
        ),
    },
    paired=True,
)
