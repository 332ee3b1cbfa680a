"""Recurrent cells: one step, as their equations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from equations import EQUATIONS

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import EITHER, INVALID, extended
from tinygrad_seq import nn, tree

ROUGH = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1e3, -6e4]
KINDS = {  # class: its name in nn.CELLS, its options beyond the sizes
    "RNNCell": ("RNN", {}),
    "LSTMCell": ("LSTM", {}),
    "PeepholeLSTMCell": ("peephole LSTM", {}),
    "FullPeepholeLSTMCell": ("full peephole LSTM", {}),
    "CoupledLSTMCell": ("coupled LSTM", {}),
    "LayerNormLSTMCell": ("layer-normalised LSTM", {}),
    "GRUCell": ("GRU", {}),
    "ResetAfterGRUCell": ("reset-after GRU", {}),
    "MinimalGatedCell": ("minimal gated unit", {}),
    "DepthGatedLSTM": ("depth-gated LSTM", {"layers": ([1, 2, 3], "[1, inf)")}),
    "SkipCell": (
        "skip RNN",
        {"distances": [(1,), (1, 3), [2], (4, 1), (), (0,), (1, 1), (1.5,), "a", 3, None]},
    ),
    "ClockworkRNNCell": (
        "clockwork RNN",
        {"periods": [(1, 2), [1], (2, 3), (), (2, 1), (0, 1), (1.5, 2), 3, None]},
    ),
    "EchoStateCell": (
        "echo state network",
        {
            "spectral_radius": ([0.5, 0.9, 1], "[0, inf)", float),
            "leak": ([0.3, 1, 1.0], "(0, 1]", float),
            "input_scale": ([0.5, 1], "[0, inf)", float),
        },
    ),
    "LiquidStateCell": (
        "liquid state machine",
        {
            "decay": ([0.5, 0.9], "[0, 1]", float),
            "filter": ([0.5, 0.9], "[0, 1]", float),
            "threshold": ([0.7, 1], "(-inf, inf)", float),
        },
    ),
}
WRONG = {
    "distances": [(), (0,), (1, 1), (1.5,), "a", 3, None],
    "periods": [(), (2, 1), (0, 1), (1.5, 2), 3, None],
}


def options_of(d: Draw, wanted: dict) -> dict[str, Any]:
    """Options of a cell, each of them drawn or left out."""
    options: dict[str, Any] = {}
    for name, choice in wanted.items():
        if d.chance(0.5):
            continue
        if isinstance(choice, list):
            value = d.one_of([x for x in choice if x not in WRONG[name]])
            if d.chance(0.15):
                d.judged(INVALID)
                value = d.one_of(WRONG[name])
            options[name] = d.given(name, value, value)
        elif len(choice) == 2:
            options[name] = d.integer(name, *choice)
        else:
            options[name] = d.number(name, *choice[:2])
    return options


def state_of(d: Draw, cell: nn.Cell, batch: int, dtype: Any, name: str = "state") -> Any:
    """A state of the right form; sometimes of another batch, size or form."""
    like = ts.tensor(np.zeros((batch, 1), dtype))
    initial = cell.initial_state(batch, like)
    if d.chance(0.06):
        d.judged(INVALID)
        part = tree.leaves(initial)[0]
        wrong = [
            cell.initial_state(batch + 1 if batch else 2, like),
            (*initial, initial[0]) if isinstance(initial, tuple) else (initial, initial),
            tree.each(lambda p: ts.zeros_like(p, shape=(*p.shape[:-1], p.shape[-1] + 1)), initial),
            "abc",
            3,
            {},
            tree.each(lambda p: ts.zeros_like(p, shape=p.shape[1:]), initial),
        ]
        if isinstance(initial, tuple):
            wrong += [part, initial[:-1]] if len(initial) > 1 else [part]
        return d.given(name, d.one_of(wrong), None)
    parts: list = []

    def filled(part: ts.Tensor) -> ts.Tensor:
        k = f"{name}{len(parts)}"
        if part.dtype.kind != "f":
            values = d.rng.integers(0, 1, part.shape)
        else:
            values = (d.rng.normal(size=part.shape) * 0.7).astype(part.dtype)
        leaf = ts.tensor(values, requires_grad=part.dtype.kind == "f" and d.chance(0.7))
        if leaf.requires_grad:
            d.leaves[k] = leaf
        if leaf.dtype.kind == "f":
            d.dtypes.append(leaf.dtype)
        parts.append(d.kept_(k, leaf))
        return leaf

    state = tree.each(filled, initial)
    names = iter(f"{name}{k}" for k in range(len(parts)))
    d.values[name] = tree.each(lambda _: next(names), initial)  # where the oracle finds the parts
    return state


def state_in(v: Values, name: str = "state") -> Any:
    """The state that the oracle receives."""
    return tree.each(lambda k: v[k], v[name])


def made(d: Draw, kind: str, *, small: bool = False) -> tuple[nn.Cell, Any, int]:
    """A cell of a kind, its equation and its input size."""
    name, wanted = KINDS[kind]
    inputs, units = (
        d.size("input_size", [1, 2, 3]),
        d.size("hidden_size", [1, 2, 4] if kind != "ClockworkRNNCell" else [2, 4, 6]),
    )
    options = {} if small else options_of(d, wanted)
    if kind == "RNNCell" and d.chance(0.5) and not small:
        options["activation"] = d.choice("activation", ["tanh", "relu"])
    if not small:
        options["dtype"] = d.dtype()
    if kind == "ClockworkRNNCell" and "periods" not in options:
        options["periods"] = d.given("periods", (1, 2), (1, 2))
    cell = getattr(nn, kind)(inputs, units, rng=int(d.rng.integers(9)), **options)
    d.model(cell, scale=None if kind in ("EchoStateCell", "LiquidStateCell") else 0.7)
    equation = EQUATIONS["rectified RNN" if options.get("activation") == "relu" else name]
    told = {
        k: (v if k == "distances" else float(np.asarray(v)))
        for k, v in options.items()
        if k in ("distances", "leak", "decay", "filter", "threshold")
    }

    def step(v: Values, state, x):
        return equation(v, state, x, **told)

    return cell, step, int(inputs)


def one_step(d: Draw, kind: str) -> Call:
    cell, step, size = made(d, kind)
    batch = d.one_of([0, 1, 2, 3])
    x = d.floats(
        "x",
        (batch, size),
        wrong=[(batch, size + 1), (batch + 1, size) if batch else (2, size + 1)],
        special=ROUGH,
        tensor=True,
    )
    state = state_of(d, cell, batch, d.one_of(["f4", "f8"]))
    found = cell(state, x)
    rough = kind == "LiquidStateCell"
    floats = [p.dtype for p in tree.leaves(found) if isinstance(p, ts.Tensor)]
    return Call(found, lambda v: step(v, state_in(v), v.x), derivative=not rough, dtype=[None] * len(floats))


for _kind in KINDS:
    subject(_kind, 120, also=("state",))(lambda d, kind=_kind: one_step(d, kind))


@subject("LeakyCell", 120, also=("RNNCell",))
def leaky(d: Draw) -> Call:
    units, batch = d.one_of([1, 2, 3]), d.one_of([0, 1, 2])
    gammas = [1.0, 2, np.full(units, 3.0), [1.5] * units, np.inf, np.float32(4)]
    gamma = d.one_of(gammas)
    if d.chance(0.12):
        d.judged(INVALID)
        gamma = d.one_of(
            [
                0.5,
                math.nan,
                -1,
                "a",
                None,
                {},
                np.ones(units + 1) * 2 if units > 1 else [2, 2],
                np.ones((1, 1, units)),
            ]
        )
    d.given("gamma", gamma, None)
    cell = d.model(nn.LeakyCell(nn.RNNCell(2, units, rng=0), gamma, learned=d.flag("learned")), scale=None)
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], special=ROUGH, tensor=True)
    state = state_of(d, cell, batch, "f4")
    return Call(cell(state, x), lambda v: EQUATIONS["leaky RNN"](v, state_in(v), v.x), dtype=[None] * 2)


__all__ = ["EITHER", "KINDS", "ROUGH", "extended", "made", "state_in", "state_of"]
