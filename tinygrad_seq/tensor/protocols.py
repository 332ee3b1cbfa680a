"""NumPy's protocols: what `np.tanh(t)`, `np.sum(t, axis=0)` and `array * t` mean for a tensor.

NumPy passes such a call on to the tensor (NEP 13 for ufuncs, NEP 18 for other functions), and the tensor calls
our function of the same name. One expression therefore runs on arrays and on tensors, so a derivative rule,
which is plain NumPy, can itself be differentiated. A name includes the module: "sqrt" is `np.sqrt`, and neither
`np.emath.sqrt`, which is complex, nor a ufunc of that name from another library; "linalg.trace" is not "trace".
The ufuncs of scipy.special arrive in the same way.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor import habits
from tinygrad_seq.tensor.refused import REFUSED

EQUAL = {  # NumPy's functions that do what another one does, which is ours
    "amax": "max",
    "amin": "min",
    "around": "round",
    "degrees": "rad2deg",
    "fix": "trunc",
    "i0": "special.i0",
    "radians": "deg2rad",
    **{f"special.{name}": name for name in ("cbrt", "exp2", "expm1", "log1p")},
    "linalg.matmul": "matmul",
    "linalg.matrix_transpose": "matrix_transpose",
    "linalg.tensordot": "tensordot",
    "linalg.vecdot": "vecdot",
}

# Functions that return no tensor: NumPy computes them, from the shapes, the values or the dtypes.
ATTRIBUTES = {np.shape, np.ndim, np.size}
OF_SHAPES = {*ATTRIBUTES, np.diag_indices_from, np.tril_indices_from, np.triu_indices_from}
OF_VALUES = {np.allclose, np.array_equal, np.array_equiv, np.array_repr, np.array_str}
OF_DTYPES = {np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj}


class Protocols:
    """The methods that NumPy calls; `Tensor` inherits them."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def data(self) -> np.ndarray: ...
        @property
        def dtype(self) -> np.dtype: ...
        @property
        def shape(self) -> tuple[int, ...]: ...

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: object, **kwargs: object) -> object:
        if method != "__call__":
            raise TypeError(f"{spelled(ufunc)}.{method} does not work on tensors: use ts.sum, ts.max and so on")
        if "out" in kwargs:
            raise TypeError(
                f"{spelled(ufunc)} cannot write a tensor into an array: instead of a += t write a = a + t"
            )
        return counterpart(ufunc)(*inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., object], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> object:
        if function in OF_SHAPES and isinstance(args[0], Protocols):
            if len(args) == 1 and not kwargs and function in ATTRIBUTES:
                return getattr(args[0], function.__name__)
            return function(np.empty(args[0].shape), *args[1:], **kwargs)
        if function in OF_VALUES:
            return function(
                *(backend.to_numpy(x.data) if isinstance(x, Protocols) else x for x in args), **kwargs
            )
        if function in OF_DTYPES:
            return function(*(x.dtype if isinstance(x, Protocols) else x for x in args), **kwargs)
        return counterpart(function)(*args, **kwargs)


def counterpart(function: Callable[..., object]) -> Callable[..., Any]:
    """Our function of the same name as NumPy's; if there is none, TypeError with what to write instead."""
    names = names_of(function)
    for name in names:
        if (ours := FUNCTIONS.get(EQUAL.get(name, name))) is not None:
            return ours
    for name in names:
        if name in REFUSED:
            raise TypeError(f"{spelled(function)} has no counterpart for tensors: {REFUSED[name]}")
        if name in habits.NAMES:
            raise TypeError(f"{spelled(function)} has no counterpart for tensors: write {habits.NAMES[name]}")
    raise TypeError(
        f"{spelled(function)} has no counterpart for tensors: compose it from the ops in tinygrad_seq.__all__, "
        f"or leave the tape with t.numpy()"
    )


def names_of(function: Callable[..., object]) -> list[str]:
    """The names of a function in NumPy's modules, or of a ufunc in scipy.special; several for synonyms.

    >>> names_of(np.acos)
    ['acos', 'arccos']
    """
    if (names := names_in("numpy", ("", "linalg", "fft")).get(function)) is not None:
        return names
    if "scipy.special" in sys.modules and isinstance(function, np.ufunc):
        return names_in("scipy", ("special",)).get(function, [])
    return []


@cache
def names_in(package: str, modules: tuple[str, ...]) -> dict[object, list[str]]:
    """For each function of the modules of a package its names there, such as "linalg.norm"."""
    names: dict[object, list[str]] = {}
    for module in modules:
        for name, f in vars(import_module(f"{package}.{module}".rstrip("."))).items():
            if callable(f) and not name.startswith("_"):
                names.setdefault(f, []).append(f"{module}.{name}".lstrip("."))
    return names


def spelled(function: Callable[..., object]) -> str:
    """np.linalg.norm, or gamma for a ufunc that is not NumPy's."""
    name = function.__name__
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"the ufunc {name}"
    public = (np, np.linalg, np.fft, np.emath, np.char, np.strings)  # __module__ is private in some versions
    module = next((m.__name__ for m in public if getattr(m, name, None) is function), function.__module__)
    return f"{module}.{name}".replace("numpy.lib.scimath", "np.emath").replace("numpy", "np", 1)
