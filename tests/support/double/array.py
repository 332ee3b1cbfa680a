"""The opaque array: a NumPy array on the host that pretends to be memory on a device.

Only the functions of this package read its memory; they implement NumPy's two protocols for it and register
themselves in the tables below. A function in no table raises NumPy's error.
"""

from __future__ import annotations

import contextvars
import operator
from collections.abc import Callable
from functools import wraps

import numpy as np

from double.counting import downloaded
from double.cuda import current
from double.reaching import reach, reached, remember

UFUNCS: dict[str, Callable] = {}  # NumPy's ufuncs, by name
FUNCTIONS: dict[str, Callable] = {}  # all other functions, by their names in CuPy: "sum", "linalg.norm"
ANSWERS: dict[Callable, Callable] = {}  # for a function of NumPy, the function that is called instead

SCALARS = (bool, int, float, complex, np.generic)
KNOWN = (np.ndarray, *SCALARS)
COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
EXPECTED = "(expected cupy._core.core._ndarray_base, got {})"


free: list[Callable] = []  # unused contexts in which floating-point errors are ignored


def quietly(f: Callable, *args, **kwargs):
    """f(...) without floating-point warnings, as on a device; takes a tenth of the time of np.errstate."""
    run = free.pop() if free else silence()
    try:
        return run(f, *args, **kwargs)
    finally:
        free.append(run)


def silence() -> Callable:
    context = contextvars.copy_context()
    context.run(np.seterr, all="ignore")
    return context.run


class ndarray:  # noqa: N801, NumPy's name
    """An array on a device. Its elements can only be read by downloading them."""

    __slots__ = ("_host", "_device", "_base", "__weakref__")
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __new__(cls, shape, dtype=float, memptr=None, strides=None, order="C"):
        return poisoned(shape, dtype, order)

    def __array__(self, dtype=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, out=(None,), **kwargs):
        function = UFUNCS.get(ufunc.__name__)
        if function is None:
            return NotImplemented
        for x in inputs:
            if type(x) is not ndarray and not isinstance(x, KNOWN):
                return NotImplemented
        if ufunc.__name__ in COMPARISONS:  # only comparisons accept a 0-d array on the host
            inputs = [x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs]
        if len(out) != 1:
            raise ValueError("The 'out' parameter must have exactly one array value")
        if out[0] is not None:
            kwargs["out"] = out[0]
        return (
            function(*inputs, **kwargs)
            if method == "__call__"
            else getattr(function, method)(*inputs, **kwargs)
        )

    def __array_function__(self, func, types, args, kwargs):
        for t in types:
            if t is not ndarray and not issubclass(t, np.ndarray):
                return NotImplemented
        answer = ANSWERS.get(func)
        if answer is None:
            reach("function", name_of(func), len(args), tuple(sorted(kwargs)))
            return NotImplemented
        return answer(*args, **kwargs)


new = object.__new__


def poisoned(shape, dtype=float, order="C") -> ndarray:
    """New memory on the current device, filled with values that cannot be taken for a result."""
    memory = np.empty(lengths(shape), dtype, order)
    memory[...] = poison(memory.dtype)
    return wrap(memory, order)


def poison(dtype: np.dtype):
    """The value of memory that was not written to: NaN, -1, or the largest number."""
    return np.frombuffer(b"\xff" * dtype.itemsize, dtype)[0] if dtype.kind != "b" else True


def lengths(shape) -> tuple[int, ...]:
    """A shape from a tuple, a list or one length. An array on the device is not accepted as a length."""
    many = isinstance(shape, (tuple, list, np.ndarray))
    found = tuple(operator.index(n) for n in (shape if many else (shape,)))
    if any(n < 0 for n in found):
        raise ValueError("Negative dimensions are not allowed")
    return found


def wrap(result, order: str = "C") -> ndarray:
    """A result as a new array on the current device; a NumPy scalar becomes a 0-d array."""
    self = new(ndarray)
    self._host = np.asarray(result, order=order)
    self._device = current.id
    self._base = None
    return self


def view(a: ndarray, part: np.ndarray) -> ndarray:
    """A part of the memory of `a` as an array. Unlike in NumPy, no view is read-only."""
    self = new(ndarray)
    self._host = part if part.flags.writeable else writable(part)
    self._device = a._device
    self._base = a if a._base is None else a._base
    return self


def writable(part: np.ndarray) -> np.ndarray:
    """A writable array on the same memory; an empty one has none, and NumPy refuses its strides."""
    if not part.size:
        return np.empty(part.shape, part.dtype)
    owner = part
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    offset = part.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
    flat = np.lib.stride_tricks.as_strided(owner, (owner.size,), (owner.itemsize,)).view(np.uint8)
    return np.ndarray(part.shape, part.dtype, flat, offset, part.strides)


def host(a, name: str = "a") -> np.ndarray:
    """The memory of `a` for a kernel, which runs on the current device and accepts only its arrays."""
    if type(a) is not ndarray:
        raise TypeError(f"Argument '{name}' has incorrect type {EXPECTED.format(type_name(a))}")
    if a._device != current.id:
        raise ValueError(
            "Array device must be same as the current device: "
            f"array device = {a._device} while current = {current.id}"
        )
    return a._host


def type_name(x) -> str:
    """The type of `x` with its module, "numpy.ndarray"."""
    module = type(x).__module__
    return type(x).__name__ if module == "builtins" else f"{module}.{type(x).__name__}"


def number(x):
    """An operand of a kernel: the memory of an array, or a scalar."""
    if type(x) is ndarray:
        return host(x)
    if isinstance(x, SCALARS):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def deliver(result, out=None) -> ndarray:
    """The result of a kernel, in new memory or written to `out`."""
    if out is None:
        return wrap(result)
    memory = host(out, "out")
    if memory.shape != np.shape(result):
        raise ValueError("Output array has an invalid size")
    memory[...] = result
    return out


def get(a: ndarray) -> np.ndarray:
    """The elements on the host: one download."""
    downloaded()
    return a._host.copy()


def name_of(function: Callable) -> str:
    """`np.linalg.norm` as "linalg.norm"."""
    module = function.__module__.partition(".")[2]
    return f"{module}.{function.__name__}" if module else function.__name__


def recorded(kind: str, name: str, function: Callable) -> Callable:
    """`function`, without floating-point warnings; it also remembers how it is called."""

    first = kind == "method"

    @wraps(function)
    def call(*args, **kwargs):
        key = (kind, name, len(args) - first, tuple(sorted(kwargs)) if kwargs else ())
        if key not in reached:
            remember(key)
        return quietly(function, *args, **kwargs)

    return call


def function(f: Callable | str, *names: str) -> Callable:
    """Decorator: `f` is called instead of NumPy's function of its name, or of the given names."""
    if isinstance(f, str):
        return lambda g: function(g, f, *names)
    for name in names or (f.__name__,):
        FUNCTIONS[name] = recorded("function", name, f)
        owner = np
        for part in name.split("."):
            owner = getattr(owner, part, None)
        if owner is not None:
            ANSWERS.setdefault(owner, FUNCTIONS[name])  # a function with two names in NumPy keeps its first
    return f


def method(f: Callable | str, *names: str) -> Callable:
    """Decorator: `f` becomes a method of the array, under its name or the given names."""
    if isinstance(f, str):
        return lambda g: method(g, f, *names)
    for name in names or (f.__name__,):
        setattr(ndarray, name, recorded("method", name, f))
    return f


def attribute(f: Callable) -> Callable:
    """Decorator: `f` becomes a read-only attribute of the array."""
    name = f.__name__

    key = ("attribute", name, 0, ())

    def read(self):
        if key not in reached:
            remember(key)
        return f(self)

    setattr(ndarray, name, property(read))
    return f
