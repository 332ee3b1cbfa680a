"""The double of a device: stands in for the module `cupy`, refuses what CuPy refuses, and counts what it costs.

There is no device in it. Arrays are an opaque class around NumPy's; what CuPy does in silence (wrap an index,
upload one, wait) it does too, but countably. It is as good as its measurements: `tests/test_double.py` is a
table of calls and outcomes that hold for CuPy itself.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from double import cuda
from double.array import ndarray
from double.counting import uploaded, watch
from double.cuda import current
from double.reaching import reach, reached
from double.special import errstate, poisoned
from double.ufuncs import UFUNCS, Ufunc

__version__ = f"double of 14.2.0, on NumPy {np.__version__}"
__all__ = ["asarray", "asnumpy", "cuda", "cupyx", "ndarray", "reached", "watch"]

cupyx = SimpleNamespace(errstate=errstate)


def asarray(a, dtype=None) -> ndarray:
    """An array of the host uploaded; one of another device copied; one of this device itself."""
    reach("function", "asarray", 1, () if dtype is None else ("dtype",))
    if isinstance(a, ndarray):
        if a._device != current.id:
            return ndarray(a._a.copy())
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    uploaded()
    return ndarray(np.array(a, dtype))


def asnumpy(a) -> np.ndarray:
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def empty(shape, dtype=float) -> ndarray:
    reach("function", "empty", 2)
    return poisoned(np.empty(shape, dtype))


def zeros(shape, dtype=float) -> ndarray:
    return ndarray(np.zeros(shape, dtype))


def ones(shape, dtype=float) -> ndarray:
    return ndarray(np.ones(shape, dtype))


def arange(*args, dtype=None) -> ndarray:
    reach("function", "arange", len(args))
    return ndarray(np.arange(*args, dtype=dtype))


for _name in UFUNCS:
    globals()[_name] = Ufunc(getattr(np, _name))
