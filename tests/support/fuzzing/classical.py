"""Models with hidden states and fixed windows, the ridge readout, and studies of the gradient's flow."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from equations import EQUATIONS

import tinygrad_seq as ts
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


# --- how gradients flow -----------------------------------------------------------------------------------


def jacobian(step: Any, state: np.ndarray) -> np.ndarray:
    """By central differences, (B, S, S)."""
    columns, h = [], np.longdouble(1e-6)
    for j in range(state.shape[1]):
        e = np.zeros_like(state)
        e[:, j] = h
        columns.append((step(state + e) - step(state - e)) / (2 * h))
    return np.stack(columns, axis=-1) if columns else np.zeros((*state.shape, 0))


def flow_problem(d: Draw) -> tuple[Any, ...]:
    kind = d.one_of(["RNNCell", "GRUCell"])
    cell = d.model(getattr(nn, kind)(2, 2, rng=0, dtype="f8"))
    steps, batch = (0 if d.chance(0.03) else d.one_of([1, 2, 4])), d.one_of([0, 1, 3])
    xs = d.floats("xs", (steps, batch, 2), wrong=[(steps, batch, 3), (2,)], special=[0.0], dtypes=["f8"])
    return cell, EQUATIONS["RNN" if kind == "RNNCell" else "GRU"], xs, steps, batch


def states_of(v: Values, equation: Any, steps: int, batch: int) -> list[np.ndarray]:
    h = [np.zeros((batch, 2), np.longdouble)]
    for t in range(steps):
        h.append(equation(v, h[-1], v.xs[t])[0])
    return h


FLOW = ("RNNCell", "GRUCell", "scan")


@subject("step_jacobians", 80, also=FLOW)
def step_jacobians(d: Draw) -> Call:
    cell, equation, xs, steps, batch = flow_problem(d)
    if steps == 0:
        d.judged(INVALID)

    def oracle(v: Values):
        h = states_of(v, equation, steps, batch)
        return [np.stack([jacobian(lambda s, t=t: equation(v, s, v.xs[t])[0], h[t]) for t in range(steps)])]

    return Call([nn.step_jacobians(cell, xs)], oracle, derivative=False, tolerance=1e-8)


@subject("gradient_flow", 80, also=FLOW)
def gradient_flow(d: Draw) -> Call:
    cell, equation, xs, steps, batch = flow_problem(d)
    if steps == 0:
        d.judged(EITHER)
    d.judged(EITHER)

    def oracle(v: Values):
        h = states_of(v, equation, steps, batch)
        back = [np.ones((batch, 2), np.longdouble)]
        for t in reversed(range(1, steps)):
            jac = jacobian(lambda s, t=t: equation(v, s, v.xs[t])[0], h[t])
            back.append(1 + np.einsum("bi,bij->bj", back[-1], jac))
        return [np.sum(h[1:]), np.stack(h), np.stack(back[::-1])]

    flow = nn.gradient_flow(cell, xs, lambda ys: ys.sum())
    return Call([flow.loss, flow.states, flow.gradients[0]], oracle, derivative=False, tolerance=1e-8)


@subject("vanishing_penalty", 80, also=FLOW)
def vanishing_penalty(d: Draw) -> Call:
    cell, equation, xs, steps, batch = flow_problem(d)
    exact, recorded = d.flag("exact"), d.flag("create_graph")
    if not batch:
        d.judged(EITHER)
    d.judged(INVALID if exact and not recorded else EITHER)

    def oracle(v: Values):
        h = states_of(v, equation, steps, batch)
        back, total = np.ones((batch, 2), np.longdouble), np.zeros(batch, np.longdouble)
        for t in reversed(range(1, steps)):
            jac = jacobian(lambda s, t=t: equation(v, s, v.xs[t])[0], h[t])
            here = np.einsum("bi,bij->bj", back, jac)
            total += (
                np.linalg.norm(here.astype(float), axis=1) / np.linalg.norm(back.astype(float), axis=1) - 1
            ) ** 2
            back = 1 + here
        return [np.sum(total) / max(batch, 1)]

    flow = nn.gradient_flow(cell, xs, lambda ys: ys.sum(), create_graph=recorded)
    return Call([nn.vanishing_penalty(flow, exact=exact)], oracle, derivative=False, tolerance=1e-7)


@subject("singular_values", 80)
def singular_values(d: Draw) -> Call:
    lead, n = d.one_of([(), (0,), (2,), (2, 1)]), d.one_of([1, 2, 3])
    x = d.floats("matrices", (*lead, n, n), wrong=[(), (3,)], special=[math.nan, math.inf, 0.0])

    def oracle(v: Values):
        found = np.full((*lead, n), np.nan)
        for i in np.ndindex(lead):
            if np.all(np.isfinite(v.matrices[i])):
                found[i] = np.sqrt(
                    np.maximum(np.linalg.eigvalsh((v.matrices[i].T @ v.matrices[i]).astype(float))[::-1], 0)
                )
        return [found]

    return Call([nn.singular_values(x).round(7)], lambda v: [oracle(v)[0].round(7)], dtype="f8")


@subject("product_bound", 60)
def product_bound(d: Draw) -> Call:
    steps, batch = d.one_of([1, 3]), d.one_of([0, 1, 2])
    norms = d.floats(
        "norms", (steps, batch), wrong=[(steps + 1, batch), (steps, batch + 1)], change=np.abs, special=[0.0]
    )
    factors = d.floats("factors", (steps, batch), wrong=[(steps + 1, batch)], change=np.abs, special=[0.0])
    return Call(
        [nn.product_bound(norms, factors)],
        lambda v: [np.stack([v.norms[-1] * np.prod(v.factors[t + 1 :], axis=0) for t in range(steps)])],
        dtype="f8",
    )


@subject("separate_factors", 60)
def separate_factors(d: Draw) -> Call:
    cell = d.one_of(
        [
            nn.RNNCell(2, 3, rng=0, dtype="f8"),
            nn.RNNCell(2, 3, activation="relu", rng=0, dtype="f8"),
            nn.GRUCell(2, 3),
            nn.LSTMCell(2, 3),
        ]
    )
    if not isinstance(cell, nn.RNNCell):
        d.judged(INVALID)
    hs = d.floats("hs", d.one_of([(1, 1, 3), (4, 2, 3), (0, 2, 3)]), change=np.tanh, special=[0.0])
    w = cell.Wh.numpy()

    def oracle(v: Values):
        slopes = np.max(1 - v.hs**2 if cell.activation == "tanh" else np.where(v.hs > 0, 1.0, 0.0), axis=-1)
        return [slopes * np.linalg.norm(w, 2)]

    return Call([nn.separate_factors(cell, hs)], oracle, dtype="f8")


@subject("eigenvalue_powers", 60, also=("linear_recurrence",))
def eigenvalue_powers(d: Draw) -> Call:
    n = d.one_of([1, 2, 3])
    x = d.floats(
        "matrix", (n, n), wrong=[(n, n + 1), (), (n,)], change=lambda a: a + a.T, special=[], scales=[1.0]
    )
    steps = d.integer("steps", [0, 1, 4], "[0, inf)")

    def oracle(v: Values):
        w = v.matrix.astype(float)
        powers = [np.trace(np.linalg.matrix_power(w, t)) for t in range(int(steps) + 1)]
        return [np.array(powers)]

    return Call([np.real(np.sum(nn.eigenvalue_powers(x, steps), axis=1))], oracle, dtype="f8")


@subject("linear_recurrence", 80)
def linear_recurrence(d: Draw) -> Call:
    n, symmetric = d.one_of([1, 2, 3]), d.chance(0.9)
    x = d.rng.normal(size=(n, n))
    x = ts.tensor(x + x.T if symmetric else x + np.triu(np.ones((n, n)), 1) * 3)
    d.given("matrix", x, x.numpy())
    if not symmetric and n > 1:
        d.judged(INVALID)
    start = d.floats("start", (n,), wrong=[(n + 1,)], special=[0.0], dtypes=["f8"])
    steps = d.integer("steps", [0, 1, 4], "[0, inf)")

    def oracle(v: Values):
        return [
            np.stack(
                [v.start.astype(float) @ np.linalg.matrix_power(v.matrix, t) for t in range(int(steps) + 1)]
            )
        ]

    return Call([nn.linear_recurrence(x, start, steps)], oracle, dtype="f8")


@subject("from_torch", 60, also=("weight_ih_l0", "Recurrent"))
def exchanged(d: Draw) -> Call:
    """The weights of one network in another make it compute the same; to_torch has them transposed."""
    kind = d.one_of(["LSTMCell", "RNNCell", "ResetAfterGRUCell"])
    one, other = (nn.Recurrent(getattr(nn, kind)(2, 3, rng=k, dtype="f8")) for k in (0, 1))
    arrays = nn.to_torch(one)
    if d.chance(0.3):
        d.judged(INVALID)
        key = d.one_of(list(arrays))
        change = d.one_of(["missing", "more", "shape"])
        if change == "missing":
            del arrays[key]
        else:
            arrays[key if change == "shape" else "more"] = np.zeros((1, 1))
        d.said.append(f"{change} {key}")
    nn.from_torch(arrays, other)
    cells = [nn.to_torch(other)["weight_ih_l0"].T, other.cell.Wh]
    return Call(cells, lambda v: [one.cell.Wx.numpy(), one.cell.Wh.numpy()], derivative=False)
