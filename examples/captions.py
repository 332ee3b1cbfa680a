"""Captions of images: "a red square left of a blue circle", with the place that each word looks at.

    .venv/bin/python examples/captions.py  # --resume continues an interrupted run

A drawn scene shows two shapes; the model writes a sentence about it (Xu et al. 2015, Show, attend and tell).
Patches of the image are turned into annotations, to which a GRU attends before every word. A caption counts if
it is one of the two true ones. A seventh of all pairs of shapes is held out of the training.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.tasks.scenes import SIZE, WORDS, scenes
from tinygrad_seq.training import Learner, command, curves, verdict

PATCH, STRIDE, FEATURES, SIZES, WORD, HIDDEN, BATCH, STEPS = 9, 3, 128, 64, 32, 128, 64, 10_000
SIDE = (SIZE - PATCH) // STRIDE + 1  # patches in a row
PLACES = np.stack(np.meshgrid(*2 * [np.linspace(-2, 2, SIDE, dtype=np.float32)]), -1).reshape(-1, 2)
LONGEST, WIDTH = 10, 3  # words; beginnings in a beam search
EVEN = 0.0003  # the weight of the penalty for uneven attention


class Captioner(nn.Module):
    """Annotations of the patches of an image, from their pixels and their places; and a decoder."""

    def __init__(self, decoder, rng):
        self.features = nn.Sequential(
            nn.Linear(3 * PATCH**2, FEATURES, rng=rng), ts.relu, nn.Linear(FEATURES, SIZES - 2, rng=rng)
        )
        self.places = nn.Parameter(rng.normal(0, 0.5, (SIDE**2, SIZES - 2)).astype(np.float32))
        self.decoder = decoder

    def __call__(self, images):
        places = ts.broadcast_to(PLACES, (len(images), *PLACES.shape))
        seen = ts.relu(self.features(nn.patches(images, PATCH, STRIDE)) + self.places)
        return nn.Annotations(ts.concatenate([seen, places], axis=-1))


class Captions(Learner):
    """Soft attention with a gate."""

    columns, epoch, lr, work, max_norm = ("loss", "seen", "unseen"), 500, 2e-3, ("scenes", BATCH), 5.0
    kind = nn.AttentionDecoder

    def __init__(self, out, seed, device):
        super().__init__(out, seed, device)
        self.schedule = optim.cosine(self.lr, STEPS)

    def build(self, rng):
        return Captioner(self.decoder(rng), rng)

    def decoder(self, rng):
        return self.kind(
            nn.Embedding(len(WORDS), WORD, rng=rng),
            nn.GRUCell(WORD + SIZES, HIDDEN, rng=rng),
            nn.AdditiveScore(HIDDEN, SIZES, SIZES, rng=rng),
            nn.Linear(HIDDEN + SIZES, len(WORDS), rng=rng),
            nn.Sequential(nn.Linear(SIZES, HIDDEN, rng=rng), ts.tanh),
            gate=nn.Linear(HIDDEN, 1, rng=rng),
        )

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        images, captions = scenes(BATCH, rng=self.rng)
        targets, lengths = nn.padded([ids(caption) for caption, _ in captions])
        return self.nats(self.model(ts.tensor(images, device=self.device)), targets, lengths)

    def nats(self, given, targets, lengths):
        """The cross-entropy, and the penalty for places that are looked at less or more than others."""
        logits, weights = self.model.decoder.aligned(given, targets, lengths)
        losses = nn.cross_entropy(logits, targets, reduction="none")
        return nn.mean_within(losses, lengths) + EVEN * nn.attention.doubly_stochastic(weights)

    def written(self, images, width=None):
        """The captions of images; with `width`, by beam search."""
        with ts.no_grad():
            given = self.model(ts.tensor(images, device=self.device))
            search = self.model.decoder.beam if width else self.model.decoder.greedy
            symbols, lengths = search(given, LONGEST, *([width] if width else []))
        rows = zip(symbols.numpy().T, lengths.numpy(), strict=True)
        return [" ".join(WORDS[i] for i in row[:n]) for row, n in rows]

    def validate(self, count=500, width=None):
        """The shares of true captions, of pairs of shapes that were seen in training and of others."""
        found = {}
        for name in ("seen", "unseen"):
            rng = np.random.default_rng([self.seed, 1])
            images, captions = scenes(count, held_out=name == "unseen", rng=rng)
            found[name] = true(self.written(images, width), captions)
        return found

    def finish(self):
        shares, searched = self.validate(1000), self.validate(1000, WIDTH)
        _, captions = scenes(2000, rng=np.random.default_rng([self.seed, 2]))
        one = Counter(caption for both in captions for caption in both).most_common(1)[0][0]
        one_for_all = true([one] * len(captions), captions)
        levels = {"one caption for all": one_for_all, "right shapes, guessed relation": 0.25}
        for name, share in shares.items():
            print(f"true captions of {name} pairs: {share:.3f}{verdict(share, max(levels.values()))}")
            print(f"  by beam search: {searched[name]:.3f}")
        print(*(f"  {name}: {value:.3f}" for name, value in levels.items()), sep="\n")
        curves(self.out, {"seen": "seen", "unseen": "unseen"}, ylabel="true captions", levels=levels)
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw three images of unseen pairs, and for each word of their captions where it looks."""
        images, captions = scenes(3, held_out=True, rng=np.random.default_rng([self.seed, 3]))
        with ts.no_grad():
            given = self.model(ts.tensor(images, device=self.device))
            symbols, lengths = self.model.decoder.greedy(given, LONGEST)
            weights = self.model.decoder.alignments(given, symbols)
        figure = Figure(figsize=(1.1 * (LONGEST + 1), 4), layout="constrained")
        rows = figure.subplots(len(images), LONGEST + 1)
        for i, (row, image) in enumerate(zip(rows, images, strict=True)):
            row[0].imshow(image)
            words = [WORDS[symbol] for symbol in symbols.numpy()[: int(lengths[i]), i]]
            row[0].set_title("true" if " ".join(words) in captions[i] else "false", fontsize=9)
            for t, (axes, word) in enumerate(zip(row[1:], words, strict=False)):
                nn.pictures.attended(axes, image, weights[t, i], PATCH, STRIDE)
                axes.set_title(word, fontsize=9)
            for axes in row:
                axes.set_axis_off()
        figure.savefig(self.out / "captions.png", dpi=150)


def ids(caption):
    """A caption as symbols, with the end symbol."""
    return [WORDS.index(word) for word in [*caption.split(), "$"]]


def true(written, captions):
    """The share of true captions."""
    return np.mean([caption in both for caption, both in zip(written, captions, strict=True)])


if __name__ == "__main__":
    command(Captions, __doc__, __file__, steps=STEPS)
