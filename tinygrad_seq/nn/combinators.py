"""Combinators: cells made of cells. What takes cells and is a cell runs wherever a cell runs."""

from __future__ import annotations

from tinygrad_seq.errors import describe
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.tensor import Tensor


class Stacked(Cell):
    """Cells on top of each other (Schmidhuber 1992; El Hihi & Bengio 1995): a deep recurrent network.

        s_1', y_1 = cell_1(s_1, x),   s_2', y_2 = cell_2(s_2, y_1),   ...

    The state is the tuple of the cells' states, the output that of the last cell. ValueError without a
    cell, or for a state of another number of parts.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.Stacked(nn.LSTMCell(3, 5, rng=0), nn.RNNCell(5, 4, rng=1)))
    >>> ys, ((h1, c1), h2) = rnn(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, h1.shape, h2.shape
    ((7, 2, 4), (2, 5), (2, 4))
    """

    def __init__(self, *cells: Cell) -> None:
        if not cells:
            raise ValueError("a stack needs at least one cell")
        self.cells = cells

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The tuple of the cells' initial states."""
        return tuple(cell.initial_state(batch, like) for cell in self.cells)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        after = []
        for cell, s in zip(self.cells, parts(state, len(self.cells), "cells"), strict=True):
            s, x = cell(s, x)
            after.append(s)
        return tuple(after), x


def parts(state: State, count: int, of: str) -> tuple[State, ...]:
    """`state`, checked to be a tuple of `count` states."""
    if not isinstance(state, tuple) or len(state) != count:
        given = f"a tuple of {len(state)}" if isinstance(state, tuple) else describe(state)
        raise ValueError(f"the state of {count} {of} is a tuple of {count} states, not {given}")
    return state
