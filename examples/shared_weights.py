"""Parameter sharing: a network with the same weights at every step, and one with separate weights for each.

    .venv/bin/python examples/shared_weights.py  # --resume continues an interrupted run

Two keys occur among distractors; the answer is which of them came first. Both networks learn from sequences of
5 to 10 steps, and both learn these. With a separate matrix for every step, a step cannot use what another has
learned. A shorter sequence ends at a step where no answer was ever trained. For a longer one there are no
weights; the example then repeats the last ones. Always the same answer is right for one half.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import math

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, no_grad
from tinygrad_seq.tasks import first_key
from tinygrad_seq.training import Learner, Race, command, curves, verdict

SHORTEST, STEPS, LONGEST = 5, 10, 20  # training lengths, and the longest tested
SYMBOLS, BATCH, HIDDEN, FRESH = 6, 32, 32, 1000


class WeightsOfEachStep(nn.Runner):
    """h_t = tanh(x_t Wx_t + b_t + h_{t-1} Wh_t): the first axis of every weight is time, as in x.

    With `repeat`, all steps after the last one that has weights use the weights of that step.
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
    """Separate weights for each step."""

    def runner(self, rng):
        return WeightsOfEachStep(SYMBOLS, HIDDEN, STEPS, rng)


class Weights(Race):
    """Both networks."""

    def __init__(self, out, seed, device):
        self.shared, self.per_step = Shared(out, seed, device), PerStep(out, seed, device)
        super().__init__(out, {"shared": self.shared, "per_step": self.per_step}, "accuracy")

    def finish(self):
        names = {"shared": "weights shared by all steps", "per_step": "separate weights for each step"}
        try:
            self.per_step.accuracy([STEPS + 1])
        except ValueError as error:
            print(f"{STEPS + 1} steps: {error}; from there on the last weights are repeated")
        self.per_step.model.runner.repeat = True
        found = {"shared": self.shared.by_length(), "per_step": self.per_step.by_length()}
        self.per_step.model.runner.repeat = False
        print(f"accuracy on fresh sequences, by length (trained on {SHORTEST} to {STEPS} steps):")
        for name, right in found.items():
            parts = np.split(right, [SHORTEST - 1, STEPS])
            shorter, seen, longer = (part.mean() for part in parts)
            note = verdict(min(shorter, seen, longer), 0.5)
            print(f"  {names[name]}: shorter {shorter:.3f}, seen {seen:.3f}, longer {longer:.3f}{note}")
        print("  always the same answer: 0.500")
        self.draw(names, **found)
        curves(self.out, names, ylabel="accuracy on fresh sequences", levels={"always the same answer": 0.5})
        print(f"the results are in {self.out}")

    def draw(self, names, shared, per_step):
        """Accuracy by length, as lengths.png."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 5), layout="constrained")
        axes, lengths = figure.subplots(), np.arange(1, LONGEST + 1)
        axes.axvspan(SHORTEST - 0.5, STEPS + 0.5, color="0.9", label="training lengths")
        axes.plot(lengths, shared, "C0o-", markersize=3, label=names["shared"])
        axes.plot(lengths[:STEPS], per_step[:STEPS], "C1o-", markersize=3, label=names["per_step"])
        axes.plot(lengths[STEPS:], per_step[STEPS:], "C1o:", markersize=3, label="last weights repeated")
        axes.axhline(0.5, color="gray", linestyle="--", label="always the same answer")
        axes.set(xlabel="steps of the sequence", ylabel="accuracy on fresh sequences", xticks=lengths[1::2])
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=2)
        figure.savefig(self.out / "lengths.png", dpi=150)


if __name__ == "__main__":
    command(Weights, __doc__, __file__, steps=1000)
