"""Initial values of parameters.

The scale of the weights decides whether signals and gradients keep their size on the way through a deep
or recurrent network. Every initialiser takes `rng`, a `numpy.random.Generator` or a seed (None draws a
fresh one), so that a seed makes a run reproducible, and returns a NumPy array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

Rng = np.random.Generator | int | None


def uniform(
    shape: tuple[int, ...], bound: float, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """w_i ~ U(-bound, bound), an array of `shape`.

    >>> uniform((2, 3), 0.5, rng=0).shape
    (2, 3)
    """
    return np.random.default_rng(rng).uniform(-bound, bound, shape).astype(dtype)
