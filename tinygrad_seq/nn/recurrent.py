"""Recurrent: any cell, run over time.

The loop is the meaning of a recurrent network: y(t), s(t) = cell(s(t-1), x(t)). Sequences of unequal
length share a batch by `lengths`: past its length a row has output 0 and its state stands still.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq import backend
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.module import Module
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.shape import stack, swapaxes, unstack
from tinygrad_seq.recording import describe
from tinygrad_seq.tensor import Tensor, tensor


class Recurrent(Module):
    """`ys, state = rnn(xs, state=None, lengths=None)`: `cell` run over the time steps of xs.

    cell         state, y = cell(state, x)
    reverse      run from the last step to the first; outputs stay in the order of the input
    batch_first  xs and ys are (B, T, ...) instead of (T, B, ...)

    xs       (T, B, I)
    state    the state before the first step, the cell's initial state if None
    lengths  integers (B,), an array or a tensor: row i consists of its first lengths[i] steps. Past
             them y is 0 and the state is frozen, in either direction, so that length 0 gives back the
             initial state; what xs holds there has no influence, whatever it is.

    Returns ys (T, B, H) and the state after the last step. Gradients flow to xs, state and parameters.
    ValueError for no time step, and for lengths of another shape, negative or above T; TypeError for
    lengths that are no integers.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
    >>> ys, (h, c) = rnn(np.ones((7, 2, 3), np.float32), lengths=[7, 4])
    >>> ys.shape, h.shape, bool((ys.numpy()[4:, 1] == 0).all())
    ((7, 2, 5), (2, 5), True)
    """

    def __init__(self, cell: Cell, *, reverse: bool = False, batch_first: bool = False) -> None:
        self.cell, self.reverse, self.batch_first = cell, reverse, batch_first

    def __call__(
        self,
        xs: Tensor,
        state: State | None = None,
        lengths: Tensor | np.ndarray | list[int] | None = None,
    ) -> tuple[Tensor, State]:
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
        inside = None if lengths is None else within(lengths, *xs.shape[:2])
        if inside is not None:
            xs = rows(inside, xs, 0)

        steps = unstack(xs)
        ys = []
        for t in reversed(range(len(steps))) if self.reverse else range(len(steps)):
            after, y = self.cell(state, steps[t])
            if inside is not None:
                after, y = frozen(inside[t], after, state), rows(inside[t], y, 0)
            state = after
            ys.append(y)
        out = stack(ys[::-1] if self.reverse else ys)
        return swapaxes(out, 0, 1) if self.batch_first else out, state


def within(lengths: Tensor | np.ndarray | list[int], steps: int, batch: int) -> np.ndarray:
    """Whether step t of row i lies within its length: booleans (steps, batch)."""
    host = backend.to_numpy(lengths._data) if isinstance(lengths, Tensor) else np.asarray(lengths)
    if host.dtype.kind not in "iu":
        raise TypeError(f"lengths must be integers, not {describe(host)}")
    if host.shape != (batch,):
        raise ValueError(
            f"lengths must have shape ({batch},), one for every row of the batch, not {host.shape}"
        )
    if batch and (host.min() < 0 or host.max() > steps):
        raise ValueError(
            f"lengths must lie within 0 ... {steps}, the steps there are; the smallest is {host.min()}, the "
            f"largest {host.max()}"
        )
    return np.arange(steps)[:, None] < host


def rows(inside: np.ndarray, x: Tensor, y: Tensor | int) -> Tensor:
    """x in the rows that are inside, y in the others."""
    mask = inside.reshape(inside.shape + (1,) * (x.ndim - inside.ndim))
    return where(backend.asarray(mask, x.device), x, y)


def frozen(inside, after, before):
    """The state after a step in the rows that are inside, the state before it in the others."""
    if isinstance(after, Tensor):
        return rows(inside, after, before)
    return tuple(frozen(inside, a, b) for a, b in zip(after, before, strict=True))
