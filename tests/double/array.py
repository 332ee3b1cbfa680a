"""An array on a device that is not there: an opaque class around a NumPy array, as strict as CuPy's.

It is no subclass of NumPy's array, so nothing that NumPy would do by itself happens in silence. What it has
is what CuPy 14.2 has: attributes, methods with their keywords, operators; what it lacks is what CuPy lacks.
Results of rank 0 are arrays, every array can be written to, and what waits for the device is counted.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from double import cuda, indexing, reaching
from double.counting import downloaded
from double.cuda import current

NUMBERS = (int, float, complex, np.generic)  # what may stand beside an array
IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
    "explicitly."
)


class ndarray:  # noqa: N801, CuPy's name
    """An array of the device that is current when it is made."""

    __slots__ = ("_a", "base", "_device", "__weakref__")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, a: np.ndarray, base: ndarray | None = None) -> None:
        self._a, self.base, self._device = a, base, current.id

    # --- NumPy asks -----------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        from double.ufuncs import run

        return run(ufunc, method, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        from double.functions import run

        return run(function, types, args, kwargs)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(IMPLICIT)

    # --- what it is -----------------------------------------------------------------------------------

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    device = property(lambda self: cuda.Device(self._device))
    data = property(lambda self: SimpleNamespace(ptr=self._a.ctypes.data, device_id=self._device))
    real = property(lambda self: self)

    @property
    def T(self) -> ndarray:  # noqa: N802, CuPy's name
        reaching.reach("attribute", "T")
        return wrap(own(self).T, self)

    @property
    def mT(self) -> ndarray:  # noqa: N802, CuPy's name
        reaching.reach("attribute", "mT")
        return wrap(own(self).mT, self)

    @property
    def __cuda_array_interface__(self) -> dict[str, object]:
        shape, strides, kind = self.shape, self.strides, self.dtype.str
        return {
            "shape": shape,
            "typestr": kind,
            "strides": strides,
            "data": (self.data.ptr, False),
            "version": 3,
        }

    @property
    def flags(self) -> SimpleNamespace:
        reaching.reach("attribute", "flags")
        flags = self._a.flags
        names = ("c_contiguous", "f_contiguous", "owndata")
        return SimpleNamespace(**{name: getattr(flags, name) for name in names})

    # --- what leaves the device -----------------------------------------------------------------------

    def get(self) -> np.ndarray:
        reaching.reach("method", "get")
        downloaded()
        return self._a.copy()

    def item(self, *args: int):
        if not args and self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        downloaded()
        return self._a.item(*args)

    def tolist(self):
        downloaded()
        return self._a.tolist()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        downloaded()
        return bool(self._a.item())

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def _scalar(self):
        downloaded()
        if self.ndim:
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return self._a.item()

    def __repr__(self) -> str:
        downloaded()
        return repr(self._a)

    def __str__(self) -> str:
        downloaded()
        return str(self._a)

    def __format__(self, spec: str) -> str:
        downloaded()
        return format(self._a.item() if spec and not self.ndim else str(self._a), spec)

    def __reduce__(self):
        from double import asarray

        return asarray, (self.get(),)

    # --- elements -------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return iter([self[i] for i in range(len(self))])

    def __getitem__(self, key):
        reaching.reach("method", "__getitem__", 1)
        return wrap(indexing.read(own(self), key), self)

    def __setitem__(self, key, value) -> None:
        reaching.reach("method", "__setitem__", 2)
        indexing.write(own(self), key, value)


def own(x: ndarray) -> np.ndarray:
    """The host's memory behind an array, which has to be on the current device."""
    if not isinstance(x, ndarray):
        raise TypeError(
            f"Argument 'a' has incorrect type (expected cupy._core.core._ndarray_base, got {type(x).__name__})"
        )
    if x._device != current.id:
        raise ValueError(
            f"Array device must be same as the current device: array device = {x._device} while current = "
            f"{current.id}"
        )
    return x._a


def wrap(result, *sources):
    """What NumPy made of `sources` as an array of the device: a view, if it is one of theirs."""
    if isinstance(result, (tuple, list)):
        return type(result)(wrap(part, *sources) for part in result)
    a = np.asarray(result)
    for source in sources:
        if isinstance(source, ndarray) and a.size and np.may_share_memory(a, source._a):
            return ndarray(a, source if source.base is None else source.base)
    return ndarray(a)
