"""Spoken digits, several to an utterance, written down. CTC: no one says which frame belongs to which digit.

    .venv/bin/python examples/speech.py            # --resume continues an interrupted run
    .venv/bin/python examples/speech.py --letters  # letters and digits, 36 in all
    .venv/bin/python examples/speech.py --predict 31415

It needs the extra `data`. Two LSTMs, one forward and one backward, receive the energies of 20 frequency bands,
50 times a second. Their loss is the likelihood of the digits, summed over all alignments (Graves et al. 2006).
At first the network writes nothing: for some hundred steps, the blank is the likeliest symbol of every frame.

There is one recording of each character, of one voice, at random speeds and volumes, with gaps and noise. So
the network learns to find the words and to tell them apart, but it has never heard another speaker. It is
tested on fresh utterances, of 2 to 5 characters as in training, and of 9. The trivial answer has the right
number of characters, all the same.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import log_mel, spoken_characters, utterance
from tinygrad_seq.training import Learner, command, curves, verdict

BATCH, BANDS, TRAINED, LONGER, TESTED, WIDTH = 16, 20, (2, 5), 9, 100, 8


class Digits(Learner):
    """o_t = W [h_t; h'_t] + b, of LSTMs that read forward and backward; symbol 0 is the blank."""

    symbols, hidden, steps = "-0123456789", 64, 1000
    columns, epoch, lr, work = ("loss", "errors", "longer"), 200, 4e-3, ("utterances", BATCH)

    def __init__(self, out, seed, device):
        self.voices = spoken_characters()
        energies = np.concatenate([self.heard(text, 0) for text in self.symbols[1:]])
        self.mean, self.scale = energies.mean(0), energies.std(0)
        self.schedule = optim.cosine(self.lr, self.steps)
        super().__init__(out, seed, device)

    def build(self, rng):
        rnn = nn.Bidirectional(*(nn.LSTMCell(BANDS, self.hidden, rng=rng) for _ in range(2)))
        return nn.ManyToMany(ts.tensor, rnn, nn.Linear(2 * self.hidden, len(self.symbols), rng=rng))

    def heard(self, text, rng):
        """The energies of an utterance of the text, (T, BANDS)."""
        return log_mel(utterance(self.voices, text, rng=rng), BANDS)

    def drawn(self, rng, batch, least, most):
        """Random texts, and their utterances (T, B, BANDS) with their lengths."""
        texts = [
            "".join(rng.choice(list(self.symbols[1:]), n)) for n in rng.integers(least, most + 1, size=batch)
        ]
        return texts, *nn.padded([self.heard(text, rng) for text in texts])

    def logits(self, xs, lengths):
        return self.model(ts.tensor((xs - self.mean) / self.scale, device=self.device), lengths)

    def loss(self):
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        texts, xs, lengths = self.drawn(self.rng, BATCH, *TRAINED)
        targets, counts = nn.padded([[self.symbols.index(symbol) for symbol in text] for text in texts])
        return nn.ctc_loss(self.logits(xs, lengths), targets.T, lengths, counts)

    def read(self, xs, lengths, width=None):
        """The texts that are read from utterances."""
        with ts.no_grad():
            labels, counts, _ = nn.ctc_decode(self.logits(xs, lengths), lengths, width=width)
        rows = zip(labels.numpy(), counts.numpy(), strict=True)
        return ["".join(self.symbols[i] for i in row[:n]) for row, n in rows]

    def fresh(self):
        """The utterances to be tested on: as long as those of the training, and longer."""
        rng = np.random.default_rng([self.seed, 1])
        return self.drawn(rng, TESTED, *TRAINED), self.drawn(rng, TESTED, LONGER, LONGER)

    def validate(self):
        return {
            name: errors(self.read(xs, lengths), texts)
            for name, (texts, xs, lengths) in zip(("errors", "longer"), self.fresh(), strict=True)
        }

    def finish(self):
        trivial = 1 - 1 / (len(self.symbols) - 1)
        print(f"wrong characters of fresh utterances; the right number, all the same: {trivial:.3f}")
        counts = "{} to {}".format(*TRAINED), str(LONGER)
        for count, (texts, xs, lengths) in zip(counts, self.fresh(), strict=True):
            for search, width in {"best path": None, f"prefix search, {WIDTH}": WIDTH}.items():
                wrong = errors(self.read(xs, lengths, width), texts)
                print(f"  {count:6} {search:16} {wrong:.4f}{verdict(wrong, trivial, less=True)}")
        curves(
            self.out,
            {"errors": "{} to {} characters".format(*TRAINED), "longer": f"{LONGER} characters"},
            ylabel="wrong characters / characters",
            levels={"the right number, all the same": trivial},
        )
        self.draw(texts[0])
        print(f"the results are in {self.out}")

    def draw(self, text):
        """Draw an utterance of a text, and below it the posteriors, as heard.png; return what is read."""
        xs, lengths = nn.padded([self.heard(text, [self.seed, 2])])
        with ts.no_grad():
            y = ts.softmax(self.logits(xs, lengths))[:, 0]
        (written,) = self.read(xs, lengths)
        figure = Figure(figsize=(min(2 + 0.05 * len(y), 14), 4.2), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        above.imshow(xs[:, 0].T, origin="lower", aspect="auto", cmap="magma")
        above.set(ylabel="frequency band", title=f"spoken {text}, read {written}")
        nn.pictures.posteriors(below, y, self.symbols)
        below.set(xlabel="frame, of 20 ms")
        figure.savefig(self.out / "heard.png", dpi=150)
        return written

    def predict(self, text):
        """Print what is read from an utterance of the text; ValueError for other characters."""
        if not text or set(text) - set(self.symbols[1:]):
            raise ValueError(f"only {self.symbols[1:]} can be spoken, got {text!r}")
        print(self.draw(text))


class Letters(Digits):
    """The same, of all letters and digits, with more units."""

    symbols, hidden, steps = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 96, 3000


def errors(texts, spoken):
    """Insertions, deletions and substitutions that make the texts what was spoken, a character spoken."""
    return sum(map(distance, texts, spoken)) / sum(map(len, spoken))


def distance(text, other):
    """The least number of insertions, deletions and substitutions that turn one text into the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(text, 1):
        before, row = row, [i]
        for j, b in enumerate(other, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]


if __name__ == "__main__":
    letters = {"letters": (Letters, Letters.steps)}
    command(Digits, __doc__, __file__, steps=Digits.steps, forms=letters, predict=Digits.predict)
