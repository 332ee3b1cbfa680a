"""NumPy's protocols: what `np.tanh(t)`, `np.sum(t, axis=0)` and `array * t` mean for a tensor.

NumPy passes such a call on to the tensor (NEP 13 for ufuncs, NEP 18 for other functions), and the tensor calls
our function of the same name. One expression therefore runs on arrays and on tensors, so a derivative rule,
which is plain NumPy, can itself be differentiated. A name stands for one function of NumPy: `sqrt` is
`np.sqrt`, and neither `np.emath.sqrt`, which is complex, nor a ufunc of that name from another library.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor import habits

MODULES = (np, np.linalg, np.fft)  # a name stands for the function in the first of these that has it
ALIASES = {  # functions that are another name of one of ours
    np.absolute: "abs",
    np.amax: "max",
    np.amin: "min",
    np.linalg.matmul: "matmul",
    np.linalg.tensordot: "tensordot",
}

# Functions that return no tensor: NumPy computes them, from the shapes, the values or the dtypes.
OF_SHAPES = {np.shape, np.ndim, np.size}
OF_VALUES = {np.allclose, np.array_equal, np.array_equiv, np.array_repr, np.array_str}
OF_DTYPES = {np.result_type, np.can_cast}


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
            if len(args) == 1 and not kwargs:
                return getattr(args[0], function.__name__)
            return function(np.empty(args[0].shape), *args[1:], **kwargs)  # the size along an axis
        if function in OF_VALUES:
            return function(
                *(backend.to_numpy(x.data) if isinstance(x, Protocols) else x for x in args), **kwargs
            )
        if function in OF_DTYPES:
            return function(*(x.dtype if isinstance(x, Protocols) else x for x in args), **kwargs)
        return counterpart(function)(*args, **kwargs)


def counterpart(function: Callable[..., object]) -> Callable[..., Any]:
    """Our function of the same name as NumPy's; TypeError if there is none."""
    name = ALIASES.get(function) or function.__name__
    if function in ALIASES or meant_by(name) is function:
        if name in habits.NAMES:
            raise TypeError(f"np.{name} has no counterpart for tensors: write {habits.NAMES[name]}")
        if name in FUNCTIONS:
            return FUNCTIONS[name]
    raise TypeError(
        f"{spelled(function)} has no counterpart for tensors: compose it from the ops in tinygrad_seq.__all__, "
        f"or leave the tape with t.numpy()"
    )


@cache
def meant_by(name: str) -> object:
    """NumPy's function of this name, or None."""
    return next((f for module in MODULES if callable(f := getattr(module, name, None))), None)


def spelled(function: Callable[..., object]) -> str:
    """np.linalg.norm, or gamma for a ufunc that is not NumPy's."""
    name = function.__name__
    if isinstance(function, np.ufunc):
        return f"np.{name}" if getattr(np, name, None) is function else f"the ufunc {name}"
    public = (*MODULES, np.emath, np.char, np.strings)  # function.__module__ is private in some versions
    module = next((m.__name__ for m in public if getattr(m, name, None) is function), function.__module__)
    return f"{module}.{name}".replace("numpy.lib.scimath", "np.emath").replace("numpy", "np", 1)
