"""What most examples are: a model that learns from batches as they are drawn, a command line, and a picture.

A `Learner` is a `Task` of `train`. Its subclasses say what the model is, what the loss of the next batch is,
and what is measured; `command` gives it the command line that every example has, `curves` draws its log, and
a `Race` trains several at once, to compare them.
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
from typing import TypeVar

import numpy as np

from tinygrad_seq import optim
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.training.train import CheckpointError, Figures, Task, train, trained

T = TypeVar("T", bound=Task)


class Learner(Task):
    """A model that learns by Adam, its gradients clipped, from what `rng` draws; a `Task` for `train`.

    out     the folder of the run, for what `finish` leaves there
    seed    of the initial weights and of all batches
    device  where the model lives

    A subclass states `build` and `loss`, and, if it likes, `validate`, `finish`, and what a Task has.

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
        self.out, self.seed, self.device = out, seed, device
        self.rng = np.random.default_rng(seed)
        self.model = self.build(self.rng).to(device)
        self.optimizer: optim.Optimizer = optim.Adam(self.model.parameters(), lr=self.lr)
        self.fingerprint: dict[str, object] = {"task": type(self).__name__, "seed": seed}

    def build(self, rng: np.random.Generator):
        """The model, its weights drawn from `rng`."""
        raise NotImplementedError(f"{type(self).__name__} states no model")

    def loss(self) -> Tensor:
        """The loss of a batch that is drawn from `self.rng`."""
        raise NotImplementedError(f"{type(self).__name__} states no loss")

    def step(self) -> Figures:
        """One batch, one step of the optimizer."""
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(self.optimizer.parameters, self.max_norm)
        self.optimizer.step()
        return {"loss": loss.detach()}

    def validate(self) -> Figures:
        """Nothing, unless a subclass measures something."""
        return {}

    def finish(self) -> None:
        """Nothing, unless a subclass leaves something in its folder."""

    def state_dict(self) -> dict:
        """The weights, the optimizer's state, and where the generator is."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.bit_generator.state,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`."""
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
    """The command line of an example: --steps, --seed, --out, --device, --resume; and its run.

    make     a task of a folder, a seed and a device
    doc      the script's docstring, whose first line says what it is
    script   its file; a run goes to runs/, beside the folder that it is in
    steps    how many there are, if nobody says otherwise
    forms    what --small, say, means: by such a word the task and the steps; each has a folder of its own
    predict  what --predict TEXT does, with the task as the run in the folder has trained it, and the text
    """
    home = Path(script).resolve()
    parser = argparse.ArgumentParser(
        description=doc.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for word, (_, count) in forms.items():
        parser.add_argument(f"--{word}", action="store_true", help=f"the {word} form, of {count} steps")
    parser.add_argument("--steps", type=int, default=steps, help="how many steps to train in all")
    parser.add_argument("--seed", type=int, default=0, help="of the initial weights and all that is drawn")
    parser.add_argument(
        "--out", type=Path, default=home.parent.parent / "runs" / home.stem, help="the folder of the run"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder")
    if predict is not None:
        parser.add_argument(
            "--predict",
            metavar="TEXT",
            default=argparse.SUPPRESS,
            help="do not train: what does the trained run in the folder make of this?",
        )
    args = parser.parse_args()
    for word, form in forms.items():
        if getattr(args, word):
            make, steps = form
            parser.set_defaults(steps=steps, out=parser.get_default("out").with_name(f"{home.stem}_{word}"))
            args = parser.parse_args()  # what was said stays
    if args.steps < 1 or args.seed < 0:
        parser.error("--steps must be at least 1, --seed at least 0")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # real data may hold what the terminal cannot show
    with told(parser, ImportError, OSError, ValueError, RuntimeError):  # no such data, no such device
        task = make(args.out, args.seed, args.device)
    if predict is not None and "predict" in args:
        with told(parser, OSError, ValueError):  # no such run, no such text
            trained(task, args.out)
            predict(task, args.predict)
    else:
        with told(parser, OSError, CheckpointError):
            train(task, args.out, args.steps, resume=args.resume)


@contextmanager
def told(parser: argparse.ArgumentParser, *errors: type[Exception]) -> Iterator[None]:
    """These errors are told in a line, and the process ends with code 1."""
    try:
        yield
    except errors as error:
        parser.exit(1, f"error: {error}\n")


def verdict(ours: float | Tensor, trivial: float, *, less: bool = False) -> str:
    """What is said behind a figure: nothing if it beats the trivial answer's, else that it does not.

    less  whether less is better

    >>> print(f"accuracy 0.9{verdict(0.9, 0.5)}; error 0.2{verdict(0.2, 0.1, less=True)}")
    accuracy 0.9; error 0.2, which does not beat the trivial answer
    """
    beaten = ours < trivial if less else ours > trivial  # NaN beats nothing
    return "" if beaten else ", which does not beat the trivial answer"


def history(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What log.csv in `folder` holds: of each column the steps that have a figure, with it."""
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
    """Draw columns of log.csv in `folder` over the steps, as curves.png; `levels` are lines to compare with.

    columns      for each column that is drawn its label
    levels       for each level, a trivial baseline, say, where it is
    logarithmic  from where on the scale is; below it is linear, so that 0 has a place
    """
    from matplotlib.figure import Figure

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
    """Several learners, each with its own weights and batches, trained at the same time; a `Task` for `train`.

    learners  by name: a step is one of each
    measure   the figure of their `validate` that is compared
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
        """A step of each; the mean of their losses."""
        return {"loss": sum(learner.step()["loss"] for learner in self.learners.values()) / len(self.learners)}

    def validate(self) -> Figures:
        """What is compared."""
        return {name: learner.validate()[self.measure] for name, learner in self.learners.items()}

    def finish(self) -> None:
        """Nothing, unless a subclass leaves something in its folder."""

    def state_dict(self) -> dict:
        """That of each."""
        return {name: learner.state_dict() for name, learner in self.learners.items()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`."""
        for name, learner in self.learners.items():
            learner.load_state_dict(state[name])
