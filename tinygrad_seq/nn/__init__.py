"""Networks: modules, layers, recurrent cells and their runner, losses."""

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import Cell, LSTMCell, RNNCell
from tinygrad_seq.nn.layers import Embedding, Linear
from tinygrad_seq.nn.losses import cross_entropy
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.nn.recurrent import Recurrent

__all__ = [
    "Cell",
    "Embedding",
    "LSTMCell",
    "Linear",
    "Module",
    "Parameter",
    "RNNCell",
    "Recurrent",
    "cross_entropy",
    "init",
]
