"""The law of precision: float32 agrees with float64, for large arguments and arguments far from 0, too.

A formula that is right in float64 and for small numbers can be wrong elsewhere: exp(x - logsumexp x), as the
derivative of logsumexp, is 1 % off in float32 at x = 1e5, because logsumexp x is rounded there. The arguments
are rounded to float32 first, so that both precisions compute from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tinygrad_seq.testing.differences import noise
from tinygrad_seq.testing.laws import actives, arrays_of, cotangents, pulled, pushed, raw, recorded
from tinygrad_seq.testing.strategies import Call, interval, lawful

Arrays = Sequence[np.ndarray]
Linear = Callable[[Call, Arrays], list[np.ndarray]]

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
PLACES = ((1.0, 0.0), (1e3, 0.0), (1e5, 0.0), (1.0, 1e3), (1.0, 1e5))  # scale and offset of the arguments
ALLOWED = 300 * float(np.finfo(SINGLE).eps)  # relative to the terms that a result is the sum of
DRAWS = 3  # of random signs for these terms: in one draw at least, they do not cancel


def precision(call: Call) -> None:
    """Values and derivatives in float32 agree with float64, for large arguments and large offsets, too."""
    rng = call.rng()
    scale, offset = PLACES[rng.integers(len(PLACES))]
    arrays = [away(call, i, scale, offset) for i in range(len(call.arrays))]
    single, double = (replace(call, arrays=tuple(cast(arrays, dtype))) for dtype in (SINGLE, DOUBLE))
    gs = [g.astype(SINGLE) for g in cotangents(single, rng)]
    vs = [noise(rng, x.shape, SINGLE) for x in actives(call, arrays)]

    def gradients(of: Call, directions: Arrays) -> list[np.ndarray]:
        return arrays_of(pulled(of, directions))

    def tangents(of: Call, directions: Arrays) -> list[np.ndarray]:
        return pushed(of, lambda xs: recorded(of, xs), directions)

    along = terms(tangents, double, actives(call, arrays), rng)
    sizes = [max(size, top(z)) for size, z in zip(along, raw(double), strict=True)]
    compare(f"{single} in float32", raw(single), raw(double), sizes)
    for f, directions in ((gradients, gs), (tangents, vs)):
        least = max(map(top, directions), default=0.0)
        sizes = [max(size, least) for size in terms(f, double, directions, rng)]
        what = f"the {f.__name__} of {single} in float32"
        compare(what, f(single, directions), f(double, cast(directions, DOUBLE)), sizes)


def away(call: Call, i: int, scale: float, offset: float) -> np.ndarray:
    """The i-th argument, scaled and moved away from 0 as far as its domain allows."""
    x, (low, high) = call.arrays[i], interval(call.op, i)
    if x.dtype.kind != "f" or lawful(call.op, i) is not None or math.isfinite(high):
        return x
    start = low if math.isfinite(low) else 0.0
    return (start + (x - start) * scale + offset).astype(SINGLE)


def cast(arrays: Arrays, dtype: np.dtype) -> list[np.ndarray]:
    return [a.astype(SINGLE).astype(dtype) if a.dtype.kind == "f" else a for a in arrays]


def terms(f: Linear, call: Call, directions: Arrays, rng: np.random.Generator) -> list[float]:
    """The largest element of each array of f, which is linear in `directions`, for random signs of these."""
    draws = [f(call, [d * rng.choice([-1.0, 1.0], d.shape) for d in directions]) for _ in range(DRAWS)]
    return [max(map(top, found)) for found in zip(*draws, strict=True)]


def top(x: np.ndarray) -> float:
    """max |x|, of the finite elements."""
    finite = np.abs(x[np.isfinite(x)])
    return float(finite.max()) if finite.size else 0.0


def compare(what: str, found: Arrays, expected: Arrays, sizes: Sequence[float]) -> None:
    for z, exact, size in zip(found, expected, sizes, strict=True):
        with np.errstate(all="ignore"):
            close = np.isclose(z, exact.astype(z.dtype), 0.0, ALLOWED * max(size, 1e-30), equal_nan=True)
        assert close.all(), f"{what}: {z}, expected {exact}, within {ALLOWED:.0e} of {size:.3g}"
