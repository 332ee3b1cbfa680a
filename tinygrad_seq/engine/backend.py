"""NumPy or CuPy: moves between host and device, and the few places where the two libraries differ.

Ops are plain NumPy, and the data decides where they run, since CuPy arrays answer NumPy's functions. Only this
file imports CuPy, when a device is first asked for. Data moves between host and device only by `asarray` and
`to_numpy`. Only operations that read values wait for a device, and linear algebra, which must know whether
there is a result.

On a device arrays are never read-only, 0-d results are arrays and not scalars, and an index out of range wraps
around without an error. Indices from the host are therefore checked on the host, before they are uploaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

# glibc returns free memory to the system once there is more of it than twice the largest block that was ever
# mapped and freed (at most 32 MiB), and must then fault it in again page by page for the next array. Freeing
# one large block raises that limit: x @ W + b of 3 MB took 4.4 ms before and 1.3 ms after. Other allocators
# are not affected.
np.empty(2**25 - 2**16, np.uint8)

ADDED = frozenset("ilqILQefd")  # the dtypes, by NumPy's letters, that CuPy's add.at accepts


# --- devices ------------------------------------------------------------------------------------------


class Device(NamedTuple):
    """A device: its name, whether it is available, and what it is or why it is not available."""

    name: str
    available: bool
    about: str


def devices() -> list[Device]:
    """The devices to compute on, and why a device is not available.

    The first call imports CuPy, if it is installed, and adds three numbers on a device.

    >>> import tinygrad_seq as ts
    >>> cpu = ts.devices()[0]
    >>> cpu.name, cpu.available, cpu.about.split()[0]
    ('cpu', True, 'NumPy')
    """
    cupy = _cupy()
    host = Device("cpu", True, f"NumPy {np.__version__}")
    if isinstance(cupy, str):
        return [host, Device("cuda", False, cupy)]
    about = f"CuPy {cupy.__version__}, {{}}"
    runtime = cupy.cuda.runtime
    names = [runtime.getDeviceProperties(i)["name"].decode() for i in range(runtime.getDeviceCount())]
    return [host, *(Device(f"cuda:{i}", True, about.format(name)) for i, name in enumerate(names))]


@cache
def _cupy() -> ModuleType | str:
    """CuPy, if it computes on a device; otherwise the reason why not."""
    try:
        import cupy
    except ImportError as error:
        return f'CuPy is not installed ({error}): pip install -e ".[gpu]"'
    except Exception as error:  # a broken install can raise anything
        return f"CuPy is installed and broken ({error!r}): reinstall it with pip install --force-reinstall"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "CuPy finds no CUDA device"
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA driver or device ({error})"
    try:
        float(cupy.arange(3).sum())
    except Exception as error:  # an incompatible compiler, driver or library
        return f"the CUDA device is there but cannot compute ({error})"
    return cupy


def parse_device(device: str) -> int | None:
    """The CUDA device number of "cuda" or "cuda:1"; None for "cpu". A ValueError names the valid forms."""
    if device == "cpu":
        return None
    kind, _, number = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind != "cuda" or not (number.isdigit() or device == "cuda"):
        raise ValueError(
            f'a device is "cpu", "cuda" or "cuda:1", not {device!r:.40}; a dtype is passed as dtype=...'
        )
    return int(number or 0)


def _on(device: str):
    """CuPy, and a context in which new arrays are made on `device`; RuntimeError if it is not available."""
    number, cupy = parse_device(device), _cupy()
    if isinstance(cupy, str):
        raise RuntimeError(f"device {device!r} is not available: {cupy}")
    if number >= (count := cupy.cuda.runtime.getDeviceCount()):
        raise RuntimeError(f"device {device!r} is not available: CuPy finds {count}, the first is cuda:0")
    return cupy, cupy.cuda.Device(number)


# --- arrays -------------------------------------------------------------------------------------------


def is_array(x: object) -> bool:
    """Whether `x` is an array of either library."""
    if isinstance(x, np.ndarray):
        return True
    cupy = sys.modules.get("cupy")  # without CuPy imported there is no CuPy array
    return cupy is not None and isinstance(x, cupy.ndarray)


def on_host(x: object) -> bool:
    """Whether `x` is on the host: a NumPy array, a scalar or a number."""
    return isinstance(x, (np.ndarray, np.generic)) or not is_array(x)


def device_of(x) -> str:
    """The name of the device that holds `x`."""
    return "cpu" if on_host(x) else f"cuda:{x.device.id}"


def asarray(x: Any, device: str) -> np.ndarray:
    """The array `x` moved to `device`, itself if it is there. RuntimeError if the device is not available."""
    number = parse_device(device)
    if number is None:
        return x if on_host(x) else to_numpy(x)
    if not on_host(x) and x.device.id == number:
        return x
    cupy, here = _on(device)
    with here:
        return cupy.asarray(x)


def to_numpy(x) -> np.ndarray:
    """`x` as a NumPy array on the host; a copy, if x is on a device."""
    return np.asarray(x) if on_host(x) else x.get()


def array(x):
    """`x` if it is an array; a NumPy array of a Python number."""
    return x if is_array(x) or isinstance(x, np.generic) else np.asarray(x)


def together(arrays: tuple) -> tuple | list:
    """Arrays and numbers to be joined: numbers become arrays on the device of the arrays."""
    device = next((device_of(x) for x in arrays if not on_host(x)), "cpu")
    return arrays if device == "cpu" else [x if is_array(x) else asarray(np.asarray(x), device) for x in arrays]


def copy(x: Any) -> np.ndarray:
    """A writable copy of an array or a NumPy scalar, on the same device."""
    return np.array(x) if on_host(x) else x.copy()


def same(x, y) -> bool:
    """Whether two arrays have the same shape, dtype and bytes: -0.0 differs from 0.0, and NaN equals itself."""
    return (x.shape, x.dtype) == (y.shape, y.dtype) and to_numpy(x).tobytes() == to_numpy(y).tobytes()


def overwrite(own, host: np.ndarray) -> None:
    """own[...] = host, on whatever device `own` is."""
    own[...] = host if on_host(own) else asarray(host, device_of(own))


def empty(shape: int | tuple[int, ...], dtype: np.dtype, device: str):
    """Uninitialised memory on `device`."""
    if device == "cpu":
        return np.empty(shape, dtype)
    cupy, here = _on(device)
    with here:
        return cupy.empty(shape, dtype)


def shaped(make: Callable, x, shape):
    """make(x, shape=shape), for np.zeros_like or np.ones_like: an array, or a Tensor if x is one.

    CuPy treats an empty shape, or 0, as if no shape were given.
    """
    if shape is None:
        return make(x)
    if shape or on_host(x):
        return make(x, shape=shape)
    return make(x, shape=(1,))[:0] if isinstance(shape, int) else np.reshape(make(x, shape=(1,)), shape)


# --- operations that differ -------------------------------------------------------------------------------


def index_add(z, key, g) -> None:
    """z[key] += g, where an index may occur more than once."""
    if on_host(z):
        np.add.at(z, key, g)
    elif z.dtype.char in ADDED:
        _cupy().add.at(z, key, g)  # type: ignore[union-attr]
    else:  # small integers and booleans are converted to large ones and back
        wide = z.astype(np.int64)
        index_add(wide, key, g.astype(np.int64))
        z[...] = wide.astype(z.dtype)


def refuse_negative_power(z, p) -> None:
    """ValueError if integers z on a device are a power with a negative exponent p, for which CuPy returns 0.

    If p is on the device too, the host waits for it.
    """
    if on_host(z) or z.dtype.kind not in "iu":
        return
    if bool((p < 0).any()) if is_array(p) else p < 0:
        raise ValueError("integers to negative integer powers are not allowed: astype one of them to a float")


def solve(a, b):
    """a^-1 b, for stacks that broadcast; LinAlgError for a singular matrix."""
    if on_host(a):
        return np.linalg.solve(a, b)
    b = b if is_array(b) else asarray(np.asarray(b), device_of(a))
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # CuPy does not broadcast them
    a, b = (np.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b))
    return checked(np.linalg.solve, a, b)


def checked(function: Callable, a, *rest):
    """function(a, *rest), of numpy.linalg; LinAlgError if there is no result. For a device, the host waits."""
    if on_host(a):
        return function(a, *rest)
    with _linalg_errors():
        return function(a, *rest)


@cache
def special(name: str, host: bool) -> Callable:
    """The function `name` of scipy.special or, for arrays on a device, of cupyx.scipy.special.

    The first call imports the library. ImportError if SciPy is not installed, TypeError if CuPy does not have
    the function.
    """
    try:
        library = import_module("scipy.special" if host else "cupyx.scipy.special")
    except ImportError as error:
        raise ImportError(
            f'special.{name} needs SciPy, which is not installed ({error}): pip install -e ".[special]"'
        ) from error
    if (function := getattr(library, name, None)) is None:
        raise TypeError(f"CuPy has no {name}: compute it on the host, with x.to('cpu')")
    return function


def _linalg_errors():
    """A context in which CuPy waits for its linear algebra, and raises an error if there is no result."""
    from cupyx import errstate

    return errstate(linalg="raise")
