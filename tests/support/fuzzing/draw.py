"""Drawing the arguments of a call, most of them valid, and what is to be expected of the call.

Every argument is drawn by what it is (floats, integers, lengths, a number within an interval, a choice). It is
valid most of the time. If not, the call is INVALID and has to be refused; or the argument is one that a library
may accept or refuse (a list for an array, integers for floats), so that EITHER is right. A call that is not
refused has the value of its oracle, which receives the values of all arguments by name, in extended precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import doors
import numpy as np

import tinygrad_seq as ts
from fuzzing.judged import EITHER, INVALID, VALID, Values, extended
from fuzzing.scalars import TROUBLE, Scalars
from fuzzing.values import FLOATS, FOREIGN, LAYOUTS, NONSENSE, RAGGED
from tinygrad_seq import nn

SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 6e4, -6e4, 1e-7, 1e30, -1e30]


class Draw(Scalars):
    """A draw of any arguments, and of the parameters of a model."""

    def floats(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        wrong: Sequence[tuple[int, ...]] = (),
        dtypes: Sequence[str] = FLOATS,
        special: Sequence[float] = SPECIAL,
        scales: Sequence[float] = (1.0, 1.0, 3.0, 30.0),
        change: Callable[[np.ndarray], np.ndarray] = lambda x: x,
        tensor: bool = False,
    ) -> Any:
        """Floats of a shape, as an array or a Tensor, in any memory layout, sometimes with `special` values.

        `wrong` are shapes that have to be refused; `change` maps normal numbers to the range of the argument;
        with `tensor` the argument is always a Tensor.
        """
        if self.chance(TROUBLE):
            return self._trouble(name, shape, wrong)
        dtype = np.dtype(self.one_of([*dtypes[:1], *dtypes]))
        values = change(self.rng.normal(size=shape) * self.one_of(scales))
        if self.hostile and len(special) and self.chance(0.7):
            known = [x for x in special if not abs(x) > np.finfo(dtype).max or math.isinf(x)]
            values = np.where(self.rng.random(shape) < 0.4, self.rng.choice(known, shape), values)
        array = np.asarray(values).astype(dtype)
        layout = self.one_of(LAYOUTS)
        self.dtypes.append(dtype)
        if self.chance(0.6) or tensor or doors.NAME != "numpy":  # a function of arrays runs on one device
            leaf = ts.tensor(array, requires_grad=self.chance(0.8))
            value = layout(leaf)
            if leaf.requires_grad:
                self.leaves[name] = value
        else:
            value = np.asarray(layout(array))
            value.setflags(write=not self.chance(0.2))
        return self.kept_(name, value)

    def _trouble(self, name: str, shape: tuple[int, ...], wrong: Sequence[tuple[int, ...]]) -> Any:
        """Something else in the place of floats."""
        kind = self.one_of(["shape", "shape", "integers", "list", "nonsense", "foreign"])
        if kind == "shape" and len(wrong):
            self.judged(INVALID)
            array = self.rng.normal(size=self.one_of(wrong)).astype("f4")
            return self.given(name, ts.tensor(array) if self.chance(0.5) else array, None)
        if kind == "nonsense":
            self.judged(INVALID)
            return self.given(name, self.one_of([*(x for x in NONSENSE if x != 10**400), *RAGGED[:3]]), None)
        if kind == "foreign":
            self.judged(INVALID)
            array = np.ones(shape, "i8").astype(self.one_of(FOREIGN[2:]))
            return self.given(name, array, None)
        self.judged(EITHER)
        if kind == "list" and doors.NAME == "numpy":
            array = self.rng.normal(size=shape).astype("f4")
            self.dtypes.append(array.dtype)
            return self.given(name, array.tolist(), extended(array))
        array = (np.abs(self.rng.normal(size=shape)) * 3).astype(self.one_of(["i8", "i1", "u1", "?"]))
        value = self.kept_(name, ts.tensor(array) if self.chance(0.5) or doors.NAME != "numpy" else array)
        self.values[name] = array.astype(np.longdouble)
        return value

    def integers(
        self,
        name: str,
        shape: tuple[int, ...],
        low: int,
        high: int,
        *,
        wrong: Sequence[tuple[int, ...]] = (),
        beyond: Sequence[int] | None = None,
    ) -> Any:
        """Integers within low ... high - 1, of any integer dtype, as a Tensor, an array or a list.

        `beyond` are values that have to be refused; None stands for low - 1 and high, () for none.
        """
        size = math.prod(shape)
        beyond = (low - 1, high) if beyond is None else beyond
        if high <= low and size:
            self.judged(INVALID)
            high = low + 1
        array = self.rng.integers(low, max(high, low + 1), shape)
        if self.chance(2 * TROUBLE):
            kind, before = self.one_of(["shape", "range", "float", "bool", "nonsense"]), self.verdict
            self.judged(INVALID)
            if kind == "shape" and len(wrong):
                return self.given(name, np.zeros(self.one_of(wrong), int) + low, None)
            if kind == "range" and size and len(beyond):
                array.flat[0] = self.one_of(beyond)
                on_host = doors.NAME == "numpy"  # a tensor on a device is not checked
                return self.given(name, ts.tensor(array) if on_host and self.chance(0.5) else array, None)
            if kind == "float" and size:
                return self.given(name, array.astype("f4"), None)
            if kind == "bool" and size:
                return self.given(name, array.astype(bool), None)
            if kind in ("float", "bool"):  # nothing is in an empty array of them
                self.verdict = before if before == INVALID else EITHER
                return self.given(name, array.astype("f4"), array)
            return self.given(name, self.one_of([x for x in NONSENSE if x is not None]), None)
        if low >= 0 and self.chance(0.2):
            array = array.astype("u1")
        elif self.chance(0.3):
            array = array.astype(self.one_of(["i1", "i4"]))
        if shape and size and self.chance(0.2):
            return self.given(name, array.tolist(), array)
        return self.kept_(name, ts.tensor(array) if self.chance(0.4) else array)

    def lengths(self, steps: int, batch: int, name: str = "lengths", low: int = 0) -> Any:
        """Lengths of the rows of a batch, or None."""
        if self.chance(0.5):
            return self.given(name, None, None)
        wrong = [(batch + 1,), (batch, 1), ()]
        return self.integers(name, (batch,), low, steps + 1, wrong=wrong)

    def mask(self, name: str, shape: tuple[int, ...], *, wrong: Sequence[tuple[int, ...]] = ()) -> Any:
        """Booleans, as an array or a Tensor."""
        array = self.rng.random(shape) < 0.7
        if self.chance(2 * TROUBLE):
            self.judged(INVALID)
            if self.chance(0.5) and len(wrong):
                return self.given(name, np.ones(self.one_of(wrong), bool), None)
            kind = self.one_of(["f4", "f8", "i8", "u1"])
            return self.given(
                name, np.where(array, 0.0, -np.inf).astype(kind) if kind[0] == "f" else array.astype(kind), None
            )
        return self.kept_(name, ts.tensor(array) if self.chance(0.5) else array)

    def model(self, module: Any, *, prefix: str = "", scale: float | None = 0.7) -> Any:
        """Note all tensors of a model under their names; its parameters get new values of this scale."""
        for name, t in module.named_tensors():
            if isinstance(t, nn.Parameter) and scale is not None:
                t.assign_((self.rng.normal(size=t.shape) * scale).astype(t.dtype))
            if t.dtype.kind == "f":
                self.dtypes.append(np.dtype(t.dtype))
            if t.requires_grad:
                self.leaves[prefix + name] = t
            self.values[prefix + name] = extended(t.numpy())
        return module


__all__ = ["EITHER", "INVALID", "VALID", "Draw", "Values", "extended"]
