"""Where the values of special functions come from: SciPy on the host, CuPy's version of it on a device.

A function is computed in one dtype. float32 and float64 are kept, float16 is computed in float32 and rounded
once, integers and booleans count as float64, and a Python number takes the dtype of the arrays, as in every op.
(SciPy's own dtypes for float16, small integers and Python numbers differ between its functions.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.precision import DOUBLE, SINGLE, accumulating

AS_THEY_ARE = ({SINGLE}, {DOUBLE})  # the dtypes of a call whose arrays are not converted


def in_one_dtype(forward: Callable) -> Callable:
    """Decorator: the forward function of a primitive receives arrays of one float dtype."""

    @wraps(forward)
    def call(*given):
        if {getattr(x, "dtype", None) for x in given} in AS_THEY_ARE:
            return forward(*given)
        arrays: list = [x if isinstance(x, (int, float)) else backend.array(x) for x in given]
        dtype = np.result_type(*(getattr(x, "dtype", x) for x in arrays))
        dtype = dtype if dtype.kind == "f" else DOUBLE
        wide = accumulating(dtype)
        z = forward(*(x.astype(wide, copy=False) if hasattr(x, "dtype") else wide.type(x) for x in arrays))
        return z if z.dtype == dtype else z.astype(dtype)

    return call


def computed(name: str, *arrays):
    """The function `name` of scipy.special, or of cupyx.scipy.special for arrays on a device."""
    return backend.special(name, all(map(backend.on_host, arrays)))(*arrays)
