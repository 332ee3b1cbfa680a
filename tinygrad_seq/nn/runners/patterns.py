"""Design patterns of recurrent networks: one output for a sequence, or one for each of its steps.

A pattern has three parts. `features` turns the input of each step into a vector: an embedding, or a network
that is applied to every step separately. A runner computes an output for every step from these vectors.
`readout` computes the result from the runner's outputs. Models that write sequences are in `nn/decoding`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_seq.nn.module import Input, Module
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.padding import cut, visible
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

Layer = Callable[[Tensor], Tensor]
Features = Callable[[Any], Tensor]  # receives the input as it is given: a tensor or an array


def time_first(runner: Runner, owner: str) -> Runner:
    """`runner`, checked to have time as the first axis, as `owner` has."""
    if runner.batch_first:
        raise ValueError(f"{owner} needs a runner with time as the first axis, got one with batch_first=True")
    return runner


class ManyToOne(Module):
    """One output for a whole sequence: y = readout(s), where s is the runner's summary of all features(x_t).

    xs is (T, B, ...) and y is (B, C); `lengths` and errors are as for `Recurrent`. The summary of a row of
    length 0 is 0. Raises ValueError if the runner is batch_first.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(4, 8, rng=1))
    >>> classify = nn.ManyToOne(nn.Embedding(10, 4, rng=0), rnn, nn.Linear(8, 2, rng=2))
    >>> xs, lengths = nn.padded([[3, 9, 9, 3], [7, 7]])
    >>> classify(xs, lengths).shape
    (2, 2)
    """

    def __init__(self, features: Features, runner: Runner, readout: Layer) -> None:
        self.features, self.runner = features, time_first(runner, type(self).__name__)
        self.readout = readout

    def __call__(self, xs: Input, lengths: Lengths = None) -> Tensor:
        summary, _ = self.runner.summary(self.features(visible(xs, lengths)), lengths=lengths)
        return self.readout(summary)


class ManyToMany(Module):
    """One output for each input: y_t = readout(h_t), where h is the runner's outputs for features(x).

    xs is (T, B, ...) and ys is (T, B, C), 0 past the `lengths`; `lengths` and errors are as for `Recurrent`.
    With a bidirectional runner every output depends on the whole sequence. Raises ValueError if the runner is
    batch_first.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Bidirectional(nn.GRUCell(4, 8, rng=1), nn.GRUCell(4, 8, rng=2))
    >>> tag = nn.ManyToMany(nn.Embedding(10, 4, rng=0), rnn, nn.Linear(16, 3, rng=3))
    >>> xs, lengths = nn.padded([[3, 9, 9, 3], [7, 7]])
    >>> tag(xs, lengths).shape
    (4, 2, 3)
    """

    def __init__(self, features: Features, runner: Runner, readout: Layer) -> None:
        self.features, self.runner = features, time_first(runner, type(self).__name__)
        self.readout = readout

    def __call__(self, xs: Input, lengths: Lengths = None) -> Tensor:
        ys, _ = self.runner(self.features(visible(xs, lengths)), lengths=lengths)
        return cut(self.readout(ys), lengths)


class PerFrame(ManyToMany):
    """One output for each frame of a film: each frame of xs (T, B, height, width) is flattened to a vector.

    Everything else is as for `ManyToMany`; `features` receives (T, B, height * width).

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> rnn = nn.Recurrent(nn.LSTMCell(16, 8, rng=1))
    >>> watch = nn.PerFrame(nn.Linear(64, 16, rng=0), rnn, nn.Linear(8, 10, rng=2))
    >>> watch(np.ones((20, 3, 8, 8), np.float32)).shape
    (20, 3, 10)
    """

    def __call__(self, xs: Input, lengths: Lengths = None) -> Tensor:
        xs = xs if isinstance(xs, Tensor) else tensor(xs)
        return super().__call__(reshape(xs, (*xs.shape[:2], math.prod(xs.shape[2:]))), lengths)
