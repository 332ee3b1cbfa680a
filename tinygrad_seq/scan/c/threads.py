"""Threads that run parts of a loop in C at the same time; ctypes lets go of the interpreter meanwhile.

The threads last as long as the process and wait at a lock between two loops, so they cost nothing then. Nobody
spins. The caller runs the first part itself, and in the end every part that no thread has begun: a machine that
has better things to do makes it slower by no more than the part that waits for a processor.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

VARIABLE = "TINYGRAD_SEQ_THREADS"

NEVER = threading.Event()

Task = Callable[[threading.Event], None]  # it ends early once the event is set


@functools.cache
def thread_count() -> int:
    """The number of threads that one loop may use: TINYGRAD_SEQ_THREADS, which is read once, or 1.

    Raises ValueError if that is no positive whole number.
    """
    text = os.environ.get(VARIABLE, "1")
    if not (text.isdecimal() and int(text) > 0):
        raise ValueError(f"{VARIABLE} expects a positive integer, got {text!r}; set it to 1 for one thread")
    return int(text)


@functools.cache
def _workers() -> ThreadPoolExecutor:
    from concurrent.futures import (
        ThreadPoolExecutor,
    )  # imported late: it takes as long as a tenth of the package

    return ThreadPoolExecutor(thread_count() - 1, thread_name_prefix="tinygrad_seq")


if hasattr(os, "register_at_fork"):  # a child process has none of its parent's threads
    os.register_at_fork(after_in_child=_workers.cache_clear)


def together(parts: Sequence[Task]) -> None:
    """Run all parts, and return when all have ended.

    An exception of any part, or Ctrl-C, ends the others early and reaches the caller. A part may go on for a
    moment then, so it must hold all memory that it uses.
    """
    first, *others = parts
    if not others:
        first(NEVER)
        return
    stop = threading.Event()
    begun: list[Future[None] | None] = [_begun(part, stop) for part in others]
    try:
        first(stop)
        for part, future in zip(others, begun, strict=True):
            if future is None or future.cancel():
                part(stop)
            else:
                future.result()
    except BaseException:
        stop.set()
        raise


def _begun(part: Task, stop: threading.Event) -> Future[None] | None:
    """The part, waiting for a thread; None if there can be no thread, such as at the end of the process."""

    def run() -> None:
        try:
            part(stop)
        except BaseException:
            stop.set()
            raise

    try:
        return _workers().submit(run)
    except RuntimeError:
        return None
