"""What every cell is: a state to start from, and a step; and what most of them share.

A cell is a pure function of state and input, `state, y = cell(state, x)`, with x (B, I) and y (B, H); its
state is h, or (h, c), or another tree of tensors, each (B, ...). `cell.initial_state(batch, like)` is zeros.
Parameters: `Wx` (I, kH) acts on the input, `Wh` (H, kH) on h, `b` (kH,), where k counts the gates, side by
side in the order of PyTorch: i, f, g, o and r, z, n. The projection of the input stands first, by itself: it
needs no state, and so could be computed for all time steps at once. Every parameter is drawn from
U(-1/sqrt H, 1/sqrt H).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.nn import init
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

State = Tensor | tuple["State", ...]  # what a cell carries from step to step: a tensor or a tree of them


class Cell(Module):
    """What a runner asks of a cell: a state to start from, and a step. Cells of your own inherit from it.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> class Leaky(nn.Cell):
    ...     "h' = (h + x) / 2"
    ...
    ...     def initial_state(self, batch, like):
    ...         return zeros_like(like, shape=(batch, like.shape[-1]))
    ...
    ...     def __call__(self, h, x):
    ...         h = (h + x) / 2.0
    ...         return h, h
    >>> ys, h = nn.Recurrent(Leaky())(np.ones((3, 1, 1), np.float32))
    >>> ys.numpy().ravel()
    array([0.5  , 0.75 , 0.875], dtype=float32)
    >>> nn.LSTMCell(3, 5).initial_state(batch=2, like=h)[0].shape
    (2, 5)
    """

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step for `batch` rows, of the dtype and on the device of `like`."""
        raise NotImplementedError(f"{type(self).__name__} states no initial state")

    def __call__(self, state, x):
        """One step: the next state and the output."""
        raise NotImplementedError(f"{type(self).__name__} states no equations")


def single(state: State, holder: str) -> Tensor:
    """`state`, checked to be one tensor."""
    if not isinstance(state, Tensor):
        raise TypeError(f"{holder} takes cells whose state is one tensor, not a {type(state).__name__}")
    return state


def tried(cell: Cell) -> tuple[int, Tensor]:
    """How many numbers a cell hears, and what it says then; found by trying, as not every cell could tell.

    It hears no more than its tallest matrix has rows.
    """
    tallest = max((t.shape[0] for _, t in cell.named_tensors() if t.ndim == 2), default=0)
    for heard in range(tallest + 1):
        x = tensor(np.zeros((1, heard), np.float32))
        try:
            with no_grad():
                _, y = cell(cell.initial_state(1, like=x), x)
        except ValueError:
            continue
        return heard, y
    raise ValueError(f"a cell that hears vectors is needed: a {type(cell).__name__} takes none of any size")


class GatedCell(Cell):
    """What the cells below share: the parameters of `gates` affine maps of x and h."""

    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(hidden_size)
        width = self.gates * hidden_size
        self.Wx = Parameter(init.uniform((input_size, width), bound, rng=rng, dtype=dtype))
        self.Wh = Parameter(init.uniform((hidden_size, width), bound, rng=rng, dtype=dtype))
        self.b = Parameter(init.uniform((width,), bound, rng=rng, dtype=dtype))

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step: h = 0, (batch, H), of the dtype and on the device of `like`."""
        return zeros_like(like, shape=(batch, self.Wh.shape[0]))
