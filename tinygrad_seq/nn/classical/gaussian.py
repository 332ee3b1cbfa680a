"""Normal distributions with a learned covariance, for the Gaussian models of sequences.

A covariance must stay symmetric and positive definite after every step of the optimizer. So the parameters are
those of a triangular factor, with the logarithms of its diagonal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.module import Module, Parameter, natural
from tinygrad_seq.nn.runners.lengths import Lengths
from tinygrad_seq.nn.runners.padding import cut
from tinygrad_seq.ops.creation import ones_like
from tinygrad_seq.ops.elementwise import square
from tinygrad_seq.ops.exponential import exp
from tinygrad_seq.ops.linalg import tril
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor


class Covariance(Module):
    """Sigma = L L', where L is lower triangular with a positive diagonal, so that Sigma is positive definite.

        L = F below the diagonal, exp F on it

    F, the parameter `weight`, is (n, n); its elements above the diagonal are not used. Initially Sigma is the
    identity. If exp F underflows to 0 in its dtype, Sigma is singular.

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
        size = natural(self, "size", size)
        self.weight = Parameter(np.zeros((size, size), dtype))

    def factor(self) -> Tensor:
        """L, (n, n)."""
        return triangular(self.weight)

    def __call__(self) -> Tensor:
        return (factor := self.factor()) @ factor.T

    def assign_(self, sigma: ArrayLike) -> Covariance:
        """Set Sigma to `sigma` (n, n). ValueError for another shape, LinAlgError if not positive definite."""
        sigma = np.asarray(sigma)
        if sigma.shape != self.weight.shape:
            raise ValueError(f"this Covariance needs the shape {self.weight.shape}, got {sigma.shape}")
        factor = np.linalg.cholesky(sigma)
        self.weight.assign_((np.tril(factor, -1) + np.diag(np.log(np.diag(factor)))).astype(self.weight.dtype))
        return self


def unit(like: Tensor) -> Tensor:
    """The identity matrix of the shape (n, n) and dtype of `like`, on its device."""
    ones = ones_like(like)
    return tril(ones) - tril(ones, -1)


def diagonal(x: Tensor) -> Tensor:
    """The diagonals x_ii, (..., n), of matrices x (..., n, n)."""
    return total(x * unit(x), -1)


def triangular(weight: Tensor) -> Tensor:
    """The elements of `weight` below its diagonal, with exp of its diagonal, and 0 above."""
    one = unit(weight)
    return tril(weight, -1) + one * exp(one * weight)


def log_normal(z: Tensor) -> Tensor:
    """log N(z; 0, 1), -1/2 (|z|^2 + n log 2 pi), for every row of z (..., n)."""
    return -0.5 * (total(square(z), -1) + z.shape[-1] * math.log(2 * math.pi))


def vectors(xs: Tensor | np.ndarray, size: int, lengths: Lengths) -> Tensor:
    """`xs` as a tensor of floats (T, B, size), 0 past the lengths; ValueError for another shape or if T = 0."""
    xs = xs if isinstance(xs, Tensor) else tensor(xs)
    if xs.dtype.kind != "f":
        raise TypeError(f"observations must be floats, got {describe(xs)}")
    if xs.ndim != 3 or xs.shape[2] != size or not xs.shape[0]:
        raise ValueError(
            f"observations must be (T, B, {size}) with at least one time step T, got {describe(xs)}"
        )
    return cut(xs, lengths)
