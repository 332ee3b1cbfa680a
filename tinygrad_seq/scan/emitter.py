"""Which emitter writes the loops of scan: NumPy, or C where a C compiler works.

`chosen` is asked once for every program, when it is made; a program keeps its emitter. The choice of a block
holds in one thread, and the choice of the process, by TINYGRAD_SEQ_EMITTER, is read once: so the emitter of a
run does not change by itself, and neither do its last bits.
"""

from __future__ import annotations

import os
import platform
import threading
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_seq.version import __version__

if TYPE_CHECKING:
    from tinygrad_seq.scan.c.compiler import Compiler

VARIABLE = "TINYGRAD_SEQ_EMITTER"
CHOICES = ("numpy", "c", "auto")


class emitter:  # noqa: N801 (used like a function, as contextlib.suppress is)
    """The emitter that is on, with the reason; or, with a name, the emitter of a block.

        ts.emitter()                    which emitter is on in this thread, and why
        with ts.emitter("numpy"): ...   scans in this block and thread run as NumPy
        with ts.emitter("c"): ...       they run as C; RuntimeError if no C compiler works
        with ts.emitter("auto"): ...    as C if a C compiler works, else as NumPy

    Outside of such blocks the environment variable TINYGRAD_SEQ_EMITTER chooses, by the same names; it is read
    when the first loop runs, and is "auto" if it is not set. A program that has been made keeps its emitter,
    and a backward pass runs as its forward pass did. The two emitters differ by rounding.

    name   "numpy" or "c"
    maker  what writes the loops: "NumPy", or "C, by cc 12.2.0"; equal makers on equal machines give equal bits

    Raises ValueError for any other name.

    >>> import tinygrad_seq as ts
    >>> with ts.emitter("numpy") as on:
    ...     ts.emitter()
    NumPy, by ts.emitter('numpy')
    >>> on.name, on.maker
    ('numpy', 'NumPy')
    """

    __slots__ = ("maker", "name", "why")

    def __init__(self, choice: str | None = None) -> None:
        found = _in_force() if choice is None else _resolved(choice, f"ts.emitter({choice!r})")
        self.name, self.maker, self.why = found

    def __enter__(self) -> emitter:
        _here.blocks = (*_here.blocks, Resolved(self.name, self.maker, self.why))
        return self

    def __exit__(self, *_: object) -> None:
        _here.blocks = _here.blocks[:-1]

    def __repr__(self) -> str:
        return self.maker + self.why

    @staticmethod
    def clear() -> int:
        """Delete the compiled loops that are on this user's disk; return the number of bytes freed.

        Programs that have been made keep their loops.

        >>> ts.emitter.clear()  # doctest: +SKIP
        2310144
        """
        from tinygrad_seq.scan.c import disk

        return disk.clear()


class Resolved(NamedTuple):
    """What a choice means on this machine."""

    name: str
    maker: str
    why: str  # the end of the sentence that `maker` begins


class _Here(threading.local):
    blocks: tuple[Resolved, ...] = ()  # that this thread is in, the innermost last


_here = _Here()
_of_process: list[Resolved] = []  # the emitter outside of all blocks, once it has been asked for
_told: set[str] = set()  # the reasons that warnings have given
_lock = threading.Lock()


def chosen() -> str:
    """The emitter of a program that is made now, in this thread: "numpy" or "c"."""
    blocks = _here.blocks or _of_process
    return blocks[-1].name if blocks else _in_force().name


def compiler() -> Compiler:
    """The C compiler; imported late, because who writes loops as NumPy needs nothing of it."""
    from tinygrad_seq.scan.c.compiler import compiler

    return compiler()


def fall_back(reason: str, detail: str = "") -> None:
    """Warn that a loop runs as NumPy although the emitter is C: once in this process for every reason.

    The warning contains `detail`, and the versions that a report needs.
    """
    by = compiler()
    versions = f"tinygrad_seq {__version__}, NumPy {np.__version__}, {by} {' '.join(by.flags)}"
    what = f"{reason} ({detail})" if detail else reason
    _warn(
        reason,
        f"{what}, so a loop runs as NumPy; please report this line: {versions}, {platform.platform()}",
    )


def _warn(reason: str, text: str) -> None:
    with _lock:
        if reason in _told:
            return
        _told.add(reason)
    warnings.warn(text, RuntimeWarning, stacklevel=3)


def _in_force() -> Resolved:
    blocks = _here.blocks or _of_process
    if blocks:
        return blocks[-1]
    found = _resolved(os.environ.get(VARIABLE) or "auto", VARIABLE)
    with _lock:
        _of_process[:] = _of_process or [found]
    return _of_process[0]


def _resolved(choice: str, by: str) -> Resolved:
    if choice not in CHOICES:
        raise ValueError(f"{by} expects 'numpy', 'c' or 'auto', got {choice!r}")
    if choice == "numpy":
        return Resolved("numpy", "NumPy", f", by {by}")
    from tinygrad_seq.scan.c.process import CompileError

    try:
        return Resolved("c", f"C, by {compiler()}", "")
    except CompileError as error:
        if choice == "c":
            raise RuntimeError(f"{by} needs a C compiler for 'c'; {error}; or choose 'numpy'") from error
        _warn("no compiler", f"scan runs as NumPy: {error}; {VARIABLE}=numpy does so without this warning")
        return Resolved("numpy", "NumPy", f": {error}")
