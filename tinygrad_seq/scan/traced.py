"""The tensors of a step: they compute with the values of the first step, which hold for no other.

So they refuse to be looked at while the step is recorded, and to be used when it is over.
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
    """A tensor of a step that is being recorded: it has a shape and a dtype, and no value to look at."""

    __slots__ = ()

    line: Line

    def _refuse(self, *args, **kwargs) -> NoReturn:
        raise TypeError(
            f"the step of a scan is recorded once for all time steps, so the value of {describe(self)} in it "
            f"cannot be looked at: choose between values with where, return as an output what you want to "
            f"see, or run the loop as it stands, nn.Recurrent(..., unroll=True)"
        )

    numpy = item = __array__ = _refuse
    __float__ = __int__ = __index__ = __bool__ = __contains__ = __reduce__ = _refuse
    data = property(_refuse)

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient may be asked for."""
        return self.dtype.kind == "f"

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        refuse_in_a_step("its tensors are on the tape; stop_gradient takes one off")

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
    """What a tensor of a step holds once the step is over: nothing, and the words that say so."""

    __slots__ = ("_like",)

    def __init__(self, array) -> None:
        self._like = array.shape, array.dtype

    def _refuse(self, *args, **kwargs) -> NoReturn:
        shape, dtype = self._like
        what = describe(np.broadcast_to(np.empty((), dtype), shape))
        raise RuntimeError(
            f"{what} was made within the step of a scan and is used outside of it, where it "
            f"stands for no time step: return it from the step, as an output"
        )

    __getattr__ = __array__ = __array_ufunc__ = __array_function__ = _refuse
    for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
        locals()[f"__{_name}__"] = locals()[f"__r{_name}__"] = _refuse
    __neg__ = __invert__ = __getitem__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = object.__hash__
