"""Which digit is in a large image with other pieces? Attention that moves over it (Gregor et al. 2015).

    .venv/bin/python examples/cluttered.py  # --resume continues an interrupted run

It needs the extra `data`. The classifier of section 4.1 of the paper on DRAW: at each of six steps, an LSTM
reads 12 x 12 numbers through Gaussian filters, whose place, distance and width it chooses; after the last step
it names the digit. An image of 44 x 44 pixels has a digit of 28 x 28 somewhere, and four pieces of 8 x 8 of
other digits. The same network with one learned window for all images and steps is trained together with it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import hashlib

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import handwritten_digits
from tinygrad_seq.tasks import cluttered
from tinygrad_seq.training import Learner, Race, command, curves, verdict

STEPS, BATCH, SIZE, LOOKS, FILTERS, HIDDEN = 6_000, 64, 44, 6, 12, 128


class Reader(nn.Module):
    """An LSTM that reads an image through a window that it chooses, several times."""

    def __init__(self, rng):
        self.cell = nn.LearnedStart(nn.LSTMCell(FILTERS**2, HIDDEN, rng=rng))
        self.place, self.classify = nn.Linear(HIDDEN, 5, rng=rng), nn.Linear(HIDDEN, 10, rng=rng)

    def known(self, h):
        """What the next window is chosen from: all that was seen."""
        return h

    def __call__(self, images):
        """The logits (B, 10) for images (B, SIZE, SIZE), and the windows of all looks."""

        def look(state, _):
            h, _ = state
            window = nn.window(self.place(self.known(h)), (SIZE, SIZE), FILTERS)
            seen = window.read(images).reshape(len(images), FILTERS**2)
            state, _ = self.cell(state, seen)
            return state, window

        start = self.cell.initial_state(len(images), like=images)
        (h, _), windows = ts.scan(look, start, None, length=LOOKS)
        return self.classify(h), windows


class Still(Reader):
    """The same, but its window is the same for all images and steps."""

    def known(self, h):
        return ts.zeros_like(h)


class Clutter(Learner):
    """A reader, trained on digits that are put into larger images anew for every batch."""

    columns, epoch, work, lr = ("loss", "accuracy"), 500, ("images", BATCH), 2e-3

    def __init__(self, out, seed, device):
        (self.digits, self.labels), (unseen, answers) = handwritten_digits()
        self.unseen = cluttered(np.tile(unseen, (2, 1, 1)), SIZE, rng=0)  # the same for every seed
        self.answers = np.tile(answers, 2)
        self.schedule = optim.cosine(self.lr, STEPS)
        super().__init__(out, seed, device)
        self.fingerprint["images"] = hashlib.sha256(self.digits.tobytes()).hexdigest()

    def build(self, rng):
        return Reader(rng)

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        drawn = self.rng.integers(len(self.digits), size=BATCH)
        images = cluttered(self.digits[drawn], SIZE, rng=self.rng)
        logits, _ = self.model(ts.tensor(images, device=self.device))
        return nn.cross_entropy(logits, self.labels[drawn])

    def looks(self, images):
        """The answers (B,), and the windows."""
        with ts.no_grad():
            logits, windows = self.model(ts.tensor(images, device=self.device))
        return logits.numpy().argmax(-1), windows

    def validate(self):
        return {"accuracy": np.mean(self.looks(self.unseen)[0] == self.answers)}


class Fixed(Clutter):
    """The same with a window that does not move."""

    def build(self, rng):
        return Still(rng)


class Readers(Race):
    def __init__(self, out, seed, device):
        self.moving = Clutter(out, seed, device)
        learners = {"moving window": self.moving, "fixed window": Fixed(out, seed, device)}
        super().__init__(out, learners, "accuracy")

    def finish(self):
        print(
            f"unseen digits among {len(self.moving.answers)} images named right; always the same digit: 0.100"
        )
        for name, accuracy in self.validate().items():
            print(f"  {name:16} {accuracy:.3f}{verdict(accuracy, 0.1)}")
        levels = {"always the same digit": 0.1}
        curves(self.out, {name: name for name in self.learners}, ylabel="digits named right", levels=levels)
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Six unseen images with the window of every look, as looks.png; a wrong answer is red."""
        images = self.moving.unseen[:6]
        answers, windows = self.moving.looks(images)
        figure = Figure(figsize=(LOOKS, len(images)), layout="constrained")
        for (i, t), axes in np.ndenumerate(figure.subplots(len(images), LOOKS)):
            axes.imshow(images[i], cmap="gray", vmin=0, vmax=1)
            nn.pictures.window(axes, windows, (t, i))
            axes.set_axis_off()
            if t == LOOKS - 1:
                right = answers[i] == self.moving.answers[i]
                axes.text(1.1, 0.5, answers[i], color="black" if right else "red", transform=axes.transAxes)
        figure.savefig(self.out / "looks.png", dpi=150)


if __name__ == "__main__":
    command(Readers, __doc__, __file__, steps=STEPS)
