"""How the gradient flows back through eight networks: before training and after, with clipping, with a penalty.

    .venv/bin/python examples/gradient_flow.py  # --resume continues an interrupted run

Temporal order: two symbols among distractors, the first of them some 25 steps before the end; which were they?
The last state must contain the answer. An event at step t can affect it only if dL/dh_t does not vanish:

    |dL/dh_t| <= |dL/dh_T| sigma_max(J_T) ... sigma_max(J_{t+1}),   J_k = dh_k/dh_{k-1}

Eight networks are trained by SGD with momentum in three ways, with the same weights and batches: plainly; with
clipped gradients; and with clipping and the lecture's penalty on vanishing gradients. (The penalty can make
gradients large, so it is only used with clipping, as proposed.) The trivial answer is right in one of four.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.tasks import temporal_order
from tinygrad_seq.training import Learner, Race, command

LENGTH, UNITS, ANSWERS, BATCH, FRESH, SEEN = 30, 30, 4, 20, 1000, 20
BY_CHANCE = 0.25 + 3 * (0.25 * 0.75 / FRESH) ** 0.5  # three standard errors above the accuracy of guesses


def identity_start(inputs, units, **options):
    """relu, with the identity as initial recurrent weights (Le, Jaitly & Hinton 2015)."""
    cell = nn.RNNCell(inputs, units, activation="relu", **options)
    cell.Wh.assign_(nn.init.identity(units))
    cell.b.assign_(np.zeros(units))
    return cell


CELLS = nn.CELLS | {"identity start": identity_start}
NETWORKS = "RNN", "rectified RNN", "identity start", "leaky RNN", "skip RNN", "LSTM", "GRU", "clockwork RNN"
WAYS = {"plain": (False, 0.0), "clipped": (True, 0.0), "clipped, penalty": (True, 0.3)}  # weight of the penalty
LOOKS = {
    "before training": {"color": "0.65", "linewidth": 2.0},
    "plain": {"color": "#e07b1a", "linewidth": 3.5},  # wide, to be seen below `clipped` where both agree
    "clipped": {"color": "#0072b2", "linewidth": 1.5},
    "clipped, penalty": {"color": "#009e73", "linewidth": 2.0},
}
ROWS = {
    "|dL/dh_t| / |dL/dh_T|": ("log", (1e-9, 1e9)),
    "its bound, the product": ("log", (1e-9, 1e9)),
    "largest singular\nvalue of J_t": ("linear", (0, 5)),
}


class Order(Learner):
    """o = W h_T + b, by SGD with momentum."""

    columns, epoch, work = ("loss", "accuracy"), 250, ("sequences", BATCH)

    def __init__(self, network, way, out, seed, device):
        self.network, (self.clipped, self.weight) = network, WAYS[way]
        super().__init__(out, seed, device)
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.02, momentum=0.9)

    def build(self, rng):
        self.cell, self.readout = CELLS[self.network](6, UNITS, rng=rng), nn.Linear(UNITS, ANSWERS, rng=rng)
        return nn.ManyToOne(ts.tensor, nn.Recurrent(self.cell), self.readout)

    def drawn(self, rng, batch):
        xs, labels = temporal_order(LENGTH, batch, rng=rng)
        return ts.tensor(xs, device=self.device), labels

    def flow(self, xs, labels):
        return nn.gradient_flow(self.cell, xs, lambda ys: nn.cross_entropy(self.readout(ys[-1]), labels))

    def step(self):
        xs, labels = self.drawn(self.rng, BATCH)
        if self.weight:
            flow = self.flow(xs, labels)
            loss = flow.loss + self.weight * nn.vanishing_penalty(flow, exact=False)
        else:
            loss = nn.cross_entropy(self.model(xs), labels)
        self.optimizer.zero_grad()
        loss.backward()
        if self.clipped:
            optim.clip_grad_norm_(self.optimizer.parameters, 1.0)
        self.optimizer.step()
        return {"loss": loss.detach()}

    def validate(self):
        xs, labels = self.drawn(np.random.default_rng([self.seed, 1]), FRESH)
        with ts.no_grad():
            return {"accuracy": np.mean(self.model(xs).numpy().argmax(-1) == labels)}

    def seen(self):
        """The arrays of the three rows of the picture, each (T, B), for fresh sequences."""
        xs, labels = self.drawn(np.random.default_rng([self.seed, 2]), SEEN)
        norms, jacobians = self.flow(xs, labels).norms().numpy(), nn.step_jacobians(self.cell, xs)
        largest = nn.singular_values(jacobians)[..., 0]
        return norms / norms[-1], nn.product_bound(norms, largest) / norms[-1], largest


class Flows(Race):
    def __init__(self, out, seed, device):
        self.all = {(name, way): Order(name, way, out, seed, device) for name in NETWORKS for way in WAYS}
        self.before = {name: self.all[name, "plain"].seen() for name in NETWORKS}
        super().__init__(out, {f"{name} ({way})": one for (name, way), one in self.all.items()}, "accuracy")

    def finish(self):
        right = dict(zip(self.all, self.validate().values(), strict=True))
        seen = {(name, way): learner.seen() for (name, way), learner in self.all.items()}
        seen |= {(name, "before training"): arrays for name, arrays in self.before.items()}
        print(f"{'':18}|dL/dh_1| / |dL/dh_{LENGTH}|{'right':>33}")
        print(f"{'':16}{'before':>8}" + 2 * "   plain clipped penalty")
        for name in NETWORKS:
            ratios = "".join(f"{np.median(seen[name, way][0][0]):8.0e}" for way in LOOKS)
            print(f"{name:16}{ratios}" + "".join(f"{right[name, way]:8.3f}" for way in WAYS))
        print(f"always the same answer is right in 0.250; no better than guesses, below {BY_CHANCE:.3f}:")
        for way in WAYS:
            print(f"  {way:17}", ", ".join(n for n in NETWORKS if right[n, way] < BY_CHANCE) or "none")
        draw(seen, right).savefig(self.out / "gradient_flow.png", dpi=130)
        print(f"the results are in {self.out}")


def draw(seen, right):
    """A column for each network, with its accuracies; a row for each array of `seen`."""
    figure = Figure(figsize=(18, 8.5), layout="constrained")
    grid = figure.subplots(len(ROWS), len(NETWORKS), sharex=True, sharey="row")
    for row, (i, (label, (scale, limits))) in zip(grid, enumerate(ROWS.items()), strict=True):
        for axes, name in zip(row, NETWORKS, strict=True):
            for way, look in LOOKS.items():
                nn.pictures.norms(axes, seen[name, way][i], label=way, **look)
            axes.axhline(1, color="black", linewidth=0.6, zorder=0)
            axes.set_yscale(scale)
            axes.yaxis.set_major_formatter("{x:.0e}" if scale == "log" else "{x:.0f}")
            axes.spines[["top", "right"]].set_visible(False)
            axes.label_outer()
        row[0].set(ylabel=label, ylim=limits, xlim=(1, LENGTH), xticks=(1, 10, 20, 30))
    for axes, name in zip(grid[0], NETWORKS, strict=True):
        axes.set_title(name, fontweight="bold")
        for k, way in enumerate(WAYS):
            axes.text(2, 1e8 / 100**k, f"{right[name, way]:.3f} right", color=LOOKS[way]["color"])
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


if __name__ == "__main__":
    command(Flows, __doc__, __file__, steps=1000)
