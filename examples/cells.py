"""Every cell of the library on one task, at the same size: in which order did two of the symbols come?

    .venv/bin/python examples/cells.py  # --resume continues an interrupted run

Temporal order (Hochreiter & Schmidhuber 1997): two symbols of a sequence are A or B, one near the beginning and
one just past the middle; the answer is AA, AB, BA or BB. A model is a cell and a linear readout of its last
output. It has as many units as a budget of numbers allows. The numbers of a reservoir count, although they are
not learned, and so do the masked weights of a clockwork RNN. All models are trained together, one step each in
turn.
"""

import csv
import os
from itertools import count, takewhile

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import temporal_order
from tinygrad_seq.training import Learner, Race, command, history, verdict

LENGTH, SYMBOLS, ANSWERS, BATCH, FRESH = 30, 6, 4, 32, 1000
BUDGET = 2600  # 45 units of the plain RNN; the clockwork RNN then has five modules
GOAL = 0.9  # the accuracy whose step is reported
COLUMNS = ("cell", "units", "numbers", "learned", "accuracy", f"{GOAL:.0%} at step")
FAMILIES = {"RNN": "Blues", "LSTM": "Oranges", "GRU": "Greens", "gated unit": "Greens", "": "Purples"}
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (2, 1)))


def model(cell, units, rng):
    """o = W y + b, y the last output of the named cell after it has read the symbols."""
    rnn = nn.Recurrent(nn.CELLS[cell](SYMBOLS, units, rng=rng))
    return nn.ManyToOne(nn.Sequential(), rnn, nn.Linear(units, ANSWERS, rng=rng))


def numbers(model):
    """The count of numbers in a model, including those of a reservoir, and how many of them are learned."""
    cell, learned = model.runner.cell, sum(p.size for p in model.parameters())
    fixed = 0 if cell.parameters() else sum(t.size for _, t in cell.named_tensors())
    return learned + fixed, learned


class Order(Learner):
    """The largest model of a cell within the budget."""

    columns, epoch, work, lr = ("loss", "accuracy"), 50, ("sequences", BATCH), 1e-3

    def __init__(self, cell, out, seed, device):
        self.cell = cell
        super().__init__(out, seed, device)

    def build(self, rng):
        *_, units = takewhile(lambda n: numbers(model(self.cell, n, 0))[0] <= BUDGET, count(1))
        return model(self.cell, units, rng)

    def answers(self, batch, rng):
        xs, labels = temporal_order(LENGTH, batch, rng=rng)
        return self.model(ts.tensor(xs, device=self.device)), labels

    def loss(self):
        return nn.cross_entropy(*self.answers(BATCH, self.rng))

    def validate(self):
        with ts.no_grad():
            logits, labels = self.answers(FRESH, np.random.default_rng([self.seed, 1]))
        return {"accuracy": float(np.mean(logits.numpy().argmax(-1) == labels))}


class Cells(Race):
    """A learner for every registered cell."""

    def __init__(self, out, seed, device):
        super().__init__(out, {cell: Order(cell, out, seed, device) for cell in nn.CELLS}, "accuracy")

    def finish(self):
        rows, log = [], history(self.out)
        for cell, learner in self.learners.items():
            units, (_, accuracy) = learner.model.readout.weight.shape[0], log[cell][-1]
            reached = next((step for step, figure in log[cell] if figure >= GOAL), "-")
            rows.append((cell, units, *numbers(learner.model), accuracy, reached))
        rows.sort(key=lambda row: (-row[4], row[5] == "-", row[5]))
        with open(self.out / "cells.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
        print("{:22}{:>6}{:>9}{:>9}{:>10}{:>13}".format(*COLUMNS))
        for row in rows:
            print("{:22}{:6}{:9}{:9}{:10.3f}{:>13}".format(*row) + verdict(row[4], 1 / ANSWERS))
        print(f"{'always the same answer':22}{1 / ANSWERS:34.3f}")
        draw(rows, log).savefig(self.out / "cells.png", dpi=150)
        print(f"the results are in {self.out}")


def looks():
    """For each cell a shade of the colour of its family, and a line style."""
    families: dict[str, list[str]] = {}
    for cell in nn.CELLS:
        families.setdefault(next(shades for word, shades in FAMILIES.items() if word in cell), []).append(cell)
    return {
        cell: {"color": colormaps[shades](0.95 - 0.6 * i / len(kin)), "linestyle": STYLES[i % len(STYLES)]}
        for shades, kin in families.items()
        for i, cell in enumerate(kin)
    }


def draw(rows, log):
    """The accuracy over the steps; on the right, as its legend, the accuracy at the end."""
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    look = looks()
    for cell in look:
        left.plot(*zip(*log[cell], strict=True), linewidth=1.8, **look[cell])
    left.axhline(1 / ANSWERS, color="gray", linewidth=1, label="always the same answer")
    left.set(
        title="Learning temporal order", xlabel="step", ylabel="accuracy on fresh sequences", ylim=(0, 1.03)
    )
    left.grid(alpha=0.3)
    left.legend(loc="lower right")
    for i, (cell, *_, accuracy, _) in enumerate(rows):
        right.barh(cell, accuracy, height=0.7, color=look[cell]["color"])
        right.plot((-0.16, -0.02), (i, i), linewidth=1.8, clip_on=False, **look[cell])  # the legend
        right.text(1.03, i, f"{accuracy:.3f}", verticalalignment="center")
    right.axvline(1 / ANSWERS, color="gray", linewidth=1)
    right.invert_yaxis()
    right.tick_params("y", length=0, pad=42)
    right.set(title="Best first; among equals, fastest first", xlabel="accuracy at the end", xlim=(0, 1.15))
    right.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    command(Cells, __doc__, __file__, steps=2000)
