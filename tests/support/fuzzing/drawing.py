"""The window of DRAW, and its model, as their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from equations import EQUATIONS, sigmoid

from fuzzing.attention import softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import state_in, state_of
from fuzzing.draw import INVALID
from fuzzing.losses import log_softmax
from tinygrad_seq import nn, tree

DTYPES = ["f4", "f8"]
ROUGH = [0.0, -0.0, 1.5, -2.0]


def windows(p, size, n):
    """F_Y, F_X, gamma, the centre, delta and sigma for parameters p (B, 5)."""
    (height, width), (x, y, log_variance, log_stride, log_intensity) = size, (part[:, None] for part in p.T)
    x, y = (width + 1) * (x + 1) / 2, (height + 1) * (y + 1) / 2
    delta = np.exp(log_stride) * (max(size) - 1) / max(n - 1, 1)
    banks = []
    for centre, pixels in ((y, height), (x, width)):
        mu = centre + (np.arange(1, n + 1) - (n + 1) / 2) * delta
        off = np.arange(1, pixels + 1) - mu[..., None]
        exponents = -(off**2) / (2 * np.exp(log_variance)[..., None])
        below = np.maximum(exponents - exponents.max(-1, keepdims=True), -32)
        banks.append(softmax(below))
    return *banks, np.exp(log_intensity), np.concatenate([x, y], axis=1), delta, np.exp(log_variance / 2)


@subject("window", 150)
def window(d: Draw) -> Call:
    batch, size = d.one_of([0, 1, 3]), d.one_of([(4, 4), (3, 6), (5, 1), (1, 1)])
    filters = d.size("filters", [1, 2, 3])
    p = d.floats(
        "parameters", (batch, 5), wrong=[(batch, 4), (5,), (batch, 5, 1)], special=ROUGH, scales=(1.0,)
    )
    d.said.append(f"{size}")
    return Call(nn.window(p, size, filters), lambda v: windows(v.parameters, size, int(v.filters)))


def step(v: Values, prefix: str, state: Any, eps, images, read, write):
    """One step of a model: the state after it, mu, log sigma, and both windows."""
    size = images.shape[1:]
    canvas, encoder, decoder = state
    lstm, batch = EQUATIONS["LSTM"], len(canvas)

    def layer(name, x):
        return x @ v[f"{prefix}{name}.weight"] + v[f"{prefix}{name}.bias"]

    seen, first, second = [images, images - sigmoid(canvas)], None, None
    if read:
        first = windows(layer("reading", decoder[0]), size, read)
        seen = [first[2][..., None] * (first[0] @ x @ np.swapaxes(first[1], 1, 2)) for x in seen]
    flat = [x.reshape(batch, int(np.prod(x.shape[1:]))) for x in seen]
    encoder, h = lstm(v.under(f"{prefix}encoder.cell."), encoder, np.concatenate([*flat, decoder[0]], axis=1))
    mean, log_sigma = np.split(layer("latents", h), 2, axis=1)
    decoder, h = lstm(v.under(f"{prefix}decoder.cell."), decoder, mean + np.exp(log_sigma) * eps)
    patch = layer("patch", h)
    if write:
        second = windows(layer("writing", h), size, write)
        patch = (
            np.swapaxes(second[0], 1, 2) @ patch.reshape(batch, write, write) @ second[1] / second[2][..., None]
        )
    return (canvas + patch.reshape(canvas.shape), encoder, decoder), (mean, log_sigma, first, second)


def drawn(d: Draw) -> tuple:
    """A model, its size, and how it reads and writes."""
    dtype, size, read, write = d.one_of(DTYPES), (3, 4), d.one_of([None, 1, 2]), d.one_of([None, 2])
    model = nn.DRAW(size, latent=2, hidden=3, read=read, write=write, rng=int(d.rng.integers(9)), dtype=dtype)
    d.said.append(f"read={read}, write={write}")
    return model, dtype, size, read, write


@subject("DRAWCell", 100, also=("window", "DRAW", "LSTMCell", "parts"))
def cell(d: Draw) -> Call:
    model, dtype, size, read, write = drawn(d)
    batch = d.one_of([0, 1, 2])
    wrong = [(batch, 4, 3), (batch + 1, *size), (batch, *size, 1)]
    images = d.floats("images", (batch, *size), wrong=wrong, special=[0.0, 1.0], dtypes=[dtype])
    made = d.model(nn.DRAWCell(model, images), scale=0.4)
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], special=ROUGH, tensor=True, dtypes=[dtype])
    state = state_of(d, made, batch, dtype)
    after, found = made(state, x)

    def oracle(v: Values):
        return step(v, "model.", state_in(v), v.x, v.images, read, write)

    return Call((after, found), oracle, dtype=[None] * len(tree.leaves((after, found))))


@subject("DRAW", 120, also=("window", "DRAWCell", "LSTMCell", "natural"))
def model(d: Draw) -> Call:
    if d.chance(0.2):
        d.judged(INVALID)
        wrong = d.one_of(
            [{"size": (3, 4, 5)}, {"size": 3}, {"latent": 0}, {"hidden": 1.5}, {"read": 0}, {"write": "a"}]
        )
        return Call(nn.DRAW(**{"size": (3, 4), "latent": 2, "hidden": 3, **wrong}), lambda v: None)
    model, dtype, size, read, write = drawn(d)
    d.model(model, scale=0.4)
    steps, batch = d.one_of([1, 2]), d.one_of([1, 2])
    noise = d.floats(
        "noise",
        (steps, batch, 2),
        wrong=[(steps, batch, 3), (batch, 2), (0, batch, 2)],
        special=ROUGH,
        dtypes=[dtype],
    )
    images = d.floats("images", (batch, *size), wrong=[(batch, 4, 3)], special=[0.0, 1.0], dtypes=[dtype])

    def oracle(v: Values):
        def lstm(name):
            return tuple(np.tile(v[f"{name}.start.{k}"], (batch, 1)) for k in (0, 1))

        state, missed = (np.tile(v.canvas, (batch, 1, 1)), lstm("encoder"), lstm("decoder")), 0
        for eps in v.noise:
            state, (mean, log_sigma, *_) = step(v, "", state, eps, v.images, read, write)
            missed = missed + np.sum(mean**2 + np.exp(2 * log_sigma) - 2 * log_sigma - 1, axis=1) / 2
        both = log_softmax(np.stack([state[0], 0 * state[0]], axis=-1))
        x = v.images
        return -np.sum(x * both[..., 0] + (1 - x) * both[..., 1], axis=(1, 2)), missed

    return Call(model.bound(images, noise), oracle)
