"""Truncated backpropagation through time: a long sequence in chunks, between which the state goes on.

The state is carried over from chunk to chunk, its gradient is not: what happened longer ago than `back` steps
is remembered, but learns nothing from what it led to (Williams & Peng 1990, their BPTT(h; h')).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.runners.recurrent import Lengths, Recurrent, refused_outside
from tinygrad_seq.ops.shape import concatenate
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Model = Callable[..., tuple[Tensor, State]]


class Truncated:
    """An iterator over a sequence: for each chunk its slice of time, and its outputs, to be learned from.

    model    ys, state = model(xs, state), with time for the first axis: a runner, or a network around one
    xs       (T, B, ...), an array or a tensor
    back     k2, the number of steps that a gradient goes back at most
    every    k1, the number of steps from one chunk to the next; without it, as many as `back`
    state    that before the first step; without it, None is given to the model
    lengths  integers (B,), if the rows are of unequal length: the model is given those of the chunk

    If every < back, the gradient of a chunk goes on into steps that were given before; if every > back, the
    first every - back outputs of a chunk carry none. One chunk of the whole length is all of backpropagation
    through time. Learn from a chunk before you ask for the next: a parameter that changes, changes what
    follows. At any moment `chunks.state` is the state after the last step given, without a gradient, and from
    there another sequence can go on. ValueError unless both numbers are 1 or more, and for a model that runs
    in reverse or takes the batch first.

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
        xs: Tensor,
        *,
        back: int,
        every: int | None = None,
        state: State | None = None,
        lengths: Lengths = None,
    ) -> None:
        every = back if every is None else every
        if back < 1 or every < 1:
            raise ValueError(f"back and every are numbers of steps, 1 or more, not {back} and {every}")
        inside: Iterable[Module] = model.modules() if isinstance(model, Module) else ()
        if any(isinstance(part, Recurrent) and (part.reverse or part.batch_first) for part in inside):
            raise ValueError("a chunk is a slice of time: the model runs forward, and time is the first axis")
        self.model, self.back, self.every = model, back, every
        self.xs = xs if hasattr(xs, "shape") else tensor(xs)
        self.state, self.lengths = state, None
        if lengths is not None:
            self.lengths = refused_outside(lengths, *self.xs.shape[:2])

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """For each chunk the slice of its steps, and their outputs."""
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
            at, state = following, detached(middle) if following else state  # the first state may be learned
            self.state = detached(last)
            made = [*early, *known, *new]
            ys = [concatenate(parts)[start - end :] for parts in zip(*map(tree.leaves, made), strict=True)]
            yield slice(start, end), tree.like(made[0], ys)

    def _run(self, start: int, end: int, state: State | None) -> tuple[list[Tensor], State | None]:
        """The outputs of some steps, in a list without any if there is no step, and the state after them."""
        if end <= start:
            return [], state
        if self.lengths is None:
            ys, state = self.model(self.xs[start:end], state)
        else:
            lengths = np.clip(self.lengths - start, 0, end - start)
            # one out of range, on a device, where nobody looked at it, is left to the model
            lawful = np.logical_and(self.lengths >= 0, self.lengths <= len(self.xs))
            ys, state = self.model(self.xs[start:end], state, lengths=np.where(lawful, lengths, self.lengths))
        return [ys], state


def detached(state: State | None) -> State | None:
    """The state, without its past."""
    return tree.each(lambda part: part.detach(), state)
