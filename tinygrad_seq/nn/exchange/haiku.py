"""Weights of Haiku: the parameters of a function with hk.LSTM, hk.GRU or hk.VanillaRNN, by the names that Haiku
gives: lstm, lstm_1, ... in the order of the layers, forward before backward.

The LSTM has one matrix for [x; h] and the gates i, g, f, o, and adds 1 to f itself. The GRU has z, r, n. The
vanilla network has relu, and two biases; one that was made with double_bias=False lacks the second, linear_1/b:
give zeros for it.

Checked with Haiku 0.0.17, outputs, states and gradients.
"""

from __future__ import annotations

from tinygrad_seq.nn.cells import GRUCell, LSTMCell, RNNCell
from tinygrad_seq.nn.exchange.places import Place
from tinygrad_seq.nn.exchange.tables import Counterpart, Library


def numbered(name: str, place: Place) -> str:
    """lstm_1/linear/w: the second LSTM."""
    module, _, rest = name.partition("/")
    return f"{module}_{place.nth}/{rest}" if place.nth else name


HAIKU = Library(
    "Haiku",
    {
        RNNCell: Counterpart(
            "VanillaRNN",
            {
                "vanilla_rnn/linear/w": "Wx",
                "vanilla_rnn/linear/b": "b",
                "vanilla_rnn/linear_1/w": "Wh",
                "vanilla_rnn/linear_1/b": "+b",
            },
            fixed={"activation": "relu"},
        ),
        LSTMCell: Counterpart(
            "LSTM", {"lstm/linear/w": "Wx i g f o; Wh i g f o", "lstm/linear/b": "b i g f-1 o"}
        ),
        GRUCell: Counterpart("GRU", {"gru/w_i": "Wx z r n", "gru/w_h": "Wh z r n", "gru/b": "b z r n"}),
    },
    name=numbered,
    biasless=False,
)
