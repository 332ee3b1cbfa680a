"""Neural networks: modules, layers, losses, recurrent cells; exchange with other libraries and with ONNX.

A cell is one time step of a recurrent network; a runner applies a cell to every step of a sequence. The files
directly in this folder are what cells are built from: modules, layers, losses, attention, memory. They may
import `scan` and lower layers, but none of the folders here; this file collects the public names of all of
them.

>>> import numpy as np
>>> from tinygrad_seq import nn
>>> rnn = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
>>> ys, (h, c) = rnn(np.ones((7, 2, 3), np.float32))  # time, batch, features
>>> ys.shape, h.shape, c.shape
((7, 2, 5), (2, 5), (2, 5))
>>> nn.mse(ys, np.zeros((7, 2, 5), np.float32)).backward()
>>> all(p.grad is not None for p in rnn.parameters())
True
"""

from typing import NoReturn

from tinygrad_seq.nn import attention, init, memory, pictures, reinforce
from tinygrad_seq.nn import functional as functional
from tinygrad_seq.nn.attention import AdditiveScore, DotScore, GeneralScore, ScaledDotScore
from tinygrad_seq.nn.cells import (
    CELLS,
    Cell,
    ClockworkRNNCell,
    CoupledLSTMCell,
    DepthGatedLSTM,
    EchoStateCell,
    FullPeepholeLSTMCell,
    GRUCell,
    LayerNormLSTMCell,
    LeakyCell,
    LiquidStateCell,
    LSTMCell,
    MinimalGatedCell,
    PeepholeLSTMCell,
    ResetAfterGRUCell,
    RNNCell,
    SkipCell,
)
from tinygrad_seq.nn.cells.adaptive import ACTCell, RepeatCell
from tinygrad_seq.nn.cells.attending import Attending, HardAttending
from tinygrad_seq.nn.cells.combinators import DeepTransition, FedBack, LearnedStart, Mapped, Residual, Stacked
from tinygrad_seq.nn.cells.turing import NTMCell, NTMTrace
from tinygrad_seq.nn.classical.gaussian import Covariance
from tinygrad_seq.nn.classical.kalman import LinearDynamicalSystem
from tinygrad_seq.nn.classical.markov import HiddenMarkovModel
from tinygrad_seq.nn.classical.readout import ridge
from tinygrad_seq.nn.classical.window import Autoregressive, FixedWindow
from tinygrad_seq.nn.decoding.attention_decoder import Annotations, AttentionDecoder, HardAttentionDecoder
from tinygrad_seq.nn.decoding.ctc import ctc_loss
from tinygrad_seq.nn.decoding.ctc_decode import ctc_decode
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.decoding.encoder_decoder import EncoderDecoder
from tinygrad_seq.nn.decoding.one_to_many import OneToMany, VectorAsFirstInput, VectorAsState, VectorAtEveryStep
from tinygrad_seq.nn.dropout import Dropout, VariationalDropout
from tinygrad_seq.nn.exchange.torch import from_torch, to_torch
from tinygrad_seq.nn.exchange.weights import from_weights, to_weights
from tinygrad_seq.nn.gradients.flow import Flow, gradient_flow, vanishing_penalty
from tinygrad_seq.nn.gradients.jacobians import (
    eigenvalue_powers,
    linear_recurrence,
    product_bound,
    separate_factors,
    singular_values,
    step_jacobians,
)
from tinygrad_seq.nn.habits import NN
from tinygrad_seq.nn.layers import Embedding, LayerNorm, Linear, Sequential, Shortcut
from tinygrad_seq.nn.looking.dram import DRAM, DRAMCell
from tinygrad_seq.nn.looking.draw import DRAW, DRAWCell, Drawn
from tinygrad_seq.nn.looking.looks import Looks
from tinygrad_seq.nn.looking.ram import RAM, RAMCell
from tinygrad_seq.nn.looking.retina import patches, retina
from tinygrad_seq.nn.looking.window import Window, window
from tinygrad_seq.nn.losses import binary_cross_entropy_with_logits, cross_entropy, huber, mse
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.nn.onnx import from_onnx, to_onnx
from tinygrad_seq.nn.runners.padding import mean_within, padded
from tinygrad_seq.nn.runners.patterns import ManyToMany, ManyToOne, PerFrame
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Layers, Recurrent, Runner
from tinygrad_seq.nn.runners.recurrent_dropout import RecurrentDropout
from tinygrad_seq.nn.runners.self_attention import Positions, SelfAttention
from tinygrad_seq.nn.runners.truncated import Truncated
from tinygrad_seq.tensor.habits import say_or_function

__all__ = [
    "ACTCell",
    "AdditiveScore",
    "Annotations",
    "AttentionDecoder",
    "Attending",
    "Autoregressive",
    "Bidirectional",
    "CELLS",
    "Cell",
    "ClockworkRNNCell",
    "CoupledLSTMCell",
    "Covariance",
    "DRAM",
    "DRAMCell",
    "DRAW",
    "DRAWCell",
    "Decoder",
    "DeepTransition",
    "DepthGatedLSTM",
    "DotScore",
    "Drawn",
    "Dropout",
    "EchoStateCell",
    "Embedding",
    "EncoderDecoder",
    "FedBack",
    "FixedWindow",
    "Flow",
    "FullPeepholeLSTMCell",
    "GRUCell",
    "GeneralScore",
    "HardAttending",
    "HardAttentionDecoder",
    "HiddenMarkovModel",
    "LSTMCell",
    "LayerNorm",
    "LayerNormLSTMCell",
    "Layers",
    "LeakyCell",
    "LearnedStart",
    "Linear",
    "LinearDynamicalSystem",
    "LiquidStateCell",
    "ManyToMany",
    "ManyToOne",
    "Looks",
    "Mapped",
    "MinimalGatedCell",
    "Module",
    "NTMCell",
    "NTMTrace",
    "OneToMany",
    "Parameter",
    "PeepholeLSTMCell",
    "PerFrame",
    "Positions",
    "RAM",
    "RAMCell",
    "RNNCell",
    "Recurrent",
    "RecurrentDropout",
    "RepeatCell",
    "ResetAfterGRUCell",
    "Residual",
    "Runner",
    "ScaledDotScore",
    "SelfAttention",
    "Sequential",
    "Shortcut",
    "SkipCell",
    "Stacked",
    "Truncated",
    "VariationalDropout",
    "VectorAsFirstInput",
    "VectorAsState",
    "VectorAtEveryStep",
    "Window",
    "attention",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "ctc_decode",
    "ctc_loss",
    "eigenvalue_powers",
    "from_onnx",
    "from_torch",
    "from_weights",
    "gradient_flow",
    "huber",
    "init",
    "linear_recurrence",
    "mean_within",
    "memory",
    "mse",
    "padded",
    "patches",
    "pictures",
    "product_bound",
    "reinforce",
    "retina",
    "ridge",
    "separate_factors",
    "singular_values",
    "step_jacobians",
    "to_onnx",
    "to_torch",
    "to_weights",
    "vanishing_penalty",
    "window",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(say_or_function(name, "nn", NN), name=name)
