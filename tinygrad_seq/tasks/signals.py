"""Tasks on numbers: a sum, and signals to predict or to generate."""

from __future__ import annotations

import numpy as np

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.init import Rng


def adding(length: int, batch: int, *, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """What is the sum of the two marked numbers? xs (T, B, 2), and sums (B, 1).

    A step holds a number in [0, 1) and a mark, 0 or 1. One number of the first half is marked, and one of the
    second (Hochreiter & Schmidhuber 1997; in this form Le, Jaitly & Hinton 2015). The constant answer 1 has a
    mean squared error of 1/6. float32. Raises ValueError if length < 2.

    >>> xs, sums = adding(6, 1, rng=0)
    >>> xs[:, 0].T.round(2), sums.round(2)
    (array([[0.64, 0.27, 0.04, 0.02, 0.81, 0.91],
           [0.  , 1.  , 0.  , 0.  , 1.  , 0.  ]], dtype=float32), array([[1.08]], dtype=float32))
    """
    length = integer("adding", "length", length, "[2, inf)")
    batch = integer("adding", "batch", batch, "[0, inf)")
    rng = np.random.default_rng(rng)
    xs = np.zeros((length, batch, 2), np.float32)
    xs[:, :, 0] = rng.random((length, batch))
    for first, last in ((0, length // 2), (length // 2, length)):
        xs[rng.integers(first, last, batch), np.arange(batch), 1] = 1
    return xs, xs.prod(-1).sum(0)[:, None]


def narma10(steps: int, *, rng: Rng = None) -> tuple[np.ndarray, np.ndarray]:
    """A nonlinear system with a memory of ten steps: its inputs u and its outputs y, each (T, 1, 1).

        y_{t+1} = 0.3 y_t + 0.05 y_t sum_{i=0}^{9} y_{t-i} + 1.5 u_{t-9} u_t + 0.1,   u_t ~ U(0, 0.5)

    Step t holds u_t and y_{t+1} (Atiya & Parlos 2000). float64. The system can diverge: a sequence that reaches
    1 is drawn again.

    >>> u, y = narma10(200, rng=0)
    >>> u.shape, bool((y < 1).all())
    ((200, 1, 1), True)
    """
    steps, rng = integer("narma10", "steps", steps, "[0, inf)"), np.random.default_rng(rng)
    while True:
        u, y = rng.uniform(0, 0.5, steps + 10), np.zeros(steps + 11)
        for t in range(9, steps + 10):
            y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * y[t - 9 : t + 1].sum() + 1.5 * u[t - 9] * u[t] + 0.1
        if (y < 1).all():
            return u[10:, None, None], y[11:, None, None]


def mackey_glass(steps: int, *, tau: int = 17, rng: Rng = None) -> np.ndarray:
    """A chaotic series, (T, 1, 1): dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x, sampled at steps of 1.

    (Mackey & Glass 1977.) Integrated by the Runge-Kutta method in steps of 0.1, from a constant history near
    1.2; the first 1,000 samples are left out. float64.

    >>> x = mackey_glass(500, rng=0)
    >>> x.shape, bool((x > 0.2).all() and (x < 1.4).all())
    ((500, 1, 1), True)
    """
    steps = integer("mackey_glass", "steps", steps, "[0, inf)")
    tau = integer("mackey_glass", "tau", tau, "[1, inf)")
    rng, step = np.random.default_rng(rng), 0.1
    delay, skipped = round(tau / step), 1000
    x = np.full(delay + 1 + (skipped + steps) * 10, 1.2 + 0.1 * rng.random())

    def slope(x, delayed):
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * x

    for t in range(delay, len(x) - 1):
        then, later = x[t - delay], x[t - delay + 1]
        between = (then + later) / 2
        k1 = slope(x[t], then)
        k2 = slope(x[t] + step / 2 * k1, between)
        k3 = slope(x[t] + step / 2 * k2, between)
        k4 = slope(x[t] + step * k3, later)
        x[t + 1] = x[t] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[delay + skipped * 10 :: 10][:steps, None, None]


def waveform(steps: int = 320, *, rng: Rng = None) -> np.ndarray:
    """A waveform to memorize, (T, 1, 1), within -1 ... 1: a made-up note of eight partials.

    (For the task of Koutnik et al. 2014: to generate 320 samples of music without an input.) float32.

    >>> wave = waveform(rng=0)
    >>> wave.shape, float(np.abs(wave).max())
    ((320, 1, 1), 1.0)
    """
    steps = integer("waveform", "steps", steps, "[1, inf)")
    rng, t = np.random.default_rng(rng), np.arange(steps) / steps
    pitches = 2.0 + np.sort(rng.uniform(0, 22, 8))
    wave = sum(
        rng.uniform(0.3, 1) * np.sin(2 * np.pi * (pitch * t + rng.random())) * np.exp(-rng.uniform(0, 2) * t)
        for pitch in pitches
    )
    return (wave / np.abs(wave).max()).astype(np.float32)[:, None, None]
