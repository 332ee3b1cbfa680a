"""The list of all calls of CuPy that the project makes; the real CuPy is then checked for each of them.

A call is identified by its kind, its name, the number of its positional arguments and the names of its
keywords. Only calls from the project are listed, not calls from a test.
"""

from __future__ import annotations

import sys

Key = tuple[str, str, int, tuple[str, ...]]

reached: dict[Key, str] = {}  # for each call, the place of its first use in the project, "file:line"


def reach(kind: str, name: str, positional: int = 0, keywords: tuple[str, ...] = ()) -> None:
    """Remember a call; the stack is searched only if its key is not known yet."""
    key = (kind, name, positional, keywords)
    if key not in reached:
        remember(key)


def remember(key: Key) -> None:
    """Add a new call, with the innermost frame of the project, if there is one."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] == "tinygrad_seq":
            reached[key] = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            return
        frame = frame.f_back
