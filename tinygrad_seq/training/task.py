"""Task: what `train` trains, and how its state is loaded as a whole or not at all."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from tinygrad_seq.tensor.tensor import Tensor

Figures = Mapping[str, "float | Tensor"]  # by name; the value of a one-element tensor is read when it is shown


class Task(Protocol):
    """What `train` trains.

    columns      the names of all figures that `step` and `validate` return, in the order of the log
    epoch        the number of steps between two validations
    work         what a step processes and how much of it, for the display: ("characters", 2048)
    fingerprint  plain values that identify the run (seed, sizes, a hash of the data); a checkpoint whose
                 fingerprint differs is refused
    """

    columns: tuple[str, ...]
    epoch: int
    work: tuple[str, int]
    fingerprint: dict[str, object]

    def step(self) -> Figures:
        """Train one step and return its figures."""

    def validate(self) -> Figures:
        """The figures to print after every epoch and after the last step."""

    def finish(self) -> None:
        """Called once after the last step: test, write the results."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, as a tree that `ts.save` can write."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


@contextmanager
def all_or_nothing(task: Task) -> Iterator[None]:
    """Give `task` its state back if the block, which loads another one, raises an error."""
    before = copy.deepcopy(task.state_dict())
    try:
        yield
    except BaseException:
        task.load_state_dict(before)
        raise
