"""Devices without a device: an explicit request fails with its reason, and nothing falls back in silence."""

import importlib.util

import doors
import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import backend

HAS_CUPY = importlib.util.find_spec("cupy") is not None


def test_a_tensor_names_its_device():
    assert ts.tensor([1.0]).device == doors.DEVICE
    assert (ts.tensor([1.0]) * 2).device == doors.DEVICE


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "CPU", "", 0])
def test_an_unknown_device_is_an_error_that_names_the_choices(device):
    with pytest.raises(ValueError, match='"cpu", "cuda" or "cuda:1"'):
        ts.tensor([1.0], device=device)


@pytest.mark.skipif(HAS_CUPY, reason="CuPy is installed here: its absence cannot be tested")
def test_a_missing_library_is_named_with_the_install_line():
    with pytest.raises(RuntimeError, match=r"'cuda' is not available: CuPy is not installed.*pip install"):
        ts.tensor([1.0], device="cuda")


class CudaError(RuntimeError):
    pass


def fake_cupy(count=None, error=None, compute=None):
    """A module that answers the three questions of the door: devices, driver, arithmetic."""

    class Runtime:
        CUDARuntimeError = CudaError

        @staticmethod
        def getDeviceCount():  # noqa: N802, CUDA's name
            if error:
                raise error
            return count

    class Cuda:
        runtime = Runtime

    class Module:
        cuda = Cuda

        @staticmethod
        def arange(n):
            if compute:
                raise compute
            return np.arange(n)

    return Module


@pytest.mark.parametrize(
    ("cupy", "reason"),
    [
        (fake_cupy(error=CudaError("insufficient driver")), "no CUDA driver or device .insufficient driver"),
        (fake_cupy(count=0), "finds no CUDA device"),
        (fake_cupy(count=1, compute=OSError("no nvrtc")), "cannot compute .no nvrtc"),
    ],
)
def test_each_reason_is_told_apart(monkeypatch, cupy, reason):
    monkeypatch.setitem(__import__("sys").modules, "cupy", cupy)
    backend._cupy.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=reason):
            backend.asarray(np.ones(2), "cuda")
    finally:
        backend._cupy.cache_clear()


def test_index_add_adds_every_duplicate():
    z = np.zeros(3)
    backend.index_add(z, ([0, 2, 0],), np.array([1.0, 2.0, 4.0]))
    assert z.tolist() == [5.0, 0.0, 2.0]
