"""NumPy's protocols: what `np.tanh(t)`, `np.sum(t, axis=0)` and `array * t` mean for a tensor.

NumPy passes such a call on to the tensor (NEP 13 for ufuncs, NEP 18 for other functions), and the tensor calls
our function of the same name. One expression therefore runs on arrays and on tensors, so a derivative rule,
which is plain NumPy, can itself be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor import habits

ALIASES = {"absolute": "abs", "amax": "max", "amin": "min"}  # NumPy's internal name -> its public one

# Functions that return no tensor: NumPy computes them, from the shapes, the values or the dtypes.
OF_SHAPES = {"shape", "ndim", "size"}
OF_VALUES = {"allclose", "array_equal", "array_equiv", "array_repr", "array_str"}
OF_DTYPES = {"result_type", "can_cast"}


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
            raise TypeError(
                f"np.{ufunc.__name__}.{method} does not work on tensors: use ts.sum, ts.max and so on"
            )
        if "out" in kwargs:
            raise TypeError(
                f"np.{ufunc.__name__} cannot write a tensor into an array: instead of a += t write a = a + t"
            )
        return counterpart(ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(
        self, function: Callable[..., object], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> object:
        name = function.__name__
        if name in OF_SHAPES and isinstance(args[0], Protocols):
            whole = len(args) == 1 and not kwargs  # otherwise the size along an axis
            return getattr(args[0], name) if whole else function(np.empty(args[0].shape), *args[1:], **kwargs)
        if name in OF_VALUES:
            return function(
                *(backend.to_numpy(x.data) if isinstance(x, Protocols) else x for x in args), **kwargs
            )
        if name in OF_DTYPES:
            return function(*(x.dtype if isinstance(x, Protocols) else x for x in args), **kwargs)
        return counterpart(name)(*args, **kwargs)


def counterpart(name: str) -> Callable[..., Any]:
    """Our function of the same name as NumPy's; TypeError if there is none."""
    name = ALIASES.get(name, name)
    if name in habits.NAMES:
        raise TypeError(f"np.{name} has no counterpart for tensors: write {habits.NAMES[name]}")
    if name not in FUNCTIONS:
        raise TypeError(
            f"np.{name} has no counterpart for tensors: compose it from the ops in tinygrad_seq.__all__, or "
            f"leave the tape with t.numpy()"
        )
    return FUNCTIONS[name]
