"""Sizes that depend on the free axes of a model, found by recording it several times.

A recording has only numbers: whether a 7 in the shape of a reshape is the number of steps or a constant, one
recording cannot tell. So a model is recorded with several sizes of its free axes, and what was recorded is
compared: a number that is the same in all recordings is a constant, any other one is a `Size`. What differs in
any other way cannot be written as one graph, which is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_seq.scan.recording.trace import hashable

# the sizes of each free axis in the recordings: no triple is a linear function of another one, or of their
# products, so that a number is taken for no other size than the one that it depends on
RECORDED = ((11, 17, 13), (7, 19, 9), (23, 15, 21), (14, 22, 27), (25, 18, 33), (26, 35, 28))


@dataclass(frozen=True)
class Size:
    """A number that depends on the free axes: its values in the recordings. It is not an int, so that it is
    never taken for a constant."""

    values: tuple[int, ...]

    def line(self, other: Size) -> tuple[int, int] | None:
        """The integers c, d with self = c other + d in all recordings, and c not 0; None if there are none."""
        (x0, x1, *_), (y0, y1, *_) = other.values, self.values
        if x0 == x1 or y0 == y1 or (y1 - y0) % (x1 - x0):
            return None
        c = (y1 - y0) // (x1 - x0)
        d = y0 - c * x0
        return (c, d) if all(y == c * x + d for x, y in zip(other.values, self.values, strict=True)) else None

    def __mul__(self, other: Size) -> Size:
        return Size(tuple(x * y for x, y in zip(self.values, other.values, strict=True)))


Number = int | Size
Shape = tuple[Number, ...]


class DifferentError(ValueError):
    """What was recorded differs between the recordings, and not by numbers that are sizes."""


def merged(parts: Sequence[Any]) -> Any:
    """One value for the values of all recordings, in which integers that differ are a `Size`."""
    first = parts[0]
    kinds = {type(part) for part in parts}
    if len(kinds) == 1:
        if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            values = tuple(map(int, parts))
            return int(first) if len(set(values)) == 1 else Size(values)
        if isinstance(first, (tuple, list)) and len({len(part) for part in parts}) == 1:
            return tuple(merged(each) for each in zip(*parts, strict=True))
        if isinstance(first, slice):
            return slice(*(merged([getattr(part, at) for part in parts]) for at in ("start", "stop", "step")))
    if len({hashable(part) for part in parts}) > 1:
        raise DifferentError(f"{' and '.join(map(repr, parts))}")
    return first
