"""The decoder that aligns: at every step it looks at what the encoder has made of each symbol that it read."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.attention import Attending, Score
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.decoding.one_to_many import as_state
from tinygrad_seq.nn.indices import Indices
from tinygrad_seq.nn.layers import Embedding
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.nn.runners.patterns import Layer
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Layers, Lengths, Runner, within
from tinygrad_seq.ops.shape import swapaxes, transpose
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor


class Annotations(NamedTuple):
    """What an `AttentionDecoder` is given of a batch of sequences, batch first.

    vectors   h_n (B, N, D), one for each symbol that was read, 0 where nothing was
    backward  the encoder's backward state at the first of them, (B, V)
    inside    booleans (B, N), whether there is such a symbol; None if all are

    >>> from tinygrad_seq import nn
    >>> nn.Annotations(ts.ones((2, 4, 6)), ts.ones((2, 3))).inside is None
    True
    """

    vectors: Tensor
    backward: Tensor
    inside: Tensor | None = None


class AttentionDecoder(Decoder):
    """A decoder that looks at annotations h_1 ... h_N before every step (Bahdanau, Cho & Bengio 2015).

        e_tn = score(s_{t-1}, h_n),   alpha_t = softmax e_t,   c_t = sum_n alpha_tn h_n
        s_t, y_t = cell(s_{t-1}, [embedding(y_{t-1}); c_t]),   o_t = readout([y_t; c_t])

    s_0 = bridge(the encoder's backward state at the first symbol), of the size of all parts of the state; the
    query s is the first part, the h of an LSTM. It is given `Annotations`, which an `EncoderDecoder` makes; all
    else as for `Decoder`. ValueError for annotations or a bridge of another shape, and for an encoder that is
    not bidirectional.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> letters, score = nn.Embedding(27, 8, rng=0), nn.AdditiveScore(16, 12, 10, rng=1)
    >>> bridge = nn.Sequential(nn.Linear(6, 16, rng=2), ts.tanh)
    >>> cell, readout = nn.GRUCell(8 + 12, 16, rng=3), nn.Linear(16 + 12, 27, rng=4)
    >>> encoder = nn.Bidirectional(nn.GRUCell(8, 6, rng=5), nn.GRUCell(8, 6, rng=6))
    >>> model = nn.EncoderDecoder(letters, encoder, nn.AttentionDecoder(letters, cell, score, readout, bridge))
    >>> xs, lengths = nn.padded([[3, 1, 20], [15, 24]])
    >>> targets, ends = nn.padded([[20, 1, 3, 0], [24, 15, 0]])
    >>> model.loss(xs, targets, lengths, ends).shape
    ()
    >>> weights = model.decoder.alignments(model.context(xs, lengths), targets, ends)
    >>> weights.shape, float(weights[0, 1, 2])
    ((4, 2, 3), 0.0)
    """

    def __init__(
        self,
        embedding: Embedding,
        cell: Cell,
        score: Score,
        readout: Layer,
        bridge: Layer | None = None,
        *,
        end: int = 0,
    ) -> None:
        super().__init__(embedding, cell, readout, bridge=bridge, end=end)
        self.score = score

    def encoded(self, encoder: Runner, xs: Tensor, lengths: Lengths = None) -> Annotations:
        """h_n = [forward; backward] of every symbol that was read, and the backward state at the first."""
        last = encoder.runners[-1] if isinstance(encoder, Layers) else encoder
        if not isinstance(last, Bidirectional):
            raise ValueError(f"attention looks at what runs in both directions, not at a {type(last).__name__}")
        hs, state = encoder(xs, lengths=lengths)
        _, backward = state[-1] if isinstance(encoder, Layers) else state
        inside = None if lengths is None else transpose(within(lengths, hs)[0])
        return Annotations(swapaxes(hs, 0, 1), tree.leaves(backward)[0], inside)

    def alignments(self, annotations: Annotations, targets: Indices, lengths: Lengths = None) -> Tensor:
        """alpha (T, B, N): how much each of `targets` (T, B) looked at each annotation; 0 past the lengths.

        Those of what the decoder has written itself are those of `greedy`'s or `beam`'s symbols as targets.
        """
        given = self._taken(annotations)
        cell = self._stepper(given)

        def step(state, x):
            state, _, weights = cell.step(state, x)
            return state, weights

        _, weights = scan(step, self._start(given), self._forced(given, targets))
        return cut(weights, lengths)

    def _taken(self, given: Annotations) -> Annotations:
        vectors, backward, inside = given
        if vectors.ndim != 3 or backward.ndim != 2 or len(vectors) != len(backward):
            raise ValueError(
                f"annotations are (B, N, D), with a backward state (B, V), not {describe(vectors)} and "
                f"{describe(backward)}"
            )
        return Annotations(vectors, backward if self.bridge is None else self.bridge(backward), inside)

    def _stepper(self, given: Annotations) -> Attending:
        return Attending(self.cell, self.score, given.vectors, given.inside)

    def _start(self, given: Annotations) -> State:
        return as_state(given.backward, super()._start(given))
