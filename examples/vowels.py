"""Japanese vowels: which of nine men speaks? Utterances of 7 to 29 frames of speech features, one answer each.

    python examples/vowels.py            # or --resume, after an interruption

Needs `pip install "tinygrad_seq[data]"`. 270 utterances to learn from, and 370, recorded at other times, to be
tested on. How long to train is found without these: of two networks that are trained side by side one learns
from two thirds of the training utterances and is asked about the other third after every five epochs; the
other learns from all, and its answer to the test is read off where the first had its least loss. The trivial
answer, always the same speaker, is right for the 88 utterances of the one who was recorded most.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the products are small: more threads mostly wait

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.data import japanese_vowels
from tinygrad_seq.training import Learner, Race, command, curves, history

BATCH, HIDDEN, NOISE, DROPPED = 30, 64, 0.6, 0.3
TRIVIAL = 88 / 370


class Whole(Learner):
    """o = W s + b, s the last outputs of an LSTM and of one that hears backwards; some are dropped in training.

    The features, scaled to a variance of 1, get noise in training.
    """

    columns, epoch, work = ("loss", "accuracy", "held_out"), 45, ("utterances", BATCH)

    def __init__(self, out, seed, device):
        super().__init__(out, seed, device)
        self.training, self.unseen = self.split()
        xs, lengths, _ = self.training
        heard = xs[np.arange(len(xs))[:, None] < lengths]
        self.mean, self.scale = heard.mean(0), heard.std(0)

    def split(self):
        """The utterances to learn from, and those to be asked about."""
        return japanese_vowels()

    def build(self, rng):
        rnn = nn.Bidirectional(*(nn.LSTMCell(12, HIDDEN, rng=rng) for _ in range(2)))
        readout = nn.Sequential(nn.Dropout(DROPPED, rng=rng), nn.Linear(2 * HIDDEN, 9, rng=rng))
        return nn.ManyToOne(ts.tensor, rnn, readout)

    def logits(self, xs, lengths, noise=0.0):
        return self.model(ts.tensor((xs - self.mean) / self.scale + noise, device=self.device), lengths)

    def loss(self):
        xs, lengths, labels = self.training
        drawn = self.rng.choice(len(labels), BATCH, replace=False)
        noise = NOISE * self.rng.standard_normal(xs[:, drawn].shape, np.float32)
        return nn.cross_entropy(self.logits(xs[:, drawn], lengths[drawn], noise), labels[drawn])

    def validate(self):
        xs, lengths, labels = self.unseen
        self.model.eval()
        with ts.no_grad():
            logits = self.logits(xs, lengths)
        self.model.train()
        return {
            "accuracy": np.mean(logits.numpy().argmax(-1) == labels),
            "held_out": nn.cross_entropy(logits, labels).item(),
        }


class Part(Whole):
    """The same, that learns from 20 utterances of each speaker and is asked about the other 10."""

    def split(self):
        (xs, lengths, labels), _ = japanese_vowels()
        order, held = (
            np.random.default_rng([self.seed, 1]).permutation(len(labels)),
            np.zeros(len(labels), bool),
        )
        for speaker in range(9):
            held[order[labels[order] == speaker][:10]] = True
        return tuple((xs[:, rows], lengths[rows], labels[rows]) for rows in (~held, held))


class Vowels(Race):
    """Both: of `part` the loss on what was held out, of `whole` the accuracy on the test."""

    def __init__(self, out, seed, device):
        super().__init__(out, {"part": Part(out, seed, device), "whole": Whole(out, seed, device)}, "accuracy")

    def validate(self):
        part, whole = (learner.validate() for learner in self.learners.values())
        return {"part": part["held_out"], "whole": whole["accuracy"]}

    def finish(self):
        log = history(self.out)
        best, _ = min(log["part"], key=lambda entry: entry[1])
        accuracy = dict(log["whole"])[best]
        print(f"the least loss on utterances that were held out of the training came at step {best}")
        print(f"test utterances answered right there: {accuracy:.3f}; always the same speaker: {TRIVIAL:.3f}")
        if accuracy <= TRIVIAL:
            print("this does not beat the trivial answer")
        curves(
            self.out,
            {"part": "loss on what was held out", "whole": "accuracy on the test"},
            ylabel="loss, accuracy",
            levels={"always the same speaker": TRIVIAL, f"accuracy at step {best}": accuracy},
        )
        print(f"all in {self.out}")


if __name__ == "__main__":
    command(Vowels, __doc__, __file__, steps=540)
