"""A decoder with attention: at every step it attends to the encoder's output for each input symbol."""

from __future__ import annotations

from typing import NamedTuple

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.attention import Score
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.attending import Attending
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.decoding.one_to_many import as_state
from tinygrad_seq.nn.indices import Indices
from tinygrad_seq.nn.layers import Embedding
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.nn.runners.patterns import Layer
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Layers, Runner
from tinygrad_seq.ops.shape import swapaxes, transpose
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


class Annotations(NamedTuple):
    """The encoded sequences that an `AttentionDecoder` receives, batch first.

    vectors   h_n (B, N, D), one for each input symbol, 0 past the lengths
    backward  the encoder's backward state at the first symbol, (B, V)
    inside    booleans (B, N), True within the lengths; None if there are no lengths

    >>> from tinygrad_seq import nn
    >>> nn.Annotations(ts.ones((2, 4, 6)), ts.ones((2, 3))).inside is None
    True
    """

    vectors: Tensor
    backward: Tensor
    inside: Tensor | None = None


class AttentionDecoder(Decoder[Annotations]):
    """A decoder that attends to annotations h_1 ... h_N before every step (Bahdanau, Cho & Bengio 2015).

        e_tn = score(s_{t-1}, h_n),   alpha_t = softmax e_t,   c_t = sum_n alpha_tn h_n
        s_t, y_t = cell(s_{t-1}, [embedding(y_{t-1}); c_t]),   o_t = readout([y_t; c_t])

    s_0 = bridge(the encoder's backward state at the first symbol); the bridge outputs as many numbers as the
    whole state has. The query s is the first part of the state, h for an LSTM. The decoder is given
    `Annotations`, which an `EncoderDecoder` computes. Everything else is as for `Decoder`. Raises ValueError
    for annotations or a bridge of the wrong shape, or if the encoder is not bidirectional.

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

    def encoded(self, encoder: Runner, xs: Input, lengths: Lengths = None) -> Annotations:
        """h_n = [forward; backward] for every input symbol, and the backward state at the first symbol."""
        last = encoder.runners[-1] if isinstance(encoder, Layers) else encoder
        if not isinstance(last, Bidirectional):
            raise ValueError(
                f"AttentionDecoder needs a bidirectional encoder, got a {type(last).__name__}; use "
                "nn.Bidirectional, or nn.Layers that end in one"
            )
        hs, state = encoder(xs, lengths=lengths)
        _, backward = state[-1] if isinstance(encoder, Layers) else state
        inside = None if lengths is None else transpose(within(lengths, hs)[0])
        return Annotations(swapaxes(hs, 0, 1), tree.leaves(backward)[0], inside)

    def alignments(self, annotations: Annotations, targets: Indices, lengths: Lengths = None) -> Tensor:
        """alpha (T, B, N): the weights of the annotations at each step, by teacher forcing with targets (T, B).

        They are 0 past the lengths. For sequences that the decoder has written itself, pass the symbols of
        `greedy` or `beam` as targets.
        """
        given = self._checked(annotations)
        cell = self._stepper(given)

        def step(state: State, x: Tensor) -> tuple[State, Tensor]:
            state, _, weights = cell.step(state, x)
            return state, weights

        _, weights = scan(step, self._start(given), self._forced(given, targets))
        return cut(weights, lengths)

    def _checked(self, given: Annotations) -> Annotations:
        if not isinstance(given, tuple) or len(given) != 3:
            raise TypeError(f"AttentionDecoder needs Annotations, got {describe(given)}")
        vectors, backward, inside = as_tensor(given[0]), as_tensor(given[1]), given[2]
        floats = vectors.dtype.kind == backward.dtype.kind == "f"
        if not floats or vectors.ndim != 3 or backward.ndim != 2 or len(vectors) != len(backward):
            raise ValueError(
                "AttentionDecoder needs annotations (B, N, D) of floats with a backward state (B, V), got "
                f"{describe(vectors)} and {describe(backward)}"
            )
        return Annotations(vectors, backward if self.bridge is None else self.bridge(backward), inside)

    def _stepper(self, given: Annotations) -> Attending:
        return Attending(self.cell, self.score, given.vectors, given.inside)

    def _start(self, given: Annotations) -> State:
        return as_state("AttentionDecoder", given.backward, super()._start(given))
