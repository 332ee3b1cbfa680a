"""A feed-forward network on the last eight characters, and an LSTM of the same size: which predicts better?

    .venv/bin/python examples/fixed_window.py  # --resume continues an interrupted run

The first neural language model (Bengio et al. 2003) computes p(w_t | w_{t-1} ... w_{t-n}) by a hidden layer on
the n embedded symbols; earlier symbols have no influence. A recurrent network with as many parameters, 30
thousand, has no such limit. The text is Python's documentation, in chunks of 64 characters. For each chunk,
both networks start from the eight characters before it. The figure is bits per character of the last twentieth
of the text, compared with that of the frequencies of single characters.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import math

import numpy as np
from char_lm import read

import tinygrad_seq as ts
from tinygrad_seq import nn, no_grad
from tinygrad_seq.training import Learner, Race, command, curves, verdict

TEXT = read(None)
ALPHABET = sorted(set(TEXT))
IDS = np.searchsorted(ALPHABET, list(TEXT))
TRAINING, TEST = np.split(IDS, [len(IDS) * 95 // 100])
CHUNK, WINDOW, BATCH, EMBEDDING = 64, 8, 32, 16


def unigram():
    """Bits per character of the test text by the frequencies of the characters in the training text."""
    counts = np.bincount(TRAINING, minlength=len(ALPHABET)) + 1
    return float(-np.log2(counts / counts.sum())[TEST].mean())


def chunks(ids, starts):
    """The chunks with these starts, each with the WINDOW characters before it: (T, B)."""
    return ids[np.arange(-WINDOW, CHUNK)[:, None] + starts]


class Reader(Learner):
    """Predicts the characters of a chunk; the WINDOW characters before it are given."""

    columns, epoch, work = ("loss", "bits"), 250, ("characters", BATCH * CHUNK)

    def nats(self, ids):
        raise NotImplementedError

    def loss(self):
        return self.nats(chunks(TRAINING, self.rng.integers(WINDOW, len(TRAINING) - CHUNK, BATCH)))

    def validate(self):
        with no_grad():
            ids = chunks(TEST, np.arange(WINDOW, len(TEST) - CHUNK, CHUNK))
            return {"bits": self.nats(ids).item() / math.log(2)}


class Window(Reader):
    """An embedding, a hidden layer on the last WINDOW embedded characters, a softmax."""

    def build(self, rng):
        layers = nn.Linear(WINDOW * EMBEDDING, 120, rng=rng), nn.Linear(120, len(ALPHABET), rng=rng)
        network = nn.Sequential(layers[0], ts.tanh, layers[1])
        return nn.FixedWindow(nn.Embedding(len(ALPHABET), EMBEDDING, rng=rng), network, steps=WINDOW)

    def nats(self, ids):
        return nn.cross_entropy(self.model(ids)[WINDOW:], ids[WINDOW:])


class LSTM(Reader):
    """An embedding, an LSTM, a softmax."""

    def build(self, rng):
        rnn = nn.Recurrent(nn.LSTMCell(EMBEDDING, 65, rng=rng))
        features, readout = (
            nn.Embedding(len(ALPHABET), EMBEDDING, rng=rng),
            nn.Linear(65, len(ALPHABET), rng=rng),
        )
        return nn.ManyToMany(features, rnn, readout)

    def nats(self, ids):
        return nn.cross_entropy(self.model(ids[:-1])[WINDOW - 1 :], ids[WINDOW:])


class Readers(Race):
    """Both networks."""

    def __init__(self, out, seed, device):
        kinds = {"window": Window, "lstm": LSTM}
        super().__init__(out, {name: kind(out, seed, device) for name, kind in kinds.items()}, "bits")

    def finish(self):
        names = {"window": f"window of {WINDOW}", "lstm": "LSTM"}
        for name, bits in self.validate().items():
            size = sum(p.size for p in self.learners[name].model.parameters())
            note = verdict(bits, unigram(), less=True)
            print(f"{names[name]}: {bits:.3f} bits per character{note}, {size:,} parameters")
        print(f"frequencies only: {unigram():.3f} bits per character")
        curves(self.out, names, ylabel="bits per character", levels={"frequencies only": unigram()})
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Readers, __doc__, __file__, steps=3000)
