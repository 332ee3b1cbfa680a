"""Why a recurrent network has the same weights at every step: beside one that has weights of its own at each.

    python examples/shared_weights.py         # or --resume, after an interruption

Two keys turn up among distractors, and the answer is which of them came first. Both networks learn from
sequences of 5 to 10 steps, and both learn these. With a matrix for every step, what one step has learned is of
no use to another: shorter sequences end where no answer was ever asked for, and for longer ones there are no
weights at all. All that can be done is to use the last ones again. Always the same answer is right for one
half.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

import math

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, no_grad
from tinygrad_seq.tasks import first_key
from tinygrad_seq.training import Learner, Race, command, curves, verdict

SHORTEST, STEPS, LONGEST = 5, 10, 20  # the lengths of training, and the longest that is tried
SYMBOLS, BATCH, HIDDEN, FRESH = 6, 32, 32, 1000


class WeightsOfEachStep(nn.Runner):
    """h_t = tanh(x_t Wx_t + b_t + h_{t-1} Wh_t): all weights have time for a further first axis, as x has.

    `repeat` uses the weights of the last step for all that come after it, for which there are none.
    """

    batch_first = False

    def __init__(self, input, hidden, steps, rng):
        bound = 1 / math.sqrt(hidden)
        self.Wx = nn.Parameter(nn.init.uniform((steps, input, hidden), bound, rng=rng))
        self.Wh = nn.Parameter(nn.init.uniform((steps, hidden, hidden), bound, rng=rng))
        self.b = nn.Parameter(nn.init.uniform((steps, 1, hidden), bound, rng=rng))
        self.repeat = False

    def summary(self, xs, state=None, lengths=None):
        steps, batch, _ = xs.shape
        if steps > len(self.b) and not self.repeat:
            raise ValueError(f"there are weights for {len(self.b)} steps, and none for step {len(self.b) + 1}")
        which = np.minimum(np.arange(steps), len(self.b) - 1)
        inside = ts.tensor(np.arange(steps)[:, None, None] < np.reshape(lengths, (-1, 1)), device=xs.device)

        def step(h, given):
            x, wx, wh, b, inside = given
            return ts.where(inside, ts.tanh(x @ wx + b + h @ wh), h), None

        h = ts.zeros_like(xs, shape=(batch, self.b.shape[-1]))
        h, _ = ts.scan(step, h, (xs, self.Wx[which], self.Wh[which], self.b[which], inside))
        return h, h


class FirstKey(Learner):
    """o = W h + c, h the state after the last step."""

    columns, epoch, work = ("loss", "accuracy"), 100, ("sequences", BATCH)

    def build(self, rng):
        features, readout = nn.Embedding(SYMBOLS, SYMBOLS, rng=rng), nn.Linear(HIDDEN, 2, rng=rng)
        return nn.ManyToOne(features, self.runner(rng), readout)

    def runner(self, rng):
        raise NotImplementedError

    def loss(self):
        lengths = self.rng.integers(SHORTEST, STEPS + 1, BATCH)
        xs, labels = first_key(lengths, rng=self.rng)
        return nn.cross_entropy(self.model(xs, lengths), labels)

    def accuracy(self, lengths):
        xs, labels = first_key(lengths, rng=np.random.default_rng([self.seed, 1]))
        with no_grad():
            return float(np.mean(self.model(xs, lengths).numpy().argmax(-1) == labels))

    def validate(self):
        return {"accuracy": self.accuracy(np.resize(np.arange(SHORTEST, STEPS + 1), FRESH))}

    def by_length(self):
        """The accuracy for every length from 1 on."""
        return [self.accuracy(np.full(FRESH, n)) for n in range(1, LONGEST + 1)]


class Shared(FirstKey):
    """The same weights at all steps."""

    def runner(self, rng):
        return nn.Recurrent(nn.RNNCell(SYMBOLS, HIDDEN, rng=rng))


class PerStep(FirstKey):
    """Weights of its own for each of the steps."""

    def runner(self, rng):
        return WeightsOfEachStep(SYMBOLS, HIDDEN, STEPS, rng)


class Weights(Race):
    """Both."""

    def __init__(self, out, seed, device):
        self.shared, self.per_step = Shared(out, seed, device), PerStep(out, seed, device)
        super().__init__(out, {"shared": self.shared, "per_step": self.per_step}, "accuracy")

    def finish(self):
        names = {"shared": "weights shared by all steps", "per_step": "weights of each step"}
        try:
            self.per_step.accuracy([STEPS + 1])
        except ValueError as error:
            print(f"{STEPS + 1} steps: {error}; from there on the last ones are repeated")
        self.per_step.model.runner.repeat = True
        found = {"shared": self.shared.by_length(), "per_step": self.per_step.by_length()}
        self.per_step.model.runner.repeat = False
        print(f"right of fresh sequences, by length (learned from: {SHORTEST} to {STEPS}):")
        for name, right in found.items():
            parts = np.split(right, [SHORTEST - 1, STEPS])
            shorter, seen, longer = (part.mean() for part in parts)
            said = verdict(min(shorter, seen, longer), 0.5)
            print(f"  {names[name]}: shorter {shorter:.3f}, seen {seen:.3f}, longer {longer:.3f}{said}")
        print("  always the same answer: 0.500")
        self.draw(names, **found)
        curves(self.out, names, ylabel="right of fresh sequences", levels={"always the same answer": 0.5})
        print(f"all in {self.out}")

    def draw(self, names, shared, per_step):
        """Accuracy by length, as lengths.png."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 5), layout="constrained")
        axes, lengths = figure.subplots(), np.arange(1, LONGEST + 1)
        axes.axvspan(SHORTEST - 0.5, STEPS + 0.5, color="0.9", label="lengths learned from")
        axes.plot(lengths, shared, "C0o-", markersize=3, label=names["shared"])
        axes.plot(lengths[:STEPS], per_step[:STEPS], "C1o-", markersize=3, label=names["per_step"])
        axes.plot(lengths[STEPS:], per_step[STEPS:], "C1o:", markersize=3, label="the last ones repeated")
        axes.axhline(0.5, color="gray", linestyle="--", label="always the same answer")
        axes.set(xlabel="steps of the sequence", ylabel="right of fresh sequences", xticks=lengths[1::2])
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=2)
        figure.savefig(self.out / "lengths.png", dpi=150)


if __name__ == "__main__":
    command(Weights, __doc__, __file__, steps=1000)
