"""Adaptive computation time: cells that process each input several times within one time step.

Within a time step, a cell of this module applies its inner cell repeatedly. Each application is a *visit*: it
receives the state of the last visit, the same input, and a flag that is 1 at the first visit and 0 later.
`ACTCell` learns the number of visits (Graves 2016, Adaptive computation time for recurrent neural networks);
for `RepeatCell` it is fixed (Fojo, Campos & Giro-i-Nieto 2018, Comparing fixed and adaptive computation time
for recurrent neural networks).
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.cell import probe
from tinygrad_seq.nn.cells.fitting import remaining
from tinygrad_seq.nn.cells.state import frozen
from tinygrad_seq.nn.indices import rows
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.module import Parameter, natural
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and, logical_not
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.exponential import sigmoid
from tinygrad_seq.ops.joining import concatenate, stack
from tinygrad_seq.ops.rearranging import pad
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, reshape
from tinygrad_seq.scan import scan
from tinygrad_seq.scan.recording.traced import Traced
from tinygrad_seq.tensor.tensor import Tensor

Visited = tuple[State, Tensor]  # the state after a visit, and h_1 + ... + h_n
Made = tuple[tuple[State, Tensor], Tensor, Tensor]  # (state, output), h_1 + ... + h_{n-1}, and h_n


class VisitingCell(Cell):
    """A cell with an inner cell that receives [x; 1] at the first visit and [x; 0] at later visits."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.input_size = cell, remaining(self, probe(cell)[0], 1, "a flag")

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the inner cell."""
        return self.cell.initial_state(batch, like)

    def _flagged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The input of the first visit and the input of later visits, each (B, I + 1)."""
        return pad(x, {-1: (0, 1)}, constant_values=1), pad(x, {-1: (0, 1)})


class ACTCell(VisitingCell):
    """A cell that learns how often to visit an input, for every row of the batch (Graves 2016).

        s_n, y_n = cell(s_{n-1}, [x; n = 1]),   h_n = sigmoid(y_n w + b),   s_0 = s
        N = min {n: h_1 + ... + h_n >= 1 - epsilon}, but at most max_steps
        p_n = h_n for n < N,   p_N = R = 1 - (h_1 + ... + h_{N-1})
        s' = sum_n p_n s_n,   y = sum_n p_n y_n,   ponder = N + R

    cell       any cell of input size I + 1 whose output is one tensor
    epsilon    a small number; with epsilon > 0, a row can halt after one visit although h_1 < 1
    max_steps  the maximum number of visits

    Called as `state, (y, ponder, steps) = act(state, x)`. Add ponder (B,), times a penalty, to the loss. N is
    piecewise constant, so the gradient of ponder is that of R: dponder/dh_n = -1 for n < N, and 0 at N. steps
    (B,) is N, as integers. The weights p_n sum to 1, also at max_steps. Integer tensors of the state have no
    mean: their values after visit N are kept. `halting` holds w and b; b is initially +1.

    A row that has halted is still computed with its batch, but it repeats its last visit with weight 0: its
    result is the same as without the other rows. In an eager call, the cell stops when every row has halted. It
    checks this after each visit, and on a GPU the host waits for each check. In the step of a scan, as in
    `Recurrent`, there is no check, and the cell always makes max_steps visits.

    Raises ValueError if epsilon is outside [0, 1), if max_steps < 1, if the input size of the cell is 0, or if
    x does not have the size I; TypeError if the output of the cell is not one tensor.

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
        epsilon = number("ACTCell", "epsilon", epsilon, "[0, 1)")
        super().__init__(cell)
        self.epsilon, self.max_steps = epsilon, natural(self, "max_steps", max_steps)
        _, y = probe(cell)
        if not isinstance(y, Tensor):
            raise TypeError(
                f"ACTCell needs a cell whose output is one tensor, got a {type(y).__name__}; wrap the cell as "
                f"nn.Mapped(cell, after=...)"
            )
        self.halting = Linear(y.shape[-1], 1, rng=rng, dtype=y.dtype)
        self.halting.bias = Parameter(np.ones(1, y.dtype))

    def __call__(self, state: State, x: Tensor) -> tuple[State, tuple[Tensor, Tensor, Tensor]]:
        (states, ys), before, h = self._visits(state, x)
        p, last = self._weights(before, h)
        remainder = total(rows(last, p, 0), 0)
        steps = total(self._goes_on(before), 0)

        def mean(parts: Tensor) -> Tensor:
            if parts.dtype.kind != "f":
                return astype(total(rows(last, parts, 0), 0), parts.dtype)
            return total(reshape(p, p.shape + (1,) * (parts.ndim - p.ndim)) * parts, 0)

        return tree.each(mean, states), (mean(ys), astype(steps, remainder.dtype) + remainder, steps)

    def _visits(self, state: State, x: Tensor) -> Made:
        """The results of all visits, each (n, B, ...): (states, outputs), h_1 + ... + h_{n-1}, and h_n."""
        first, again = self._flagged(x)
        visited, made = self._visit((state, zeros_like(x, shape=x.shape[:-1])), first)
        if isinstance(visited[1], Traced) and self.max_steps > 1:
            # a scan inside the scan: unrolled, 100 visits take 4 times as long to record, and twice to run
            _, others = scan(lambda v, _: self._visit(v, again), visited, length=self.max_steps - 1)
            rest = iter(tree.leaves(others))
            return tree.each(lambda one: concatenate([expand_dims(one, 0), next(rest)]), made)
        every = [made]
        while len(every) < self.max_steps and total(self._goes_on(visited[1])).item():
            visited, made = self._visit(visited, again)
            every.append(made)
        together: Made = tree.like(made, map(stack, zip(*map(tree.leaves, every), strict=True)))
        return together

    def _visit(self, visited: Visited, x: Tensor) -> tuple[Visited, Made]:
        """One visit: rows that go on get the new state, halted rows keep the state before their last visit."""
        s, before = visited
        after, y = self.cell(s, x)
        h = reshape(sigmoid(self.halting(y)), before.shape)
        halted = before + h
        return (frozen(self._goes_on(halted), after, s), halted), ((after, y), before, h)

    def _goes_on(self, halted: Tensor) -> Tensor:
        """Whether the sum `halted` is not yet 1 - epsilon; True for NaN, so that NaN shows in the outputs."""
        return logical_not(halted >= 1 - self.epsilon)

    def _weights(self, before: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """p_n and whether n = N, each (n, B)."""
        visited, goes_on = self._goes_on(before), self._goes_on(before + h)
        last = logical_and(visited, logical_not(concatenate([goes_on[:-1], zeros_like(goes_on[:1])])))
        return where(visited, where(last, 1 - before, h), 0), last


class RepeatCell(VisitingCell):
    """A cell that visits every input `times` times (Fojo, Campos & Giro-i-Nieto 2018).

        s_n, y_n = cell(s_{n-1}, [x; n = 1]),   s' = s_N,   y = y_N,   s_0 = s,   N = times

    The cell may be any cell of input size I + 1. The state and the output are those of its last visit. Raises
    ValueError if times < 1, if the input size of the cell is 0, or if x does not have the size I.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.RepeatCell(nn.LSTMCell(3 + 1, 5, rng=0), 2))
    >>> ys, (h, c) = rnn(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, h.shape
    ((7, 2, 5), (2, 5))
    """

    def __init__(self, cell: Cell, times: int) -> None:
        super().__init__(cell)
        self.times = natural(self, "times", times)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        first, again = self._flagged(x)
        state, y = self.cell(state, first)
        for _ in range(self.times - 1):
            state, y = self.cell(state, again)
        return state, y
