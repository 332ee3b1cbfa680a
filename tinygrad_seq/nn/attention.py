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

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.precision import rounded, rounded_once, wide
from tinygrad_seq.nn import init
from tinygrad_seq.nn.module import Input, Module, Parameter, natural
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import tanh
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims
from tinygrad_seq.ops.softmax import softmax
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


def attend(scores: Input, values: Input, keep: Input | None = None) -> tuple[Tensor, Tensor]:
    """Contexts c_m = sum_n alpha_mn v_n, (..., M, D), and the weights alpha_m = softmax e_m, (..., M, N).

    scores  e (..., M, N), of M queries for N values
    values  v (..., N, D); they must be finite, masked values too
    keep    a mask, booleans that broadcast to the scores: where it is False, the weight is 0

    The weights of a query sum to 1. If all values are masked for a query, its weights, its context and their
    gradients are 0. Raises ValueError if `keep` is not booleans, for example 0 and -inf, or does not broadcast.

    >>> from tinygrad_seq import nn
    >>> scores, values = ts.tensor([[0.0, 0.0, 9.0]]), ts.tensor([[1.0], [3.0], [5.0]])
    >>> contexts, weights = nn.attention.attend(scores, values, keep=ts.tensor([True, True, False]))
    >>> contexts.numpy(), weights.numpy()
    (array([[2.]], dtype=float32), array([[0.5, 0.5, 0. ]], dtype=float32))
    """
    scores, values = as_tensor(scores), as_tensor(values)
    if keep is not None:
        keep = keep if hasattr(keep, "dtype") else np.asarray(keep)
        fits = broadcasts(keep.shape, scores.shape)
        refuse_mask("attend", keep, fits, f"a shape that broadcasts to the scores {scores.shape}")
        scores = where(keep, scores, -math.inf)
    weights = softmax(wide(scores))
    return rounded(weights @ wide(values), scores, values), rounded(weights, scores)


@rounded_once
def doubly_stochastic(weights: Input) -> Tensor:
    """1/B sum_b sum_n (1 - sum_t alpha_tbn)^2, for attention weights alpha (T, B, N) of T steps.

    (Xu et al. 2015, section 4.2.1, equation 14.) As a penalty, it encourages a decoder to look at every
    annotation as much as at the others. Steps past the length of a row have weights of 0. A masked annotation
    adds 1, a constant. Raises ValueError unless the weights are floats (T, B, N).

    >>> doubly_stochastic([[[1.0, 0.0]], [[1.0, 0.0]]])  # both steps look at the first of two annotations
    tensor(2., float32, cpu)
    """
    weights = as_tensor(weights)
    if weights.ndim != 3 or weights.dtype.kind != "f":
        raise ValueError(f"doubly_stochastic needs weights (T, B, N) of floats, got {describe(weights)}")
    return mean(total(square(1.0 - total(weights, 0)), -1))


def refuse_mask(owner: str, keep: Input, fits: bool, shape: str) -> None:
    """Raise ValueError unless the mask `keep` is of booleans and `fits`: whether its shape is `shape`."""
    if keep.dtype != bool or not fits:
        raise ValueError(
            f"{owner} needs keep to be booleans of {shape}, True where a value is kept, got {describe(keep)}; "
            f"of a mask of 0 and -inf pass `mask == 0`, of one of 1 and 0 `mask == 1`"
        )


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of `shape` broadcasts to the shape `to`."""
    return len(shape) <= len(to) and all(
        a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False)
    )


# --- scores -----------------------------------------------------------------------------------------------


class DotScore(Module):
    """e_mn = q_m' h_n, for queries q (..., M, H) and annotations h (..., N, H): (..., M, N).

    (Luong, Pham & Manning 2015.) Queries and annotations have the same size H.

    >>> from tinygrad_seq import nn
    >>> nn.DotScore()(ts.ones((2, 3, 5)), ts.ones((2, 4, 5))).shape
    (2, 3, 4)
    """

    def __call__(self, queries: Input, annotations: Input) -> Tensor:
        return as_tensor(queries) @ as_tensor(annotations).mT


class ScaledDotScore(Module):
    """e_mn = q_m' h_n / sqrt H, for queries q (..., M, H) and annotations h (..., N, H): (..., M, N).

    (Vaswani et al. 2017: if the elements of q and h are independent, of mean 0 and variance 1, q'h has variance
    H.)

    >>> from tinygrad_seq import nn
    >>> nn.ScaledDotScore()(ts.ones((1, 4)), ts.ones((2, 4))).numpy()
    array([[2., 2.]], dtype=float32)
    """

    def __call__(self, queries: Input, annotations: Input) -> Tensor:
        queries = as_tensor(queries)
        return (queries * (1 / math.sqrt(max(queries.shape[-1], 1)))) @ as_tensor(annotations).mT


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
        query_size, size = natural(self, "query_size", query_size), natural(self, "size", size)
        self.W = Parameter(init.uniform((query_size, size), 1 / math.sqrt(size), rng=rng, dtype=dtype))

    def __call__(self, queries: Input, annotations: Input) -> Tensor:
        keys = as_tensor(annotations) @ self.W.mT
        return as_tensor(queries) @ keys.mT


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
        query_size, size = natural(self, "query_size", query_size), natural(self, "size", size)
        units, rng = natural(self, "units", units), np.random.default_rng(rng)
        self.W = Parameter(init.uniform((query_size, units), 1 / math.sqrt(query_size), rng=rng, dtype=dtype))
        self.U = Parameter(init.uniform((size, units), 1 / math.sqrt(size), rng=rng, dtype=dtype))
        self.v = Parameter(init.uniform((units,), 1 / math.sqrt(units), rng=rng, dtype=dtype))

    def __call__(self, queries: Input, annotations: Input) -> Tensor:
        keys = expand_dims(as_tensor(annotations) @ self.U, -3)
        return tanh(expand_dims(as_tensor(queries) @ self.W, -2) + keys) @ self.v


Score = DotScore | ScaledDotScore | GeneralScore | AdditiveScore
