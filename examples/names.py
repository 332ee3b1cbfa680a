"""Names to languages: from which of ten languages is a surname? Letters in, one answer out.

    .venv/bin/python examples/names.py  # --resume continues an interrupted run

It needs the extra `data`. A fifth of the surnames of each language is kept for the test; no name occurs in two
languages. The trivial answer is always the language that has the most names, Slovak.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

from tinygrad_seq import nn, no_grad
from tinygrad_seq.data import LANGUAGES, surnames
from tinygrad_seq.training import Learner, command, curves

BATCH, EMBEDDING, HIDDEN, DROPPED = 64, 24, 64, 0.4
KINDS = list(LANGUAGES.values())
SHOWN = ["Müller", "Papadopoulos", "Lindström", "Rossi", "Kowalski", "O'Connor"]  # not only the ten languages


class Surnames(Learner):
    """o = W s + b, s the last outputs of two LSTMs that read the embedded letters forward and backward."""

    columns, epoch, work = ("loss", "accuracy"), 100, ("names", BATCH)

    def __init__(self, out, seed, device):
        (self.names, self.labels), (self.unseen, self.answers) = surnames()
        self.letters = sorted(set("".join(self.names)))
        super().__init__(out, seed, device)

    def build(self, rng):
        embedding = nn.Embedding(len(self.letters) + 1, EMBEDDING, rng=rng)  # the last: unknown letters
        rnn = nn.Bidirectional(*(nn.LSTMCell(EMBEDDING, HIDDEN, rng=rng) for _ in range(2)))
        readout = nn.Sequential(nn.Dropout(DROPPED, rng=rng), nn.Linear(2 * HIDDEN, len(KINDS), rng=rng))
        return nn.ManyToOne(embedding, rnn, readout)

    def logits(self, names):
        place = {letter: i for i, letter in enumerate(self.letters)}
        return self.model(*nn.padded([[place.get(letter, len(place)) for letter in name] for name in names]))

    def loss(self):
        drawn = self.rng.choice(len(self.names), BATCH)
        return nn.cross_entropy(self.logits([self.names[i] for i in drawn]), self.labels[drawn])

    def guesses(self, names):
        self.model.eval()
        with no_grad():
            guesses = self.logits(names).numpy().argmax(-1)
        self.model.train()
        return guesses

    def validate(self):
        return {"accuracy": np.mean(self.guesses(self.unseen) == self.answers)}

    def finish(self):
        accuracy = self.validate()["accuracy"]
        commonest = np.bincount(self.labels).argmax()
        trivial = np.mean(self.answers == commonest)
        print(f"unseen names answered right: {accuracy:.3f}; always {KINDS[commonest]}: {trivial:.3f}")
        if accuracy <= trivial:
            print("this does not beat the trivial answer")
        for name, guess in zip(SHOWN, self.guesses(SHOWN), strict=True):
            print(f"  {name}: {KINDS[guess]}")
        curves(
            self.out,
            {"accuracy": "LSTM, both directions"},
            ylabel="unseen names answered right",
            levels={f"always {KINDS[commonest]}": trivial},
        )
        self.draw()
        print(f"the results are in {self.out}")

    def draw(self):
        """Draw the confusion matrix, as languages.png."""
        table = np.zeros((len(KINDS), len(KINDS)))
        np.add.at(table, (self.answers, self.guesses(self.unseen)), 1)
        table /= table.sum(1, keepdims=True)
        figure = Figure(figsize=(6, 5.4), layout="constrained")
        axes = figure.subplots()
        axes.imshow(table, cmap="Blues", vmin=0, vmax=1)
        for (i, j), share in np.ndenumerate(table):
            if share >= 0.005:
                color = "white" if share > 0.5 else "black"
                axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color=color)
        axes.set_xticks(range(len(KINDS)), KINDS, rotation=45, ha="right")
        axes.set_yticks(range(len(KINDS)), KINDS)
        axes.set(xlabel="answer", ylabel="language", title="of 100 unseen names of a language")
        figure.savefig(self.out / "languages.png", dpi=150)


if __name__ == "__main__":
    command(Surnames, __doc__, __file__, steps=1000)
