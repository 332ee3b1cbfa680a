"""What of the device library the project reaches: the list that the real one is then asked about.

A call is known by its kind, its name, the number of its positional arguments and the names of its keywords.
Only what comes from the project counts: what a test does by itself is not remembered.
"""

from __future__ import annotations

import sys

Key = tuple[str, str, int, tuple[str, ...]]

reached: dict[Key, str] = {}  # each call to the place in the project that made it first, "file:line"


def reach(kind: str, name: str, positional: int = 0, keywords: tuple[str, ...] = ()) -> None:
    """Remember a call; the stack is walked only while its key is unknown."""
    key = (kind, name, positional, keywords)
    if key not in reached:
        remember(key)


def remember(key: Key) -> None:
    """Enter a call that is not known yet, with the innermost frame of the project, if there is one."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] == "tinygrad_seq":
            reached[key] = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            return
        frame = frame.f_back
