"""Models with hidden states and fixed windows, the ridge readout, and studies of the gradient's flow."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import EITHER, INVALID
from fuzzing.layers import linear_of
from fuzzing.losses import log_softmax
from tinygrad_seq import nn

ROUGH = [0.0, -0.0, 30.0]


def double(v: Values) -> Values:
    """For NumPy's linear algebra, which has no extended precision."""
    return Values(
        {k: x.astype(float) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x for k, x in v.items()}
    )


def inside_of(v: Values, steps: int, batch: int) -> np.ndarray:
    ends = np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
    return np.arange(steps)[:, None] < ends


def factor(weight: np.ndarray) -> np.ndarray:
    return np.tril(weight, -1) + np.diag(np.exp(np.diag(weight)))


@subject("Covariance", 80, also=("covariance",))
def covariance(d: Draw) -> Call:
    size = d.size("size", [1, 2, 3])
    model = d.model(nn.Covariance(size, dtype=d.dtype()))
    return Call([model()], lambda v: [factor(v.weight) @ factor(v.weight).T])


def observations(d: Draw, size: int) -> tuple[Any, Any, int, int]:
    steps, batch = (0 if d.chance(0.03) else d.one_of([1, 2, 4])), d.one_of([0, 1, 3])
    lengths = d.lengths(steps, batch)
    wrong = [(steps, batch, size + 1), (steps, size), ()]
    xs = d.floats("xs", (steps, batch, size), wrong=wrong, special=ROUGH, dtypes=["f4", "f8"])
    if steps == 0:
        d.judged(INVALID)
    return xs, lengths, steps, batch


OBSERVED = ("observations", "lengths")


@subject("LinearDynamicalSystem", 100, also=OBSERVED)
def dynamical(d: Draw) -> Call:
    states, size = d.size("states", [1, 2]), d.size("size", [1, 2])
    model = d.model(nn.LinearDynamicalSystem(states, size, rng=0, dtype=d.one_of(["f4", "f8"])), scale=0.4)
    xs, lengths, steps, batch = observations(d, int(size))
    if len(set(d.dtypes)) > 1:
        d.judged(EITHER)

    def oracle(v: Values):
        v = double(v)
        a, c, b, n = v.transition, v.emission, v.bias, int(size)
        p, q, r = (
            f @ f.T
            for f in (factor(v[k + ".weight"]) for k in ("initial_noise", "transition_noise", "emission_noise"))
        )
        m, logs = np.tile(v.initial, (batch, 1)), []
        for t in range(steps):
            s = c.T @ p @ c + r
            e = v.xs[t] - m @ c - b
            inverse = np.linalg.inv(s)
            logs.append(
                -0.5 * (np.sum(e @ inverse * e, axis=1) + n * math.log(2 * math.pi) + np.log(np.linalg.det(s)))
            )
            k = inverse @ c.T @ p
            m, p = m + e @ k, p - p @ c @ k
            m, p = m @ a, a.T @ p @ a + q
        return [np.where(inside_of(v, steps, batch), np.reshape(logs, (steps, batch)), 0)]

    return Call([model.log_likelihoods(xs, lengths)], oracle)


@subject("HiddenMarkovModel", 120, also=("symbols", "lengths"))
def markov(d: Draw) -> Call:
    """The sum, and the maximum, over all paths of the hidden state."""
    states, symbols = d.size("states", [1, 2, 3]), d.size("symbols", [1, 3])
    model = d.model(nn.HiddenMarkovModel(states, symbols, rng=0, dtype=d.one_of(["f4", "f8"])))
    steps, batch = (0 if d.chance(0.03) else d.one_of([1, 2, 3])), d.one_of([0, 1, 2])
    if steps == 0:
        d.judged(INVALID)
    xs = d.integers("xs", (steps, batch), 0, int(symbols), wrong=[(steps,), (steps, batch, 1)])
    lengths = d.lengths(steps, batch)
    viterbi = d.chance(0.4)

    def oracle(v: Values):
        pi, a, b = log_softmax(v.initial), log_softmax(v.transition), log_softmax(v.emission)
        ids, inside = np.asarray(v.xs, int), inside_of(v, steps, batch)
        logs, paths = np.zeros((steps, batch), np.longdouble), np.zeros((steps, batch), int)
        for i in range(batch if int(states) else 0):
            before = 0.0
            for t in range(int(inside[:, i].sum())):
                every = {}
                for z in itertools.product(range(int(states)), repeat=t + 1):
                    every[z] = (
                        pi[z[0]]
                        + sum(a[z[k], z[k + 1]] for k in range(t))
                        + sum(b[z[k], ids[k, i]] for k in range(t + 1))
                    )
                total = np.logaddexp.reduce(np.array(list(every.values())))
                logs[t, i], before = total - before, total
                paths[: t + 1, i] = max(every, key=every.get)
        return [paths] if viterbi else [logs]

    if viterbi:
        return Call([model.viterbi(xs, lengths)], oracle)
    return Call([model.log_likelihoods(xs, lengths)], oracle)


def window(x: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate(
        [np.concatenate([np.zeros_like(x[:k]), x[: len(x) - k]])[: len(x)] for k in range(1, n + 1)], axis=-1
    )


@subject("FixedWindow", 100, also=("window", "Linear", "lengths"))
def fixed_window(d: Draw) -> Call:
    n = d.integer("steps", [1, 2, 3])
    count = int(n) if d.verdict != INVALID else 1
    features = d.model(nn.Linear(2, 2, rng=0), prefix="f.")
    network = d.model(nn.Linear(2 * count, 3, rng=1), prefix="g.")
    model = nn.FixedWindow(features, network, steps=n)
    steps, batch = d.one_of([0, 1, 2, 5]), d.one_of([0, 1, 3])
    lengths = d.lengths(steps, batch)
    xs = d.floats("xs", (steps, batch, 2), wrong=[(steps, batch, 3), ()], special=ROUGH, dtypes=["f4", "f8"])

    def oracle(v: Values):
        inside = inside_of(v, steps, batch)[..., None]
        y = linear_of(v, window(linear_of(v, np.where(inside, v.xs, 0), "f."), count), "g.")
        return [np.where(inside, y, 0)]

    return Call([model(xs, lengths)], oracle)


@subject("Autoregressive", 120, also=("window", *OBSERVED))
def autoregressive(d: Draw) -> Call:
    size, n = d.size("size", [1, 2]), d.integer("steps", [1, 2, 3])
    model = d.model(nn.Autoregressive(size, steps=n, dtype=d.dtype()), scale=0.5)
    xs, lengths, steps, batch = observations(d, int(size))
    predictions = d.chance(0.4)

    def oracle(v: Values):
        inside = inside_of(v, steps, batch)
        x = np.where(inside[..., None], v.xs, 0)
        mean = window(x, int(n)) @ v.weight + v.bias
        if predictions:
            return [np.where(inside[..., None], mean, 0)]
        z = (x - mean) @ factor(v.whitening)
        logs = -0.5 * (np.sum(z * z, axis=-1) + int(size) * np.log(2 * np.longdouble(np.pi))) + np.trace(
            v.whitening
        )
        return [np.where(inside, logs, 0)]

    return Call([(model.predictions if predictions else model.log_likelihoods)(xs, lengths)], oracle)


@subject("ridge", 120)
def ridge(d: Draw) -> Call:
    steps, batch, size, outputs = d.one_of([4, 6]), d.one_of([1, 2]), d.one_of([1, 3]), d.one_of([1, 2])
    h = d.floats(
        "states",
        (steps, batch, size),
        wrong=[(steps, size), (steps + 1, batch, size)],
        special=[],
        dtypes=["f4", "f8"],
        tensor=True,
    )
    dtype = d.dtypes[0] if d.dtypes else None
    y = d.floats(
        "targets",
        (steps, batch, outputs),
        wrong=[(steps, outputs), (steps, batch + 1, outputs)],
        special=[],
        dtypes=["f4", "f8"],
        tensor=True,
    )
    penalty = d.number("penalty", [0.1, 1, 2.0], "[0, inf)")
    options = {"washout": d.integer("washout", [0, 1, 2], "[0, 3]")} if d.chance(0.5) else {}

    def oracle(v: Values):
        k = int(options.get("washout", 0))
        x, t = (np.reshape(a[k:], (-1, a.shape[2])).astype(float) for a in (v.states, v.targets))
        xc, tc = x - x.mean(0), t - t.mean(0)
        w = np.linalg.solve(xc.T @ xc + v.penalty * np.eye(size), xc.T @ tc)
        return [w, t.mean(0) - x.mean(0) @ w]

    layer = nn.ridge(h, y, penalty=penalty, **options)
    return Call([layer.weight.detach(), layer.bias.detach()], oracle, dtype=dtype)
