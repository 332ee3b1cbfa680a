"""Decoders for tests, with every way in for the vector and several cells; and their steps by hand."""

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn

V, E, H, C, END, T = 2, 3, 4, 6, 1, 4  # vector, embedding, units, symbols, the end symbol, steps


F64 = {"dtype": np.float64}


LENGTHS = [None, [3, 0, 4], [1, 4, 2], [4], [1], [0], [0, 0]]  # for 4 steps


def stacked(input_size, hidden_size, *, rng, dtype=np.float32):
    return nn.Stacked(
        nn.LSTMCell(input_size, 2, rng=rng, dtype=dtype), nn.GRUCell(2, hidden_size, rng=rng, dtype=dtype)
    )


def clockwork(*sizes, **options):
    return nn.ClockworkRNNCell(*sizes, periods=(1, 3), **options)


CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell, "stack": stacked, "clockwork": clockwork}


WAYS = {
    "first input": nn.VectorAsFirstInput,
    "every step": nn.VectorAtEveryStep,
    "state": nn.VectorAsState,
}


SIZES = {"RNN": H, "LSTM": 2 * H, "GRU": H, "stack": 2 + 2 + H, "clockwork": H}  # of the float parts


ALL = pytest.mark.parametrize(("way", "kind"), [(way, kind) for way in WAYS for kind in CELLS])


def decoder_of(way, kind, seed=14, dtype=np.float64, vector=V):
    """A decoder with large weights, so that a free run writes different symbols."""
    rng = np.random.default_rng(seed)
    options = {"rng": rng, "dtype": dtype}
    bridge = {"first input": E, "every step": 2, "state": SIZES[kind]}[way]
    decoder = WAYS[way](
        nn.Embedding(C, E, **options),
        CELLS[kind](E + 2 * (way == "every step"), H, **options),
        nn.Linear(H, C, **options),
        bridge=nn.Linear(vector, bridge, **options),
        end=END,
    )
    for p in decoder.parameters():
        p.assign_(rng.normal(scale=0.3 if p.ndim == 1 else 1.5, size=p.shape).astype(dtype))
    return decoder


def vectors(batch, seed=0):
    return ts.tensor(np.random.default_rng(seed).normal(size=(batch, V)), requires_grad=True)


def symbols_of(steps, batch, seed=1):
    return np.random.default_rng(seed).integers(0, C, (steps, batch))


def state_by_hand(kind, v):
    """The vector, split into the state of each kind of cell."""
    if kind == "LSTM":
        return v[:, :H], v[:, H:]
    if kind == "stack":
        return (v[:, :2], v[:, 2:4]), v[:, 4:]
    return (v, ts.tensor(np.zeros((len(v), 2), np.int64))) if kind == "clockwork" else v


def by_hand(decoder, v, way, kind, steps, choose):
    """The logits of each step, one call of the cell each; the next step receives `choose(t, logits)`."""
    v, previous, logits = decoder.bridge(v), np.full(len(v), END), []
    zeros = decoder.cell.initial_state(len(v), like=v)
    state = state_by_hand(kind, v) if way == "state" else zeros
    for t in range(steps):
        x = decoder.embedding.weight[previous]
        if way == "first input" and t == 0:
            x = v
        if way == "every step":
            x = ts.concatenate([x, v], axis=-1)
        state, h = decoder.cell(state, x)
        logits.append(h @ decoder.readout.weight + decoder.readout.bias)
        previous = choose(t, logits[-1])
    return ts.stack(logits)


def likeliest(_, logits):
    return logits.numpy().argmax(-1)


def gradients(loss, decoder, *inputs):
    return ts.grad(loss, [*decoder.parameters(), *inputs], zeros=True)
