"""What CuPy answers when one of NumPy's ufuncs is called with an array of a device."""

from __future__ import annotations

import numpy as np

from double.array import NUMBERS, ndarray, own, wrap
from double.reaching import reach

KNOWN = """
    absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_count bitwise_or
    bitwise_xor cbrt ceil conjugate copysign cos cosh deg2rad degrees divide divmod equal exp exp2 expm1
    fabs float_power floor floor_divide fmax fmin fmod frexp gcd greater greater_equal heaviside hypot
    invert isfinite isinf isnan lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp
    logaddexp2 logical_and logical_not logical_or logical_xor matmul maximum minimum modf multiply negative
    nextafter not_equal positive power rad2deg radians reciprocal remainder right_shift rint sign signbit
    sin sinh sqrt square subtract tan tanh trunc
"""
UFUNCS = frozenset(KNOWN.split())  # that CuPy has
COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
KEYWORDS = {  # by the method of the ufunc
    "__call__": {"dtype", "casting"},
    "reduce": {"axis", "dtype", "keepdims"},
    "accumulate": {"axis", "dtype"},
    "outer": set(),
}


def run(ufunc: np.ufunc, method: str, inputs: tuple, kwargs: dict):
    """The result, or NotImplemented where CuPy does not know what is asked."""
    name, out = ufunc.__name__, kwargs.pop("out", ())
    if name in COMPARISONS:  # NumPy's scalars arrive as arrays of rank 0
        inputs = tuple(x[()] if isinstance(x, np.ndarray) else x for x in inputs)
    for x in (*inputs, *out):
        if isinstance(x, np.ndarray):
            raise TypeError(f"Unsupported type {type(x)}")
        if not isinstance(x, (ndarray, *NUMBERS)):
            return NotImplemented
    if name not in UFUNCS or method not in KEYWORDS:
        return NotImplemented
    called = name if method == "__call__" else f"{name}.{method}"
    reach("ufunc", called, len(inputs), tuple(sorted([*kwargs, *(["out"] if out else [])])))
    if method in ("reduce", "accumulate") and name not in ("add", "multiply"):
        raise NotImplementedError(f"`cupy_{name}.{method}` is not supported yet")
    if wrong := {k: v for k, v in kwargs.items() if k not in KEYWORDS[method]}:
        raise TypeError(f"Wrong arguments {wrong}")
    arrays = [own(x) if isinstance(x, ndarray) else x for x in inputs]
    if out:
        kwargs["out"] = tuple(own(x) for x in out)
    try:
        with np.errstate(all="ignore"):
            call = special if name in SPECIAL else getattr(ufunc, method)
            result = call(*([name] if name in SPECIAL else []), *arrays, **kwargs)
    except TypeError as error:  # NumPy has kinds of its own
        raise TypeError(str(error)) from None
    return out[0] if len(out) == 1 else wrap(result)


SPECIAL = ("power", "sign")


def special(name: str, *arrays, **kwargs):
    """Where CuPy gives another answer: no error for a negative power of integers, the sign of a boolean."""
    kinds = [np.result_type(x).kind for x in arrays]
    if name == "power" and set(kinds) <= set("iu"):
        dtype = np.result_type(*arrays)
        x, p = (np.asarray(x).astype(dtype) for x in arrays)
        large = np.power(np.abs(x), np.maximum(p, 0)) * np.where((p % 2 == 1) & (x < 0), -1, 1)
        small = np.where(np.abs(x) == 1, large, 0)
        result = np.where(p < 0, small, large).astype(dtype)
        return np.copyto(kwargs["out"][0], result) if "out" in kwargs else result
    if name == "sign" and kinds == ["b"]:
        return np.asarray(arrays[0]).astype(np.int8)
    return getattr(np, name)(*arrays, **kwargs)


class Ufunc:
    """A ufunc of the library itself, `cupy.add`."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self.ufunc = ufunc

    def __call__(self, *inputs, **kwargs):
        for x in inputs:
            if not isinstance(x, (ndarray, *NUMBERS)):
                raise TypeError(f"Unsupported type {type(x)}")
        return run(self.ufunc, "__call__", inputs, kwargs)

    def at(self, a: ndarray, key, values) -> None:
        """a[key] += values, every one of them, where the type of the array has an atomic addition."""
        from double import indexing

        reach("ufunc", f"{self.ufunc.__name__}.at", 3)
        kinds = "iIlLqQefd" if self.ufunc is np.add else "iI" if self.ufunc is np.subtract else ""
        if a.dtype.char not in kinds:
            raise TypeError(f"cupy_{self.ufunc.__name__}.at does not take {a.dtype}")
        if isinstance(values, np.ndarray):
            raise TypeError(f"Unsupported type {type(values)}")
        values = own(values).astype(a.dtype) if isinstance(values, ndarray) else values
        with np.errstate(all="ignore"):
            self.ufunc.at(own(a), indexing.lawful(own(a), key), values)
