"""EMA: an average of the weights of the last steps, which is often better than the weights themselves.

Gradients of batches are noisy, so that the last steps of an optimizer move around an optimum; their average is
nearer to it (Polyak & Juditsky 1992, Acceleration of stochastic approximation by averaging).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.engine.precision import accumulating
from tinygrad_seq.optim.parameters import each_once, refuse_moved
from tinygrad_seq.optim.squares import average
from tinygrad_seq.optim.state import alike, array_misfits, array_of, copied, misfits, refuse
from tinygrad_seq.tensor.tensor import Tensor


class EMA:
    """An exponential moving average s of every parameter p (Kingma & Ba 2015, section 7.2):

        s <- decay s + (1 - decay) p    at every update(), after the step of an optimizer

    Initially s = p. The average weighs about the last 1 / (1 - decay) steps, and is kept in float32 or wider.
    ValueError without parameters and unless 0 <= decay < 1; TypeError for a parameter that is not a leaf tensor
    of floats.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> p = ts.tensor([8.0], requires_grad=True)
    >>> sgd, ema = optim.SGD([p], lr=1.0), optim.EMA([p], decay=0.5)
    >>> for _ in range(2):
    ...     p.grad = ts.tensor([2.0])
    ...     sgd.step()
    ...     ema.update()
    >>> with ema.swapped():
    ...     p.numpy()
    array([5.5], dtype=float32)
    >>> p.numpy()
    array([4.], dtype=float32)
    >>> state = ema.state_dict()
    >>> state
    {'averages': [array([5.5], dtype=float32)]}
    >>> optim.EMA([p]).load_state_dict(state)
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float = 0.999) -> None:
        self.parameters = each_once("EMA", parameters)
        if not self.parameters:
            raise ValueError("EMA needs at least one parameter, got none")
        self.decay = number("EMA", "decay", decay, "[0, 1)")
        self.dtypes = [p.dtype for p in self.parameters]
        self.averages = [p.data.astype(accumulating(p.dtype)) for p in self.parameters]
        self.scratch = [np.empty_like(s) for s in self.averages]
        self.swaps = False

    def update(self) -> None:
        """Take in the values of the parameters; RuntimeError within `swapped`, where they are averages."""
        if self.swaps:
            raise RuntimeError("EMA cannot update within swapped(): the parameters hold the averages")
        self._refuse_moved()
        for p, s, scratch in zip(self.parameters, self.averages, self.scratch, strict=True):
            np.copyto(scratch, p._array)  # float16 is widened before it is multiplied
            average(s, scratch, self.decay, scratch)

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """Within the block the parameters hold their averages; afterwards, and after an error, their values.

        What the block itself assigns to the parameters is lost. A tape from before the block is stale within it
        and after it, and one from within it is stale afterwards: `backward` raises RuntimeError.
        """
        if self.swaps:
            raise RuntimeError("EMA.swapped() is within another: the parameters hold the averages already")
        self._refuse_moved()
        values = [backend.copy(p._array) for p in self.parameters]
        self.swaps = True
        try:
            overwrite(self.parameters, self.averages)
            yield
        finally:
            overwrite(self.parameters, values)
            self.swaps = False

    def state_dict(self) -> dict[str, object]:
        """A copy of the averages, on the host: a tree for `ts.save`."""
        return {**copied(self._slots())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, the `state_dict()` of averages of the same shapes.

        ValueError lists everything that does not fit, and nothing is loaded.
        """
        slots = self._slots()
        refuse("EMA", misfits(state, slots, ()) or array_misfits(state, slots, alike))
        for own, given in zip(self.averages, map(array_of, state["averages"]), strict=True):
            backend.overwrite(own, backend.to_numpy(given))

    def _slots(self) -> dict[str, list[np.ndarray]]:
        return {"averages": self.averages}

    def _refuse_moved(self) -> None:
        for p, dtype, s in zip(self.parameters, self.dtypes, self.averages, strict=True):
            refuse_moved("EMA", p, dtype, s)


def overwrite(parameters: list[Tensor], arrays: list[np.ndarray]) -> None:
    """Give every parameter the values of an array on its device, rounded to its dtype."""
    for p, array in zip(parameters, arrays, strict=True):
        p.mutable()[...] = array
