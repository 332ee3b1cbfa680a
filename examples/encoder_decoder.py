"""Encoder and decoder: from the English name of a number, letter by letter, to its digits.

    .venv/bin/python examples/encoder_decoder.py  # --resume continues an interrupted run

"three hundred forty two" has 23 letters, 342 has three digits. An encoder reads all letters into a context
vector. The decoder starts from it as its state, and writes the digits and an end symbol (the lecture's sequence
to sequence model; Cho et al. 2014, Sutskever et al. 2014). In training the decoder receives the true digits
(teacher forcing), afterwards its own, the likeliest at each step. A fifth of the numbers is kept out of the
training. For these, the example counts the answers that are right from the first digit to the end symbol, and
the right symbols both with teacher forcing and running free.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from collections import Counter

import numpy as np

from tinygrad_seq import nn, no_grad
from tinygrad_seq.tasks import spelled
from tinygrad_seq.training import Learner, command, curves, verdict

LETTERS, SYMBOLS = " abcdefghijklmnopqrstuvwxyz", "$0123456789"  # $ is the end
BATCH, EMBEDDING, HIDDEN, LONGEST = 32, 16, 64, 6
ORDER = np.random.default_rng(0).permutation(1000)
TRAINING, UNSEEN = ORDER[:800], ORDER[800:]


def pairs(numbers) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Names (T, B) and digits (T', B) as ids, and the lengths of both."""
    names, lengths = nn.padded([[LETTERS.index(letter) for letter in spelled(n)] for n in numbers])
    digits, ends = nn.padded([[SYMBOLS.index(digit) for digit in f"{n}$"] for n in numbers])
    return names, digits, lengths, ends


class Translator(Learner):
    """A bidirectional GRU encodes the embedded letters; a GRU decodes."""

    columns, epoch, work = ("loss", "right", "forced", "free"), 100, ("names", BATCH)

    def build(self, rng):
        encoder = nn.Bidirectional(*(nn.GRUCell(EMBEDDING, HIDDEN // 2, rng=rng) for _ in range(2)))
        decoder = nn.VectorAsState(
            nn.Embedding(len(SYMBOLS), EMBEDDING, rng=rng),
            nn.GRUCell(EMBEDDING, HIDDEN, rng=rng),
            nn.Linear(HIDDEN, len(SYMBOLS), rng=rng),
        )
        return nn.EncoderDecoder(nn.Embedding(len(LETTERS), EMBEDDING, rng=rng), encoder, decoder)

    def loss(self):
        return self.model.loss(*pairs(self.rng.choice(TRAINING, BATCH)))

    def translated(self, numbers):
        names, _, lengths, _ = pairs(numbers)
        symbols, written = self.model.greedy(names, LONGEST, lengths)
        rows = zip(symbols.numpy().T, written.numpy(), strict=True)
        return ["".join(SYMBOLS[i] for i in row[:n]) for row, n in rows]

    def validate(self):
        names, digits, lengths, ends = pairs(UNSEEN)
        with no_grad():
            forced = self.model(names, digits, lengths, ends).numpy().argmax(-1)
            free = self.model.free(names, len(digits), lengths)[1].numpy()
        inside = np.arange(len(digits))[:, None] < ends
        right = [answer == str(n) for answer, n in zip(self.translated(UNSEEN), UNSEEN, strict=True)]
        symbols = {"forced": forced, "free": free}
        return {
            "right": np.mean(right),
            **{name: np.mean((written == digits)[inside]) for name, written in symbols.items()},
        }

    def finish(self):
        figures = self.validate()
        symbols = Counter(symbol for n in UNSEEN for symbol in f"{n}$")
        commonest = max(symbols.values()) / symbols.total()
        right, one = figures["right"], 1 / len(UNSEEN)  # the best result of one answer for all numbers
        print(f"unseen numbers written right, one answer for all: {one:.3f}")
        print(f"the network: {right:.3f}{verdict(right, one)}")
        print(
            f"symbols right: {figures['forced']:.3f} by teacher forcing, {figures['free']:.3f} running free; "
            f"always the commonest: {commonest:.3f}"
        )
        for n, answer in zip(UNSEEN[:5], self.translated(UNSEEN[:5]), strict=True):
            print(f"  {spelled(n)}: {answer}{'' if answer == str(n) else ', wrong'}")
        curves(
            self.out,
            {"right": "numbers", "forced": "symbols, by teacher forcing", "free": "symbols, running free"},
            ylabel="share right, of unseen numbers",
            levels={"always the commonest symbol": commonest},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Translator, __doc__, __file__, steps=1000)
