"""Derivatives of scan against differences of the Python loop: of its values, or of its first derivatives."""

from __future__ import annotations

from functools import partial

import numpy as np
from loop_programs import Program
from loop_results import WrongError, flat, refusal
from loop_ways import by_loop, by_scan, directions, floats, gradient, moving, pulled, quiet, tensors, value

import tinygrad_seq as ts
from tinygrad_seq import tree

STEPS = 1e-3, 2.5e-4  # the quotients of two steps have to agree; else there is a kink, or too large a curvature
TOLERANCE = 1e-5


def smooth(program: Program) -> bool:
    """Whether differences can tell anything: in float64, without ties, where nothing stops a gradient."""
    doubles = {"f8", "i8", "?"}.issuperset(program.dtypes)
    return doubles and program.honest and not program.refused and not any(g.even for g in program.given)


def slopes(program: Program, mode: str, seed: int, active: int) -> str:
    """WrongError if the first derivatives (`slope`) or the second ones (`slope2`) are not the slopes."""
    arrays, f = program.arrays(), program.function()
    by = [i for i, g in enumerate(program.given) if g.gradient and active >> i & 1]
    if not by or not smooth(program):
        return "not smooth"
    along = directions([arrays[i] for i in by], seed)
    moved = dict(zip(by, along, strict=True))

    def at(t: float) -> np.ndarray:
        xs = tensors(program, [a + t * moved[i] if i in moved else a for i, a in enumerate(arrays)], active)
        if mode == "slope":
            return flat(floats(f(by_loop, *xs)))
        return flat(gradient(partial(f, by_loop), xs, create_graph=False))

    try:
        with quiet():
            rough, slope = ((at(-2 * h) - 8 * at(-h) + 8 * at(h) - at(2 * h)) / (12 * h) for h in STEPS)
    except Exception:
        return "the loop refused"
    scale = 1 + np.abs(slope).max(initial=0)
    if not slope.size or not np.abs(rough - slope).max() < 1e-7 * scale:
        return "not smooth"
    try:
        with quiet():
            pairs = derivatives(mode, partial(f, by_scan), tensors(program, arrays, active), along, slope, seed)
    except Exception as error:
        if refusal(program, error):
            return "refused"
        raise WrongError(f"scan: {type(error).__name__}: {error}") from error
    for what, found, wanted in pairs:
        if not np.abs(found - wanted).max() < TOLERANCE * scale * (1 + np.size(slope) * (np.ndim(found) == 0)):
            raise WrongError(f"{what}: {found}\ndifferences {wanted}")
    return "equal"


def derivatives(mode: str, f, xs, along, slope: np.ndarray, seed: int) -> list[tuple]:
    """What has to agree: the name of a derivative along a direction, its value, and that of the differences."""
    of, by = moving(f, xs)
    if not by:
        return []
    if mode == "slope2":
        return [
            (
                "slope2: second derivative",
                flat(tree.leaves(ts.hvp(lambda *parts: value(of(*parts), parts), by, along))),
                slope,
            )
        ]
    tangents = ts.jvp(of, by, along)[1]
    weights = directions(tangents, seed)
    grads = pulled(floats(f(*xs)), [x for x in xs if x.requires_grad], seed)
    return [
        ("slope: forward mode", flat(tangents), slope),
        ("slope: gradient", np.sum(flat(grads) * flat(along)), np.sum(slope * flat(weights))),
    ]
