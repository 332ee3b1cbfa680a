"""Digits recognised by six looks at small parts of the image: a network that learns where to look next.

    .venv/bin/python examples/ram.py  # --resume continues an interrupted run
    .venv/bin/python examples/ram.py --cluttered

It needs the extra `data`. The recurrent attention model (Mnih, Heess, Graves & Kavukcuoglu 2014) sees one patch
of 8 x 8 pixels at a time; the first is at a random place. In the cluttered form, the digit is somewhere in an
image of 44 x 44, among pieces of other digits, and every look has patches of three scales. To see whether it
matters where it looks, the same weights are tested with looks at random places. Tests have no noise.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import handwritten_digits
from tinygrad_seq.tasks import cluttered, distorted
from tinygrad_seq.training import Learner, command, curves, verdict

LOOKS, SIZE, BATCH, STEPS = 6, 8, 64, 12000


class Looking(Learner):
    """RAM on digits that are slightly distorted, each time anew."""

    columns, epoch, lr, max_norm, work = ("loss", "learned", "random"), 500, 1e-3, 5.0, ("images", BATCH)
    scales = 1

    def __init__(self, out, seed, device):
        (self.images, self.labels), (images, self.unseen_labels) = handwritten_digits()
        self.schedule = optim.cosine(self.lr, STEPS)
        super().__init__(out, seed, device)
        rng = np.random.default_rng([seed, 1])
        self.unseen = self.placed(images, rng)
        self.first = rng.uniform(-1, 1, (len(images), 2)).astype(np.float32)
        self.places = rng.uniform(-1, 1, (LOOKS, len(images), 2)).astype(np.float32)
        self.places[0] = self.first

    def build(self, rng):
        return nn.RAM(10, size=SIZE, scales=self.scales, rng=rng)

    def placed(self, digits, rng):
        """The images that are seen: here, the digits themselves."""
        return digits

    def there(self, x):
        return ts.tensor(x, device=self.device)

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        drawn = self.rng.integers(0, len(self.images), BATCH)
        images = self.placed(distorted(self.images[drawn], shift=2.0, rng=self.rng), self.rng)
        noise = self.rng.standard_normal((LOOKS, BATCH, 2), np.float32)
        first = self.rng.uniform(-1, 1, (BATCH, 2)).astype(np.float32)
        return self.model.loss(*map(self.there, (images, self.labels[drawn], noise, first)))

    def answers(self):
        """The answers to the unseen images after learned looks and after random ones, and the learned looks."""
        images, noise = self.there(self.unseen), self.there(np.zeros_like(self.places))
        with ts.no_grad():
            logits, looks = self.model(images, noise, self.there(self.first))
            random = self.model.at(images, self.there(self.places))
        return logits.numpy().argmax(-1), random.numpy().argmax(-1), looks.centres.numpy()

    def validate(self):
        learned, random, _ = self.answers()
        return {
            name: np.mean(x == self.unseen_labels) for name, x in {"learned": learned, "random": random}.items()
        }

    def finish(self):
        figures = self.validate()
        trivial = np.bincount(self.unseen_labels).max() / len(self.unseen_labels)
        print(f"unseen digits recognised by {LOOKS} looks; always the same answer: {trivial:.3f}")
        print(f"  learned looks {figures['learned']:.3f}{verdict(figures['learned'], figures['random'])}")
        print(f"  the same weights with random looks {figures['random']:.3f}")
        curves(
            self.out,
            {"learned": "learned looks", "random": "random looks, the same weights"},
            ylabel="unseen digits recognised",
            levels={"always the same answer": trivial},
        )
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw the looks at some unseen digits, in order, as looks.png; wrong answers are red."""
        answers, _, centres = self.answers()
        figure = Figure(figsize=(12, 5), layout="constrained")
        for i, axes in enumerate(figure.subplots(2, 5).flat):
            nn.pictures.looks(axes, self.unseen[i], centres[:, i], SIZE)
            right = answers[i] == self.unseen_labels[i]
            axes.set_title(f"{answers[i]}", color="black" if right else "red")
        figure.savefig(self.out / "looks.png", dpi=100)


class Cluttered(Looking):
    """RAM on digits that are somewhere in a larger image, among pieces of other digits."""

    scales = 3

    def placed(self, digits, rng):
        return cluttered(digits, 44, pieces=3, side=8, rng=rng)


if __name__ == "__main__":
    command(Looking, __doc__, __file__, steps=STEPS, forms={"cluttered": (Cluttered, STEPS)})
