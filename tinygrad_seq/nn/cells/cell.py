"""The base class of all cells, which have an initial state and a step; and the base of most gated cells.

A cell is a pure function of state and input, `state, y = cell(state, x)`, with x (B, I) and y (B, H). The state
is h, or (h, c), or another tree of tensors, each (B, ...). `cell.initial_state(batch, like)` is zeros. `Wx`
(I, kH) multiplies the input, `Wh` (H, kH) multiplies h, and the bias is `b` (kH,), where k is the number of
gates. The gates are concatenated in PyTorch's order: i, f, g, o and r, z, n. The equations compute the
projection of the input first: it does not need the state, so `scan` can compute it for all time steps at once.
Every parameter is drawn from U(-1/sqrt H, 1/sqrt H).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq import tree
from tinygrad_seq.engine.mode import no_grad
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells.fitting import checked, refuse_sequence, refuse_shapes
from tinygrad_seq.nn.cells.state import State
from tinygrad_seq.nn.module import Module, Parameter, natural
from tinygrad_seq.ops.creation import zeros_like
from tinygrad_seq.ops.shape import swapaxes
from tinygrad_seq.tensor.creation import as_tensor, tensor
from tinygrad_seq.tensor.tensor import Tensor


class Cell(Module):
    """The interface between a runner and a cell: an initial state and a step. Your own cells inherit from it.

    `input_size` is the size I of an input (B, I). A cell that sets it raises ValueError for any other input,
    and a runner for a state of other shapes than the initial state; None, as here, accepts every size. A state
    of another number of rows than the input always raises ValueError.

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

    input_size: int | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Every call of a cell is checked, whichever class defines it."""
        super().__init_subclass__(**options)
        if "__call__" in vars(cls):
            cls.__call__ = checked(cls.__call__)  # type: ignore[method-assign]

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step for `batch` rows, with the dtype and the device of `like`."""
        raise NotImplementedError(f"{type(self).__name__} does not define `initial_state(batch, like)`")

    def __call__(self, state: Any, x: Tensor) -> tuple[Any, Any]:
        """One step: return the next state and the output."""
        raise NotImplementedError(f"{type(self).__name__} does not define `__call__(state, x)`")


def over_time(
    cell: Cell, xs: Tensor | ArrayLike, state: State | None = None, *, batch_first: bool = False
) -> tuple[Tensor, State]:
    """xs, time first, and the state before the first step, by default the cell's initial state.

    Raises ValueError unless xs has a time step and is (T, B, I), or (B, T, I) if batch_first, for the input
    size I of the cell.
    """
    xs = as_tensor(xs)
    refuse_sequence(type(cell).__name__, xs, cell.input_size, batch_first=batch_first)
    xs = swapaxes(xs, 0, 1) if batch_first else xs
    initial = start(cell, xs.shape[1], like=xs)
    if state is None:
        return xs, initial
    if cell.input_size is not None:
        refuse_shapes(type(cell).__name__, state, initial)
    return xs, widened(state, *tree.leaves(initial))


def start(cell: Cell, batch: int, like: Tensor) -> State:
    """The initial state, in the dtype that inputs like `like` and the weights of the cell have together."""
    weights = [t.dtype for _, t in cell.named_tensors() if t.dtype.kind == "f"]
    dtype = np.result_type(like.dtype, *weights)
    return cell.initial_state(batch, like if like.dtype == dtype else zeros_like(like).astype(dtype))


def widened(state: State, *initial: Tensor) -> State:
    """The state, its floats in the widest dtype of theirs and of the tensors of the initial state.

    So a state of float32 continues over an input of float64: a carry of a scan keeps its dtype.
    """
    parts = tree.each(as_tensor, state)
    dtypes = {t.dtype for t in (*tree.leaves(parts), *initial) if t.dtype.kind == "f"}
    if len(dtypes) < 2:
        return parts
    dtype = np.result_type(*dtypes)
    return tree.each(lambda part: part.astype(dtype) if part.dtype.kind == "f" else part, parts)


def probe(cell: Cell) -> tuple[int, Tensor]:
    """The input size of a cell, and its output for such an input.

    A cell that does not state its input size is called with every size from 0 to the largest number of rows of
    its matrices; the first that raises no ValueError is its input size.
    """
    tallest = max((t.shape[0] for _, t in cell.named_tensors() if t.ndim == 2), default=0)
    for size in range(tallest + 1) if cell.input_size is None else [cell.input_size]:
        x = tensor(np.zeros((1, size), np.float32))
        try:
            with no_grad():
                _, y = cell(cell.initial_state(1, like=x), x)
        except ValueError:
            continue
        return size, y
    raise ValueError(
        f"could not find an input size that {type(cell).__name__} accepts: it rejects vectors of every size "
        f"0 ... {tallest}; set its `input_size`"
    )


class GatedCell(Cell):
    """A cell with the parameters Wx, Wh and b of `gates` affine maps of x and h."""

    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        self.input_size = natural(self, "input_size", input_size, least=0)
        hidden_size = natural(self, "hidden_size", hidden_size)
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(hidden_size)
        width = self.gates * hidden_size
        self.Wx = Parameter(init.uniform((input_size, width), bound, rng=rng, dtype=dtype))
        self.Wh = Parameter(init.uniform((hidden_size, width), bound, rng=rng, dtype=dtype))
        self.b = Parameter(init.uniform((width,), bound, rng=rng, dtype=dtype))

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step: h = 0, (batch, H), with the dtype and the device of `like`."""
        return zeros_like(like, shape=(batch, self.Wh.shape[0]))
