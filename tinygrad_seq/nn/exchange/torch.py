"""Weights from and to PyTorch: the state dicts of its networks and cells, and of models that contain them.

For G gates, in our order, layer k of an RNN, LSTM or GRU has

    weight_ih_lk (GH, I) = Wx',  weight_hh_lk (GH, H) = Wh',  bias_ih_lk, bias_hh_lk (GH,)

and the same names with `_reverse` for the backward direction; a cell alone has them without a suffix. Only the
sum of the two biases matters, which is b; in a GRU they are the b and bh of `ResetAfterGRUCell`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.cells import LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.exchange.parts import Part
from tinygrad_seq.nn.exchange.places import Place
from tinygrad_seq.nn.exchange.tables import Counterpart, Library
from tinygrad_seq.nn.exchange.transfer import M, dump, load
from tinygrad_seq.nn.layers import Embedding, LayerNorm, Linear
from tinygrad_seq.nn.module import Module

SUMMED = {"weight_ih": "Wx'", "weight_hh": "Wh'", "bias_ih": "b", "bias_hh": "+b"}
CELLS = {
    RNNCell: Counterpart("RNN", SUMMED),
    LSTMCell: Counterpart("LSTM", SUMMED),
    ResetAfterGRUCell: Counterpart("GRU", SUMMED | {"bias_hh": "bh"}),
}
LAYERS = {
    Linear: Counterpart("Linear", {"weight": "weight'", "bias": "bias"}),
    Embedding: Counterpart("Embedding", {"weight": "weight"}),
    LayerNorm: Counterpart("LayerNorm", {"weight": "weight", "bias": "bias"}),
}


def suffixed(name: str, place: Place) -> str:
    """weight_ih_l0_reverse: the layer, then the direction; nothing for a cell alone."""
    return name if place.alone else f"{name}_l{place.layer}{'_reverse' if place.direction else ''}"


TORCH = Library(
    "PyTorch",
    CELLS,
    LAYERS,
    name=suffixed,
    separator=".",
    network=True,
    hints={"weight_hr": "weight_hr is the projection of proj_size, which no cell here has"},
)


def from_torch(arrays: Mapping[str, ArrayLike], module: M, *, names: Mapping[str, Part] | None = None) -> M:
    """Overwrite the parameters of `module`, in place, with those of a PyTorch model; returns the module.

    arrays  the model's state dict, name -> array: {name: t.numpy() for name, t in model.state_dict().items()},
            or `ts.load(path, foreign=True)` if it was saved as a safetensors file
    module  a network, a cell, a layer, or a model of these
    names   what has another name in PyTorch: its name there -> the module or tensor here. Everything else has
            the name of its attribute in both

    A network with num_layers=1 is Recurrent(cell), or Bidirectional(cell, cell); with more,
    Recurrent(Stacked(cell, ...)), or Layers(runner, ...) of these, with or without Dropout in between. A cell
    is an LSTMCell, a ResetAfterGRUCell for a GRU, or an RNNCell, whose activation must be PyTorch's
    nonlinearity (the arrays do not contain it). Linear, Embedding, LayerNorm and Sequential are those of
    PyTorch; a list or a dict of modules is ModuleList or ModuleDict; a tensor of any other module is taken as
    it is. If `names` contains a part of a network or a layer, such as a cell, all of its parts are exchanged
    one by one.

    Without any bias in the arrays of a network (bias=False), ours become 0. Raises ValueError if names are
    missing, unexpected, or of another shape or kind: all of them are listed, and nothing is loaded. Raises
    TypeError for a module that has no PyTorch counterpart.

    >>> from tinygrad_seq import nn
    >>> ours, other = nn.Recurrent(nn.LSTMCell(3, 5, rng=0)), nn.Recurrent(nn.LSTMCell(3, 5, rng=1))
    >>> from_torch(to_torch(ours), other) is other
    True
    >>> bool((ours.cell.Wx.numpy() == other.cell.Wx.numpy()).all())
    True
    >>> model = nn.ManyToOne(nn.Embedding(10, 3), ours, nn.Linear(5, 2))
    >>> state = to_torch(model, names={"words": model.features, "lstm": ours, "head": model.readout})
    >>> list(state)
    ... # doctest: +NORMALIZE_WHITESPACE
    ['words.weight', 'lstm.weight_ih_l0', 'lstm.weight_hh_l0', 'lstm.bias_ih_l0', 'lstm.bias_hh_l0',
     'head.weight', 'head.bias']
    >>> from_torch(state, model, names={"words": model.features, "lstm": ours, "head": model.readout}) is model
    True
    """
    return load(TORCH, arrays, module, names)


def to_torch(module: Module, *, names: Mapping[str, Part] | None = None) -> dict[str, np.ndarray]:
    """The state dict of the PyTorch model that computes the same as `module`, name -> array: copies.

    `from_torch` describes `module` and `names`; raises TypeError for a module that has no counterpart. A single
    bias b becomes bias_ih, and bias_hh is 0. To load the arrays in PyTorch:
    model.load_state_dict({name: torch.tensor(array) for name, array in to_torch(module).items()}).

    >>> from tinygrad_seq import nn
    >>> rnn = nn.Bidirectional(nn.RNNCell(3, 5, rng=0), nn.RNNCell(3, 5, rng=1))
    >>> {name: array.shape for name, array in to_torch(rnn).items() if name.endswith("reverse")}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'weight_ih_l0_reverse': (5, 3), 'weight_hh_l0_reverse': (5, 5),
     'bias_ih_l0_reverse': (5,), 'bias_hh_l0_reverse': (5,)}
    """
    return dump(TORCH, module, names)
