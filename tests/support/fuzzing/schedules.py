"""Gradient clipping, and schedules of the learning rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import EITHER, INVALID, extended
from fuzzing.optimizers import SPECIAL, options_of, parameters
from tinygrad_seq import optim

# --- clipping ---------------------------------------------------------------------------------------------


def with_gradients(d: Draw, special) -> list[ts.Tensor]:
    before, ps = d.verdict, parameters(d, special)
    if isinstance(ps, list) and not ps:  # of no parameters there is nothing to clip
        d.verdict, d.values["gradients"] = before, [[]]
    if isinstance(ps, list) and "gradients" in d.values:
        for p, g in zip(ps, d.values["gradients"][0], strict=True):
            if g is not None:
                p.grad = ts.tensor(g)
    return ps


def gradients_of(ps: list[ts.Tensor]) -> list[Any]:
    return [p.grad.detach() for p in ps if p.grad is not None]


@subject("clip_grad_norm_", 200)
def clip_norm(d: Draw) -> Call:
    limit = d.number("max_norm", [0.5, 1, 100.0, math.inf], "(0, inf]")
    ps = with_gradients(d, [0.0, 1e4, 1e-4, 1e18])
    norm = optim.clip_grad_norm_(ps, limit)

    def oracle(v: Values):
        gs = [extended(g) for g in v.gradients[0] if g is not None]
        norm = np.sqrt(sum((np.sum(g * g) for g in gs), np.longdouble(0)))
        factor = 1 if norm <= v.max_norm else v.max_norm / norm
        return [norm, *(g * factor for g in gs)]

    found = gradients_of(ps)
    return Call([np.float64(norm), *found], oracle, dtype=["f8", *(g.dtype for g in found)], derivative=False)


@subject("clip_grad_value_", 120)
def clip_value(d: Draw) -> Call:
    limit = d.number("max_value", [0.5, 1, 100.0, math.inf], "(0, inf]")
    ps = with_gradients(d, SPECIAL)
    optim.clip_grad_value_(ps, limit)

    def oracle(v: Values):
        return [np.clip(extended(g), -v.max_value, v.max_value) for g in v.gradients[0] if g is not None]

    found = gradients_of(ps)
    return Call(found, oracle, dtype=[g.dtype for g in found], derivative=False)


# --- schedules --------------------------------------------------------------------------------------------


def scheduled(d: Draw, make: Any, formula: Any) -> Call:
    schedule = make()
    times = [0, 1, 2, 5, 100]
    found = [np.float64(schedule(t)) for t in times]
    return Call(found, lambda v: [np.float64(formula(t, v)) for t in times], dtype="f8")


RATE = ([0.1, 1, 1e-3], "[0, inf)")


@subject("constant", 60)
def constant(d: Draw) -> Call:
    lr = d.number("lr", *RATE)
    return scheduled(d, lambda: optim.constant(lr), lambda t, v: v.lr)


@subject("step_decay", 120)
def step_decay(d: Draw) -> Call:
    lr, every = d.number("lr", *RATE), d.integer("every", [1, 2, 3])
    options = options_of(d, factor=([0.1, 0.5, 1, 0], "[0, inf)"))
    factor = lambda v: v.get("factor", 0.1)  # noqa: E731
    return scheduled(
        d, lambda: optim.step_decay(lr, every, **options), lambda t, v: v.lr * factor(v) ** (t // v.every)
    )


@subject("cosine", 120)
def cosine(d: Draw) -> Call:
    lr, steps = d.number("lr", *RATE), d.integer("steps", [1, 4, 30])
    options = options_of(d, final=([0.0, 0.01], "[0, inf)"))

    def formula(t, v):
        final = v.get("final", 0)
        return final if t >= v.steps else final + (v.lr - final) * (1 + math.cos(math.pi * t / v.steps)) / 2

    return scheduled(d, lambda: optim.cosine(lr, steps, **options), formula)


@subject("warmup", 120)
def warmup(d: Draw) -> Call:
    steps = d.integer("steps", [0, 1, 3], "[0, inf)")
    inner = optim.cosine(0.5, 10)
    if d.chance(0.05):
        d.judged(EITHER)
        inner = d.given("schedule", d.one_of([0.1, None, "cosine"]), None)
        d.judged(INVALID)

    def formula(t, v):
        return inner(0) * (t + 1) / (v.steps + 1) if t < v.steps else inner(t - v.steps)

    return scheduled(d, lambda: optim.warmup(steps, inner), formula)
