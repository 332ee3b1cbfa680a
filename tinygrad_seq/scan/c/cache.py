"""The libraries of this process, by their source; each is loaded once, and stays."""

from __future__ import annotations

import ctypes

from tinygrad_seq.scan.c.compiler import compiler, lock
from tinygrad_seq.scan.c.process import CompileError

__all__ = ["CompileError", "library"]

_libraries: dict[str, ctypes.CDLL] = {}  # by the compiler's key of the source


def library(source: str) -> ctypes.CDLL:
    """The library that the C compiler makes of `source`.

    It is compiled when no process of this user has met it before. A cache that cannot be written costs that
    time in every process, and nothing else. Raises CompileError if there is no library.
    """
    by = compiler()
    key = by.key(source)
    if key not in _libraries:
        with lock:  # of two threads, one compiles
            if key not in _libraries:
                _libraries[key] = by.library(source)
    return _libraries[key]
