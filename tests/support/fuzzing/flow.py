"""How gradients flow through time: Jacobians, bounds, penalties; and weights from and to PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from equations import EQUATIONS

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import EITHER, INVALID
from tinygrad_seq import nn

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


def damaged(d: Draw, arrays: dict[str, np.ndarray]) -> None:
    """Perhaps one of the arrays is missing, one is too many, or one is of another shape."""
    if d.chance(0.3):
        d.judged(INVALID)
        key = d.one_of([name for name in arrays if name != "bias"])  # a network may have none
        change = d.one_of(["missing", "more", "shape"])
        if change == "missing":
            del arrays[key]
        else:
            arrays[key if change == "shape" else "more"] = np.zeros((1, 1))
        d.said.append(f"{change} {key}")


def two_networks(d: Draw) -> list[nn.Recurrent]:
    kind = d.one_of(["LSTMCell", "RNNCell", "ResetAfterGRUCell"])
    return [nn.Recurrent(getattr(nn, kind)(2, 3, rng=k, dtype="f8")) for k in (0, 1)]


@subject("from_torch", 60, also=("weight_ih_l0", "Recurrent", "Sequential"))
def from_torch(d: Draw) -> Call:
    """The weights of one network in another make it compute the same; also in a model, where it has a name."""
    networks = two_networks(d)
    models, names = networks, [None, None]
    if d.chance(0.5):
        models = [nn.Sequential(nn.Linear(2, 2, rng=k, dtype="f8"), rnn) for k, rnn in enumerate(networks)]
        names = [{"lstm": rnn} for rnn in networks]
    arrays = nn.to_torch(models[0], names=names[0])
    damaged(d, arrays)
    nn.from_torch(arrays, models[1], names=names[1])
    (wx,) = (array for name, array in nn.to_torch(models[1]).items() if "weight_ih_l0" in name)
    one, other = networks
    return Call([wx.T, other.cell.Wh], lambda v: [one.cell.Wx.numpy(), one.cell.Wh.numpy()], derivative=False)


@subject("from_weights", 60, also=("kernel", "Recurrent", "library"))
def from_weights(d: Draw) -> Call:
    """The weights of one network in another, by way of Keras."""
    one, other = two_networks(d)
    arrays = nn.to_weights("keras", one)
    damaged(d, arrays)
    nn.from_weights(d.choice("library", ["keras"], wrong=["Keras", None]), arrays, other)
    return Call(other.parameters(), lambda v: [p.numpy() for p in one.parameters()], derivative=False)
