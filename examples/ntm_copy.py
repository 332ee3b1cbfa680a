"""Copy up to 20 rows of 8 bits: a neural Turing machine compared with an LSTM of its size.

    .venv/bin/python examples/ntm_copy.py  # --resume continues an interrupted run
    .venv/bin/python examples/ntm_copy.py --small  # a minute or two

The first task of Graves, Wayne & Danihelka (2014), at their size. Both networks read the rows and then output
them again. They learn from one sequence at a time, from the same number of sequences, with about the same
number of parameters. After the training both are tested on longer sequences too. The figure is the number of
wrong bits in a sequence, compared with the answer that is always 0.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import copy
from tinygrad_seq.training import Learner, Race, command, curves, verdict

NETWORKS = ("NTM", "LSTM")


class Copier(Learner):
    """A network that outputs the rows it has read; subclasses draw other tasks of memory."""

    columns, epoch, work, lr = ("loss", "wrong"), 1000, ("sequences", 1), 1e-3
    memory, units, lstm_units, bits, longest = (128, 20), 100, 120, 8, 20

    def __init__(self, network, out, seed, device):
        self.network = network
        super().__init__(out, seed, device)

    def draw(self, rng, batch, length=None):
        """xs (T, B, I) and the targets of the last steps; `length` is random, as in training, if not given."""
        return copy(length or rng.integers(1, self.longest + 1), batch, bits=self.bits, rng=rng)

    def build(self, rng):
        (*_, inputs), (*_, outputs) = (array.shape for array in self.draw(np.random.default_rng(0), 1))
        if self.network == "LSTM":
            rnn = nn.Recurrent(nn.LSTMCell(inputs, self.lstm_units, rng=rng))
            return nn.ManyToMany(nn.Sequential(), rnn, nn.Linear(self.lstm_units, outputs, rng=rng))
        controller = nn.LSTMCell(inputs + self.memory[1], self.units, rng=rng)
        machine = nn.Recurrent(nn.NTMCell(controller, outputs, memory=self.memory, rng=rng))
        return nn.ManyToMany(nn.Sequential(), machine, nn.Sequential())

    def answer(self, xs, steps):
        """The logits of the last steps."""
        return self.model(ts.tensor(xs, device=self.device))[-steps:]

    def loss(self):
        xs, targets = self.draw(self.rng, self.work[1])
        return nn.binary_cross_entropy_with_logits(
            self.answer(xs, len(targets)), ts.tensor(targets, device=self.device)
        )

    def wrong(self, xs, targets):
        """Wrong bits in a sequence, the mean over the batch."""
        with ts.no_grad():
            outputs = self.answer(xs, len(targets)).numpy() > 0
        return np.mean(np.sum(outputs != (targets > 0), axis=(0, 2)))

    def picture(self, xs, steps):
        """A figure of the machine's inputs and outputs, and of where it writes and reads."""
        figure = Figure(figsize=(10, 7), layout="constrained")
        with ts.no_grad():
            trace = self.model.runner.cell.trace(ts.tensor(xs, device=self.device))
        outputs = 1 / (1 + np.exp(-trace.outputs.numpy()))
        outputs[:-steps] = 0  # outputs before the question are not counted
        nn.pictures.machine(figure, xs, outputs, trace)
        return figure

    def validate(self):
        """The mean over a hundred fresh sequences of random lengths."""
        rng = np.random.default_rng([self.seed, 1])
        return {"wrong": np.mean([self.wrong(*self.draw(rng, 1)) for _ in range(100)])}


class Copiers(Race):
    """The machine and the LSTM; at the end, both are tested on longer sequences, and two tests are drawn."""

    learner = Copier
    tests = tuple({"length": length} for length in (20, 40, 80, 120))

    def __init__(self, out, seed, device):
        self.networks = {name: self.learner(name, out, seed, device) for name in NETWORKS}
        super().__init__(out, self.networks, "wrong")

    def finish(self):
        machine = self.networks["NTM"]
        rng = np.random.default_rng([machine.seed, 2])
        zeros = np.mean([machine.draw(rng, 1)[1].sum() for _ in range(100)])
        print(f"wrong bits in a sequence{'always 0':>15}{''.join(f'{name:>10}' for name in NETWORKS)}")
        print(row("as in training", zeros, self.validate()))
        for test in self.tests:
            xs, targets = machine.draw(rng, 100, **test)
            wrong = {each: network.wrong(xs, targets) for each, network in self.networks.items()}
            print(row(label(test), targets.sum() / 100, wrong))
        levels = {"always 0": zeros}
        curves(
            self.out,
            {name: name for name in NETWORKS},
            ylabel="wrong bits in a sequence",
            levels=levels,
            logarithmic=0.01,
        )
        for test in (self.tests[0], self.tests[-1]):
            xs, targets = machine.draw(rng, 1, **test)
            machine.picture(xs, len(targets)).savefig(
                self.out / f"{label(test).replace(' ', '_')}.png", dpi=100
            )
        print(f"the results are in {self.out}")


def label(test):
    return " ".join(f"{name} {value}" for name, value in test.items())


def row(name, zeros, wrong):
    """A printed row; it says so if the machine does not beat the answer that is always 0."""
    figures = "".join(f"{figure:10.2f}" for figure in wrong.values())
    return f"  {name:27}{zeros:10.2f}{figures}{verdict(wrong['NTM'], zeros, less=True)}"


class SmallCopier(Copier):
    """Up to 6 rows of 4 bits."""

    epoch, work, lr = 200, ("sequences", 16), 3e-3
    memory, units, lstm_units, bits, longest = (16, 8), 32, 40, 4, 6


class SmallCopiers(Copiers):
    learner = SmallCopier
    tests = tuple({"length": length} for length in (6, 8, 12))


if __name__ == "__main__":
    command(Copiers, __doc__, __file__, steps=20_000, forms={"small": (SmallCopiers, 3000)})
