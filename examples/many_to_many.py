"""Many to many, aligned: thetextofpythonsownhelp without its spaces; after which letters does a word end?

    .venv/bin/python examples/many_to_many.py  # --resume continues an interrupted run

The network gives one answer for each letter; the passages have unequal lengths. Whether a word ends depends on
the letters that follow, so a network that reads in both directions does better than one that has seen only the
past (Schuster & Paliwal 1997). Both are trained together. The trivial answer is that no word ends anywhere.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import re
from pydoc_data.topics import topics

import numpy as np

from tinygrad_seq import nn, no_grad
from tinygrad_seq.training import Learner, Race, command, curves, verdict

LETTERS, BATCH, EMBEDDING, HIDDEN = 26, 32, 16, 64
SHORTEST, LONGEST = 4, 12  # words in a passage


def words() -> list[str]:
    """The words of Python's own help topics, in order, in lower case."""
    return re.findall("[a-z]+", "\n".join(topics[name] for name in sorted(topics)).lower())


def passage(some: list[str]) -> tuple[list[int], list[int]]:
    """The letters of the words, and for each letter whether a word ends with it."""
    letters = [ord(letter) - ord("a") for word in some for letter in word]
    ends = [int(i == len(word) - 1) for word in some for i in range(len(word))]
    return letters, ends


class Ends(Learner):
    """o_t = W h_t + b, h_t of a GRU that reads forward."""

    columns, epoch, work = ("loss", "accuracy", "none"), 250, ("passages", BATCH)

    def __init__(self, out, seed, device):
        text = words()
        self.training, self.test = text[: len(text) * 9 // 10], text[len(text) * 9 // 10 :]
        super().__init__(out, seed, device)

    def runner(self, rng):
        return nn.Recurrent(nn.GRUCell(EMBEDDING, HIDDEN, rng=rng)), HIDDEN

    def build(self, rng):
        runner, width = self.runner(rng)
        return nn.ManyToMany(nn.Embedding(LETTERS, EMBEDDING, rng=rng), runner, nn.Linear(width, 2, rng=rng))

    def drawn(self, text, count, rng):
        """Random passages of `text`: letters and ends, (T, B), and lengths."""
        sizes = rng.integers(SHORTEST, LONGEST + 1, count)
        starts = rng.integers(0, len(text) - LONGEST, count)
        passages = [passage(text[i : i + n]) for i, n in zip(starts, sizes, strict=True)]
        (letters, lengths), (ends, _) = (nn.padded(rows) for rows in zip(*passages, strict=True))
        return letters, ends, lengths

    def loss(self):
        letters, ends, lengths = self.drawn(self.training, BATCH, self.rng)
        logits = self.model(letters, lengths)
        return nn.mean_within(nn.cross_entropy(logits, ends, reduction="none"), lengths)

    def validate(self):
        letters, ends, lengths = self.drawn(self.test, 500, np.random.default_rng([self.seed, 1]))
        with no_grad():
            answers = self.model(letters, lengths).numpy().argmax(-1)
        inside = np.arange(len(letters))[:, None] < lengths
        return {"accuracy": np.mean((answers == ends)[inside]), "none": np.mean((ends == 0)[inside])}

    def marked(self, text):
        """The text with a space after each letter where the model predicts the end of a word."""
        with no_grad():
            ends = self.model(np.array([[ord(letter) - ord("a")] for letter in text])).numpy().argmax(-1)
        return "".join(letter + " " * int(end) for letter, (end,) in zip(text, ends, strict=True))


class BothWays(Ends):
    """o_t = W [forward; backward] + b, of two GRUs with together as many weights as the one."""

    def runner(self, rng):
        cells = (nn.GRUCell(EMBEDDING, HIDDEN * 2 // 3, rng=rng) for _ in range(2))
        return nn.Bidirectional(*cells), 2 * (HIDDEN * 2 // 3)


class Directions(Race):
    def __init__(self, out, seed, device):
        self.readers = {"forward": Ends(out, seed, device), "both directions": BothWays(out, seed, device)}
        super().__init__(out, self.readers, "accuracy")

    def finish(self):
        baseline = self.readers["forward"].validate()["none"]
        print(f"accuracy on the letters of unseen passages; no word ends: {baseline:.3f}")
        text = "".join(self.readers["forward"].test[100:112])
        for name, learner in self.readers.items():
            accuracy = learner.validate()["accuracy"]
            print(f"  {name:16} {accuracy:.3f}{verdict(accuracy, baseline)}   {learner.marked(text)}")
        curves(
            self.out,
            {name: name for name in self.readers},
            ylabel="letters answered right",
            levels={"no word ends": float(baseline)},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Directions, __doc__, __file__, steps=1250)
