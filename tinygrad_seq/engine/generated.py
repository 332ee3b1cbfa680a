"""Generated source, which is compiled once, and which debuggers and tracebacks show like any other file."""

from __future__ import annotations

import linecache
from collections.abc import Iterable


def write_out(lines: Iterable[str], filename: str, namespace: dict) -> None:
    """Run `lines` of source in `namespace`; debuggers and tracebacks show them as the file `filename`."""
    text = "\n".join(lines) + "\n"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    exec(compile(text, filename, "exec"), namespace)
