"""The comparison of two results of a random program: form, dtypes, tape, memory, and numbers."""

from __future__ import annotations

import contextlib
import math

import numpy as np
from loop_programs import Program

import tinygrad_seq as ts
from tinygrad_seq import tree

TOLERANCE = {"f8": 1e-11, "f4": 2e-5, "f2": 2e-2}  # relative to the largest number that is compared


class WrongError(AssertionError):
    """scan is not the loop."""


def refusal(program: Program, error: Exception) -> bool:
    """Whether scan is right to refuse what the Python loop can do."""
    text = str(error)
    if program.refused and isinstance(error, TypeError):
        return True
    if "the step of a scan is recorded once" in text or (program.twin and "must keep its shape" in text):
        return True
    return "needs all its tensors on one device" in text  # a number as a carry is on the host


def misused(program: Program, error: Exception) -> bool:
    """Whether it is the fault of the program that the loop raises an error."""
    if isinstance(error, NameError):
        return False
    kinds = (IndexError, ValueError, TypeError) if program.twin else (IndexError, ValueError)
    return program.refused or isinstance(error, kinds) or "not on the tape" in str(error)


def flat(zs) -> np.ndarray:
    """The numbers of several arrays, one after the other."""
    return np.concatenate([np.zeros(0), *(host(z).ravel() for z in zs)])


def host(z):
    return z.numpy() if isinstance(z, ts.Tensor) else np.asarray(z)


def pairs(found, expected):
    """The arrays of two trees, and the size to which their distances are compared."""
    a, b = ([host(z) for z in tree.leaves(t)] for t in (found, expected))
    finite = [np.abs(z[np.isfinite(z)], dtype="f8").max(initial=0) for z in b if z.dtype.kind == "f"]
    scale = max([1.0, *map(float, finite)])
    return [(x, y, scale) for x, y in zip(a, b, strict=True)]


def gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The differences of two arrays; infinite where one is NaN or infinite and the other is not."""
    if a.dtype.kind != "f":
        return np.where(a == b, 0.0, math.inf)
    a, b = a.astype("f8"), b.astype("f8")
    with np.errstate(all="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return np.where(np.isnan(apart), math.inf, apart)


def alike(found, expected) -> None:
    """The trees have one form, and their leaves the same shapes and dtypes."""
    if tree.each(lambda z: 0, found) != tree.each(lambda z: 0, expected):
        raise WrongError(f"form: scan {tree.each(np.shape, found)}, loop {tree.each(np.shape, expected)}")
    for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise WrongError(f"scan gives {a.dtype}{a.shape}, the loop {b.dtype}{b.shape}")
        if on_tape(b) and not on_tape(a):
            raise WrongError("a result of scan is not on the tape")
        if on_tape(a) and a.dtype.kind != "f":
            raise WrongError("a result that is not a float is on the tape")


def on_tape(z) -> bool:
    return isinstance(z, ts.Tensor) and z.requires_grad


def owned(found, given, expected, of_loop) -> None:
    """`assign_` to a result changes no other result and no argument, except where it does in the loop."""
    ours, theirs = ([*tree.leaves(made), *xs] for made, xs in ((found, given), (expected, of_loop)))
    for i, z in enumerate(tree.leaves(found)):
        for j, other in enumerate(ours):
            shared = i != j and np.may_share_memory(z._array, other._array)
            right = theirs[i] is theirs[j] or np.may_share_memory(theirs[i]._array, theirs[j]._array)
            if not shared or right or z.dtype.kind == "b":
                continue
            before = other.numpy().copy()
            with contextlib.suppress(RuntimeError, TypeError):  # the result of an op on the tape
                z.assign_(z.numpy() + 1)
            if not np.array_equal(before, other.numpy(), equal_nan=before.dtype.kind == "f"):
                raise WrongError(f"assign_ to result {i} of scan changes {j}")


def tolerance(dtype: np.dtype, mode: str) -> float:
    """How large a difference may be, relative to the largest number of the results, and need no explanation."""
    limit = TOLERANCE.get(dtype.str[1:], 0.0)
    return limit if mode in ("first", "jvp", "numpy") else 10 * limit


def epsilon(dtype) -> float:
    return 8 * float(np.finfo(dtype).eps)


def shaking(arrays, k: int) -> list[np.ndarray]:
    """The arrays, with rounding errors."""
    return [shaken(a, np.random.default_rng([9, k, i])) for i, a in enumerate(arrays)]


def shaken(a: np.ndarray, rng) -> np.ndarray:
    if a.dtype.kind != "f":
        return a
    return a + (epsilon(a.dtype) * rng.uniform(-1, 1, a.shape) * np.abs(a)).astype(a.dtype)


class Shaking:
    """`tinygrad_seq`, with a rounding error added to every result of one of its functions."""

    def __init__(self, k: int) -> None:
        self.rng = np.random.default_rng([8, k])

    def __getattr__(self, name: str):
        real = getattr(ts, name)
        if name in ("grad", "jvp", "vjp", "hvp", "no_grad", "tensor", "Tensor") or not callable(real):
            return real

        def call(*args, **kwargs):
            return tree.each(self.shake, real(*args, **kwargs))

        return call

    def shake(self, z):
        if not isinstance(z, ts.Tensor) or z.dtype.kind != "f":
            return z
        return z * (1 + epsilon(z.dtype) * self.rng.uniform(-1, 1, z.shape)).astype(z.dtype)


def shaker(k: int) -> dict:
    return {"ts": Shaking(k)}
