"""The paths of CTC, each by itself: what is read from them, and sums over all of them."""

import itertools

import numpy as np


def read(path, blank=0):
    """The labels that are read from a path: equal neighbours are merged, then the blanks are dropped."""
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def softmax(o):
    e = np.exp(o - o.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def likelihoods(o, blank=0):
    """p(labels) of everything that can be read from the logits of one row (T, C)."""
    y, found = softmax(o), {}
    for path in itertools.product(range(o.shape[1]), repeat=len(o)):
        labels = read(path, blank)
        found[labels] = found.get(labels, 0) + np.prod(y[range(len(o)), path])
    return found


def loss(o, labels, blank=0):
    """-log p(labels) of one row, and its gradient by the logits (T, C), by the share of every path in p."""
    y, p, visits = softmax(o), 0.0, np.zeros(o.shape)
    for path in itertools.product(range(o.shape[1]), repeat=len(o)):
        if read(path, blank) == tuple(labels):
            share = np.prod(y[range(len(o)), path])
            p += share
            visits[range(len(o)), path] += share
    with np.errstate(divide="ignore"):
        return -np.log(p), y - visits / p if p else np.zeros(o.shape)


def best_path(o, blank=0):
    """What is read from the likeliest label of every frame of one row, and its log-probability."""
    y = softmax(o)
    return read(y.argmax(-1), blank), np.log(y.max(-1)).sum()


def prefix_search(o, width, blank=0):
    """Prefix beam search of one row: a dictionary from prefixes to the probabilities u and v of their paths."""
    kept = {(): (1.0, 0.0)}
    for y in softmax(o):
        longer = {}

        def add(prefix, u, v, longer=longer):
            longer[prefix] = tuple(np.add(longer.get(prefix, (0.0, 0.0)), (u, v)))

        for prefix, (u, v) in kept.items():
            add(prefix, (u + v) * y[blank], v * y[prefix[-1]] if prefix else 0.0)
            for label in set(range(len(y))) - {blank}:
                add((*prefix, label), 0.0, (u if prefix[-1:] == (label,) else u + v) * y[label])
        kept = dict(sorted(longer.items(), key=lambda item: -sum(item[1]))[:width])
    prefix, probabilities = next(iter(kept.items()))
    return prefix, np.log(sum(probabilities))
