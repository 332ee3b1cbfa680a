"""Sentences made by small grammars: words with their parts of speech, and opinions, for or against.

Real ones would be better. But no package that was found on PyPI under a permissive licence installs running
text that people have tagged, or sentences that people have judged: those that analyse language ship word lists
and models, and fetch their corpora later. So these are generated, and a model that is right here knows the
grammar below, not English.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from tinygrad_seq.nn.init import Rng

Option = TypeVar("Option")

WORDS = {  # by tag; those that occur twice are what makes tagging a task
    "DET": "the a this that every no",
    "ADJ": "old young light round fast still kind cold plain second",
    "NOUN": "man dog boat light round watch can will play plan book cold plain second fish saw hand fly",
    "PRON": "he she it they that this",
    "VERB": "watch saw light round play plan book fish hand fly man fast still like can second",
    "AUX": "can will must may",
    "ADP": "in on like by round near",
    "CONJ": "that",
}
TAGS = list(WORDS)
RULES = {  # of each symbol the ways to write it, all of them as likely
    "S": ["NP VP", "NP VP CONJ NP VP"],
    "NP": ["DET NOUN", "DET ADJ NOUN", "PRON", "DET NOUN PP"],
    "VP": ["VERB NP", "AUX VERB NP", "VERB PP", "AUX VERB", "VERB NP PP"],
    "PP": ["ADP NP"],
}


def tagged_sentences(count: int, *, rng: Rng = None) -> list[tuple[list[str], list[str]]]:
    """Sentences of a small grammar: for each its words and their tags, of TAGS. Generated.

    Many a word may be two or three parts of speech: that (DET, PRON, CONJ), light (ADJ, NOUN, VERB), can (NOUN,
    VERB, AUX). What it is depends on the words before and after; some sentences can be read in two ways.

    >>> for word, tag in zip(*tagged_sentences(3, rng=0)[2]):
    ...     print(word, tag)
    the DET
    old ADJ
    boat NOUN
    man VERB
    they PRON
    """
    rng = np.random.default_rng(rng)

    def written(symbol: str) -> list[tuple[str, str]]:
        if symbol in RULES:
            return [pair for part in one(RULES[symbol], rng).split() for pair in written(part)]
        return [(one(WORDS[symbol].split(), rng), symbol)]

    sentences = [written("S") for _ in range(count)]
    return [([word for word, _ in sentence], [tag for _, tag in sentence]) for sentence in sentences]


THINGS = ["film", "food", "music", "book", "room", "service", "story", "garden", "wine", "play"]
GOOD = ["good", "great", "lovely", "fine", "fresh", "clever"]
BAD = ["bad", "poor", "dull", "awful", "stale", "silly"]


def opinions(count: int, *, rng: Rng = None) -> tuple[list[list[str]], np.ndarray]:
    """Sentences that judge, and whether they are for (1) or against (0), half of them each. Generated.

    A clause is for what it calls good or not bad. Of two clauses the one after "but" counts, and not the one
    after "although". So the words alone, without their order, do not tell.

    >>> sentences, labels = opinions(4, rng=0)
    >>> for words, label in zip(sentences, labels):
    ...     print(label, *words)
    0 the film was bad although the story was never clever
    0 the garden was never fine
    1 although the wine was not poor the wine was fine
    1 the service was good
    """
    rng = np.random.default_rng(rng)

    def clause(label: int) -> list[str]:
        negated = int(rng.integers(2))
        thing, word = one(THINGS, rng), one(GOOD if label != negated else BAD, rng)
        verb = ["was not", "was never", "was hardly"] if negated else ["was", "was really", "was always"]
        return f"the {thing} {one(verb, rng)} {word}".split()

    def sentence(label: int) -> list[str]:
        main, other = clause(label), clause(int(rng.integers(2)))
        forms = [main, [*other, "but", *main], [*main, "although", *other], ["although", *other, *main]]
        return one(forms, rng)

    labels = rng.permutation(np.arange(count) % 2)
    return [sentence(int(label)) for label in labels], labels


def one(options: list[Option], rng: np.random.Generator) -> Option:
    """One of them, all as likely; Generator.choice takes ten times as long."""
    return options[rng.integers(len(options))]
