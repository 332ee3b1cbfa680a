"""The suite on a device: what its tests make of numbers and of NumPy's arrays is made there.

A test says `ts.tensor([1.0, 2.0])` and means a tensor, wherever it is. With `--backend=double` or
`--backend=cupy` the doors of the library lead to the device whether or not one is named, so that every op of
every test runs there. What crosses between devices has tests of its own, which open the doors again.
"""

from __future__ import annotations

import contextlib
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from tinygrad_seq.engine import backend, recording

NAME = "numpy"  # the backend that the suite runs on
DEVICE = "cpu"  # and its device


def choose(name: str) -> None:
    """Run on a backend; UsageError, with the reason, if there is none."""
    global NAME, DEVICE
    NAME = name
    if name == "numpy":
        return
    if name == "double":
        import double

        sys.modules["cupy"], sys.modules["cupyx"] = double, double.cupyx
    cupy = backend._cupy()
    if isinstance(cupy, str):
        raise pytest.UsageError(f"--backend={name}: {cupy}")
    DEVICE = "cuda:0"
    close()


def description() -> str:
    """What the suite runs on: library, driver and device."""
    if NAME == "numpy":
        return f"backend: NumPy {np.__version__}"
    cupy = sys.modules["cupy"]
    runtime = cupy.cuda.runtime
    name = runtime.getDeviceProperties(0)["name"].decode()
    versions = f"CUDA {runtime.runtimeGetVersion()}, driver {runtime.driverGetVersion()}"
    return f"backend: CuPy {cupy.__version__}, {versions}, {name}"


def there(device: str) -> str:
    """The device of the suite, in the place of the host."""
    return DEVICE if device == "cpu" else device


def placed(array):
    """An array of NumPy's where the suite runs."""
    return ASARRAY(np.asarray(array), DEVICE)


ASARRAY, EMPTY, OPERAND = backend.asarray, backend.empty, recording.operand


def close() -> None:
    """What enters the library goes to the device."""

    def operand(x, op):
        x = OPERAND(x, op)
        return ASARRAY(x, DEVICE) if isinstance(x, np.ndarray) and not opened else x

    backend.asarray = lambda x, device: ASARRAY(x, device if opened else there(device))
    backend.empty = lambda shape, dtype, device: EMPTY(shape, dtype, device if opened else there(device))
    recording.operand = operand


opened: list[bool] = []  # while this is not empty, a device is where the test says


@contextmanager
def open_doors():
    """Within this block the doors lead where a test says, as they do for a user."""
    opened.append(True)
    try:
        yield
    finally:
        opened.pop()


@contextlib.contextmanager
def costs(uploads=0, downloads=0, synchronisations=None):
    """What the block costs, on the double, which counts."""
    with sys.modules["cupy"].watch() if NAME == "double" else contextlib.nullcontext() as counts:
        yield
    if counts is not None:
        expected = (uploads, downloads, downloads if synchronisations is None else synchronisations)
        assert (counts.uploads, counts.downloads, counts.synchronisations) == expected
