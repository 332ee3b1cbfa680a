"""Design patterns of recurrent networks: which of the steps have an output, and how many there are.

`features` makes vectors of what comes in, an embedding or a network that looks at one step alone; a runner
makes states of them; and `readout` makes of a state what is wanted. What writes sequences is a
`Decoder`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.nn.runners.recurrent import Lengths, Runner
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Layer = Callable[[Tensor], Tensor]


def heard(features: Layer, xs: Tensor, lengths: Lengths) -> Tensor:
    """features(x) for every step; for what stands past the lengths, be it NaN, as if it were 0."""
    if lengths is not None and isinstance(xs, (Tensor, np.ndarray)) and xs.dtype.kind == "f":
        xs = cut(xs if isinstance(xs, Tensor) else tensor(xs), lengths)
    return features(xs)


def time_first(runner: Runner, owner: str) -> Runner:
    """`runner`, checked to take time for the first axis, as what is around it does."""
    if runner.batch_first:
        raise ValueError(f"{owner} takes time for the first axis: its runner is not batch_first")
    return runner


class ManyToOne(Module):
    """One output for a whole sequence: y = readout(s), s the runner's summary of all features(x_t).

    xs (T, B, ...) make y (B, C); `lengths` and errors as for `Recurrent`. A row of length 0 has the summary 0.
    ValueError for a runner that is batch_first.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(4, 8, rng=1))
    >>> classify = nn.ManyToOne(nn.Embedding(10, 4, rng=0), rnn, nn.Linear(8, 2, rng=2))
    >>> xs, lengths = nn.padded([[3, 9, 9, 3], [7, 7]])
    >>> classify(xs, lengths).shape
    (2, 2)
    """

    def __init__(self, features: Layer, runner: Runner, readout: Layer) -> None:
        self.features, self.runner = features, time_first(runner, type(self).__name__)
        self.readout = readout

    def __call__(self, xs: Tensor, lengths: Lengths = None) -> Tensor:
        summary, _ = self.runner.summary(heard(self.features, xs, lengths), lengths=lengths)
        return self.readout(summary)


class ManyToMany(Module):
    """One output for each input, aligned with it: y_t = readout(h_t), h the runner's outputs of features(x).

    xs (T, B, ...) make ys (T, B, C), 0 past the `lengths`; these and errors as for `Recurrent`. With a
    bidirectional runner every output looks at the whole sequence. ValueError for a runner that is batch_first.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Bidirectional(nn.GRUCell(4, 8, rng=1), nn.GRUCell(4, 8, rng=2))
    >>> tag = nn.ManyToMany(nn.Embedding(10, 4, rng=0), rnn, nn.Linear(16, 3, rng=3))
    >>> xs, lengths = nn.padded([[3, 9, 9, 3], [7, 7]])
    >>> tag(xs, lengths).shape
    (4, 2, 3)
    """

    def __init__(self, features: Layer, runner: Runner, readout: Layer) -> None:
        self.features, self.runner = features, time_first(runner, type(self).__name__)
        self.readout = readout

    def __call__(self, xs: Tensor, lengths: Lengths = None) -> Tensor:
        ys, _ = self.runner(heard(self.features, xs, lengths), lengths=lengths)
        return cut(self.readout(ys), lengths)


class PerFrame(ManyToMany):
    """One output for each frame of a film: frames (T, B, height, width) are taken as vectors, one by one.

    Otherwise as `ManyToMany`: `features` takes (T, B, height * width).

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(16, 8, rng=1))
    >>> watch = nn.PerFrame(nn.Linear(64, 16, rng=0), rnn, nn.Linear(8, 10, rng=2))
    >>> watch(np.ones((20, 3, 8, 8), np.float32)).shape
    (20, 3, 10)
    """

    def __call__(self, xs: Tensor, lengths: Lengths = None) -> Tensor:
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        return super().__call__(reshape(xs, (*xs.shape[:2], -1)), lengths)
