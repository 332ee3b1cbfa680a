"""A cell that looks at annotations before every step: attention in the loop of another cell."""

from __future__ import annotations

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.attention import Score, attend, refuse_mask
from tinygrad_seq.nn.cells.cell import Cell
from tinygrad_seq.nn.cells.fitting import checked, remaining
from tinygrad_seq.nn.cells.state import State
from tinygrad_seq.nn.indices import rows
from tinygrad_seq.nn.module import Input
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Attending(Cell):
    """A cell that attends to annotations h before every step (Bahdanau, Cho & Bengio 2015).

        e_n = score(s, h_n),   alpha = softmax e,   c = sum_n alpha_n h_n
        s', y = cell(s, [x; c])

    The query s is the first tensor of the cell's state: h for an LSTM. The output is [y; c]; the state is the
    state of the cell.

    annotations  h (B, N, D), one set for each row of the batch, or (N, D), one set for all rows
    keep         a mask, booleans (B, N) or (N,); annotations where it is False have no influence, even if they
                 are NaN or infinite

    Raises ValueError if the annotations have another rank or are not floats, if `keep` does not match them, or
    if they are for another batch size.

    >>> from tinygrad_seq import nn
    >>> score = nn.AdditiveScore(5, 6, 7, rng=0)
    >>> cell = nn.Attending(nn.GRUCell(3 + 6, 5, rng=1), score, ts.ones((2, 4, 6)))
    >>> ys, h = nn.Recurrent(cell)(ts.ones((9, 2, 3)))
    >>> ys.shape, h.shape
    ((9, 2, 11), (2, 5))
    >>> _, y, weights = cell.step(h, ts.ones((2, 3)))
    >>> y.shape, weights.shape
    ((2, 11), (2, 4))
    """

    def __init__(self, cell: Cell, score: Score, annotations: Input, keep: Input | None = None) -> None:
        annotations = annotations if isinstance(annotations, Tensor) else tensor(annotations)
        keep = keep if keep is None or isinstance(keep, Tensor) else tensor(keep, device=annotations.device)
        self.cell, self.score, self.annotations, self.keep = cell, score, annotations, keep
        if annotations.ndim not in (2, 3) or annotations.dtype.kind != "f":
            raise ValueError(
                f"Attending needs float annotations (B, N, D) or (N, D), got {describe(annotations)}"
            )
        if keep is not None:
            shape = annotations.shape[:-1]
            wanted = f"shape {shape} for annotations {describe(annotations)}"
            refuse_mask("Attending", keep, keep.shape == shape, wanted)
        context = annotations.shape[-1]
        self.input_size = remaining(self, cell.input_size, context, f"a context of size {context}")

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the cell."""
        return self.cell.initial_state(batch, like)

    @checked
    def step(self, state: State, x: Tensor) -> tuple[State, Tensor, Tensor]:
        """The next state, the output, and the attention weights (B, N)."""
        h, keep = self.annotations, self.keep
        if h.ndim == 3 and len(h) != len(x):  # annotations of one row would broadcast
            raise ValueError(
                f"Attending needs a batch of the size of its annotations, {len(h)}, got a batch of {len(x)}"
            )
        if not (parts := tree.leaves(state)):
            raise ValueError(f"Attending needs a state, whose first tensor is the query, got {describe(state)}")
        if keep is not None:
            h, keep = rows(keep, h, 0), expand_dims(keep, -2)  # replace masked rows: 0 times NaN is NaN
        contexts, weights = attend(self.score(expand_dims(parts[0], -2), h), h, keep)
        c = squeeze(contexts, -2)
        state, y = self.cell(state, concatenate([x, c], axis=-1))
        return state, concatenate([y, c], axis=-1), squeeze(weights, -2)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        state, y, _ = self.step(state, x)
        return state, y
