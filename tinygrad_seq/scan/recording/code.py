"""Whose a piece of code is, and what it names: a fingerprint and its guard ask this of every function."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType

LIBRARIES = sys.stdlib_module_names | {"numpy", "cupy"}
SCAN = str(Path(__file__).parents[1])


def ours(code: type | FunctionType) -> bool:
    """Whether a class or a function belongs to this package."""
    return (code.__module__ or "").startswith("tinygrad_seq.")


def library(code: type | FunctionType) -> bool:
    """Whether a class or a function belongs to Python or to NumPy."""
    # a wrapper of a function has the name of its module
    module = code.__globals__.get("__name__") if isinstance(code, FunctionType) else code.__module__
    return (module or "").partition(".")[0] in LIBRARIES


def scans(f: FunctionType) -> bool:
    """Whether a function belongs to scan itself, whose steps replay whole programs."""
    return f.__code__.co_filename.startswith(SCAN)


@functools.lru_cache(1024)
def names_of(code: CodeType) -> list[str]:
    """The names in a piece of code, and in the functions within it, that are no local variables."""
    return list(dict.fromkeys(_names(code)))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _names(part)
