"""Digits, row by row: which one is it? An LSTM reads real images one row of pixels at a time.

    .venv/bin/python examples/digits.py  # --resume continues an interrupted run

It needs the extra `data`. There are two networks. One is tested on a fifth of the images of each digit; the
other is tested on the last 360 images, whose writers are not in its training set. The second test is harder,
and closer to practice. In training, every image is shifted by up to one pixel and gets a little noise. The
trivial answer, always the commonest digit, is right for one image in ten.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from typing import Literal

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import digits
from tinygrad_seq.training import Learner, Race, command, curves

BATCH, FEATURES, HIDDEN, NOISE, STEPS = 64, 32, 64, 0.05, 2000


def moved(xs, rng):
    """Images (8, B, 8), each shifted by -1, 0 or 1 pixels down and to the right, with noise."""
    rows, columns = np.arange(1, 9) + rng.integers(-1, 2, (2, xs.shape[1], 1))
    framed = np.pad(xs, ((1, 1), (0, 0), (1, 1)))
    images = framed[rows.T[:, :, None], np.arange(xs.shape[1])[:, None], columns]
    return images + NOISE * rng.standard_normal(images.shape, np.float32)


class Stratified(Learner):
    """o = W s + b, s the last outputs of two LSTMs over f_t = relu(W' x_t + b'), x_t a row of pixels.

    One LSTM reads from the top, the other from the bottom. Tested on a fifth of each digit.
    """

    columns, epoch, lr, work = ("loss", "accuracy"), 100, 5e-3, ("images", BATCH)
    test: Literal["stratified", "last"] = "stratified"

    def __init__(self, out, seed, device):
        super().__init__(out, seed, device)
        self.training, self.unseen = digits(self.test)
        self.schedule = optim.cosine(self.lr, STEPS)

    def build(self, rng):
        features = nn.Sequential(nn.Linear(8, FEATURES, rng=rng), ts.relu)
        rnn = nn.Bidirectional(*(nn.LSTMCell(FEATURES, HIDDEN, rng=rng) for _ in range(2)))
        return nn.ManyToOne(features, rnn, nn.Linear(2 * HIDDEN, 10, rng=rng))

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        xs, labels = self.training
        drawn = self.rng.choice(len(labels), BATCH)
        images = ts.tensor(moved(xs[:, drawn], self.rng), device=self.device)
        return nn.cross_entropy(self.model(images), labels[drawn])

    def answers(self):
        with ts.no_grad():
            return self.model(ts.tensor(self.unseen[0], device=self.device)).numpy().argmax(-1)

    def validate(self):
        return {"accuracy": np.mean(self.answers() == self.unseen[1])}


class Last(Stratified):
    """The same, tested on the last 360 images."""

    test = "last"


class Digits(Race):
    def __init__(self, out, seed, device):
        self.networks = {"stratified": Stratified(out, seed, device), "last": Last(out, seed, device)}
        super().__init__(out, self.networks, "accuracy")

    def finish(self):
        names = {"stratified": "a fifth of each digit", "last": "other writers"}
        for name, accuracy in self.validate().items():
            labels = self.networks[name].unseen[1]
            trivial = np.bincount(labels).max() / len(labels)
            print(f"{names[name]}: {accuracy:.3f} right; always the commonest digit: {trivial:.3f}")
            if accuracy <= trivial:
                print("  this does not beat the trivial answer")
        curves(self.out, names, ylabel="images answered right", levels={"always the commonest digit": trivial})
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw images of other writers with a wrong answer, 16 at most."""
        (xs, labels), answers = self.networks["last"].unseen, self.networks["last"].answers()
        figure = Figure(figsize=(7, 2.4), layout="constrained")
        figure.suptitle("other writers: the digit, and the wrong answer")
        wrong = np.nonzero(answers != labels)[0]
        for axes, i in zip(figure.subplots(2, 8).ravel(), [*wrong, *[None] * 16], strict=False):
            axes.axis("off")
            if i is not None:
                axes.imshow(xs[:, i], cmap="gray_r", vmin=0, vmax=1)
                axes.set_title(f"{labels[i]}, not {answers[i]}", fontsize=8)
        figure.savefig(self.out / "wrong.png", dpi=150)


if __name__ == "__main__":
    command(Digits, __doc__, __file__, steps=STEPS)
