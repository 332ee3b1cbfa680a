"""Devices on a machine without one: a request raises an error with the reason, and never falls back."""

import re
import subprocess
import sys
from pathlib import Path

import doors
import numpy as np
import pytest
from places import ROOT

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.engine import backend


def test_a_tensor_names_its_device():
    assert ts.tensor([1.0]).device == doors.DEVICE
    assert (ts.tensor([1.0]) * 2).device == doors.DEVICE


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "CPU", "", 0])
def test_an_unknown_device_is_an_error_that_names_the_choices(device):
    with pytest.raises(ValueError, match='"cpu", "cuda" or "cuda:1"'):
        ts.tensor([1.0], device=device)


def refused(monkeypatch, cupy, text):
    """A request for a device raises an error with this text, and `ts.devices` gives the same reason."""
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    backend._cupy.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=f"device 'cuda' is not available: {text}"):
            doors.ASARRAY(np.ones(2), "cuda")
        cpu, cuda = ts.devices()
        assert (cpu.name, cpu.available, cuda.name, cuda.available) == ("cpu", True, "cuda", False)
        assert re.search(text, cuda.about)
    finally:
        backend._cupy.cache_clear()


def test_a_missing_library_is_named_with_the_install_line(monkeypatch):
    refused(monkeypatch, None, "CuPy is not installed .*: pip install -e")


def test_a_broken_library_is_told_from_a_missing_one(monkeypatch):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise OSError("libcudart.so.13: cannot open shared object file")

    before = sys.modules.pop("cupy", None)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    backend._cupy.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=r"CuPy is installed and broken .*libcudart.*--force-reinstall"):
            doors.ASARRAY(np.ones(2), "cuda")
    finally:
        backend._cupy.cache_clear()
        if before is not None:
            sys.modules["cupy"] = before


def test_nothing_falls_back(monkeypatch):
    """A model or a tensor is on the device that was asked for, or an error is raised."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    backend._cupy.cache_clear()
    try:
        with doors.open_doors():
            for ask in (
                lambda: ts.tensor(1.0).to("cuda"),
                lambda: ts.zeros(3, device="cuda:1"),
                lambda: nn.Linear(2, 3, rng=0).to("cuda"),
            ):
                with pytest.raises(RuntimeError, match="is not available"):
                    ask()
    finally:
        backend._cupy.cache_clear()


class CudaError(RuntimeError):
    pass


def fake_cupy(count=None, error=None, compute=None):
    """A module with the three functions that the backend calls: devices, driver, arithmetic."""

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
    refused(monkeypatch, cupy, f".*{reason}")


def test_the_suite_does_not_start_on_a_device_that_there_is_not():
    """`--backend=cupy` ends with an error that gives the reason; it never skips tests."""
    if doors.NAME == "cupy":
        pytest.skip("there is a device")
    code = "import sys; sys.modules['cupy'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    here = Path(__file__)
    command = [sys.executable, "-c", code, "-n0", "--backend=cupy", "-p", "no:cacheprovider", str(here)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--backend=cupy: CuPy is not installed" in run.stderr


def test_index_add_adds_every_duplicate():
    z = np.zeros(3)
    backend.index_add(z, ([0, 2, 0],), np.array([1.0, 2.0, 4.0]))
    assert z.tolist() == [5.0, 0.0, 2.0]
