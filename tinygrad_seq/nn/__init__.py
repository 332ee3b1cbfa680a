"""Networks: modules, layers, recurrent cells and their runners, losses, weights from and to PyTorch."""

from typing import NoReturn

from tinygrad_seq import habits
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import Cell, GRUCell, LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.combinators import Stacked
from tinygrad_seq.nn.exchange import from_torch, to_torch
from tinygrad_seq.nn.layers import Dropout, Embedding, LayerNorm, Linear, Sequential
from tinygrad_seq.nn.losses import binary_cross_entropy_with_logits, cross_entropy, huber, mse
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.nn.recurrent import Bidirectional, Layers, Recurrent

__all__ = [
    "Bidirectional",
    "Cell",
    "Dropout",
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "LayerNorm",
    "Layers",
    "Linear",
    "Module",
    "Parameter",
    "RNNCell",
    "Recurrent",
    "ResetAfterGRUCell",
    "Sequential",
    "Stacked",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "from_torch",
    "huber",
    "init",
    "mse",
    "to_torch",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(habits.say(name, "nn", habits.NN), name=name)
