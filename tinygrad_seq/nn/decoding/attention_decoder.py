"""Decoders with attention: at every step they attend to vectors of symbols, or of regions of an image.

Soft attention is a weighted mean of all vectors and is trained by its gradient; hard attention looks at one
vector, chosen at random, and is trained by REINFORCE.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.attention import Score, attend
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.attending import Attending, HardAttending
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.decoding.one_to_many import as_state
from tinygrad_seq.nn.indices import Indices, rows
from tinygrad_seq.nn.layers import Embedding
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.runners.lengths import Lengths, within
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.nn.runners.patterns import Layer
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Layers, Runner
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.shape import expand_dims, squeeze, swapaxes, transpose
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


class Annotations(NamedTuple):
    """The vectors that an `AttentionDecoder` attends to, batch first: of an encoded sequence, of an image, ...

    vectors  h_n (B, N, D), one for each symbol of a sequence or each region of an image, 0 past the lengths
    summary  (B, V), from which the state before the first step is computed; None for the mean of the h_n
    inside   booleans (B, N), False for annotations that have no influence, such as those past the lengths; None
             if all count

    >>> from tinygrad_seq import nn
    >>> nn.Annotations(ts.ones((2, 4, 6))).inside is None
    True
    """

    vectors: Tensor
    summary: Tensor | None = None
    inside: Tensor | None = None


class AttentionDecoder(Decoder[Annotations]):
    """A decoder that attends to annotations h_1 ... h_N before every step (Bahdanau, Cho & Bengio 2015).

        e_tn = score(s_{t-1}, h_n),   alpha_t = softmax e_t,   c_t = sum_n alpha_tn h_n
        s_t, y_t = cell(s_{t-1}, [embedding(y_{t-1}); c_t]),   o_t = readout([y_t; c_t])

    s_0 = bridge(summary), which has as many numbers as the whole state; for an encoded sequence, the summary is
    the encoder's backward state at the first symbol. The query s is the first part of the state, h for an LSTM.
    The decoder is given `Annotations`, which an `EncoderDecoder` computes. With a `gate`, a layer from s to
    (B, 1), c_t is multiplied by sigmoid(gate(s_{t-1})) (Xu et al. 2015). Everything else is as for `Decoder`.
    Raises ValueError for annotations or a bridge of the wrong shape, or if the encoder is not bidirectional.

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
    >>> logits, weights = model.decoder.aligned(model.context(xs, lengths), targets, ends)
    >>> logits.shape, model.decoder.alignments(model.context(xs, lengths), targets, ends).shape
    ((4, 2, 27), (4, 2, 3))
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
        gate: Layer | None = None,
        end: int = 0,
    ) -> None:
        super().__init__(embedding, cell, readout, bridge=bridge, end=end)
        self.score, self.gate = score, gate

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

    def aligned(
        self, annotations: Annotations, targets: Indices, lengths: Lengths = None
    ) -> tuple[Tensor, Tensor]:
        """The logits (T, B, C) of a call, and the weights alpha (T, B, N) of the annotations at each step.

        Both are 0 past the lengths. For a loss that depends on the weights, such as
        `nn.attention.doubly_stochastic`.
        """
        logits, weights = self._watched("step", annotations, targets, lengths)
        return logits, weights

    def alignments(self, annotations: Annotations, targets: Indices, lengths: Lengths = None) -> Tensor:
        """alpha (T, B, N): the weights of the annotations at each step, by teacher forcing with targets (T, B).

        They are 0 past the lengths. For sequences that the decoder has written itself, pass the symbols of
        `greedy` or `beam` as targets.
        """
        return self.aligned(annotations, targets, lengths)[1]

    def _watched(
        self,
        look: str,
        annotations: Annotations,
        targets: Indices,
        lengths: Lengths,
        *noise: Tensor,
    ) -> tuple[Tensor, ...]:
        """The logits by teacher forcing, and what else the method `look` of the cell returns at each step."""
        given = self._checked(annotations)
        look_at = getattr(self._stepper(given), look)

        def step(state: State, now: tuple[Tensor, ...]) -> tuple[State, tuple[Tensor, ...]]:
            state, *made = look_at(state, *now)
            return state, tuple(made)

        _, (ys, *made) = scan(step, self._start(given), (self._forced(given, targets), *noise))
        return tuple(cut(part, lengths) for part in (self.readout(ys), *made))

    def _checked(self, given: Annotations) -> Annotations:
        if not isinstance(given, tuple) or len(given) != 3:
            raise TypeError(f"AttentionDecoder needs Annotations, got {describe(given)}")
        vectors, summary, inside = as_tensor(given[0]), given[1], given[2]
        if vectors.ndim != 3 or vectors.dtype.kind != "f":
            raise ValueError(f"AttentionDecoder needs annotations (B, N, D) of floats, got {describe(vectors)}")
        summary = mean_inside(vectors, inside) if summary is None else as_tensor(summary)
        if summary.ndim != 2 or summary.dtype.kind != "f" or len(vectors) != len(summary):
            raise ValueError(
                "AttentionDecoder needs annotations (B, N, D) with a summary (B, V) of floats, got "
                f"{describe(vectors)} and {describe(summary)}"
            )
        return Annotations(vectors, summary if self.bridge is None else self.bridge(summary), inside)

    def _stepper(self, given: Annotations) -> Attending:
        return Attending(self.cell, self.score, given.vectors, given.inside, self.gate)

    def _start(self, given: Annotations) -> State:
        return as_state("AttentionDecoder", cast(Tensor, given.summary), super()._start(given))


class HardAttentionDecoder(AttentionDecoder):
    """A decoder that looks at one annotation before every step (Xu et al. 2015, Show, attend and tell).

        a_t ~ softmax e_t,   c_t = h_{a_t},   everything else as for `AttentionDecoder`

    `sampled` looks at random and is for training by REINFORCE, since no gradient flows through the choice; the
    other methods look at the likeliest annotation, and `alignments` are 0 and 1. The gradient of the paper is
    that of this loss, in which the reward of a look is the log-probability of the symbols from this step on:

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rng, words = np.random.default_rng(0), nn.Embedding(9, 8, rng=0)
    >>> decoder = nn.HardAttentionDecoder(
    ...     words,
    ...     nn.GRUCell(8 + 6, 16, rng=1),
    ...     nn.AdditiveScore(16, 6, 10, rng=2),
    ...     nn.Linear(16 + 6, 9, rng=3),
    ...     bridge=nn.Linear(6, 16, rng=4),
    ...     gate=nn.Linear(16, 1, rng=5),
    ... )
    >>> image = nn.Annotations(ts.tensor(rng.random((2, 36, 6), np.float32)))  # 36 regions of each image
    >>> targets, lengths = nn.padded([[3, 1, 5, 0], [2, 0]])
    >>> gumbel = ts.tensor(rng.gumbel(size=(4, 2, 36)).astype(np.float32))
    >>> logits, weights, log_p, entropy = decoder.sampled(image, targets, gumbel, lengths)
    >>> inside = np.arange(4)[:, None] < lengths
    >>> nats = ts.where(inside, nn.cross_entropy(logits, targets, reduction="none"), 0.0)
    >>> rewards = nn.reinforce.returns(-nats)
    >>> baselines = ts.full_like(rewards, -2.0)                      # such as a running mean of the rewards
    >>> loss = nats.sum(0).mean() + nn.reinforce.loss(log_p, rewards, baselines) - 0.01 * entropy.sum(0).mean()
    """

    def sampled(
        self, annotations: Annotations, targets: Indices, gumbel: Tensor, lengths: Lengths = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits (T, B, C), weights (T, B, N) of 0 and 1, log p(a_t) (T, B), and the entropies (T, B).

        By teacher forcing with targets (T, B); all are 0 past the lengths.

        gumbel  noise (T, B, N), drawn from the Gumbel distribution: `rng.gumbel`
        """
        logits, weights, log_p, entropy = self._watched("choose", annotations, targets, lengths, gumbel)
        return logits, weights, log_p, entropy

    def _stepper(self, given: Annotations) -> HardAttending:
        return HardAttending(self.cell, self.score, given.vectors, given.inside, self.gate)


def mean_inside(h: Tensor, inside: Tensor | None) -> Tensor:
    """The mean of the annotations h (B, N, D) that are inside, (B, D): attention with equal scores."""
    if inside is not None:
        h, inside = rows(inside, h, 0), expand_dims(inside, -2)
    return squeeze(attend(zeros_like(h, shape=(len(h), 1, h.shape[1])), h, inside)[0], -2)
