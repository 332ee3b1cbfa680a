"""How calls are treated in this thread: whether they are recorded, and who is told of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import _GeneratorContextManager, contextmanager
from typing import Protocol, TypeVar, overload

import numpy as np

from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.record import Line, Record

F = TypeVar("F", bound=Callable)


class Watcher(Protocol):
    """Is told of every call of an op, and of every record that a reverse pass visits."""

    def called(self, op: Declaration, given: tuple, arrays: tuple, meta: tuple, out) -> None:
        """`op` was called with `given`, whose arrays are `arrays`, and with `meta`; it returned `out`."""

    def walked(self, record: Record, cotangents: Sequence, shares: Sequence) -> None:
        """The rules of `record` computed `shares`, pairs of a line and a cotangent, from `cotangents`."""


class Trace(Protocol):
    """The recording of one step of a loop. It takes part in calls: every one of them is recorded in it.

    first_order  nothing that is recorded will be differentiated again
    """

    first_order: bool

    def called(self, op: Declaration, given: tuple, arrays: tuple, meta: tuple, out) -> None:
        """As for a Watcher."""

    def read(self) -> None:
        """The value of a tensor is read."""

    def varies(self, x: object) -> bool:
        """Whether x was computed in the step, so that it may differ from step to step."""

    def differentiated(self, outputs: Sequence[Line], by: Sequence[Line]) -> None:
        """A derivative of the lines `outputs` is taken in the step, by the lines `by`."""


class Mode(threading.local):
    """How calls are treated; every thread has its own."""

    recording = True  # calls are recorded
    walking = False  # calls are made by derivative rules, in a reverse pass
    trace: Trace | None = None  # the step of a scan that is being recorded
    watchers: tuple[Watcher, ...] = ()


mode = Mode()
observed: list[None] = []  # one item for every watcher and trace of any thread; while empty, nobody is told


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Record calls, or do not, in this thread and this block."""
    before, mode.recording = mode.recording, on
    try:
        yield
    finally:
        mode.recording = before


@overload
def no_grad() -> _GeneratorContextManager[None]: ...
@overload
def no_grad(function: F, /) -> F: ...
def no_grad(function: F | None = None, /) -> _GeneratorContextManager[None] | F:
    """Compute without recording, in this thread only: `with ts.no_grad():`, or `@ts.no_grad` for a function.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(2.0, requires_grad=True)
    >>> with ts.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    >>> @ts.no_grad
    ... def double(x):
    ...     return 2 * x
    >>> double(x).requires_grad
    False
    """
    unrecorded = recording(False)
    return unrecorded if function is None else unrecorded(function)


@contextmanager
def walking(create_graph: bool) -> Iterator[None]:
    """The context of a reverse pass: rules may divide by zero where a zero cotangent makes that harmless."""
    before, mode.walking = mode.walking, True
    try:
        with recording(create_graph), np.errstate(all="ignore"):
            yield
    finally:
        mode.walking = before


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell `watcher` of every call and of every reverse pass, in this thread and this block."""
    before, mode.watchers = mode.watchers, (*mode.watchers, watcher)
    observed.append(None)
    try:
        yield
    finally:
        observed.pop()
        mode.watchers = before


@contextmanager
def tracing(trace: Trace | None) -> Iterator[None]:
    """Record the calls of this block in `trace`; None: leave them out of the step that is being recorded."""
    before, mode.trace = mode.trace, trace
    observed.append(None)
    try:
        yield
    finally:
        observed.pop()
        mode.trace = before


def refuse_in_a_step(why: str) -> None:
    """RuntimeError while the step of a scan is being recorded, which happens once for all time steps."""
    if mode.trace is not None:
        raise RuntimeError(f"the step of a scan is recorded once for all time steps, so {why}")
