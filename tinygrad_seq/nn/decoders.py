"""Patterns that write sequences: one to many, out of a vector; and the encoder-decoder, out of a sequence.

A sequence of symbols y_1 ... y_n, the last of which is the end symbol, has the probability

    p(y | v) = prod_t p(y_t | y_1 ... y_{t-1}, v),    p(y_t | ...) = softmax(o_t)

so that at every step the symbol before is an input: the true one in training (teacher forcing; Williams &
Zipser 1989), the network's own choice when it runs free. The vector v has three ways in: `VectorAsFirstInput`,
`VectorAtEveryStep` and `VectorAsState`.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.creation import tensor
from tinygrad_seq.errors import describe
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.indices import Indices
from tinygrad_seq.nn.layers import Embedding
from tinygrad_seq.nn.losses import cross_entropy
from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.padding import cut, mean_within
from tinygrad_seq.nn.patterns import Layer, heard, time_first
from tinygrad_seq.nn.recurrent import Lengths, Recurrent, Runner
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.reduction import cumsum
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import broadcast_to, concatenate, expand_dims, reshape, split
from tinygrad_seq.scan import scan
from tinygrad_seq.tape import no_grad
from tinygrad_seq.tensor import Tensor


class OneToMany(Module):
    """A sequence of symbols out of a vector v (B, V); how v comes in, the classes made of this one say.

        s_t, h_t = cell(s_{t-1}, x_t),   o_t = readout(h_t),   x_t of embedding(y_{t-1}),   y_0 = end

    embedding  of all symbols, the end symbol among them
    cell       any cell, readout: from its output to a number for each symbol
    bridge     what is made of v first, a layer of the size that is needed; without it, v itself
    end        the end symbol

    `decoder(v, targets)` are the logits by teacher forcing, `decoder.loss(v, targets, lengths)` what to make
    small, `decoder.free(v, steps)` the logits and symbols when it runs free, `decoder.greedy(v, longest)` the
    sequences that it writes.

    >>> from tinygrad_seq import nn
    >>> letters = nn.Embedding(27, 8, rng=0)
    >>> decoder = nn.VectorAsState(
    ...     letters, nn.GRUCell(8, 16, rng=1), nn.Linear(16, 27, rng=2), bridge=nn.Linear(5, 16, rng=3)
    ... )
    >>> v, (targets, lengths) = ts.ones((2, 5)), nn.padded([[3, 1, 20, 0], [15, 24, 0]])
    >>> decoder(v, targets).shape, decoder.loss(v, targets, lengths).shape
    ((4, 2, 27), ())
    >>> logits, symbols = decoder.free(v, steps=6)
    >>> logits.shape, symbols.shape
    ((6, 2, 27), (6, 2))
    >>> symbols, lengths = decoder.greedy(v, longest=10)
    >>> symbols.shape, lengths.shape
    ((10, 2), (2,))
    """

    def __init__(
        self, embedding: Embedding, cell: Cell, readout: Layer, *, bridge: Layer | None = None, end: int = 0
    ) -> None:
        self.embedding, self.rnn, self.readout, self.bridge = embedding, Recurrent(cell), readout, bridge
        self.end = end

    # --- how the vector comes in ------------------------------------------------------------------------

    def _start(self, v: Tensor) -> State:
        """The state before the first step."""
        return self.rnn.cell.initial_state(len(v), like=v)

    def _hears(self, v: Tensor, symbols: Indices) -> Tensor:
        """The inputs of steps before which `symbols` (B,) or (T, B) were written."""
        return self.embedding(symbols)

    def _first(self, v: Tensor) -> Tensor:
        """The input of the first step, (B, I)."""
        return self._hears(v, astype(zeros_like(v, shape=v.shape[:1]), np.int64) + self.end)

    # --- and what follows from it -----------------------------------------------------------------------

    def __call__(self, vector: Tensor, targets: Indices, lengths: Lengths = None) -> Tensor:
        """The logits (T, B, C) of `targets` (T, B) by teacher forcing, 0 past the lengths.

        lengths  integers (B,), the end symbols counted in; targets past them are symbols without influence

        ValueError for targets of another shape.
        """
        v, targets = self._given(vector), np.asarray(targets) if isinstance(targets, list) else targets
        if targets.ndim != 2 or targets.shape[1] != len(v) or not len(targets):
            raise ValueError(f"a batch of {len(v)} has targets (T, {len(v)}), not {describe(targets)}")
        first = expand_dims(self._first(v), 0)
        xs = concatenate([first, self._hears(v, targets[:-1])]) if len(targets) > 1 else first
        ys, _ = self.rnn(xs, self._start(v), lengths)
        return cut(self.readout(ys), lengths)

    def loss(self, vector: Tensor, targets: Indices, lengths: Lengths = None) -> Tensor:
        """The cross-entropy of `targets` by teacher forcing, in nats per symbol, end symbols counted in."""
        logits = self(vector, targets, lengths)
        return mean_within(cross_entropy(logits, targets, reduction="none"), lengths)

    def free(self, vector: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Logits (T, B, C) and symbols (T, B) of `steps` steps, each of which writes the likeliest symbol.

        Gradients flow through the logits and the states, not through the choice of a symbol.
        """
        v = self._given(vector)

        def step(carry, _):
            state, x = carry
            state, h = self.rnn.cell(state, x)
            logits = self.readout(h)
            symbol = argmax(logits, axis=-1)
            return (state, self._hears(v, symbol)), (logits, symbol)

        _, (logits, symbols) = scan(step, (self._start(v), self._first(v)), length=steps)
        return logits, symbols

    def greedy(self, vector: Tensor, longest: int) -> tuple[Tensor, Tensor]:
        """Sequences (T, B), of up to `longest` symbols, the likeliest at every step, and their lengths (B,).

        A sequence ends before its first end symbol; past it there are end symbols only. Nothing is recorded.
        """
        with no_grad():
            _, symbols = self.free(vector, longest)
            written = cumsum(symbols == self.end, axis=0) == 0
            return where(written, symbols, self.end), total(written, axis=0)

    def _given(self, vector: Tensor) -> Tensor:
        v = vector if isinstance(vector, Tensor) else tensor(vector)
        v = v if self.bridge is None else self.bridge(v)
        if v.ndim != 2 or v.dtype.kind != "f":
            raise ValueError(f"the vector that a sequence is made of is (B, V), of floats, not {describe(v)}")
        return v


class VectorAsFirstInput(OneToMany):
    """The vector is the first input: x_1 = bridge(v), of the embedding's size, and x_t = embedding(y_{t-1}).

    (As a picture in Vinyals et al. 2015, Show and tell.) All else as for `OneToMany`.

    >>> from tinygrad_seq import nn
    >>> letters, readout, bridge = nn.Embedding(27, 8), nn.Linear(16, 27), nn.Linear(5, 8)
    >>> decoder = nn.VectorAsFirstInput(letters, nn.GRUCell(8, 16), readout, bridge=bridge)
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _first(self, v: Tensor) -> Tensor:
        return v


class VectorAtEveryStep(OneToMany):
    """The vector is an extra input at every step: x_t = [embedding(y_{t-1}); bridge(v)].

    (Cho et al. 2014, Learning phrase representations.) All else as for `OneToMany`.

    >>> from tinygrad_seq import nn
    >>> decoder = nn.VectorAtEveryStep(nn.Embedding(27, 8), nn.GRUCell(8 + 5, 16), nn.Linear(16, 27))
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _hears(self, v: Tensor, symbols: Indices) -> Tensor:
        e = self.embedding(symbols)
        return concatenate([e, broadcast_to(v, (*e.shape[:-1], v.shape[-1]))], axis=-1)


class VectorAsState(OneToMany):
    """The vector is the state before the first step: s_0 = bridge(v), of the size of all parts of the state.

    (Sutskever, Vinyals & Le 2014.) For an LSTM of H units, [h_0; c_0] is of size 2H. All else as for
    `OneToMany`; ValueError for a vector of another size.

    >>> from tinygrad_seq import nn
    >>> letters, readout, bridge = nn.Embedding(27, 8), nn.Linear(16, 27), nn.Linear(5, 32)
    >>> decoder = nn.VectorAsState(letters, nn.LSTMCell(8, 16), readout, bridge=bridge)
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _start(self, v: Tensor) -> State:
        zeros = super()._start(v)
        floats = [part for part in tree.leaves(zeros) if part.dtype.kind == "f"]
        ends = np.cumsum([math.prod(part.shape[1:]) for part in floats]).tolist()
        if v.shape[1] != ends[-1]:
            raise ValueError(
                f"the state of this cell has {ends[-1]} numbers, the vector {v.shape[1]}: see bridge"
            )
        values = iter(split(v, ends[:-1], axis=-1))
        return tree.each(
            lambda part: reshape(next(values), part.shape) if part.dtype.kind == "f" else part, zeros
        )


class EncoderDecoder(Module):
    """A sequence into a sequence of another length: one to many out of the summary of many (Cho et al. 2014).

        C = encoder.summary(features(x_1) ... features(x_n)),   y_1 ... y_m = decoder(C)

    features  makes vectors of the symbols that are read
    encoder   a runner; a bidirectional one makes C of both directions
    decoder   a `OneToMany`: `VectorAsState` is the lecture's, in which C is where the decoder begins

    `model(xs, targets, lengths, target_lengths)` are the logits by teacher forcing, `loss`, `free` and `greedy`
    those of the decoder, of the sequences xs (T, B, ...) in the place of a vector.

    >>> from tinygrad_seq import nn
    >>> letters = nn.Embedding(27, 8, rng=0)
    >>> encoder = nn.Recurrent(nn.GRUCell(8, 16, rng=1))
    >>> decoder = nn.VectorAsState(letters, nn.GRUCell(8, 16, rng=2), nn.Linear(16, 27, rng=3))
    >>> model = nn.EncoderDecoder(letters, encoder, decoder)
    >>> xs, lengths = nn.padded([[3, 1, 20], [15, 24]])
    >>> targets, ends = nn.padded([[20, 1, 3, 0], [15, 0]])
    >>> model(xs, targets, lengths, ends).shape, model.loss(xs, targets, lengths, ends).shape
    ((4, 2, 27), ())
    >>> symbols, written = model.greedy(xs, 10, lengths)
    >>> symbols.shape, written.shape, model.free(xs, 6, lengths)[0].shape
    ((10, 2), (2,), (6, 2, 27))
    >>> model.context(xs, lengths).shape
    (2, 16)
    """

    def __init__(self, features: Layer, encoder: Runner, decoder: OneToMany) -> None:
        self.features, self.encoder = features, time_first(encoder, "EncoderDecoder")
        self.decoder = decoder

    def context(self, xs: Tensor, lengths: Lengths = None) -> Tensor:
        """C, (B, H): the encoder's summary of xs."""
        return self.encoder.summary(heard(self.features, xs, lengths), lengths=lengths)[0]

    def __call__(
        self, xs: Tensor, targets: Indices, lengths: Lengths = None, target_lengths: Lengths = None
    ) -> Tensor:
        return self.decoder(self.context(xs, lengths), targets, target_lengths)

    def loss(
        self, xs: Tensor, targets: Indices, lengths: Lengths = None, target_lengths: Lengths = None
    ) -> Tensor:
        """The cross-entropy of `targets` by teacher forcing, in nats per symbol, end symbols counted in."""
        return self.decoder.loss(self.context(xs, lengths), targets, target_lengths)

    def free(self, xs: Tensor, steps: int, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """Logits (T, B, C) and symbols (T, B) of `steps` steps at which the decoder runs free."""
        return self.decoder.free(self.context(xs, lengths), steps)

    def greedy(self, xs: Tensor, longest: int, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """Sequences of up to `longest` symbols, the likeliest at every step, and their lengths."""
        with no_grad():
            return self.decoder.greedy(self.context(xs, lengths), longest)
