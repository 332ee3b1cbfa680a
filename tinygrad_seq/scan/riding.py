"""Lifting: one call on stacks in the place of a call at every time step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tinygrad_seq.primitive import Primitive


def on_stacks(
    op: Primitive,
    arrays: Sequence,
    stacked: Sequence[bool],
    shapes: Sequence[tuple[int, ...]],
    ndim: int,
    n: int,
    meta: Mapping[str, object],
):
    """`op` at all `n` time steps at once.

    arrays   its arguments: those `stacked` have a leading axis of length n
    shapes   their shapes at one step
    ndim     the rank of its result at one step
    meta     its metadata at one step

    A stacked argument gets axes of length 1 behind time, up to the loop rank of the result; an op that has
    no signature and does not say how it treats constants has them repeated along time.
    """
    lifted = op.lift(shapes, stacked, n, dict(meta))
    if lifted is None:
        raise TypeError(f"{op.name} does not ride along a leading axis")
    meta, repeat = lifted
    given = []
    for i, (x, on, shape) in enumerate(zip(arrays, stacked, shapes, strict=True)):
        if on and op.signature:
            missing = (ndim - len(op.signature.outputs[0])) - (len(shape) - len(op.signature.inputs[i]))
            x = np.reshape(x, (n, *[1] * missing, *shape)) if missing else x
        elif repeat and not on:
            x = np.broadcast_to(x, (n, *shape))
        given.append(x)
    return (op.stacking or op.function)(*given, **meta)
