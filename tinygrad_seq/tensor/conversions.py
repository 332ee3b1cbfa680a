"""How a tensor becomes a NumPy array, a Python number, or text. Each waits for the device of the tensor.

Values leave the tape only where the code says so: `t.numpy()`, `t.detach()`, `t.item()`, `float(t)`. A tensor
on the tape does not become an array implicitly, as in `np.mean([t, u])` or `scipy.special.softmax(t)`: the
result would be right and its gradient wrong. `math.exp(t)` leaves the tape too: it looks like `float(t)` from
here.
"""

from __future__ import annotations

import dis
import html
import sys
from types import FrameType
from typing import NoReturn, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import mode
from tinygrad_seq.engine.record import Handle, Leaf
from tinygrad_seq.engine.recording import frozen

R_co = TypeVar("R_co", covariant=True)  # the class of results
ASSIGNING = dis.opmap["STORE_SUBSCR"]


def _is_assigning(frame: FrameType) -> bool:
    """Whether the code of `frame` is at `a[key] = t`, for which NumPy may ask t for a number, not an array."""
    return frame.f_code.co_code[frame.f_lasti] == ASSIGNING


class Conversions(Handle[R_co]):
    """The methods that convert a tensor; `Tensor` inherits them."""

    __slots__ = ()

    def numpy(self) -> np.ndarray:
        """The values as a read-only NumPy array on the host (for a leaf, a copy). Waits for the device."""
        if mode.trace is not None:
            mode.trace.read()
        changes = self.buffer is not None and backend.on_host(self._array)
        return frozen(backend.to_numpy(self._array.copy() if changes else self._array))

    def item(self) -> float | int | bool:
        """The only element, as a Python number; ValueError if there are more."""
        number: float | int | bool = self._one("value as a Python number").item()
        return number

    def _one(self, what: str) -> np.ndarray:
        if self._array.size != 1:
            raise ValueError(f"only a tensor with one element has a {what}; this is {describe(self._array)}")
        if self._is_recorded and _is_assigning(sys._getframe(2)):
            self._refuse_conversion()
        return self.numpy()

    def __float__(self) -> float:
        return float(self._one("float value").item())

    def __int__(self) -> int:
        return int(self._one("int value").item())

    def __bool__(self) -> bool:
        return bool(self._one("truth value (an elementwise choice is where)").item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iu":
            raise TypeError(f"an index is an integer, not {describe(self._array)}")
        return int(self._one("value as an index").item())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """The values, for functions that need an array.

        TypeError for a tensor on the tape while calls are recorded, whose derivative would be lost, and for one
        on a device.
        """
        if self._is_recorded:
            self._refuse_conversion()
        if not backend.on_host(self._array):
            raise TypeError(
                f"{describe(self._array)} on {self._place} is not converted to NumPy implicitly: write "
                f"t.numpy()"
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def _refuse_conversion(self) -> NoReturn:
        raise TypeError(
            f"{describe(self._array)} is on the tape and is not converted to an array, which would lose its "
            f"derivative: write t.numpy() or t.detach() for its values, or stay on the tape with the ops of "
            f"tinygrad_seq, and with ts.stack([...]) for a list of tensors"
        )

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        tape = "" if self.line is None else ", requires_grad" if self._is_leaf else f", {self._origin}"
        return f"tensor({values}, {self._array.dtype}, {self._place}{tape})"

    def _repr_html_(self) -> str:
        """Shown by notebooks: the values, and below them dtype, shape, device and origin."""
        values = html.escape(np.array2string(self.numpy(), separator=", "))
        return f"<pre>{values}</pre><small>{describe(self._array)}, {self._place}, {self._origin}</small>"

    def __format__(self, spec: str) -> str:
        return format(self._one("format").item() if spec else str(self), spec)

    @property
    def _is_recorded(self) -> bool:
        """Whether a derivative could still pass: the tensor is on the tape, and calls are recorded."""
        return self.line is not None and mode.recording

    @property
    def _place(self) -> str:
        return backend.device_of(self._array)

    @property
    def _is_leaf(self) -> bool:
        return self.line is not None and isinstance(self.line[0], Leaf)

    @property
    def _origin(self) -> str:
        """Where the tensor comes from: "constant", "leaf" or "from matmul"."""
        return "constant" if self.line is None else "leaf" if self._is_leaf else f"from {self.line[0].op.name}"
