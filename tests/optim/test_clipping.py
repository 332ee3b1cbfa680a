"""Clipping by norm and by value, compared with the equations, also at special points."""

import math

import doors
import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim


def with_gradients(*gradients):
    ps = [nn.Parameter(np.zeros_like(g)) for g in gradients]
    for p, g in zip(ps, gradients, strict=True):
        p.grad = ts.tensor(g)
    return ps


def test_clipping_scales_all_gradients_to_the_norm():
    ps = with_gradients(np.array([3.0, 0.0]), np.array([[4.0], [12.0]]))
    norm = optim.clip_grad_norm_(ps, 1.0)
    assert norm == 13.0
    # on a device it is a tensor, for which the host does not wait
    assert isinstance(norm, float if doors.NAME == "numpy" else ts.Tensor)
    assert_allclose(ps[0].grad.numpy(), np.array([3.0, 0.0]) / 13, rtol=1e-15)
    assert_allclose(ps[1].grad.numpy(), np.array([[4.0], [12.0]]) / 13, rtol=1e-15)


@pytest.mark.parametrize("bound", [5.0, 5.1, np.inf])
def test_clipping_leaves_what_is_within_the_bound_alone_to_the_last_bit(bound):
    g = np.array([3.0, 4.0], np.float32)
    (p,) = with_gradients(g)
    assert optim.clip_grad_norm_([p], bound) == 5.0
    assert (p.grad.numpy() == g).all()


@pytest.mark.parametrize("clip", [optim.clip_grad_norm_, optim.clip_grad_value_])
def test_a_derivative_that_needs_the_gradient_before_clipping_is_an_error(clip):
    (p,) = with_gradients(np.array([3.0, 4.0]))
    penalty = (p.grad * p).sum()
    clip([p], 1.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        penalty.backward()


def test_clipping_counts_a_shared_parameter_once_and_skips_missing_gradients():
    p, q = with_gradients(np.array([3.0, 4.0]), np.array([7.0]))
    q.grad = None
    assert optim.clip_grad_norm_([p, q, p], 1.0) == 5.0
    assert q.grad is None
    assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-15)
    assert optim.clip_grad_norm_([q], 1.0) == 0.0
    assert optim.clip_grad_norm_([], 1.0) == 0.0


@pytest.mark.parametrize("size", [3e38, 1e-34])
def test_clipping_neither_overflows_nor_underflows_in_float32(size):
    g = np.array([3.0, 4.0], np.float32) * np.float32(size / 4)
    (p,) = with_gradients(g)
    norm = optim.clip_grad_norm_([p], size / 100)
    assert_allclose(norm, 1.25 * size, rtol=1e-6)
    assert_allclose(p.grad.numpy(), np.array([0.6, 0.8]) * size / 100, rtol=1e-5)
    assert p.grad.dtype == np.float32


@pytest.mark.parametrize("size", [1e-320, 1e-200, 1.0, 1e200, 1.5e308])
def test_clipping_neither_overflows_nor_underflows_in_float64(size):
    """Nor where one gradient is in float64 and another in float16."""
    ps = with_gradients(np.array([0.6, 0.0]) * size, np.array([[0.8]]) * size, np.zeros(1, np.float16))
    assert_allclose(optim.clip_grad_norm_(ps, np.inf), size, rtol=1e-3 if size < 1e-308 else 1e-15)
    optim.clip_grad_norm_(ps, size / 4)
    assert_allclose(ps[1].grad.numpy(), [[0.2 * size]], rtol=1e-3 if size < 1e-308 else 1e-15)


def test_the_unit_of_the_norm_rounds_nothing():
    """In units of a power of two the norm has the bits of the plain formula, where that does not overflow."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        g = rng.normal(size=100) * 10.0 ** rng.integers(-100, 100)
        assert optim.clip_grad_norm_(with_gradients(g), np.inf) == np.sqrt(np.sum(np.square(g)))


@pytest.mark.host("on a device nobody looks at the norm")
def test_a_norm_that_overflows_float64_raises():
    ps = with_gradients(np.array([1.7e308, 1.7e308]))
    with pytest.raises(FloatingPointError, match=r"norm inf"):
        optim.clip_grad_norm_(ps, 1.0)
    assert (ps[0].grad.numpy() == 1.7e308).all()


@pytest.mark.parametrize("scale", [1e-7, 1.0, 6e4])
def test_clipping_in_float16(scale):
    """The norm of 65,504 elements of 60,000 is above all numbers of float16, and so is a sum of squares."""
    g = np.full(65_504, scale, np.float16)
    (p,) = with_gradients(g)
    norm = optim.clip_grad_norm_([p], 256 * float(g[0]) * 0.5)
    assert_allclose(norm, math.sqrt(65_504) * float(g[0]), rtol=1e-12)
    assert_allclose(p.grad.numpy(), g * np.float16(0.5), rtol=2e-3, atol=6e-8)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float16, 1e5), (np.float32, 1e39)])
def test_a_bound_above_all_numbers_of_the_dtype_bounds_nothing(dtype, bound):
    (p,) = with_gradients(np.array([1.0, np.finfo(dtype).max, -np.inf, np.nan], dtype))
    optim.clip_grad_value_([p], bound)
    assert_array_equal(p.grad.numpy(), np.array([1.0, np.finfo(dtype).max, -np.inf, np.nan], dtype))


@pytest.mark.host("on a device nobody looks at the norm: see test_devices.py")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite_raises_or_skips(bad):
    ps = with_gradients(np.array([bad, 1.0]), np.array([2.0]))
    with pytest.raises(FloatingPointError, match=r"finite gradient, got one with norm (nan|inf)"):
        optim.clip_grad_norm_(ps, 1.0)
    assert (ps[1].grad.numpy() == 2.0).all()

    optimizer = optim.Adam(ps)
    assert not np.isfinite(optim.clip_grad_norm_(ps, 1.0, error_if_nonfinite=False))
    optimizer.step()
    assert all((p.numpy() == 0).all() for p in ps)
    assert all((m == 0).all() for m in optimizer.m)


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan])
def test_a_bound_must_be_positive(bound):
    with pytest.raises(ValueError, match=r"clip_grad_norm_ needs a number max_norm in \(0, inf\], got"):
        optim.clip_grad_norm_([], bound)


# --- by value -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_by_value_bounds_every_element(dtype):
    ps = with_gradients(np.array([3.0, -0.5, -2.0], dtype), np.array([[2.0], [-1e30]], dtype))
    memory = ps[0].grad.data
    assert optim.clip_grad_value_(ps, 2.0) is None
    assert (ps[0].grad.numpy() == [2.0, -0.5, -2.0]).all()
    assert (ps[1].grad.numpy() == [[2.0], [-2.0]]).all()
    assert ps[0].grad.dtype == dtype
    assert np.shares_memory(memory, ps[0].grad.data)


def test_clipping_by_value_at_its_awkward_points():
    p, q = with_gradients(np.array([np.inf, -np.inf, np.nan, 1.0]), np.array([7.0]))
    q.grad = None
    optim.clip_grad_value_([p, q, p], 2.0)
    assert_array_equal(p.grad.numpy(), [2.0, -2.0, np.nan, 1.0])
    assert q.grad is None
    optim.clip_grad_value_([p], np.inf)
    assert_array_equal(p.grad.numpy(), [2.0, -2.0, np.nan, 1.0])


@pytest.mark.parametrize("bound", [0.0, -1.0, np.nan])
def test_a_bound_of_values_must_be_positive(bound):
    with pytest.raises(ValueError, match=r"clip_grad_value_ needs a number max_value in \(0, inf\], got"):
        optim.clip_grad_value_([], bound)
