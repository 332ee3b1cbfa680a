"""The memory operations of a neural Turing machine (Graves, Wayne & Danihelka 2014, section 3).

A memory has N rows of width M, (B, N, M) for a batch. A weighting w (B, N) is non-negative with sum 1, and
gives each row its share. Reading takes the weighted mean of the rows; writing erases and adds in proportion to
the weights. Four functions compute the next weighting from the previous one:

    content_addressing   w_c(i) = softmax_i(beta cos(k, M(i)))        similarity to a key
    interpolation        w_g    = g w_c + (1 - g) w                   with the previous weighting
    circular_shift       w_s(i) = sum_k w_g(i - k) s(k)               to neighbouring rows
    sharpening           w'(i)  = w_s(i)^gamma / sum_j w_s(j)^gamma   undoes the blur of the shift

(The lecture's memory of M entries of size N is our N rows of width M.) Every function takes one head, with
vectors (B, ...), or H heads at once, with vectors (B, H, ...); `key (B[, H], M)` stands for both. The functions
are compositions of ops, for tensors or arrays. They have derivatives of every order where the equations have
them: where a weight is 0, the second derivative of sharpening is infinite for 1 < gamma < 2. Raises ValueError
if the shapes do not match; nothing is broadcast.

>>> from tinygrad_seq.nn import memory
>>> m, key = ts.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]), ts.tensor([[1.0, 0.0]])
>>> w = memory.content_addressing(m, key, ts.tensor([[50.0]]))
>>> w = memory.interpolation(w, ts.ones((1, 3)) / 3.0, ts.tensor([[1.0]]))
>>> w = memory.circular_shift(w, ts.tensor([[0.0, 0.1, 0.9]]))
>>> w = memory.sharpening(w, ts.tensor([[3.0]]))
>>> memory.read(m, w).numpy().round(2)  # nearly the row after the row that resembles the key
array([[0., 1.]], dtype=float32)
"""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.precision import rounded_once
from tinygrad_seq.ops.choice import stop_gradient, where
from tinygrad_seq.ops.elementwise import abs, sqrt
from tinygrad_seq.ops.joining import split, stack
from tinygrad_seq.ops.rearranging import roll
from tinygrad_seq.ops.reduction import max as largest
from tinygrad_seq.ops.reduction import sum as total
from tinygrad_seq.ops.shape import expand_dims, squeeze
from tinygrad_seq.ops.softmax import softmax
from tinygrad_seq.tensor.tensor import Tensor

SMALLEST = 1e-8  # up to this |u| |v|, the vectors are treated as having no direction


@rounded_once
def content_addressing(memory: Tensor, key: Tensor, strength: Tensor) -> Tensor:
    """w(i) = softmax_i(beta cos(k, M(i))): weight the rows of a memory by their similarity to a key.

    memory (B, N, M), key (B[, H], M), strength beta (B[, H], 1), positive; the weighting is (B[, H], N). Where
    |u| |v| <= 1e-8, the cosine u.v / (|u| |v|) and its derivative are 0.

    >>> memory = ts.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    >>> content_addressing(memory, ts.tensor([[2.0, 0.0]]), ts.tensor([[3.0]])).numpy().round(3)
    array([[0.909, 0.045, 0.045]], dtype=float32)
    """
    check_shapes("content_addressing", memory=(memory, "BNM"), key=(key, "BHM"), strength=(strength, "BH1"))
    if key.ndim == 2:
        return content_addressing(memory, key[:, None], strength[:, None])[:, 0]
    return softmax(strength * cosines(key, memory))


def cosines(u: Tensor, v: Tensor) -> Tensor:
    """cos(u_h, v_i), (B, H, N), for vectors u (B, H, M) and v (B, N, M), as in content_addressing.

    It does not depend on the lengths of the vectors, nor does its derivative, apart from a factor. Both are
    computed from u / sum |u| and v / sum |v|, whose squares neither overflow nor underflow.
    """
    (u, a), (v, b) = scaled(u), scaled(v)
    squares = total(u * u, -1, keepdims=True) * total(v * v, -1, keepdims=True).mT
    directed = sqrt(stop_gradient(squares)) * a > SMALLEST / b.mT
    return where(directed, u @ v.mT / sqrt(where(directed, squares, 1.0)), 0.0)


def scaled(u: Tensor) -> tuple[Tensor, Tensor]:
    """u / a, for vectors u along the last axis, and a = sum |u|, or 1 if that is 0."""
    a = total(abs(stop_gradient(u)), -1, keepdims=True)
    a = where(a == 0, 1.0, a)
    return u / a, a


def interpolation(content: Tensor, previous: Tensor, gate: Tensor) -> Tensor:
    """w = g w_c + (1 - g) w', for two weightings (B[, H], N) and a gate g (B[, H], 1) within 0 ... 1.

    >>> interpolation(ts.tensor([[1.0, 0.0]]), ts.tensor([[0.0, 1.0]]), ts.tensor([[0.75]])).numpy()
    array([[0.75, 0.25]], dtype=float32)
    """
    check_shapes("interpolation", content=(content, "BHN"), previous=(previous, "BHN"), gate=(gate, "BH1"))
    return previous + gate * (content - previous)


def circular_shift(weights: Tensor, kernel: Tensor) -> Tensor:
    """w'(i) = sum_k w(i - k) s(k), the circular convolution of a weighting with a kernel.

    weights (B[, H], N); kernel s (B[, H], 2r+1) for the offsets k = -r ... r in this order. The last element of
    the kernel moves the weighting r rows forward, with wrap-around. (In a loop with N = 128, derivatives
    included, these take 2 to 10 times as long: gathering rows by index, a matrix for every offset, einsum.)

    >>> circular_shift(ts.tensor([[0.0, 0.0, 1.0]]), ts.tensor([[0.0, 0.25, 0.75]])).numpy()
    array([[0.75, 0.  , 0.25]], dtype=float32)
    """
    check_shapes("circular_shift", weights=(weights, "BHN"), kernel=(kernel, "BHS"))
    offsets = kernel.shape[-1]
    if not offsets % 2:
        raise ValueError(
            f"circular_shift needs a kernel of odd length 2r+1, for offsets -r ... r; got {offsets}"
        )
    r = offsets // 2
    moved = stack([roll(weights, k, axis=-1) for k in range(-r, r + 1)], axis=-2)
    return squeeze(expand_dims(kernel, -2) @ moved, -2)


@rounded_once
def sharpening(weights: Tensor, gamma: Tensor) -> Tensor:
    """w'(i) = w(i)^gamma / sum_j w(j)^gamma, for a weighting (B[, H], N) and gamma (B[, H], 1) >= 1.

    Computed from w / max w: the result is the same, but the largest power is 1, so that not all powers can
    underflow ((1/128)^50 is 0 in float32).

    >>> sharpening(ts.tensor([[0.5, 0.25, 0.25]]), ts.tensor([[2.0]])).numpy().round(3)
    array([[0.667, 0.167, 0.167]], dtype=float32)
    """
    check_shapes("sharpening", weights=(weights, "BHN"), gamma=(gamma, "BH1"))
    shares = weights / stop_gradient(largest(weights, -1, keepdims=True))
    subnormal = shares < float(np.finfo(shares.dtype).tiny)  # 1 / share may overflow: treat it as 0
    powers = (shares - stop_gradient(where(subnormal, shares, 0.0))) ** gamma
    return powers / total(powers, -1, keepdims=True)


def read(memory: Tensor, weights: Tensor) -> Tensor:
    """r = sum_i w(i) M(i), for a memory (B, N, M) and a weighting (B[, H], N); r is (B[, H], M).

    >>> read(ts.tensor([[[1.0, 2.0], [3.0, 4.0]]]), ts.tensor([[0.5, 0.5]])).numpy()
    array([[2., 3.]], dtype=float32)
    """
    check_shapes("read", memory=(memory, "BNM"), weights=(weights, "BHN"))
    if weights.ndim == 2:
        return read(memory, weights[:, None])[:, 0]
    return weights @ memory


def write(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """M'(i) = M(i) prod_h (1 - w_h(i) e_h) + sum_h w_h(i) a_h: all heads erase before any head adds.

    memory and M' (B, N, M), weights (B[, H], N), erase e (B[, H], M) within 0 ... 1, add a (B[, H], M).

    >>> memory, one = ts.tensor([[[1.0, 1.0], [1.0, 1.0]]]), ts.tensor([[1.0, 0.0]])
    >>> write(memory, one, ts.tensor([[1.0, 0.0]]), ts.tensor([[0.0, 5.0]])).numpy()
    array([[[0., 6.],
            [1., 1.]]], dtype=float32)
    """
    check_shapes(
        "write", memory=(memory, "BNM"), weights=(weights, "BHN"), erase=(erase, "BHM"), add=(add, "BHM")
    )
    if weights.ndim == 2:
        return write(memory, weights[:, None], erase[:, None], add[:, None])
    heads = weights.shape[1]
    for w, e in zip(split(weights, heads, axis=1), split(erase, heads, axis=1), strict=True):
        memory = memory * (1.0 - w.mT @ e)
    return memory + weights.mT @ add


def check_shapes(function: str, **given: tuple[Tensor, str]) -> None:
    """Raise ValueError unless the shapes match their letters.

    A letter stands for one size in all arguments, and 1 for the size 1. All arguments may lack the axis H.
    Raises TypeError for an argument that is not a tensor or an array of numbers.
    """
    for name, (x, _) in given.items():
        if not hasattr(x, "dtype") or x.dtype.kind not in "fiub":
            raise TypeError(f"{function} needs tensors or arrays of numbers, got {name} {describe(x)}")
    several = any(letters[1] == "H" and x.ndim == len(letters) for x, letters in given.values())
    sizes = {"1": 1}
    for name, (x, letters) in given.items():
        wanted = letters if several else letters.replace("H", "")
        if x.ndim == len(wanted):
            for letter, size in zip(wanted, x.shape, strict=True):
                sizes.setdefault(letter, size)
        if x.shape != tuple(sizes.get(letter) for letter in wanted):
            expected = ", ".join(str(sizes.get(letter, letter)) for letter in wanted)
            needs = ", ".join(f"{n} ({', '.join(of)})" for n, (_, of) in given.items()).replace(
                ", H,", "[, H],"
            )
            raise ValueError(f"{function} needs {needs}; got {name} {describe(x)}, expected ({expected})")
