"""One training loop, for every example: progress, a log, checkpoints, and exact resumption.

What is trained is a `Task`: an object that makes one step at a time and can put all that its next step
depends on, the parameters, the optimizer, its generators, its place in the data, into a tree. From that the
rest follows: killed at any moment and resumed, a run ends bit for bit where it would have ended anyway.

A run lives in a folder. `checkpoint.safetensors` holds the state at a step, `log.csv` a line of figures
for every step up to it; what the log holds beyond the checkpoint is cut off on resumption and made again.
The last checkpoint is written after `Task.finish`, so that where it exists the run is complete.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.training import serialize

EVERY = 50  # steps from one checkpoint to the next: the most that an interruption can cost
SHOWN = 10  # and from one figure on a bar to the next
CHECKPOINT, LOG = "checkpoint.safetensors", "log.csv"
FORMAT = "tinygrad_seq run 1"


Figures = Mapping[str, "float | Tensor"]  # by name; a tensor of one element is read when its value is shown


class CheckpointError(ValueError):
    """A checkpoint from which a run cannot go on: it is damaged, or of another run."""


class Task(Protocol):
    """What `train` trains.

    columns      the names of all figures that step and validate return, in the order of the log
    epoch        how many steps there are from one validation to the next
    work         what a step works through, and how much of it, for the display: ("characters", 2048)
    fingerprint  plain values that make the run what it is (seed, sizes, a hash of the data); a checkpoint
                 of a run with other ones is refused
    """

    columns: tuple[str, ...]
    epoch: int
    work: tuple[str, int]
    fingerprint: dict[str, object]

    def step(self) -> Figures:
        """Train one step; its figures."""

    def validate(self) -> Figures:
        """Figures that are worth a line on the screen, after every epoch and after the last step."""

    def finish(self) -> None:
        """What remains to be done after the last step: test, write results."""

    def state_dict(self) -> dict:
        """All that the next step depends on: a tree that `ts.save` takes."""

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`."""


def train(task: Task, folder: str | os.PathLike, steps: int, *, resume: bool = False) -> None:
    """Train `task` up to step `steps` in `folder`, or with `resume` go on from the checkpoint there.

    A checkpoint is written at step 0, every 50 steps, and at the end. Without `resume`, a run that the
    folder holds is replaced; with it, a missing checkpoint means to start afresh, and a run that is at
    its end is left alone. On Ctrl-C the process says how to go on and exits with code 130.

    CheckpointError (a ValueError) for a checkpoint that is damaged or of another run, with the
    differences; errors of the task pass through.

    >>> import tempfile
    >>> class Count:
    ...     columns, epoch, work, fingerprint = ("n", "square"), 2, ("steps", 1), {"seed": 0}
    ...
    ...     def __init__(self):
    ...         self.n = 0
    ...
    ...     def step(self):
    ...         self.n += 1
    ...         return {"n": self.n}
    ...
    ...     def validate(self):
    ...         return {"square": self.n**2}
    ...
    ...     def finish(self):
    ...         print("finished")
    ...
    ...     def state_dict(self):
    ...         return {"n": self.n}
    ...
    ...     def load_state_dict(self, state):
    ...         self.n = state["n"]
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
    ...     train(Count(), folder, steps=3)
    ...     print(Path(folder, "log.csv").read_text().split())
    step 2 of 3: n 2.000, square 4.000; ... steps/s
    step 3 of 3: n 3.000, square 9.000; ... steps/s
    finished
    ['step,n,square', '1,1,', '2,2,4', '3,3,9']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    start = 0
    if resume and (folder / CHECKPOINT).exists():
        start = restore(task, folder, steps)
        if start >= steps:
            print(f"{folder} is at step {start} of {steps} and finished: nothing to do")
            return
        print(f"going on from step {start} of {steps} in {folder}")
    else:
        if resume:
            print(f"there is no checkpoint in {folder}: starting afresh")
        (folder / CHECKPOINT).unlink(missing_ok=True)  # first: a checkpoint never stands beside a foreign log
        (folder / LOG).write_text(",".join(["step", *task.columns]) + "\n")

    saved = start
    try:
        with open(folder / LOG, "a", newline="") as log:
            if start == 0:
                checkpoint(task, folder, 0, log)
            with progress(task, start, steps) as show, closing(Log(log, task.columns)) as rows:
                for step in range(start + 1, steps + 1):
                    figures = task.step()
                    extra = task.validate() if step % task.epoch == 0 or step == steps else {}
                    rows.append({"step": step, **figures, **extra})
                    show(step, figures, extra)
                    if step % EVERY == 0 and step < steps:
                        rows.flush()
                        checkpoint(task, folder, step, log)
                        saved = step
            log.flush()
            task.finish()
            checkpoint(task, folder, steps, log)
    except KeyboardInterrupt:
        print(f"\ninterrupted; {folder} is at step {saved}: the same command with --resume goes on from there")
        raise SystemExit(130) from None


class Log:
    """The lines of a log, written when it is flushed or closed: a device is not waited for at every step."""

    def __init__(self, file: TextIO, columns: tuple[str, ...]) -> None:
        self.writer = csv.DictWriter(file, ["step", *columns], lineterminator="\n")
        self.rows: list[Figures] = []

    def append(self, figures: Figures) -> None:
        self.rows.append(figures)

    def flush(self) -> None:
        self.writer.writerows(map(read, self.rows))
        self.rows.clear()

    close = flush


def read(figures: Figures) -> dict[str, float]:
    """The values of figures, for which a device is waited for."""
    return {name: x.item() if isinstance(x, Tensor) else x for name, x in figures.items()}


def checkpoint(task: Task, folder: Path, step: int, log: TextIO) -> None:
    """Put the state at `step` on the disk, after the log up to it."""
    log.flush()
    os.fsync(log.fileno())
    state = {
        "format": FORMAT,
        "fingerprint": task.fingerprint,
        "step": step,
        "log": os.fstat(log.fileno()).st_size,
        "task": task.state_dict(),
    }
    serialize.save(folder / CHECKPOINT, state)


def trained(task: Task, folder: str | os.PathLike) -> None:
    """Put `task` into the state of the run in `folder`, to use what it has learned; its seed may be another.

    CheckpointError where there is no run that has made a step, and for one that is damaged or another.
    """
    path = Path(folder) / CHECKPOINT
    state = opened(path, task, but=("seed",)) if path.exists() else None
    if state is None or state["step"] == 0:
        raise CheckpointError(f"there is no trained run in {folder}")
    task.load_state_dict(state["task"])


def restore(task: Task, folder: Path, steps: int) -> int:
    """The step of the checkpoint in `folder`; unless that is the end, `task` and the log are set back to it."""
    path, log = folder / CHECKPOINT, folder / LOG
    state = opened(path, task)
    if state["step"] < steps:
        if not log.exists() or log.stat().st_size < state["log"]:
            raise CheckpointError(f"{log} is shorter than it was when {path} was written")
        os.truncate(log, state["log"])
        task.load_state_dict(state["task"])
    return state["step"]


def opened(path: Path, task: Task, but: tuple[str, ...] = ()) -> dict:
    """What the checkpoint at `path` holds, which is of the run that `task` is, but for these of its values."""
    try:
        state = serialize.load(path)
    except ValueError as error:
        raise CheckpointError(str(error)) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of a run in the format {FORMAT!r}")
    theirs, ours = state["fingerprint"], task.fingerprint
    differences = [
        f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
        for name in {**theirs, **ours}
        if name not in but and theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise CheckpointError(f"{path} is of another run: " + "; ".join(differences))
    return state


@contextmanager
def progress(task: Task, start: int, steps: int) -> Iterator[Callable[[int, Figures, Figures], None]]:
    """A function that shows the figures of a step: on a bar, if there is a terminal and tqdm, else in lines.

    A step with extra figures gets a line in any case, and without a bar so does every 50th; on a bar every
    10th is shown.
    """
    unit, amount = task.work
    begun = time.perf_counter()
    bar = None
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            print('for a progress bar: pip install -e ".[examples]"')
        else:
            bar = tqdm(total=steps * amount, initial=start * amount, unit=f" {unit}", unit_scale=True)

    def show(step: int, figures: Figures, extra: Figures) -> None:
        if bar is not None:
            bar.update(amount)
        if not extra and step % (EVERY if bar is None else SHOWN):
            return
        text = ", ".join(
            f"{name.replace('_', ' ')} {value:.3f}" for name, value in read({**figures, **extra}).items()
        )
        speed = (step - start) * amount / (time.perf_counter() - begun)
        line = f"step {step} of {steps}: {text}; {speed:,.0f} {unit}/s"
        if bar is not None:
            bar.set_postfix_str(text, refresh=False)
            if extra:
                bar.write(line)
        else:
            print(line, flush=True)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
