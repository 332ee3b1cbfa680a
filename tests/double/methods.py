"""The methods and operators of the array: with CuPy's parameters, and none that CuPy lacks."""

from __future__ import annotations

import inspect

import numpy as np

from double import reaching
from double.array import NUMBERS, ndarray, own, wrap

METHODS = {  # with CuPy's parameters
    "all": "axis=None, out=None, keepdims=False",
    "any": "axis=None, out=None, keepdims=False",
    "argmax": "axis=None, out=None, dtype=None, keepdims=False",
    "argsort": "axis=-1, kind=None",
    "argmin": "axis=None, out=None, dtype=None, keepdims=False",
    "clip": "min=None, max=None, out=None",
    "copy": "order='C'",
    "cumsum": "axis=None, dtype=None, out=None",
    "dot": "b, out=None",
    "fill": "value",
    "flatten": "order='C'",
    "max": "axis=None, out=None, keepdims=False",
    "mean": "axis=None, dtype=None, out=None, keepdims=False",
    "min": "axis=None, out=None, keepdims=False",
    "prod": "axis=None, dtype=None, out=None, keepdims=False",
    "ravel": "order='C'",
    "repeat": "repeats, axis=None",
    "reshape": "*shape, order='C', copy=None",
    "round": "decimals=0, out=None",
    "std": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "squeeze": "axis=None",
    "sum": "axis=None, dtype=None, out=None, keepdims=False",
    "swapaxes": "axis1, axis2",
    "transpose": "*axes",
    "var": "axis=None, dtype=None, out=None, ddof=0, keepdims=False",
    "view": "dtype=None",
    "astype": "dtype, order='K', casting=None, subok=None, copy=True",
}


def signature(text: str) -> inspect.Signature:
    return inspect.signature(eval(f"lambda {text}: None"))


def _take(self, indices, axis=None, out=None):
    return self[(*[slice(None)] * (axis % self.ndim), indices)] if axis is not None else self.ravel()[indices]


def _method(name: str, text: str):
    takes, inner = signature(text), getattr(np.ndarray, name)

    def method(self, *args, **kwargs):
        reaching.reach("method", name, len(args), tuple(sorted(kwargs)))
        try:
            given = takes.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        if given.arguments.pop("casting", None) is not None:
            raise TypeError("casting is not supported yet")
        with np.errstate(all="ignore"):
            result = inner(own(self), *map(plain, given.args), **{k: plain(v) for k, v in given.kwargs.items()})
        out = given.arguments.get("out")
        return (
            out
            if out is not None
            else None
            if result is None
            else self
            if result is self._a
            else wrap(result, self)
        )

    return method


def plain(x):
    """An argument as NumPy takes it; what comes from the host is refused."""
    if isinstance(x, ndarray):
        return own(x)
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    return type(x)(map(plain, x)) if type(x) in (list, tuple) else x


for _name, _text in METHODS.items():
    setattr(ndarray, _name, _method(_name, _text))
ndarray.take = _take


def _operator(ufunc: np.ufunc, *, reflected: bool = False, in_place: bool = False):
    """`x + y`, or `y + x`, or `x += y`; of x + y an object that NumPy would ask is asked by NumPy."""

    def operator(self, other):
        if (reflected or in_place) and not isinstance(other, (ndarray, *NUMBERS)):
            raise TypeError(f"Unsupported type {type(other)}")
        pair = (other, self) if reflected else (self, other)
        if in_place:
            return ufunc(*pair, out=self)
        return ufunc(*pair)

    return operator


OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "lshift": np.left_shift, "rshift": np.right_shift, "divmod": np.divmod,
}  # fmt: skip
for _name, _ufunc in OPERATORS.items():
    setattr(ndarray, f"__{_name}__", _operator(_ufunc))
    setattr(ndarray, f"__r{_name}__", _operator(_ufunc, reflected=True))
    if _name not in ("matmul", "divmod"):
        setattr(ndarray, f"__i{_name}__", _operator(_ufunc, in_place=True))
COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip


def _comparison(ufunc: np.ufunc):
    """With None, which equals nothing, there is an answer too."""
    compare = _operator(ufunc)

    def comparison(self, other):
        return wrap(np.full(self.shape, ufunc is np.not_equal)) if other is None else compare(self, other)

    return comparison


for _name, _ufunc in COMPARISONS.items():
    setattr(ndarray, f"__{_name}__", _comparison(_ufunc))
for _name, _ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert, "pos": np.positive}.items():
    setattr(ndarray, f"__{_name}__", lambda self, _ufunc=_ufunc: _ufunc(self))
