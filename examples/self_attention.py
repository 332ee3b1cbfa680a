"""Self-attention compared with recurrence: accuracy, time and memory, over the length of the sequence.

    .venv/bin/python examples/self_attention.py  # --resume continues an interrupted run

Temporal order: which of two symbols came first, among distractors, the later of them in the middle of the
sequence? A recurrent network must carry what it has seen to the end, step by step. In self-attention (Vaswani
et al. 2017) it is one step away, whatever the length; but all T steps attend to all T steps, and the T x T
weights are kept for the gradient. For each length, one network of either kind is trained, with about as many
parameters. Always the same answer is right in one of four. The run takes two or three minutes on one core, most
of it for the longest sequences.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import time
import tracemalloc

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import temporal_order
from tinygrad_seq.training import Learner, Race, command

LENGTHS, SYMBOLS, ANSWERS, BATCH = (25, 50, 100, 200, 400), 6, 4, 16
UNITS, FEATURES, HEADS = 40, 32, 2  # of the recurrent network; of self-attention
FRESH = 25  # batches
BY_CHANCE = 0.25 + 3 * (0.25 * 0.75 / (FRESH * BATCH)) ** 0.5  # three standard errors above guesses


class Recurrence(Learner):
    """o = W h_T + b, h of a GRU."""

    columns, epoch, work = ("loss", "accuracy"), 100, ("sequences", BATCH)

    def __init__(self, length, out, seed, device):
        self.length = length
        super().__init__(out, seed, device)

    def build(self, rng):
        rnn, readout = nn.Recurrent(nn.GRUCell(SYMBOLS, UNITS, rng=rng)), nn.Linear(UNITS, ANSWERS, rng=rng)
        return nn.ManyToOne(nn.Sequential(), rnn, readout)

    def drawn(self, rng, length):
        xs, labels = temporal_order(length, BATCH, rng=rng)
        return ts.tensor(xs, device=self.device), labels

    def loss(self):
        xs, labels = self.drawn(self.rng, self.length)
        return nn.cross_entropy(self.model(xs), labels)

    def validate(self):
        rng, right = np.random.default_rng([self.seed, 1]), []
        with ts.no_grad():
            for _ in range(FRESH):
                xs, labels = self.drawn(rng, self.length)
                right.append(np.mean(self.model(xs).numpy().argmax(-1) == labels))
        return {"accuracy": np.mean(right)}

    def costs(self):
        """The seconds of a forward and backward pass, the best of 20, and NumPy's peak memory in bytes.

        The memory is measured for a length of one step more, because a loop keeps its memory for its next run
        of the same length. Both figures are of the host; work on a device is not measured.
        """

        def back_and_forth(length):
            xs, labels = self.drawn(np.random.default_rng(0), length)
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.perf_counter()
            nn.cross_entropy(self.model(xs), labels).backward()
            self.optimizer.zero_grad()
            return time.perf_counter() - start, tracemalloc.get_traced_memory()[1] - before

        seconds = min(back_and_forth(self.length)[0] for _ in range(20))
        tracemalloc.start()
        _, size = back_and_forth(self.length + 1)
        tracemalloc.stop()
        return seconds, size


class SelfAttention(Recurrence):
    """o = W_2 relu(W_1 m + b_1) + b_2, m the mean of the outputs of self-attention with positions."""

    def build(self, rng):
        features = nn.Sequential(nn.Linear(SYMBOLS, FEATURES, rng=rng), nn.Positions())
        hidden, readout = nn.Linear(FEATURES, FEATURES, rng=rng), nn.Linear(FEATURES, ANSWERS, rng=rng)
        look = nn.SelfAttention(FEATURES, heads=HEADS, rng=rng)
        return nn.ManyToOne(features, look, nn.Sequential(hidden, ts.relu, readout))


KINDS = {"GRU": Recurrence, "self-attention": SelfAttention}


class Comparison(Race):
    def __init__(self, out, seed, device):
        self.all = {(kind, n): KINDS[kind](n, out, seed, device) for n in LENGTHS for kind in KINDS}
        super().__init__(out, {f"{kind}, {n}": one for (kind, n), one in self.all.items()}, "accuracy")

    def finish(self):
        right = dict(zip(self.all, self.validate().values(), strict=True))
        costs = {key: one.costs() for key, one in self.all.items()}
        rows = {
            "accuracy, fresh sequences": right,
            "ms, forward and backward": {key: 1e3 * seconds for key, (seconds, _) in costs.items()},
            "peak MB, forward and backward": {key: size / 1e6 for key, (_, size) in costs.items()},
        }
        for kind in KINDS:
            count = sum(p.size for p in self.all[kind, LENGTHS[0]].model.parameters())
            print(f"{kind}: {count:,} parameters")
        print(f"length  {''.join(f'{title:>32}' for title in rows)}")
        print(f"{'':8}{''.join(f'{kind:>16}' for kind in KINDS) * len(rows)}")
        for n in LENGTHS:
            cells = [f"{of[kind, n]:16.{3 if of is right else 1}f}" for of in rows.values() for kind in KINDS]
            print(f"{n:6}  {''.join(cells)}")
        print(f"always the same answer: 0.250; no better than guesses, below {BY_CHANCE:.3f}:")
        for kind in KINDS:
            guesses = [f"{n}" for n in LENGTHS if right[kind, n] < BY_CHANCE]
            print(f"  {kind:15}", "at lengths " + ", ".join(guesses) if guesses else "at no length")
        draw(rows).savefig(self.out / "self_attention.png", dpi=130)
        print(f"the results are in {self.out}")


def draw(rows):
    """A panel for each figure, over the length; time and memory have logarithmic scales."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(rows)), rows.items(), strict=True):
        for kind in KINDS:
            axes.plot(LENGTHS, [values[kind, n] for n in LENGTHS], "o-", label=kind)
        axes.set_xscale("log", base=2)
        axes.set_xticks(LENGTHS, map(str, LENGTHS))
        axes.set(xlabel="length", title=title)
        axes.grid(alpha=0.3)
        if axes is not figure.axes[0]:
            axes.set_yscale("log", base=2)
            axes.yaxis.set_major_formatter("{x:g}")
    figure.axes[0].axhline(1 / ANSWERS, color="gray", linestyle="--", label="always the same answer")
    figure.axes[0].legend()
    return figure


if __name__ == "__main__":
    command(Comparison, __doc__, __file__, steps=600)
