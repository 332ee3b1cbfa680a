"""Combinators: cells that wrap other cells. A combinator is itself a cell, so every runner accepts it.

A recurrent network can be deep in three ways (Pascanu et al. 2014, How to construct deep recurrent neural
networks): layers of cells, `Stacked`; functions before and after a cell, `Mapped`; and several cells between
one state and the next, `DeepTransition`. Shortcuts make each of them easier to train. `FedBack` feeds the last
output back as an input, and `LearnedStart` learns the initial state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq import tree
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.fitting import remaining
from tinygrad_seq.nn.cells.state import parts, single
from tinygrad_seq.nn.layers import add_input
from tinygrad_seq.nn.module import Parameter, natural
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Stacked(Cell):
    """A stack of cells (Schmidhuber 1992; El Hihi & Bengio 1995): a deep recurrent network.

        s_k', y_k = cell_k(s_k, y_{k-1}),   y_0 = x,   y = y_n

    The shortcuts are those of Graves (2013), Generating sequences with recurrent neural networks:

    input_to_all   every cell after the first receives [x; y_{k-1}]
    all_to_output  the output is [y_1; ...; y_n]

    The state is the tuple of the cells' states. Raises ValueError if there is no cell, or if the state is not a
    tuple of one state for each cell. For a residual stack, see `Residual`.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.Stacked(nn.LSTMCell(3, 5, rng=0), nn.RNNCell(5, 4, rng=1)))
    >>> ys, ((h1, c1), h2) = rnn(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, h1.shape, h2.shape
    ((7, 2, 4), (2, 5), (2, 4))
    >>> cells = nn.LSTMCell(3, 5, rng=0), nn.RNNCell(3 + 5, 4, rng=1)
    >>> nn.Recurrent(nn.Stacked(*cells, input_to_all=True, all_to_output=True))(ts.ones((7, 2, 3)))[0].shape
    (7, 2, 9)
    """

    def __init__(self, *cells: Cell, input_to_all: bool = False, all_to_output: bool = False) -> None:
        if not cells:
            raise ValueError("Stacked needs at least one cell")
        self.cells, self.input_to_all, self.all_to_output = cells, input_to_all, all_to_output
        self.input_size = cells[0].input_size

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The tuple of the cells' initial states."""
        return tuple(cell.initial_state(batch, like) for cell in self.cells)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        after, outputs, below = [], [], x
        for cell, s in zip(self.cells, parts(self, state, len(self.cells), "cells"), strict=True):
            s, y = cell(s, below)
            after.append(s)
            outputs.append(y)
            below = concatenate([x, y], axis=-1) if self.input_to_all else y
        return tuple(after), concatenate(outputs, axis=-1) if self.all_to_output else outputs[-1]


class Residual(Cell):
    """A cell whose input is added to its output (He et al. 2016; in a stack of LSTMs, Wu et al. 2016).

        s', v = cell(s, x),   y = x + v

    The state is the state of the cell. Raises ValueError if the cell's output does not have the size of the
    input.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> deep = nn.Stacked(nn.LSTMCell(3, 5, rng=0), *(nn.Residual(nn.LSTMCell(5, 5, rng=i)) for i in (1, 2)))
    >>> nn.Recurrent(deep)(np.ones((7, 2, 3), np.float32))[0].shape
    (7, 2, 5)
    """

    def __init__(self, cell: Cell) -> None:
        self.cell, self.input_size = cell, cell.input_size

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the cell."""
        return self.cell.initial_state(batch, like)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        state, y = self.cell(state, x)
        return state, add_input(x, y)


class Mapped(Cell):
    """A cell with a function of its input and a function of its output.

        u = before(x),   s', v = cell(s, u),   y = after(v)

    `before` and `after` are layers, or other functions of one tensor that do not change its leading axes.
    Neither needs the state, so `scan` moves both out of the loop. The state is the state of the cell.

    >>> import numpy as np, tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> before = nn.Sequential(nn.Linear(3, 8, rng=0), ts.tanh)
    >>> cell = nn.Mapped(nn.LSTMCell(8, 5, rng=1), before=before, after=nn.Linear(5, 2, rng=2))
    >>> nn.Recurrent(cell)(np.ones((7, 2, 3), np.float32))[0].shape
    (7, 2, 2)
    """

    def __init__(
        self,
        cell: Cell,
        *,
        before: Callable[[Tensor], Tensor] | None = None,
        after: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.before, self.cell, self.after = before, cell, after
        self.input_size = cell.input_size if before is None else None

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the cell."""
        return self.cell.initial_state(batch, like)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        state, y = self.cell(state, x if self.before is None else self.before(x))
        return state, y if self.after is None else self.after(y)


class DeepTransition(Cell):
    """Several cells in sequence between one state and the next (Pascanu et al. 2014); its state is h.

        h_1 = cell_1(h, x),   h_k = cell_k(h_{k-1}, h),   h' = h_n

    The state of every cell is one tensor, and all states have the same size H. The input of every cell after
    the first is h, the state before the step, so the input size of these cells is H. This shortcut lets a
    gradient go back in time without passing through all cells. With `shortcut=False` these cells have no input,
    and their input size is 0. The output is h'. Raises ValueError if there is no cell, TypeError if the state
    is not one tensor.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> xs = np.ones((7, 2, 3), np.float32)
    >>> deep = nn.DeepTransition(nn.RNNCell(3, 5, rng=0), nn.RNNCell(5, 5, rng=1))
    >>> ys, h = nn.Recurrent(deep)(xs)
    >>> plain = nn.DeepTransition(nn.GRUCell(3, 5, rng=0), nn.GRUCell(0, 5, rng=1), shortcut=False)
    >>> ys.shape, h.shape, nn.Recurrent(plain)(xs)[0].shape
    ((7, 2, 5), (2, 5), (7, 2, 5))
    """

    def __init__(self, *cells: Cell, shortcut: bool = True) -> None:
        if not cells:
            raise ValueError("DeepTransition needs at least one cell")
        self.cells, self.shortcut, self.input_size = cells, shortcut, cells[0].input_size

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the first cell."""
        return self.cells[0].initial_state(batch, like)

    def __call__(self, h: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        before = single(h, "DeepTransition")
        skipped = before if self.shortcut else zeros_like(before, shape=(*before.shape[:-1], 0))
        first, *others = self.cells
        h, _ = first(before, x)
        for cell in others:
            h, _ = cell(h, skipped)
        return h, h


class FedBack(Cell):
    """A cell whose input includes its last output, after a readout (Jordan 1986); its state is (s, y).

        s', v = cell(s, [x; y]),   y' = readout(v)

    y (B, size) is initially 0. The output is y'. A cell can be trained by a runner over [x; y], with the true
    outputs of the previous step as y; `FedBack` then runs it on its own outputs.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> cell = nn.FedBack(nn.RNNCell(3 + 2, 5, rng=0), nn.Linear(5, 2, rng=1), size=2)
    >>> ys, (h, y) = nn.Recurrent(cell)(np.ones((7, 1, 3), np.float32))
    >>> ys.shape, h.shape, y.shape
    ((7, 1, 2), (1, 5), (1, 2))
    """

    def __init__(self, cell: Cell, readout: Callable[[Tensor], Tensor], *, size: int) -> None:
        self.cell, self.readout, self.size = cell, readout, natural(self, "size", size)
        self.input_size = remaining(self, cell.input_size, self.size, "the last output")

    def initial_state(self, batch: int, like: Tensor) -> tuple[State, Tensor]:
        """The initial state of the cell, and y = 0, (batch, size), with the dtype and the device of `like`."""
        return self.cell.initial_state(batch, like), zeros_like(like, shape=(batch, self.size))

    def __call__(self, state: tuple[State, Tensor], x: Tensor) -> tuple[tuple[State, Tensor], Tensor]:
        s, y = parts(self, state, 2, "parts (cell state, last output)")
        s, v = self.cell(s, concatenate([x, y], axis=-1))
        y = self.readout(v)
        return (s, y), y


class LearnedStart(Cell):
    """A cell whose initial state is learned: s_0 = the initial state of the cell + d, where d is initially 0.

    `start` lists the d of every float tensor of the state, each (1, ...); all rows of a batch share it.

    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LearnedStart(nn.LSTMCell(3, 5, rng=0)))
    >>> rnn(ts.ones((7, 2, 3)))[0].sum().backward()
    >>> [d.grad.shape for d in rnn.cell.start]
    [(1, 5), (1, 5)]
    """

    def __init__(self, cell: Cell, *, dtype: DTypeLike = np.float32) -> None:
        self.cell, self.input_size = cell, cell.input_size
        first = tree.leaves(cell.initial_state(1, like=tensor(np.zeros((1, 0), dtype))))
        self.start = [Parameter(zeros_like(part)) for part in first if part.dtype.kind == "f"]

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the cell plus the learned `start`."""
        learned = iter(self.start)
        return tree.each(
            lambda part: part + next(learned) if part.dtype.kind == "f" else part,
            self.cell.initial_state(batch, like),
        )

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        return self.cell(state, x)
