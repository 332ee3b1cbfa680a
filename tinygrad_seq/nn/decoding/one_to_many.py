"""One to many: a sequence of symbols out of a vector, which has three ways in.

`VectorAsFirstInput`, `VectorAtEveryStep` and `VectorAsState`; what they all can do, a `Decoder` says.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.indices import Indices
from tinygrad_seq.nn.runners.recurrent import Lengths, Runner
from tinygrad_seq.ops.shape import broadcast_to, concatenate, reshape, split
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class OneToMany(Decoder):
    """A decoder that is given a vector v (B, V); how v comes in, the classes made of this one say.

    bridge  what is made of v first, a layer of the size that is needed; without it, v itself

    Without a way in it hears nothing of v but the size of its batch. ValueError unless v is (B, V), of floats.

    >>> from tinygrad_seq import nn
    >>> letters = nn.Embedding(27, 8, rng=0)
    >>> decoder: nn.OneToMany = nn.VectorAsState(
    ...     letters, nn.GRUCell(8, 16, rng=1), nn.Linear(16, 27, rng=2), bridge=nn.Linear(5, 16, rng=3)
    ... )
    >>> symbols, lengths = decoder.greedy(ts.ones((2, 5)), longest=10)
    >>> symbols.shape, lengths.shape
    ((10, 2), (2,))
    """

    def encoded(self, encoder: Runner, xs: Tensor, lengths: Lengths = None) -> Tensor:
        """The encoder's summary of xs, (B, H)."""
        return encoder.summary(xs, lengths=lengths)[0]

    def _taken(self, given: Tensor) -> Tensor:
        v = given if isinstance(given, Tensor) else tensor(given)
        v = v if self.bridge is None else self.bridge(v)
        if v.ndim != 2 or v.dtype.kind != "f":
            raise ValueError(f"the vector that a sequence is made of is (B, V), of floats, not {describe(v)}")
        return v


class VectorAsFirstInput(OneToMany):
    """The vector is the first input: x_1 = bridge(v), of the embedding's size, and x_t = embedding(y_{t-1}).

    (As a picture in Vinyals et al. 2015, Show and tell.) All else as for `OneToMany`.

    >>> from tinygrad_seq import nn
    >>> letters, readout, bridge = nn.Embedding(27, 8), nn.Linear(16, 27), nn.Linear(5, 8)
    >>> decoder = nn.VectorAsFirstInput(letters, nn.GRUCell(8, 16), readout, bridge=bridge)
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _first(self, given: Tensor) -> Tensor:
        return given


class VectorAtEveryStep(OneToMany):
    """The vector is an extra input at every step: x_t = [embedding(y_{t-1}); bridge(v)].

    (Cho et al. 2014, Learning phrase representations.) All else as for `OneToMany`.

    >>> from tinygrad_seq import nn
    >>> decoder = nn.VectorAtEveryStep(nn.Embedding(27, 8), nn.GRUCell(8 + 5, 16), nn.Linear(16, 27))
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _hears(self, given: Tensor, symbols: Indices) -> Tensor:
        e = self.embedding(symbols)
        return concatenate([e, broadcast_to(given, (*e.shape[:-1], given.shape[-1]))], axis=-1)


class VectorAsState(OneToMany):
    """The vector is the state before the first step: s_0 = bridge(v), of the size of all parts of the state.

    (Sutskever, Vinyals & Le 2014.) For an LSTM of H units, [h_0; c_0] is of size 2H. All else as for
    `OneToMany`; ValueError for a vector of another size.

    >>> from tinygrad_seq import nn
    >>> letters, readout, bridge = nn.Embedding(27, 8), nn.Linear(16, 27), nn.Linear(5, 32)
    >>> decoder = nn.VectorAsState(letters, nn.LSTMCell(8, 16), readout, bridge=bridge)
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _start(self, given: Tensor) -> State:
        return as_state(given, super()._start(given))


def as_state(v: Tensor, zeros: State) -> State:
    """A vector (B, V), laid out as the floats of a state `zeros`, in their order; what counts, stays as it is.

    ValueError if it is not of the size of all of them.
    """
    floats = [part for part in tree.leaves(zeros) if part.dtype.kind == "f"]
    ends = np.cumsum([math.prod(part.shape[1:]) for part in floats]).tolist()
    if v.shape[1] != ends[-1]:
        raise ValueError(f"the state of this cell has {ends[-1]} numbers, the vector {v.shape[1]}: see bridge")
    values = iter(split(v, ends[:-1], axis=-1))
    return tree.each(lambda part: reshape(next(values), part.shape) if part.dtype.kind == "f" else part, zeros)
