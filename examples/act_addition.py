"""Addition: how long an adaptive network computes for a sum, and how difficult the sum is.

    .venv/bin/python examples/act_addition.py  # --resume continues an interrupted run

Numbers of one or two digits arrive one after the other, each as one vector. From the second number on, the
network must output the sum so far (Graves 2016, Adaptive computation time, with more and longer numbers). One
LSTM visits each number once. Another LSTM of the same size decides how often to visit it, and every visit costs
a penalty. A sum is more difficult if the added number is longer or if it carries more often. Both networks are
unrolled, so that the visits to a number stop when the last row of the batch has halted; a scan would always
make the maximum number.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import addition
from tinygrad_seq.training import Learner, Race, command, curves, verdict

NUMBERS, DIGITS, HIDDEN, BATCH, FRESH = 3, 2, 128, 64, 1000
PENALTY, MOST = 1e-1, 10
PLACES, LABELS = len(str(NUMBERS * (10**DIGITS - 1))), 11  # the digits of a sum; ten digits and `none`


class Adder(Learner):
    """Visits each number once, or as often as it decides if adaptive; o_t = y_t W + b, for all places."""

    columns, epoch, work, lr = ("loss", "right"), 250, ("sums", BATCH * (NUMBERS - 1)), 3e-3

    def __init__(self, adaptive, out, seed, device):
        self.adaptive = adaptive
        super().__init__(out, seed, device)

    def build(self, rng):
        cell: nn.Cell = nn.LSTMCell(10 * DIGITS + self.adaptive, HIDDEN, rng=rng)
        if self.adaptive:
            cell = nn.ACTCell(cell, max_steps=MOST, rng=rng)
        readout = nn.Linear(HIDDEN, PLACES * LABELS, rng=rng)
        return nn.ManyToMany(nn.Sequential(), nn.Recurrent(cell, unroll=True), readout)

    def read(self, xs):
        """Logits of the sums, (T - 1, B, D, 11), and the ponder cost of every number, (T, B)."""
        made, _ = self.model.runner(ts.tensor(xs, device=self.device))
        ys, ponder, _ = made if self.adaptive else (made, ts.zeros_like(made[..., 0]), None)
        logits = self.model.readout(ys[1:])
        return logits.reshape(*logits.shape[:2], PLACES, LABELS), ponder

    def loss(self):
        xs, sums = addition(NUMBERS, BATCH, digits=DIGITS, rng=self.rng)
        logits, ponder = self.read(xs)
        return nn.cross_entropy(logits, sums) + PENALTY * ponder.mean()

    def fresh(self):
        """Numbers, whether every place of each sum is right, (T - 1, B), the ponder costs, and the sums."""
        xs, sums = addition(NUMBERS, FRESH, digits=DIGITS, rng=np.random.default_rng([self.seed, 1]))
        with ts.no_grad():
            logits, ponder = self.read(xs)
        return xs, (logits.numpy().argmax(-1) == sums).all(-1), ponder.numpy()[1:], sums

    def validate(self):
        return {"right": float(np.mean(self.fresh()[1]))}


def difficulty(xs):
    """From the second number on: the digits of the number added, and its carries; both (T - 1, B)."""
    digits = xs.reshape(*xs.shape[:2], DIGITS, 10)
    there = digits.any(-1).sum(-1)
    after = np.clip(there[..., None] - 1 - np.arange(DIGITS), 0, None)  # digits after each
    values = (digits.argmax(-1) * digits.any(-1) * 10**after).sum(-1)
    powers = 10 ** np.arange(1, PLACES + 1)[:, None, None]
    before, added = values.cumsum(0)[:-1], values[1:]
    return there[1:], (before % powers + added % powers >= powers).sum(0)


class Addition(Race):
    """Both networks."""

    def __init__(self, out, seed, device):
        self.both = {name: Adder(name == "adaptive", out, seed, device) for name in ("once", "adaptive")}
        super().__init__(out, self.both, "right")

    def finish(self):
        right = {name: one.fresh()[1] for name, one in self.both.items()}
        xs, _, ponder, sums = self.both["adaptive"].fresh()
        trivial = np.mean([np.unique(row, axis=0, return_counts=True)[1].max() for row in sums]) / FRESH
        print("fresh sums without an error")
        for name, each in right.items():
            print(f"  {name:10}{each.mean():.3f}{verdict(each.mean(), trivial)}")
        print(f"  always the commonest sum: {trivial:.3f}")
        figure = Figure(figsize=(9, 6), layout="constrained")
        columns = figure.subplots(2, 2, sharex="col", sharey="row").T
        names = ("digits of the number added", "times that it carries")
        for name, levels, places in zip(names, difficulty(xs), columns, strict=True):
            every = np.unique(levels)
            shares = {one: [each[levels == level].mean() for level in every] for one, each in right.items()}
            thought = [ponder[levels == level] for level in every]
            print(f"{name:27}" + "".join(f"{level:8}" for level in every))
            for title, row in {"ponder, the mean": map(np.mean, thought), **shares}.items():
                print(f"  {title:25}" + "".join(f"{share:8.3f}" for share in row))
            draw(places, every, thought, shares)
            places[1].set(xlabel=name, xticks=every)
        columns[0, 0].set_ylim(bottom=0)  # shared by both columns, which are drawn now
        figure.savefig(self.out / "ponder.png", dpi=150)
        curves(self.out, {name: name for name in right}, ylabel="right", levels={"the commonest sum": trivial})
        print(f"the results are in {self.out}")


def draw(places, levels, thought, shares):
    """For every level of difficulty the ponder cost, and below it the share of right sums."""
    means, spread = (list(map(f, thought)) for f in (np.mean, np.std))
    places[0].errorbar(levels, means, spread, fmt="C1o-", capsize=4, label="mean and standard deviation")
    places[0].set(ylabel="ponder")
    for color, (name, row) in zip(("C0", "C1"), shares.items(), strict=True):
        places[1].plot(levels, row, "o-", color=color, label=name)
    places[1].set(ylabel="without an error", ylim=(-0.03, 1.03))
    for place in places:
        place.grid(alpha=0.3)
        place.legend()


if __name__ == "__main__":
    command(Addition, __doc__, __file__, steps=6000)
