"""One to many: from a number, as a vector, to its English name, letter by letter. Three ways to use the vector.

    .venv/bin/python examples/one_to_many.py  # --resume continues an interrupted run

The lecture's pattern of one vector in and a sequence out, as in the description of a picture. Here the vector
is a number from 0 to 999 as three one-hot digits, and the sequence is its name, "three hundred forty two", and
an end symbol. The vector is the first input, an extra input at every step, or the state before the first step.
A fifth of the numbers is kept out of the training. For these, the example counts the names that are right in
every letter.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from collections import Counter

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import spelled
from tinygrad_seq.training import Learner, Race, command, curves, verdict

LETTERS, BATCH, EMBEDDING, HIDDEN, LONGEST = "$ abcdefghijklmnopqrstuvwxyz", 32, 16, 96, 30  # $ is the end
NAMES = [[LETTERS.index(letter) for letter in spelled(n) + "$"] for n in range(1000)]
ORDER = np.random.default_rng(0).permutation(1000)
TRAINING, UNSEEN = ORDER[:800], ORDER[800:]


def digits(numbers: np.ndarray) -> np.ndarray:
    """The three digits of each number, one-hot: (B, 30)."""
    places = np.stack([numbers // 100, numbers // 10 % 10, numbers % 10], axis=-1)
    return np.eye(10, dtype=np.float32)[places].reshape(len(numbers), 30)


class Speller(Learner):
    """A GRU that writes letters; subclasses define how it receives the vector."""

    columns, epoch, work, lr = ("loss", "right"), 250, ("names", BATCH), 5e-3

    def loss(self):
        numbers = self.rng.choice(TRAINING, BATCH)
        targets, lengths = nn.padded([NAMES[n] for n in numbers])
        return self.model.loss(ts.tensor(digits(numbers), device=self.device), targets, lengths)

    def written(self, numbers):
        symbols, lengths = self.model.greedy(ts.tensor(digits(numbers), device=self.device), LONGEST)
        rows = zip(symbols.numpy().T, lengths.numpy(), strict=True)
        return ["".join(LETTERS[i] for i in row[:n]) for row, n in rows]

    def validate(self):
        names = zip(self.written(UNSEEN), UNSEEN, strict=True)
        return {"right": float(np.mean([name == spelled(n) for name, n in names]))}

    def parts(self, rng, inputs, bridge=None):
        """The layers that all three share, and a linear map of the vector to `bridge` numbers."""
        layers = (
            nn.Embedding(len(LETTERS), EMBEDDING, rng=rng),
            nn.GRUCell(inputs, HIDDEN, rng=rng),
            nn.Linear(HIDDEN, len(LETTERS), rng=rng),
        )
        return layers, bridge and nn.Linear(30, bridge, rng=rng)


class FirstInput(Speller):
    """x_1 = v W + b, then letters."""

    def build(self, rng):
        layers, bridge = self.parts(rng, EMBEDDING, bridge=EMBEDDING)
        return nn.VectorAsFirstInput(*layers, bridge=bridge)


class EveryStep(Speller):
    """x_t = [letter; v]."""

    def build(self, rng):
        layers, _ = self.parts(rng, EMBEDDING + 30)
        return nn.VectorAtEveryStep(*layers)


class InitialState(Speller):
    """h_0 = v W + b."""

    def build(self, rng):
        layers, bridge = self.parts(rng, EMBEDDING, bridge=HIDDEN)
        return nn.VectorAsState(*layers, bridge=bridge)


class ThreeWays(Race):
    def __init__(self, out, seed, device):
        ways = {"first input": FirstInput, "every step": EveryStep, "initial state": InitialState}
        self.spellers: dict[str, Speller] = {name: way(out, seed, device) for name, way in ways.items()}
        super().__init__(out, self.spellers, "right")

    def finish(self):
        (_, commonest), *_ = Counter(map(spelled, TRAINING)).most_common(1)
        baseline = commonest / 1000  # the best result of one name for all numbers
        print(f"names of unseen numbers written right; one name for all: {baseline:.3f}")
        for name, right in self.validate().items():
            shown = ", ".join(self.spellers[name].written(UNSEEN[:3]))
            print(f"  {name:14} {right:.3f}{verdict(right, baseline)}   {shown}")
        print(f"  the numbers:           {', '.join(str(n) for n in UNSEEN[:3])}")
        curves(
            self.out,
            {name: name for name in self.spellers},
            ylabel="unseen numbers spelled right",
            levels={"one name for all": baseline},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(ThreeWays, __doc__, __file__, steps=4000)
