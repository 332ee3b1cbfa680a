"""What most examples share: a model that learns from batches drawn on the fly, a command line, and a picture.

A `Learner` is a `Task` for `train`. A subclass defines the model, the loss of the next batch, and the figures
to measure. `command` is the command line of every example, `curves` draws the log of a run, and a `Race` trains
several learners together, to compare them.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from tinygrad_seq import optim
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.training.checkpoints import CheckpointError
from tinygrad_seq.training.task import Figures, Task, all_or_nothing
from tinygrad_seq.training.train import train, trained

T = TypeVar("T", bound=Task)


class Learner(Task):
    """A model trained by Adam with clipped gradients, on batches drawn from `self.rng`; a `Task` for `train`.

    out     the folder of the run, where `finish` writes its results
    seed    of the initial weights and of all batches
    device  the device of the model

    A subclass defines `build` and `loss`; it may define `validate`, `finish` and the attributes of a `Task`.

    >>> import tempfile
    >>> from tinygrad_seq import nn
    >>> class Line(Learner):
    ...     columns, epoch, lr = ("loss", "slope"), 50, 0.2
    ...
    ...     def build(self, rng):
    ...         return nn.Linear(1, 1, rng=rng)
    ...
    ...     def loss(self):
    ...         x = self.rng.standard_normal((32, 1), np.float32)
    ...         return nn.mse(self.model(x), 2.0 * x)
    ...
    ...     def validate(self):
    ...         return {"slope": self.model.weight.item()}
    >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
    ...     train(Line(Path(folder)), folder, steps=50)
    step 50 of 50: loss 0.00..., slope ...; ... sequences/s
    """

    columns: tuple[str, ...] = ("loss",)
    epoch = 100
    work = ("sequences", 32)
    lr, max_norm = 3e-3, 1.0

    def __init__(self, out: Path, seed: int = 0, device: str = "cpu") -> None:
        self.out, self.device = out, device
        self.seed = seed = integer(type(self).__name__, "seed", seed, "[0, inf)")
        self.rng = np.random.default_rng(seed)
        self.model = self.build(self.rng).to(device)
        self.optimizer: optim.Optimizer = optim.Adam(self.model.parameters(), lr=self.lr)
        self.fingerprint: dict[str, object] = {"task": type(self).__name__, "seed": seed}

    def build(self, rng: np.random.Generator) -> Any:  # a Module, of the subclass's own class
        """The model, with weights drawn from `rng`."""
        raise NotImplementedError(f"{type(self).__name__} does not define build(rng), which returns the model")

    def loss(self) -> Tensor:
        """The loss of a batch drawn from `self.rng`."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define loss(), which returns the loss of a batch"
        )

    def step(self) -> Figures:
        """One batch, one step of the optimizer."""
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(self.optimizer.parameters, self.max_norm)
        self.optimizer.step()
        return {"loss": loss.detach()}

    def validate(self) -> Figures:
        """No figures; a subclass may return some."""
        return {}

    def finish(self) -> None:
        """Do nothing; a subclass may write results into `self.out`."""

    def state_dict(self) -> dict[str, Any]:
        """The weights, the state of the optimizer, and the state of the generator."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; if a part of it does not fit, nothing is loaded."""
        with all_or_nothing(self):
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.rng.bit_generator.state = state["rng"]


def command(
    make: Callable[[Path, int, str], T],
    doc: str,
    script: str,
    *,
    steps: int,
    forms: Mapping[str, tuple[Callable[[Path, int, str], T], int]] = MappingProxyType({}),
    predict: Callable[[T, str], None] | None = None,
) -> None:
    """Parse the command line of an example (see `options`) and run it.

    make     a function of a folder, a seed and a device that returns the task
    doc      the docstring of the script; its first line is the description in --help
    script   the file of the script, in a folder next to runs/, where the run is kept
    steps    the default of --steps
    forms    other forms of the task: {"small": (make, steps)} adds --small; each form has its own folder
    predict  a function of the trained task and a text, for --predict TEXT
    """
    home = Path(script).resolve()
    parser = argparse.ArgumentParser(
        description=doc.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for word, (_, count) in forms.items():
        parser.add_argument(f"--{word}", action="store_true", help=f"the {word} form, of {count} steps")
    options(parser, out=home.parent.parent / "runs" / home.stem, steps=steps)
    if predict is not None:
        parser.add_argument(
            "--predict",
            metavar="TEXT",
            default=argparse.SUPPRESS,
            help="do not train: print what the trained model in the folder answers to TEXT",
        )
    args = parser.parse_args()
    for word, form in forms.items():
        if getattr(args, word):
            make, steps = form
            parser.set_defaults(steps=steps, out=parser.get_default("out").with_name(f"{home.stem}_{word}"))
            args = parser.parse_args()  # again: options that were given keep their values
    if args.steps < 1 or args.seed < 0:
        parser.error("--steps must be at least 1, --seed at least 0")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for characters that the terminal cannot show
    with one_line(parser, ImportError, OSError, ValueError, RuntimeError):  # data or device not available
        task = make(args.out, args.seed, args.device)
    if predict is not None and "predict" in args:
        with one_line(parser, OSError, ValueError):  # no trained run, or an invalid text
            trained(task, args.out)
            predict(task, args.predict)
    else:
        with one_line(parser, OSError, CheckpointError):
            train(task, args.out, args.steps, resume=args.resume, overwrite=args.overwrite)


def options(parser: argparse.ArgumentParser, out: Path, steps: int) -> None:
    """Add the options that all runs share: --steps, --seed, --out, --device, and --resume or --overwrite.

    out, steps  the defaults of --out and --steps

    >>> parser = argparse.ArgumentParser()
    >>> options(parser, Path("runs/mine"), 100)
    >>> args = parser.parse_args(["--steps", "50", "--resume"])
    >>> args.steps, args.seed, args.device, args.resume, args.overwrite
    (50, 0, 'cpu', True, False)
    """
    parser.add_argument("--steps", type=int, default=steps, help="the number of steps to train in all")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and of all random draws")
    parser.add_argument(
        "--out",
        type=Path,
        default=out,
        help="the folder of the run; without --resume or --overwrite it must not hold a run yet",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="continue the run in the folder from its last checkpoint"
    )
    again.add_argument("--overwrite", action="store_true", help="replace the run in the folder by a new one")


@contextmanager
def one_line(parser: argparse.ArgumentParser, *errors: type[Exception]) -> Iterator[None]:
    """Print these errors as one line, and end the process with code 1."""
    try:
        yield
    except errors as error:
        parser.exit(1, f"error: {error}\n")


def verdict(ours: float | Tensor, trivial: float, *, less: bool = False) -> str:
    """The words to print after a figure: none if it beats the figure of the trivial answer.

    less  whether a smaller figure is better

    >>> print(f"accuracy 0.9{verdict(0.9, 0.5)}; error 0.2{verdict(0.2, 0.1, less=True)}")
    accuracy 0.9; error 0.2, which does not beat the trivial answer
    """
    trivial = number("verdict", "trivial", trivial, "[-inf, inf]")
    beaten = ours < trivial if less else ours > trivial  # false for NaN
    return "" if beaten else ", which does not beat the trivial answer"


def history(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The log.csv in `folder`: for each column, the pairs (step, figure) of the steps that have a figure."""
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        for name in rows[0]
        if name != "step"
    }


def curves(
    folder: Path,
    columns: Mapping[str, str],
    *,
    ylabel: str,
    levels: Mapping[str, float] | None = None,
    logarithmic: float | None = None,
) -> None:
    """Draw columns of log.csv in `folder` over the steps, as curves.png.

    columns      the columns to draw, with their labels
    levels       horizontal lines to compare with, such as a trivial baseline: {label: value}
    logarithmic  the value above which the scale is logarithmic; below, it is linear, so that 0 can be shown
    """
    from matplotlib.figure import Figure

    if logarithmic is not None:
        logarithmic = number("curves", "logarithmic", logarithmic, "(0, inf)")
    log = history(folder)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, label in columns.items():
        style = "-" if len(log[name]) == max(map(len, log.values())) else "o-"
        axes.plot(*zip(*log[name], strict=True), style, label=label, markersize=3)
    for i, (label, value) in enumerate((levels or {}).items()):
        axes.axhline(value, color="gray", linestyle=("--", ":", "-.")[i % 3], label=label)
    axes.set(xlabel="step", ylabel=ylabel)
    if logarithmic is not None:
        axes.set_yscale("symlog", linthresh=logarithmic)
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(folder / "curves.png", dpi=150)


class Race(Task):
    """Several learners, each with its own weights and batches, trained together; a `Task` for `train`.

    learners  by name; a step of the race is one step of each learner
    measure   the figure of their `validate` to compare
    """

    def __init__(self, out: Path, learners: Mapping[str, Learner], measure: str) -> None:
        self.out, self.learners, self.measure = out, dict(learners), measure
        first = next(iter(self.learners.values()))
        self.columns, self.epoch = ("loss", *self.learners), first.epoch
        self.work = (first.work[0], first.work[1] * len(self.learners))
        self.fingerprint: dict[str, object] = {
            name: str(learner.fingerprint) for name, learner in self.learners.items()
        }

    def step(self) -> Figures:
        """One step of each learner; the figure is the mean of their losses."""
        return {"loss": sum(learner.step()["loss"] for learner in self.learners.values()) / len(self.learners)}

    def validate(self) -> Figures:
        """The compared figure of each learner."""
        return {name: learner.validate()[self.measure] for name, learner in self.learners.items()}

    def finish(self) -> None:
        """Do nothing; a subclass may write results into `self.out`."""

    def state_dict(self) -> dict[str, Any]:
        """The state of each learner."""
        return {name: learner.state_dict() for name, learner in self.learners.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; if a part of it does not fit, nothing is loaded."""
        with all_or_nothing(self):
            for name, learner in self.learners.items():
                learner.load_state_dict(state[name])
