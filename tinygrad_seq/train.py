"""One training loop, for every example: progress, a log, checkpoints, and exact resumption.

What is trained is a `Task`: an object that makes one step at a time and can put all of its state, the
parameters, the optimizer's, its generators', its place in the data, into a tree. From that follows the
rest: killed at any moment and resumed, a run ends bit for bit where it would have ended anyway.

A run lives in a folder. `checkpoint` holds the state at a step, `log.csv` a line of figures for every step up
to it; whatever the log holds beyond the checkpoint is cut off on resumption and made again. The last
checkpoint is written after `Task.finish`, so where it exists, the run is complete.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from tinygrad_seq import serialize

EVERY = 50  # steps from one checkpoint to the next: what an interruption can cost


class Task(Protocol):
    """What `train` trains.

    columns      the names of all figures that a step can return, in the order of the log
    work         what a step works through, and how much of it, for the display: ("characters", 2048)
    fingerprint  plain values that make the run what it is (seed, sizes, hash of the data): a checkpoint
                 of a run with other ones is refused
    """

    columns: tuple[str, ...]
    work: tuple[str, int]
    fingerprint: dict[str, object]

    def step(self) -> dict[str, float]:
        """Train one step; the figures of it. A step that returns every column gets a line on the screen."""

    def finish(self) -> None:
        """Called once, after the last step: test, write results."""

    def state_dict(self) -> dict:
        """All that the next step depends on, a tree that `ts.save` takes."""

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`."""


def train(task: Task, folder: str | os.PathLike, steps: int, *, resume: bool = False) -> None:
    """Train `task` up to step `steps`, in `folder`; with `resume`, from the checkpoint there.

    A checkpoint is written at step 0, every 50 steps, and at the end. Without `resume` a run that is in
    the folder is replaced. On Ctrl-C the process says how to go on, and exits with code 130. ValueError
    for a checkpoint that is damaged, or of another run; it names the differences.

    >>> import tempfile
    >>> class Count:
    ...     columns, work, fingerprint, n = ("n",), ("steps", 1), {"seed": 0}, 0
    ...
    ...     def step(self):
    ...         self.n += 1
    ...         return {"n": self.n}
    ...
    ...     def finish(self):
    ...         pass
    ...
    ...     def state_dict(self):
    ...         return {"n": self.n}
    ...
    ...     def load_state_dict(self, state):
    ...         self.n = state["n"]
    >>> folder = tempfile.TemporaryDirectory()
    >>> train(Count(), folder.name, steps=2)  # doctest: +ELLIPSIS
    step 1 of 2: ...
    >>> print((Path(folder.name) / "log.csv").read_text())
    step,n
    1,1
    2,2
    <BLANKLINE>
    >>> folder.cleanup()
    """
