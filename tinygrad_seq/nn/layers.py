"""Layers without a state: Linear, Embedding, LayerNorm; and Sequential and Shortcut, which wrap layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.engine.precision import rounded_once
from tinygrad_seq.nn import init
from tinygrad_seq.nn.indices import Indices, found, indices
from tinygrad_seq.nn.module import Input, Module, Parameter, natural, warn_if_wider
from tinygrad_seq.ops.elementwise import add, sqrt, square
from tinygrad_seq.ops.indexing import take
from tinygrad_seq.ops.linalg import matmul
from tinygrad_seq.ops.statistics import mean
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


class Linear(Module):
    """y = x W + b, for x (..., input), W (input, output) and b (output,): y (..., output).

    W and b are drawn from U(-k, k), k = 1/sqrt(input) (LeCun et al. 1998, Efficient BackProp). With
    `bias=False` there is no b. With input = 0, y = b = 0. Raises ValueError if the last axis of x is not
    `input`.

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
        input, output = natural(self, "input", input, least=0), natural(self, "output", output, least=0)
        rng = np.random.default_rng(rng)
        bound = 1 / math.sqrt(input) if input else 0.0
        self.weight = Parameter(init.uniform((input, output), bound, rng=rng, dtype=dtype))
        self.bias = Parameter(init.uniform((output,), bound, rng=rng, dtype=dtype)) if bias else None

    def __call__(self, x: Input) -> Tensor:
        warn_if_wider(self, x)
        y = matmul(x, self.weight)
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """y_i = W[ids_i]: `ids`, integers of any shape, select rows of a table W (count, size).

    For ids (...) the result is (..., size). W is drawn from U(-sqrt 3, sqrt 3), which has variance 1. Raises
    TypeError if ids are not integers, IndexError if an id is outside 0 ... count - 1. Ids in a tensor that is
    already on a GPU are not checked: there, an out-of-range id gives a row of NaN.

    >>> from tinygrad_seq import nn
    >>> nn.Embedding(10, 4, rng=0)([[1, 2, 3], [9, 9, 0]]).shape
    (2, 3, 4)
    """

    def __init__(self, count: int, size: int, *, rng: init.Rng = None, dtype: DTypeLike = np.float32) -> None:
        count, size = natural(self, "count", count), natural(self, "size", size)
        self.weight = Parameter(init.uniform((count, size), math.sqrt(3), rng=rng, dtype=dtype))

    def __call__(self, ids: Indices) -> Tensor:
        ids, inside = indices(ids, self.weight.shape[0], self.weight.device, "ids")
        return found(take(self.weight, ids, axis=0), inside)


class LayerNorm(Module):
    """y = w (x - m) / sqrt(v + eps) + b, with m, v the mean and variance of x along the last axis.

    (Ba, Kiros & Hinton 2016.) x and y are (..., size); w and b are (size,), initially 1 and 0. Raises
    ValueError if the last axis of x is not `size`.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.LayerNorm(2, eps=0.0)(ts.tensor([[1.0, 3.0], [40.0, 20.0]])).numpy()
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """

    def __init__(self, size: int, *, eps: float = 1e-5, dtype: DTypeLike = np.float32) -> None:
        size = natural(self, "size", size)
        self.weight = Parameter(np.ones(size, dtype))
        self.bias = Parameter(np.zeros(size, dtype))
        self.eps = number("LayerNorm", "eps", eps, "[0, inf)")

    def __call__(self, x: Input) -> Tensor:
        x = as_tensor(x)
        if x.shape[-1:] != self.weight.shape:  # an axis of length 1 would broadcast
            raise ValueError(
                f"LayerNorm({self.weight.size}) needs an input (..., {self.weight.size}), got {describe(x)}"
            )
        return self.weight * standardized(x, self.eps) + self.bias


@rounded_once
def standardized(x: Input, eps: float) -> Tensor:
    """(x - m) / sqrt(v + eps), with m, v the mean and variance of x along the last axis."""
    d = x - mean(x, -1, keepdims=True)
    y: Tensor = d / sqrt(mean(square(d), -1, keepdims=True) + eps)
    return y


class Sequential(Module):
    """y = f_n(... f_2(f_1(x))), where each f is a layer or another function of one tensor.

    >>> import numpy as np, tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> mlp = nn.Sequential(nn.Linear(3, 5, rng=0), ts.tanh, nn.Linear(5, 2, rng=1))
    >>> mlp(np.ones((4, 3), np.float32)).shape
    (4, 2)
    """

    def __init__(self, *layers: Callable[[Any], Tensor]) -> None:
        self.layers = layers

    def __call__(self, x: Input) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return cast(Tensor, x)  # an array only if there is no layer


class Shortcut(Sequential):
    """y = x + f_n(... f_1(x)): the input is added to the output of the layers (He et al. 2016).

    Raises ValueError if the output of the layers does not have the shape of x.

    >>> import numpy as np, tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> nn.Shortcut(nn.Linear(3, 5, rng=0), ts.tanh, nn.Linear(5, 3, rng=1))(np.ones((4, 3), np.float32)).shape
    (4, 3)
    """

    def __call__(self, x: Input) -> Tensor:
        x = as_tensor(x)
        return add_input(x, super().__call__(x))


def add_input(x: Input, y: Tensor) -> Tensor:
    """x + y, for an input x and an output y of the same shape."""
    if np.shape(x) != y.shape:  # an axis of length 1 would broadcast
        raise ValueError(
            f"a shortcut needs an output of the shape of its input, got output {describe(y)} for input "
            f"{describe(x)}; make the two sizes equal"
        )
    return add(x, y)
