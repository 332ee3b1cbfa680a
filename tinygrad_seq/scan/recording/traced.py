"""The tensors of a step that is being recorded. Their arrays hold the values of the first step only.

So an error is raised if their values are read while the step is recorded, or if they are used after it.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import refuse_in_a_step
from tinygrad_seq.engine.record import Line
from tinygrad_seq.ops.choice import stop_gradient
from tinygrad_seq.tensor.tensor import Tensor


class Traced(Tensor):
    """A tensor of a step that is being recorded: it has a shape and a dtype, but its value cannot be read."""

    __slots__ = ()

    line: Line

    def _refuse(self, *args, **kwargs) -> NoReturn:
        raise TypeError(
            f"the step of a scan is recorded once for all time steps, so the value of {describe(self)} cannot "
            f"be read in it; use where to choose between values, return a value as an output to see it, or run "
            f"the Python loop with nn.Recurrent(..., unroll=True)"
        )

    numpy = item = __array__ = _refuse
    __float__ = __int__ = __index__ = __bool__ = __contains__ = __reduce__ = _refuse
    data = property(_refuse)

    @property
    def requires_grad(self) -> bool:
        """Whether the tensor can have a gradient: true for floats."""
        return self.dtype.kind == "f"

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        refuse_in_a_step("requires_grad of its tensors cannot be set; use stop_gradient to block a gradient")

    def detach(self) -> Tensor:
        """The same values, through which no gradient flows."""
        return stop_gradient(self)

    def __repr__(self) -> str:
        record, i = self.line
        return f"tensor(of the step of a scan, {record.dtypes[i]}{list(record.shapes[i])})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)


class Escaped:
    """Replaces the array of a tensor of a step when the step is over: any use raises an error that says so."""

    __slots__ = ("_like",)

    def __init__(self, array) -> None:
        self._like = array.shape, array.dtype

    def _refuse(self, *args, **kwargs) -> NoReturn:
        shape, dtype = self._like
        what = describe(np.broadcast_to(np.empty((), dtype), shape))
        raise RuntimeError(
            f"{what} was computed in the step of a scan and is used outside of it, where it belongs to no time "
            f"step; return it from the step as an output"
        )

    __getattr__ = __array__ = __array_ufunc__ = __array_function__ = _refuse
    for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
        locals()[f"__{_name}__"] = locals()[f"__r{_name}__"] = _refuse
    __neg__ = __invert__ = __getitem__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = object.__hash__
