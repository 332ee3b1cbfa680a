"""The libraries of this process, by their source; each is loaded once, and stays."""

from __future__ import annotations

import contextlib
import ctypes

from tinygrad_seq.scan.c import disk
from tinygrad_seq.scan.c.compiler import compiler, lock
from tinygrad_seq.scan.c.process import CompileError, Running

__all__ = ["CompileError", "library", "started"]

_libraries: dict[str, ctypes.CDLL] = {}  # by the compiler's key of the source


def started(source: str) -> Running | None:
    """The C compiler, which makes a library of `source` meanwhile; None if there is one, or no compiler."""
    with contextlib.suppress(CompileError):
        by = compiler()
        key = by.key(source)
        if key not in _libraries and disk.kept(key) is None:
            return by.started(source)
    return None


def library(source: str, running: Running | None = None) -> ctypes.CDLL:
    """The library that the C compiler makes of `source`, or has made since it was `started`.

    It is compiled when no process of this user has met it before. A cache that cannot be written costs that
    time in every process, and nothing else. Raises CompileError if there is no library.
    """
    by = compiler()
    key = by.key(source)
    if key not in _libraries:
        with lock:  # of two threads, one compiles
            if key not in _libraries:
                _libraries[key] = by.library(source, running)
    return _libraries[key]
