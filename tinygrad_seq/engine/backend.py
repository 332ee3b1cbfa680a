"""NumPy or CuPy: the doors between host and device, and the few places where the two differ.

Ops are plain NumPy and the data decides where work happens: CuPy arrays answer NumPy's functions. This
file alone knows CuPy by name, and imports it when a device is first asked for. Nothing crosses between host
and device but through `asarray` and `to_numpy`. Only what asks for values waits for a device, and linear
algebra, which has to know whether there is a result.

On a device arrays are never read-only, results of rank 0 are arrays and not scalars, and an index out of
range wraps in silence: what comes from the host is looked at there, before it is uploaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

# glibc gives memory back to the system as soon as twice the largest block lies free that it ever mapped and was
# given back, 32 MiB at most, and has to fault it in again page by page for the next array: x @ W + b of 3 MB
# took 4.4 ms, and takes 1.3 once such a block has come and gone. To other allocators it means nothing.
np.empty(2**25 - 2**16, np.uint8)

ADDED = frozenset("ilqILQefd")  # dtypes, by NumPy's letters, that CuPy's add.at takes


# --- devices ------------------------------------------------------------------------------------------


class Device(NamedTuple):
    """A device by its name, whether it can be had, and what it is, or why not."""

    name: str
    available: bool
    about: str


def devices() -> list[Device]:
    """What there is to compute on, and why not where it is not.

    The first call imports CuPy, if it is installed, and lets a device add three numbers.

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
    """CuPy, proved to compute on a device; or the reason why not."""
    try:
        import cupy
    except ImportError as error:
        return f'CuPy is not installed ({error}); pip install -e ".[gpu]"'
    except Exception as error:  # a broken install raises what it likes
        return f'CuPy is installed and broken ({error!r}); pip install --force-reinstall -e ".[gpu]"'
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


def _on(device: str):
    """CuPy, and a context in which new arrays are made on `device`; RuntimeError where it cannot be had."""
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
    cupy = sys.modules.get("cupy")  # nobody holds a CuPy array who has not imported CuPy
    return cupy is not None and isinstance(x, cupy.ndarray)


def on_host(x: object) -> bool:
    """Whether `x` is no array of a device: a NumPy array, a scalar, a number."""
    return isinstance(x, (np.ndarray, np.generic)) or not is_array(x)


def device_of(x) -> str:
    """The name of the device that holds `x`."""
    return "cpu" if on_host(x) else f"cuda:{x.device.id}"


def asarray(x, device: str):
    """The door in: the array `x` on `device`, itself if it is there. RuntimeError says why it cannot be had."""
    number = parse_device(device)
    if number is None:
        return x if on_host(x) else to_numpy(x)
    if not on_host(x) and x.device.id == number:
        return x
    cupy, here = _on(device)
    with here:
        return cupy.asarray(x)


def to_numpy(x) -> np.ndarray:
    """The door out: `x` as a NumPy array on the host; of an array on a device, a copy."""
    return np.asarray(x) if on_host(x) else x.get()


def array(x):
    """`x`, an array where it lives; of a Python number, a NumPy array."""
    return x if is_array(x) or isinstance(x, np.generic) else np.asarray(x)


def together(arrays: tuple) -> tuple | list:
    """Arrays and numbers to be joined: beside arrays of a device, numbers become such arrays."""
    device = next((device_of(x) for x in arrays if not on_host(x)), "cpu")
    return arrays if device == "cpu" else [x if is_array(x) else asarray(np.asarray(x), device) for x in arrays]


def copy(x):
    """A writable copy of an array, or of a NumPy scalar, where it lives."""
    return np.array(x) if on_host(x) else x.copy()


def overwrite(own, host: np.ndarray) -> None:
    """own[...] = host, wherever `own` is."""
    own[...] = host if on_host(own) else asarray(host, device_of(own))


def empty(shape: int | tuple[int, ...], dtype: np.dtype, device: str):
    """Memory on `device`, with whatever was in it."""
    if device == "cpu":
        return np.empty(shape, dtype)
    cupy, here = _on(device)
    with here:
        return cupy.empty(shape, dtype)


def shaped(make: Callable, x, shape):
    """make(x, shape=shape), for np.zeros_like or np.ones_like: an array, or a Tensor if x is one.

    CuPy takes a shape that is empty, or 0, for none at all.
    """
    if shape is None:
        return make(x)
    if shape:
        return make(x, shape=shape)
    return make(x, shape=(1,))[:0] if isinstance(shape, int) else np.reshape(make(x, shape=(1,)), ())


# --- what is asked in another way ----------------------------------------------------------------------


def index_add(z, key, g) -> None:
    """z[key] += g, in which an index may occur more than once."""
    if on_host(z):
        np.add.at(z, key, g)
    elif z.dtype.char in ADDED:
        _cupy().add.at(z, key, g)  # type: ignore[union-attr]
    else:  # small integers and booleans by way of large ones
        wide = z.astype(np.int64)
        index_add(wide, key, g.astype(np.int64))
        z[...] = wide.astype(z.dtype)


def solve(a, b):
    """a^-1 b, for stacks that broadcast; LinAlgError for a singular matrix."""
    if on_host(a):
        return np.linalg.solve(a, b)
    b = b if is_array(b) else asarray(np.asarray(b), device_of(a))
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # which CuPy leaves to its caller
    a, b = (np.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b))
    with _linalg_errors():
        return np.linalg.solve(a, b)


def cholesky(a):
    """The lower triangular L with L L' = a; LinAlgError for a matrix that is not positive definite."""
    if on_host(a):
        return np.linalg.cholesky(a)
    with _linalg_errors():
        return np.linalg.cholesky(a)


def _linalg_errors():
    """In this context CuPy waits for the outcome of its linear algebra, and raises where it has none."""
    from cupyx import errstate

    return errstate(linalg="raise")
