"""Initial values of parameters.

The scale of the weights decides whether signals and gradients keep their size in a deep or recurrent network.
An initialiser returns a NumPy array. Random initialisers take `rng`, a `numpy.random.Generator` or a seed; a
seed makes a run reproducible, and None means a fresh seed. `assign_` puts the array into a parameter:
`cell.Wh.assign_(nn.init.orthogonal((5, 5), rng=0))`.

Weights multiply from the right, x W: a matrix is (input, output), and column j holds the weights of unit j.

>>> from tinygrad_seq import nn
>>> cell = nn.LSTMCell(3, 5, rng=0)
>>> cell.Wx.assign_(nn.init.xavier((3, 20), rng=0)).shape
(3, 20)
>>> cell.b.assign_(nn.init.forget_bias(5)).numpy()[4:7]
array([0., 1., 1.], dtype=float32)
"""

from __future__ import annotations

import math
from typing import NoReturn, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine.mode import refuse_in_a_step as _refuse_in_a_step
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.nn.habits import INIT
from tinygrad_seq.tensor.habits import say as _say

Rng: TypeAlias = "np.random.Generator | int | None"  # as text, which does not import numpy.random


def generator(rng: Rng) -> np.random.Generator:
    """`rng` if it is a generator, else a new generator with that seed.

    Raises RuntimeError inside the step of a scan.

    >>> bool(generator(0).random() == generator(0).random())
    True
    """
    _refuse_in_a_step("a draw would be the same in all of them; draw before the loop and pass it as an input")
    return np.random.default_rng(rng)


def zeros(shape: tuple[int, ...], *, dtype: DTypeLike = np.float32) -> np.ndarray:
    """w_i = 0, an array of `shape`.

    >>> zeros((2,))
    array([0., 0.], dtype=float32)
    """
    return np.zeros(_sizes("zeros", shape), dtype)


def uniform(
    shape: tuple[int, ...], bound: float, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """w_i ~ U(-bound, bound), an array of `shape`.

    >>> uniform((2, 3), 0.5, rng=0).shape
    (2, 3)
    """
    bound = number("uniform", "bound", bound, "[0, inf)")
    return _as_floats("uniform", generator(rng).uniform(-bound, bound, _sizes("uniform", shape)), dtype)


def xavier(
    shape: tuple[int, int], *, gain: float = 1.0, rng: Rng = None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """w_ij ~ U(-a, a), a = gain sqrt(6 / (input + output)), of variance gain^2 2 / (input + output).

    (Glorot & Bengio 2010.) `shape` is (input, output). The variance 1 / input would preserve the variance of
    activations in the forward pass, 1 / output that of gradients in the backward pass; this is a compromise.

    >>> xavier((2, 4), rng=0).shape
    (2, 4)
    """
    gain = number("xavier", "gain", gain, "[0, inf)")
    return uniform(shape, gain * math.sqrt(6 / sum(_matrix("xavier", shape))), rng=rng, dtype=dtype)


def orthogonal(shape: tuple[int, int], *, rng: Rng = None, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A random Q with Q'Q = 1, or QQ' = 1 if it has more columns than rows; all such Q are equally likely.

    (Saxe, McClelland & Ganguli 2014.) Repeated multiplication by a square Q preserves the length of a vector.

    >>> q = orthogonal((3, 3), rng=0, dtype=np.float64)
    >>> np.allclose(q.T @ q, np.eye(3))
    True
    """
    rows, columns = _matrix("orthogonal", shape)
    gaussian = generator(rng).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(gaussian)
    # QR is unique only up to these signs; fixing them makes Q uniform (Mezzadri 2007)
    q = q * np.sign(np.diag(r))
    return _as_floats("orthogonal", q if rows >= columns else q.T, dtype)


def identity(size: int, *, scale: float = 1.0, dtype: DTypeLike = np.float32) -> np.ndarray:
    """`scale` times the identity matrix (size, size), for recurrent weights (Le, Jaitly & Hinton 2015).

    >>> identity(2, scale=0.5)
    array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    """
    size = integer("identity", "size", size, "[0, inf)")
    scale = number("identity", "scale", scale, "(-inf, inf)")
    return (scale * np.eye(size)).astype(dtype)


def sparse(
    size: int, *, nonzeros: int, spectral_radius: float, rng: Rng = None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """A matrix (size, size) with `nonzeros` Gaussian weights per column, scaled to the spectral radius.

    Every unit receives `nonzeros` inputs from the other units, for any network size. The spectral radius
    |lambda|max, the largest modulus of an eigenvalue, is `spectral_radius` (Martens & Sutskever 2011; Sutskever
    et al. 2013; Pascanu, Mikolov & Bengio 2013). Raises ValueError if nonzeros is outside 1 ... size.

    >>> w = sparse(50, nonzeros=15, spectral_radius=0.95, rng=0, dtype=np.float64)
    >>> int((w != 0).sum()), float(np.abs(np.linalg.eigvals(w)).max().round(6))
    (750, 0.95)
    """
    size = integer("sparse", "size", size, "[1, inf)")
    nonzeros = integer("sparse", "nonzeros", nonzeros, f"[1, {size}]")
    spectral_radius = number("sparse", "spectral_radius", spectral_radius, "[0, inf)")
    rng = generator(rng)
    w = np.zeros((size, size))
    for column in w.T:
        column[rng.choice(size, nonzeros, replace=False)] = rng.standard_normal(nonzeros)
    # every column has a nonzero weight, so the graph of the units has a cycle, and some eigenvalue is not 0
    radius: float = np.abs(np.linalg.eigvals(w)).max()
    return _as_floats("sparse", w * (spectral_radius / radius), dtype)


def forget_bias(hidden_size: int, value: float = 1.0, *, dtype: DTypeLike = np.float32) -> np.ndarray:
    """The bias [i, f, g, o] (4H,) of an LSTM: `value` in the block f, 0 elsewhere.

    With an open forget gate the cell remembers from the start of training (Gers et al. 2000; Jozefowicz et al.
    2015).

    >>> forget_bias(2)
    array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)
    """
    hidden_size = integer("forget_bias", "hidden_size", hidden_size, "[0, inf)")
    value = number("forget_bias", "value", value, "(-inf, inf)")
    return np.repeat(np.array([0, value, 0, 0], dtype), hidden_size)


def _sizes(owner: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"{owner} needs a shape, a tuple of sizes, got {shape!r:.40}")
    return tuple(integer(owner, "size of a shape", n, "[0, inf)") for n in shape)


def _matrix(owner: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = _sizes(owner, shape)
    if len(sizes) != 2:
        raise ValueError(f"{owner} needs the shape (input, output) of a matrix, got {shape}")
    return sizes


def _as_floats(owner: str, values: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    if np.dtype(dtype).kind != "f":  # integers would round most weights to 0
        raise TypeError(f"{owner} needs a float dtype, got {np.dtype(dtype)}")
    return values.astype(dtype)


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(_say(name, "nn.init", INIT), name=name)
