"""Schedules of the learning rate: their values, and that a run with one resumes exactly."""

import math

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn, optim


def values(schedule, steps):
    return [schedule(t) for t in range(steps)]


def test_constant():
    assert values(optim.constant(0.3), 3) == [0.3] * 3


def test_step_decay_multiplies_after_every_so_many_steps():
    assert_allclose(values(optim.step_decay(2.0, every=3), 7), [2, 2, 2, 0.2, 0.2, 0.2, 0.02])
    assert_allclose(values(optim.step_decay(2.0, every=1, factor=0.5), 3), [2, 1, 0.5])


def test_cosine_falls_from_lr_to_final_and_stays():
    schedule = optim.cosine(1.0, steps=10, final=0.2)
    assert schedule(0) == 1.0
    assert schedule(10) == schedule(11) == schedule(1000) == 0.2
    assert_allclose(schedule(5), 0.6, rtol=1e-15)
    assert_allclose(schedule(3), 0.2 + 0.8 * (1 + math.cos(0.3 * math.pi)) / 2, rtol=1e-15)
    assert all(a > b for a, b in zip(values(schedule, 10), values(schedule, 11)[1:], strict=True))
    assert optim.cosine(1.0, steps=10)(10) == 0.0


@pytest.mark.parametrize(
    "schedule", [optim.constant(0.5), optim.step_decay(1.0, every=2), optim.cosine(1.0, steps=6)]
)
def test_warmup_rises_in_a_line_and_then_follows(schedule):
    warm = optim.warmup(4, schedule)
    assert_allclose(np.diff(values(warm, 5)), schedule(0) / 5, rtol=1e-12)
    assert_allclose(warm(0), schedule(0) / 5, rtol=1e-12)
    assert [warm(4 + t) for t in range(8)] == values(schedule, 8)
    assert values(optim.warmup(0, schedule), 8) == values(schedule, 8)


def test_a_run_with_a_schedule_resumes_exactly():
    schedule = optim.warmup(3, optim.cosine(0.1, steps=6))

    def run(steps, p, optimizer):
        rates = []
        for _ in range(steps):
            p.grad = ts.tensor(np.cos(p.numpy() + optimizer.steps))
            optimizer.lr = schedule(optimizer.steps)
            optimizer.step()
            rates.append(optimizer.lr)
        return rates

    p = nn.Parameter(np.arange(4.0))
    whole = run(10, p, optim.Adam([p]))
    assert whole == values(schedule, 10)

    q = nn.Parameter(np.arange(4.0))
    first = optim.Adam([q])
    rates = run(5, q, first)
    r = nn.Parameter(q.numpy())
    second = optim.Adam([r])
    second.load_state_dict(first.state_dict())
    assert rates + run(5, r, second) == whole
    assert (r.numpy() == p.numpy()).all()
