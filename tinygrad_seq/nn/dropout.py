"""Dropout: in training some elements are 0, at random. All masks are drawn before a loop, none within it.

Three places for it in a recurrent network: `Dropout` between layers, another mask at every time step;
`VariationalDropout`, one mask for all time steps; `RecurrentDropout`, on the way from one state to the next.
After `eval()` each of them does nothing.
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

    (Srivastava et al. 2014, the scaling inverted, so that y = x after `eval()`.) m has the shape of x, and
    is drawn anew by each call from `rng`, a generator or a seed, on the host. To resume a run exactly, save
    `dropout.rng.bit_generator.state` with it. ValueError for a p outside 0 <= p < 1.

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
            raise ValueError(f"the probability of dropping an element lies within 0 <= p < 1; it cannot be {p}")
        self.p, self.rng = p, np.random.default_rng(rng)

    def __call__(self, x: Tensor) -> Tensor:
        x = x if isinstance(x, Tensor) else tensor(x)
        return x if not self.training or self.p == 0 else x * self._mask(x.shape, x)

    def _mask(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """m / (1 - p), of the dtype and on the device of `like`."""
        kept = init.generator(self.rng).random(shape) >= self.p
        return Tensor(backend.asarray(kept.astype(like.dtype) / (1 - self.p), like.device))


class VariationalDropout(Dropout):
    """Dropout of a sequence, x (T, B, ...), by a mask that is the same at all time steps: (1, B, ...).

    (Gal & Ghahramani 2016, A theoretically grounded application of dropout in recurrent neural networks.)
    Before a runner, or in `Layers` between two. Arguments and errors as for `Dropout`; ValueError for an x
    without an axis of time.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> nn.VariationalDropout(0.5, rng=0)(np.ones((2, 1, 4), np.float32)).numpy()[:, 0]
    array([[2., 0., 0., 0.],
           [2., 0., 0., 0.]], dtype=float32)
    """

    batch_first = False  # so that `Layers` of runners that are refuses it

    def _mask(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        if len(shape) < 2:
            raise ValueError(f"a sequence is (T, B, ...), not {shape}")
        return super()._mask((1, *shape[1:]), like)


class RecurrentDropout(Runner):
    """A runner, of whose recurrent weights in training some rows are 0, the same at all time steps.

        Wh~ = diag(m) Wh / (1 - p),   m_i = 0 with probability p, else 1

    So some elements of h are not heard, by none of the gates (Gal & Ghahramani 2016, who drop rows of the
    weight matrices). Each call draws a mask for each Wh in `runner`, which holds for all rows of the batch;
    what passes from h to h' without Wh, as in a GRU, is left alone. Call it as the runner; `rng` and errors
    as for `Dropout`; ValueError for a runner without a Wh.

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
            raise ValueError(f"a {type(runner).__name__} of cells without a Wh has no rows to drop")

    def __call__(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        return with_weights(self.runner, self._dropped)(xs, state, lengths)

    def summary(self, xs: Tensor, state: State | None = None, lengths: Lengths = None) -> tuple[Tensor, State]:
        """That of the runner, of whose weights some rows are 0."""
        return with_weights(self.runner, self._dropped).summary(xs, state, lengths)

    def _dropped(self, Wh: Tensor) -> Tensor:  # noqa: N803 (the name that it has in the cells)
        if not self.training or self.rows.p == 0:
            return Wh
        return Wh * self.rows._mask((Wh.shape[0], 1), Wh)


def with_weights(module: Module, change: Callable[[Tensor], Tensor]):
    """A copy of a module with the same tensors but for every Wh in it, which is `change(Wh)`."""

    def changed(part):
        return with_weights(part, change) if isinstance(part, Module) else part

    twin = copy.copy(module)
    for name, value in vars(module).items():
        vars(twin)[name] = change(value) if name == "Wh" else tree.each(changed, value)
    return twin
