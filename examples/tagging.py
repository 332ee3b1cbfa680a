"""Parts of speech: is "light" an adjective, a noun or a verb? Words in, a tag for each; generated sentences.

    .venv/bin/python examples/tagging.py  # --resume continues an interrupted run

The sentences come from a small grammar in which most words can be two or three parts of speech
(`tinygrad_seq.data.tagged_sentences` explains how, and why they are not real). One LSTM reads forward; another,
with as many units in total, reads in both directions. The trivial answer is the commonest tag of each word.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

from collections import Counter, defaultdict

import numpy as np

from tinygrad_seq import nn, no_grad
from tinygrad_seq.data import TAGS, tagged_sentences
from tinygrad_seq.training import Learner, Race, command, curves

BATCH, EMBEDDING, HIDDEN = 32, 16, 64
VOCABULARY = sorted({word for words, _ in tagged_sentences(2000, rng=0) for word in words})
PLACE = {word: i for i, word in enumerate(VOCABULARY)}


def arrays(sentences):
    """Words and tags as ids, (T, B), and lengths."""
    words, lengths = nn.padded([[PLACE[word] for word in words] for words, _ in sentences])
    return words, nn.padded([[TAGS.index(tag) for tag in tags] for _, tags in sentences])[0], lengths


class Forward(Learner):
    """o_t = W h_t + b, h_t from an LSTM that has read the words up to this one."""

    columns, epoch, work = ("loss", "right"), 50, ("sentences", BATCH)

    def build(self, rng):
        readout = nn.Linear(HIDDEN, len(TAGS), rng=rng)
        return nn.ManyToMany(nn.Embedding(len(VOCABULARY), EMBEDDING, rng=rng), self.runner(rng), readout)

    def runner(self, rng):
        return nn.Recurrent(nn.LSTMCell(EMBEDDING, HIDDEN, rng=rng))

    def loss(self):
        words, tags, lengths = arrays(tagged_sentences(BATCH, rng=self.rng))
        return nn.mean_within(nn.cross_entropy(self.model(words, lengths), tags, reduction="none"), lengths)

    def fresh(self):
        return tagged_sentences(1000, rng=np.random.default_rng([self.seed, 1]))

    def tags(self, sentences):
        """The predicted tags of each sentence."""
        words, _, lengths = arrays(sentences)
        with no_grad():
            answers = self.model(words, lengths).numpy().argmax(-1)
        return [[TAGS[i] for i in row[:n]] for row, n in zip(answers.T, lengths, strict=True)]

    def validate(self):
        sentences = self.fresh()
        return {"right": share(self.tags(sentences), sentences)}


class Both(Forward):
    """The same with an LSTM of half the size in each direction."""

    def runner(self, rng):
        return nn.Bidirectional(*(nn.LSTMCell(EMBEDDING, HIDDEN // 2, rng=rng) for _ in range(2)))


def share(answers, sentences):
    """The share of all words that are tagged right."""
    right = [
        a == b
        for answer, (_, tags) in zip(answers, sentences, strict=True)
        for a, b in zip(answer, tags, strict=True)
    ]
    return np.mean(right)


def commonest(sentences):
    """For each word its commonest tag in 2,000 other sentences."""
    seen: defaultdict[str, Counter] = defaultdict(Counter)
    for words, tags in tagged_sentences(2000, rng=2):
        for word, tag in zip(words, tags, strict=True):
            seen[word][tag] += 1
    return [[seen[word].most_common(1)[0][0] for word in words] for words, _ in sentences]


class Tagging(Race):
    def __init__(self, out, seed, device):
        self.networks = {"forward": Forward(out, seed, device), "both": Both(out, seed, device)}
        super().__init__(out, self.networks, "right")

    def finish(self):
        sentences = self.networks["both"].fresh()
        trivial = share(commonest(sentences), sentences)
        figures = self.validate()
        print(
            f"words of fresh sentences tagged right: {figures['forward']:.3f} forward, {figures['both']:.3f} "
            f"in both directions; each word's commonest tag: {trivial:.3f}"
        )
        if max(figures.values()) <= trivial:
            print("this does not beat the trivial answer")
        for (words, tags), answer in zip(sentences[:4], self.networks["both"].tags(sentences[:4]), strict=True):
            marked = (
                w + "/" + a + ("" if a == t else f" (wrong, {t})")
                for w, a, t in zip(words, answer, tags, strict=True)
            )
            print("  " + " ".join(marked))
        curves(
            self.out,
            {"forward": "LSTM, forward", "both": "LSTM, both directions"},
            ylabel="words tagged right",
            levels={"each word's commonest tag": trivial},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Tagging, __doc__, __file__, steps=400)
