"""Attention: a mean of values, weighted by how well the key of each value matches a query.

    e_i = score(q, k_i),   alpha = softmax e,   c = sum_i alpha_i v_i

(Bahdanau, Cho & Bengio 2015: the query is the state of a decoder, the annotations of a sentence serve as keys
and values, and c is the context for the next word.) A score compares queries with keys, `attend` computes
weights and contexts from the scores, and `Attending` is a cell that attends to annotations before every step.

>>> from tinygrad_seq import nn
>>> queries, annotations = ts.ones((1, 2)), ts.tensor([[1.0, 0.0], [0.0, 1.0], [99.0, 99.0]])
>>> contexts, weights = nn.attention.attend(nn.DotScore()(queries, annotations), annotations)
>>> contexts.numpy()
array([[99., 99.]], dtype=float32)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn import init
from tinygrad_seq.nn.cells import Cell, State
from tinygrad_seq.nn.indices import rows
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.ops.shape import concatenate, expand_dims, squeeze
from tinygrad_seq.ops.softmax import softmax
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


def attend(scores: Tensor, values: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Contexts c_m = sum_n alpha_mn v_n, (..., M, D), and the weights alpha_m = softmax e_m, (..., M, N).

    scores  e (..., M, N), of M queries for N values
    values  v (..., N, D); they must be finite, masked values too
    keep    a mask, booleans that broadcast to the scores: where it is False, the weight is 0

    The weights of a query sum to 1. If all values are masked for a query, its weights, its context and their
    gradients are 0.

    >>> from tinygrad_seq import nn
    >>> scores, values = ts.tensor([[0.0, 0.0, 9.0]]), ts.tensor([[1.0], [3.0], [5.0]])
    >>> contexts, weights = nn.attention.attend(scores, values, keep=ts.tensor([True, True, False]))
    >>> contexts.numpy(), weights.numpy()
    (array([[2.]], dtype=float32), array([[0.5, 0.5, 0. ]], dtype=float32))
    """
    kept = scores if keep is None else where(keep, scores, -math.inf)
    weights = softmax(kept)
    return weights @ values, weights


# --- scores -----------------------------------------------------------------------------------------------


class DotScore(Module):
    """e_mn = q_m' h_n, for queries q (..., M, H) and annotations h (..., N, H): (..., M, N).

    (Luong, Pham & Manning 2015.) Queries and annotations have the same size H.

    >>> from tinygrad_seq import nn
    >>> nn.DotScore()(ts.ones((2, 3, 5)), ts.ones((2, 4, 5))).shape
    (2, 3, 4)
    """

    def __call__(self, queries: Tensor, annotations: Tensor) -> Tensor:
        return queries @ annotations.mT


class ScaledDotScore(Module):
    """e_mn = q_m' h_n / sqrt H, for queries q (..., M, H) and annotations h (..., N, H): (..., M, N).

    (Vaswani et al. 2017: if the elements of q and h are independent, of mean 0 and variance 1, q'h has variance
    H.)

    >>> from tinygrad_seq import nn
    >>> nn.ScaledDotScore()(ts.ones((1, 4)), ts.ones((2, 4))).numpy()
    array([[2., 2.]], dtype=float32)
    """

    def __call__(self, queries: Tensor, annotations: Tensor) -> Tensor:
        return (queries * (1 / math.sqrt(queries.shape[-1]))) @ annotations.mT


class GeneralScore(Module):
    """e_mn = q_m' W h_n, for queries q (..., M, S) and annotations h (..., N, H): (..., M, N).

    (Luong, Pham & Manning 2015.) W is (S, H).

    >>> from tinygrad_seq import nn
    >>> nn.GeneralScore(5, 6, rng=0)(ts.ones((2, 3, 5)), ts.ones((2, 4, 6))).shape
    (2, 3, 4)
    """

    def __init__(
        self, query_size: int, size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        self.W = Parameter(init.uniform((query_size, size), 1 / math.sqrt(size), rng=rng, dtype=dtype))

    def __call__(self, queries: Tensor, annotations: Tensor) -> Tensor:
        keys = annotations @ self.W.mT
        return queries @ keys.mT


class AdditiveScore(Module):
    """e_mn = v' tanh(W q_m + U h_n), for queries q (..., M, S) and annotations h (..., N, H): (..., M, N).

    (Bahdanau, Cho & Bengio 2015, A.1.2.) W is (S, A), U (H, A) and v (A,). The keys U h_n do not depend on the
    query: in a scan they are computed once, before the loop.

    >>> from tinygrad_seq import nn
    >>> nn.AdditiveScore(5, 6, 7, rng=0)(ts.ones((2, 3, 5)), ts.ones((2, 4, 6))).shape
    (2, 3, 4)
    """

    def __init__(
        self, query_size: int, size: int, units: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32
    ) -> None:
        rng = np.random.default_rng(rng)
        self.W = Parameter(init.uniform((query_size, units), 1 / math.sqrt(query_size), rng=rng, dtype=dtype))
        self.U = Parameter(init.uniform((size, units), 1 / math.sqrt(size), rng=rng, dtype=dtype))
        self.v = Parameter(init.uniform((units,), 1 / math.sqrt(units), rng=rng, dtype=dtype))

    def __call__(self, queries: Tensor, annotations: Tensor) -> Tensor:
        keys = expand_dims(annotations @ self.U, -3)
        return tanh(expand_dims(queries @ self.W, -2) + keys) @ self.v


Score = DotScore | ScaledDotScore | GeneralScore | AdditiveScore


# --- a cell with attention --------------------------------------------------------------------------------


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

    def __init__(self, cell: Cell, score: Score, annotations: Tensor, keep: Tensor | None = None) -> None:
        annotations = annotations if isinstance(annotations, Tensor) else tensor(annotations)
        keep = keep if keep is None or isinstance(keep, Tensor) else tensor(keep, device=annotations.device)
        self.cell, self.score, self.annotations, self.keep = cell, score, annotations, keep
        if annotations.ndim not in (2, 3) or annotations.dtype.kind != "f":
            raise ValueError(
                f"Attending needs float annotations (B, N, D) or (N, D), got {describe(annotations)}"
            )
        if keep is not None and (keep.shape != annotations.shape[:-1] or keep.dtype != bool):
            raise ValueError(
                f"Attending needs keep to be booleans of shape {annotations.shape[:-1]} for annotations "
                f"{describe(annotations)}, got {describe(keep)}"
            )

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The initial state of the cell."""
        return self.cell.initial_state(batch, like)

    def step(self, state: State, x: Tensor) -> tuple[State, Tensor, Tensor]:
        """The next state, the output, and the attention weights (B, N)."""
        h, keep = self.annotations, self.keep
        if h.ndim == 3 and len(h) != len(x):  # annotations of one row would broadcast
            raise ValueError(
                f"Attending needs a batch of the size of its annotations, {len(h)}, got a batch of {len(x)}"
            )
        if keep is not None:
            h, keep = rows(keep, h, 0), expand_dims(keep, -2)  # replace masked rows: 0 times NaN is NaN
        contexts, weights = attend(self.score(expand_dims(tree.leaves(state)[0], -2), h), h, keep)
        c = squeeze(contexts, -2)
        state, y = self.cell(state, concatenate([x, c], axis=-1))
        return state, concatenate([y, c], axis=-1), squeeze(weights, -2)

    def __call__(self, state: State, x: Tensor) -> tuple[State, Tensor]:
        state, y, _ = self.step(state, x)
        return state, y
