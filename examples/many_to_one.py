"""Many to one: is the second half of a sequence the first once more? Symbols in, one answer out.

    python examples/many_to_one.py            # or --resume, after an interruption

The classification problem of the lecture: (3, 9, 9, 3) no, (1, 2, 3, 1, 2, 3) yes, (7, 7) yes. Half of all
sequences are of the one kind, and half of the others differ from it in one symbol alone; nothing says where the
middle is. The trivial answer, always the same, is right for one half.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

import numpy as np

from tinygrad_seq import nn, no_grad
from tinygrad_seq.learner import Learner, command, curves
from tinygrad_seq.tasks import identical_halves

SYMBOLS, LONGEST, BATCH, HIDDEN = 10, 4, 64, 96
SLIDE = {  # the lecture's table
    (1, 2, 3, 4, 5, 6): 0,
    (3, 9, 9, 3): 0,
    (7, 4, 5, 7, 5, 4): 0,
    (7, 7): 1,
    (1, 2, 3, 1, 2, 3): 1,
    (5, 1, 1, 2, 5, 1, 1, 2): 1,
}


class Halves(Learner):
    """o = W s + b, s the last output of an LSTM that has read the embedded symbols."""

    columns, epoch, work = ("loss", "accuracy"), 250, ("sequences", BATCH)

    def build(self, rng):
        rnn = nn.Recurrent(nn.LSTMCell(SYMBOLS, HIDDEN, rng=rng))
        return nn.ManyToOne(nn.Embedding(SYMBOLS, SYMBOLS, rng=rng), rnn, nn.Linear(HIDDEN, 2, rng=rng))

    def loss(self):
        xs, lengths, labels = identical_halves(BATCH, longest=LONGEST, rng=self.rng)
        return nn.cross_entropy(self.model(xs, lengths), labels)

    def answers(self, xs, lengths):
        with no_grad():
            return self.model(xs, lengths).numpy().argmax(-1)

    def validate(self):
        xs, lengths, labels = identical_halves(2000, longest=LONGEST, rng=np.random.default_rng([self.seed, 1]))
        return {"accuracy": float(np.mean(self.answers(xs, lengths) == labels))}

    def finish(self):
        accuracy = self.validate()["accuracy"]
        print(f"fresh sequences answered right: {accuracy:.3f}; always the same answer: 0.500")
        for row, answer in zip(SLIDE, self.answers(*nn.padded(list(SLIDE))), strict=True):
            right = "" if answer == SLIDE[row] else ", wrong"
            longer = "" if len(row) <= 2 * LONGEST else " (longer than any that was learned from)"
            print(f"  {row}: {answer}{right}{longer}")
        curves(
            self.out,
            {"accuracy": "LSTM"},
            ylabel="accuracy on fresh sequences",
            levels={"always the same": 0.5},
        )
        print(f"all in {self.out}")


if __name__ == "__main__":
    command(Halves, __doc__, __file__, steps=4000)
