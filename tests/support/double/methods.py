"""The methods and attributes of the array. Most methods call the function of the same name and arguments."""

from __future__ import annotations

import warnings

import numpy as np

from double import arithmetic, creation, indexing, rearranging, reductions
from double.array import attribute, get, host, method, view, wrap
from double.cuda import Device

for function in (
    *(reductions.sum, reductions.prod, reductions.mean, reductions.std, reductions.var, reductions.all),
    *(reductions.any, reductions.cumsum, reductions.cumprod, reductions.ptp, reductions.trace),
    *(rearranging.ravel, rearranging.swapaxes, rearranging.squeeze, rearranging.diagonal, rearranging.repeat),
    *(rearranging.argsort, rearranging.searchsorted, indexing.take, indexing.nonzero, arithmetic.dot),
):
    method(function)
method("max")(reductions.amax)
method("min")(reductions.amin)
method("round")(arithmetic.around)


@method
def argmax(self, axis=None, out=None, dtype=None, keepdims=False):
    return reductions.argmax(self, axis, dtype, out, keepdims)


@method
def argmin(self, axis=None, out=None, dtype=None, keepdims=False):
    return reductions.argmin(self, axis, dtype, out, keepdims)


@method
def clip(self, min=None, max=None, out=None):
    return arithmetic.clip(self, min, max, out)


@method
def put(self, indices, values, mode="wrap"):
    return indexing.put(self, indices, values, mode)


@method
def sort(self, axis=-1, kind=None):
    host(self).sort(axis)


@method
def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
    if casting is not None or subok is not None:
        raise TypeError(f"{'casting' if casting is not None else 'subok'} is not supported yet")
    same = not copy and self._host.dtype == dtype
    return self if same else wrap(host(self).astype(dtype, order), "K")


@method("view")
def reinterpreted(self, dtype=None):
    return view(self, self._host.view(dtype))


@method
def copy(self, order="C"):
    return creation.copy(self, order)


@method
def flatten(self, order="C"):
    return wrap(host(self).flatten(order))


@method
def fill(self, value):
    host(self)[...] = indexing.filling(value, "fill")


@method("conj", "conjugate")
def conj(self):
    return self if self._host.dtype.kind != "c" else wrap(host(self).conj())


@method
def reshape(self, *shape, order="C", copy=None):
    shape = shape[0] if len(shape) == 1 else shape
    return rearranging.reshape(self, shape, order)


@method
def transpose(self, *axes):
    return rearranging.transpose(self, axes[0] if len(axes) == 1 else axes or None)


@method
def set(self, arr, stream=None):
    host(self)[...] = creation.upload(arr)._host


@method("view")
def seen_as(self, dtype=None, type=None):
    return view(self, self._host.view() if dtype is None else self._host.view(dtype))


# Downloads: each waits for the device.


@method("get")
def to_host(self, stream=None, order="C", out=None, blocking=True):
    found = get(self)
    if out is None:
        return np.asarray(found, order=order)
    out[...] = found
    return out


@method
def item(self):
    if self._host.size != 1:
        raise ValueError("can only convert an array of size 1 to a Python scalar")
    return get(self).item()


@method
def tolist(self):
    return get(self).tolist()


@method
def tobytes(self, order="C"):
    return get(self).tobytes(order)


EMPTY = (
    "The truth value of an empty array is ambiguous. Returning False, but in future this will result in an "
    "error. Use `array.size > 0` to check that an array is not empty."
)


def only_element(self, kind):
    if self._host.ndim:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return kind(get(self).item())


@method("__float__")
def as_float(self):
    return only_element(self, float)


@method("__int__")
def as_int(self):
    return only_element(self, int)


@method("__complex__")
def as_complex(self):
    return only_element(self, complex)


@method("__bool__")
def as_bool(self):
    if self._host.size > 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
        )
    if not self._host.size:
        warnings.warn(EMPTY, DeprecationWarning, stacklevel=3)
        return False
    return bool(get(self))


@method("__repr__")
def as_repr(self):
    return repr(get(self))


@method("__str__")
def as_str(self):
    return str(get(self))


@method("__format__")
def formatted(self, spec):
    return format(get(self), spec)


@method("__reduce__")
def reduced(self):
    return creation.asarray, (get(self),)


@method("__len__")
def length(self):
    if not self._host.ndim:
        raise TypeError("len() of unsized object")
    return len(self._host)


@method("__iter__")
def iterate(self):
    if not self._host.ndim:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(len(self._host)))


@method("__copy__")
def shallow_copy(self):
    return creation.copy(self, "C")


@method("__deepcopy__")
def deep_copy(self, memo):
    return creation.copy(self, "C")


class Flags:
    """The layout of an array. There is no `writeable`: every array can be written to."""

    def __init__(self, flags, owns: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, owns
        self.fnc, self.forc = flags.fnc, flags.forc

    def __getitem__(self, name):
        if not hasattr(self, name.lower()):
            raise KeyError(f"{name} is not defined for cupy.ndarray.flags")
        return getattr(self, name.lower())


@attribute
def flags(self):
    return Flags(self._host.flags, self._base is None)


@attribute
def device(self):
    return Device(self._device)


@attribute
def __cuda_array_interface__(self):  # noqa: N807, a protocol
    a = self._host
    strides = None if a.flags.c_contiguous else a.strides
    return {"shape": a.shape, "typestr": a.dtype.str, "strides": strides, "data": (a.ctypes.data, False)}


@attribute
def base(self):
    return self._base


@attribute
def T(self):  # noqa: N802, NumPy's name
    return view(self, self._host.T)


@attribute
def mT(self):  # noqa: N802, NumPy's name
    if self._host.ndim < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return view(self, self._host.mT)


@attribute
def real(self):
    return view(self, self._host.real)


@attribute
def imag(self):
    return arithmetic.imag(self)


def layout(name: str) -> None:
    """An attribute of the memory layout of the array."""

    def read(self):
        return getattr(self._host, name)

    read.__name__ = name
    attribute(read)


for name in ("shape", "ndim", "dtype", "size", "itemsize", "nbytes", "strides"):
    layout(name)
