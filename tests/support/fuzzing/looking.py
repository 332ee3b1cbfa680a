"""Looks at images, and REINFORCE, as their formulas."""

from __future__ import annotations

import math

import numpy as np
from equations import EQUATIONS

from fuzzing.attention import softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import state_in, state_of
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
        return seen_in(v.images, v.centres, int(v["size"]), int(v["scales"]))

    return Call(found, oracle, dtype=images.dtype if hasattr(images, "dtype") else None)


def seen_in(images, centres, size: int, scales: int):
    """The patches of a retina; NaN where a centre is NaN."""
    batch, height, width = images.shape
    margin = 2**scales * size
    whole = np.pad(images, [(0, 0), (margin, margin), (margin, margin)])
    seen = np.full((batch, scales, size, size), math.nan, np.longdouble)
    for b, scale in np.ndindex(batch, scales):
        if np.isnan(centres[b]).any():
            continue
        x, y = (np.clip(centres[b], -1, 1) + 1) / 2 * [width, height]
        side, half = 2**scale, 2**scale * size // 2
        top, left = int(y) + margin - half, int(x) + margin - half
        patch = whole[b, top : top + side * size, left : left + side * size]
        seen[b, scale] = patch.reshape(size, side, size, side).mean((1, 3))
    return seen


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


# --- models that look -------------------------------------------------------------------------------------


def relu(x):
    return np.where(x < 0, 0, x)


def chosen(mean, sigma, noise):
    """A draw around tanh of a mean, and its log-probability."""
    return np.tanh(mean) + sigma * noise, np.sum(-(noise**2) / 2 - np.log(sigma) - LOG_ROOT, axis=-1)


LOG_ROOT = np.log(2 * np.longdouble(math.pi)) / 2


def step_of_ram(v: Values, h, place, noise, images, size, scales, sigma, prefix=""):
    """The state after a look, and what the look returns."""

    def layer(name, x):
        return x @ v[f"{prefix}{name}.weight"] + v.get(f"{prefix}{name}.bias", 0)

    rho = seen_in(images, place, size, scales).reshape(len(place), scales * size**2)
    g = relu(layer("from_what", relu(layer("what", rho))) + layer("from_where", relu(layer("where", place))))
    h = relu(layer("core", h) + layer("glimpse", g))
    after, log_p = chosen(layer("locator", h), sigma, noise)
    return h, after, (place, log_p, layer("baseline", h)[:, 0])


def step_of_dram(v: Values, state, noise, images, size, scales, sigma, prefix=""):
    """The states of both networks after a look, and what the look returns."""

    def layer(name, x):
        return x @ v[f"{prefix}{name}.weight"] + v.get(f"{prefix}{name}.bias", 0)

    first, second = state
    r = second[0]
    place, log_p = chosen(layer("locator", r), sigma, noise)
    rho = seen_in(images, place, size, scales).reshape(len(place), scales * size**2)
    g = relu(layer("what.1", relu(layer("what.0", rho)))) * relu(layer("where", place))
    first, h = EQUATIONS["LSTM"](v.under(f"{prefix}classifying."), first, g)
    second, _ = EQUATIONS["LSTM"](v.under(f"{prefix}choosing."), second, h)
    return (first, second), h, (place, log_p, layer("baseline", r)[:, 0])


def sizes_of_looks(d: Draw):
    size, scales = d.integer("size", [1, 2]), d.integer("scales", [1, 1, 2])
    sigma = d.number("sigma", [0.125, 0.5], "(0, inf)")
    n, k, s = (float(np.asarray(x)) if d.verdict != INVALID else 1 for x in (size, scales, sigma))
    return {"size": size, "scales": scales, "sigma": sigma}, (int(n), int(k), s)


def seen_images(d: Draw, dtype):
    batch = d.one_of([0, 1, 2, 3])
    images = d.floats("images", (batch, 4, 6), wrong=[(batch + 1, 4, 6), (4,)], dtypes=[dtype], special=[0.0])
    return batch, images


@subject("RAM", 120, also=("RAMCell", "retina", "Recurrent", "Linear", "gaussian"))
def ram(d: Draw) -> Call:
    dtype = d.one_of(["f4", "f8"])
    given, (size, scales, sigma) = sizes_of_looks(d)
    classes = d.size("classes", [1, 3])
    features, hidden = d.size("features", [1, 3]), d.size("hidden", [1, 4])
    model = nn.RAM(classes, **given, features=features, hidden=hidden, rng=0, dtype=dtype)
    d.model(model)
    batch, images = seen_images(d, dtype)
    noise = d.floats(
        "noise", (3, batch, 2), wrong=[(3, batch, 1), (0, batch, 2)], dtypes=[dtype], special=[0.0]
    )
    logits, looks = model(images, noise)
    d.leaves.clear()  # no gradient flows through the choices, which differences do not know

    def oracle(v: Values):
        h, place, rows = np.zeros((batch, int(v.hidden))), np.zeros((batch, 2)), []
        for x in v.noise:
            h, place, made = step_of_ram(v, h, place, x, v.images, size, scales, sigma)
            rows.append(made)
        return h @ v["classifier.weight"] + v["classifier.bias"], *map(np.stack, zip(*rows, strict=True))

    return Call((logits, *looks), oracle, dtype=[None] * 4)


@subject("RAMCell", 100, also=("retina", "parts", "gaussian"))
def ram_cell(d: Draw) -> Call:
    dtype = d.one_of(["f4", "f8"])
    cell, batch = looking_cell(d, nn.RAMCell, nn.RAM, dtype, features=3)
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], tensor=True, dtypes=[dtype], special=[0.0])
    state = state_of(d, cell, batch, dtype)
    found = cell(state, x)
    d.leaves.clear()

    def oracle(v: Values):
        h, after, made = step_of_ram(v, *state_in(v), v.x, v.images, 2, 2, 0.5, "model.")
        return (h, after), made

    return Call(found, oracle, dtype=[None] * 5)


@subject("DRAM", 120, also=("DRAMCell", "retina", "Recurrent", "Linear", "gaussian"))
def dram(d: Draw) -> Call:
    dtype = d.one_of(["f4", "f8"])
    given, (size, scales, sigma) = sizes_of_looks(d)
    classes, hidden, each = d.size("classes", [1, 3]), d.size("hidden", [1, 4]), d.integer("looks", [1, 2])
    context = d.one_of([None, (2, 3), (4, 1)])
    model = nn.DRAM(classes, **given, looks=each, hidden=hidden, context=context, rng=0, dtype=dtype)
    d.model(model)
    d.said.append(f"context={context}")
    batch, images = seen_images(d, dtype)
    noise = d.floats(
        "noise", (4, batch, 2), wrong=[(4, batch, 1), (0, batch, 2)], dtypes=[dtype], special=[0.0]
    )
    logits, looks = model(images, noise)
    d.leaves.clear()

    def oracle(v: Values):
        zeros = np.zeros((batch, int(v.hidden)))
        r, hs, rows = zeros, [], []
        if context is not None:
            coarse = v.images.reshape(batch, context[0], 4 // context[0], context[1], 6 // context[1])
            flat = coarse.mean((2, 4)).reshape(batch, context[0] * context[1])
            inner = relu(flat @ v["context.0.weight"] + v["context.0.bias"])
            r = np.tanh(inner @ v["context.1.weight"] + v["context.1.bias"])
        state = (zeros, zeros), (r, zeros)
        for x in v.noise:
            state, h, made = step_of_dram(v, state, x, v.images, size, scales, sigma)
            hs.append(h)
            rows.append(made)
        n = int(v["looks"])
        logits = np.stack(hs)[n - 1 :: n] @ v["classifier.weight"] + v["classifier.bias"]
        return logits, *map(np.stack, zip(*rows, strict=True))

    return Call((logits, *looks), oracle, dtype=[None] * 4)


@subject("DRAMCell", 100, also=("retina", "parts", "gaussian"))
def dram_cell(d: Draw) -> Call:
    dtype = d.one_of(["f4", "f8"])
    cell, batch = looking_cell(d, nn.DRAMCell, nn.DRAM, dtype, context=d.one_of([None, (2, 3)]))
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], tensor=True, dtypes=[dtype], special=[0.0])
    state = state_of(d, cell, batch, dtype)
    found = cell(state, x)
    d.leaves.clear()

    def oracle(v: Values):
        state, h, made = step_of_dram(v, state_in(v), v.x, v.images, 2, 2, 0.5, "model.")
        return state, (h, made)

    return Call(found, oracle, dtype=[None] * 8)


def looking_cell(d: Draw, kind, model, dtype, **options):
    batch, images = seen_images(d, dtype)
    made = model(2, size=2, scales=2, sigma=0.5, hidden=4, rng=0, dtype=dtype, **options)
    cell = kind(made, images)
    d.model(made, prefix="model.")
    return cell, batch


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
