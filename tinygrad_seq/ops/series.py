"""A rule near a point where its closed form cancels: there it is summed as a power series.

Both forms are plain NumPy, so the rule has derivatives of every order, from whichever form is used.
"""

from __future__ import annotations

import numpy as np


def near_zero(x, radius: float, coefficients, far):
    """sum_k c_k x^2k where |x| < radius, else far(x)."""
    near = np.abs(x) < radius
    square = np.square(np.where(near, x, 0))
    total = 0
    for c in reversed(coefficients):
        total = c + square * total
    return np.where(near, total, far(np.where(near, radius, x)))
