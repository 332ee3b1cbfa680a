"""Random programs, each run by scan and by the Python loop in one of the MODES, and compared.

In the mode `numpy` values are compared with those that NumPy computes, in `slope` and `slope2` derivatives
with differences. Where two results differ, the loop is run again with a rounding error in all its numbers; if
its own results differ as much, the program says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from choices import Choices
from loop_programs import Program
from loop_results import (
    WrongError,
    alike,
    gap,
    host,
    misused,
    owned,
    pairs,
    refusal,
    shaker,
    shaking,
    tolerance,
)
from loop_slopes import slopes
from loop_ways import WAYS, by_loop, by_scan, quiet, results
from numpy_steps import NUMPY, numpy_loop
from random_steps import written

import tinygrad_seq as ts
from tinygrad_seq import tree

MODES = [
    *["first"] * 8, *["second"] * 4, *["jvp"] * 3, "jvp of grad", "grad of jvp", "numpy", "slope", "slope2"
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A program, and how it is run; `active` and `dropped` are bits: see `tensors` and `first`."""

    program: Program
    mode: str
    seed: int
    active: int
    dropped: int

    def check(self) -> str:
        try:
            return check(self.program, self.mode, self.seed, self.active, self.dropped)
        except WrongError as error:
            raise WrongError(f"{error}\n{self}") from error

    def __repr__(self) -> str:
        how = f"# mode {self.mode}, seed {self.seed}, active {self.active}, dropped {self.dropped}"
        return f"{self.program}\n{how}"


def drawn(choices: Choices, must: str | None = None, mode: str | None = None) -> Case:
    """A random program, and a way to run it."""
    mode = mode or choices.one_of(MODES)
    active, dropped = choices.one_of([-1, -1, 1, 2, 5, 0]), choices.one_of([0, 0, 1, 2, 5])
    seed = choices.below(1000)
    return Case(written(choices, must, smooth=mode.startswith("slope")), mode, seed, active, dropped)


def try_one(choices: Choices, must: str | None = None, mode: str | None = None) -> str:
    """WrongError for a random program in which scan is not the loop; else what was seen."""
    return drawn(choices, must, mode).check()


def check(program: Program, mode: str, seed: int, active: int = -1, dropped: int = 0) -> str:
    """WrongError if scan is not the loop; else a word about what was seen."""
    if mode in ("slope", "slope2"):
        return slopes(program, mode, seed, active)
    if mode == "numpy" and not program.plain:
        return "not for NumPy"
    run = partial(results, program, WAYS[mode], seed=seed, active=active, dropped=dropped)
    word = compared(program, mode, run, program.arrays())
    if word == "equal" and seed % 4 == 0:  # again, while the results of the first run are kept
        found, _ = run(by_scan, program.arrays())
        before = [np.array(host(z)) for z in tree.leaves(found)]
        word = compared(program, mode, run, program.arrays(1))
        for a, b in zip(before, tree.leaves(found), strict=True):
            if not np.array_equal(a, host(b), equal_nan=a.dtype.kind == "f"):
                raise WrongError(f"a result of scan was {a} and became {host(b)} in a later run")
    return word


def of_numpy(program: Program, arrays):
    """The values of a program, computed by NumPy."""
    with quiet():
        return program.function(NUMPY)(numpy_loop, *arrays), arrays


def attempted(call, *args):
    """The value of a call, or the error that it raises."""
    try:
        return call(*args)
    except Exception as error:
        return error


def compared(program: Program, mode: str, run, arrays) -> str:
    """What a comparison of scan with the loop has shown."""
    expected = attempted(of_numpy, program, arrays) if mode == "numpy" else attempted(run, by_loop, arrays)
    failed = isinstance(expected, Exception)
    if failed and mode == "numpy":
        return "not for NumPy"
    if failed and not misused(program, expected):
        raise WrongError(f"the loop: {type(expected).__name__}: {expected}") from expected
    found = attempted(run, by_scan, arrays)
    if isinstance(found, Exception):
        if failed or refusal(program, found):
            return "both refused" if failed else "refused"
        raise WrongError(f"scan: {type(found).__name__}: {found}") from found
    if program.refused:
        raise WrongError("scan accepts what it has to refuse")
    if failed:
        return "the loop refused"
    alike(found[0], expected[0])
    word = apart(run, arrays, found[0], expected[0], mode)
    if word == "equal" and mode == "first":
        owned(*found, *expected)
    return word


def apart(run, arrays, found, expected, mode: str) -> str:
    """Why a difference of the numbers says nothing, or "equal"; else WrongError."""
    allowed = [tolerance(a.dtype, mode) * scale for a, _, scale in pairs(found, expected)]
    gaps = [gap(a, b) for a, b, _ in pairs(found, expected)]
    if not any(np.any(far > most) for far, most in zip(gaps, allowed, strict=True)):
        return "equal"
    for k in range(4):  # an element may differ by more if rounding errors change it as much
        shaken, _ = run(by_loop, shaking(arrays, k), names=shaker(k))
        spread = [20 * gap(a, b) for a, b, _ in pairs(shaken, expected)]
        allowed = list(map(np.maximum, allowed, spread))
    for i, (far, most) in enumerate(zip(gaps, allowed, strict=True)):
        if np.any(far > most):
            if not np.isfinite(far).all() and not finite(run, arrays):
                return "not finite"
            a, b, _ = pairs(found, expected)[i]
            raise WrongError(f"result {i}: scan {a}\nloop {b}\na difference of {far.max():.2e}")
    return "too sensitive"


def finite(run, arrays) -> bool:
    """Whether all numbers of the loop and of its derivatives are finite.

    If not, a cotangent of zeros, which scan has at the last step where the loop has none, may become NaN.
    """
    try:
        with ts.detect_anomaly():
            run(by_loop, arrays)
    except FloatingPointError:
        return False
    return True
