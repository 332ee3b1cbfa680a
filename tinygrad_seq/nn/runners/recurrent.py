"""Runners: cells, run over time. Recurrent in one direction, Bidirectional in both, Layers in several passes.

The loop is the meaning of a recurrent network: y(t), s(t) = cell(s(t-1), x(t)). Sequences of unequal
length share a batch by `lengths`: past its length a row has output 0 and its state stands still. Every
runner is called alike, `ys, state = rnn(xs, state=None, lengths=None)`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.combinators import parts
from tinygrad_seq.nn.indices import Indices, found, integers, rows
from tinygrad_seq.nn.module import Module
from tinygrad_seq.ops.comparison import logical_and, logical_not
from tinygrad_seq.ops.creation import ones_like, zeros_like
from tinygrad_seq.ops.reduction import cumsum
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import concatenate, swapaxes
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Lengths = Indices | None


class Runner(Module):
    """What runs over time: `ys, state = runner(xs, state=None, lengths=None)`, and what patterns ask of it.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn: nn.Runner = nn.Recurrent(nn.GRUCell(3, 5, rng=0))
    >>> xs = np.ones((7, 2, 3), np.float32)
    >>> y, h = rnn.summary(xs, lengths=[7, 4])
    >>> bool((y == h).numpy().all())
    True
    """

    batch_first: bool

    def __call__(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The outputs of all steps, and the state after the last."""
        raise NotImplementedError(f"{type(self).__name__} says not how it runs")

    def summary(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The output of the step that was taken last, (B, H), and the state after it.

        It has seen all of the sequence; in a row of length 0 it is 0.
        """
        raise NotImplementedError(f"{type(self).__name__} says not which step is the last")


class Recurrent(Runner):
    """`ys, state = rnn(xs, state=None, lengths=None)`: `cell` run over the time steps of xs.

    cell         state, y = cell(state, x)
    reverse      run from the last step to the first; outputs stay in the order of the input
    batch_first  xs and ys are (B, T, ...) instead of (T, B, ...)
    unroll       run the loop as it stands: slower, but the cell may look at values and draw numbers

    xs       (T, B, I)
    state    the state before the first step, the cell's initial state if None
    lengths  integers (B,), an array or a tensor: row i consists of its first lengths[i] steps. Past
             them y is 0 and the state is frozen, in either direction, so that length 0 gives back the
             initial state; what xs holds there has no influence, whatever it is.

    Returns ys (T, B, H) and the state after the last step. Where the output of the cell is a tree of tensors,
    as that of `ACTCell`, ys is such a tree. Gradients flow to xs, state and parameters.
    ValueError for no time step, and for lengths of another shape, negative or above T; TypeError for
    lengths that are no integers. Of a length in a tensor on a device, where nobody looks at it, negative or
    above T, the row of ys and of the state is NaN.

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

    def __call__(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        if self.batch_first:
            xs = swapaxes(xs, 0, 1)
        if xs.ndim < 2 or not xs.shape[0]:
            axes = "(B, T, ...)" if self.batch_first else "(T, B, ...)"
            raise ValueError(
                f"a recurrent network runs over {axes} with at least one time step T, not {describe(xs)}"
            )
        if state is None:
            state = self.cell.initial_state(xs.shape[1], like=xs)
        loop = unrolled if self.unroll else scan
        if lengths is None:
            state, ys = loop(self.cell, state, xs, reverse=self.reverse)
        else:
            inside, lawful = within(lengths, xs)
            state, ys = loop(self._masked, state, (rows(inside, xs, 0), inside), reverse=self.reverse)
            if lawful is not None:
                state = tree.each(lambda s: found(s, lawful), state)
                ys = tree.each(lambda y: found(y, lawful[None]), ys)
        return self._swapped(ys), state

    def summary(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The output of the last step within its length, or in reverse of the first, (B, H); and the state."""
        ys, state = self(xs, state, lengths)
        ys = self._swapped(ys)
        if self.reverse:
            return tree.each(lambda y: y[0], ys), state
        if lengths is None:
            return tree.each(lambda y: y[-1], ys), state
        inside, lawful = within(lengths, tree.leaves(ys)[0])
        last = logical_and(inside, logical_not(concatenate([inside[1:], zeros_like(inside[:1])])))
        return tree.each(lambda y: found(total(rows(last, y, 0), 0), lawful), ys), state

    def _masked(self, state: State, given: tuple[Tensor, Tensor]) -> tuple[State, Tensor]:
        """A step of those rows alone that are inside their lengths."""
        x, inside = given
        after, y = self.cell(state, x)
        return frozen(inside, after, state), tree.each(lambda part: rows(inside, part, 0), y)

    def _swapped(self, ys):
        """Outputs as they go in and out: of a runner that is batch_first, with time and batch swapped."""
        return tree.each(lambda y: swapaxes(y, 0, 1), ys) if self.batch_first else ys


class Bidirectional(Runner):
    """One cell forward and one backward over time, their outputs side by side (Schuster & Paliwal 1997).

        y(t) = [yf(t); yb(t)],   yf, sf = forward(sf, x) for t = 0 ... T-1,   yb, sb = backward for T-1 ... 0

    Arguments and errors as for `Recurrent`; ys is (T, B, Hf + Hb). The state is (forward, backward), of
    which the backward part is the one that has seen step 0 last. With `lengths`, each row goes backward
    from its own last step.

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

    def __call__(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        return self._both(Recurrent.__call__, xs, state, lengths)

    def summary(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """Of each direction the output of the step that it took last, side by side, (B, Hf + Hb); the state."""
        return self._both(Recurrent.summary, xs, state, lengths)

    def _both(self, run: Callable, xs: Tensor, state: State | None, lengths: Lengths) -> tuple[Tensor, State]:
        """Both directions run, what they make side by side."""
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        sf, sb = (None, None) if state is None else parts(state, 2, "directions")
        forward, sf = run(self.forward, xs, sf, lengths)
        backward, sb = run(self.backward, xs, sb, lengths)
        return concatenate([forward, backward], axis=-1), (sf, sb)


class Layers(Runner):
    """Runners on top of each other: each runs over the whole sequence of outputs of the one below.

    For cells that run forward this is `Recurrent(Stacked(...))`. A bidirectional network can only be
    stacked so: the layer above needs, at every step, what the backward cell of the layer below has made of
    the steps to come, so that no step of the stack as a whole exists, and it is no cell. Likewise `Dropout`
    between layers, which draws its masks for all time steps at once: layers without a memory, or other
    functions of one tensor, may stand before a runner.

    Arguments and errors as for `Recurrent`; the state is the tuple of the runners' states. ValueError
    unless the last is a runner, or if some are `batch_first` and others are not.

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

    def __init__(self, *layers: Runner | Callable[[Tensor], Tensor]) -> None:
        self.layers = layers
        if not layers or not isinstance(layers[-1], Runner):
            raise ValueError("layers need at least one runner, and it is the last of them")
        if len({layer.batch_first for layer in layers if hasattr(layer, "batch_first")}) > 1:
            raise ValueError("of the layers, some are batch_first and others are not: let them agree")
        self.batch_first = layers[-1].batch_first

    def __call__(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        xs, after, s = self._below(xs, state, lengths)
        ys, s = self.runners[-1](xs, s, lengths)
        return ys, (*after, s)

    def summary(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """The summary by the last runner, of all that the others make, (B, H); and the state."""
        xs, after, s = self._below(xs, state, lengths)
        y, s = self.runners[-1].summary(xs, s, lengths)
        return y, (*after, s)

    def _below(
        self, xs: Tensor, state: State | None, lengths: Lengths
    ) -> tuple[Tensor, list[State], State | None]:
        """What the last runner hears, the final states of the others, and its own before the first step."""
        count = len(self.runners)
        before = iter([None] * count if state is None else parts(state, count, "layers"))
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
        """Those of the layers that run over time."""
        return [layer for layer in self.layers if isinstance(layer, Runner)]


def within(lengths: Indices, xs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Whether step t of row i lies within its length, (T, B), and whether a length lies within 0 ... T, (B,).

    The latter is None, if that was checked on the host.
    """
    steps, batch, *_ = xs.shape
    given = refused_outside(lengths, steps, batch)
    if isinstance(given, Tensor) and given.device != "cpu":
        ends = cumsum(ones_like(given, shape=(steps, 1)), axis=0)  # t + 1, made where the lengths are
        return ends <= given, logical_and(given >= 0, given <= steps)
    host, device = (given.numpy(), "cpu") if isinstance(given, Tensor) else (given, xs.device)
    return tensor(np.arange(steps)[:, None] < host, device=device), None


def refused_outside(lengths: Indices, steps: int, batch: int) -> Tensor | np.ndarray:
    """`lengths` as a tensor or an array, checked to be integers (B,), and on the host to lie within 0 ... T."""
    given: Tensor | np.ndarray
    if isinstance(lengths, Tensor):
        given = lengths
    else:
        given = np.asarray(lengths) if backend.on_host(lengths) else tensor(lengths)
    if integers(given, "lengths").shape != (batch,):
        raise ValueError(
            f"lengths must have shape ({batch},), one for every row of the batch, not {given.shape}"
        )
    if batch and (not isinstance(given, Tensor) or given.device == "cpu"):
        host = np.asarray(given)
        if host.min() < 0 or host.max() > steps:
            raise ValueError(
                f"lengths must lie within 0 ... {steps}, the steps there are; the smallest is {host.min()}, "
                f"the largest {host.max()}"
            )
    return given


def frozen(inside: Tensor, after: State, before: State) -> State:
    """The state after a step in the rows that are inside, the state before it in the others."""
    if isinstance(after, Tensor) and isinstance(before, Tensor):
        return rows(inside, after, before)
    return tuple(frozen(inside, a, b) for a, b in zip(after, before, strict=True))
