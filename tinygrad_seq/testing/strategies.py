"""Hypothesis strategies for whole calls of a primitive.

Shapes are drawn from the signature of the primitive, or from its example calls, so a new primitive needs no
test code. Values are drawn from a shuffled grid: all elements of all arguments differ by more than a
finite-difference step, and none is near zero, so that ties of max and the kinks of abs and relu are avoided by
construction, not by rejection. The derivative at such a point is a convention, and each convention has its own
test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.vendor.pretty import RepresentationPrinter

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.signature import Example

LOW, HIGH = 0.3, 2.3  # the range of magnitudes: more than a finite-difference step away from any kink
SIDE = 3  # the longest axis that is drawn
SIZES = st.sampled_from((2, SIDE, 1, 2, SIDE, 0))  # sometimes an empty axis

# Points where derivatives are infinite, undefined or overflow; no subnormals, which a CPU may flush to zero.
SINGULAR = (0.0, -0.0, math.inf, -math.inf, 1e300, -1e300, 1e-300)


@dataclass(frozen=True)
class Call:
    """One call of a primitive: its arrays and metadata, and the arguments that are `active` (with a gradient).

    The arrays are on the host; `placed` copies them to the device of the call. All other choices of a law
    (cotangents, tangents, dtypes) are drawn with `seed`.
    """

    op: Primitive
    arrays: tuple[np.ndarray, ...]
    meta: dict[str, object] = field(default_factory=dict)
    active: tuple[bool, ...] = ()
    seed: int = 0
    device: str = "cpu"

    def placed(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The arrays, on the device of the call."""
        return [backend.asarray(a, self.device) for a in arrays]

    def rng(self) -> np.random.Generator:
        """The generator for the random choices of a law about this call: the same at every use."""
        return np.random.default_rng([self.seed, 1])

    def metadata(self) -> dict[str, object]:
        """The metadata of the call, with defaults for those that it does not give."""
        defaults = {p.name: p.default for p in self.op.metadata if p.default is not p.empty}
        return {**defaults, **self.meta}

    def __repr__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        """The text, formatted once: every law formats it for its message, whether it fails or not."""
        given = [
            f"{'d ' if on else ''}{array!r}" for array, on in zip(self.arrays, self.active, strict=True)
        ] + [f"{name}={value!r}" for name, value in self.meta.items()]
        return f"{self.op.name}({', '.join(given)})  # seed {self.seed}"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(repr(self))  # Hypothesis prints a call that breaks a law in this form


def carries_gradient(op: Primitive, i: int) -> bool:
    """Whether the i-th array argument of a call has a derivative rule."""
    if op.joint_rule:
        return True
    return i < len(op.rules) and op.rules[i] is not None


def interval(op: Primitive, i: int) -> tuple[float, float]:
    """The open interval from which the elements of the i-th array argument of a call are drawn."""
    domain = _domain(op, i)
    return domain if isinstance(domain, tuple) else (-math.inf, math.inf)


def lawful(op: Primitive, i: int) -> Callable[[np.ndarray], np.ndarray] | None:
    """The function from a drawn array to a valid i-th argument (an invertible matrix), if the op has one."""
    domain = _domain(op, i)
    return None if isinstance(domain, tuple) else domain


def _domain(op: Primitive, i: int) -> tuple[float, float] | Callable[[np.ndarray], np.ndarray] | None:
    return op.domain.get(op.arguments[i] if i < len(op.arguments) else op.variadic or "")


def differentiable(op: Primitive) -> bool:
    """Whether the primitive has any derivative rule."""
    return op.joint_rule is not None or any(op.rules)


def grid(
    shapes: Sequence[tuple[int, ...]], domains: Sequence[tuple[float, float]], rng: np.random.Generator
) -> list[np.ndarray]:
    """A float64 array for each shape, with distinct elements inside the open interval of the array."""
    sizes = [math.prod(shape) for shape in shapes]
    count = sum(sizes)
    fractions = (rng.permutation(count) + rng.random()) / max(count, 1)
    parts = np.split(fractions, np.cumsum(sizes)[:-1]) if sizes else []
    arrays = []
    for part, shape, (low, high) in zip(parts, shapes, domains, strict=True):
        magnitude = LOW + (HIGH - LOW) * part
        if math.isfinite(low) and math.isfinite(high):
            values = low + (high - low) * (0.1 + 0.8 * part)
        elif math.isfinite(low):
            values = low + magnitude
        elif math.isfinite(high):
            values = high - magnitude
        else:
            values = magnitude * rng.choice([-1.0, 1.0], part.shape)
        arrays.append(values.reshape(shape))
    return arrays


def ties(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Small whole numbers, many of them equal, for an op without a derivative."""
    return rng.choice([-1.0, 0.0, 1.0, 2.0], shape)


@st.composite
def example_shapes(draw: st.DrawFn, example: Example) -> list[tuple[int, ...] | np.ndarray]:
    """For every array of an example call, its shape with numbers for the letters, or the array itself."""
    sizes: dict[str, int] = {}
    shapes: list[tuple[int, ...] | np.ndarray] = []
    for part in example.arrays:
        if isinstance(part, np.ndarray):
            shapes.append(part)
            continue
        for axis in part:
            if axis not in sizes:
                size = SIZES.filter(bool) if axis.isupper() else SIZES
                sizes[axis] = int(axis) if axis.isdigit() else draw(size)
        shapes.append(tuple(sizes[axis] for axis in part))
    return shapes


def families(op: Primitive) -> tuple[Example | None, ...]:
    """The example calls of an op; (None,) if it has a signature instead."""
    return op.examples or (None,)


@st.composite
def shapes_of(draw: st.DrawFn, op: Primitive, example: Example | None) -> list[tuple[int, ...] | np.ndarray]:
    """For every argument of a call, a shape from the example or the signature, or the array itself."""
    if example is not None:
        return draw(example_shapes(example))
    assert op.signature is not None
    signature = op.signature.text.partition("->")[0] + "->()"  # of one output, since Hypothesis knows no other
    core = hnp.mutually_broadcastable_shapes(signature=signature, min_side=0, max_side=SIDE, max_dims=2)
    return list(draw(core).input_shapes)


@st.composite
def calls(draw: st.DrawFn, op: Primitive, example: Example | None = None, device: str = "cpu") -> Call:
    """A valid call of `op`, like one of its examples, away from points where it has no derivative."""
    if example is None:
        example = draw(st.sampled_from(families(op)))
    parts = draw(shapes_of(op, example))
    smooth = {
        i: part for i, part in enumerate(parts) if carries_gradient(op, i) and not isinstance(part, np.ndarray)
    }
    active = draw(st.sampled_from(_subsets([i in smooth for i in range(len(parts))])))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng([seed, 0])
    values = iter(grid(list(smooth.values()), [interval(op, i) for i in smooth], rng))
    arrays = []
    for i, part in enumerate(parts):
        if isinstance(part, np.ndarray):
            arrays.append(part)
        elif i in smooth:
            make = lawful(op, i)
            arrays.append(make(next(values)) if make else next(values))
        elif differentiable(op):
            arrays.append(rng.random(part) < 0.5)  # an argument without a rule of a differentiable op: a mask
        else:
            arrays.append(ties(part, rng))
    return Call(op, tuple(map(np.asarray, arrays)), dict(example.meta) if example else {}, active, seed, device)


def _subsets(ruled: Sequence[bool]) -> list[tuple[bool, ...]]:
    """Every non-empty choice of arguments with a rule, all of them first; the empty one if none has a rule."""
    choices: list[tuple[bool, ...]] = [()]
    for on in ruled:
        choices = [(*choice, value) for choice in choices for value in ((True, False) if on else (False,))]
    return [choice for choice in choices if any(choice)] or choices


def sprinkled(call: Call, points: Sequence[float], rng: np.random.Generator) -> list[np.ndarray]:
    """The arguments, with some elements of every float array replaced by `points`.

    An argument that needs a function to be valid (an invertible matrix) stays as it is.
    """
    return [
        np.where(rng.random(a.shape) < 0.5, rng.choice(points, a.shape), a)
        if a.dtype.kind == "f" and lawful(call.op, i) is None
        else a
        for i, a in enumerate(call.arrays)
    ]
