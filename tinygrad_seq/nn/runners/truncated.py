"""Truncated backpropagation through time: a long sequence in chunks, which pass on the state.

The state is carried over, but its gradient is cut: a gradient reaches back at most `back` steps. Earlier steps
still influence the outputs through the state, but receive no gradient.

(Williams & Peng 1990, their BPTT(h; h').)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.module import Input, Module
from tinygrad_seq.nn.runners.lengths import Lengths, checked_lengths
from tinygrad_seq.nn.runners.padding import visible
from tinygrad_seq.nn.runners.recurrent import Recurrent
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Model = Callable[..., tuple[Tensor, State]]


class Truncated:
    """An iterator over a sequence: for each chunk, the slice of its time steps and its outputs ys.

    model    ys, state = model(xs, state), with time as the first axis: a runner, or a network around one
    xs       (T, B, ...), an array or a tensor
    back     k2, the largest number of steps that a gradient goes back
    every    k1, the number of steps from one chunk to the next; None means `back`
    state    the state before the first step; None is passed to the model as it is
    lengths  integers (B,), for rows of unequal length: the model receives the part of them within the chunk

    If every < back, the gradient of a chunk also goes through steps of earlier chunks. If every > back, the
    first every - back outputs of a chunk have no gradient. One chunk of the whole length is full
    backpropagation through time. Update the parameters before asking for the next chunk: it is computed with
    the parameters of that moment. `chunks.state` is always the state after the last step so far, without a
    gradient; another sequence can continue from it. Raises ValueError unless back and every are at least 1, or
    if the model runs in reverse or is batch_first.

    >>> import numpy as np
    >>> from tinygrad_seq import nn, optim
    >>> rnn = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
    >>> sgd, xs = optim.SGD(rnn.parameters(), lr=0.1), np.ones((10, 2, 3), np.float32)
    >>> chunks = nn.Truncated(rnn, xs, back=4)
    >>> for steps, ys in chunks:
    ...     nn.mse(ys, np.zeros((10, 2, 5), np.float32)[steps]).backward()
    ...     sgd.step()
    ...     sgd.zero_grad()
    ...     print(steps.start, steps.stop, ys.shape)
    0 4 (4, 2, 5)
    4 8 (4, 2, 5)
    8 10 (2, 2, 5)
    >>> chunks.state[0].shape, chunks.state[0].requires_grad
    ((2, 5), False)
    """

    def __init__(
        self,
        model: Model,
        xs: Input,
        *,
        back: int,
        every: int | None = None,
        state: State | None = None,
        lengths: Lengths = None,
    ) -> None:
        back = integer("Truncated", "back", back, "[1, inf)")
        every = back if every is None else integer("Truncated", "every", every, "[1, inf)")
        inside: Iterable[Module] = model.modules() if isinstance(model, Module) else ()
        if any(isinstance(part, Recurrent) and (part.reverse or part.batch_first) for part in inside):
            raise ValueError(
                "Truncated needs a model that runs forward, with time as the first axis; use runners without "
                "reverse and batch_first, and no Bidirectional"
            )
        self.model, self.back, self.every = model, back, every
        self.xs = xs if hasattr(xs, "shape") else tensor(xs)
        if not self.xs.ndim:
            raise ValueError(f"Truncated needs xs (T, B, ...), got {describe(self.xs)}")
        self.state, self.lengths = state, None
        if lengths is not None:
            self.lengths = checked_lengths(lengths, self.xs)

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """For each chunk, the slice of its steps and their outputs."""
        at, state = 0, self.state  # the next chunk is computed from the state before step `at`
        for start in range(0, len(self.xs), self.every):
            end = min(start + self.every, len(self.xs))
            if self.every > self.back:
                first, following = max(end - self.back, start), end
            else:
                first, following = at, min(max(at, start + 2 * self.every - self.back), end)
            with no_grad():
                early, state = self._run(at, first, state)
            known, middle = self._run(first, following, state)
            new, last = self._run(following, end, middle)
            # the state before the first step is not detached, since it may be learned
            at, state = following, detached(middle) if following else state
            self.state = detached(last)
            made = [*early, *known, *new]
            ys = [concatenate(parts)[start - end :] for parts in zip(*map(tree.leaves, made), strict=True)]
            yield slice(start, end), tree.like(made[0], ys)

    def _run(self, start: int, end: int, state: State | None) -> tuple[list[Tensor], State | None]:
        """[the outputs of steps start ... end - 1], or [] if there is no step; and the state after them."""
        if end <= start:
            return [], state
        xs = self.xs[start:end]
        if self.lengths is None:
            ys, state = self.model(xs, state)
        else:
            lengths: Tensor | np.ndarray = np.clip(self.lengths - start, 0, end - start)
            # lengths on a GPU were not checked: the model receives those out of range, and gives NaN for them
            valid = np.logical_and(self.lengths >= 0, self.lengths <= len(self.xs))
            lengths = np.where(valid, lengths, self.lengths)
            ys, state = self.model(visible(xs, lengths), state, lengths=lengths)
        return [ys], state


def detached(state: State | None) -> State | None:
    """The state, detached from the tape."""
    return tree.each(lambda part: part.detach(), state)
