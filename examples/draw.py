"""DRAW: digits drawn in ten steps, each of which looks at what is still missing (Gregor et al. 2015).

    .venv/bin/python examples/draw.py  # --resume continues an interrupted run

It needs the extra `data`. The digits have 28 x 28 pixels, each drawn as 0 or 1 with its grey value as the
probability: anew for every batch, but only once for the 500 unseen digits. The figure is a bound on the mean of
-log p(digit), in nats. A variational autoencoder with as many parameters, which draws a digit in one step, is
trained together with DRAW. The trivial answer is the mean image, as a probability for every pixel.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import hashlib

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import handwritten_digits
from tinygrad_seq.training import Learner, Race, command, curves, verdict

STEPS, BATCH, SAMPLES = 20_000, 64, 10
T, LATENT, HIDDEN, FILTERS = 10, 10, 128, 5
VAE_LATENT, VAE_HIDDEN = 20, 145


def binary(images, rng):
    """Pixels 0 or 1, each drawn with its grey value as the probability of 1."""
    return (rng.random(images.shape, np.float32) < images).astype(np.float32)


class Digits(Learner):
    """A model with `bound(images, noise)`, trained on the digits."""

    columns, epoch, work = ("loss", "nats"), 500, ("digits", BATCH)
    lr, max_norm = 2e-3, 5.0
    noise: tuple[int, ...] = (T, LATENT)  # the shape of eps for one image

    def __init__(self, out, seed, device):
        (self.images, _), (unseen, _) = handwritten_digits()
        self.unseen = binary(unseen, np.random.default_rng(0))  # the same for every seed
        self.schedule = optim.cosine(self.lr, STEPS)
        super().__init__(out, seed, device)
        self.fingerprint["images"] = hashlib.sha256(self.images.tobytes()).hexdigest()

    def build(self, rng):
        return nn.DRAW((28, 28), latent=LATENT, hidden=HIDDEN, read=FILTERS, write=FILTERS, rng=rng)

    def draws(self, count, rng):
        """eps for `count` images, from N(0, 1), fresh at every step."""
        shape = (*self.noise[:-1], count, self.noise[-1])
        return ts.tensor(rng.standard_normal(shape, np.float32), device=self.device)

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        images = binary(self.images[self.rng.integers(len(self.images), size=BATCH)], self.rng)
        bound = self.model.bound(ts.tensor(images, device=self.device), self.draws(BATCH, self.rng))
        return sum(bound).mean()

    def bounds(self, samples):
        """L^x and L^z of the unseen digits: the means over the digits and `samples` draws of eps for each."""
        rng, images = np.random.default_rng(1), ts.tensor(self.unseen, device=self.device)
        with ts.no_grad():
            parts = [self.model.bound(images, self.draws(len(images), rng)) for _ in range(samples)]
        return [float(np.mean([part.numpy() for part in each])) for each in zip(*parts, strict=True)]

    def validate(self):
        return {"nats": sum(self.bounds(1))}


class VAE(nn.Module):
    """The variational autoencoder of Kingma & Welling (2014), with one hidden layer on either side of z."""

    def __init__(self, rng):
        def layers(input, output):
            first, last = nn.Linear(input, VAE_HIDDEN, rng=rng), nn.Linear(VAE_HIDDEN, output, rng=rng)
            return nn.Sequential(first, ts.tanh, last)

        self.encoder, self.decoder = layers(28 * 28, 2 * VAE_LATENT), layers(VAE_LATENT, 28 * 28)

    def bound(self, images, noise):
        """L^x and L^z (B,), as those of DRAW, for images (B, 28, 28) and eps (B, Z)."""
        x = images.reshape(len(images), 28 * 28)
        mean, log_sigma = ts.split(self.encoder(x), 2, axis=-1)
        logits = self.decoder(mean + ts.exp(log_sigma) * noise)
        missed = nn.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
        return missed, 0.5 * (ts.square(mean) + ts.exp(2.0 * log_sigma) - 2.0 * log_sigma - 1.0).sum(-1)


class AtOnce(Digits):
    """The same with a variational autoencoder."""

    noise = (VAE_LATENT,)

    def build(self, rng):
        return VAE(rng)


class Draw(Race):
    def __init__(self, out, seed, device):
        self.seed, self.draw, self.vae = seed, Digits(out, seed, device), AtOnce(out, seed, device)
        super().__init__(out, {"DRAW": self.draw, "VAE": self.vae}, "nats")

    def finish(self):
        images = self.draw.unseen
        mean = np.clip(self.draw.images.mean(0), 1e-3, 1 - 1e-3)  # a pixel that was always 0 may still be 1
        trivial = -np.where(images == 1, np.log(mean), np.log(1 - mean)).sum((1, 2)).mean()
        print(f"-log p of {len(images)} unseen digits, in nats; the mean image: {trivial:.1f}")
        for name, learner in ("DRAW", self.draw), ("VAE", self.vae):
            missed, divergence = learner.bounds(SAMPLES)
            bound, size = missed + divergence, sum(p.size for p in learner.model.parameters())
            said = f"{bound:.1f} = {missed:.1f} for the pixels + {divergence:.1f} for the latent variables"
            print(f"  {name} <= {said}, {size} parameters{verdict(bound, trivial, less=True)}")
        levels = {"the mean image": trivial}
        curves(self.out, {name: name for name in self.learners}, ylabel="nats, at most", levels=levels)
        self.show()
        print(f"the results are in {self.out}")

    def show(self):
        """Unseen digits after each step with the windows, as drawing.png; new digits, as generated.png."""
        rng, model, images = np.random.default_rng([self.seed, 2]), self.draw.model, self.draw.unseen[:6]
        with ts.no_grad():
            seen = ts.tensor(images, device=self.draw.device)
            canvases, drawn = model.reconstruct(seen, self.draw.draws(6, rng))
            strip(self.out / "drawing.png", canvases, drawn, images)
            strip(self.out / "generated.png", model.generate(self.draw.draws(12, rng)))


def strip(path, canvases, drawn=None, images=None):
    """The canvases (T, B, 28, 28), a row for each image; with windows, red to write and blue to read."""
    steps, count = canvases.shape[:2]
    columns = steps + (images is not None)
    figure = Figure(figsize=(0.7 * columns, 0.7 * count), layout="constrained")
    for (i, t), axes in np.ndenumerate(figure.subplots(count, columns)):
        axes.set_axis_off()
        axes.imshow(canvases[t, i].numpy() if t < steps else images[i], cmap="gray", vmin=0, vmax=1)
        if drawn is not None and t < steps:
            nn.pictures.window(axes, drawn.read, (t, i), color="tab:blue")
            nn.pictures.window(axes, drawn.write, (t, i), color="tab:red")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    command(Draw, __doc__, __file__, steps=STEPS)
