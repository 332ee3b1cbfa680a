"""Runners: the loop over their cell's equation, with lengths; and the patterns made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from equations import EQUATIONS, over_time

import tinygrad_seq as ts
from fuzzing.attention import softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import KINDS, state_in, state_of
from fuzzing.draw import EITHER, INVALID
from fuzzing.layers import linear_of
from tinygrad_seq import nn, tree

DTYPES = ["f4", "f8", "f2"]
ROUGH = [math.nan, math.inf, 0.0, -0.0, 1e3]


def cell_of(d: Draw, inputs: int, dtype: str, prefix: str, kinds=tuple(KINDS)) -> tuple[nn.Cell, Any]:
    """A cell and its equation on the values under `prefix`."""
    kind = d.one_of([*kinds, "LSTMCell", "GRUCell"])
    d.said.append(kind)
    options = {"periods": (1, 2)} if kind == "ClockworkRNNCell" else {}
    units = d.one_of([2, 4] if options else [1, 2, 3])
    cell = getattr(nn, kind)(inputs, units, rng=int(d.rng.integers(9)), dtype=dtype, **options)
    d.model(cell, prefix=prefix, scale=None if "State" in kind else 0.7)
    equation = EQUATIONS[KINDS[kind][0]]
    return cell, lambda v, state, x: equation(v.under(prefix), state, x)


def sequence(d: Draw, steps: int, batch: int, inputs: int, dtype: str, batch_first=False) -> tuple[Any, Any]:
    """xs, whose values past the lengths may be anything, and lengths."""
    lengths = d.lengths(steps, batch)
    shape = (batch, steps, inputs) if batch_first else (steps, batch, inputs)
    wrong = [(*shape[:2], inputs + 1), (), (inputs,)]
    other = dtype if d.chance(0.8) else d.one_of(DTYPES)
    xs = d.floats("xs", shape, wrong=wrong, special=ROUGH, scales=(1.0, 3.0), dtypes=[other])
    if steps == 0:
        d.judged(INVALID)
    known = d.values["lengths"]
    if (
        known is not None
        and isinstance(d.values["xs"], np.ndarray)
        and d.chance(0.6)
        and isinstance(xs, np.ndarray)
    ):
        past = np.arange(steps)[:, None] >= np.reshape(known, (-1,))
        past = past.T if batch_first else past
        if past.shape == xs.shape[:2] and xs.dtype.kind == "f":
            xs = np.where(past[..., None], np.nan, xs).astype(xs.dtype)
            d.given("xs", xs, np.where(past[..., None], np.nan, d.values["xs"]))
    return xs, lengths


def finite_within(d: Draw, steps: int, batch_first=False) -> bool:
    """Whether xs are finite within the lengths; then so are the gradients."""
    xs, lengths = d.values.get("xs"), d.values.get("lengths")
    if not isinstance(xs, np.ndarray) or xs.dtype.kind != "f":
        return False
    xs = np.swapaxes(xs, 0, 1) if batch_first else xs
    if lengths is None:
        return bool(np.all(np.isfinite(xs)))
    inside = np.arange(steps)[:, None] < np.reshape(lengths, (1, -1))
    return bool(np.all(np.isfinite(np.where(inside[..., None], xs, 0))))


def sizes_of(d: Draw) -> tuple[int, int, int]:
    """T, B, I."""
    return (0 if d.chance(0.02) else d.one_of([1, 2, 3, 5])), d.one_of([0, 1, 2, 3, 4]), d.one_of([1, 2, 3])


def zero_state(v: Values, cell: nn.Cell, batch: int) -> Any:
    state = cell.initial_state(batch, ts.tensor(np.zeros((batch, 1), "f8")))
    return tree.each(lambda p: np.array(p.numpy(), np.longdouble if p.dtype.kind == "f" else None), state)


@subject("Recurrent", 500, also=("recurrent", "lengths", "state", *KINDS))
def recurrent(d: Draw) -> Call:
    (steps, batch, inputs), dtype = sizes_of(d), d.one_of(DTYPES)
    cell, step = cell_of(d, inputs, dtype, "cell.")
    reverse, first, unroll = (d.chance(0.3) for _ in range(3))
    d.said.append(f"reverse={reverse}, batch_first={first}, unroll={unroll}")
    runner = nn.Recurrent(cell, reverse=reverse, batch_first=first, unroll=unroll)
    xs, lengths = sequence(d, steps, batch, inputs, dtype, first)
    state = state_of(d, cell, batch, dtype) if d.chance(0.4) else None
    summary = d.chance(0.3)

    def oracle(v: Values):
        x = np.swapaxes(v.xs, 0, 1) if first else v.xs
        start = zero_state(v, cell, batch) if state is None else state_in(v)
        ys, last = over_time(lambda s, x: step(v, s, x), start, x, v.lengths, reverse)
        if summary:
            ends = np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
            y = [ys[0 if reverse else max(int(n) - 1, 0), i] for i, n in enumerate(ends)]
            return np.reshape(y, ys.shape[1:]), last
        return (np.swapaxes(ys, 0, 1) if first else ys), last

    found = (runner.summary if summary else runner)(xs, state, lengths)
    smooth = not isinstance(cell, nn.LiquidStateCell)
    return Call(
        found,
        oracle,
        infinite=finite_within(d, steps, first),
        derivative=smooth,
        dtype=[None] * len(tree.leaves(found)),
    )


@subject("Bidirectional", 200, also=("recurrent", "Recurrent", "lengths", "state", "directions", *KINDS))
def bidirectional(d: Draw) -> Call:
    (steps, batch, inputs), dtype = sizes_of(d), d.one_of(DTYPES)
    forward, f_step = cell_of(d, inputs, dtype, "forward.cell.", ("RNNCell",))
    backward, b_step = cell_of(d, inputs, dtype, "backward.cell.", ("RNNCell",))
    runner = nn.Bidirectional(forward, backward)
    xs, lengths = sequence(d, steps, batch, inputs, dtype)
    state = None
    if d.chance(0.4):
        state = state_of(d, forward, batch, dtype, "first"), state_of(d, backward, batch, dtype, "second")
        if d.chance(0.05):
            d.judged(INVALID)
            state = d.one_of([state[0], state[:1], (*state, state[0]), 3, "ab"])

    def oracle(v: Values):
        starts = [zero_state(v, c, batch) for c in (forward, backward)]
        if state is not None:
            starts = [state_in(v, "first"), state_in(v, "second")]
        ys, last = over_time(lambda s, x: f_step(v, s, x), starts[0], v.xs, v.lengths)
        zs, end = over_time(lambda s, x: b_step(v, s, x), starts[1], v.xs, v.lengths, reverse=True)
        return np.concatenate([ys, zs], axis=-1), (last, end)

    found = runner(xs, state, lengths)
    return Call(found, oracle, infinite=finite_within(d, steps), dtype=[None] * len(tree.leaves(found)))


@subject("Layers", 200, also=("recurrent", "Recurrent", "lengths", "state", "layers", "Linear", *KINDS))
def layers(d: Draw) -> Call:
    """A linear layer below the first runner, where NaN in the padding has no influence either."""
    (steps, batch, inputs), dtype = sizes_of(d), d.one_of(DTYPES)
    below = d.model(nn.Linear(inputs, 2, rng=0, dtype=dtype), prefix="below.")
    first, one = cell_of(d, 2, dtype, "first.", ("RNNCell",))
    width = np.shape(first(first.initial_state(1, ts.ones((1, 2))), ts.ones((1, 2)))[1])[1]
    second, two = cell_of(d, width, dtype, "second.", ("RNNCell",))
    runner = nn.Layers(below, nn.Recurrent(first), ts.tanh, nn.Recurrent(second))
    xs, lengths = sequence(d, steps, batch, inputs, dtype)

    def oracle(v: Values):
        inside = np.arange(steps)[:, None] < (
            np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
        )
        u = linear_of(v, np.where(inside[..., None], v.xs, 0), "below.")
        ys, last = over_time(lambda s, x: one(v, s, x), zero_state(v, first, batch), u, v.lengths)
        zs, end = over_time(lambda s, x: two(v, s, x), zero_state(v, second, batch), np.tanh(ys), v.lengths)
        return zs, (last, end)

    found = runner(xs, None, lengths)
    return Call(found, oracle, infinite=finite_within(d, steps), dtype=[None] * len(tree.leaves(found)))


@subject("RecurrentDropout", 120, also=("recurrent", "Recurrent", "lengths", "dropout", "Dropout", *KINDS))
def recurrent_dropout(d: Draw) -> Call:
    (steps, batch, inputs), dtype, seed = sizes_of(d), d.one_of(DTYPES), int(d.rng.integers(99))
    cell, step = cell_of(d, inputs, dtype, "cell.", ("RNNCell",))
    p = d.number("p", [0, 0.25, 0.5], "[0, 1)")
    runner = nn.RecurrentDropout(nn.Recurrent(cell), p, rng=seed)
    xs, lengths = sequence(d, steps, batch, inputs, dtype)
    size = cell.Wh.shape[0]
    mask = nn.Dropout(p, rng=seed)(ts.ones((size, 1), dtype=np.float64)).numpy()

    def oracle(v: Values):
        dropped = Values(v, **{"cell.Wh": v["cell.Wh"] * mask})
        return over_time(lambda s, x: step(dropped, s, x), zero_state(v, cell, batch), v.xs, v.lengths)

    found = runner(xs, None, lengths)
    return Call(found, oracle, infinite=finite_within(d, steps))


@subject("SelfAttention", 200, also=("self-attention", "lengths", "projection", "Linear"))
def self_attention(d: Draw) -> Call:
    steps, batch, dtype = (0 if d.chance(0.03) else d.one_of([1, 2, 4])), d.one_of([0, 1, 3]), d.one_of(DTYPES)
    size, heads = d.integer("size", [2, 4, 6]), d.integer("heads", [1, 2])
    model = d.model(nn.SelfAttention(size, heads=heads, rng=0, dtype=dtype))
    xs, lengths = sequence(d, steps, batch, int(size), dtype)

    def oracle(v: Values):
        n, width = int(heads), int(size) // int(heads)
        ends = np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
        inside = np.arange(steps)[:, None] < ends
        x = np.where(inside[..., None], v.xs, 0)
        q, k, u = np.split(linear_of(v, x, "projection."), 3, axis=-1)
        y = np.zeros((steps, batch, int(size)), np.longdouble)
        for i in range(batch):
            for j in range(n):
                part = slice(j * width, (j + 1) * width)
                scores = q[:, i, part] @ k[:, i, part].T / np.sqrt(np.longdouble(width))
                y[:, i, part] = softmax(np.where(inside[:, i], scores, -np.inf)) @ u[:, i, part]
        return (np.where(inside[..., None], linear_of(v, y, "output."), 0),)

    found, _ = model(xs, None, lengths)
    return Call([found], oracle, infinite=finite_within(d, steps))


@subject("Truncated", 150, also=("recurrent", "Recurrent", "lengths", *KINDS))
def truncated(d: Draw) -> Call:
    (steps, batch, inputs), dtype = sizes_of(d), d.one_of(DTYPES)
    cell, step = cell_of(d, inputs, dtype, "cell.", ("RNNCell",))
    back, options = d.integer("back", [1, 2, 3, 9]), {}
    if d.chance(0.5):
        options["every"] = d.integer("every", [1, 2, 3], none=True)
    if d.chance(0.3):
        options["state"] = state_of(d, cell, batch, dtype)
    xs, lengths = sequence(d, steps, batch, inputs, dtype)
    if steps == 0:
        d.judged(EITHER)
    chunks = nn.Truncated(nn.Recurrent(cell), xs, back=back, lengths=lengths, **options)
    whole = ts.concatenate([ys.detach() for _, ys in chunks])
    assert not any(part.requires_grad for part in tree.leaves(chunks.state)), "its gradient is not cut"

    def oracle(v: Values):
        start = state_in(v) if "state" in options else zero_state(v, cell, batch)
        return over_time(lambda s, x: step(v, s, x), start, v.xs, v.lengths)

    found = whole, chunks.state
    return Call(found, oracle, derivative=False, dtype=[None] * len(tree.leaves(found)))
