"""The neural Turing machine: a cell that reads and writes a memory (Graves, Wayne & Danihelka 2014).

Its controller, which may be any cell, receives the input and the vectors that were read at the previous step.
Its heads determine where to read and write, by the addressing of `nn.memory`. All heads address the memory of
the previous step and read from it; the memory is written afterwards. The machine is an ordinary cell: a
composition of primitives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.cells.cell import over_time, probe
from tinygrad_seq.nn.cells.combinators import LearnedStart
from tinygrad_seq.nn.cells.fitting import checked, remaining
from tinygrad_seq.nn.cells.state import parts
from tinygrad_seq.nn.layers import Linear
from tinygrad_seq.nn.memory import (
    circular_shift,
    content_addressing,
    interpolation,
    read,
    sharpening,
    write,
)
from tinygrad_seq.nn.module import Parameter, natural, naturals
from tinygrad_seq.ops.choice import clip
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.exponential import sigmoid, softplus
from tinygrad_seq.ops.joining import concatenate, split
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.ops.softmax import softmax
from tinygrad_seq.scan import scan
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

# the heads' values are clipped to this bound: exp 20 is far from overflow, and 1 - sigmoid 20 is about 2e-9
BOUND = 20.0
Start = Literal["constant", "random", "learned"]
TapeState = tuple[State, Tensor, Tensor, Tensor]  # controller state, read vectors, weightings, memory


@dataclass(frozen=True)
class NTMTrace:
    """The outputs, head values and memory of a machine at every step, with R read heads and W write heads.

    outputs           ys (T, B, output)
    read_weightings   (T, B, R, N)
    write_weightings  (T, B, W, N)
    reads             the read vectors, (T, B, R, M)
    erases            the erase vectors, (T, B, W, M)
    adds              the add vectors, (T, B, W, M)
    memory            the memory after each step, (T, B, N, M)

    >>> from tinygrad_seq import nn
    >>> cell = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=0), 2, memory=(6, 4), writes=2, rng=1)
    >>> trace = cell.trace(ts.ones((7, 2, 3)))
    >>> trace.write_weightings.shape, trace.adds.shape
    ((7, 2, 2, 6), (7, 2, 2, 4))
    """

    outputs: Tensor
    read_weightings: Tensor
    write_weightings: Tensor
    reads: Tensor
    erases: Tensor
    adds: Tensor
    memory: Tensor


class NTMCell(Cell):
    """A controller with R heads that read a memory of N rows of width M, and W heads that write it.

        s', h = controller(s, [x; r])
        k, s, beta, g, gamma = split(h A + a)       for every head, clipped to -20 ... 20
        w'    = sharpening(circular_shift(interpolation(content_addressing(m, k, softplus beta),
                                                        w, sigmoid g), softmax s), 1 + softplus gamma)
        r'    = read(m, w')                         read heads
        m'    = write(m, w', sigmoid e, v)          write heads; e, v = split(h B + b), also clipped
        y     = readout([h; r'])

    controller    any cell of input size I + R M
    memory        (N, M)
    reads, writes R and W
    shift         r: a step moves a weighting by -r ... r rows
    memory_start  the memory before the first step: "constant", all 1e-6, which learned fastest in Collier &
                  Beel (2018); "random", drawn once from U(-k, k), k = 1/sqrt(N + M); "learned", drawn in the
                  same way and then learned
    learned       whether the read vectors, the weightings and the controller state before the first step are
                  learned. If not, the read vectors are 0, each weighting is 1 on row 0, and the controller
                  state is the controller's initial state

    The paper does not specify the activation of keys and add vectors. Here they are linear in h, as in the
    implementation loudinthecloud/pytorch-ntm (Collier & Beel use tanh). The initial weights of the heads are
    also those of that implementation, `init.xavier` of gain 1.4; the initial biases are 0 here and N(0, 0.01)
    there.

    The state is (s, r (B, R, M), w (B, R + W, N), m (B, N, M)); w has the read heads first, then the write
    heads. The output is y (B, output). Raises ValueError if the controller or x has the wrong size, or if a
    size or memory_start is invalid.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> cell = nn.NTMCell(nn.LSTMCell(9 + 20, 100, rng=0), 8, memory=(128, 20), rng=1)
    >>> ys, ((h, c), r, w, m) = nn.Recurrent(cell)(np.ones((7, 2, 9), np.float32))
    >>> ys.shape, r.shape, w.shape, m.shape
    ((7, 2, 8), (2, 1, 20), (2, 2, 128), (2, 128, 20))
    """

    def __init__(
        self,
        controller: Cell,
        output_size: int,
        *,
        memory: tuple[int, int],
        reads: int = 1,
        writes: int = 1,
        shift: int = 1,
        memory_start: Start = "constant",
        learned: bool = True,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if memory_start not in get_args(Start):
            raise ValueError(f"memory_start must be 'constant', 'random' or 'learned', not {memory_start!r}")
        sizes = naturals(self, "memory", memory)
        if len(sizes) != 2:
            raise ValueError(f"NTMCell needs a memory (N, M), got {memory}")
        rows, width = sizes
        output_size = natural(self, "output_size", output_size)
        self.reads = reads = natural(self, "reads", reads)
        self.writes = writes = natural(self, "writes", writes)
        self.shift = shift = natural(self, "shift", shift, least=0)
        rng, heads = np.random.default_rng(rng), reads + writes
        size, h = probe(controller)
        self.input_size = remaining(self, size, reads * width, f"{reads} read vectors of width {width}")
        self.controller = LearnedStart(controller, dtype=dtype) if learned else controller
        self.addressing = projection(h.shape[-1], heads * (width + 2 * shift + 4), rng, dtype)
        self.writing = projection(h.shape[-1], writes * 2 * width, rng, dtype)
        self.readout = Linear(h.shape[-1] + reads * width, output_size, rng=rng, dtype=dtype)

        kind = Parameter if learned else tensor
        self.first_reads = kind(np.zeros((reads, width), dtype))
        self.first_scores = kind(
            init.xavier((heads, rows), rng=rng, dtype=dtype)
            if learned
            else np.where(np.arange(rows) > 0, -np.inf, np.zeros((heads, 1))).astype(dtype)
        )
        kind = Parameter if memory_start == "learned" else tensor
        self.first_memory = kind(
            np.full((rows, width), 1e-6, dtype)
            if memory_start == "constant"
            else init.uniform((rows, width), 1 / math.sqrt(rows + width), rng=rng, dtype=dtype)
        )

    def initial_state(self, batch: int, like: Tensor) -> TapeState:
        """The initial controller state, read vectors, weightings and memory, for `batch` rows."""

        def repeated(x: Tensor) -> Tensor:
            return zeros_like(like, shape=(batch, *x.shape)) + x

        return (
            self.controller.initial_state(batch, like),
            repeated(self.first_reads),
            repeated(softmax(self.first_scores)),
            repeated(self.first_memory),
        )

    def __call__(self, state: State, x: Tensor) -> tuple[TapeState, Tensor]:
        after, y, _ = self._step(state, x)
        return after, y

    @checked
    def _step(self, state: State, x: Tensor) -> tuple[TapeState, Tensor, tuple[Tensor, Tensor]]:
        """The next state, the output, and the erase and add vectors."""
        s, r, w, m = cast(
            TapeState, parts(self, state, 4, "parts (controller state, read vectors, weightings, memory)")
        )
        batch, _, width = m.shape
        s, h = self.controller(s, concatenate([x, reshape(r, (batch, self.reads * width))], axis=-1))

        ends = np.cumsum([width, 2 * self.shift + 1, 1, 1]).tolist()
        heads = reshape(
            clip(self.addressing(h), -BOUND, BOUND), (batch, self.reads + self.writes, ends[-1] + 1)
        )
        key, kernel, strength, gate, gamma = split(heads, ends, axis=-1)
        content = content_addressing(m, key, softplus(strength))
        w = interpolation(content, w, sigmoid(gate))
        w = circular_shift(w, softmax(kernel))
        w = sharpening(w, 1.0 + softplus(gamma))

        wr, ww = split(w, [self.reads], axis=1)
        r = read(m, wr)
        erase, add = split(
            reshape(clip(self.writing(h), -BOUND, BOUND), (batch, self.writes, 2 * width)), 2, axis=-1
        )
        erase = sigmoid(erase)
        m = write(m, ww, erase, add)
        y = self.readout(concatenate([h, reshape(r, (batch, self.reads * width))], axis=-1))
        return (s, r, w, m), y, (erase, add)

    def trace(self, xs: Tensor | ArrayLike, state: State | None = None) -> NTMTrace:
        """Run over xs (T, B, I), and return the outputs, the head values and the memory of every step.

        >>> from tinygrad_seq import nn
        >>> cell = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=0), 2, memory=(6, 4), rng=1)
        >>> trace = cell.trace(ts.ones((7, 2, 3)))
        >>> trace.read_weightings.shape, trace.memory.shape
        ((7, 2, 1, 6), (7, 2, 6, 4))
        """

        def step(state: State, x: Tensor) -> tuple[TapeState, tuple[Tensor, ...]]:
            (s, r, w, m), y, (erase, add) = self._step(state, x)
            wr, ww = split(w, [self.reads], axis=1)
            return (s, r, w, m), (y, wr, ww, r, erase, add, m)

        xs, state = over_time(self, xs, state)
        _, kept = scan(step, state, xs)
        return NTMTrace(*kept)


def projection(inputs: int, outputs: int, rng: np.random.Generator, dtype: DTypeLike) -> Linear:
    """The linear layer from the controller's output to the heads, with its initial values."""
    linear = Linear(inputs, outputs, rng=rng, dtype=dtype)
    linear.weight = Parameter(init.xavier((inputs, outputs), gain=1.4, rng=rng, dtype=dtype))
    linear.bias = Parameter(init.zeros((outputs,), dtype=dtype))
    return linear
