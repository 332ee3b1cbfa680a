"""Dropout: in training, random elements are set to 0. All masks are drawn before the loop over time.

A recurrent network has three kinds of dropout: `Dropout` between layers, with a new mask at every time step;
`VariationalDropout` between layers, with one mask for all time steps; and `RecurrentDropout`, on the connection
from one state to the next. After `eval()`, none of them has an effect.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine import backend
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.runners.recurrent import Lengths, Runner
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Dropout(Module):
    """y = x m / (1 - p): in training, each element of the mask m is 0 with probability p, else 1.

    (Srivastava et al. 2014, with inverted scaling, so that y = x after `eval()`.) Each call draws a new m, of
    the shape of x, on the host from `rng`, a generator or a seed. To resume a run exactly, save
    `dropout.rng.bit_generator.state` with it. Raises ValueError unless 0 <= p < 1.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> dropout, x = nn.Dropout(0.5, rng=0), ts.tensor([1.0, 2.0, 3.0, 4.0])
    >>> dropout(x).numpy()
    array([2., 0., 0., 0.], dtype=float32)
    >>> dropout.eval()(x).numpy()
    array([1., 2., 3., 4.], dtype=float32)
    """

    def __init__(self, p: float, *, rng: init.Rng = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"dropout needs a probability 0 <= p < 1, got {p}")
        self.p, self.rng = p, np.random.default_rng(rng)

    def __call__(self, x: Tensor) -> Tensor:
        x = x if isinstance(x, Tensor) else tensor(x)
        return x if not self.training or self.p == 0 else x * self._mask(x.shape, x)

    def _mask(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """m / (1 - p), with the dtype and the device of `like`."""
        kept = init.generator(self.rng).random(shape) >= self.p
        return Tensor(backend.asarray(kept.astype(like.dtype) / (1 - self.p), like.device))


class VariationalDropout(Dropout):
    """Dropout for a sequence x (T, B, ...) with one mask (1, B, ...) for all time steps.

    (Gal & Ghahramani 2016, A theoretically grounded application of dropout in recurrent neural networks.) Use
    it before a runner, or between two runners in `Layers`. Arguments and errors are those of `Dropout`; also
    raises ValueError if x has no time axis.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> nn.VariationalDropout(0.5, rng=0)(np.ones((2, 1, 4), np.float32)).numpy()[:, 0]
    array([[2., 0., 0., 0.],
           [2., 0., 0., 0.]], dtype=float32)
    """

    batch_first = False  # `Layers` reads this and rejects a mix with runners that are batch_first

    def _mask(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        if len(shape) < 2:
            raise ValueError(f"VariationalDropout needs a sequence (T, B, ...), got shape {shape}")
        return super()._mask((1, *shape[1:]), like)


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
        self.runner, self.rows = runner, Dropout(p, rng=rng)
        self.batch_first = runner.batch_first
        if not any(name.rpartition(".")[2] == "Wh" for name, _ in runner.named_tensors()):
            raise ValueError(
                f"RecurrentDropout needs a runner whose cells have a Wh; {type(runner).__name__} has none"
            )

    def __call__(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        return with_weights(self.runner, self._dropped)(xs, state, lengths)

    def summary(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """`summary` of the runner, with dropped rows."""
        return with_weights(self.runner, self._dropped).summary(xs, state, lengths)

    def _dropped(self, Wh: Tensor) -> Tensor:  # noqa: N803 (the name in the cells)
        if not self.training or self.rows.p == 0:
            return Wh
        return Wh * self.rows._mask((Wh.shape[0], 1), Wh)


def with_weights(module: Module, change: Callable[[Tensor], Tensor]):
    """A copy of a module that shares all tensors except every Wh, which is replaced by `change(Wh)`."""

    def changed(part):
        return with_weights(part, change) if isinstance(part, Module) else part

    twin = copy.copy(module)
    for name, value in vars(module).items():
        vars(twin)[name] = change(value) if name == "Wh" else tree.each(changed, value)
    return twin
