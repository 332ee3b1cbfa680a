"""Numbers from the user: hyperparameters, sizes and counts, read once, where an object is made.

A number may be Python's or NumPy's (a scalar or a 0-d array) and becomes Python's: a scalar of NumPy would
widen float32 to float64 in the arithmetic that follows. A truth value, text, NaN or a number outside its
interval is an error that names the owner, the argument, the interval and what was given.
"""

from __future__ import annotations

import math

import numpy as np


def number(owner: str, name: str, value: object, interval: str) -> float:
    """`value` as a Python float within `interval`, written as in mathematics: "[0, 1)", "(0, inf)", "(-inf,
    inf]".

    Raises TypeError if it is not a real number, ValueError if it is NaN or outside the interval.

    >>> import numpy as np
    >>> number("SGD", "momentum", np.float32(0.5), "[0, 1]")
    0.5
    >>> number("SGD", "momentum", 1.5, "[0, 1]")
    Traceback (most recent call last):
    ValueError: SGD needs a number momentum in [0, 1], got 1.5
    """
    given = _scalar(value)
    if not isinstance(given, (int, float)):
        raise TypeError(
            f"{owner} needs a number {name} in {interval}, got {type(value).__name__} {value!r:.40}"
        )
    try:
        read = float(given)
    except OverflowError:  # an integer above 1.8e308
        read = math.inf if given > 0 else -math.inf
    if not _within(read, interval):
        raise ValueError(f"{owner} needs a number {name} in {interval}, got {given!r:.40}")
    return read


def integer(owner: str, name: str, value: object, interval: str) -> int:
    """`value` as a Python integer within `interval`, as in `number`; a float is not an integer, even if whole.

    Raises TypeError if it is not an integer, ValueError if it is outside the interval.

    >>> import numpy as np
    >>> integer("Decoder", "max_steps", np.int64(3), "[1, inf)")
    3
    >>> integer("Decoder", "max_steps", 2.0, "[1, inf)")
    Traceback (most recent call last):
    TypeError: Decoder needs an integer max_steps in [1, inf), got float 2.0
    """
    given = _scalar(value)
    if not isinstance(given, int):
        raise TypeError(
            f"{owner} needs an integer {name} in {interval}, got {type(value).__name__} {value!r:.40}"
        )
    if not _within(given, interval):
        raise ValueError(f"{owner} needs an integer {name} in {interval}, got {given!r:.40}")
    return given


def _scalar(value: object) -> int | float | None:
    """`value` as a Python int or float; None if it is neither, nor a scalar or a 0-d array that holds one."""
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        value = value.item()
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _within(value: float, interval: str) -> bool:
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    return above and below
