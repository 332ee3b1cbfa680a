"""Adding: what is the sum of the two marked numbers among a hundred? LSTM and GRU compared with the RNN.

    .venv/bin/python examples/adding.py  # --resume continues an interrupted run

This test of long memory is by Hochreiter & Schmidhuber (1997), in the form of Le, Jaitly & Hinton (2015), with
one marked number in each half. The constant answer 1 has a mean squared error of 1/6, about 0.167; a network
that cannot remember learns this answer.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import adding
from tinygrad_seq.training import Learner, Race, command, curves, verdict

LENGTH, BATCH, HIDDEN = 100, 32, 48
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


class Adder(Learner):
    """y = W h_T + b, h_T the last state of a cell that reads numbers and marks."""

    columns, epoch, work, lr = ("loss", "error"), 250, ("sequences", BATCH), 2e-3

    def __init__(self, cell, out, seed, device):
        self.cell = cell
        super().__init__(out, seed, device)

    def build(self, rng):
        cell = CELLS[self.cell](2, HIDDEN, rng=rng)
        if self.cell == "LSTM":
            cell.b.assign_(nn.init.forget_bias(HIDDEN))
        return nn.ManyToOne(nn.Sequential(), nn.Recurrent(cell), nn.Linear(HIDDEN, 1, rng=rng))

    def error(self, batch, rng):
        xs, sums = adding(LENGTH, batch, rng=rng)
        return nn.mse(self.model(ts.tensor(xs, device=self.device)), ts.tensor(sums, device=self.device))

    def loss(self):
        return self.error(BATCH, self.rng)

    def validate(self):
        with ts.no_grad():
            return {"error": self.error(1000, np.random.default_rng([self.seed, 1])).item()}


class Adders(Race):
    """A learner for each cell."""

    def __init__(self, out, seed, device):
        super().__init__(out, {cell: Adder(cell, out, seed, device) for cell in CELLS}, "error")

    def finish(self):
        print("mean squared error on fresh sequences; always to answer 1: 0.167")
        for name, error in self.validate().items():
            print(f"  {name:5} {error:.4f}{verdict(error, 1 / 6, less=True)}")
        curves(
            self.out,
            {name: name for name in CELLS},
            ylabel="mean squared error",
            levels={"always to answer 1": 1 / 6},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Adders, __doc__, __file__, steps=4000)
