"""Normal distributions whose covariance is learned: what Gaussian models of sequences are made of.

A covariance has to be symmetric and positive definite, whatever a step of the optimizer makes of its numbers.
So what is learned is a triangular factor of it, with the logarithms of the diagonal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.module import Module, Parameter
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.nn.runners.recurrent import Lengths
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import exp
from tinygrad_seq.ops.linalg import tril
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Covariance(Module):
    """Sigma = L L', L lower triangular with a diagonal of exponentials, so that it is positive definite.

        L = F below the diagonal, exp F on it

    F, the parameter `weight`, is (n, n); nothing looks at what is above its diagonal. At first Sigma is the
    identity. Where exp F vanishes in the digits of its dtype, Sigma is singular.

    >>> from tinygrad_seq import nn
    >>> noise = nn.Covariance(2).assign_([[4.0, 2.0], [2.0, 5.0]])
    >>> noise.factor().numpy()
    array([[2., 0.],
           [1., 2.]], dtype=float32)
    >>> noise().numpy()
    array([[4., 2.],
           [2., 5.]], dtype=float32)
    """

    def __init__(self, size: int, *, dtype: DTypeLike = np.float32) -> None:
        self.weight = Parameter(np.zeros((size, size), dtype))

    def factor(self) -> Tensor:
        """L, (n, n)."""
        return triangular(self.weight)

    def __call__(self) -> Tensor:
        return (factor := self.factor()) @ factor.T

    def assign_(self, sigma: ArrayLike) -> Covariance:
        """Let Sigma be `sigma`, (n, n). ValueError for another shape, LinAlgError if it is no covariance."""
        sigma = np.asarray(sigma)
        if sigma.shape != self.weight.shape:
            raise ValueError(f"a covariance here has the shape {self.weight.shape}, not {sigma.shape}")
        factor = np.linalg.cholesky(sigma)
        self.weight.assign_((np.tril(factor, -1) + np.diag(np.log(np.diag(factor)))).astype(self.weight.dtype))
        return self


def unit(like: Tensor) -> Tensor:
    """The identity matrix of the shape (n, n) and dtype of `like`, where that is."""
    ones = ones_like(like)
    return tril(ones) - tril(ones, -1)


def diagonal(x: Tensor) -> Tensor:
    """x_ii, (..., n), of matrices (..., n, n)."""
    return total(x * unit(x), -1)


def triangular(weight: Tensor) -> Tensor:
    """What stands below the diagonal of `weight`, and the exponentials of what stands on it."""
    one = unit(weight)
    return tril(weight, -1) + one * exp(one * weight)


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, 1), -1/2 (|z|^2 + n log 2 pi), for every row of z (..., n)."""
    return -0.5 * (total(square(z), -1) + z.shape[-1] * math.log(2 * math.pi))


def vectors(xs: Tensor | np.ndarray, size: int, lengths: Lengths) -> Tensor:
    """`xs` as a tensor of floats (T, B, size), 0 past the lengths; ValueError for another shape, or no step."""
    xs = xs if isinstance(xs, Tensor) else tensor(xs)
    if xs.dtype.kind != "f":
        raise TypeError(f"observations must be floats, not {describe(xs)}")
    if xs.ndim != 3 or xs.shape[2] != size or not xs.shape[0]:
        raise ValueError(f"observations are (T, B, {size}) with at least one time step T, not {describe(xs)}")
    return cut(xs, lengths)
