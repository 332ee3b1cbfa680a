"""The training loop of all examples: progress, a log, checkpoints and exact resumption.

`train` trains a `Task`: an object that makes one step at a time, and that can save all that its next step
depends on (the parameters, the state of the optimizer, the random generators, the position in the data) as a
tree. A run that is killed at any moment and resumed therefore ends with the same bits as an undisturbed run. If
it is resumed with another emitter (`ts.emitter`), whose loops round differently, a line says so.

A run has a folder. `checkpoint.safetensors` holds the state at one step; `log.csv` holds a line of figures for
every step. On resumption, the lines after the step of the checkpoint are deleted, and those steps run again.
The last checkpoint is written after `Task.finish`: if it exists, the run is complete.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.scan.emitter import emitter
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.training.checkpoints import (
    CHECKPOINT,
    LOG,
    CheckpointError,
    checkpoint,
    load,
    opened,
    restore,
)
from tinygrad_seq.training.task import Figures, Task

EVERY = 50  # steps between two checkpoints: an interruption costs at most this many
SHOWN = 10  # steps between two updates of the figures on the progress bar


def train(
    task: Task, folder: str | os.PathLike[str], steps: int, *, resume: bool = False, overwrite: bool = False
) -> None:
    """Train `task` up to step `steps`; the run is kept in `folder`.

    resume     continue from the checkpoint in the folder; start a new run if there is none; do nothing if the
               run has already reached `steps`
    overwrite  replace the run in the folder, if there is one: its checkpoint and log at once, what `finish`
               writes at the end of the new run

    With neither, a folder that already holds a run is an error, and the run is left as it is. A checkpoint is
    written at step 0, every 50 steps, and at the end. On Ctrl-C the process prints how to continue and exits
    with code 130.

    Raises FileExistsError for a folder that holds a run; CheckpointError (a ValueError) for a checkpoint that
    is damaged or belongs to another run, with the differences; ValueError for both `resume` and `overwrite`.
    Errors of the task pass through.

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
    steps = integer("train", "steps", steps, "[1, inf)")
    epoch = integer(type(task).__name__, "epoch", task.epoch, "[1, inf)")
    if resume and overwrite:
        raise ValueError("train accepts resume=True or overwrite=True, got both; choose one")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    exists, start = (folder / CHECKPOINT).exists(), 0
    if exists and not resume and not overwrite:
        raise FileExistsError(
            f"{folder} already holds a run. Continue it with --resume (which changes nothing if the run is "
            "finished), start another run in another folder with --out FOLDER, or replace it with --overwrite"
        )
    if resume and exists:
        start, theirs = restore(task, folder, steps)
        if start >= steps:
            print(f"{folder} is at step {start} of {steps} and finished: nothing to do")
            return
        print(f"continuing from step {start} of {steps} in {folder}")
        ours = emitter().maker
        if theirs not in (None, ours):
            print(
                f"its loops ran as {theirs} and now run as {ours}, which rounds differently: the run will not "
                "end with the same bits as an undisturbed one"
            )
    else:
        if resume:
            print(f"there is no checkpoint in {folder}: starting a new run")
        (folder / CHECKPOINT).unlink(missing_ok=True)  # first, so that no checkpoint has the log of another run
        (folder / LOG).write_text(",".join(["step", *task.columns]) + "\n", newline="\n")

    saved = start
    try:
        with open(folder / LOG, "a", newline="") as log:
            if start == 0:
                checkpoint(task, folder, 0, log)
            with progress(task, start, steps) as show, closing(Log(log, task.columns)) as rows:
                for step in range(start + 1, steps + 1):
                    figures = task.step()
                    extra = task.validate() if step % epoch == 0 or step == steps else {}
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
        print(
            f"\ninterrupted; {folder} is at step {saved}: the same command with --resume continues from there"
        )
        raise SystemExit(130) from None


class Log:
    """The lines of a log. They are written on `flush` or `close`, so that a step does not wait for a device."""

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
    """The figures as numbers; waits for the device that computes them."""
    return {name: x.item() if isinstance(x, Tensor) else x for name, x in figures.items()}


def trained(task: Task, folder: str | os.PathLike[str]) -> None:
    """Load the state of the run in `folder` into `task`, to use the trained model; the seeds may differ.

    Raises CheckpointError if the folder holds no run that has made a step, or if the checkpoint is damaged or
    belongs to another run.
    """
    path = Path(folder) / CHECKPOINT
    state = opened(path, task, but=("seed",)) if path.exists() else None
    if state is None or state["step"] == 0:
        raise CheckpointError(f"there is no trained run in {folder}")
    load(task, state["task"], path)


@contextmanager
def progress(task: Task, start: int, steps: int) -> Iterator[Callable[[int, Figures, Figures], None]]:
    """A function that shows the figures of a step: on a progress bar with a terminal and tqdm, else in lines.

    A step with extra figures always gets a line. Without a bar, every 50th step gets one too; a bar is updated
    every 10th step.
    """
    unit, amount = task.work
    begun = time.perf_counter()
    bar = None
    if sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            print('a progress bar needs tqdm: pip install -e ".[examples]"')
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
