"""What writes a sequence of symbols, given something: in training, running free, and in search of the best.

A sequence of symbols y_1 ... y_n, the last of which is the end symbol, has the probability

    p(y | given) = prod_t p(y_t | y_1 ... y_{t-1}, given),    p(y_t | ...) = softmax(o_t)

so that at every step the symbol before is an input: the true one in training (teacher forcing; Williams &
Zipser 1989), the network's own choice when it runs free, and on the way from the one to the other the true one
at some of the steps (scheduled sampling; Bengio et al. 2015). What is given, and how it comes in, subclasses
say.
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.decoding.beam import beam_search
from tinygrad_seq.nn.indices import Indices, rows
from tinygrad_seq.nn.layers import Embedding
from tinygrad_seq.nn.losses import cross_entropy
from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.runners.padding import cut, mean_within
from tinygrad_seq.nn.runners.patterns import Layer
from tinygrad_seq.nn.runners.recurrent import Lengths, Recurrent, Runner
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.rearranging import repeat
from tinygrad_seq.ops.reduction import cumsum
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import concatenate, expand_dims
from tinygrad_seq.ops.softmax import log_softmax
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Decoder(Module):
    """A sequence of symbols out of what is given, of every row of a batch.

        s_t, h_t = cell(s_{t-1}, x_t),   o_t = readout(h_t),   x_t of embedding(y_{t-1}),   y_0 = end

    embedding  of all symbols, the end symbol among them
    cell       any cell, readout: from its output to a number for each symbol
    bridge     what is made first of a given vector, a layer of the size that is needed; without it, itself
    end        the end symbol

    `decoder(given, targets)` are the logits by teacher forcing, `decoder.loss(given, targets, lengths)` what to
    make small, `decoder.free(given, steps)` the logits and symbols when it runs free; `decoder.greedy(given,
    longest)` and `decoder.beam(given, longest, width)` the sequences that it writes. Subclasses state what is
    given, and how it comes in; for one, see `VectorAsState`.

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
    >>> decoder.encoded(nn.Recurrent(nn.GRUCell(3, 16, rng=3)), ts.ones((5, 2, 3))).shape  # such a v
    (2, 16)
    """

    def __init__(
        self, embedding: Embedding, cell: Cell, readout: Layer, *, bridge: Layer | None = None, end: int = 0
    ) -> None:
        self.embedding, self.cell, self.readout, self.bridge = embedding, cell, readout, bridge
        self.end = end

    # --- what is given, and how it comes in ---------------------------------------------------------------

    def encoded(self, encoder: Runner, xs: Tensor, lengths: Lengths = None):
        """What is given, made of a sequence xs (T, B, ...) by an encoder."""
        raise NotImplementedError(f"{type(self).__name__} says not what it is given")

    def _taken(self, given):
        """What is given, checked, as a tree of tensors whose first axis is the batch."""
        raise NotImplementedError(f"{type(self).__name__} says not what it is given")

    def _stepper(self, given) -> Cell:
        """The cell that steps through this batch."""
        return self.cell

    def _start(self, given) -> State:
        """The state before the first step."""
        like = tree.leaves(given)[0]
        return self.cell.initial_state(len(like), like=like)

    def _hears(self, given, symbols: Indices) -> Tensor:
        """The inputs of steps before which `symbols` (B,) or (T, B) were written."""
        return self.embedding(symbols)

    def _first(self, given) -> Tensor:
        """The input of the first step, (B, I)."""
        like = tree.leaves(given)[0]
        return self._hears(given, astype(zeros_like(like, shape=like.shape[:1]), np.int64) + self.end)

    # --- and what follows from it -------------------------------------------------------------------------

    def __call__(
        self, given, targets: Indices, lengths: Lengths = None, *, forced: np.ndarray | Tensor | None = None
    ) -> Tensor:
        """The logits (T, B, C) of `targets` (T, B), 0 past the lengths.

        lengths  integers (B,), the end symbols counted in; targets past them are symbols without influence
        forced   booleans (T, B), of each step whether it hears the true symbol before; where they are False,
                 it hears its own choice, the likeliest. Without them every step hears the true one. The first
                 step hears what it always hears.

        ValueError for targets or booleans of another shape.
        """
        given = self._taken(given)
        xs, start, cell = self._forced(given, targets), self._start(given), self._stepper(given)
        if forced is None:
            ys, _ = Recurrent(cell)(xs, start, lengths)
            return cut(self.readout(ys), lengths)
        forced = forced if isinstance(forced, Tensor) else tensor(np.asarray(forced), device=xs.device)
        if forced.shape != xs.shape[:2] or forced.dtype != bool:
            raise ValueError(f"targets {xs.shape[:2]} are forced by booleans, not {describe(forced)}")

        def step(carry, now):
            state, own = carry
            x, true = now
            return self._written(given, cell, state, rows(true, x, own))

        _, (logits, _) = scan(step, (start, xs[0]), (xs, forced))
        return cut(logits, lengths)

    def loss(
        self, given, targets: Indices, lengths: Lengths = None, *, forced: np.ndarray | Tensor | None = None
    ) -> Tensor:
        """The cross-entropy of `targets`, in nats per symbol, end symbols counted in; arguments as above."""
        logits = self(given, targets, lengths, forced=forced)
        return mean_within(cross_entropy(logits, targets, reduction="none"), lengths)

    def free(self, given, steps: int) -> tuple[Tensor, Tensor]:
        """Logits (T, B, C) and symbols (T, B) of `steps` steps, each of which writes the likeliest symbol.

        Gradients flow through the logits and the states, not through the choice of a symbol.
        """
        given = self._taken(given)
        cell = self._stepper(given)
        _, (logits, symbols) = scan(
            lambda carry, _: self._written(given, cell, *carry),
            (self._start(given), self._first(given)),
            length=steps,
        )
        return logits, symbols

    def greedy(self, given, longest: int) -> tuple[Tensor, Tensor]:
        """Sequences (T, B), of up to `longest` symbols, the likeliest at every step, and their lengths (B,).

        A sequence ends before its first end symbol; past it there are end symbols only. Nothing is recorded.
        """
        with no_grad():
            return self._ended(self.free(given, longest)[1])

    def beam(self, given, longest: int, width: int) -> tuple[Tensor, Tensor]:
        """Sequences (T, B) and lengths (B,), as of `greedy`, of the best that a beam search finds.

        It keeps the `width` best beginnings of each row; the best has the largest mean of log p(y_t | ...)
        over its symbols, its end symbol counted in. ValueError for a width below 1.
        """
        if width < 1:
            raise ValueError(f"a beam search keeps at least one beginning, not {width}")
        with no_grad():
            given = self._taken(given)
            many = tree.each(lambda part: repeat(part, width, axis=0), given)
            cell = self._stepper(many)

            def step(state, x):
                state, h = cell(state, x)
                return state, log_softmax(self.readout(h))

            start = self._start(many), self._first(many)
            symbols = beam_search(step, lambda s: self._hears(many, s), start, self.end, longest, width)
            return self._ended(symbols)

    def _forced(self, given, targets: Indices) -> Tensor:
        """The inputs (T, B, I) of all steps, if each hears the true symbol before."""
        first = expand_dims(self._first(given), 0)
        targets = np.asarray(targets) if isinstance(targets, list) else targets
        batch = first.shape[1]
        if targets.ndim != 2 or targets.shape[1] != batch or not len(targets):
            raise ValueError(f"a batch of {batch} has targets (T, {batch}), not {describe(targets)}")
        return concatenate([first, self._hears(given, targets[:-1])]) if len(targets) > 1 else first

    def _written(self, given, cell: Cell, state: State, x: Tensor):
        """A step, and what the next one hears if it hears its own choice; its logits and its choice."""
        state, h = cell(state, x)
        logits = self.readout(h)
        symbol = argmax(logits, axis=-1)
        return (state, self._hears(given, symbol)), (logits, symbol)

    def _ended(self, symbols: Tensor) -> tuple[Tensor, Tensor]:
        """Symbols (T, B) with end symbols only past the first, and how many there are before it, (B,)."""
        before = cumsum(symbols == self.end, axis=0) == 0
        return where(before, symbols, self.end), total(before, axis=0)
