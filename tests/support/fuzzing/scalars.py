"""Drawing hyperparameters: numbers and integers within an interval, choices, flags and dtypes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fuzzing.judged import EITHER, INVALID, Judged

TROUBLE = 0.05  # the share of arguments that are not valid
NOT_NUMBERS = [
    "0.1",
    None,
    True,
    np.True_,
    1j,
    [0.5],
    {},
    object(),
    math.nan,
    np.array([0.5, 0.5]),
    np.float64("nan"),
]
NOT_INTEGERS = ["2", None, True, 2.0, np.float32(2), [2], math.nan, {}, 1j, object()]


class Scalars(Judged):
    """A draw of arguments that are no arrays."""

    def number(self, name: str, choices: Sequence[float], interval: str) -> Any:
        """A number: one of `choices`, Python's or NumPy's; sometimes outside `interval`, or no number."""
        if self.chance(TROUBLE):
            self.judged(INVALID)
            return self.given(name, self.one_of(NOT_NUMBERS + 2 * outside(interval)), None)
        x = self.one_of(choices)
        kinds: list[Callable] = [lambda x: x, lambda x: x, np.float64, np.float32, np.asarray]
        value = self.one_of(kinds)(x)
        return self.given(name, value, float(value))

    def integer(
        self, name: str, choices: Sequence[int], interval: str = "[1, inf)", *, none: bool = False
    ) -> Any:
        """An integer: one of `choices`, Python's or NumPy's; sometimes outside `interval`, or no integer.

        With `none`, None is no such trouble.
        """
        if self.chance(TROUBLE):
            self.judged(INVALID)
            beyond = [int(x) for x in outside(interval) if math.isfinite(x) and x == int(x)]
            wrong = [x for x in NOT_INTEGERS if not (none and x is None)]
            return self.given(name, self.one_of(wrong + 2 * beyond), None)
        x = self.one_of(choices)
        kinds: list[Callable] = [lambda x: x, lambda x: x, np.int64, np.int32, np.asarray]
        return self.given(name, self.one_of(kinds)(x), x)

    def size(self, name: str, choices: Sequence[int]) -> Any:
        """An integer >= 1; sometimes 0, which a library may refuse."""
        if self.chance(TROUBLE / 2):
            self.judged(EITHER)
            return self.given(name, 0, 0)
        return self.integer(name, choices, "[0, inf)")

    def choice(self, name: str, choices: Sequence, wrong: Sequence = ("no such", None, 3, ["a"])) -> Any:
        """One of `choices`; sometimes another value."""
        if self.chance(TROUBLE):
            self.judged(INVALID)
            return self.given(name, self.one_of(wrong), None)
        x = self.one_of(choices)
        return self.given(name, x, x)

    def flag(self, name: str) -> bool:
        return self.given(name, flag := self.chance(0.5), flag)

    def dtype(self, name: str = "dtype", *, integers: bool = False) -> Any:
        """A dtype for parameters; `integers`: another one is no trouble."""
        if self.chance(TROUBLE):
            if integers:
                return self.given(name, x := self.one_of(["i8", int, bool]), x)
            self.judged(INVALID)
            return self.given(name, self.one_of(["i8", "no such", int, bool]), None)
        return self.given(name, x := self.one_of(["f4", np.float32, "f8", np.float64, np.dtype("f8"), "f2"]), x)


def outside(interval: str) -> list[float]:
    """Numbers that are not within an interval, written as in `tinygrad_seq.engine.numbers`."""
    low, high = map(float, interval[1:-1].split(","))
    found = [low - 1.0, high + 1.0, -math.inf, math.inf]
    found += [low] * (interval[0] == "(") + [high] * (interval[-1] == ")")
    inside = [low] * (interval[0] == "[") + [high] * (interval[-1] == "]")
    return [x for x in found if not math.isnan(x) and x not in inside]
