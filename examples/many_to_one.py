"""Many to one: does the second half of a sequence repeat the first? Symbols in, one answer out.

    .venv/bin/python examples/many_to_one.py  # --resume continues an interrupted run

The classification problem of the lecture: (3, 9, 9, 3) no, (1, 2, 3, 1, 2, 3) yes, (7, 7) yes. In half of all
sequences the second half repeats the first. In half of the others, it differs in only one symbol. The middle is
not marked. Always the same answer is right for one half. RNN, LSTM and GRU are trained together.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np

from tinygrad_seq import nn, no_grad
from tinygrad_seq.tasks import identical_halves
from tinygrad_seq.training import Learner, Race, command, curves, verdict

SYMBOLS, LONGEST, BATCH, HIDDEN = 10, 5, 64, 96  # LONGEST: symbols in a half
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
SLIDE = {  # the lecture's table
    (1, 2, 3, 4, 5, 6): 0,
    (3, 9, 9, 3): 0,
    (7, 4, 5, 7, 5, 4): 0,
    (7, 7): 1,
    (1, 2, 3, 1, 2, 3): 1,
    (5, 1, 1, 2, 5, 1, 1, 2): 1,
}


class Halves(Learner):
    """o = W s + b, s the last output of a cell after it has read the embedded symbols."""

    columns, epoch, work = ("loss", "accuracy"), 250, ("sequences", BATCH)

    def __init__(self, cell, out, seed, device):
        self.cell = cell
        super().__init__(out, seed, device)

    def build(self, rng):
        rnn = nn.Recurrent(CELLS[self.cell](SYMBOLS, HIDDEN, rng=rng))
        return nn.ManyToOne(nn.Embedding(SYMBOLS, SYMBOLS, rng=rng), rnn, nn.Linear(HIDDEN, 2, rng=rng))

    def loss(self):
        xs, lengths, labels = identical_halves(BATCH, longest=LONGEST, rng=self.rng)
        return nn.cross_entropy(self.model(xs, lengths), labels)

    def answers(self, xs, lengths):
        with no_grad():
            return self.model(xs, lengths).numpy().argmax(-1)

    def validate(self):
        xs, lengths, labels = identical_halves(2000, longest=LONGEST, rng=np.random.default_rng([self.seed, 1]))
        return {"accuracy": np.mean(self.answers(xs, lengths) == labels)}


class ThreeCells(Race):
    def __init__(self, out, seed, device):
        self.networks = {cell: Halves(cell, out, seed, device) for cell in CELLS}
        super().__init__(out, self.networks, "accuracy")

    def finish(self):
        print("fresh sequences answered right; always the same answer: 0.500")
        for name, accuracy in self.validate().items():
            answers = self.networks[name].answers(*nn.padded(list(SLIDE)))
            right = sum(int(a == b) for a, b in zip(answers, SLIDE.values(), strict=True))
            table = f"of the lecture's table {right} of {len(SLIDE)}"
            print(f"  {name:5} {accuracy:.3f}{verdict(accuracy, 0.5)}; {table}")
        curves(
            self.out,
            {name: name for name in CELLS},
            ylabel="accuracy on fresh sequences",
            levels={"always the same": 0.5},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(ThreeCells, __doc__, __file__, steps=5000)
