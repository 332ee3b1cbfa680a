"""Hello: the lecture's first network learns that after h comes e, after he l, after hel l, and after hell o.

    .venv/bin/python examples/hello.py  # --resume continues an interrupted run

The alphabet is h, e, l, o. A letter is a one-hot vector, and a softmax gives the probabilities of the next
letter. After "hel" and "hell" different letters follow, although both end with an l: only its state tells the
network which of them it has read. The trivial answer, always the commonest letter, is right for two of four.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.tasks import hello
from tinygrad_seq.training import Learner, command, curves, verdict

HIDDEN = 3  # as on the slide


class Hello(Learner):
    """h_t = tanh(x_t Wx + b + h_{t-1} Wh), o_t = h_t V + c."""

    columns, epoch, work, lr = ("loss", "right"), 50, ("words", 1), 0.03

    def build(self, rng):
        self.xs, self.targets, self.alphabet = hello()
        size = len(self.alphabet)
        rnn = nn.Recurrent(nn.RNNCell(size, HIDDEN, rng=rng))
        return nn.ManyToMany(self.one_hot, rnn, nn.Linear(HIDDEN, size, rng=rng))

    def one_hot(self, symbols):
        return ts.tensor(np.eye(len(self.alphabet), dtype=np.float32)[symbols], device=self.device)

    def loss(self):
        return nn.cross_entropy(self.model(self.xs), self.targets)

    def probabilities(self):
        with ts.no_grad():
            return ts.softmax(self.model(self.xs)).numpy()[:, 0]

    def validate(self):
        return {"right": np.mean(self.probabilities().argmax(-1) == self.targets[:, 0])}

    def finish(self):
        p = self.probabilities()
        right = self.validate()["right"]
        print(f"letters right, always the commonest: 0.50\nthe network: {right:.2f}{verdict(right, 0.5)}")
        print("after    " + "".join(f"{letter:>8}" for letter in self.alphabet))
        for t, row in enumerate(p):
            read = "".join(self.alphabet[i] for i in self.xs[: t + 1, 0])
            print(f"{read:8} " + "".join(f"{x:8.3f}" for x in row))
        curves(
            self.out,
            {"loss": "cross-entropy"},
            ylabel="nats per letter",
            levels={"uniform guess: log 4": np.log(4)},
        )
        self.draw(p)
        print(f"the results are in {self.out}")

    def draw(self, p):
        """The probabilities of the next letter, one column for each step."""
        figure = Figure(figsize=(4, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.imshow(p.T, cmap="Blues", vmin=0, vmax=1)
        for (t, i), x in np.ndenumerate(p):
            axes.text(t, i, f"{x:.2f}", ha="center", va="center", color="white" if x > 0.5 else "black")
        axes.set_xticks(range(len(p)), [self.alphabet[i] for i in self.xs[:, 0]])
        axes.set_yticks(range(len(self.alphabet)), list(self.alphabet))
        axes.set(xlabel="letter read", ylabel="next letter")
        figure.savefig(self.out / "probabilities.png", dpi=150)


if __name__ == "__main__":
    command(Hello, __doc__, __file__, steps=300)
