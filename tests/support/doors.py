"""Running the tests on a device: tensors that a test creates from numbers or NumPy arrays are created there.

A *door* is a function through which data enter the library from the host (`backend.asarray`, `backend.empty`,
`recording.operand`). With `--backend=double` or `--backend=cupy` the doors are closed: they lead to the device
even if a test names none, so that every op of every test runs there. The tests of moves between devices open
the doors again: a tensor is then on the device that the test names.
"""

from __future__ import annotations

import contextlib
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from tinygrad_seq.engine import backend, recording

NAME = "numpy"  # the backend of the test run
DEVICE = "cpu"  # the device of the test run


def choose(name: str) -> None:
    """Run the tests on a backend; UsageError, with the reason, if it is not available."""
    global NAME, DEVICE
    NAME = name
    if name == "numpy":
        return
    if name == "double":
        import double

        sys.modules["cupy"], sys.modules["cupyx"] = double, double.cupyx
        sys.modules["cupyx.scipy"] = sys.modules["cupyx.scipy.special"] = double.special.module
    cupy = backend._cupy()
    if isinstance(cupy, str):
        raise pytest.UsageError(f"--backend={name}: {cupy}")
    DEVICE = "cuda:0"
    close()


def missing() -> set[str]:
    """The functions that the backend of the test run lacks: CuPy has no Bessel functions of any order."""
    return set() if NAME == "numpy" else {"jv", "jn", "yv", "iv", "ive"}


def description() -> str:
    """The library, driver and device of the test run."""
    if NAME == "numpy":
        return f"backend: NumPy {np.__version__}"
    cupy = sys.modules["cupy"]
    runtime = cupy.cuda.runtime
    name = runtime.getDeviceProperties(0)["name"].decode()
    versions = f"CUDA {runtime.runtimeGetVersion()}, driver {runtime.driverGetVersion()}"
    return f"backend: CuPy {cupy.__version__}, {versions}, {name}"


def there(device: str) -> str:
    """The device of the test run instead of the host; any other device as it is."""
    return DEVICE if device == "cpu" else device


def placed(array):
    """A NumPy array, on the device of the test run."""
    return ASARRAY(np.asarray(array), DEVICE)


ASARRAY, EMPTY, OPERAND = backend.asarray, backend.empty, recording.operand


def close() -> None:
    """Close the doors: data from the host go to the device of the test run."""

    def operand(x, op):
        x = OPERAND(x, op)
        return ASARRAY(x, DEVICE) if isinstance(x, np.ndarray) and not opened else x

    backend.asarray = lambda x, device: ASARRAY(x, device if opened else there(device))
    backend.empty = lambda shape, dtype, device: EMPTY(shape, dtype, device if opened else there(device))
    recording.operand = operand


opened: list[bool] = []  # not empty while the doors are open


@contextmanager
def open_doors():
    """In this block a tensor is on the device that the test names, as it is for a user."""
    opened.append(True)
    try:
        yield
    finally:
        opened.pop()


@contextlib.contextmanager
def costs(uploads=0, downloads=0, synchronisations=None):
    """Check the numbers of uploads, downloads and synchronisations in the block; only on the double."""
    with sys.modules["cupy"].watch() if NAME == "double" else contextlib.nullcontext() as counts:
        yield
    if counts is not None:
        expected = (uploads, downloads, downloads if synchronisations is None else synchronisations)
        assert (counts.uploads, counts.downloads, counts.synchronisations) == expected
