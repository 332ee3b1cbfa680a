"""MeanSquares: the base class of optimizers that divide by the root of a running mean of g^2.

The square of a float32 gradient overflows above 1.8e19, and an infinite mean would stop its parameter for good.
Below 1e-19 the square underflows, which changes nothing as long as the root is added to a much larger eps. So
the mean of a parameter is kept in the precision of its step while that is enough, which is nearly always, and
in float64 from its first square that overflows on. A device does not report an overflow, and its means are in
float64 from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.optim.decay import Decaying
from tinygrad_seq.optim.optimizer import Parameters
from tinygrad_seq.optim.state import array_of


class MeanSquares(Decaying):
    """The base class of RMSprop and Adam: `squares` holds, for each parameter, the running mean of g^2.

    It is a slot, which a subclass lists under a name of its own. FloatingPointError for a float64 gradient
    above 1.3e154, whose square overflows even float64; on a device its element of the parameter becomes NaN.
    """

    def __init__(self, parameters: Parameters, lr: float, eps: float, weight_decay: float) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.eps = number(type(self).__name__, "eps", eps, "(0, inf)")
        self.squares = self.zeros()
        for i, own in enumerate(self.squares):
            limits = np.finfo(own.dtype)
            if not backend.on_host(own) or np.sqrt(limits.tiny) > self.eps * limits.eps:
                self._widen(i)

    def _mean_square(self, i: int, g: np.ndarray, decay: float) -> np.ndarray:
        """n <- decay n + (1 - decay) g^2, for the mean square n of parameter i; returns memory like n."""
        try:
            with np.errstate(over="raise"):
                np.multiply(g, g, out=self.scratch[i], dtype=self.scratch[i].dtype)
        except FloatingPointError as error:
            if self.squares[i].dtype.itemsize >= 8:
                raise FloatingPointError(
                    f"{type(self).__name__} cannot square a gradient of {describe(g)}: clip it first, by "
                    "optim.clip_grad_norm_"
                ) from error
            self._widen(i)
            np.multiply(g, g, out=self.scratch[i], dtype=np.float64)
        if g.dtype.itemsize >= 8 and not backend.on_host(g):
            np.copyto(self.scratch[i], np.nan, where=np.isinf(self.scratch[i]))
        average(self.squares[i], self.scratch[i], decay, self.scratch[i])
        return self.scratch[i]

    def _accepts(self, name: str, own: np.ndarray, given: np.ndarray) -> bool:
        if self.slots().get(name) is self.squares and own.shape == given.shape:
            return given.dtype in (own.dtype, np.float32, np.float64)
        return super()._accepts(name, own, given)

    def _misfits(self, state: Mapping[str, Any]) -> list[str]:
        return super()._misfits(state) or [
            f"{name}[{i}] needs elements of 0 or more"
            for name, slot in self.slots().items()
            if slot is self.squares or slot[0].dtype.kind == "i"  # or counts steps
            for i, given in enumerate(map(array_of, state[name]))
            if (given < 0).any()
        ]

    def _restore(self, slot: list[np.ndarray], i: int, given: np.ndarray) -> None:
        if slot is self.squares and slot[i].dtype.itemsize < given.dtype.itemsize:
            self._widen(i)
        super()._restore(slot, i, given)

    def _widen(self, i: int) -> None:
        wide = np.result_type(self.squares[i].dtype, np.float64)
        self.squares[i] = self.squares[i].astype(wide)
        self.scratch[i] = np.empty_like(self.squares[i])


def average(a: np.ndarray, x: np.ndarray, decay: float, scratch: np.ndarray) -> None:
    """a <- decay a + (1 - decay) x, in place; x may be the scratch array."""
    np.multiply(a, decay, out=a)
    np.multiply(x, 1 - decay, out=scratch)
    np.add(a, scratch, out=a)
