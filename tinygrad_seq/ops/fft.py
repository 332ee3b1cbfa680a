"""The discrete Fourier transform of real numbers, as pairs of real numbers.

Tensors hold no complex numbers: a complex derivative needs conventions of its own, and every op would have to
know them. The transform of real numbers and its inverse need none. They are linear maps of real numbers if the
real and the imaginary part of a frequency are a pair, along a new last axis of length 2; in memory these pairs
are NumPy's complex numbers. So `ts.fft.rfft` and `ts.fft.irfft` differ from NumPy's functions of these names,
which therefore refuse tensors. A product of two transforms has the pairs (a c - b d, a d + b c).

>>> import tinygrad_seq as ts
>>> ts.fft.rfft(ts.tensor([1.0, 0.0, 0.0])).numpy()
array([[1., 0.],
       [1., 0.]], dtype=float32)
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from tinygrad_seq.engine.precision import real, rounded_once
from tinygrad_seq.engine.primitive import numpy_function, primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import getitem
from tinygrad_seq.ops.rearranging import moveaxis, pad, roll

__all__ = ["fftfreq", "fftshift", "ifftshift", "irfft", "rfft", "rfftfreq"]  # noqa: F822, two by __getattr__

normalize = np.lib.array_utils.normalize_axis_index


@primitive("(n)->(k,2)", examples=[example("(A)"), example("(a,5)"), example("(a,4)")])
@rounded_once
def _rfft(x, /):
    """z_k = sum_t x_t (cos(2 pi k t / n), -sin(2 pi k t / n)), for k = 0 to n // 2"""
    z = np.fft.rfft(x).copy()  # in C order
    return z.view(z.real.dtype).reshape(*z.shape, 2)


@primitive("(k,2)->(n)", examples=[example("(a,3,2)", n=5), example("(3,2)", n=4), example("(1,2)", n=1)])
@rounded_once
def _irfft(x, /, n):
    """z_t = 1/n sum_k w_k (x_k0 cos(2 pi k t / n) - x_k1 sin(2 pi k t / n)), w_k = 2, or 1 for k = 0, n / 2"""
    pairs = real(x).copy()
    return np.fft.irfft(pairs.view(np.result_type(pairs.dtype, np.complex64))[..., 0], n)


def weighted(x, n: int, w: float):
    """The pairs x, those of a frequency that stands for its mirror image, too, times w."""
    m = (n + 1) // 2
    return np.concatenate([x[..., :1, :], w * x[..., 1:m, :], x[..., m:, :]], axis=-2)


# each is the transpose of the other, up to weights
_rfft.linear(lambda g, s: s[-1] * _irfft(weighted(g, s[-1], 0.5), s[-1]))
_irfft.linear(lambda g, n: weighted(_rfft(g), n, 2.0) / n)


def scaled(z, n: int, norm: str | None, sign: int):
    """`z` times n^p, p = 0, 1/2 or 1 by NumPy's `norm` and the sign of the exponent of the transform."""
    powers = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}
    if norm not in powers:
        raise ValueError(f'norm is "backward", "ortho" or "forward", got {norm!r}')
    return z * float(n) ** (sign * powers[norm]) if powers[norm] else z


def of_length(x, n: int, axis: int):
    """An axis of x, counted from the end, cut to n elements or continued with zeros."""
    size = np.shape(x)[axis]
    if size < n:
        return pad(x, [(0, n - size) if i - np.ndim(x) == axis else (0, 0) for i in range(np.ndim(x))])
    return x if size == n else getitem(x, (..., slice(n), *[slice(None)] * (-axis - 1)))


def positive(name: str, n) -> int:
    """The length n of a transform, or ValueError."""
    if operator.index(n) < 1:
        raise ValueError(f"{name} expects a length n of 1 or more, got {n}")
    return operator.index(n)


def rfft(a, n: int | None = None, axis: int = -1, norm: str | None = None):
    """The transform of real numbers along `axis`: pairs of real and imaginary parts, along a new last axis.

    n     the length to which the axis is first cut, or continued with zeros; by default its own
    norm  "ortho" divides by sqrt(n), "forward" by n

    The result has n // 2 + 1 frequencies along `axis`. ValueError if n is not 1 or more.

    >>> import tinygrad_seq as ts
    >>> ts.fft.rfft(ts.tensor([1.0, 2.0, 1.0, 0.0])).numpy()
    array([[ 4.,  0.],
           [ 0., -2.],
           [ 0.,  0.]], dtype=float32)
    """
    axis = normalize(axis, np.ndim(a))
    x = moveaxis(a, axis, -1)
    n = positive("rfft", np.shape(x)[-1] if n is None else n)
    return moveaxis(scaled(_rfft(of_length(x, n, -1)), n, norm, -1), -2, axis)


def irfft(a, n: int | None = None, axis: int = -1, norm: str | None = None):
    """The inverse of `rfft`: real numbers from pairs, along `axis`, counted without the last axis of pairs.

    n     the length of the result; by default 2 (m - 1), for m frequencies
    norm  "ortho" multiplies by sqrt(n), "forward" by n

    As in NumPy, the imaginary parts of the first frequency, and for even n of the last, do not count.
    ValueError if n is not 1 or more, and if the last axis has not length 2.

    >>> import tinygrad_seq as ts
    >>> ts.fft.irfft(ts.tensor([[4.0, 0.0], [0.0, -2.0], [0.0, 0.0]])).numpy()
    array([1., 2., 1., 0.], dtype=float32)
    """
    if np.ndim(a) < 2 or np.shape(a)[-1] != 2:
        raise ValueError(
            f"irfft expects pairs along its last axis, as rfft gives them, got shape {np.shape(a)}"
        )
    axis = normalize(axis, np.ndim(a) - 1)
    x = moveaxis(a, axis, -2)
    n = positive("irfft", 2 * (np.shape(x)[-2] - 1) if n is None else n)
    return moveaxis(scaled(_irfft(of_length(x, n // 2 + 1, -2), n), n, norm, 1), -1, axis)


def shifts(x, axes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes, all by default, and half of the length of each."""
    every = range(np.ndim(x))
    axes = every if axes is None else [every[axis] for axis in (axes if np.ndim(axes) else [axes])]
    return tuple(axes), tuple(np.shape(x)[axis] // 2 for axis in axes)


@numpy_function(module="fft")
def fftshift(x, axes=None):
    """`x` with the frequency 0 in the middle of every axis, or of those in `axes`.

    >>> import tinygrad_seq as ts
    >>> ts.fft.fftshift(ts.tensor([0, 1, 2, -2, -1])).numpy()
    array([-2, -1,  0,  1,  2])
    """
    axes, half = shifts(x, axes)
    return roll(x, half, axes)


@numpy_function(module="fft")
def ifftshift(x, axes=None):
    """The inverse of `fftshift`.

    >>> import tinygrad_seq as ts
    >>> ts.fft.ifftshift(ts.tensor([-2, -1, 0, 1, 2])).numpy()
    array([ 0,  1,  2, -2, -1])
    """
    axes, half = shifts(x, axes)
    return roll(x, tuple(-n for n in half), axes)


def __getattr__(name: str) -> Any:
    """NumPy's own functions that make frequencies; numpy.fft is loaded when they are asked for."""
    if name in ("fftfreq", "rfftfreq"):
        return getattr(np.fft, name)
    raise AttributeError(f"ts.fft has no {name!r}", name=name)
