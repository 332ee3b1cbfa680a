"""Comparing what a call found with its oracle: values, dtypes, and one directional derivative."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_seq as ts
from fuzzing.draw import INVALID, VALID, Draw, Values
from tinygrad_seq import tree

EPS = {"e": 1e-3, "f": 1.2e-7, "d": 2.3e-16, "g": 1e-19}  # one rounding


@dataclass
class Call:
    """What a call found, and its oracle.

    found       a tree of tensors or arrays
    oracle      the same tree, from the values of the arguments
    strict      the error must be within some roundings of the value itself, not of the arguments
    dtype       of floats, or a list with one for every output; None for the common dtype of all arguments
    derivative  whether the directional derivative is compared
    infinite    whether it is right although some arguments are not finite
    tolerance   of the oracle itself, where it takes differences
    """

    found: Any
    oracle: Callable[[Values], Any]
    strict: bool = False
    dtype: Any = None
    derivative: bool = True
    infinite: bool = False
    tolerance: float = 0.0


# --- values -----------------------------------------------------------------------------------------------


def compare(call: Call, draw: Draw) -> None:
    """Assert that what was found is the value of the oracle."""
    found, expected = tree.leaves(call.found), tree.leaves(call.oracle(draw.values))
    assert len(found) == len(expected), f"{len(found)} values, expected {len(expected)}"
    common = call.dtype or (np.result_type(*draw.dtypes) if draw.dtypes else None)
    dtypes = common if isinstance(common, list) else [common] * len(found)
    nearby: list = []
    for i, (z, w) in enumerate(zip(found, expected, strict=True)):
        dtype = dtypes[i]
        z, w = np.asarray(z.numpy() if isinstance(z, ts.Tensor) else z), np.asarray(w)
        assert z.shape == w.shape, f"the shape is {z.shape}, expected {w.shape}"
        if z.dtype.kind != "f" or w.dtype.kind != "f":
            assert np.array_equal(z, w), f"found {z}, expected {w}"
            continue
        if dtype is not None and draw.verdict == VALID:
            assert z.dtype == dtype, f"the dtype is {z.dtype}, expected {dtype}"
        least = min([z.dtype, *draw.dtypes], key=lambda d: np.finfo(d).bits)
        w_there = w.astype(z.dtype)
        if close(z, w_there, (40 * EPS[least.char] + call.tolerance) * (1 + np.abs(w_there))):
            continue
        if not call.strict:
            nearby = nearby or [tree.leaves(call.oracle(moved(draw, EPS[least.char]))) for _ in range(3)]
            others = np.array([np.asarray(near[i]).astype(z.dtype) for near in nearby])
            spread = np.max(np.abs(others - w_there), axis=0)
            if close(z, w_there, 100 * EPS[least.char] * (1 + np.abs(w_there)) + 40 * spread):
                continue
        raise AssertionError(f"output {i}: found {z!r}, expected {w_there!r}")


def close(z: np.ndarray, w: np.ndarray, tolerance: np.ndarray) -> bool:
    """Whether z is NaN where w is, infinite where w is, and elsewhere within the tolerance."""
    tolerance = np.where(np.isfinite(w), tolerance, 0)
    return bool(np.all((z == w) | (np.isnan(z) & np.isnan(w)) | (np.abs(z - w) <= tolerance)))


def moved(draw: Draw, eps: float) -> Values:
    """The values of all float arguments after one random rounding of relative size `eps`."""
    rng = np.random.default_rng(draw.rng.integers(2**32))
    return Values(
        {
            name: x * (1 + eps * rng.choice([-1, 1], x.shape))
            if isinstance(x, np.ndarray) and x.dtype.kind == "f"
            else x
            for name, x in draw.values.items()
        }
    )


# --- derivatives ------------------------------------------------------------------------------------------

H = 1e-5


def differentiate(call: Call, draw: Draw) -> None:
    """Assert that the gradient along a random direction is that of the oracle, by central differences."""
    zs = [z for z in tree.leaves(call.found) if isinstance(z, ts.Tensor) and z.line and z.dtype.kind == "f"]
    if not zs or not draw.leaves:
        return
    places = [i for i, z in enumerate(tree.leaves(call.found)) if any(z is other for other in zs)]
    rng = np.random.default_rng(draw.rng.integers(2**32))
    gs = [rng.normal(size=z.shape).astype(z.dtype) for z in zs]
    xs = list(draw.leaves.values())
    grads = ts.grad(zs, xs, gs, zeros=True, create_graph=rng.random() < 0.1)  # the same, by recorded rules
    for x, grad in zip(xs, grads, strict=True):
        assert (grad.shape, grad.dtype) == (x.shape, x.dtype), "a gradient of another shape or dtype"
    if not call.derivative or draw.verdict == INVALID:
        return
    if not all(np.all(np.isfinite(z.numpy())) for z in zs):
        return
    if not call.infinite and not all(np.all(np.isfinite(x)) for x in draw.floats_()):
        return
    v = {}
    for name in draw.leaves:
        x = draw.values[name]
        with np.errstate(all="ignore"):
            v[name] = np.where(np.abs(x) < 1e4, rng.normal(size=x.shape), 0)

    sizes = [np.abs(x) for x in [*(z.numpy() for z in zs), *(draw.values[name] for name in draw.leaves)]]
    largest = max(float(np.max(x, initial=0, where=np.isfinite(x))) for x in sizes)

    def along(values: Values, t: float) -> Any:
        shifted = Values(values)
        for name in v:
            shifted[name] = values[name] + t * v[name]
        outputs = tree.leaves(call.oracle(shifted))
        return sum(
            np.sum(np.asarray(outputs[i]) * g.astype(np.longdouble)) for i, g in zip(places, gs, strict=True)
        )

    expected = (along(draw.values, H) - along(draw.values, -H)) / (2 * H)
    parts = [
        np.where(v[name] == 0, 0, v[name] * np.where(v[name] == 0, 0, grad.numpy()))
        for name, grad in zip(v, grads, strict=True)
    ]
    found, size = (sum(np.sum(f(part), dtype=np.longdouble) for part in parts) for f in (np.asarray, np.abs))
    least = min([z.dtype for z in zs] + draw.dtypes, key=lambda d: np.finfo(d).bits)
    if least == np.float16 and largest > 1e3:
        return  # a gradient may be beyond its largest number
    tolerance = 200 * EPS[least.char] * (1 + size) + 1e-6 * (1 + abs(expected))
    tolerance += 1e-17 * largest / H  # what the differences cannot see
    if abs(found - expected) <= tolerance or not np.isfinite(expected):
        return
    here = along(draw.values, 0)
    ahead, behind = (along(draw.values, H) - here) / H, (here - along(draw.values, -H)) / H
    if abs(ahead - behind) > 1e-3 * (1 + abs(ahead)):
        return  # no derivative, or a large second one
    if not call.strict:
        near = []
        for _ in range(3):
            there = moved(draw, EPS[least.char])
            near.append((along(there, H) - along(there, -H)) / (2 * H))
        if abs(found - expected) <= tolerance + 40 * max(abs(x - expected) for x in near):
            return
    raise AssertionError(f"the derivative is {found}, expected {expected}, of {list(v)}")
