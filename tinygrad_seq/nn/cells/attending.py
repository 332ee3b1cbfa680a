"""A cell that looks at annotations before every step: attention in the loop of another cell."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.attention import Score, attend, refuse_mask
from tinygrad_seq.nn.cells.cell import Cell
from tinygrad_seq.nn.cells.fitting import checked, remaining
from tinygrad_seq.nn.cells.state import State
from tinygrad_seq.nn.indices import counted, rows
from tinygrad_seq.nn.module import Input
from tinygrad_seq.nn.reinforce import categorical, entropy
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.exponential import sigmoid
from tinygrad_seq.ops.joining import concatenate
from tinygrad_seq.ops.ordering import argmax
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.ops.truth import any as any_of
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
    gate         a layer from the query to (B, 1): c is multiplied by beta = sigmoid(gate(s)), so that the cell
                 can ignore it (Xu et al. 2015, section 4.2.1); None for no gate

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

    def __init__(
        self,
        cell: Cell,
        score: Score,
        annotations: Input,
        keep: Input | None = None,
        gate: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        annotations = annotations if isinstance(annotations, Tensor) else tensor(annotations)
        keep = keep if keep is None or isinstance(keep, Tensor) else tensor(keep, device=annotations.device)
        self.cell, self.score, self.annotations, self.keep = cell, score, annotations, keep
        self.gate = gate
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
        return self._look(state, x, *self._scores(state, x))

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        state, y, _ = self.step(state, x)
        return state, y

    def _scores(self, state: State, x: Tensor) -> tuple[Tensor, Tensor]:
        """e (B, N), -inf where an annotation is masked; and h with masked annotations replaced by 0."""
        h, keep = self.annotations, self.keep
        if h.ndim == 3 and len(h) != len(x):  # annotations of one row would broadcast
            raise ValueError(
                f"Attending needs a batch of the size of its annotations, {len(h)}, got a batch of {len(x)}"
            )
        h = h if keep is None else rows(keep, h, 0)  # 0 times NaN is NaN
        e = squeeze(self.score(expand_dims(self._query(state), -2), h), -2)
        return (e if keep is None else where(keep, e, -math.inf)), h

    def _query(self, state: State) -> Tensor:
        if not (parts := tree.leaves(state)):
            raise ValueError(f"Attending needs a state, whose first tensor is the query, got {describe(state)}")
        query: Tensor = parts[0]
        return query

    def _look(self, state: State, x: Tensor, e: Tensor, h: Tensor) -> tuple[State, Tensor, Tensor]:
        """The step with the scores e and the annotations h."""
        contexts, weights = attend(expand_dims(e, -2), h)
        c = squeeze(contexts, -2)
        if self.gate is not None:
            c = sigmoid(self.gate(self._query(state))) * c
        state, y = self.cell(state, concatenate([x, c], axis=-1))
        return state, concatenate([y, c], axis=-1), squeeze(weights, -2)


class HardAttending(Attending):
    """A cell that looks at one annotation before every step, chosen at random (Xu et al. 2015, section 4.1).

        e_n = score(s, h_n),   a = argmax_n (e_n + g_n),   c = h_a
        s', y = cell(s, [x; c])

    If the noise g is drawn from the Gumbel distribution, a has the probabilities softmax e. A call and `step`
    are without noise: they look at the annotation with the highest score. `choose` is the step with noise, and
    also returns what `nn.reinforce` needs, since no gradient flows through the choice. Everything else is as
    for `Attending`: the weights are 1 for the chosen annotation and 0 for the others.

    >>> from tinygrad_seq import nn
    >>> annotations, score = ts.tensor([[1.0, 0.0], [0.0, 1.0], [99.0, 99.0]]), nn.AdditiveScore(5, 2, 7, rng=0)
    >>> cell = nn.HardAttending(nn.GRUCell(3 + 2, 5, rng=1), score, annotations)
    >>> x, gumbel = ts.ones((2, 3)), ts.tensor([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0]])
    >>> h, y, weights, log_p, entropy = cell.choose(cell.initial_state(2, x), x, gumbel)
    >>> weights.numpy()
    array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    >>> y.shape, log_p.shape, entropy.shape
    ((2, 7), (2,), (2,))
    """

    @checked
    def step(self, state: State, x: Tensor) -> tuple[State, Tensor, Tensor]:
        """The next state, the output, and weights (B, N): 1 for the annotation with the highest score."""
        e, h = self._scores(state, x)
        return self._look(state, x, only(argmax(e, axis=-1), e, h), h)

    @checked
    def choose(self, state: State, x: Tensor, gumbel: Tensor) -> tuple[State, Tensor, Tensor, Tensor, Tensor]:
        """The step with noise g (B, N): what `step` returns, log p(a) (B,), and the entropy of softmax e (B,).

        The last two are 0 where all annotations are masked, like the weights.
        """
        e, h = self._scores(state, x)
        a, log_p = categorical(e, gumbel)
        log_p = where(any_of(e > -math.inf, axis=-1), log_p, 0.0)
        return *self._look(state, x, only(a, e, h), h), log_p, entropy(e)


def only(a: Tensor, e: Tensor, h: Tensor) -> Tensor:
    """The scores e (B, N) with -inf for all annotations h but the one with the index a (B,)."""
    return where(expand_dims(a, -1) == counted(e.shape[-1], h), e, -math.inf)
