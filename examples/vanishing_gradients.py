"""The vanishing gradient, and a penalty against it: the published approximation, the exact penalty, and none.

    .venv/bin/python examples/vanishing_gradients.py  # --resume continues an interrupted run

Temporal order: two symbols among distractors, far apart; which were they? The last state must contain the
answer. An event 50 steps ago can affect it only if dL/dh_t does not vanish on its way back. The lecture's
penalty

    sum_t (|dL/dh_{t+1} dh_{t+1}/dh_t| / |dL/dh_{t+1}| - 1)^2

keeps the gradient alive (Pascanu, Mikolov & Bengio 2013). Its exact derivative is a second derivative. The
authors avoid it by holding h_t and dL/dh_{t+1} fixed. This example compares both. The trivial answer is right
in one of four.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.tasks import temporal_order
from tinygrad_seq.training import Learner, Race, command, curves, verdict

LENGTH, BATCH, HIDDEN, WEIGHT = 50, 20, 50, 0.3


class Plain(Learner):
    """o = W h_T + b, h_T of a plain RNN with sparse recurrent weights of spectral radius 0.95; by SGD."""

    columns, epoch, work = ("loss", "accuracy"), 250, ("sequences", BATCH)

    def __init__(self, out, seed, device):
        super().__init__(out, seed, device)
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.05)

    def build(self, rng):
        self.cell, self.readout = nn.RNNCell(6, HIDDEN, rng=rng), nn.Linear(HIDDEN, 4, rng=rng)
        self.cell.Wh.assign_(nn.init.sparse(HIDDEN, nonzeros=15, spectral_radius=0.95, rng=rng))
        return nn.ManyToOne(ts.tensor, nn.Recurrent(self.cell), self.readout)

    def drawn(self, rng, batch):
        xs, labels = temporal_order(LENGTH, batch, rng=rng)
        return ts.tensor(xs, device=self.device), labels

    def flow(self, xs, labels, create_graph=False):
        """The loss and the flow of its gradient."""
        return nn.gradient_flow(
            self.cell, xs, lambda ys: nn.cross_entropy(self.readout(ys[-1]), labels), create_graph=create_graph
        )

    def loss(self):
        xs, labels = self.drawn(self.rng, BATCH)
        return nn.cross_entropy(self.model(xs), labels)

    def validate(self):
        xs, labels = self.drawn(np.random.default_rng([self.seed, 1]), 1000)
        with ts.no_grad():
            return {"accuracy": np.mean(self.model(xs).numpy().argmax(-1) == labels)}


class Approximate(Plain):
    """The penalty, differentiated as if h_t and dL/dh_{t+1} were constants."""

    exact = False

    def loss(self):
        xs, labels = self.drawn(self.rng, BATCH)
        flow = self.flow(xs, labels, create_graph=self.exact)
        return flow.loss + WEIGHT * nn.vanishing_penalty(flow, exact=self.exact)


class Exact(Approximate):
    """The penalty with its complete derivative."""

    exact = True


class Penalties(Race):
    def __init__(self, out, seed, device):
        kinds = {"none": Plain, "approximate": Approximate, "exact": Exact}
        self.networks: dict[str, Plain] = {name: kind(out, seed, device) for name, kind in kinds.items()}
        self.before = {name: self.lengths(network) for name, network in self.networks.items()}
        super().__init__(out, self.networks, "accuracy")

    def lengths(self, network):
        """|dL/dh_t| for t = 1 ... T, the mean over fresh sequences."""
        return (
            network.flow(*network.drawn(np.random.default_rng([network.seed, 2]), 200)).norms().numpy().mean(1)
        )

    def finish(self):
        print("accuracy (always the same answer: 0.250), and |dL/dh_1| / |dL/dh_T| before and after:")
        for name, accuracy in self.validate().items():
            before, after = self.before[name], self.lengths(self.networks[name])
            ratios = f"{before[0] / before[-1]:.1e} -> {after[0] / after[-1]:.1e}"
            print(f"  {name:12} {accuracy:.3f}   {ratios}{verdict(accuracy, 0.25)}")
        curves(
            self.out,
            {name: f"penalty: {name}" for name in self.networks},
            ylabel="sequences answered right",
            levels={"always the same answer": 0.25},
        )
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw the norm of the gradient over time, as gradients.png."""
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        axes.semilogy(np.arange(1, LENGTH + 1), self.before["none"], "k:", label="before training")
        for name, network in self.networks.items():
            axes.semilogy(np.arange(1, LENGTH + 1), self.lengths(network), label=f"penalty: {name}")
        axes.set(xlabel="t", ylabel="|dL/dh_t|, mean of 200 sequences")
        axes.yaxis.set_major_formatter("{x:.0e}")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(self.out / "gradients.png", dpi=150)


if __name__ == "__main__":
    command(Penalties, __doc__, __file__, steps=3000)
