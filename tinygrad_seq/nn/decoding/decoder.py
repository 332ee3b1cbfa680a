"""The base class of decoders, which write a sequence of symbols: in training, running free, or by beam search.

A decoder is given a vector or an encoded sequence. A sequence of symbols y_1 ... y_n, whose last symbol is the
end symbol, has the probability

    p(y | given) = prod_t p(y_t | y_1 ... y_{t-1}, given),    p(y_t | ...) = softmax(o_t)

so the previous symbol is an input of every step. In training it is the true symbol (teacher forcing; Williams &
Zipser 1989); when the decoder runs free, it is the decoder's own choice; in between, it is the true symbol at
some of the steps (scheduled sampling; Bengio et al. 2015).
"""

from __future__ import annotations

from typing import Generic, TypeVar, cast

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.cell import start
from tinygrad_seq.nn.decoding.beam import beam_search
from tinygrad_seq.nn.indices import Indices, integers, rows
from tinygrad_seq.nn.layers import Embedding
from tinygrad_seq.nn.losses import cross_entropy
from tinygrad_seq.nn.module import Input, Module, natural
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.padding import cut, mean_within
from tinygrad_seq.nn.runners.patterns import Layer
from tinygrad_seq.nn.runners.recurrent import Recurrent, Runner
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.cumulative import cumsum
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.rearranging import repeat
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims
from tinygrad_seq.ops.softmax import log_softmax
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Given = TypeVar("Given")  # what a decoder is given: a vector, or an encoded sequence
Carry = tuple[State, Tensor]  # the state, and the next input after the step's own choice
Written = tuple[Tensor, Tensor]  # the logits of a step, and its choice


class Decoder(Module, Generic[Given]):
    """Writes a sequence of symbols for every row of a batch, from what it is given.

        s_t, h_t = cell(s_{t-1}, x_t),   o_t = readout(h_t),   x_t from embedding(y_{t-1}),   y_0 = end

    embedding  of all symbols, the end symbol included
    cell       any cell
    readout    maps the output of the cell to one number for each symbol
    bridge     a layer applied to the given vector first, to bring it to the required size; None for no layer
    end        the end symbol

    `decoder(given, targets)` returns the logits by teacher forcing, and `decoder.loss(given, targets, lengths)`
    the loss. `decoder.free(given, steps)` returns logits and symbols when the decoder runs free.
    `decoder.greedy(given, longest)` and `decoder.beam(given, longest, width)` return the sequences that it
    writes. Subclasses define what is given and how it enters the cell; see for example `VectorAsState`.

    >>> from tinygrad_seq import nn
    >>> letters = nn.Embedding(27, 8, rng=0)
    >>> decoder: nn.Decoder = nn.VectorAsState(letters, nn.GRUCell(8, 16, rng=1), nn.Linear(16, 27, rng=2))
    >>> v, (targets, lengths) = ts.ones((2, 16)), nn.padded([[3, 1, 20, 0], [15, 24, 0]])
    >>> decoder(v, targets).shape, decoder.loss(v, targets, lengths).shape
    ((4, 2, 27), ())
    >>> forced = np.random.default_rng(0).random(targets.shape) < 0.75
    >>> decoder.loss(v, targets, lengths, forced=forced).shape
    ()
    >>> logits, symbols = decoder.free(v, steps=6)
    >>> logits.shape, symbols.shape
    ((6, 2, 27), (6, 2))
    >>> symbols, lengths = decoder.greedy(v, longest=10)
    >>> symbols.shape, lengths.shape, decoder.beam(v, longest=10, width=4)[0].shape
    ((10, 2), (2,), (10, 2))
    >>> decoder.encoded(nn.Recurrent(nn.GRUCell(3, 16, rng=3)), ts.ones((5, 2, 3))).shape  # a vector v
    (2, 16)
    """

    def __init__(
        self, embedding: Embedding, cell: Cell, readout: Layer, *, bridge: Layer | None = None, end: int = 0
    ) -> None:
        self.embedding, self.cell, self.readout, self.bridge = embedding, cell, readout, bridge
        self.end = integer(type(self).__name__, "end", end, f"[0, {embedding.weight.shape[0]})")

    # --- what is given, and how it enters the cell: defined by subclasses ---------------------------------

    def encoded(self, encoder: Runner, xs: Input, lengths: Lengths = None) -> Given:
        """The argument `given` of the other methods, computed by an encoder from a sequence xs (T, B, ...)."""
        raise NotImplementedError(f"{type(self).__name__} does not define encoded")

    def _checked(self, given: Given) -> Given:
        """`given`, checked and passed through the bridge: a tree of tensors whose first axis is the batch."""
        raise NotImplementedError(f"{type(self).__name__} does not define _checked")

    def _stepper(self, given: Given) -> Cell:
        """The cell that is run for this batch."""
        return self.cell

    def _start(self, given: Given) -> State:
        """The state before the first step."""
        like = tree.leaves(given)[0]
        return start(self.cell, len(like), like)

    def _inputs(self, given: Given, symbols: Indices) -> Tensor:
        """The inputs of the steps after `symbols`, (B,) or (T, B)."""
        return self.embedding(symbols)

    def _first(self, given: Given) -> Tensor:
        """The input of the first step, (B, I)."""
        like = tree.leaves(given)[0]
        return self._inputs(given, astype(zeros_like(like, shape=like.shape[:1]), np.int64) + self.end)

    # --- the same for all decoders ------------------------------------------------------------------------

    def __call__(
        self,
        given: Given,
        targets: Indices,
        lengths: Lengths = None,
        *,
        forced: np.ndarray | Tensor | None = None,
    ) -> Tensor:
        """The logits (T, B, C) of `targets` (T, B), 0 past the lengths.

        lengths  integers (B,), end symbols included; targets past them must be symbols, but have no influence
        forced   booleans (T, B): where True, the step receives the true previous symbol; where False, the
                 decoder's own choice, the likeliest symbol. None means True everywhere. The input of the first
                 step is always the same.

        Raises ValueError if targets or booleans have the wrong shape.
        """
        given = self._checked(given)
        xs, start, cell = self._forced(given, targets), self._start(given), self._stepper(given)
        if forced is None:
            ys, _ = Recurrent(cell)(xs, start, lengths)
            return cut(self.readout(ys), lengths)
        forced = forced if isinstance(forced, Tensor) else tensor(np.asarray(forced), device=xs.device)
        if forced.shape != xs.shape[:2] or forced.dtype != bool:
            raise ValueError(
                f"forced must be booleans of the shape of targets, {xs.shape[:2]}, got {describe(forced)}"
            )

        def step(carry: Carry, now: tuple[Tensor, Tensor]) -> tuple[Carry, Written]:
            state, own = carry
            x, true = now
            return self._free_step(given, cell, state, rows(true, x, own))

        _, (logits, _) = scan(step, (start, xs[0]), (xs, forced))
        return cut(logits, lengths)

    def loss(
        self,
        given: Given,
        targets: Indices,
        lengths: Lengths = None,
        *,
        forced: np.ndarray | Tensor | None = None,
    ) -> Tensor:
        """The cross-entropy of `targets`, in nats per symbol, end symbols included; arguments as for a call."""
        logits = self(given, targets, lengths, forced=forced)
        return mean_within(cross_entropy(logits, targets, reduction="none"), lengths)

    def free(self, given: Given, steps: int) -> tuple[Tensor, Tensor]:
        """Logits (T, B, C) and symbols (T, B) of `steps` steps, each of which writes the likeliest symbol.

        Gradients flow through the logits and the states, not through the choice of a symbol.
        """
        given = self._checked(given)
        cell = self._stepper(given)
        _, (logits, symbols) = scan(
            lambda carry, _: self._free_step(given, cell, *carry),
            (self._start(given), self._first(given)),
            length=natural(self, "steps", steps),
        )
        return logits, symbols

    def greedy(self, given: Given, longest: int) -> tuple[Tensor, Tensor]:
        """Sequences (T, B) of up to `longest` symbols, the likeliest at every step, and their lengths (B,).

        A length does not count the end symbol; after the first end symbol there are only end symbols. Nothing
        is recorded on the tape.
        """
        with no_grad():
            return self._ended(self.free(given, natural(self, "longest", longest))[1])

    def beam(self, given: Given, longest: int, width: int) -> tuple[Tensor, Tensor]:
        """The best sequences (T, B) that a beam search finds, and their lengths (B,), as returned by `greedy`.

        The search keeps the `width` best beginnings of each row. The best sequence has the largest mean of
        log p(y_t | ...) over its symbols, its end symbol included. Raises ValueError if width < 1.
        """
        longest, width = natural(self, "longest", longest), natural(self, "width", width)
        with no_grad():
            given = self._checked(given)
            many = tree.each(lambda part: repeat(part, width, axis=0), given)
            cell = self._stepper(many)

            def step(state: State, x: Tensor) -> tuple[State, Tensor]:
                state, h = cell(state, x)
                return state, log_softmax(self.readout(h))

            start = self._start(many), self._first(many)
            symbols = beam_search(step, lambda s: self._inputs(many, s), start, self.end, longest, width)
            return self._ended(symbols)

    def _forced(self, given: Given, targets: Indices) -> Tensor:
        """The inputs (T, B, I) of all steps by teacher forcing."""
        first = expand_dims(self._first(given), 0)
        batch, owner = first.shape[1], type(self).__name__
        ids = cast(Tensor | np.ndarray, targets if hasattr(targets, "shape") else np.asarray(targets))
        if ids.ndim != 2 or ids.shape[1] != batch or not len(ids):
            raise ValueError(
                f"{owner}: a batch of {batch} needs targets (T, {batch}) with T >= 1, got {describe(ids)}"
            )
        targets = integers(ids, f"{owner}: targets")
        return concatenate([first, self._inputs(given, targets[:-1])]) if len(targets) > 1 else first

    def _free_step(self, given: Given, cell: Cell, state: State, x: Tensor) -> tuple[Carry, Written]:
        """One step: (the state, the next input after the step's own choice), (its logits, its choice)."""
        state, h = cell(state, x)
        logits = self.readout(h)
        symbol = argmax(logits, axis=-1)
        return (state, self._inputs(given, symbol)), (logits, symbol)

    def _ended(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """`symbols` (T, B) with only end symbols after the first one; and their number before it, (B,)."""
        before = cumsum(symbols == self.end, axis=0) == 0
        return where(before, symbols, self.end), total(before, axis=0)
