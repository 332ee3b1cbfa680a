"""Comparing results: first their device, then their values.

A test that only copies its results to the host passes even if nothing ran on the device. So a Tensor, or an
array on a device, must be on the device of the test run; only then are its values copied.
"""

from __future__ import annotations

import doors
import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.engine import backend

RTOL = 1e-7  # the tolerance of a test that names none; the same as NumPy's
ON_DEVICES = {np.dtype(np.float16): 2e-3, np.dtype(np.float32): 2e-6}  # CUDA's functions are less accurate


def host(x) -> np.ndarray:
    """The values of a result, or of a list of them, on the host."""
    if isinstance(x, (list, tuple)):
        return np.asarray([host(part) for part in x])
    place = x.device if isinstance(x, ts.Tensor) else None if backend.on_host(x) else backend.device_of(x)
    assert place in (None, doors.DEVICE), f"the result is on {place}, not on {doors.DEVICE}"
    return x.numpy() if isinstance(x, ts.Tensor) else backend.to_numpy(x)


def assert_allclose(found, expected, rtol: float | None = None, atol: float = 0, *, err_msg: str = "") -> None:
    """np.testing.assert_allclose, for results on the device of the test run."""
    found, expected = host(found), host(expected)
    if rtol is None:
        rtol = RTOL if doors.NAME == "numpy" else ON_DEVICES.get(found.dtype, RTOL)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=err_msg)


def assert_array_equal(found, expected, *, err_msg: str = "") -> None:
    """np.testing.assert_array_equal, for results on the device of the test run."""
    np.testing.assert_array_equal(host(found), host(expected), err_msg=err_msg)
