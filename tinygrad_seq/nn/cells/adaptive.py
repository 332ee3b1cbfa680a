"""Adaptive computation time: cells that think about an input more than once before they go on.

Within a step of time the cell inside is applied again and again, to its own last state and to the same
input, beside which a flag says whether this is the first visit. `ACTCell` learns how often (Graves 2016,
Adaptive computation time for recurrent neural networks), `RepeatCell` is told (Fojo, Campos & Giro-i-Nieto
2018, Comparing fixed and adaptive computation time for recurrent neural networks).
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.cell import tried
from tinygrad_seq.nn.indices import rows
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.module import Parameter
from tinygrad_seq.nn.runners.recurrent import frozen
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and, logical_not
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.exponential import sigmoid
from tinygrad_seq.ops.rearranging import pad
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import concatenate, expand_dims, reshape, stack
from tinygrad_seq.scan import scan
from tinygrad_seq.scan.traced import Traced
from tinygrad_seq.tensor.tensor import Tensor


class VisitingCell(Cell):
    """What both have in common: the cell inside, which hears [x; 1] at the first visit and [x; 0] later."""

    def __init__(self, cell: Cell) -> None:
        heard, _ = tried(cell)
        if not heard:
            raise ValueError("beside the input a cell hears a flag: let its input size be I + 1, not 0")
        self.cell, self.input_size = cell, heard - 1

    def initial_state(self, batch: int, like: Tensor) -> State:
        """That of the cell."""
        return self.cell.initial_state(batch, like)

    def _heard(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The input of the first visit and that of the others, (B, I + 1)."""
        if x.shape[-1] != self.input_size:
            raise ValueError(
                f"the cell hears {self.input_size} numbers of the input beside a flag for the first visit, but "
                f"x is {describe(x)}: for it the input size of the cell is {x.shape[-1]} + 1 = "
                f"{x.shape[-1] + 1}"
            )
        return pad(x, {-1: (0, 1)}, constant_values=1), pad(x, {-1: (0, 1)})


class ACTCell(VisitingCell):
    """A cell that decides for itself, and for every row, how often it visits an input (Graves 2016).

        s_n, y_n = cell(s_{n-1}, [x; n = 1]),   h_n = sigmoid(y_n w + b),   s_0 = s
        N = min {n: h_1 + ... + h_n >= 1 - epsilon}, or max_steps, if that is less
        p_n = h_n for n < N,   p_N = R = 1 - (h_1 + ... + h_{N-1})
        s' = sum_n p_n s_n,   y = sum_n p_n y_n,   ponder = N + R

    cell       any cell whose input has I + 1 numbers and whose output is one tensor
    epsilon    how much may be left over: so small that it makes no difference, but lets a cell halt at once
    max_steps  more visits than these are not made

    Called as `state, (y, ponder, steps) = act(state, x)`: ponder (B,) is what to add to a loss, times a
    penalty. N is piecewise constant, so that its gradient is that of R: dponder/dh_n = -1 for n < N, and 0 at
    N. steps (B,) is N, integers. The weights p_n sum to 1, also at max_steps. Of parts of the state that are
    integers, which have no mean, those after visit N are kept. b, at first +1, and w are `halting`.

    A row that has halted is visited with its batch, but repeats its last visit, with weight 0: it is what it
    is alone. Called by itself, the cell stops when every row has halted, and looks at them after each visit to
    know that: on a device the host waits for it each time. In the step of a scan, as in `Recurrent`, nobody
    looks, and max_steps visits are made.

    ValueError for an epsilon outside [0, 1), for max_steps below 1, for a cell that hears nothing, and for an x
    of another size than it hears; TypeError for a cell whose output is no tensor.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> act = nn.ACTCell(nn.LSTMCell(3 + 1, 5, rng=0), max_steps=10, rng=1)
    >>> x = ts.ones((2, 3))
    >>> (h, c), (y, ponder, steps) = act(act.initial_state(2, like=x), x)
    >>> y.shape, ponder.shape, steps.numpy()
    ((2, 5), (2,), array([2, 2]))
    >>> (ys, ponder, steps), state = nn.Recurrent(act)(np.ones((7, 2, 3), np.float32), lengths=[7, 4])
    >>> ys.shape, ponder.shape, steps.numpy().T
    ((7, 2, 5), (7, 2), array([[2, 2, 2, 2, 2, 2, 2],
           [2, 2, 2, 2, 0, 0, 0]]))
    >>> (ys.sum() + 0.01 * nn.mean_within(ponder, [7, 4])).backward()
    """

    def __init__(
        self, cell: Cell, *, epsilon: float = 0.01, max_steps: int = 100, rng: init.Rng = None
    ) -> None:
        if not 0 <= epsilon < 1:
            raise ValueError(f"epsilon lies within 0 <= epsilon < 1, not {epsilon}")
        super().__init__(cell)
        self.epsilon, self.max_steps = epsilon, counted(max_steps, "max_steps")
        _, y = tried(cell)
        if not isinstance(y, Tensor):
            raise TypeError(
                f"an ACTCell takes a cell whose output is one tensor, not a {type(y).__name__}: make it one by "
                f"nn.Mapped(cell, after=...)"
            )
        self.halting = Linear(y.shape[-1], 1, rng=rng, dtype=y.dtype)
        self.halting.bias = Parameter(np.ones(1, y.dtype))

    def __call__(self, state: State, x: Tensor) -> tuple[State, tuple[Tensor, Tensor, Tensor]]:
        (states, ys), before, h = self._visits(state, x)
        p, last = self._weights(before, h)
        remainder = total(rows(last, p, 0), 0)
        steps = total(self._going_on(before), 0)

        def mean(parts: Tensor) -> Tensor:
            if parts.dtype.kind != "f":
                return astype(total(rows(last, parts, 0), 0), parts.dtype)
            return total(reshape(p, p.shape + (1,) * (parts.ndim - p.ndim)) * parts, 0)

        return tree.each(mean, states), (mean(ys), astype(steps, remainder.dtype) + remainder, steps)

    def _visits(self, state: State, x: Tensor):
        """What all visits made, (n, B, ...) each: (states, outputs), h_1 + ... + h_{n-1}, and h_n."""
        first, again = self._heard(x)
        visited, made = self._visit((state, zeros_like(x, shape=x.shape[:-1])), first)
        if isinstance(visited[1], Traced) and self.max_steps > 1:
            # a scan within the scan: written out, 100 visits take 4 times as long to record, and 2 to run
            _, others = scan(lambda v, _: self._visit(v, again), visited, length=self.max_steps - 1)
            rest = iter(tree.leaves(others))
            return tree.each(lambda one: concatenate([expand_dims(one, 0), next(rest)]), made)
        every = [made]
        while len(every) < self.max_steps and total(self._going_on(visited[1])).item():
            visited, made = self._visit(visited, again)
            every.append(made)
        return tree.like(made, map(stack, zip(*map(tree.leaves, every), strict=True)))

    def _visit(self, visited, x: Tensor):
        """One of them: rows that go on have a new state, the others visit again from where they did last."""
        s, before = visited
        after, y = self.cell(s, x)
        h = reshape(sigmoid(self.halting(y)), before.shape)
        halted = before + h
        return (frozen(self._going_on(halted), after, s), halted), ((after, y), before, h)

    def _going_on(self, halted: Tensor) -> Tensor:
        """Whether that much is not enough; NaN is not, so that it is found in what comes out."""
        return logical_not(halted >= 1 - self.epsilon)

    def _weights(self, before: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """p_n and whether n = N, (n, B) each."""
        visited, goes_on = self._going_on(before), self._going_on(before + h)
        last = logical_and(visited, logical_not(concatenate([goes_on[:-1], zeros_like(goes_on[:1])])))
        return where(visited, where(last, 1 - before, h), 0), last


class RepeatCell(VisitingCell):
    """A cell that visits every input `times` times (Fojo, Campos & Giro-i-Nieto 2018).

        s_n, y_n = cell(s_{n-1}, [x; n = 1]),   s' = s_N,   y = y_N,   s_0 = s,   N = times

    The cell is any whose input has I + 1 numbers; state and output are those of its last visit. ValueError for
    times below 1, for a cell that hears nothing, and for an x of another size than it hears.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.RepeatCell(nn.LSTMCell(3 + 1, 5, rng=0), 2))
    >>> ys, (h, c) = rnn(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, h.shape
    ((7, 2, 5), (2, 5))
    """

    def __init__(self, cell: Cell, times: int) -> None:
        super().__init__(cell)
        self.times = counted(times, "times")

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        first, again = self._heard(x)
        state, y = self.cell(state, first)
        for _ in range(self.times - 1):
            state, y = self.cell(state, again)
        return state, y


def counted(visits: int, name: str) -> int:
    """`visits`, checked to be one or more."""
    if not isinstance(visits, int) or visits < 1:
        raise ValueError(f"{name} is a number of visits, 1 or more, not {visits!r}")
    return visits
