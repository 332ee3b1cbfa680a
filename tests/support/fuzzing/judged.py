"""What is known of a call while its arguments are drawn: their values, and what is to be expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import tinygrad_seq as ts

VALID, EITHER, INVALID = "valid", "either", "invalid"


class Values(dict):
    """What the oracle receives: the values of the arguments, by name."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def under(self, prefix: str) -> Values:
        """The values whose names begin with `prefix`, without it."""
        return Values({k.removeprefix(prefix): v for k, v in self.items() if k.startswith(prefix)})


class Judged:
    """The arguments of one call, drawn by `rng`, and the verdict on them."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.verdict = VALID
        self.values = Values()
        self.leaves: dict[str, ts.Tensor] = {}  # what requires a gradient
        self.dtypes: list[np.dtype] = []  # of the floats among the arguments
        self.kept: list[tuple[Any, Any, tuple]] = []
        self.said: list[str] = []
        self.hostile = self.chance(0.3)
        self.errors: tuple[type[Exception], ...] = ()  # that are right besides the usual ones

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def one_of(self, choices: Sequence) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def judged(self, verdict: str) -> None:
        """Note that an argument makes the call EITHER or INVALID; the worst counts."""
        order = [VALID, EITHER, INVALID]
        self.verdict = max(self.verdict, verdict, key=order.index)

    def given(self, name: str, value: Any, plain: Any) -> Any:
        """Note an argument, and what the oracle receives for it."""
        self.values[name] = plain
        self.said.append(f"{name}={value!r:.200}")
        return value

    def floats_(self) -> list[np.ndarray]:
        """The values of all arguments that are floats."""
        return [x for x in self.values.values() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]

    def kept_(self, name: str, value: Any) -> Any:
        array = value.numpy() if isinstance(value, ts.Tensor) else value
        state = (
            (value.line, value.shape)
            if isinstance(value, ts.Tensor)
            else (value.flags.writeable, value.strides)
        )
        self.kept.append((value, array.copy(), state))
        return self.given(name, value, extended(array))

    def unchanged(self) -> None:
        """Assert that no argument was changed."""
        for value, array, state in self.kept:
            if isinstance(value, ts.Tensor):
                assert (value.line, value.shape) == state, "an argument was put on another line of the tape"
                assert value.numpy().tobytes() == array.tobytes(), "an argument was changed"
            else:
                assert (value.flags.writeable, value.strides) == state, "an argument was reflagged"
                assert value.tobytes() == array.tobytes(), "an argument was changed"


def extended(array: np.ndarray) -> np.ndarray:
    """Floats in extended precision; other arrays as they are."""
    return np.array(array, np.longdouble if array.dtype.kind == "f" else None)
