"""Dropout on the connection from one state to the next: random rows of the recurrent weights are 0."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from tinygrad_seq import tree
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.state import State
from tinygrad_seq.nn.dropout import Dropout
from tinygrad_seq.nn.module import Input, Module
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.tensor.tensor import Tensor

M = TypeVar("M", bound=Module)


class RecurrentDropout(Runner):
    """A runner that, in training, sets random rows of the recurrent weights to 0, the same at every step.

        Wh~ = diag(m) Wh / (1 - p),   m_i = 0 with probability p, else 1

    No gate receives the elements of h whose rows are dropped (Gal & Ghahramani 2016, who drop rows of the
    weight matrices). Each call draws one mask for each Wh in `runner`, for all rows of the batch. A path from h
    to h' that does not use Wh, as in a GRU, is not affected. Call it like the runner. `rng` and the errors are
    those of `Dropout`; also raises ValueError if the runner has no Wh.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.RecurrentDropout(nn.Recurrent(nn.LSTMCell(3, 5, rng=0)), 0.25, rng=0)
    >>> ys, (h, c) = rnn(np.ones((7, 2, 3), np.float32))
    >>> ys.shape, rnn.summary(np.ones((7, 2, 3), np.float32))[0].shape
    ((7, 2, 5), (2, 5))
    """

    def __init__(self, runner: Runner, p: float, *, rng: init.Rng = None) -> None:
        p = number("RecurrentDropout", "p", p, "[0, 1)")
        self.runner, self.rows = runner, Dropout(p, rng=rng)
        self.batch_first = runner.batch_first
        if not any(name.rpartition(".")[2] == "Wh" for name, _ in runner.named_tensors()):
            raise ValueError(
                f"RecurrentDropout needs a runner whose cells have a Wh; {type(runner).__name__} has none"
            )

    def __call__(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        return with_weights(self.runner, self._dropped)(xs, state, lengths)

    def summary(self, xs: Input, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """`summary` of the runner, with dropped rows."""
        return with_weights(self.runner, self._dropped).summary(xs, state, lengths)

    def _dropped(self, Wh: Tensor) -> Tensor:  # noqa: N803 (the name in the cells)
        if not self.training or self.rows.p == 0:
            return Wh
        return Wh * self.rows._mask((Wh.shape[0], 1), Wh)


def with_weights(module: M, change: Callable[[Tensor], Tensor]) -> M:
    """A copy of a module that shares all tensors except every Wh, which is replaced by `change(Wh)`."""

    def changed(part: object) -> object:
        return with_weights(part, change) if isinstance(part, Module) else part

    twin = copy.copy(module)
    for name, value in vars(module).items():
        vars(twin)[name] = change(value) if name == "Wh" else tree.each(changed, value)
    return twin
