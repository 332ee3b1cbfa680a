"""A call and its oracle: what `held` asserts of every call, by one directional derivative too.

A subject is a function that draws the arguments of one public name with a `Draw`, calls it, and returns what it
found together with the oracle. `SUBJECTS` lists them by name.
"""

from __future__ import annotations

import importlib
import re
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fuzzing.comparing import Call, compare, differentiate
from fuzzing.draw import EITHER, INVALID, VALID, Draw, Values

CLEAR = (ValueError, TypeError, IndexError)
# the errors of an op within the call, of data that no tensor holds, of a dtype, of a ragged list
GENERAL = (
    r"^in \w+|^\w+ takes |a tensor holds floats, integers or booleans|^Parameter needs floats"
    r"|needs a float dtype|data type .* not understood|inhomogeneous shape"
)


@dataclass
class Subject:
    name: str
    draw: Callable[[Draw], Call]
    calls: int
    names: tuple[str, ...]


SUBJECTS: dict[str, Subject] = {}


def subject(name: str, calls: int = 100, also: tuple[str, ...] = ()) -> Callable[[Callable], Callable]:
    """Register the draw function of a public name; an error names it, or one of `also`."""

    def register(draw: Callable[[Draw], Call]) -> Callable:
        assert name not in SUBJECTS
        SUBJECTS[name] = Subject(name, draw, calls, (name.rpartition(".")[2], *also))
        return draw

    return register


def drawn(name: str, number: int) -> tuple[Draw, Callable[[], Call]]:
    """The `number`-th call of a subject: always the same one."""
    draw = Draw([zlib.crc32(name.encode()), number])
    return draw, lambda: SUBJECTS[name].draw(draw)


def held(name: str, number: int) -> bool:
    """Check one call; returns whether it gave a value."""
    draw, run = drawn(name, number)
    try:
        try:
            call = run()
        except (*CLEAR, *draw.errors) as error:
            draw.unchanged()
            if draw.verdict == VALID:
                raise AssertionError(f"a valid call was refused: {error!r}") from error
            clear(error, SUBJECTS[name].names)
            return False
        draw.unchanged()
        assert draw.verdict != INVALID, "an invalid call was not refused"
        compare(call, draw)
        differentiate(call, draw)
        draw.unchanged()
    except BaseException as error:
        error.add_note(f"in fuzzing.calls.held({name!r}, {number}): {', '.join(draw.said)}")
        raise
    return True


def hold(name: str) -> None:
    """Check all calls of a subject; most of them are valid, and some are refused."""
    calls = SUBJECTS[name].calls
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # overflows, means of nothing, and the like
        given = sum(held(name, number) for number in range(calls))
    assert calls / 4 < given < calls, f"{given} of {calls} calls gave a value"


def names_in(*modules: str) -> list[str]:
    """The subjects that these modules of `fuzzing` define."""
    for module in modules:
        importlib.import_module(f"fuzzing.{module}")
    return [name for name, one in SUBJECTS.items() if one.draw.__module__.removeprefix("fuzzing.") in modules]


def clear(error: Exception, names: tuple[str, ...]) -> None:
    """Assert that an error names the function or class that was called, or the op within it and its shapes."""
    text = "\n".join([str(error), *getattr(error, "__notes__", [])])
    named = any(re.search(rf"\b{name}\b", text) for name in names)
    if not named and not re.search(GENERAL, text, re.MULTILINE):
        raise AssertionError(f"an error that names none of {names}: {text}") from error


__all__ = [
    "EITHER",
    "INVALID",
    "SUBJECTS",
    "VALID",
    "Call",
    "Draw",
    "Values",
    "drawn",
    "held",
    "hold",
    "names_in",
    "subject",
]
