"""Signatures and example calls: the arguments of an op, in a form that can be checked, drawn and broadcast.

A signature is NumPy's gufunc notation, `"(n,k),(k,m)->(n,m)"`: the core axes of every argument. All axes before
them are loop axes: the op is repeated over them, and arguments broadcast along them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_GROUP = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*)?\)"
_SIDE = rf"{_GROUP}(?:\s*,\s*{_GROUP})*"


class Signature(NamedTuple):
    """The text of a signature and the core axes of its inputs and outputs.

    >>> Signature.parse("(n,k),(k,m)->(n,m)").inputs
    (('n', 'k'), ('k', 'm'))
    """

    text: str
    inputs: tuple[tuple[str, ...], ...]
    outputs: tuple[tuple[str, ...], ...]

    @staticmethod
    def parse(text: str) -> Signature:
        """Parse NumPy's notation; ValueError for any other text."""
        if not re.fullmatch(rf"\s*{_SIDE}\s*->\s*{_SIDE}\s*", text):
            raise ValueError(f"{text!r} is not a signature; write it as NumPy does: '(n,k),(k,m)->(n,m)'")
        inputs, outputs = (
            tuple(tuple(re.findall(r"\w+", group)) for group in re.findall(_GROUP, side))
            for side in text.split("->")
        )
        return Signature(text, inputs, outputs)

    def mismatch(self, names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> str | None:
        """A sentence that says why arguments of these shapes do not fit, or None if they do."""
        sizes: dict[str, tuple[int, str]] = {}
        loops = []
        for name, shape, core in zip(names, shapes, self.inputs, strict=True):
            if len(shape) < len(core):
                return f"{name} needs at least {len(core)} axes for {self.text}, it has shape {shape}"
            split = len(shape) - len(core)
            loops.append(shape[:split])
            for axis, size in zip(core, shape[split:], strict=True):
                known, where = sizes.setdefault(axis, (size, name))
                if known != size:
                    return f"in {self.text} the axis {axis} is {known} in {where} and {size} in {name}"
        try:
            np.broadcast_shapes(*loops)
        except ValueError:
            return (
                f"the shapes {' and '.join(map(str, loops))} do not broadcast: aligned at their last axis, "
                f"sizes must be equal or 1; reshape or expand_dims one of them"
            )
        return None


class Example(NamedTuple):
    """An example call: for every array argument its axes or its value, and the metadata."""

    arrays: tuple[tuple[str, ...] | np.ndarray, ...]
    meta: dict[str, object]


def example(*arrays: str | Sequence | np.ndarray, **meta: object) -> Example:
    """An example call of an op that has no signature.

    A string is the shape of a float array to draw, `"(a,b,3)"`: equal letters are equal sizes, lower-case
    letters may be 0, capitals are at least 1. Anything else (an index, a mask) is passed unchanged.

    >>> example("(a,B)", axis=1).arrays
    (('a', 'B'),)
    """
    given = (tuple(re.findall(r"\w+", a)) if isinstance(a, str) else np.asarray(a) for a in arrays)
    return Example(tuple(given), meta)
