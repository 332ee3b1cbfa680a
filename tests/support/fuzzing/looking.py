"""Looks at images, and REINFORCE, as their formulas."""

from __future__ import annotations

import math

import numpy as np

from fuzzing.attention import softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import INVALID
from fuzzing.losses import log_softmax
from tinygrad_seq import nn

ROUGH = [math.nan, 0.0, -0.0, 1e3, -1e3]


@subject("retina", 200)
def retina(d: Draw) -> Call:
    batch, height, width = d.one_of([0, 1, 2]), d.one_of([0, 1, 4, 5]), d.one_of([0, 3, 6])
    size, scales = d.size("size", [1, 2, 3]), d.size("scales", [1, 2, 3])
    wrong = [(batch + 1, height, width), (batch, height, width, 1), (height,)]
    images = d.floats("images", (batch, height, width), wrong=wrong, special=[*ROUGH, math.inf, 6e4])
    special = [math.nan, math.inf, -math.inf, -1.0, 1.0, 30.0]
    centres = d.floats("centres", (batch, 2), wrong=[(batch, 3), (batch + 1, 2), (2,)], special=special)
    found = nn.retina(images, centres, size, scales)

    def oracle(v: Values):
        k, n = int(v["scales"]), int(v["size"])
        margin = 2**k * n
        whole = np.pad(v.images, [(0, 0), (margin, margin), (margin, margin)])
        seen = np.full((batch, k, n, n), math.nan, np.longdouble)
        for b, scale in np.ndindex(batch, k):
            if np.isnan(v.centres[b]).any():
                continue
            x, y = (np.clip(v.centres[b], -1, 1) + 1) / 2 * [width, height]
            side, half = 2**scale, 2**scale * n // 2
            top, left = int(y) + margin - half, int(x) + margin - half
            patch = whole[b, top : top + side * n, left : left + side * n]
            seen[b, scale] = patch.reshape(n, side, n, side).mean((1, 3))
        return seen

    return Call(found, oracle, dtype=images.dtype if hasattr(images, "dtype") else None)


@subject("patches", 150)
def patches(d: Draw) -> Call:
    batch, colours = d.one_of([0, 1, 2]), d.one_of([(), (1,), (3,)])
    size, stride = d.size("size", [1, 2, 3]), d.size("stride", [1, 2, 4])
    n, m = (int(x) if d.verdict != INVALID else 2 for x in (size, stride))
    down, across = d.one_of([0, 1, 2]), d.one_of([0, 3])
    height, width = n + m * down, n + m * across
    wrong = [(batch, n - 1, width, *colours), (height, width)]
    images = d.floats("images", (batch, height, width, *colours), wrong=wrong)

    def oracle(v: Values):
        cut = [
            v.images[:, m * i : m * i + n, m * j : m * j + n].reshape(batch, n * n * math.prod(colours))
            for i in range(down + 1)
            for j in range(across + 1)
        ]
        return np.stack(cut, axis=1)

    return Call(nn.patches(images, size, stride), oracle)


# --- REINFORCE --------------------------------------------------------------------------------------------


LEADS = [(), (0,), (1,), (3,), (2, 3)]


@subject("reinforce.gaussian", 150)
def gaussian(d: Draw) -> Call:
    shape = (*d.one_of(LEADS), d.one_of([0, 1, 2]))
    sigma = d.number("sigma", [0.05, 0.5, 2.0], "(0, inf)")
    mean = d.floats("mean", shape, wrong=[(*shape, 1), (*shape[:-1], 5)], special=ROUGH)
    noise = d.floats("noise", shape, wrong=[(*shape, 1)], special=[math.nan, 0.0, 30.0], scales=(1.0,))
    found = nn.reinforce.gaussian(mean, sigma, noise)
    d.leaves.clear()  # the choice is a constant to derivatives, which differences do not know

    def oracle(v: Values):
        log_p = -(v.noise**2) / 2 - np.log(v.sigma * np.sqrt(2 * np.longdouble(math.pi)))
        return v["mean"] + v.sigma * v.noise, np.sum(log_p + 0 * v["mean"], axis=-1)

    return Call(found, oracle)


@subject("reinforce.categorical", 150)
def categorical(d: Draw) -> Call:
    shape = (*d.one_of(LEADS), d.one_of([1, 2, 4]))
    logits = d.floats("logits", shape, wrong=[(*shape, 1), (*shape[:-1], 5)], special=[-math.inf, 0.0, 30.0])
    gumbel = d.floats("gumbel", shape, wrong=[(*shape, 1)], special=[0.0, 1.0], scales=(1.0,))
    choice, log_p = nn.reinforce.categorical(logits, gumbel)

    def oracle(v: Values):
        picked = np.asarray(choice.numpy())  # by the rounded sum; that it is the largest is tested elsewhere
        return np.take_along_axis(log_softmax(v.logits), picked[..., None], -1)[..., 0]

    return Call(log_p, oracle, dtype=d.dtypes[0], infinite=True)


@subject("reinforce.entropy", 120)
def entropy(d: Draw) -> Call:
    shape = (*d.one_of(LEADS), d.one_of([1, 2, 4]))
    logits = d.floats("logits", shape, wrong=[()], special=[-math.inf, 0.0, 30.0, -1e30])

    def oracle(v: Values):
        p, log_p = softmax(v.logits), log_softmax(v.logits)
        return -np.sum(np.where(p > 0, p * np.where(p > 0, log_p, 0), 0), axis=-1)

    return Call(nn.reinforce.entropy(logits), oracle)


@subject("reinforce.returns", 100)
def returns(d: Draw) -> Call:
    shape = d.one_of([0, 1, 2, 5]), d.one_of([0, 1, 3])
    rewards = d.floats("rewards", shape, wrong=[(*shape, 1), shape[:1]], special=ROUGH)
    found = nn.reinforce.returns(rewards)
    return Call(found, lambda v: np.cumsum(v.rewards[::-1], axis=0)[::-1])


@subject("reinforce.loss", 150)
def loss(d: Draw) -> Call:
    shape = d.one_of([0, 1, 2, 5]), d.one_of([1, 3])
    names = "log_probabilities", "returns", "baselines"
    wrong = [(*shape, 1), shape[:1], (shape[0], 5)]
    logs, rewards, baselines = (d.floats(name, shape, wrong=wrong, special=ROUGH) for name in names)
    found = nn.reinforce.loss(logs, rewards, baselines)
    for name in names[1:]:  # constants to derivatives, which differences do not know
        d.leaves.pop(name, None)
    return Call(
        found,
        lambda v: -np.sum((v["returns"] - v.baselines) * v.log_probabilities, dtype=np.longdouble) / shape[1],
    )
