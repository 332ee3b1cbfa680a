"""Derivatives by finite differences, and the comparisons with which every law ends.

The slope of a function of one real variable is computed from four of its values, with an error of fourth order
in the step. In float64 about ten digits are right, so a rule that is wrong by a factor of 1.001 is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

import tinygrad_seq as ts
from tinygrad_seq.derive.gradient import Direction
from tinygrad_seq.engine import backend

STEP = 1e-3

TOLERANCE = {  # relative to the sum of the magnitudes of the terms; never increased to pass a test
    "difference": 1e-7,  # a first derivative against finite differences
    "difference2": 1e-6,  # a second derivative against differences of the first
    "identity": 1e-10,  # two ways to compute one number in float64
    "rounding": 1e-11,  # two ways to compute one array, with sums in another order
}

Function = Callable[..., ts.Tensor | Sequence[ts.Tensor]]  # what a check takes,
Sequenced = Callable[..., Sequence[ts.Tensor]]  # and the same with its value as a sequence


def slope(f: Callable[[float], float]) -> float:
    """f'(0), by central differences of fourth order."""
    h = STEP
    return (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h)


def inner(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> float:
    """<x, y> = sum of the products of all elements of all arrays, on any device."""
    pairs = [map(backend.to_numpy, pair) for pair in zip(xs, ys, strict=True)]
    return float(sum(np.sum(np.multiply(x, y), dtype=np.float64) for x, y in pairs))


def size_of(xs: Sequence[np.ndarray], ys: Sequence[np.ndarray]) -> float:
    """max(<|x|, |y|>, 1): errors in <x, y> are relative to it."""
    return max(1.0, inner([np.abs(x) for x in xs], [np.abs(y) for y in ys]))


class DisagreementError(AssertionError):
    """Two numbers that should be equal: `found` by a rule, `expected` from differences or another rule."""

    def __init__(self, what: str, found: float, expected: float, error: float, tolerance: str) -> None:
        super().__init__(
            f"{what}: got {found:.12g}, expected {expected:.12g}, a relative error of {error:.1e} where "
            f"{tolerance} allows {TOLERANCE[tolerance]:.0e}"
        )
        self.found, self.expected, self.error = found, expected, error


def agree(what: str, left: float, right: float, scale: float, tolerance: str) -> None:
    """DisagreementError unless the two numbers agree; NaN agrees with nothing."""
    error = abs(left - right) / scale
    if not error <= TOLERANCE[tolerance]:
        raise DisagreementError(what, left, right, error, tolerance)


def same(what: str, found: np.ndarray, expected: np.ndarray, *, exactly: bool = False) -> None:
    """AssertionError unless shape, dtype and (up to rounding) values agree; NaN equals NaN."""
    found, expected = backend.to_numpy(found), backend.to_numpy(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: dtype {found.dtype}, expected {expected.dtype}"
    tolerance = 0.0 if exactly else TOLERANCE["rounding"]
    close = np.allclose(found, expected, tolerance, tolerance, equal_nan=True)
    assert close, f"{what}: {found}, expected {expected}"


def noise(rng: np.random.Generator, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> np.ndarray:
    """A direction: random numbers with magnitudes between 1/2 and 3/2, and random signs."""
    signed: np.ndarray = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return signed.astype(dtype)


def gradients(
    f: Function, xs: Sequence[ts.Tensor], gs: Sequence[np.ndarray], *, create_graph: bool = False
) -> list[ts.Tensor]:
    """The gradient of <f(xs), gs>; zeros where f does not depend on an argument."""
    on_tape = [(z, g) for z, g in zip(sequence(f(*xs)), gs, strict=True) if z.requires_grad]
    outputs, cotangents = [z for z, _ in on_tape], [g for _, g in on_tape]
    return pulled_back(outputs, xs, cotangents, create_graph=create_graph)


def pulled_back(
    outputs: Sequence[ts.Tensor],
    inputs: Sequence[ts.Tensor],
    cotangents: Sequence[Direction],
    *,
    create_graph: bool = False,
) -> list[ts.Tensor]:
    """`ts.grad` of sequences, with zeros for inputs that no output depends on: always a list of Tensors."""
    return ts.grad(outputs, list(inputs), cotangents, create_graph=create_graph, zeros=True)


def moved(
    f: Sequenced,
    arrays: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    directions: Sequence[np.ndarray],
    device: str,
) -> Callable[[float], float]:
    """<f(x + t v), g> as a function of t."""

    def along(t: float) -> float:
        xs = [leaf(a + t * v, device) for a, v in zip(arrays, directions, strict=True)]
        return inner([z.numpy() for z in f(*xs)], cotangents)

    return along


def pullback(f: Function, cotangents: Sequence[np.ndarray]) -> Sequenced:
    """The gradient of f, for fixed cotangents, as a function of Tensors."""
    return lambda *xs: gradients(f, xs, cotangents, create_graph=True)


def agree_along(
    f: Sequenced,
    arrays: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    rng: np.random.Generator,
    what: str,
    tolerance: str,
    device: str,
) -> None:
    """DisagreementError unless <J'g, v> is the slope of <f(x + t v), g> at t = 0, for a random direction v."""
    directions = [noise(rng, a.shape) for a in arrays]
    grads = [dx.numpy() for dx in gradients(f, [leaf(a, device) for a in arrays], cotangents)]
    numeric = slope(moved(f, arrays, cotangents, directions, device))
    agree(what, inner(grads, directions), numeric, size_of(grads, directions), tolerance)


def leaf(array: np.ndarray, device: str = "cpu") -> ts.Tensor:
    """A leaf that requires a gradient."""
    return ts.tensor(array, device=device, requires_grad=True)


def sequence(outputs: ts.Tensor | Sequence[ts.Tensor]) -> Sequence[ts.Tensor]:
    """The value of a function, as a sequence of Tensors."""
    return [outputs] if isinstance(outputs, ts.Tensor) else outputs
