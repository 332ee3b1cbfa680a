"""Reversal: write random digits from the last to the first. Attention compared with one context vector.

    .venv/bin/python examples/reversal.py  # --resume continues an interrupted run

An encoder that passes on one vector must keep the whole sentence in it. The longer the sentence, the more is
lost: the lecture's degrading curve (after Cho et al. 2014). A decoder with attention has access to all outputs
of the encoder, and attends before each digit to those it needs (Bahdanau, Cho & Bengio 2015); here the last one
first, an anti-diagonal. Both learn from sentences of 1 to 12 digits, all lengths equally often, with the same
encoder and the same number of steps. The figure is the share of sentences without any error; for 12 digits
guessing gets 1 in 10^12.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.tasks import reversal
from tinygrad_seq.training import Learner, Race, command, curves, verdict

SYMBOLS = "$0123456789"  # $ is the end
LONGEST, BATCH, EMBEDDING, HIDDEN, STEPS = 12, 64, 16, 48, 800
LENGTHS, FRESH = range(2, 25, 2), 500  # sentences of each length
WIDTH = 5  # of a beam search


class OneVector(Learner):
    """A bidirectional GRU reads; another GRU starts from the last states of both directions and writes."""

    columns, epoch, work = ("loss", "right"), 100, ("sentences", BATCH)

    def __init__(self, out, seed, device):
        super().__init__(out, seed, device)
        self.schedule = optim.cosine(self.lr, STEPS)

    def build(self, rng):
        encoder = nn.Bidirectional(*(nn.GRUCell(EMBEDDING, HIDDEN, rng=rng) for _ in range(2)))
        read, written = (nn.Embedding(len(SYMBOLS), EMBEDDING, rng=rng) for _ in range(2))
        return nn.EncoderDecoder(read, encoder, self.decoder(written, rng))

    def decoder(self, embedding, rng):
        bridge = nn.Sequential(nn.Linear(2 * HIDDEN, HIDDEN, rng=rng), ts.tanh)
        cell, readout = nn.GRUCell(EMBEDDING, HIDDEN, rng=rng), nn.Linear(HIDDEN, len(SYMBOLS), rng=rng)
        return nn.VectorAsState(embedding, cell, readout, bridge=bridge)

    def loss(self):
        lengths = self.rng.integers(1, LONGEST + 1, BATCH)
        xs, targets = reversal(lengths, rng=self.rng)
        return self.model.loss(xs, targets, lengths, lengths + 1)

    def step(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        return super().step()

    def fresh(self, length):
        return reversal([length] * FRESH, rng=np.random.default_rng([self.seed, length]))

    def right(self, length, width=1):
        """The share of fresh sentences of this length without an error; by beam search if `width` > 1."""
        (xs, targets), longest = self.fresh(length), length + 1
        model, greedy = self.model, width == 1
        symbols, _ = model.greedy(xs, longest) if greedy else model.beam(xs, longest, width)
        return np.mean((symbols.numpy() == targets).all(axis=0))

    def validate(self):
        return {"right": self.right(LONGEST)}


class Attention(OneVector):
    """The same encoder; the decoder attends to all of its outputs."""

    def decoder(self, embedding, rng):
        bridge = nn.Sequential(nn.Linear(HIDDEN, HIDDEN, rng=rng), ts.tanh)
        cell = nn.GRUCell(EMBEDDING + 2 * HIDDEN, HIDDEN, rng=rng)
        readout = nn.Linear(3 * HIDDEN, len(SYMBOLS), rng=rng)
        score = nn.AdditiveScore(HIDDEN, 2 * HIDDEN, HIDDEN, rng=rng)
        return nn.AttentionDecoder(embedding, cell, score, readout, bridge)

    def aligned(self, length):
        """Fresh sentences (T, B), the written symbols, (T + 1, B), and the attention weights, (T + 1, B, T)."""
        xs, _ = self.fresh(length)
        symbols, _ = self.model.greedy(xs, length + 1)
        with ts.no_grad():
            weights = self.model.decoder.alignments(self.model.context(xs), symbols)
        return xs, symbols.numpy(), weights.numpy()


class Reversal(Race):
    def __init__(self, out, seed, device):
        self.attention = Attention(out, seed, device)
        self.both = {"attention": self.attention, "one vector": OneVector(out, seed, device)}
        super().__init__(out, self.both, "right")

    def finish(self):
        right = {name: [learner.right(n) for n in LENGTHS] for name, learner in self.both.items()}
        print("fresh sentences reversed without an error, by their length")
        print(f"{'':10}" + "".join(f"{n:6}" for n in LENGTHS))
        for name, shares in right.items():
            print(f"{name:10}" + "".join(f"{share:6.3f}" for share in shares))
        print(f"of {LONGEST} digits; guesses: 0.000")
        for name, share in self.validate().items():
            print(f"  {name:10} {share:.3f}{verdict(share, 1 / 10**LONGEST)}")
        half = LONGEST // 2
        beam = self.both["one vector"].right(half, WIDTH)
        greedy = right["one vector"][LENGTHS.index(half)]
        print(f"of {half} digits, from one vector {greedy:.3f}, by a beam of width {WIDTH} {beam:.3f}")
        alignments = [self.attention.aligned(n) for n in (LONGEST, LONGEST + 3)]
        most = alignments[0][2][:-1].argmax(-1)
        very = np.mean(most == np.arange(LONGEST)[::-1, None])
        print(f"digits for which attention looks most at them: {very:.3f}; at random: {1 / LONGEST:.3f}")
        draw(right, alignments).savefig(self.out / "reversal.png", dpi=130)
        curves(self.out, {name: name for name in right}, ylabel=f"right, of {LONGEST} digits")
        print(f"the results are in {self.out}")


def draw(right, alignments):
    """The share right by length; and the attention in a sentence of the longest length and in a longer one."""
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    axes, *maps = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
    for name, shares in right.items():
        axes.plot(LENGTHS, shares, "o-", label=name)
    axes.axvspan(LONGEST + 0.5, LENGTHS[-1] + 1, color="0.93", label="longer than in training")
    axes.set(xlabel="digits in the sentence", ylabel="reversed without an error", xlim=(1, LENGTHS[-1] + 1))
    axes.set_xticks(LENGTHS)
    axes.legend(loc="center right")
    for place, (xs, symbols, weights) in zip(maps, alignments, strict=True):
        read, written = ("".join(SYMBOLS[i] for i in row[:, 0]) for row in (xs, symbols))
        nn.pictures.alignment(place, weights[:, 0], read, written)
        place.set(xlabel="read", ylabel="written, $ the end", title=f"{len(read)} digits")
    return figure


if __name__ == "__main__":
    command(Reversal, __doc__, __file__, steps=STEPS)
