"""Sentiment: is a sentence for or against? Words in, one answer out; generated sentences.

    .venv/bin/python examples/sentiment.py  # --resume continues an interrupted run

"The film was not bad but the music was hardly good" is against. The sentences are made from templates
(`tinygrad_seq.data.opinions` explains how, and why they are not real): a negation reverses an opinion, and of
two clauses one decides. An LSTM is compared with a bag of words, which is the mean of the same embeddings and
ignores the order of the words, and with the trivial answer, always the same, which is right for one half.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, no_grad
from tinygrad_seq.data import opinions
from tinygrad_seq.training import Learner, Race, command, curves

BATCH, EMBEDDING, HIDDEN = 32, 16, 48
PLACE = {word: i for i, word in enumerate(sorted({w for words in opinions(2000, rng=0)[0] for w in words}))}
SHOWN = {
    "the film was not bad": 1,
    "the food was good but the service was never fresh": 0,
    "although the room was awful the garden was hardly poor": 1,
    "the book was clever but the story was dull although the music was great": 0,  # longer than in training
}


class Reader(Learner):
    """o = W s + b, s the last output of an LSTM over the embedded words."""

    columns, epoch, work = ("loss", "right"), 50, ("sentences", BATCH)

    def build(self, rng):
        rnn = nn.Recurrent(nn.LSTMCell(EMBEDDING, HIDDEN, rng=rng))
        return nn.ManyToOne(nn.Embedding(len(PLACE), EMBEDDING, rng=rng), rnn, nn.Linear(HIDDEN, 2, rng=rng))

    def logits(self, sentences):
        return self.model(*nn.padded([[PLACE[word] for word in words] for words in sentences]))

    def loss(self):
        sentences, labels = opinions(BATCH, rng=self.rng)
        return nn.cross_entropy(self.logits(sentences), labels)

    def answers(self, sentences):
        with no_grad():
            return self.logits(sentences).numpy().argmax(-1)

    def validate(self):
        sentences, labels = opinions(1000, rng=np.random.default_rng([self.seed, 1]))
        return {"right": np.mean(self.answers(sentences) == labels)}


class Bag(nn.Module):
    """o = W mean_t E[x_t] + b."""

    def __init__(self, rng):
        self.embedding, self.readout = (
            nn.Embedding(len(PLACE), EMBEDDING, rng=rng),
            nn.Linear(EMBEDDING, 2, rng=rng),
        )

    def __call__(self, xs, lengths):
        embedded = self.embedding(xs)
        share = (np.arange(len(xs))[:, None] < lengths)[..., None] / lengths[:, None]
        return self.readout((embedded * ts.tensor(share, dtype=np.float32, device=embedded.device)).sum(0))


class BagOfWords(Reader):
    """The same sentences, without the order of their words."""

    def build(self, rng):
        return Bag(rng)


class Sentiment(Race):
    def __init__(self, out, seed, device):
        self.networks = {"lstm": Reader(out, seed, device), "bag": BagOfWords(out, seed, device)}
        super().__init__(out, self.networks, "right")

    def finish(self):
        figures = self.validate()
        print(
            f"fresh sentences answered right: {figures['lstm']:.3f}; bag of words: {figures['bag']:.3f}; "
            "always the same answer: 0.500"
        )
        if figures["lstm"] <= max(figures["bag"], 0.5):
            print("the LSTM does not beat these")
        answers = self.networks["lstm"].answers([sentence.split() for sentence in SHOWN])
        for (sentence, label), answer in zip(SHOWN.items(), answers, strict=True):
            print(f"  {sentence}: {('against', 'for')[answer]}{'' if answer == label else ', wrong'}")
        curves(
            self.out,
            {"lstm": "LSTM", "bag": "bag of words"},
            ylabel="fresh sentences answered right",
            levels={"always the same answer": 0.5},
        )
        print(f"the results are in {self.out}")


if __name__ == "__main__":
    command(Sentiment, __doc__, __file__, steps=400)
