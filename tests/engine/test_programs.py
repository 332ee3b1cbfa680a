"""Random programs: graphs that nobody would think of, held against finite differences and forward mode.

A program is a list of steps; each applies an op to values that are there already, inputs among them, and
appends its results. Values are used once, often, or never; sides of diamonds have any length.
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from random_programs import MANY, SHAPE, STEPS, run
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.testing import check_grad
from tinygrad_seq.testing.differences import inner, noise, size_of


@MANY
@given(STEPS, st.integers(0, 2**32 - 1))
def test_programs(steps, seed):
    rng = np.random.default_rng(seed)
    inputs = [noise(rng, SHAPE) for _ in range(2)]

    def program(x, y):
        return run(steps, x, y)

    check_grad(program, *inputs, order=2, seed=seed)


@MANY
@given(STEPS, st.integers(0, 2**32 - 1))
def test_forward_and_reverse_agree(steps, seed):
    rng = np.random.default_rng(seed)
    inputs, tangents = ([noise(rng, SHAPE) for _ in range(2)] for _ in range(2))
    xs = [ts.tensor(a, requires_grad=True) for a in inputs]
    zs, dzs = ts.jvp(lambda *xs: run(steps, *xs), xs, tangents)
    gs = [noise(rng, z.shape) for z in zs]
    grads = [g.numpy() for g in ts.grad(zs, xs, gs, zeros=True)]
    left, right = inner(gs, [dz.numpy() for dz in dzs]), inner(grads, tangents)
    assert abs(left - right) <= 1e-10 * size_of(grads, tangents)


@MANY
@given(STEPS, st.integers(0, 2**32 - 1))
def test_backward_is_grad_and_create_graph_changes_no_number(steps, seed):
    rng = np.random.default_rng(seed)
    inputs = [noise(rng, SHAPE) for _ in range(2)]
    results = []
    for create_graph in (False, True):
        xs = [ts.tensor(a, requires_grad=True) for a in inputs]
        zs = run(steps, *xs)
        weights = [noise(np.random.default_rng([seed, i]), SHAPE) for i in range(len(zs))]
        found = ts.grad(zs, xs, weights, create_graph=True, zeros=True)
        ts.stack([(z * w).sum() for z, w in zip(zs, weights, strict=True)]).sum().backward(
            create_graph=create_graph
        )
        for x, dx, a in zip(xs, found, inputs, strict=True):
            backward = np.zeros(SHAPE) if x.grad is None else x.grad.numpy()
            assert_allclose(backward, dx.numpy(), rtol=1e-12, atol=1e-12)
            assert_array_equal(x.numpy(), a)
        results.append([dx.numpy() for dx in found])
        for x in xs:
            x.zero_grad()  # gradients under create_graph hold the tape
    assert_array_equal(results[0], results[1])
