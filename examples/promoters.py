"""Promoters: does transcription begin here? 57 letters of DNA, read in both directions, and one answer.

    .venv/bin/python examples/promoters.py  # --resume continues an interrupted run

The lecture names this task as an example of sequence classification. The sequences are generated, not measured:
a promoter has two boxes, similar to TTGACA and TATAAT, about 17 letters apart; the other letters are random.
Always the same answer is right for one half. A network that reads forward is trained together with one that
reads both ways.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np

from tinygrad_seq import nn, no_grad
from tinygrad_seq.tasks import promoters
from tinygrad_seq.training import Learner, Race, command, curves, verdict

BATCH, HIDDEN, FEATURES = 32, 24, 8


class Reader(Learner):
    """o = W s + b, s the last output of a GRU after it has read the letters."""

    columns, epoch, work = ("loss", "accuracy"), 200, ("sequences", BATCH)

    def cell(self, rng):
        return nn.GRUCell(FEATURES, HIDDEN, rng=rng)

    def runner(self, rng):
        return nn.Recurrent(self.cell(rng)), HIDDEN

    def build(self, rng):
        runner, width = self.runner(rng)
        return nn.ManyToOne(nn.Embedding(4, FEATURES, rng=rng), runner, nn.Linear(width, 2, rng=rng))

    def loss(self):
        xs, labels = promoters(BATCH, rng=self.rng)
        return nn.cross_entropy(self.model(xs), labels)

    def validate(self):
        xs, labels = promoters(2000, rng=np.random.default_rng([self.seed, 1]))
        with no_grad():
            return {"accuracy": np.mean(self.model(xs).numpy().argmax(-1) == labels)}


class BothWays(Reader):
    """The same with two GRUs, one for each direction."""

    def runner(self, rng):
        return nn.Bidirectional(self.cell(rng), self.cell(rng)), 2 * HIDDEN


class Readers(Race):
    def __init__(self, out, seed, device):
        learners = {"forward": Reader(out, seed, device), "both directions": BothWays(out, seed, device)}
        super().__init__(out, learners, "accuracy")

    def finish(self):
        print("fresh sequences answered right; always the same answer: 0.500")
        for name, accuracy in self.validate().items():
            print(f"  {name:16} {accuracy:.3f}{verdict(accuracy, 0.5)}")
        curves(
            self.out,
            {name: name for name in self.learners},
            ylabel="accuracy on fresh sequences",
            levels={"always the same": 0.5},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Readers, __doc__, __file__, steps=3000)
