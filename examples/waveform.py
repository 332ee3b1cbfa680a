"""A waveform learned by heart: 320 samples of sound from no input, by a clockwork RNN, an LSTM and an RNN.

    .venv/bin/python examples/waveform.py  # --resume continues an interrupted run

The first task of Koutnik et al. (2014). The network receives no input, so its state must act as a clock. Each
network has at most 490 parameters and gets about the same time: in one step of the comparison the RNN, which is
faster, takes two steps. The error is the mean squared error divided by the variance of the wave; the trivial
answer, the mean, has an error of 1.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import waveform
from tinygrad_seq.training import Learner, Race, command, curves, verdict

STEPS, PERIODS = 320, (1, 2, 4, 8, 16, 32, 64, 128, 256)


def clockwork(rng):
    return nn.ClockworkRNNCell(0, 27, periods=PERIODS, rng=rng), 27


def lstm(rng):
    """With open forget gates, as the authors use it."""
    cell = nn.LSTMCell(0, 10, rng=rng)
    cell.b.assign_(nn.init.forget_bias(10, value=5.0))
    return cell, 10


def rnn(rng):
    return nn.RNNCell(0, 21, rng=rng), 21


CELLS = {"clockwork": clockwork, "LSTM": lstm, "RNN": rnn}
TURNS = {"clockwork": 1, "LSTM": 1, "RNN": 2}  # steps in one step of the comparison


class Player(Learner):
    """y_t = W h_t + b, h_t of a cell that receives no input."""

    columns, epoch, work, lr = ("loss", "error"), 200, ("waves", 1), 5e-3

    def __init__(self, cell, out, seed, device):
        self.cell, self.wave = cell, waveform(STEPS, rng=seed)
        super().__init__(out, seed, device)

    def build(self, rng):
        cell, units = CELLS[self.cell](rng)
        return nn.ManyToMany(nn.Sequential(), nn.Recurrent(cell), nn.Linear(units, 1, rng=rng))

    def played(self):
        return self.model(ts.zeros((STEPS, 1, 0), device=self.device))

    def loss(self):
        return nn.mse(self.played(), ts.tensor(self.wave, device=self.device))

    def step(self):
        return [super(Player, self).step() for _ in range(TURNS[self.cell])][-1]

    def validate(self):
        with ts.no_grad():
            return {"error": self.loss().item() / np.var(self.wave)}

    def numbers(self):
        """The number of parameters, without the masked weights of the clockwork RNN."""
        cell = self.model.runner.cell
        masked = (cell.hears.numpy() == 0).sum() if self.cell == "clockwork" else 0
        return sum(p.size for p in self.model.parameters()) - masked


class Players(Race):
    """A learner for each cell."""

    def __init__(self, out, seed, device):
        self.players = {cell: Player(cell, out, seed, device) for cell in CELLS}
        super().__init__(out, self.players, "error")

    def finish(self):
        print("mean squared error over the variance; the mean of the wave: 1.000")
        for name, error in self.validate().items():
            numbers = f"{self.players[name].numbers():4} numbers"
            print(f"  {name:10} {numbers} {error:8.4f}{verdict(error, 1, less=True)}")
        curves(
            self.out,
            {name: name for name in CELLS},
            ylabel="error over variance",
            levels={"the mean of the wave": 1.0},
        )
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw the wave and the output of each network, as waveform.png."""
        figure = Figure(figsize=(8, 5), layout="constrained")
        for (name, player), axes in zip(self.players.items(), figure.subplots(3, sharex=True), strict=True):
            with ts.no_grad():
                axes.plot(player.played().numpy().ravel(), "C1-", label=name)
            axes.plot(player.wave.ravel(), "k:", label="target")
            axes.set(xlim=(0, STEPS - 1), ylim=(-1.2, 1.2))
            axes.legend(loc="upper right", ncols=2)
        axes.set(xlabel="sample")
        figure.savefig(self.out / "waveform.png", dpi=150)


if __name__ == "__main__":
    command(Players, __doc__, __file__, steps=4000)
