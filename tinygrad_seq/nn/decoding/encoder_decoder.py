"""Encoder and decoder: from a sequence to a sequence of another length, through one vector or by attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.indices import Indices
from tinygrad_seq.nn.module import Input, Module
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.padding import visible
from tinygrad_seq.nn.runners.patterns import Features, time_first
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.tensor.tensor import Tensor


class EncoderDecoder(Module):
    """From a sequence to a sequence of another length (Cho et al. 2014; Bahdanau, Cho & Bengio 2015).

        C = encoder(features(x_1) ... features(x_n)),   y_1 ... y_m = decoder(C)

    features  turns each input symbol into a vector
    encoder   a runner; a bidirectional one reads in both directions
    decoder   a `OneToMany`, for which C is one vector, the encoder's summary; the lecture's is `VectorAsState`,
              where C is the initial state of the decoder. Or an `AttentionDecoder`, for which C is
              `Annotations`, computed from all outputs of the encoder.

    `model(xs, targets, lengths, target_lengths)` returns the logits, by teacher forcing or as `forced` says.
    `loss`, `free`, `greedy` and `beam` are those of the decoder, with xs (T, B, ...) in place of `given`.

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
    >>> model.beam(xs, 10, 4, lengths)[0].shape, model.context(xs, lengths).shape
    ((10, 2), (2, 16))
    """

    def __init__(self, features: Features, encoder: Runner, decoder: Decoder[Any]) -> None:
        self.features, self.encoder = features, time_first(encoder, "EncoderDecoder")
        self.decoder = decoder

    def context(self, xs: Input, lengths: Lengths = None) -> Any:
        """C, which the decoder is given for xs: the encoder's summary (B, H), or `Annotations`."""
        return self.decoder.encoded(self.encoder, self.features(visible(xs, lengths)), lengths)

    def __call__(
        self,
        xs: Input,
        targets: Indices,
        lengths: Lengths = None,
        target_lengths: Lengths = None,
        *,
        forced: np.ndarray | Tensor | None = None,
    ) -> Tensor:
        return self.decoder(self.context(xs, lengths), targets, target_lengths, forced=forced)

    def loss(
        self,
        xs: Input,
        targets: Indices,
        lengths: Lengths = None,
        target_lengths: Lengths = None,
        *,
        forced: np.ndarray | Tensor | None = None,
    ) -> Tensor:
        """The cross-entropy of `targets`, in nats per symbol, end symbols included."""
        return self.decoder.loss(self.context(xs, lengths), targets, target_lengths, forced=forced)

    def free(self, xs: Input, steps: int, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """Logits (T, B, C) and symbols (T, B) of `steps` steps of the decoder, running free."""
        return self.decoder.free(self.context(xs, lengths), steps)

    def greedy(self, xs: Input, longest: int, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """Sequences of up to `longest` symbols, the likeliest at every step, and their lengths."""
        with no_grad():
            return self.decoder.greedy(self.context(xs, lengths), longest)

    def beam(self, xs: Input, longest: int, width: int, lengths: Lengths = None) -> tuple[Tensor, Tensor]:
        """The best sequences of up to `longest` symbols that a beam of `width` finds, and their lengths."""
        with no_grad():
            return self.decoder.beam(self.context(xs, lengths), longest, width)
