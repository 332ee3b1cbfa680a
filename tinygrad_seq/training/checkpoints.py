"""The state of a run in its folder: written in one step, and read as a whole or not at all.

`checkpoint.safetensors` holds the state at one step, and the emitter of the loops that led to it; `log.csv`
holds a line of figures for every step. Whatever is wrong with them is a CheckpointError, raised before the task
or the log is changed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TextIO

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.scan.emitter import emitter
from tinygrad_seq.training import serialize
from tinygrad_seq.training.task import Task, all_or_nothing

CHECKPOINT, LOG = "checkpoint.safetensors", "log.csv"
FORMAT = "tinygrad_seq run 1"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: it is damaged, or belongs to another run. Nothing was loaded."""


def checkpoint(task: Task, folder: Path, step: int, log: TextIO) -> None:
    """Write the log up to `step` to the disk, then the state at `step`."""
    log.flush()
    os.fsync(log.fileno())
    state = {
        "format": FORMAT,
        "fingerprint": task.fingerprint,
        "emitter": emitter().maker,
        "step": step,
        "log": os.fstat(log.fileno()).st_size,
        "task": task.state_dict(),
    }
    serialize.save(folder / CHECKPOINT, state)


def restore(task: Task, folder: Path, steps: int) -> tuple[int, str | None]:
    """The step of the checkpoint in `folder`, and its emitter; if before `steps`, reset `task` and log to it.

    The emitter is None if the checkpoint was written before there were two.
    """
    path, log = folder / CHECKPOINT, folder / LOG
    state = opened(path, task)
    step: int = state["step"]
    if step < steps:
        if not log.exists() or log.stat().st_size < state["log"]:
            raise CheckpointError(f"{log} is shorter than it was when {path} was written")
        with open(log, "rb") as file:
            lines = file.read(state["log"]).split(b"\n")
        header = ",".join(["step", *task.columns]).encode()
        if lines[0] != header or len(lines) != step + 2 or lines[-1]:
            raise CheckpointError(
                f"the first {state['log']} bytes of {log} are not {header.decode()} and {step} lines, as they "
                f"were when {path} was written"
            )
        load(task, state["task"], path)
        os.truncate(log, state["log"])
    return step, state.get("emitter")


def load(task: Task, state: dict[str, Any], path: Path) -> None:
    """Load the state of `task` that is in the checkpoint at `path`: all of it, or nothing with an error."""
    try:
        with all_or_nothing(task):
            task.load_state_dict(state)
    except Exception as error:  # of any kind: a task reads its state in its own way
        raise CheckpointError(
            f"{path} does not fit the task, and nothing was loaded: {type(error).__name__}: {error}"
        ) from error


def opened(path: Path, task: Task, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The content of the checkpoint at `path`, whose fingerprint must be that of `task` except for `but`."""
    try:
        state = serialize.load(path)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of a run in the format {FORMAT!r}")
    try:
        for name in ("step", "log"):
            integer("a checkpoint", name, state.get(name), "[0, inf)")
        for name in ("fingerprint", "task"):
            if not isinstance(state.get(name), dict):
                raise TypeError(f"a checkpoint needs a dict {name}, got {describe(state.get(name))}")
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not the checkpoint of a run: {error}") from error
    theirs, ours = state["fingerprint"], task.fingerprint
    differences = [
        f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
        for name in {**theirs, **ours}
        if name not in but and theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise CheckpointError(f"{path} belongs to another run: " + "; ".join(differences))
    return state
