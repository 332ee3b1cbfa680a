"""Dropout: in training, random elements are set to 0. All masks are drawn before the loop over time.

A recurrent network has three kinds of dropout: `Dropout` between layers, with a new mask at every time step;
`VariationalDropout` between layers, with one mask for all time steps; and `RecurrentDropout`, on the connection
from one state to the next. After `eval()`, none of them has an effect.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.nn import init
from tinygrad_seq.nn.module import Input, Module
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
        self.p, self.rng = number(type(self).__name__, "p", p, "[0, 1)"), np.random.default_rng(rng)

    def __call__(self, x: Input) -> Tensor:
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
