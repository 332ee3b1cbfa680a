"""The functions of `nn.memory`, number by number, in plain Python."""

import itertools
import math


def content_by_hand(memory, key, strength):
    rows = range(len(memory))

    def cosine(u, v):
        product = math.sqrt(sum(x * x for x in u)) * math.sqrt(sum(x * x for x in v))
        return sum(x * y for x, y in zip(u, v, strict=True)) / product if product > 1e-8 else 0.0

    e = [math.exp(strength[0] * cosine(key, memory[i])) for i in rows]
    return [e[i] / sum(e) for i in rows]


def interpolation_by_hand(content, previous, gate):
    return [gate[0] * a + (1 - gate[0]) * b for a, b in zip(content, previous, strict=True)]


def shift_by_hand(weights, kernel):
    n, r = len(weights), len(kernel) // 2
    return [sum(weights[(i - k) % n] * kernel[k + r] for k in range(-r, r + 1)) for i in range(n)]


def sharpening_by_hand(weights, gamma):
    powers = [w ** gamma[0] for w in weights]
    return [p / sum(powers) for p in powers]


def read_by_hand(memory, weights):
    return [sum(weights[i] * memory[i][j] for i in range(len(memory))) for j in range(len(memory[0]))]


def write_by_hand(memory, weights, erase, add):
    """Of several heads, each (H, ...)."""
    memory = [list(row) for row in memory]
    cells = list(itertools.product(range(len(memory)), range(len(memory[0]))))
    for w, e in zip(weights, erase, strict=True):
        for i, j in cells:
            memory[i][j] *= 1 - w[i] * e[j]
    for w, a in zip(weights, add, strict=True):
        for i, j in cells:
            memory[i][j] += w[i] * a[j]
    return memory
