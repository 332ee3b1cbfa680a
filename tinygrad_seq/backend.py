"""NumPy or CuPy: the doors between host and device, and the few places where the two differ.

Ops are plain NumPy and the data decides where work happens: CuPy arrays answer NumPy's functions. This
file alone knows CuPy by name, and imports it when a device is first asked for.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType

import numpy as np

# glibc gives memory back to the system as soon as twice the largest block lies free that it ever mapped and was
# given back, 32 MiB at most, and has to fault it in again page by page for the next array: x @ W + b of 3 MB
# took 4.4 ms, and takes 1.3 once such a block has come and gone. To other allocators it means nothing.
np.empty(2**25 - 2**16, np.uint8)


def is_array(x: object) -> bool:
    """Whether `x` is an array of either library."""
    if isinstance(x, np.ndarray):
        return True
    cupy = sys.modules.get("cupy")  # nobody holds a CuPy array who has not imported CuPy
    return cupy is not None and isinstance(x, cupy.ndarray)


@cache
def _cupy() -> ModuleType | str:
    """CuPy, proved to compute on a device; or the reason why not."""
    try:
        import cupy
    except Exception as error:  # not installed, or installed and broken
        return f'CuPy cannot be imported ({error}); pip install "tinygrad_seq[gpu]"'
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "CuPy finds no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA driver or device ({error})"
    try:
        float(cupy.arange(3).sum())
    except Exception as error:  # a compiler, a driver or a library that does not fit
        return f"the CUDA device is there but cannot compute ({error})"
    return cupy


def parse_device(device: str) -> int | None:
    """The CUDA device number of "cuda" or "cuda:1"; None for "cpu". A ValueError names the choices."""
    if device == "cpu":
        return None
    kind, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind != "cuda" or not (number.isdigit() or device == "cuda"):
        raise ValueError(f'a device is "cpu", "cuda" or "cuda:1", not {device!r}')
    return int(number or 0)


def asarray(host: np.ndarray, device: str):
    """The door in: `host` on `device`. A RuntimeError says why a device cannot be had."""
    number = parse_device(device)
    if number is None:
        return host
    cupy = _cupy()
    if isinstance(cupy, str):
        raise RuntimeError(f"device {device!r} is not available: {cupy}")
    if number >= cupy.cuda.runtime.getDeviceCount():
        raise RuntimeError(f"device {device!r} is not available: CuPy finds fewer devices")
    with cupy.cuda.Device(number):
        return cupy.asarray(host)


def to_numpy(x) -> np.ndarray:
    """The door out: `x` as a NumPy array on the host."""
    return x.get() if is_array(x) and not isinstance(x, np.ndarray) else np.asarray(x)


def device_of(x) -> str:
    """The name of the device that holds `x`."""
    return f"cuda:{x.device.id}" if is_array(x) and not isinstance(x, np.ndarray) else "cpu"


def array(x):
    """`x`, an array where it lives; of a Python number, a NumPy array."""
    return x if is_array(x) or isinstance(x, np.generic) else np.asarray(x)


def copy(x):
    """A writable copy of an array, or of a NumPy scalar, where it lives."""
    return np.array(x) if isinstance(x, (np.ndarray, np.generic)) else x.copy()


def index_add(z, key, g) -> None:
    """z[key] += g, in which an index may occur more than once."""
    if isinstance(z, np.ndarray):
        np.add.at(z, key, g)
    else:
        _cupy().add.at(z, key, g)  # type: ignore[union-attr]
