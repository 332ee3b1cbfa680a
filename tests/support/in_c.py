"""Loops as C, for tests: with no program that another test has made, and what became of those that are made."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator

import pytest
from compilers import real
from racing import at_once

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import over_time, scan
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


def values_and_gradients(cell, xs, weights, **how) -> list:
    """The outputs of a loop, its last carries, and the gradients of xs and of what the cell learns."""
    state, ys = scan(cell, cell.initial_state(xs.shape[1], like=xs), xs, **how)
    finals = [x for x in tree.leaves(state) if x.dtype.kind == "f"]
    loss = (ys * weights).sum() + sum((x * x).sum() for x in finals)
    wanted = [xs, *(p for p in cell.parameters() if p.requires_grad)]
    return [ys, *finals, *ts.grad(loss, wanted, zeros=True)]


def in_four_threads(problem) -> list[list]:
    """The values and gradients of a problem in four threads, each twenty times at once."""

    def work(_):
        with ts.emitter("c"):  # a block holds in one thread
            return [values_and_gradients(*problem) for _ in range(20)][-1]

    return at_once(work, 4)
