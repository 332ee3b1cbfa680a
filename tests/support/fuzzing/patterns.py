"""Patterns made of a runner: one output for a sequence, or one for each step."""

from __future__ import annotations

import numpy as np
from equations import over_time

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.cells import KINDS
from fuzzing.layers import linear_of
from fuzzing.runners import DTYPES, cell_of, finite_within, sequence, sizes_of, zero_state
from tinygrad_seq import nn

# --- patterns ---------------------------------------------------------------------------------------------


@subject("ManyToOne", 120, also=("recurrent", "Recurrent", "lengths", "Linear", *KINDS))
def many_to_one(d: Draw) -> Call:
    (steps, batch, inputs), dtype = sizes_of(d), d.one_of(DTYPES)
    features = d.model(nn.Linear(inputs, 2, rng=0, dtype=dtype), prefix="features.")
    cell, step = cell_of(d, 2, dtype, "cell.", ("GRUCell", "RNNCell"))
    width = cell.Wh.shape[0]
    readout = d.model(nn.Linear(width, 2, rng=1, dtype=dtype), prefix="readout.")
    xs, lengths = sequence(d, steps, batch, inputs, dtype)

    def oracle(v: Values):
        ends = np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
        inside = np.arange(steps)[:, None] < ends
        u = linear_of(v, np.where(inside[..., None], v.xs, 0), "features.")
        ys, _ = over_time(lambda s, x: step(v, s, x), zero_state(v, cell, batch), u, v.lengths)
        last = np.reshape([ys[max(int(n) - 1, 0), i] for i, n in enumerate(ends)], (batch, width))
        return [linear_of(v, last, "readout.")]

    found = nn.ManyToOne(features, nn.Recurrent(cell), readout)(xs, lengths)
    return Call([found], oracle, infinite=finite_within(d, steps))


def many(d: Draw, make, flatten=False) -> Call:
    (steps, batch, inputs), dtype = sizes_of(d), d.one_of(DTYPES)
    inputs = 4 if flatten else inputs
    features = d.model(nn.Linear(inputs, 2, rng=0, dtype=dtype), prefix="features.")
    cell, step = cell_of(d, 2, dtype, "cell.", ("GRUCell", "RNNCell"))
    readout = d.model(nn.Linear(cell.Wh.shape[0], 2, rng=1, dtype=dtype), prefix="readout.")
    xs, lengths = sequence(d, steps, batch, inputs, dtype)
    if flatten and isinstance(xs, (np.ndarray, ts.Tensor)) and xs.shape == (steps, batch, inputs):
        xs = xs.reshape((steps, batch, 2, 2))

    def oracle(v: Values):
        ends = np.full(batch, steps) if v.lengths is None else np.reshape(v.lengths, (batch,))
        inside = (np.arange(steps)[:, None] < ends)[..., None]
        u = linear_of(v, np.where(inside, v.xs, 0), "features.")
        ys, _ = over_time(lambda s, x: step(v, s, x), zero_state(v, cell, batch), u, v.lengths)
        return [np.where(inside, linear_of(v, ys, "readout."), 0)]

    found = make(features, nn.Recurrent(cell), readout)(xs, lengths)
    return Call([found], oracle, infinite=finite_within(d, steps))


@subject("ManyToMany", 120, also=("recurrent", "Recurrent", "lengths", "Linear", *KINDS))
def many_to_many(d: Draw) -> Call:
    return many(d, nn.ManyToMany)


@subject("PerFrame", 80, also=("recurrent", "Recurrent", "lengths", "Linear", *KINDS))
def per_frame(d: Draw) -> Call:
    return many(d, nn.PerFrame, flatten=True)
