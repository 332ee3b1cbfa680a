"""Attention and the memory of a neural Turing machine, as their formulas."""

from __future__ import annotations

import math

import numpy as np

from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import INVALID
from tinygrad_seq import nn

ROUGH = [math.nan, 0.0, -0.0, 1e3, -1e3]


def softmax(x):
    """Along the last axis; where all are -inf, 0."""
    top = np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    powers = np.exp(x - np.where(np.isinf(top) & (top < 0), 0, top))
    total = np.sum(powers, axis=-1, keepdims=True)
    return powers / np.where(total == 0, 1, total)


def onehot(x):
    """1 at the first of the largest along the last axis, else 0."""
    return np.arange(x.shape[-1]) == np.argmax(x, axis=-1)[..., None]


def kept_or_not(scores, keep):
    return scores if keep is None else np.where(keep, scores, -np.inf)


@subject("attention.doubly_stochastic", 60)
def doubly_stochastic(d: Draw) -> Call:
    shape = d.one_of([0, 1, 3]), d.one_of([1, 2]), d.one_of([0, 1, 4])
    weights = d.floats("weights", shape, wrong=[shape[:2], (*shape, 1)], special=[*ROUGH, math.inf])

    def oracle(v: Values):
        return np.mean(np.sum((1 - np.sum(v["weights"], axis=0)) ** 2, axis=-1))

    return Call(nn.attention.doubly_stochastic(weights), oracle, dtype=d.dtypes and d.dtypes[0])


@subject("attention.attend", 300)
def attend(d: Draw) -> Call:
    lead, m, n, size = (
        d.one_of([(), (1,), (2,), (2, 3), (0,)]),
        d.one_of([1, 3]),
        d.one_of([1, 2, 4]),
        d.one_of([1, 3]),
    )
    wrong = [(*lead, m, n + 1), (*lead, m, 2 * n + 1)]
    scores = d.floats("scores", (*lead, m, n), wrong=wrong, special=[*ROUGH, -math.inf, 6e4], tensor=True)
    own = d.dtypes[:1]
    values = d.floats("values", (*lead, n, size), special=[0.0, 1e3], tensor=True)
    dtypes = [np.result_type(*d.dtypes), *own] if own else None
    keep = None
    if d.chance(0.6):
        keep = d.mask("keep", d.one_of([(*lead, m, n), (n,), (m, 1), (*lead, 1, n)]), wrong=[(n + 1,)])

    def oracle(v: Values):
        weights = softmax(kept_or_not(v.scores, v.get("keep")))
        return weights @ v["values"], weights

    return Call(nn.attention.attend(scores, values, keep), oracle, dtype=dtypes)


def score(d: Draw, make, formula, sizes) -> Call:
    lead, m, n = d.one_of([(), (1,), (2,), (2, 3), (0,)]), d.one_of([1, 3, 0]), d.one_of([1, 4, 0])
    model = d.model(make())
    of_q, of_h = sizes
    q = d.floats("queries", (*lead, m, of_q), wrong=[(*lead, m, of_q + 1)], special=ROUGH, tensor=True)
    h = d.floats("annotations", (*lead, n, of_h), wrong=[(*lead, n, of_h + 1)], special=ROUGH, tensor=True)
    return Call(model(q, h), formula)


def transposed(x):
    return np.swapaxes(x, -1, -2)


@subject("DotScore", 100)
def dot(d: Draw) -> Call:
    size = d.one_of([1, 3])
    return score(d, nn.DotScore, lambda v: v.queries @ transposed(v.annotations), (size, size))


@subject("ScaledDotScore", 100)
def scaled(d: Draw) -> Call:
    size = d.one_of([1, 3, 4])
    root = np.sqrt(np.longdouble(size))
    return score(d, nn.ScaledDotScore, lambda v: v.queries @ transposed(v.annotations) / root, (size, size))


@subject("GeneralScore", 120)
def general(d: Draw) -> Call:
    of_q, of_h = d.size("query_size", [1, 3]), d.size("size", [1, 2])
    sizes = (int(of_q), int(of_h)) if d.verdict != INVALID else (1, 1)

    def formula(v: Values):
        return v.queries @ v.W @ transposed(v.annotations)

    dtype = d.dtype()
    return score(d, lambda: nn.GeneralScore(of_q, of_h, rng=0, dtype=dtype), formula, sizes)


@subject("AdditiveScore", 120)
def additive(d: Draw) -> Call:
    of_q, of_h, units = d.size("query_size", [1, 3]), d.size("size", [1, 2]), d.size("units", [1, 4])
    sizes = (int(of_q), int(of_h)) if d.verdict != INVALID else (1, 1)

    def formula(v: Values):
        queries, keys = v.queries @ v.W, v.annotations @ v.U
        return np.tanh(queries[..., :, None, :] + keys[..., None, :, :]) @ v.v

    dtype = d.dtype()
    return score(d, lambda: nn.AdditiveScore(of_q, of_h, units, rng=0, dtype=dtype), formula, sizes)


# --- the memory -------------------------------------------------------------------------------------------


def shapes(d: Draw) -> tuple[int, int, int, tuple[int, ...]]:
    """B, N, M, and the axes of the heads: one head, or (H,)."""
    return d.one_of([0, 1, 2]), d.one_of([1, 2, 5]), d.one_of([1, 3]), d.one_of([(), (1,), (2,)])


def weighting(x):
    w = np.abs(x) + 0.01
    return w / np.sum(w, axis=-1, keepdims=True)


def part(d: Draw, name, shape, change=lambda x: x, special=ROUGH, scales=(1.0, 3.0)):
    wrong = [(*shape, 1, 1), (shape[0] + 1, *shape[1:])]
    return d.floats(name, shape, wrong=wrong, change=change, special=special, scales=scales)


@subject("memory.content_addressing", 200)
def content(d: Draw) -> Call:
    b, n, m, h = shapes(d)
    memory = part(d, "memory", (b, n, m), special=[0.0, 1e3, 1e-3], scales=(1.0, 1.0, 100.0))
    key = part(d, "key", (b, *h, m), special=[0.0, 1e3, 1e-3], scales=(1.0, 1.0, 100.0))
    strength = part(d, "strength", (b, *h, 1), np.abs, [])

    heads = math.prod(h)

    def oracle(v: Values):
        product = v.key.reshape(b, heads, m) @ transposed(v.memory)
        lengths = (
            np.sqrt(np.sum(v.key**2, -1)).reshape(b, heads, 1) * np.sqrt(np.sum(v.memory**2, -1))[:, None, :]
        )
        cosine = np.where(lengths > 1e-8, product / np.where(lengths > 1e-8, lengths, 1), 0)
        return softmax(v.strength * cosine.reshape(b, *h, n))

    return Call(nn.memory.content_addressing(memory, key, strength), oracle)


@subject("memory.interpolation", 100)
def interpolation(d: Draw) -> Call:
    b, n, _, h = shapes(d)
    content, previous = (part(d, k, (b, *h, n), weighting, [0.0, 1.0]) for k in ("content", "previous"))
    gate = part(d, "gate", (b, *h, 1), lambda x: (np.tanh(x) + 1) / 2, [0.0, 1.0])
    found = nn.memory.interpolation(content, previous, gate)
    return Call(found, lambda v: v.gate * v.content + (1 - v.gate) * v.previous)


@subject("memory.circular_shift", 120)
def shift(d: Draw) -> Call:
    b, n, _, h = shapes(d)
    offsets = d.one_of([1, 3, 3, 5, 2])
    if offsets == 2:
        d.judged(INVALID)
    weights = part(d, "weights", (b, *h, n), weighting, [0.0, 1.0, math.nan])
    kernel = part(d, "kernel", (b, *h, offsets), weighting, [0.0, 1.0])
    d.verdict = INVALID if offsets == 2 else d.verdict

    def oracle(v: Values):
        r = offsets // 2
        moved = [np.roll(v.weights, k, axis=-1) * v.kernel[..., k + r, None] for k in range(-r, r + 1)]
        return sum(moved)

    return Call(nn.memory.circular_shift(weights, kernel), oracle)


@subject("memory.sharpening", 150)
def sharpening(d: Draw) -> Call:
    b, n, _, h = shapes(d)
    weights = part(d, "weights", (b, *h, n), weighting, [], (1.0,))
    gamma = part(d, "gamma", (b, *h, 1), lambda x: 1 + np.abs(x), [1.0, 50.0])

    def oracle(v: Values):
        powers = (v.weights / np.max(v.weights, axis=-1, keepdims=True)) ** v.gamma
        return powers / np.sum(powers, axis=-1, keepdims=True)

    return Call(nn.memory.sharpening(weights, gamma), oracle)


@subject("memory.read", 100)
def read(d: Draw) -> Call:
    b, n, m, h = shapes(d)
    memory = part(d, "memory", (b, n, m))
    weights = part(d, "weights", (b, *h, n), weighting, [0.0, 1.0])
    found = nn.memory.read(memory, weights)
    return Call(found, lambda v: (v.weights.reshape(b, math.prod(h), n) @ v.memory).reshape(b, *h, m))


@subject("memory.write", 150)
def write(d: Draw) -> Call:
    b, n, m, h = shapes(d)
    memory = part(d, "memory", (b, n, m))
    weights = part(d, "weights", (b, *h, n), weighting, [0.0, 1.0])
    erase = part(d, "erase", (b, *h, m), lambda x: (np.tanh(x) + 1) / 2, [0.0, 1.0])
    add = part(d, "add", (b, *h, m))

    def oracle(v: Values):
        w, e, a = (x.reshape(b, math.prod(h), x.shape[-1]) for x in (v.weights, v.erase, v.add))
        kept = np.prod(1 - w[..., :, None] * e[..., None, :], axis=1)
        return v.memory * kept + np.sum(w[..., :, None] * a[..., None, :], axis=1)

    return Call(nn.memory.write(memory, weights, erase, add), oracle)
