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

import numpy as np

import tinygrad_seq as ts
from fuzzing.values import FLOATS, FOREIGN, LAYOUTS, NONSENSE, RAGGED
from tinygrad_seq import nn

VALID, EITHER, INVALID = "valid", "either", "invalid"
TROUBLE = 0.05  # the share of arguments that are not valid
SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 6e4, -6e4, 1e-7, 1e30, -1e30]
NOT_NUMBERS = [
    "0.1",
    None,
    True,
    np.True_,
    1j,
    [0.5],
    {},
    object(),
    math.nan,
    np.array([0.5, 0.5]),
    np.float64("nan"),
]
NOT_INTEGERS = ["2", None, True, 2.0, np.float32(2), [2], math.nan, {}, 1j, object()]


class Values(dict):
    """What the oracle receives: the values of the arguments, by name."""

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def under(self, prefix: str) -> Values:
        """The values whose names begin with `prefix`, without it."""
        return Values({k.removeprefix(prefix): v for k, v in self.items() if k.startswith(prefix)})


class Draw:
    """The arguments of one call, drawn by `rng`, and what is known of it."""

    def __init__(self, seed: Sequence[int]) -> None:
        self.rng = np.random.default_rng(seed)
        self.verdict = VALID
        self.values = Values()
        self.leaves: dict[str, ts.Tensor] = {}  # what requires a gradient
        self.dtypes: list[np.dtype] = []  # of the floats among the arguments
        self.kept: list[tuple[Any, Any, tuple]] = []
        self.said: list[str] = []
        self.hostile = self.chance(0.3)
        self.errors: tuple[type[Exception], ...] = ()  # that are right besides the usual ones

    # --- chance -----------------------------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def one_of(self, choices: Sequence) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def judged(self, verdict: str) -> None:
        """Note that an argument makes the call EITHER or INVALID; the worst counts."""
        order = [VALID, EITHER, INVALID]
        self.verdict = max(self.verdict, verdict, key=order.index)

    def given(self, name: str, value: Any, plain: Any) -> Any:
        """Note an argument, and what the oracle receives for it."""
        self.values[name] = plain
        self.said.append(f"{name}={value!r:.200}")
        return value

    # --- numbers ----------------------------------------------------------------------------------------------

    def number(self, name: str, choices: Sequence[float], interval: str) -> Any:
        """A number: one of `choices`, Python's or NumPy's; sometimes outside `interval`, or no number."""
        if self.chance(TROUBLE):
            self.judged(INVALID)
            return self.given(name, self.one_of(NOT_NUMBERS + 2 * outside(interval)), None)
        x = self.one_of(choices)
        kinds: list[Callable] = [lambda x: x, lambda x: x, np.float64, np.float32, np.asarray]
        value = self.one_of(kinds)(x)
        return self.given(name, value, float(value))

    def integer(
        self, name: str, choices: Sequence[int], interval: str = "[1, inf)", *, none: bool = False
    ) -> Any:
        """An integer: one of `choices`, Python's or NumPy's; sometimes outside `interval`, or no integer.

        With `none`, None is no such trouble.
        """
        if self.chance(TROUBLE):
            self.judged(INVALID)
            beyond = [int(x) for x in outside(interval) if math.isfinite(x) and x == int(x)]
            wrong = [x for x in NOT_INTEGERS if not (none and x is None)]
            return self.given(name, self.one_of(wrong + 2 * beyond), None)
        x = self.one_of(choices)
        kinds: list[Callable] = [lambda x: x, lambda x: x, np.int64, np.int32, np.asarray]
        return self.given(name, self.one_of(kinds)(x), x)

    def size(self, name: str, choices: Sequence[int]) -> Any:
        """An integer >= 1; sometimes 0, which a library may refuse."""
        if self.chance(TROUBLE / 2):
            self.judged(EITHER)
            return self.given(name, 0, 0)
        return self.integer(name, choices, "[0, inf)")

    def choice(self, name: str, choices: Sequence, wrong: Sequence = ("no such", None, 3, ["a"])) -> Any:
        """One of `choices`; sometimes another value."""
        if self.chance(TROUBLE):
            self.judged(INVALID)
            return self.given(name, self.one_of(wrong), None)
        x = self.one_of(choices)
        return self.given(name, x, x)

    def flag(self, name: str) -> bool:
        return self.given(name, flag := self.chance(0.5), flag)

    # --- arrays -----------------------------------------------------------------------------------------------

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
        if tensor or self.chance(0.6):
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
        if kind == "list":
            array = self.rng.normal(size=shape).astype("f4")
            return self.given(name, array.tolist(), extended(array))
        array = (np.abs(self.rng.normal(size=shape)) * 3).astype(self.one_of(["i8", "i1", "u1", "?"]))
        return self.kept_(name, ts.tensor(array) if self.chance(0.5) else array)

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
            kind = self.one_of(["shape", "range", "float", "bool", "nonsense"])
            self.judged(INVALID)
            if kind == "shape" and len(wrong):
                return self.given(name, np.zeros(self.one_of(wrong), int) + low, None)
            if kind == "range" and size and len(beyond):
                array.flat[0] = self.one_of(beyond)
                return self.given(name, ts.tensor(array) if self.chance(0.5) else array, None)
            if kind == "float":
                return self.given(name, array.astype("f4"), None)
            if kind == "bool" and size:
                return self.given(name, array.astype(bool), None)
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

    def dtype(self, name: str = "dtype") -> Any:
        """A dtype for parameters."""
        if self.chance(TROUBLE):
            self.judged(INVALID)
            return self.given(name, self.one_of(["i8", "no such", int, bool]), None)
        return self.given(name, x := self.one_of(["f4", np.float32, "f8", np.float64, np.dtype("f8"), "f2"]), x)

    # --- models -----------------------------------------------------------------------------------------------

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

    def floats_(self) -> list[np.ndarray]:
        """The values of all arguments that are floats."""
        return [x for x in self.values.values() if isinstance(x, np.ndarray) and x.dtype.kind == "f"]

    # --- the arguments stay as they are -----------------------------------------------------------------------

    def kept_(self, name: str, value: Any) -> Any:
        array = value.numpy() if isinstance(value, ts.Tensor) else value
        state = (
            (value.line, value.shape)
            if isinstance(value, ts.Tensor)
            else (value.flags.writeable, value.strides)
        )
        self.kept.append((value, array.copy(), state))
        return self.given(name, value, extended(array))

    def unchanged(self) -> None:
        """Assert that no argument was changed."""
        for value, array, state in self.kept:
            if isinstance(value, ts.Tensor):
                assert (value.line, value.shape) == state, "an argument was put on another line of the tape"
                assert value.numpy().tobytes() == array.tobytes(), "an argument was changed"
            else:
                assert (value.flags.writeable, value.strides) == state, "an argument was reflagged"
                assert value.tobytes() == array.tobytes(), "an argument was changed"


def outside(interval: str) -> list[float]:
    """Numbers that are not within an interval, written as in `tinygrad_seq.engine.numbers`."""
    low, high = map(float, interval[1:-1].split(","))
    found = [low - 1.0, high + 1.0, -math.inf, math.inf]
    found += [low] * (interval[0] == "(") + [high] * (interval[-1] == ")")
    inside = [low] * (interval[0] == "[") + [high] * (interval[-1] == "]")
    return [x for x in found if not math.isnan(x) and x not in inside]


def extended(array: np.ndarray) -> np.ndarray:
    """Floats in extended precision; other arrays as they are."""
    return np.array(array, np.longdouble if array.dtype.kind == "f" else None)
