"""Beam search: an approximate search for the best sequence, which keeps the best beginnings at every step."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygrad_seq import tree
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.indices import counted
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.indexing import take, take_along_axis
from tinygrad_seq.ops.ordering import argsort
from tinygrad_seq.ops.shape import broadcast_to, expand_dims, reshape, squeeze
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor

Beam = tuple[State, Tensor, Tensor, Tensor, Tensor]  # state, next x, scores, counts, whether it goes on


def beam_search(
    step: Callable[[State, Tensor], tuple[State, Tensor]],
    next_input: Callable[[Tensor], Tensor],
    start: tuple[State, Tensor],
    end: int,
    longest: int,
    width: int,
) -> Tensor:
    """The symbols (T, B) of the best sequence found for each row; after an end symbol, only end symbols.

        score(y) = 1/n sum_t log p(y_t | y_1 ... y_{t-1}),   n the length of y, its end symbol included

    The score is a mean, because a sum would be lower for every longer sequence (Wu et al. 2016, alpha = 1).
    After every step, the `width` beginnings K with the best scores are kept, finished ones included. A search
    of width 1 is greedy; if the width is the number of all sequences, it is exhaustive.

    step        state, logs = step(state, x), for B K rows, K consecutive rows for each of B: logs (B K, C)
    next_input  the next x, from symbols (B K,)
    start       the first state and x, equal in the K rows of each of B
    longest     T: a sequence that has not ended after T symbols is cut off there, without an end symbol
    """
    state, x = start
    batch = len(x) // width
    place = broadcast_to(counted(width, x), (batch, width))
    first = expand_dims(counted(batch, x) * width, -1)  # the index of the first of each K rows
    score = where(place == 0, zeros_like(x, shape=(batch, width)), -math.inf)  # only one beginning, the empty

    def longer(beam: Beam, _: None) -> tuple[Beam, tuple[Tensor, Tensor]]:
        state, x, score, count, going = beam
        state, logs = step(state, x)
        every = batch, width, logs.shape[-1]  # every beginning, extended by every symbol
        symbols = broadcast_to(counted(every[-1], logs), every)
        parents = broadcast_to(expand_dims(place, -1), every)
        ended = where(symbols == end, zeros_like(logs, shape=every), -math.inf)  # only end symbols, at no cost
        scores = expand_dims(score, -1) + where(expand_dims(going, -1), reshape(logs, every), ended)
        count = count + going
        together = batch, width * every[-1]
        means = reshape(scores / expand_dims(count, -1), together)
        best = argsort(-means, axis=-1)[:, :width]
        score, parent, symbol = (
            take_along_axis(reshape(of, together), best, axis=-1) for of in (scores, parents, symbols)
        )
        count, going = (take_along_axis(of, parent, axis=-1) for of in (count, going))
        origin = reshape(first + parent, (-1,))
        state = tree.each(lambda part: take(part, origin, axis=0), state)
        beam = state, next_input(reshape(symbol, (-1,))), score, count, logical_and(going, symbol != end)
        return beam, (parent, symbol)

    _, (parents, symbols) = scan(longer, (state, x, score, zeros_like(score), place >= 0), length=longest)

    def back(where_from: Tensor, step: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """One step back along the best sequence, from its last symbol to its first."""
        parent, symbol = (take_along_axis(part, where_from, axis=-1) for part in step)
        return parent, symbol

    found: Tensor
    _, found = scan(back, zeros_like(first), (parents, symbols), reverse=True)
    return squeeze(found, -1)
