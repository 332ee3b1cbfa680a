"""Decaying: the base class of optimizers with weight decay, which pulls every parameter towards zero.

Coupled weight decay is the gradient of weight_decay |p|^2 / 2, added to the gradient of the loss (Krogh &
Hertz 1992, A simple weight decay can improve generalization). Where an optimizer divides by the size of the
gradients, decoupled weight decay differs: see AdamW.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.numbers import number
from tinygrad_seq.optim.optimizer import Optimizer, Parameters


class Decaying(Optimizer):
    """The base class of SGD, RMSprop and Adam: an optimizer with the setting `weight_decay`.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> adam = optim.Adam([ts.tensor([1.0, 2.0], requires_grad=True)], weight_decay=0.5)
    >>> adam.weight_decay = 0.25  # between steps
    """

    SETTINGS = ("lr", "weight_decay")

    def __init__(self, parameters: Parameters, lr: float, weight_decay: float) -> None:
        super().__init__(parameters, lr)
        self.weight_decay = weight_decay
        self._sums: dict[int, np.ndarray] = {}

    @property
    def weight_decay(self) -> float:
        """The weight decay: a number in [0, inf), which may be set between steps."""
        return self._settings["weight_decay"]

    @weight_decay.setter
    def weight_decay(self, value: float) -> None:
        self._shared["weight_decay"] = number(type(self).__name__, "weight_decay", value, "[0, inf)")

    def _decay(self, i: int, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """g + weight_decay p, with which `update` continues in the place of the gradient g of parameter i."""
        if not self.weight_decay:
            return g
        if i not in self._sums:
            self._sums[i] = np.empty_like(g)
        scratch = self._sums[i]
        np.multiply(p, self.weight_decay, out=scratch)
        np.add(g, scratch, out=scratch)
        return scratch
