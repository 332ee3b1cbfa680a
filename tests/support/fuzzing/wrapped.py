"""Cells that wrap other cells: combinators, attention, adaptive computation time, the neural Turing machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from equations import EQUATIONS

import tinygrad_seq as ts
from fuzzing.attention import onehot, softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import KINDS, state_in, state_of
from fuzzing.draw import INVALID
from fuzzing.layers import linear_of
from tinygrad_seq import nn, tree

ROUGH = [math.nan, math.inf, 0.0, -0.0, 1e3]
DTYPES = ["f4", "f8", "f2"]
BATCHES = [0, 1, 2, 3]


def inner(d: Draw, kind: str, inputs: int, units: int, dtype: str) -> nn.Cell:
    return getattr(nn, kind)(inputs, units, rng=int(d.rng.integers(9)), dtype=dtype)


def step_of(kind: str, v: Values, prefix: str, state: Any, x: Any) -> tuple[Any, Any]:
    return EQUATIONS[KINDS[kind][0]](v.under(prefix), state, x)


def wrapped(d: Draw, cell: nn.Cell, inputs: int, dtype: str, equation, **known: Any) -> Call:
    """One call of a cell, from a state of its own."""
    d.model(cell)
    batch = d.one_of(BATCHES)
    wrong = [(batch, inputs + 1), (batch, inputs + 2)]
    x = d.floats("x", (batch, inputs), wrong=wrong, special=ROUGH, tensor=True, dtypes=[dtype])
    state = state_of(d, cell, batch, dtype)
    found = cell(state, x)
    return Call(found, lambda v: equation(v, state_in(v), v.x), dtype=[None] * len(tree.leaves(found)), **known)


@subject("Stacked", 150, also=(*KINDS, "cells"))
def stacked(d: Draw) -> Call:
    dtype, kinds = (
        d.one_of(DTYPES),
        [d.one_of(["RNNCell", "LSTMCell", "GRUCell"]) for _ in range(d.one_of([1, 2, 3]))],
    )
    to_all, all_out = d.chance(0.5), d.chance(0.5)
    cells, width = [], 2
    for k, kind in enumerate(kinds):
        cells.append(inner(d, kind, width + 2 if to_all and k else width, k + 1, dtype))
        width = k + 1
    d.said.append(f"{kinds}, input_to_all={to_all}, all_to_output={all_out}")

    def equation(v: Values, state, x):
        after, outputs, below = [], [], x
        for k, kind in enumerate(kinds):
            s, y = step_of(kind, v, f"cells.{k}.", state[k], below)
            after.append(s)
            outputs.append(y)
            below = np.concatenate([x, y], axis=1) if to_all else y
        return tuple(after), np.concatenate(outputs, axis=1) if all_out else outputs[-1]

    return wrapped(d, nn.Stacked(*cells, input_to_all=to_all, all_to_output=all_out), 2, dtype, equation)


@subject("Residual", 100, also=(*KINDS, "shortcut"))
def residual(d: Draw) -> Call:
    dtype, kind, units = (
        d.one_of(DTYPES),
        d.one_of(["RNNCell", "LSTMCell", "GRUCell"]),
        d.one_of([2, 2, 2, 3, 1]),
    )
    if units != 2:
        d.judged(INVALID)
    cell = nn.Residual(inner(d, kind, 2, units, dtype))

    def equation(v: Values, state, x):
        state, y = step_of(kind, v, "cell.", state, x)
        return state, x + y

    return wrapped(d, cell, 2, dtype, equation)


@subject("Mapped", 100, also=(*KINDS, "Linear"))
def mapped(d: Draw) -> Call:
    dtype, kind = d.one_of(DTYPES), d.one_of(["RNNCell", "LSTMCell", "GRUCell"])
    before = nn.Linear(2, 3, rng=0, dtype=dtype) if d.chance(0.6) else None
    after = nn.Linear(2, 1, rng=1, dtype=dtype) if d.chance(0.6) else None
    cell = nn.Mapped(inner(d, kind, 3 if before else 2, 2, dtype), before=before, after=after)

    def equation(v: Values, state, x):
        state, y = step_of(kind, v, "cell.", state, linear_of(v, x, "before.") if before else x)
        return state, linear_of(v, y, "after.") if after else y

    return wrapped(d, cell, 2, dtype, equation)


@subject("DeepTransition", 100, also=KINDS)
def deep_transition(d: Draw) -> Call:
    dtype, shortcut, count = d.one_of(DTYPES), d.chance(0.6), d.one_of([1, 2, 3])
    kinds = [d.one_of(["RNNCell", "GRUCell"]) for _ in range(count)]
    cells = [inner(d, kind, 2 if k == 0 else 3 * shortcut, 3, dtype) for k, kind in enumerate(kinds)]

    def equation(v: Values, h, x):
        skipped, (h, _) = h if shortcut else h[:, :0], step_of(kinds[0], v, "cells.0.", h, x)
        for k in range(1, count):
            h, _ = step_of(kinds[k], v, f"cells.{k}.", h, skipped)
        return h, h

    return wrapped(d, nn.DeepTransition(*cells, shortcut=shortcut), 2, dtype, equation)


@subject("FedBack", 100, also=(*KINDS, "parts", "Linear"))
def fed_back(d: Draw) -> Call:
    dtype, kind = d.one_of(DTYPES), d.one_of(["RNNCell", "LSTMCell", "GRUCell"])
    size = d.integer("size", [2])
    cell = nn.FedBack(inner(d, kind, 2 + 2, 3, dtype), nn.Linear(3, 2, rng=1, dtype=dtype), size=size)

    def equation(v: Values, state, x):
        s, y = step_of(kind, v, "cell.", state[0], np.concatenate([x, state[1]], axis=1))
        y = linear_of(v, y, "readout.")
        return (s, y), y

    return wrapped(d, cell, 2, dtype, equation)


@subject("LearnedStart", 100, also=KINDS)
def learned_start(d: Draw) -> Call:
    dtype, kind = d.one_of(DTYPES), d.one_of(["RNNCell", "LSTMCell", "GRUCell"])
    cell = d.model(nn.LearnedStart(inner(d, kind, 2, 3, dtype), dtype=dtype))
    batch = d.one_of(BATCHES)
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], special=ROUGH, tensor=True, dtypes=[dtype])

    def oracle(v: Values):
        start = [np.tile(v[f"start.{k}"], (batch, 1)) for k in range(len(cell.start))]
        return step_of(kind, v, "cell.", tuple(start) if kind == "LSTMCell" else start[0], v.x)

    found = cell(cell.initial_state(batch, ts.tensor(np.zeros((batch, 2), dtype))), x)
    return Call(found, oracle)


def attending(d: Draw, hard: bool) -> Call:
    dtype, kind = d.one_of(DTYPES), d.one_of(["LSTMCell", "GRUCell"])
    batch, count, size, additive = d.one_of(BATCHES), d.one_of([1, 2, 4]), 2, d.chance(0.5)
    score = nn.AdditiveScore(2, size, 3, rng=2, dtype=dtype) if additive else nn.DotScore()
    lead = d.one_of([(batch,), (batch,), ()])
    wrong = [(batch + 1, count, size), (count,)] if lead else [(count,)]
    h = d.floats("annotations", (*lead, count, size), wrong=wrong, special=[0.0, -0.0], dtypes=[dtype])
    keep = d.mask("keep", (*lead, count), wrong=[(*lead, count + 1)]) if d.chance(0.5) else None
    if (
        keep is not None
        and isinstance(h, np.ndarray)
        and d.values["keep"] is not None
        and h.shape == (*lead, count, size)
        and h.dtype.kind == "f"
        and d.chance(0.5)
    ):
        h = np.where(d.values["keep"][..., None], h, np.nan).astype(h.dtype)  # they have no influence
        d.given("annotations", h, np.where(d.values["keep"][..., None], d.values["annotations"], np.nan))
    gate = nn.Linear(2, 1, rng=3, dtype=dtype) if d.chance(0.5) else None
    look = nn.HardAttending if hard else nn.Attending
    cell = d.model(look(inner(d, kind, 2 + size, 2, dtype), score, h, keep, gate))
    d.leaves = {k: t for k, t in d.leaves.items() if k != "annotations" or t is h}
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], special=[0.0], tensor=True, dtypes=[dtype])
    state = state_of(d, cell, batch, dtype)

    def oracle(v: Values):
        s = state_in(v)
        query, shown = (s[0] if kind == "LSTMCell" else s), np.broadcast_to(v.annotations, (batch, count, size))
        if keep is not None:
            shown = np.where(v.keep[..., None], shown, 0)
        if additive:
            e = np.tanh((query @ v["score.W"])[:, None] + shown @ v["score.U"]) @ v["score.v"]
        else:
            e = np.sum(query[:, None] * shown, axis=-1)
        e = e if keep is None else np.where(v.keep, e, -np.inf)
        alpha = onehot(e) * (e > -np.inf) if hard else softmax(e)
        c = np.sum(alpha[..., None] * shown, axis=1)
        c = c if gate is None else c / (1 + np.exp(-linear_of(v, query, "gate.")))
        s, y = step_of(kind, v, "cell.", s, np.concatenate([v.x, c], axis=1))
        return s, np.concatenate([y, c], axis=1)

    found = cell(state, x)
    return Call(found, oracle, infinite=keep is not None, dtype=[None] * len(tree.leaves(found)))


for _hard, _name in ((False, "Attending"), (True, "HardAttending")):
    subject(_name, 200, also=(*KINDS, "Attending", "AdditiveScore", "DotScore"))(
        lambda d, hard=_hard: attending(d, hard)
    )
