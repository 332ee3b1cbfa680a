"""Parity of a vector: as many computation steps as the network decides, a fixed number, or one.

    .venv/bin/python examples/act_parity.py         # 16 bits: a quarter of an hour
    .venv/bin/python examples/act_parity.py --long  # 64 bits: hours; --resume continues an interrupted run

Is the number of ones odd? The whole vector is one input, so a plain RNN has one step to answer. Other networks
visit the vector repeatedly: as often as they decide, with a penalty for each visit (Graves 2016, Adaptive
computation time), or a fixed number of times (Fojo, Campos & Giro-i-Nieto 2018, Comparing fixed and adaptive
computation time). Each row of the table is three networks. A network that answers 98 % of fresh vectors right
has solved the task and stops learning. The networks are unrolled: an adaptive cell then stops when the last row
of the batch has halted, where a scan would always make all 10 visits.
"""

import os
from statistics import median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import parity
from tinygrad_seq.training import Learner, Race, command, curves, verdict

BATCH, HIDDEN, MOST, FRESH, SEEDS = 128, 128, 10, 1000, 3
GOAL, ONCE = 0.98, 1.05  # accuracy that counts as solved; visits that count as one
ROWS: dict[str, dict[str, float]] = {
    "RNN": {},
    **{f"Repeat {times}": {"times": times} for times in (2, 3, 5)},
    **{f"ACT {penalty:g}": {"penalty": penalty} for penalty in (1, 1e-1, 1e-2, 5e-3, 1e-3)},
}


class Thinker(Learner):
    """One network of a row of the table; it learns until it has solved the task."""

    columns, epoch, work, lr = ("loss", "right"), 250, ("vectors", BATCH), 1e-3

    def __init__(self, bits, out, seed, device, times=None, penalty=None):
        self.bits, self.times, self.penalty = bits, times, penalty
        super().__init__(out, seed, device)
        self.fingerprint |= {"bits": bits, "times": times, "penalty": penalty}
        self.found = {"right": 0.0, "visits": 0.0, "solved": 0}  # the step at which it solved the task, or 0

    def build(self, rng):
        cell: nn.Cell = nn.RNNCell(self.bits + bool(self.times or self.penalty), HIDDEN, rng=rng)
        if self.times:
            cell = nn.RepeatCell(cell, self.times)
        if self.penalty:
            cell = nn.ACTCell(cell, max_steps=MOST, rng=rng)
        return nn.ManyToOne(nn.Sequential(), nn.Recurrent(cell, unroll=True), nn.Linear(HIDDEN, 1, rng=rng))

    def answers(self, batch, rng):
        """For each vector the logit, the ponder cost, the number of visits, and the right answer."""
        drawn = parity(batch, size=self.bits, rng=rng)
        x, odd = (ts.tensor(array.astype(np.float32), device=self.device) for array in drawn)
        made, _ = self.model.runner(x[None])
        y, ponder, visits = made if self.penalty else (made, ts.zeros_like(odd), (self.times or 1) + 0 * odd)
        return self.model.readout(y)[0, :, 0], ponder, visits, odd

    def loss(self):
        logits, ponder, _, odd = self.answers(BATCH, self.rng)
        return nn.binary_cross_entropy_with_logits(logits, odd) + (self.penalty or 0) * ponder.mean()

    def validate(self):
        if not self.found["solved"]:
            with ts.no_grad():
                logits, _, visits, odd = self.answers(FRESH, np.random.default_rng([self.seed, 1]))
            right = float(np.mean((logits.numpy() > 0) == odd.numpy()))
            solved = self.optimizer.steps if right >= GOAL else 0
            self.found = {"right": right, "visits": float(np.mean(visits.numpy())), "solved": solved}
        return self.found

    def state_dict(self):
        return super().state_dict() | {"found": self.found}

    def load_state_dict(self, state):
        super().load_state_dict(state)
        self.found = state["found"]


class Parity(Race):
    """Three networks for each row; a step is one step of every network that has not solved the task."""

    bits = 16

    def __init__(self, out, seed, device):
        self.seeds = range(seed, seed + SEEDS)
        each = [(name, one) for name in ROWS for one in self.seeds]
        self.all = {f"{name}, {one}": Thinker(self.bits, out, one, device, **ROWS[name]) for name, one in each}
        super().__init__(out, self.all, "right")
        self.columns, self.work = ("loss", *ROWS), ("steps", 1)

    def step(self):
        """The mean loss of the networks that still learn."""
        losses = [one.step()["loss"] for one in self.all.values() if not one.found["solved"]]
        return {"loss": sum(losses) / len(losses)} if losses else {}

    def found(self, name, key):
        """This figure of the seeds of a row; inf for a task that is not solved."""
        return np.array([self.all[f"{name}, {one}"].found[key] or np.inf for one in self.seeds])

    def validate(self):
        super().validate()
        return {name: median(self.found(name, "right")) for name in ROWS}

    def finish(self):
        print(f"{self.bits} bits; visits and accuracy are medians")
        heads = [f"seed {one}" for one in self.seeds] + ["median", "visits", "right"]
        print(f"{f'steps to {GOAL:.0%}':13}" + "".join(f"{head:>10}" for head in heads))
        for name in ROWS:
            steps, visits, right = (self.found(name, key) for key in ("solved", "visits", "right"))
            figures = "".join(f"{n:10,.0f}" if n < np.inf else f"{'-':>10}" for n in (*steps, median(steps)))
            print(f"{name:13}{figures}{median(visits):10.2f}{median(right):10.3f}{verdict(median(right), 0.5)}")
        print(f"{'always the same answer':63}{0.5:10.3f}")
        once = [name for name in ROWS if "ACT" in name and max(self.found(name, "visits")) < ONCE]
        print(f"collapsed, to fewer than {ONCE} visits with every seed: {', '.join(once) or 'none'}")
        self.draw(max(one.optimizer.steps for one in self.all.values()))
        curves(self.out, {name: name for name in ROWS}, ylabel="accuracy, the median", levels={"a guess": 0.5})
        print(f"the results are in {self.out}")

    def draw(self, last):
        """Draw for every row the steps to the solution and the visits, as act_parity.png."""
        figure = Figure(figsize=(10, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for y, name in enumerate(ROWS):
            steps = self.found(name, "solved")
            color = "C1" if "ACT" in name else "C0" if "Repeat" in name else "gray"
            for place, values in (left, steps), (right, self.found(name, "visits")):
                if median(values) < np.inf:
                    place.barh(y, median(values), height=0.7, color=color, alpha=0.4)
                for value, solved in zip(values, steps < np.inf, strict=True):
                    place.plot(min(value, 1.07 * last), y, "o" if solved else "x", color=color)
        left.axvline(last, color="gray", linestyle="--")
        left.set(xlabel=f"steps to {GOAL:.0%}; x: not in {last:,}", xlim=(0, 1.12 * last))
        left.set(yticks=range(len(ROWS)), yticklabels=ROWS)
        left.invert_yaxis()
        right.set(xlabel="visits; a dot is a seed, a bar the median", xlim=(0, None))
        figure.savefig(self.out / "act_parity.png", dpi=150)


class LongParity(Parity):
    bits = 64


if __name__ == "__main__":
    command(Parity, __doc__, __file__, steps=15_000, forms={"long": (LongParity, 400_000)})
