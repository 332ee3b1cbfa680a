"""Stocks: will they rise next month? Whether to invest, one number, and in which, five numbers.

    .venv/bin/python examples/stocks.py  # --resume continues an interrupted run

It needs the extra `data`: monthly prices of five stocks. A GRU reads how the prices changed, and outputs the
probability that all stocks together rise next month (scalar output), and that each of them does (vector
output). Money is invested for a month where the probability is above one half. The comparison is a feed-forward
network that reads the last twelve months. The split walks forward: the decisions of a year, 2005 to 2010, are
those of a network that has learned only from the time before that year, and only for a few steps, because 60 to
120 months are soon memorised. There are two trivial answers: always invest; and persistence, which invests in
what rose last month. Trading costs nothing here, and the five stocks were picked by people who knew that they
had done well. Do not expect to win.
"""

import math
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.data import stocks
from tinygrad_seq.training import Learner, Race, command, curves

BATCH, WINDOW, HIDDEN, DROPPED, YEARS = 16, 24, 8, 0.5, range(2005, 2011)
FIXED = 12  # months that the feed-forward network sees


def changes():
    """The months, and the growth factors of the prices from each to the next: of all stocks, then of each."""
    months, _, prices = stocks()
    factors = prices[1:] / prices[:-1]
    return months, np.column_stack([np.nanmean(factors, axis=1), factors]).astype(np.float32)


class Year(Learner):
    """o_t = W h_t + b: logits of a rise next month, h_t from a GRU. Stocks not yet traded are left out."""

    columns, epoch, work = ("loss", "accuracy"), 25, ("months", BATCH * WINDOW)

    def __init__(self, out, seed, device, year):
        super().__init__(out, seed, device)
        months, self.factors = changes()
        self.start = int(np.searchsorted(months, np.datetime64(str(year), "M")))
        self.stop = min(self.start + 12, len(self.factors))
        self.inputs = 10 * np.log(np.where(np.isnan(self.factors), 1, self.factors))

    def build(self, rng):
        readout = nn.Sequential(nn.Dropout(DROPPED, rng=rng), nn.Linear(HIDDEN, 6, rng=rng))
        return nn.ManyToMany(ts.tensor, nn.Recurrent(nn.GRUCell(6, HIDDEN, rng=rng)), readout)

    def logits(self, inputs):
        return self.model(ts.tensor(inputs, device=self.device))

    def loss(self):
        starts = self.rng.integers(0, self.start - WINDOW, BATCH)
        now = np.arange(WINDOW)[:, None] + starts  # the last one is the month before the year
        later = self.factors[now + 1]
        rises, known = (
            ts.tensor(x, dtype=np.float32, device=self.device) for x in (later > 1, ~np.isnan(later))
        )
        losses = nn.binary_cross_entropy_with_logits(self.logits(self.inputs[now]), rises, reduction="none")
        return (losses * known).sum() / known.sum()

    def rises(self):
        """Whether a rise is predicted in each month of the year, of all stocks and of each: (months, 6)."""
        self.model.eval()
        with ts.no_grad():
            logits = self.logits(self.inputs[: self.stop - 1, None])
        self.model.train()
        return logits.numpy()[self.start - 1 :, 0] > 0

    def validate(self):
        later = self.factors[self.start : self.stop]
        return {"accuracy": np.mean((self.rises() == (later > 1))[~np.isnan(later)])}


class FixedYear(Year):
    """The same, by a hidden layer that reads the last twelve months."""

    def build(self, rng):
        hidden = nn.Linear(FIXED * 6, HIDDEN, rng=rng)
        network = nn.Sequential(hidden, ts.tanh, nn.Dropout(DROPPED, rng=rng), nn.Linear(HIDDEN, 6, rng=rng))
        return nn.FixedWindow(ts.tensor, network, steps=FIXED)

    def logits(self, inputs):
        # a window ends before its month: one more step, so that the last window holds the last month
        return super().logits(np.concatenate([inputs, inputs[-1:]]))[1:]


class Stocks(Race):
    def __init__(self, out, seed, device):
        self.years = {str(year): Year(out, seed, device, year) for year in YEARS}
        self.windows: dict[str, Year] = {
            f"{year}, window": FixedYear(out, seed, device, year) for year in YEARS
        }
        super().__init__(out, {**self.years, **self.windows}, "accuracy")

    def finish(self):
        networks = list(self.years.values())
        factors, first, last = networks[0].factors, networks[0].start, networks[-1].stop
        later, before = factors[first:last], factors[first - 1 : last - 1] > 1
        ways: dict[str, np.ndarray] = {"always": np.ones_like(before), "persistence": before}
        for name, kind in {"GRU": self.years, "window": self.windows}.items():
            ways[name] = np.concatenate([network.rises() for network in kind.values()])
        money: dict[tuple[str, str], np.ndarray] = {}
        print(f"{len(later)} months, 2005 to 2010: rises and falls predicted right; final value of one dollar")
        for output, columns in {"scalar": slice(0, 1), "vector": slice(1, 6)}.items():
            figures = {}
            for name, rises in ways.items():
                money[output, name] = np.cumprod(gains(rises[:, columns], later[:, columns]))
                right = np.mean((rises == (later > 1))[:, columns])
                figures[name] = {"accuracy": right, "dollars": money[output, name][-1]}
                print(f"  {output} {name:12} {right:.3f}   {figures[name]['dollars']:.2f}")
            for network in ("GRU", "window"):
                for what, ours in figures[network].items():
                    if ours <= max(figures["always"][what], figures["persistence"][what]):
                        print(f"  {network}, {output}: does not beat the better trivial answer in {what}")
        levels = {"a coin": math.log(2)}
        curves(self.out, {"loss": "training loss, mean of all networks"}, ylabel="nats", levels=levels)
        self.draw(money)
        print(f"the results are in {self.out}")

    def draw(self, money):
        """Draw the value of one dollar over time, as money.png."""
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for (output, name), values in money.items():
            if (output, name) != ("vector", "always"):  # the same as the scalar
                label = name if name == "always" else f"{name}, {output}"
                style = {"GRU": "-", "window": "-.", "always": "k--", "persistence": ":"}[name]
                axes.plot(2005 + np.arange(len(values) + 1) / 12, [1, *values], style, label=label)
        axes.set(xlabel="year", ylabel="dollars")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(self.out / "money.png", dpi=150)


def gains(rises, factors):
    """The growth factor of each month for money spread evenly over the predicted rises, or kept if none."""
    count = rises.sum(1)
    return np.where(count, (rises * factors).sum(1) / np.maximum(count, 1), 1)


if __name__ == "__main__":
    command(Stocks, __doc__, __file__, steps=100)
