"""What the functions of matrices accept."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine import backend


def matrices(x):
    """`x`, or ValueError if it has fewer than two axes; NumPy would repeat a vector as the rows of a matrix."""
    if np.ndim(x) < 2:
        raise ValueError(f"expects matrices (..., n, m), got an array of shape {np.shape(x)}")
    return x


def floats(x):
    """`x`, an array or a Tensor, as floats: integers, booleans and lists of them become float64."""
    x = x if hasattr(x, "astype") else np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind in "iub" else x


def squares(x):
    """`x`, or LinAlgError if it is not a square matrix or a stack of them."""
    if np.ndim(x) < 2 or np.shape(x)[-1] != np.shape(x)[-2]:
        raise np.linalg.LinAlgError(f"expects square matrices (..., n, n), got an array of shape {np.shape(x)}")
    return x


def finite(a):
    """The array `a`, or LinAlgError if it has infinities or NaN, for which LAPACK's iterations may never end.

    On a device nobody looks at the values.
    """
    if backend.on_host(a) and not np.all(np.isfinite(a)):
        raise np.linalg.LinAlgError("expects finite numbers, got infinities or NaN")
    return a
