"""Weights from and to PyTorch: the state dicts of torch.nn.RNN, LSTM and GRU, and of their cells.

For G gates, in our order, layer k of a network has

    weight_ih_lk (GH, I) = Wx',  weight_hh_lk (GH, H) = Wh',  bias_ih_lk, bias_hh_lk (GH,)

and the same names with `_reverse` for the backward direction; a cell alone has them without a suffix. Only the
sum of the two biases matters, which is b; in a GRU they are the b and bh of `ResetAfterGRUCell`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.cells import Cell, LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.exchange.places import Place
from tinygrad_seq.nn.exchange.tables import Counterpart, Library, M, dump, load
from tinygrad_seq.nn.runners.recurrent import Runner

SUMMED = {"weight_ih": "Wx'", "weight_hh": "Wh'", "bias_ih": "b", "bias_hh": "+b"}
CELLS = {
    RNNCell: Counterpart("RNN", SUMMED),
    LSTMCell: Counterpart("LSTM", SUMMED),
    ResetAfterGRUCell: Counterpart("GRU", SUMMED | {"bias_hh": "bh"}),
}


def suffixed(name: str, place: Place) -> str:
    """weight_ih_l0_reverse: the layer, then the direction; nothing for a cell alone."""
    return name if place.alone else f"{name}_l{place.layer}{'_reverse' if place.direction else ''}"


TORCH = Library(
    "PyTorch",
    CELLS,
    name=suffixed,
    separator=".",
    network=True,
    hints={"weight_hr": "weight_hr is the projection of proj_size, which no cell here has"},
)


def from_torch(arrays: Mapping[str, ArrayLike], module: M) -> M:
    """Overwrite the parameters of `module`, in place, with those of a PyTorch network; returns the module.

    arrays  the network's state dict, name -> array: {name: t.numpy() for name, t in rnn.state_dict().items()}
    module  of the same structure. With num_layers=1: Recurrent(cell), or Bidirectional(cell, cell); with
            more, Recurrent(Stacked(cell, ...)), or Layers(runner, ...) of these, with or without Dropout in
            between; a cell for PyTorch's LSTMCell, GRUCell or RNNCell. A cell is an LSTMCell, a
            ResetAfterGRUCell for a GRU, or an RNNCell, whose activation must be PyTorch's nonlinearity (the
            arrays do not contain it).

    Without any bias in the arrays (bias=False), ours become 0. Raises ValueError if names are missing,
    unexpected, or of another shape or kind: all of them are listed, and nothing is loaded. Raises TypeError for
    a module that has no PyTorch counterpart.

    >>> from tinygrad_seq import nn
    >>> ours, other = nn.Recurrent(nn.LSTMCell(3, 5, rng=0)), nn.Recurrent(nn.LSTMCell(3, 5, rng=1))
    >>> from_torch(to_torch(ours), other) is other
    True
    >>> bool((ours.cell.Wx.numpy() == other.cell.Wx.numpy()).all())
    True
    """
    return load(TORCH, arrays, module)


def to_torch(module: Cell | Runner) -> dict[str, np.ndarray]:
    """The state dict of the PyTorch network that computes the same as `module`, name -> array: copies.

    `from_torch` lists the modules that have one; raises TypeError for others. A single bias b becomes bias_ih,
    and bias_hh is 0. To load the arrays in PyTorch:
    rnn.load_state_dict({name: torch.tensor(array) for name, array in to_torch(module).items()}).

    >>> from tinygrad_seq import nn
    >>> rnn = nn.Bidirectional(nn.RNNCell(3, 5, rng=0), nn.RNNCell(3, 5, rng=1))
    >>> {name: array.shape for name, array in to_torch(rnn).items() if name.endswith("reverse")}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'weight_ih_l0_reverse': (5, 3), 'weight_hh_l0_reverse': (5, 5),
     'bias_ih_l0_reverse': (5,), 'bias_hh_l0_reverse': (5,)}
    """
    return dump(TORCH, module)
