"""Runners run cells over time: Recurrent in one direction, Bidirectional in both, Layers one after another.

A recurrent network is this loop: s(t), y(t) = cell(s(t-1), x(t)). Sequences of unequal length share a batch
with the help of `lengths`: past its length, a row has output 0 and its state does not change. Every runner is
called in the same way, `ys, state = rnn(xs, state=None, lengths=None)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_seq import tree
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.cell import over_time
from tinygrad_seq.nn.cells.state import frozen, parts
from tinygrad_seq.nn.indices import found, rows
from tinygrad_seq.nn.module import Input, Module, warn_if_wider
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.nn.runners.padding import visible
from tinygrad_seq.ops.comparison import logical_and, logical_not
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import swapaxes
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Runner(Module):
    """The base class of runners: `ys, state = runner(xs, state=None, lengths=None)`, and `summary`.

    A subclass defines `__call__` and `summary`, and sets `batch_first`.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn: nn.Runner = nn.Recurrent(nn.GRUCell(3, 5, rng=0))
    >>> xs = np.ones((7, 2, 3), np.float32)
    >>> y, h = rnn.summary(xs, lengths=[7, 4])
    >>> bool((y == h).numpy().all())
    True
    """

    batch_first: bool

    def __call__(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The outputs of all steps, and the state after the last."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def summary(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The output of the last step that was computed, (B, H), and the state after it.

        It depends on the whole sequence. In a row of length 0 it is 0.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define summary")


class Recurrent(Runner):
    """`ys, state = rnn(xs, state=None, lengths=None)`: runs `cell` over the time steps of xs.

    cell         state, y = cell(state, x)
    reverse      run from the last step to the first; outputs stay in the order of the input
    batch_first  xs and ys are (B, T, ...) instead of (T, B, ...)
    unroll       run a Python loop instead of a scan: slower, but the cell may read values and draw numbers

    xs       (T, B, I)
    state    the state before the first step; None means the cell's initial state
    lengths  integers (B,), an array or a tensor: row i consists of its first lengths[i] steps. Past them, in
             either direction, y is 0 and the state does not change; so a row of length 0 keeps its initial
             state. The values of xs past the lengths, NaN included, have no influence.

    Returns ys (T, B, H) and the state after the last step. If the output of the cell is a tree of tensors, as
    for `ACTCell`, ys is such a tree. Gradients flow to xs, state and parameters.

    Raises ValueError if xs has another rank or size or no time step, if the state has another batch size, or if
    lengths have the wrong shape, are negative or exceed T; TypeError if they are not integers. Lengths in a
    tensor on a GPU, and those that the step of a scan computes, are not checked: a length that is negative or
    exceeds T gives NaN in its row of ys and of the state.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
    >>> ys, (h, c) = rnn(np.ones((7, 2, 3), np.float32), lengths=[7, 4])
    >>> ys.shape, h.shape, bool((ys.numpy()[4:, 1] == 0).all())
    ((7, 2, 5), (2, 5), True)
    >>> rnn.summary(np.ones((7, 2, 3), np.float32))[0].shape
    (2, 5)
    """

    def __init__(
        self, cell: Cell, *, reverse: bool = False, batch_first: bool = False, unroll: bool = False
    ) -> None:
        self.cell, self.reverse, self.batch_first, self.unroll = cell, reverse, batch_first, unroll

    def __call__(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        xs, state = over_time(self.cell, xs, state, batch_first=self.batch_first)
        warn_if_wider(self.cell, xs)
        loop = unrolled if self.unroll else scan
        if lengths is None:
            state, ys = loop(self.cell, state, xs, reverse=self.reverse)
        else:
            inside, valid = within(lengths, xs)
            state, ys = loop(self._masked, state, (rows(inside, xs, 0), inside), reverse=self.reverse)
            if valid is not None:
                state = tree.each(lambda s: found(s, valid), state)
                ys = tree.each(lambda y: found(y, valid[None]), ys)
        return self._swapped(ys), state

    def summary(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The output (B, H) of the last step within each length, of step 0 if reverse; and the final state."""
        ys, state = self(xs, state, lengths)
        ys = self._swapped(ys)
        if self.reverse:
            return tree.each(lambda y: y[0], ys), state
        if lengths is None:
            return tree.each(lambda y: y[-1], ys), state
        inside, valid = within(lengths, tree.leaves(ys)[0])
        last = logical_and(inside, logical_not(concatenate([inside[1:], zeros_like(inside[:1])])))
        return tree.each(lambda y: found(total(rows(last, y, 0), 0), valid), ys), state

    def _masked(self, state: State, given: tuple[Tensor, Tensor]) -> tuple[State, Tensor]:
        """One step of the rows that are inside their lengths; the other rows keep their state and output 0."""
        x, inside = given
        after, y = self.cell(state, x)
        return frozen(inside, after, state), tree.each(lambda part: rows(inside, part, 0), y)

    def _swapped(self, ys: Tensor) -> Tensor:
        """`ys` with the time and batch axes swapped if batch_first, else unchanged."""
        return tree.each(lambda y: swapaxes(y, 0, 1), ys) if self.batch_first else ys


Run = Callable[[Recurrent, Input, State | None, Lengths], tuple[Tensor, State]]


class Bidirectional(Runner):
    """One cell runs forward over time and one backward; their outputs are concatenated.

        sf, yf(t) = forward(sf, x(t)) for t = 0 ... T-1,   sb, yb(t) = backward(sb, x(t)) for t = T-1 ... 0,
        y(t) = [yf(t); yb(t)]

    (Schuster & Paliwal 1997.) Arguments and errors are as for `Recurrent`; ys is (T, B, Hf + Hb). The state is
    (forward, backward): the forward state after step T-1 and the backward state after step 0. With `lengths`,
    the backward cell starts each row at the last step of that row.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Bidirectional(nn.LSTMCell(3, 5, rng=0), nn.RNNCell(3, 4, rng=1))
    >>> ys, ((h, c), backward) = rnn(np.ones((7, 2, 3), np.float32), lengths=[7, 4])
    >>> ys.shape, h.shape, backward.shape
    ((7, 2, 9), (2, 5), (2, 4))
    >>> rnn.summary(np.ones((7, 2, 3), np.float32))[0].shape
    (2, 9)
    """

    def __init__(self, forward_cell: Cell, backward_cell: Cell, *, batch_first: bool = False) -> None:
        self.forward = Recurrent(forward_cell, batch_first=batch_first)
        self.backward = Recurrent(backward_cell, reverse=True, batch_first=batch_first)
        self.batch_first = batch_first

    def __call__(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        return self._both(Recurrent.__call__, xs, state, lengths)

    def summary(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The last output that each direction computed, concatenated, (B, Hf + Hb); and the final state."""
        return self._both(Recurrent.summary, xs, state, lengths)

    def _both(self, run: Run, xs: Input, state: State | None, lengths: Lengths) -> tuple[Tensor, State]:
        """Run both directions, and concatenate their outputs."""
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        sf, sb = (None, None) if state is None else parts(self, state, 2, "directions")
        forward, sf = run(self.forward, xs, sf, lengths)
        backward, sb = run(self.backward, xs, sb, lengths)
        return concatenate([forward, backward], axis=-1), (sf, sb)


class Layers(Runner):
    """Runners on top of each other: each runs over the whole sequence of outputs of the runner below it.

    For cells that run forward, the result is that of `Recurrent(Stacked(...))`. Bidirectional networks can only
    be stacked here. At every step, the layer above needs the output of the backward cell below, which depends
    on later steps; so the stack cannot be computed step by step and is not a cell. Layers without a state, or
    other functions of one tensor, may be placed before a runner: `Dropout`, for example, draws its masks for
    all time steps at once.

    Arguments and errors are as for `Recurrent`: what lies past a length has no influence, whatever the first
    layer is. The state is the tuple of the runners' states. Raises
    ValueError unless the last layer is a runner, or if some layers are `batch_first` and others are not.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> first = nn.Bidirectional(nn.LSTMCell(3, 5, rng=0), nn.LSTMCell(3, 5, rng=1))
    >>> second = nn.Bidirectional(nn.LSTMCell(10, 5, rng=2), nn.LSTMCell(10, 5, rng=3))
    >>> deep = nn.Layers(first, nn.Dropout(0.3, rng=4), second)
    >>> ys, (_, ((h, c), _)) = deep(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, h.shape
    ((7, 2, 10), (2, 5))
    >>> deep.summary(np.ones((7, 2, 3), np.float32))[0].shape, len(deep.runners)
    ((2, 10), 2)
    """

    def __init__(self, *layers: Runner | Callable[[Any], Tensor]) -> None:
        self.layers = layers
        if not layers or not isinstance(layers[-1], Runner):
            raise ValueError("Layers needs at least one runner, and the last layer must be a runner")
        if len({layer.batch_first for layer in layers if hasattr(layer, "batch_first")}) > 1:
            raise ValueError(
                "Layers needs one value of batch_first, got both True and False; make the layers agree"
            )
        self.batch_first = layers[-1].batch_first

    def __call__(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        xs, after, s = self._below(xs, state, lengths)
        ys, s = self.runners[-1](xs, s, lengths)
        return ys, (*after, s)

    def summary(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The summary (B, H) by the last runner, of the outputs of the layers below; and the final state."""
        xs, after, s = self._below(xs, state, lengths)
        y, s = self.runners[-1].summary(xs, s, lengths)
        return y, (*after, s)

    def _below(
        self, xs: Input, state: State | None, lengths: Lengths
    ) -> tuple[Input, list[State], State | None]:
        """The input of the last runner, the final states of the other runners, and its initial state."""
        count = len(self.runners)
        xs = visible(xs, lengths, batch_first=self.batch_first)
        before = iter([None] * count if state is None else parts(self, state, count, "layers"))
        after = []
        for layer in self.layers[:-1]:
            if isinstance(layer, Runner):
                xs, s = layer(xs, next(before), lengths)
                after.append(s)
            else:
                xs = layer(xs)
        return xs, after, next(before)

    @property
    def runners(self) -> list[Runner]:
        """The layers that are runners, in order."""
        return [layer for layer in self.layers if isinstance(layer, Runner)]
