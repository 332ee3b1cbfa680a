"""Weights from and to PyTorch: the state dicts of torch.nn.RNN, LSTM and GRU.

PyTorch is not needed: the weights are exchanged as NumPy arrays under PyTorch's names. For G gates, its layer k
has

    weight_ih_lk (GH, I) = Wx',  weight_hh_lk (GH, H) = Wh',  bias_ih_lk, bias_hh_lk (GH,)

with the gates in our order, and the same names with `_reverse` for the backward direction. Only the sum of the
two biases matters, which is b; in a GRU they are the b and bh of `ResetAfterGRUCell`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine import backend
from tinygrad_seq.nn.cells import Cell, GatedCell, LSTMCell, ResetAfterGRUCell, RNNCell
from tinygrad_seq.nn.cells.combinators import Stacked
from tinygrad_seq.nn.dropout import Dropout
from tinygrad_seq.nn.module import refuse_misfits
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Layers, Recurrent, Runner


def from_torch(arrays: Mapping[str, ArrayLike], module: Runner) -> Runner:
    """Overwrite the parameters of `module`, in place, with those of a PyTorch network; returns the module.

    arrays  the network's state dict, name -> array: {name: t.numpy() for name, t in rnn.state_dict().items()}
    module  of the same structure. With num_layers=1: Recurrent(cell), or Bidirectional(cell, cell); with
            more, Recurrent(Stacked(cell, ...)), or Layers(runner, ...) of these, with or without Dropout in
            between. A cell is an LSTMCell, a ResetAfterGRUCell for a GRU, or an RNNCell, whose activation must
            be PyTorch's nonlinearity (the arrays do not contain it).

    Raises ValueError if names are missing, unexpected, or of another shape or kind: all of them are listed, and
    nothing is loaded. Raises TypeError for a module that has no PyTorch counterpart.

    >>> from tinygrad_seq import nn
    >>> ours, other = nn.Recurrent(nn.LSTMCell(3, 5, rng=0)), nn.Recurrent(nn.LSTMCell(3, 5, rng=1))
    >>> from_torch(to_torch(ours), other) is other
    True
    >>> bool((ours.cell.Wx.numpy() == other.cell.Wx.numpy()).all())
    True
    """
    given = {name: backend.to_numpy(array) for name, array in arrays.items()}
    refuse_misfits(to_torch(module), given, type(module).__name__)
    for layer, cell in cells(module):
        cell.Wx.assign_(given[f"weight_ih_{layer}"].T)
        cell.Wh.assign_(given[f"weight_hh_{layer}"].T)
        if isinstance(cell, ResetAfterGRUCell):
            cell.b.assign_(given[f"bias_ih_{layer}"])
            cell.bh.assign_(given[f"bias_hh_{layer}"])
        else:
            cell.b.assign_(given[f"bias_ih_{layer}"] + given[f"bias_hh_{layer}"])
    return module


def to_torch(module: Runner) -> dict[str, np.ndarray]:
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
    state = {}
    for layer, cell in cells(module):
        b = cell.b.numpy()
        state[f"weight_ih_{layer}"] = np.array(cell.Wx.numpy().T, order="C")
        state[f"weight_hh_{layer}"] = np.array(cell.Wh.numpy().T, order="C")
        state[f"bias_ih_{layer}"] = np.array(b)
        state[f"bias_hh_{layer}"] = (
            np.array(cell.bh.numpy()) if isinstance(cell, ResetAfterGRUCell) else np.zeros_like(b)
        )
    return state


def cells(module: Runner) -> list[tuple[str, GatedCell]]:
    """The cells of `module`, each with the suffix of its names in PyTorch: l0, l0_reverse, l1, ...

    Raises TypeError if no PyTorch network has these cells.
    """
    levels = list(levels_of(module))
    found = [
        (f"l{k}{suffix}", cell)
        for k, level in enumerate(levels)
        for suffix, cell in zip(("", "_reverse"), level, strict=False)
    ]
    kinds = {type(cell) for _, cell in found}
    if len(kinds) > 1 or not kinds <= {RNNCell, LSTMCell, ResetAfterGRUCell}:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise TypeError(
            "PyTorch needs cells that are all RNNCell, all LSTMCell or all ResetAfterGRUCell (its GRU), "
            f"got {names}"
        )
    if len({len(level) for level in levels}) > 1:
        raise TypeError("PyTorch needs layers that are all bidirectional or none of them, got some of each")
    if len({id(cell) for _, cell in found}) < len(found):
        raise TypeError(
            "PyTorch needs separate weights for every layer and direction, got a cell that occurs twice; use a "
            "cell for each"
        )
    return found  # type: ignore[return-value]


def levels_of(module: object) -> Iterator[tuple[Cell, ...]]:
    """The cells of every layer: one cell, or the forward and the backward cell."""
    match module:
        case Layers():
            for layer in module.layers:
                if not isinstance(
                    layer, Dropout
                ):  # it has no weights, and PyTorch also has dropout between layers
                    yield from levels_of(layer)
        case Bidirectional():
            yield module.forward.cell, module.backward.cell
        case Recurrent(reverse=False, cell=Stacked(input_to_all=False, all_to_output=False, cells=cells)):
            yield from ((cell,) for cell in cells)
        case Recurrent(reverse=False, cell=cell):
            yield (cell,)
        case _:
            what = (
                "a Recurrent that runs in reverse" if isinstance(module, Recurrent) else type(module).__name__
            )
            raise TypeError(f"PyTorch needs a Recurrent, a Bidirectional, or Layers of these, got {what}")
