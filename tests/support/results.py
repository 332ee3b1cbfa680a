"""Comparing results: where they are first, then what they are.

A test that reads its results back before it looks at them passes even if nothing ever ran on the device. So
a Tensor, or an array of a device, has to be where the suite runs; only then are its values fetched.
"""

from __future__ import annotations

import doors
import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.engine import backend

RTOL = 1e-7  # where a test names no tolerance; NumPy's own
ON_DEVICES = {np.dtype(np.float16): 2e-3, np.dtype(np.float32): 2e-6}  # CUDA rounds its functions less well


def host(x) -> np.ndarray:
    """The values of a result, or of a list of them, on the host."""
    if isinstance(x, (list, tuple)):
        return np.asarray([host(part) for part in x])
    place = x.device if isinstance(x, ts.Tensor) else None if backend.on_host(x) else backend.device_of(x)
    assert place in (None, doors.DEVICE), f"the result is on {place}, not on {doors.DEVICE}"
    return x.numpy() if isinstance(x, ts.Tensor) else backend.to_numpy(x)


def assert_allclose(found, expected, rtol: float | None = None, atol: float = 0, *, err_msg: str = "") -> None:
    """As NumPy's, of results wherever they are."""
    found, expected = host(found), host(expected)
    if rtol is None:
        rtol = RTOL if doors.NAME == "numpy" else ON_DEVICES.get(found.dtype, RTOL)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=err_msg)


def assert_array_equal(found, expected, *, err_msg: str = "") -> None:
    """As NumPy's, of results wherever they are."""
    np.testing.assert_array_equal(host(found), host(expected), err_msg=err_msg)
