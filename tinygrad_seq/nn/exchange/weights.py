"""Weights from and to other libraries by name: the libraries, and the two functions that read their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.cells import Cell
from tinygrad_seq.nn.exchange.chainer import CHAINER
from tinygrad_seq.nn.exchange.equinox import EQUINOX
from tinygrad_seq.nn.exchange.flax import LINEN, MGU, NNX, NNX_OPTIMIZED
from tinygrad_seq.nn.exchange.haiku import HAIKU
from tinygrad_seq.nn.exchange.keras import KERAS
from tinygrad_seq.nn.exchange.mlx import MLX
from tinygrad_seq.nn.exchange.onnx import ONNX
from tinygrad_seq.nn.exchange.paddle import PADDLE
from tinygrad_seq.nn.exchange.tables import Library
from tinygrad_seq.nn.exchange.tensorflow import BLOCK_LSTM, BLOCK_LSTM_V2
from tinygrad_seq.nn.exchange.tinygrad import TINYGRAD
from tinygrad_seq.nn.exchange.torch import TORCH
from tinygrad_seq.nn.exchange.transfer import M, dump, load
from tinygrad_seq.nn.runners.recurrent import Runner

LIBRARIES: Mapping[str, Library] = {
    "chainer": CHAINER,
    "equinox": EQUINOX,
    "flax.linen": LINEN,
    "flax.linen.MGUCell": MGU,
    "flax.nnx": NNX,
    "flax.nnx.OptimizedLSTMCell": NNX_OPTIMIZED,
    "haiku": HAIKU,
    "keras": KERAS,
    "mlx": MLX,
    "onnx": ONNX,
    "paddle": PADDLE,
    "tensorflow.BlockLSTM": BLOCK_LSTM,
    "tensorflow.BlockLSTMV2": BLOCK_LSTM_V2,
    "tinygrad": TINYGRAD,
    "torch": TORCH,
}


def from_weights(library: str, arrays: Any, module: M) -> M:
    """Overwrite the parameters of `module`, in place, by the weights of another library; returns the module.

    library  its name; docs/exchange.md lists the libraries, and which of their classes is which cell of ours
    arrays   what the library returns: a flat dict, name -> array, or nested dicts and lists; a list without
             names has the library's order. A prefix that all names share is ignored, and None is no array
    module   a cell, Recurrent(cell), Bidirectional(cell, cell), Recurrent(Stacked(cell, ...)), or Layers of
             these, with or without Dropout in between

    The library is not imported. Arrays of other float dtypes, float16, bfloat16 and float64 among them, and of
    another byte order are cast to the dtype of the parameters, by value: the module says in which precision it
    computes. Without any bias in the arrays, ours become 0.

    Raises ValueError if arrays are missing, unexpected, of another shape or kind, or contain numbers that are
    infinite in the dtype of the parameters, or for an unknown library: all problems are listed, and nothing is
    loaded. Raises TypeError for a module that has no counterpart in the library, and for what is not an array.

    >>> from tinygrad_seq import nn
    >>> layer = [np.ones((3, 20)), np.ones((5, 20)), np.zeros(20)]  # LSTM(5).get_weights() of Keras
    >>> rnn = nn.from_weights("keras", layer, nn.Recurrent(nn.LSTMCell(3, 5, rng=0)))
    >>> rnn.cell.Wx[0, 0].item(), rnn.cell.b[0].item()
    (1.0, 0.0)
    """
    return load(_known(library), arrays, module)


def to_weights(library: str, module: Cell | Runner, *, bias: bool = True) -> dict[str, np.ndarray]:
    """The weights of `module` as another library stores them, name -> array, in its order: copies.

    `from_weights` describes `library` and `module`; docs/exchange.md says how each library loads the arrays.

    bias  False for a class of the library that was made without biases

    Raises ValueError for an unknown library, and if a number that is not 0 has no place there; TypeError for a
    module that has no counterpart in the library.

    >>> from tinygrad_seq import nn
    >>> cell = nn.ResetAfterGRUCell(3, 5, rng=0)
    >>> {name: array.shape for name, array in nn.to_weights("keras", cell).items()}
    {'kernel': (3, 15), 'recurrent_kernel': (5, 15), 'bias': (2, 15)}
    """
    return dump(_known(library), module, bias=bias)


def _known(library: object) -> Library:
    if not isinstance(library, str) or library not in LIBRARIES:
        raise ValueError(f"weights need the name of a library, {', '.join(LIBRARIES)}; got {describe(library)}")
    return LIBRARIES[library]
