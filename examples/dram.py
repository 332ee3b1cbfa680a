"""Two digits in one image, read from left to right: a network that looks at one after the other.

    .venv/bin/python examples/dram.py  # --resume continues an interrupted run
    .venv/bin/python examples/dram.py --blind

It needs the extra `data`. The deep recurrent attention model (Ba, Mnih & Kavukcuoglu 2015) looks twice at each
of two digits, which are somewhere in an image of 20 x 48 pixels; a coarse view, 5 x 12, shows where to look.
In the blind form it has no such view. To see whether it matters where it looks, the same weights are tested
with looks at random places. An answer is right if both digits are. The digits of the test are unseen.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import handwritten_digits
from tinygrad_seq.tasks import distorted, paired
from tinygrad_seq.training import Learner, command, curves, verdict

DIGITS, LOOKS, SIZE, BATCH, STEPS = 2, 2, 8, 64, 12000
HEIGHT, WIDTH, UNSEEN = 20, 48, 1000


class Reading(Learner):
    """DRAM on pairs of digits, which are averaged to 14 x 14 pixels."""

    columns, epoch, lr, max_norm, work = ("loss", "learned", "random"), 500, 1e-3, 5.0, ("images", BATCH)
    context: tuple[int, int] | None = (5, 12)

    def __init__(self, out, seed, device):
        self.digits, unseen = handwritten_digits()
        self.schedule = optim.cosine(self.lr, STEPS)
        super().__init__(out, seed, device)
        rng = np.random.default_rng([seed, 1])
        self.unseen, self.answers = draw(unseen, UNSEEN, rng)
        self.places = rng.uniform(-1, 1, (DIGITS * LOOKS, UNSEEN, 2)).astype(np.float32)

    def build(self, rng):
        return nn.DRAM(10, looks=LOOKS, size=SIZE, hidden=256, context=self.context, rng=rng)

    def there(self, x):
        return ts.tensor(x, device=self.device)

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        images, labels = draw(self.digits, BATCH, self.rng, distorted)
        noise = self.rng.standard_normal((DIGITS * LOOKS, BATCH, 2), np.float32)
        return self.model.loss(*map(self.there, (images, labels, noise)))

    def read(self):
        """The answers to the unseen images after learned looks and after random ones, and the learned looks."""
        images, places = self.there(self.unseen), self.there(self.places)
        with ts.no_grad():
            logits, looks = self.model(images, ts.zeros_like(places))
            random = self.model.at(images, places)
        return logits.numpy().argmax(-1), random.numpy().argmax(-1), looks.centres.numpy()

    def validate(self):
        learned, random, _ = self.read()
        return {"learned": self.both(learned), "random": self.both(random)}

    def both(self, answers):
        """The share of the images in which both digits are right."""
        return np.mean((answers == self.answers).all(0))

    def finish(self):
        figures = self.validate()
        print(f"unseen pairs of digits read by {LOOKS} looks at each; always the same pair: about 0.010")
        print(f"  learned looks {figures['learned']:.3f}{verdict(figures['learned'], figures['random'])}")
        print(f"  the same weights with random looks {figures['random']:.3f}")
        curves(
            self.out,
            {"learned": "learned looks", "random": "random looks, the same weights"},
            ylabel="unseen pairs of digits read",
            levels={"always the same pair": 0.01},
        )
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw the looks at some unseen images, in order, as looks.png; wrong answers are red."""
        answers, _, centres = self.read()
        figure = Figure(figsize=(12, 5), layout="constrained")
        for i, axes in enumerate(figure.subplots(3, 3).flat):
            nn.pictures.looks(axes, self.unseen[i], centres[:, i], SIZE)
            right = (answers[:, i] == self.answers[:, i]).all()
            axes.set_title("".join(map(str, answers[:, i])), color="black" if right else "red")
        figure.savefig(self.out / "looks.png", dpi=100)


class Blind(Reading):
    """DRAM without a view of the whole image: the first look is the same for all images."""

    context = None


def draw(digits, count, rng, change=None):
    """Pairs of digits drawn at random, changed if asked, in an image each; and their labels (2, B)."""
    images, labels = digits
    drawn = rng.integers(0, len(images), (DIGITS, count))
    chosen = images[drawn.ravel()]
    chosen = chosen if change is None else change(chosen, rng=rng)
    small = chosen.reshape(DIGITS, count, 14, 2, 14, 2).mean((3, 5))
    return paired(small, HEIGHT, WIDTH, rng=rng), labels[drawn]


if __name__ == "__main__":
    command(Reading, __doc__, __file__, steps=STEPS, forms={"blind": (Blind, STEPS)})
