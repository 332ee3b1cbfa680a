"""Japanese vowels: which of nine men speaks? Utterances of 7 to 29 frames of speech features, one answer each.

    .venv/bin/python examples/vowels.py  # --resume continues an interrupted run

It needs the extra `data`: 270 utterances for training, and 370 for the test, recorded at another time. The
number of training steps is chosen without the test set, by two networks that are trained together. One learns
from two thirds of the training utterances, and its loss on the other third is measured after every five epochs.
The other learns from all of them; its accuracy on the test set is read at the step where the first had its
least loss. The trivial answer, always the same speaker, is right for the 88 utterances of the most frequent
one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.data import japanese_vowels
from tinygrad_seq.training import Learner, Race, command, history

BATCH, HIDDEN, NOISE, DROPPED = 30, 64, 0.6, 0.3
TRIVIAL = 88 / 370


class Whole(Learner):
    """o = W s + b, s the last outputs of an LSTM that reads forward and one that reads backward, with dropout.

    The features are scaled to a variance of 1; in training, noise is added.
    """

    columns, epoch, work = ("loss", "accuracy", "held_out"), 45, ("utterances", BATCH)

    def __init__(self, out, seed, device):
        super().__init__(out, seed, device)
        self.training, self.unseen = self.split()
        xs, lengths, _ = self.training
        frames = xs[np.arange(len(xs))[:, None] < lengths]
        self.mean, self.scale = frames.mean(0), frames.std(0)

    def split(self):
        """The utterances for training, and those to be tested on."""
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
    """The same, trained on 20 utterances of each speaker and tested on the other 10."""

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
    """Both networks: the figures are the held-out loss of `part` and the test accuracy of `whole`."""

    def __init__(self, out, seed, device):
        super().__init__(out, {"part": Part(out, seed, device), "whole": Whole(out, seed, device)}, "accuracy")

    def validate(self):
        part, whole = (learner.validate() for learner in self.learners.values())
        return {"part": part["held_out"], "whole": whole["accuracy"]}

    def finish(self):
        log = history(self.out)
        best, _ = min(log["part"], key=lambda entry: entry[1])
        accuracy = dict(log["whole"])[best]
        print(f"the loss on the held-out utterances is least at step {best}")
        print(f"accuracy on the test set at that step: {accuracy:.3f}; always the same speaker: {TRIVIAL:.3f}")
        if accuracy <= TRIVIAL:
            print("this does not beat the trivial answer")
        draw(log, best).savefig(self.out / "curves.png", dpi=150)
        print(f"the results are in {self.out}")


def draw(log, best):
    """The accuracy on the test, and below it the loss that decides when to stop: at step `best`."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(
        *zip(*log["whole"], strict=True), "o-", markersize=3, label="learns from all training utterances"
    )
    above.axhline(TRIVIAL, color="gray", linestyle="--", label="always the same speaker")
    above.set(ylabel="accuracy on the test", ylim=(0, 1.05))
    below.plot(
        *zip(*log["part"], strict=True), "o-", color="C1", markersize=3, label="learns from two thirds of them"
    )
    below.set(ylabel="loss on the other third", ylim=(0, None), xlabel="step")
    for axes in above, below:
        axes.axvline(best, color="black", linestyle=":", label="the least loss")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


if __name__ == "__main__":
    command(Vowels, __doc__, __file__, steps=540)
