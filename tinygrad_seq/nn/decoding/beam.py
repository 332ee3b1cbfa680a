"""Beam search: of all sequences that could be written, the best, as far as the best beginnings lead to it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.nn.cells import State
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import logical_and
from tinygrad_seq.ops.creation import ones_like, zeros_like
from tinygrad_seq.ops.elementwise import astype
from tinygrad_seq.ops.indexing import take, take_along_axis
from tinygrad_seq.ops.ordering import argsort
from tinygrad_seq.ops.reduction import cumsum
from tinygrad_seq.ops.shape import broadcast_to, expand_dims, reshape, squeeze
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.tensor import Tensor


def beam_search(
    step: Callable[[State, Tensor], tuple[State, Tensor]],
    hears: Callable[[Tensor], Tensor],
    start: tuple[State, Tensor],
    end: int,
    longest: int,
    width: int,
) -> Tensor:
    """The symbols (T, B) of the best sequence of each row that is found; behind an end symbol, end symbols.

        score(y) = 1/n sum_t log p(y_t | y_1 ... y_{t-1}),   n the length of y, its end symbol counted in

    Of a sequence the mean is taken, or every longer one would be a worse one (Wu et al. 2016, alpha = 1).
    After every step the `width` beginnings K of the best score are kept, ended ones among them. With
    one, the search is greedy; with as many as there are sequences, it is exhaustive.

    step     state, logs = step(state, x), for B K rows, of which K belong together: logs (B K, C)
    hears    the next x, of symbols (B K,)
    start    the first state and x, the same in all rows that belong together
    longest  T: a sequence that has not ended by then, ends there, without an end symbol
    """
    state, x = start
    batch = len(x) // width
    place = broadcast_to(counted(width, x), (batch, width))
    first = expand_dims(counted(batch, x) * width, -1)  # where the K of each row begin
    score = where(place == 0, zeros_like(x, shape=(batch, width)), -math.inf)  # one beginning, which is empty

    def longer(beam, _):
        state, x, score, count, going = beam
        state, logs = step(state, x)
        every = batch, width, logs.shape[-1]  # every beginning, made longer by every symbol
        symbols = broadcast_to(counted(every[-1], logs), every)
        parents = broadcast_to(expand_dims(place, -1), every)
        nothing = where(symbols == end, zeros_like(logs, shape=every), -math.inf)  # what has ended goes on so
        scores = expand_dims(score, -1) + where(expand_dims(going, -1), reshape(logs, every), nothing)
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
        beam = state, hears(reshape(symbol, (-1,))), score, count, logical_and(going, symbol != end)
        return beam, (parent, symbol)

    _, (parents, symbols) = scan(longer, (state, x, score, zeros_like(score), place >= 0), length=longest)

    def back(where_from, step):
        """From the last symbol of the best to its first."""
        return tuple(take_along_axis(part, where_from, axis=-1) for part in step)

    _, found = scan(back, zeros_like(first), (parents, symbols), reverse=True)
    return squeeze(found, -1)


def counted(size: int, like: Tensor) -> Tensor:
    """0 ... size - 1, made where `like` lives, so that nothing is uploaded."""
    return cumsum(astype(ones_like(like, shape=(size,)), np.int64), axis=0) - 1
