"""One to many: decoders that write a sequence of symbols from one vector.

The vector can enter in three ways: `VectorAsFirstInput`, `VectorAtEveryStep` and `VectorAsState`. Their methods
are described in `Decoder`.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.cells import State
from tinygrad_seq.nn.cells.cell import widened
from tinygrad_seq.nn.decoding.decoder import Decoder
from tinygrad_seq.nn.indices import Indices
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.ops.joining import concatenate, split
from tinygrad_seq.ops.shape import broadcast_to, reshape
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class OneToMany(Decoder[Tensor]):
    """The base class of decoders that are given a vector v (B, V); the subclasses define how v enters.

    bridge  a layer that is applied to v first, to bring it to the required size; None for no layer

    This class itself uses only the batch size of v. Raises ValueError unless v is (B, V), of floats.

    >>> from tinygrad_seq import nn
    >>> letters = nn.Embedding(27, 8, rng=0)
    >>> decoder: nn.OneToMany = nn.VectorAsState(
    ...     letters, nn.GRUCell(8, 16, rng=1), nn.Linear(16, 27, rng=2), bridge=nn.Linear(5, 16, rng=3)
    ... )
    >>> symbols, lengths = decoder.greedy(ts.ones((2, 5)), longest=10)
    >>> symbols.shape, lengths.shape
    ((10, 2), (2,))
    """

    def encoded(self, encoder: Runner, xs: Input, lengths: Lengths = None) -> Tensor:
        """The encoder's summary of xs, (B, H)."""
        return encoder.summary(xs, lengths=lengths)[0]

    def _checked(self, given: Tensor) -> Tensor:
        v = given if isinstance(given, Tensor) else tensor(given)
        v = v if self.bridge is None else self.bridge(v)
        if v.ndim != 2 or v.dtype.kind != "f":
            raise ValueError(
                f"a decoder needs vectors (B, V) of floats, got {describe(v)}; for one, pass v[None]"
            )
        return v


class VectorAsFirstInput(OneToMany):
    """The vector is the first input: x_1 = bridge(v), of the embedding's size; later x_t = embedding(y_{t-1}).

    (Vinyals et al. 2015, Show and tell, where v encodes a picture.) Everything else is as for `OneToMany`.

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

    (Cho et al. 2014, Learning phrase representations.) Everything else is as for `OneToMany`.

    >>> from tinygrad_seq import nn
    >>> decoder = nn.VectorAtEveryStep(nn.Embedding(27, 8), nn.GRUCell(8 + 5, 16), nn.Linear(16, 27))
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _inputs(self, given: Tensor, symbols: Indices) -> Tensor:
        e = self.embedding(symbols)
        return concatenate([e, broadcast_to(given, (*e.shape[:-1], given.shape[-1]))], axis=-1)


class VectorAsState(OneToMany):
    """The vector is the state before the first step: s_0 = bridge(v), as many numbers as the whole state has.

    (Sutskever, Vinyals & Le 2014.) For an LSTM of H units, [h_0; c_0] has size 2H. Everything else is as for
    `OneToMany`. Raises ValueError if the vector has another size.

    >>> from tinygrad_seq import nn
    >>> letters, readout, bridge = nn.Embedding(27, 8), nn.Linear(16, 27), nn.Linear(5, 32)
    >>> decoder = nn.VectorAsState(letters, nn.LSTMCell(8, 16), readout, bridge=bridge)
    >>> decoder.free(ts.ones((2, 5)), steps=6)[1].shape
    (6, 2)
    """

    def _start(self, given: Tensor) -> State:
        return as_state(type(self).__name__, given, super()._start(given))


def as_state(owner: str, v: Tensor, zeros: State) -> State:
    """The state `zeros` with its float parts filled, in order, from a vector v (B, V); integer parts are kept.

    Raises ValueError unless V is the total size of the float parts.
    """
    floats = [part for part in tree.leaves(zeros) if part.dtype.kind == "f"]
    ends = np.cumsum([math.prod(part.shape[1:]) for part in floats]).tolist()
    if v.shape[1] != ends[-1]:
        raise ValueError(
            f"{owner}: the state of this cell needs a vector of {ends[-1]} numbers, got {v.shape[1]}; use a "
            f"bridge with {ends[-1]} outputs"
        )
    values = iter(split(v, ends[:-1], axis=-1))
    state = tree.each(lambda part: reshape(next(values), part.shape) if part.dtype.kind == "f" else part, zeros)
    return widened(state, *floats)
