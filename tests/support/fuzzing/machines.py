"""Cells that visit an input several times, and the neural Turing machine."""

from __future__ import annotations

import numpy as np
from equations import sigmoid

import tinygrad_seq as ts
from fuzzing.attention import softmax
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import KINDS
from fuzzing.draw import INVALID
from fuzzing.layers import linear_of
from fuzzing.wrapped import BATCHES, DTYPES, ROUGH, inner, step_of, wrapped
from tinygrad_seq import nn, tree

# --- several visits ---------------------------------------------------------------------------------------


@subject("RepeatCell", 100, also=KINDS)
def repeat(d: Draw) -> Call:
    dtype, kind, times = (
        d.one_of(DTYPES),
        d.one_of(["RNNCell", "LSTMCell", "GRUCell"]),
        d.integer("times", [1, 2, 3]),
    )
    cell = nn.RepeatCell(inner(d, kind, 2 + 1, 3, dtype), times)

    def equation(v: Values, state, x):
        for n in range(int(times)):
            state, y = step_of(
                kind, v, "cell.", state, np.concatenate([x, np.full((len(x), 1), n == 0)], axis=1)
            )
        return state, y

    return wrapped(d, cell, 2, dtype, equation)


@subject("ACTCell", 200, also=KINDS)
def adaptive(d: Draw) -> Call:
    dtype, kind = d.one_of(DTYPES), d.one_of(["RNNCell", "LSTMCell", "GRUCell"])
    epsilon, most = d.number("epsilon", [0, 0.01, 0.3], "[0, 1)"), d.integer("max_steps", [1, 2, 4])
    cell = nn.ACTCell(inner(d, kind, 2 + 1, 3, dtype), epsilon=epsilon, max_steps=most, rng=0)

    def equation(v: Values, state, x):
        limit = 1 - float(np.asarray(epsilon))
        rows = []
        for i in range(len(x)):
            s, total, before, results = tree.each(lambda p, i=i: p[i : i + 1], state), 0, 0, []
            for n in range(int(most)):
                s, y = step_of(kind, v, "cell.", s, np.concatenate([x[i : i + 1], [[n == 0]]], axis=1))
                h = sigmoid(y @ v["halting.weight"] + v["halting.bias"])[0, 0]
                before, total = total, total + h
                results.append((s, y, h))
                if total >= limit:
                    break
            weights = [h for *_, h in results[:-1]] + [1 - before]
            mean = [
                sum(w * p for w, p in zip(weights, parts, strict=True))
                for parts in zip(*(tree.leaves((s, y)) for s, y, _ in results), strict=True)
            ]
            rows.append([*mean, np.reshape(len(results) + 1 - before, (1,)), np.array([len(results)])])
        if not rows:
            leaves = [p[:0] for p in tree.leaves(state)]
            return tree.like(state, leaves), (np.zeros((0, 3), x.dtype), np.zeros(0, x.dtype), np.zeros(0, int))
        parts = [np.concatenate(part) for part in zip(*rows, strict=True)]
        return [*parts[:-3], parts[-3], parts[-2], parts[-1]]

    return wrapped(d, cell, 2, dtype, equation)


# --- the neural Turing machine ----------------------------------------------------------------------------


@subject("NTMCell", 200, also=(*KINDS, "parts", "memory_start"))
def turing(d: Draw) -> Call:
    dtype, kind = d.one_of(DTYPES), d.one_of(["LSTMCell", "GRUCell"])
    n, m = d.one_of([1, 3, 5]), d.one_of([1, 2])
    reads, writes, shift = (
        d.integer("reads", [1, 1, 2]),
        d.integer("writes", [1, 1, 2]),
        d.integer("shift", [0, 1], "[0, inf)"),
    )
    memory = (n, m)
    if d.chance(0.05):
        d.judged(INVALID)
        memory = d.given("memory", d.one_of([(0, 2), (2, -1), (2.0, 2), 3, None, (1, 2, 3), ("a", 1)]), None)
    options: dict = (
        {"memory_start": d.choice("memory_start", ["constant", "random", "learned"])} if d.chance(0.5) else {}
    )
    if d.chance(0.5):
        options["learned"] = d.flag("learned")
    r = int(reads) if d.verdict != INVALID else 1
    controller = inner(d, kind, 2 + r * m, 3, dtype)
    cell = d.model(
        nn.NTMCell(
            controller, 2, memory=memory, reads=reads, writes=writes, shift=shift, rng=0, dtype=dtype, **options
        ),
        scale=0.4,
    )
    batch = d.one_of(BATCHES)
    x = d.floats("x", (batch, 2), wrong=[(batch, 3)], special=ROUGH, tensor=True, dtypes=[dtype])
    state = cell.initial_state(batch, ts.tensor(np.zeros((batch, 2), dtype)))
    if d.chance(0.06):
        d.judged(INVALID)
        other = cell.initial_state(batch + 1 if batch else 2, ts.tensor(np.zeros((batch, 2), dtype)))
        state = d.one_of(
            [state[:3], other, state[0], 3, (*state, state[0]), (other[0], *state[1:]), (*state[:3], other[3])]
        )
        d.said.append(f"state={state!r:.80}")

    def oracle(v: Values):
        w_count, offsets = int(writes), 2 * int(shift) + 1
        learned = any(k.startswith("controller.start") for k in v)
        prefix = "controller.cell." if learned else "controller."
        start = [
            np.tile(v[f"controller.start.{k}"], (batch, 1)) if learned else np.zeros((batch, 3), np.longdouble)
            for k in range(1 + (kind == "LSTMCell"))
        ]
        before = np.tile(v.first_reads, (batch, 1, 1))
        s, h = step_of(
            kind,
            v,
            prefix,
            tuple(start) if len(start) > 1 else start[0],
            np.concatenate([v.x, before.reshape(batch, r * m)], axis=1),
        )
        w, memory = np.tile(softmax(v.first_scores), (batch, 1, 1)), np.tile(v.first_memory, (batch, 1, 1))
        a = np.clip(linear_of(v, h, "addressing."), -20, 20).reshape(batch, r + w_count, m + offsets + 3)
        key, kernel, beta, g, gamma = np.split(a, np.cumsum([m, offsets, 1, 1]), axis=-1)
        lengths = np.sqrt(np.sum(key**2, -1))[..., None] * np.sqrt(np.sum(memory**2, -1))[:, None]
        cosine = np.where(
            lengths > 1e-8, key @ np.swapaxes(memory, 1, 2) / np.where(lengths > 1e-8, lengths, 1), 0
        )
        w = w + sigmoid(g) * (softmax(np.logaddexp(beta, 0) * cosine) - w)
        kernel, half = softmax(kernel), int(shift)
        w = sum(np.roll(w, k, axis=-1) * kernel[..., k + half, None] for k in range(-half, half + 1))
        w = w ** (1 + np.logaddexp(gamma, 0))
        w = w / np.sum(w, axis=-1, keepdims=True)
        read = w[:, :r] @ memory
        e, add = np.split(
            np.clip(linear_of(v, h, "writing."), -20, 20).reshape(batch, w_count, 2 * m), 2, axis=-1
        )
        ww = w[:, r:]
        memory = memory * np.prod(1 - ww[..., :, None] * sigmoid(e)[..., None, :], axis=1) + np.sum(
            ww[..., :, None] * add[..., None, :], axis=1
        )
        y = linear_of(v, np.concatenate([h, read.reshape(batch, r * m)], axis=1), "readout.")
        return (s, read, w, memory), y

    found = cell(state, x)
    return Call(found, oracle, dtype=[None] * len(tree.leaves(found)))
