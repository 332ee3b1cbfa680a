"""Layers without a memory: Linear and Embedding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq import backend
from tinygrad_seq.errors import describe
from tinygrad_seq.nn import init
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.ops.indexing import take
from tinygrad_seq.tensor import Tensor, tensor


class Linear(Module):
    """y = x W + b, for x (..., input), W (input, output) and b (output,): y (..., output).

    W and b are drawn from U(-k, k), k = 1/sqrt(input) (LeCun et al. 1998, Efficient BackProp). Without
    `bias` there is no b. An x whose last axis is not `input` is the ValueError of the product.

    >>> import numpy as np
    >>> from tinygrad_seq import nn
    >>> nn.Linear(3, 2, rng=0)(np.ones((5, 4, 3), np.float32)).shape
    (5, 4, 2)
    """

    def __init__(
        self,
        input: int,
        output: int,
        *,
        bias: bool = True,
        rng: init.Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(input)
        self.weight = Parameter(init.uniform((input, output), bound, rng=rng, dtype=dtype))
        self.bias = Parameter(init.uniform((output,), bound, rng=rng, dtype=dtype)) if bias else None

    def __call__(self, x: Tensor) -> Tensor:
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """y_i = W[ids_i], the rows of a table W (count, size) that `ids`, integers of any shape, name.

    For ids (...) the result is (..., size). W is drawn from U(-sqrt 3, sqrt 3), of variance 1.
    TypeError if ids are no integers, IndexError if one lies outside 0 ... count - 1.

    >>> from tinygrad_seq import nn
    >>> nn.Embedding(10, 4, rng=0)([[1, 2, 3], [9, 9, 0]]).shape
    (2, 3, 4)
    """

    def __init__(self, count: int, size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32) -> None:
        self.weight = Parameter(init.uniform((count, size), math.sqrt(3), rng=rng, dtype=dtype))

    def __call__(self, ids: Tensor | np.ndarray | list) -> Tensor:
        return take(self.weight, indices(ids, self.weight.shape[0], self.weight.device, "ids"), axis=0)


def indices(given: Tensor | np.ndarray | list, count: int, device: str, name: str) -> Tensor:
    """`given` as a tensor on `device`, checked to hold integers within 0 ... count - 1."""
    t = given if isinstance(given, Tensor) else tensor(given, device=device)
    if t.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, not {describe(t)}")
    host = backend.to_numpy(t._data)
    if host.size and (host.min() < 0 or host.max() >= count):
        raise IndexError(
            f"{name} must lie within 0 ... {count - 1}; the smallest is {host.min()}, the largest {host.max()}"
        )
    return t
