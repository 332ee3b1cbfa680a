"""Schedules of the learning rate: functions of the number of completed steps, 0 before the first.

They have no state. An optimizer counts its steps and saves the count, so that a resumed run continues at the
same point:

    schedule = optim.warmup(100, optim.cosine(1e-3, steps=5000))
    ...
    optimizer.lr = schedule(optimizer.steps)  # before every step
    optimizer.step()

Raises TypeError or ValueError for a negative rate or factor, and for a number of steps that is not an integer
or too small.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer, number

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """lr(t) = lr.

    >>> constant(0.5)(100)
    0.5
    """
    lr = number("constant", "lr", lr, "[0, inf)")
    return lambda t: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """lr(t) = lr factor^floor(t / every): multiplied by `factor` after every `every` steps.

    >>> schedule = step_decay(1.0, every=2, factor=0.5)
    >>> [schedule(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    lr = number("step_decay", "lr", lr, "[0, inf)")
    every = integer("step_decay", "every", every, "[1, inf)")
    factor = number("step_decay", "factor", factor, "[0, inf)")
    return lambda t: lr * factor ** (t // every)


def cosine(lr: float, steps: int, final: float = 0.0) -> Schedule:
    """lr(t) = final + (lr - final) (1 + cos(pi t / steps)) / 2, and final from t = steps on.

    (Loshchilov & Hutter 2017, SGDR, without restarts.)

    >>> schedule = cosine(1.0, steps=4)
    >>> [round(schedule(t), 3) for t in (0, 1, 2, 3, 4, 100)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    lr = number("cosine", "lr", lr, "[0, inf)")
    steps = integer("cosine", "steps", steps, "[1, inf)")
    final = number("cosine", "final", final, "[0, inf)")
    return lambda t: final + (lr - final) * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2


def warmup(steps: int, schedule: Schedule) -> Schedule:
    """A linear rise, over `steps` steps, to the first value of `schedule`; then `schedule`.

        lr(t) = schedule(0) (t + 1) / (steps + 1)   for t < steps
        lr(t) = schedule(t - steps)                 from then on

    >>> schedule = warmup(3, constant(1.0))
    >>> [schedule(t) for t in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    steps = integer("warmup", "steps", steps, "[0, inf)")
    if not callable(schedule):
        raise TypeError(
            f"warmup needs a schedule, got {describe(schedule)}; write optim.constant({schedule!r})"
        )
    return lambda t: schedule(0) * (t + 1) / (steps + 1) if t < steps else schedule(t - steps)
