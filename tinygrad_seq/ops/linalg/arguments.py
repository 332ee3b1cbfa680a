"""What the functions of matrices accept."""

from __future__ import annotations

import numpy as np


def matrices(x):
    """`x`, or ValueError if it has fewer than two axes; NumPy would repeat a vector as the rows of a matrix."""
    if np.ndim(x) < 2:
        raise ValueError(f"expects matrices (..., n, m), got an array of shape {np.shape(x)}")
    return x


def floats(x):
    """`x`, an array or a Tensor, as floats: integers, booleans and lists of them become float64."""
    x = x if hasattr(x, "astype") else np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)
