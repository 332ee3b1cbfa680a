"""Dates in any notation: 3 mars 2021 or ٣ مارس ٢٠٢١ is 2021-03-03. Attention, in 153 languages.

    .venv/bin/python examples/dates.py  # --resume continues an interrupted run
    .venv/bin/python examples/dates.py --predict "3 mars 2021"

It needs the extra `data`. Two GRUs read the characters, one forward and one backward. A third GRU writes the
date in ISO 8601; before every symbol it attends to the outputs of the other two (Bahdanau, Cho & Bengio 2015).
No day of the test set occurs in the training set, in any format. There are two trivial answers: one date for
all texts; and year and day copied from the text, with the month of a training text that differs only in its
digits.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import datetime
import hashlib
import re
from collections import defaultdict

import numpy as np
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.data import normalised, written_dates
from tinygrad_seq.training import Learner, command, curves, verdict

BATCH, EMBEDDING, HIDDEN, UNKNOWN, STEPS = 64, 32, 64, 0.002, 3000
SYMBOLS, LONGEST = "$-0123456789", len("2021-03-03$")  # $ is the end
NUMBER = re.compile(r"\d+")
OWN = "3 mars 2021; Wednesday, March 3, 2021; 3. März 2021; 2021年3月3日; 3 de marzo de 2021; ٣ مارس ٢٠٢١"


class Dates(Learner):
    """Additive attention from a GRU that writes to two GRUs that read."""

    columns, epoch, lr, work = ("loss", "right"), 200, 6e-3, ("dates", BATCH)

    def __init__(self, out, seed, device):
        (self.texts, self.dates, _), unseen = written_dates()
        self.unseen = list(zip(*sorted(zip(*unseen, strict=True), key=lambda row: len(row[0])), strict=True))
        self.place = {character: i for i, character in enumerate(sorted(set("".join(self.texts))), 1)}
        self.lengths = np.array([len(text) for text in self.texts])
        self.alike = {n: np.nonzero(self.lengths == n)[0] for n in set(self.lengths.tolist())}
        self.schedule = optim.cosine(self.lr, STEPS)
        super().__init__(out, seed, device)
        self.fingerprint["texts"] = hashlib.sha256("\n".join(self.texts).encode()).hexdigest()

    def build(self, rng):
        characters = nn.Embedding(len(self.place) + 1, EMBEDDING, rng=rng)  # 0 is the unknown character
        encoder = nn.Bidirectional(*(nn.GRUCell(EMBEDDING, HIDDEN, rng=rng) for _ in range(2)))
        decoder = nn.AttentionDecoder(
            nn.Embedding(len(SYMBOLS), EMBEDDING, rng=rng),
            nn.GRUCell(EMBEDDING + 2 * HIDDEN, HIDDEN, rng=rng),
            nn.AdditiveScore(HIDDEN, 2 * HIDDEN, HIDDEN, rng=rng),
            nn.Linear(3 * HIDDEN, len(SYMBOLS), rng=rng),
            nn.Sequential(nn.Linear(HIDDEN, HIDDEN, rng=rng), ts.tanh),
        )
        return nn.EncoderDecoder(characters, encoder, decoder)

    def read(self, texts):
        """The characters as ids (T, B), and the lengths."""
        return nn.padded([[self.place.get(character, 0) for character in text] for text in texts])

    def loss(self):
        """The loss of texts of equal length, without padding; a few characters are made unknown."""
        self.optimizer.lr = self.schedule(self.optimizer.steps)
        drawn = self.rng.choice(self.alike[self.rng.choice(self.lengths)], BATCH)
        xs, _ = self.read([self.texts[i] for i in drawn])
        targets, _ = nn.padded([[SYMBOLS.index(symbol) for symbol in f"{self.dates[i]}$"] for i in drawn])
        return self.model.loss(np.where(self.rng.random(xs.shape) < UNKNOWN, 0, xs), targets)

    def answers(self, texts):
        """The dates written for these texts: at each step the likeliest symbol."""
        found = []
        for i in range(0, len(texts), 200):
            xs, lengths = self.read(texts[i : i + 200])
            symbols, ends = self.model.greedy(xs, LONGEST, lengths)
            rows = zip(symbols.numpy().T, ends.numpy(), strict=True)
            found += ["".join(SYMBOLS[i] for i in row[:n]) for row, n in rows]
        return found

    def validate(self):
        texts, dates, _ = self.unseen
        return {"right": share(self.answers(texts[::5]), dates[::5])}

    def finish(self):
        texts, dates, languages = self.unseen
        months = {NUMBER.sub("#", text): date[5:7] for text, date in zip(self.texts, self.dates, strict=True)}
        trivial = {
            "one date for all": dates.count(max(dates, key=dates.count)) / len(dates),
            "looked up": share([looked_up(text, months) for text in texts], dates),
        }
        answers, found = self.answers(texts), defaultdict(list)
        right = share(answers, dates)
        print(f"unseen dates written right: {right:.4f}{verdict(right, max(trivial.values()))}")
        print(*(f"  {name}: {value:.3f}" for name, value in trivial.items()), sep="\n")
        for language, answer, date in zip(languages, answers, dates, strict=True):
            found[language].append(answer == date)
        shares = sorted((np.mean(rights), language) for language, rights in found.items())
        print(f"languages all right: {sum(share == 1 for share, _ in shares)} of {len(shares)}; the worst")
        for right, language in shares[:6]:
            print(f"  {language}: {right:.3f} of {len(found[language])}")
        wrong = [row for row in zip(texts, answers, dates, strict=True) if row[1] != row[2]]
        for text, answer, date in wrong[:6]:
            print(f"  {text}: {answer}, not {date}")
        own = OWN.split("; ")
        for text, answer in zip(own, self.answers([normalised(text) for text in own]), strict=True):
            print(f"  {text}: {answer}")
        curves(self.out, {"right": "attention"}, ylabel="unseen dates written right", levels=trivial)
        self.draw(normalised(own[1]))
        print(f"the results are in {self.out}")

    def draw(self, text):
        """Draw the attention for each symbol of the date, as alignment.png; return the date."""
        (xs, _), (date,) = self.read([text]), self.answers([text])
        targets = [[SYMBOLS.index(symbol)] for symbol in f"{date}$"]
        with ts.no_grad():
            weights = self.model.decoder.alignments(self.model.context(xs), targets)
        figure = Figure(figsize=(1 + 0.25 * len(text), 3.6), layout="constrained")
        axes = figure.subplots()
        nn.pictures.alignment(axes, weights[:, 0], text, f"{date}$")
        axes.set(xlabel="read", ylabel="written, $ the end")
        figure.savefig(self.out / "alignment.png", dpi=150)
        return date

    def predict(self, text):
        """Print the date of a text and draw the attention; ValueError if the answer is not a date."""
        if not normalised(text):
            raise ValueError("an empty text is not a date")
        print(datetime.date.fromisoformat(self.draw(normalised(text))))


def looked_up(text, months):
    """Year and day copied from a text, in the month of a training text that differs only in its digits."""
    year = max(NUMBER.findall(text), key=len)
    day = NUMBER.findall(text.replace(year, "", 1))[-1]
    return f"{year}-{months.get(NUMBER.sub('#', text), '01')}-{day:0>2}"


def share(answers, dates):
    """The share of right answers."""
    return np.mean([answer == date for answer, date in zip(answers, dates, strict=True)])


if __name__ == "__main__":
    command(Dates, __doc__, __file__, steps=STEPS, predict=Dates.predict)
