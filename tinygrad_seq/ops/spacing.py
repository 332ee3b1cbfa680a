"""Numbers between two ends at equal distances, or at equal ratios; differentiable with respect to the ends."""

from __future__ import annotations

import operator

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.primitive import numpy_function
from tinygrad_seq.ops.choice import where
from tinygrad_seq.ops.comparison import sign
from tinygrad_seq.ops.elementwise import astype, power
from tinygrad_seq.ops.exponential import exp, log
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.ops.rearranging import moveaxis
from tinygrad_seq.ops.shape import expand_dims, reshape


@numpy_function
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers from `start` to `stop` at equal distances, along a new axis.

    endpoint  whether `stop` is the last of them
    retstep   whether to return the distance, too
    dtype     of the result; integers are rounded down

    >>> import tinygrad_seq as ts
    >>> ts.linspace(ts.tensor(1.0), 3.0, 5).numpy()
    array([1. , 1.5, 2. , 2.5, 3. ], dtype=float32)
    """
    start, stop = floats(start, stop)
    i, intervals = counts(num, endpoint, start, stop)
    span = stop - start
    step = span / intervals if intervals else span * np.nan
    z = i * (step if intervals else span) + start
    if endpoint and num > 1:
        z = where(i == num - 1, stop, z)
    z = converted(z if axis == 0 else moveaxis(z, 0, axis), dtype)
    return (z, step) if retstep else z


def floats(*numbers) -> list:
    """The arguments in their common float dtype; Python numbers stay as they are."""
    given = [x if isinstance(x, (int, float)) or hasattr(x, "dtype") else np.asarray(x) for x in numbers]
    dtype = np.result_type(*given, 1.0)
    return [x if isinstance(x, (int, float)) or x.dtype == dtype else astype(x, dtype) for x in given]


def counts(num, endpoint: bool, *ends) -> tuple:
    """0, 1, ..., num - 1 along a leading axis, of the dtype and device of the ends; and how many intervals."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"expects a number of elements of 0 or more, got num={num}")
    ndim = max(np.ndim(x) for x in ends)
    i = np.arange(num, dtype=np.result_type(*ends, 1.0)).reshape(num, *[1] * ndim)
    device = next((backend.device_of(data_of(x)) for x in ends if not backend.on_host(data_of(x))), "cpu")
    return backend.asarray(i, device), max(num - bool(endpoint), 0)


def converted(z, dtype):
    """`z` in the given dtype, if there is one; integers are rounded down."""
    if dtype is None or np.dtype(dtype) == z.dtype:
        return z
    return astype(np.floor(z) if np.dtype(dtype).kind in "iu" else z, dtype)


@numpy_function
def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """`base` to the powers of `linspace`, which are evenly spaced from `start` to `stop`.

    >>> import tinygrad_seq as ts
    >>> ts.logspace(ts.tensor(0.0), 2.0, 3).numpy()
    array([  1.,  10., 100.], dtype=float32)
    """
    if np.ndim(base):
        ndim = max(np.ndim(x) for x in (start, stop, base))
        start, stop, base = (
            reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x)) if np.ndim(x) else x
            for x in (start, stop, base)
        )
        base = expand_dims(base, axis)
    z = power(base, linspace(start, stop, num, endpoint, axis=axis))
    return z if dtype is None else astype(z, dtype)


@numpy_function
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from `start` to `stop`, each in the same ratio to the next, along a new axis, as float64.

    Both ends are positive or both are negative, else the numbers between are NaN. ValueError for an end of 0,
    where values can be read: not in the step of a scan and not on a device.

    >>> import tinygrad_seq as ts
    >>> ts.geomspace(ts.tensor(1.0), 8.0, 4).numpy().round(6)
    array([1., 2., 4., 8.])
    """
    start, stop = (float(x) if isinstance(x, (int, float)) else astype(x, np.float64) for x in (start, stop))
    known = [data_of(x) for x in (start, stop) if mode.trace is None and backend.on_host(data_of(x))]
    if any(np.any(x == 0) for x in known):
        raise ValueError("geomspace has no ratio from or to an end of 0")
    positive = sign(start)
    start, stop = start / positive, stop / positive
    i, _ = counts(num, endpoint, start, stop)
    z = where(i == 0, start, exp(linspace(log(start), log(stop), num, endpoint)))
    if endpoint and num > 1:
        z = where(i == num - 1, stop, z)
    z = positive * z if axis == 0 else moveaxis(positive * z, 0, axis)
    return z if dtype is None else astype(z, dtype)
