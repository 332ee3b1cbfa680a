"""Loops as C, for tests: with no program that another test has made, and what became of those that are made."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

import pytest
from compilers import real

import tinygrad_seq as ts
from tinygrad_seq.scan import over_time
from tinygrad_seq.scan.c.loop import CLoop
from tinygrad_seq.scan.recording import kept


@contextlib.contextmanager
def in_c() -> Iterator[None]:
    """Programs are new, and C; the test is skipped without a compiler."""
    real()
    with pytest.MonkeyPatch.context() as patch, ts.emitter("c"):
        patch.setattr(over_time, "PROGRAMS", OrderedDict())
        patch.setattr(kept, "KEPT", OrderedDict())
        yield


def loops() -> Iterator:
    """Every loop of the programs that were made, forward and backward."""
    for compiled in over_time.PROGRAMS.values():
        for what in compiled.loops.values():
            yield what.loop
            yield from (back.loop for back in what.backwards.values())


def all_in_c() -> bool:
    """Whether there is a loop, and every one is C and has the numbers of its NumPy form."""
    made = list(loops())
    return bool(made) and all(
        isinstance(loop, CLoop) and not (loop.checked and loop.reference) for loop in made
    )
