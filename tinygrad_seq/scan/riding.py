"""Lifting an op out of a loop: one call on values stacked over time replaces a call at every time step.

It is possible for an op that *rides*: one that works with an extra leading axis (its metadata may change).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tinygrad_seq.engine.declaration import Declaration

Shape = tuple[int, ...]


class Lifted:
    """A call of `op` at all time steps at once.

    shapes   the shapes of its arguments at one step
    stacked  for each argument, whether it has a leading axis of time
    ndim     the rank of its result at one step
    meta     its metadata at one step

    A stacked argument gets axes of length 1 after time, up to the loop rank of the result, so that time stays
    the first axis when arguments broadcast. For an op without a signature, which does not say how it treats
    constants, constants are repeated along time.
    """

    def __init__(
        self,
        op: Declaration,
        shapes: Sequence[Shape],
        stacked: Sequence[bool],
        ndim: int,
        meta: Mapping[str, object],
    ) -> None:
        self.op, self.shapes, self.stacked, self.meta = op, shapes, stacked, dict(meta)
        self._last: tuple[int, tuple] | None = None  # a number of steps, and the result of `lift` for it
        self.padded: list[tuple[int, Shape]] = []  # the arguments that get axes, with their shapes after time
        if op.signature:
            loop = ndim - len(op.signature.outputs[0])
            for i, (shape, core) in enumerate(zip(shapes, op.signature.inputs, strict=True)):
                missing = loop - (len(shape) - len(core))
                if stacked[i] and missing:
                    self.padded.append((i, (1,) * missing + tuple(shape)))

    def __call__(self, arrays: Sequence, n: int):
        """The results of all `n` steps, stacked."""
        last = self._last
        if last is None or last[0] != n:
            lifted = self.op.lift(self.shapes, self.stacked, n, self.meta)
            if lifted is None:
                raise TypeError(f"{self.op.name} does not ride along a leading axis")
            last = self._last = n, lifted
        meta, repeat = last[1]
        given = list(arrays)
        for i, shape in self.padded:
            given[i] = np.reshape(given[i], (n, *shape))
        if repeat:
            for i, (on, shape) in enumerate(zip(self.stacked, self.shapes, strict=True)):
                if not on:
                    given[i] = np.broadcast_to(given[i], (n, *shape))
        return (self.op.stacking or self.op.function)(*given, **meta)
