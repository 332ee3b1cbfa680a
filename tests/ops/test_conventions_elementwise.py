"""The elementwise functions at their kinks, ties, jumps and poles, and against complex steps.

As in `test_conventions.py`, each convention is tested in value and in gradient. For an analytic function f,
f(x + ih) = f(x) + ih f'(x) + O(h^2): with a tiny h the imaginary part is the derivative, and nothing cancels.
"""

import math

import numpy as np
import pytest
from points import INF, NAN, gradient, leaf, nth
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts

STEP = 1e-30
INSIDE = np.array([-0.999, -0.7, -0.3, -1e-8, 1e-8, 0.2, 0.9, 0.999999])
ANYWHERE = np.array([-30.0, -3.1, -0.7, -1e-8, 1e-8, 0.3, 1.5707, 1.6, 20.0])
LARGE = np.array([1.000001, 1.1, 2.0, 30.0, 1e8])
POINTS = {
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), INSIDE),
    **dict.fromkeys(("tan", "sinh", "cosh", "arctan", "arcsinh", "exp2", "reciprocal"), ANYWHERE),
    **dict.fromkeys(("log2", "log10", "arccosh"), LARGE),
}


@pytest.mark.parametrize("name", POINTS)
def test_a_derivative_is_that_of_a_complex_step(name):
    x = POINTS[name]
    exact = getattr(np, name)(x + 1j * STEP).imag / STEP
    assert_allclose(gradient(getattr(ts, name), x)[1], exact, rtol=1e-14)


@pytest.mark.parametrize("order", range(5))
def test_sinc_has_its_derivatives_near_zero_and_far_from_it(order):
    """sinc x is the mean of cos(pi x t) over 0 <= t <= 1, here by Gauss's quadrature."""
    t, weights = np.polynomial.legendre.leggauss(60)
    t, weights = (t + 1) / 2, weights / 2
    x = np.array([-7.5, -1.0, -0.3, 0.0, 1e-9, 1e-3, 0.1, 0.2999999, 0.3000001, 0.5, 2.0, 11.0])
    waves = (math.pi * t) ** order * np.cos(math.pi * np.outer(x, t) + order * math.pi / 2)
    assert_allclose(nth(ts.sinc, x, order), waves @ weights, rtol=1e-10, atol=1e-10)


# --- kinks and ties -----------------------------------------------------------------------------------


def test_fmax_and_fmin_share_a_tie_and_ignore_nan():
    for f, (first, second) in (
        (ts.fmax, ([0, 0.5, 1, 0, 1, 0.5], [1, 0.5, 0, 1, 0, 0.5])),
        (ts.fmin, ([1, 0.5, 0, 0, 1, 0.5], [0, 0.5, 1, 1, 0, 0.5])),
    ):
        z, dx, dy = gradient(f, [1.0, 2.0, 3.0, NAN, -INF, 0.0], [2.0, 2.0, 2.0, 2.0, NAN, -0.0])
        assert_array_equal(z[3:5], [2.0, -INF])
        assert_array_equal([dx, dy], [first, second])


def test_fmax_of_two_nan_has_no_derivative():
    z, dx, dy = gradient(ts.fmax, [NAN], [NAN])
    assert np.isnan(z)
    assert_array_equal([dx, dy], [[0.0], [0.0]])


def test_fabs_and_copysign_at_zero():
    assert_array_equal(gradient(ts.fabs, [-2.0, -0.0, 0.0, 2.0])[1], [-1, 0, 0, 1])
    z, dx, dy = gradient(ts.copysign, [2.0, -2.0, 0.0, 2.0], [-0.0, 3.0, -1.0, -INF])
    assert_array_equal(z, [-2.0, 2.0, -0.0, -2.0])
    assert_array_equal(dx, [-1.0, -1.0, 0.0, -1.0])
    assert_array_equal(dy, np.zeros(4))


def test_heaviside_depends_on_its_value_at_zero_only():
    z, dx, dh = gradient(ts.heaviside, [-1.0, 0.0, -0.0, 2.0, NAN], np.full(5, 0.25))
    assert_array_equal(z, [0.0, 0.25, 0.25, 1.0, NAN])
    assert_array_equal(dx, np.zeros(5))
    assert_array_equal(dh, [0.0, 1.0, 1.0, 0.0, 0.0])


def test_nan_to_num_has_no_derivative_where_it_replaces():
    z, dx = gradient(lambda x: ts.nan_to_num(x, nan=5.0, posinf=6.0, neginf=-7.0), [NAN, INF, -INF, 2.0])
    assert_array_equal(z, [5.0, 6.0, -7.0, 2.0])
    assert_array_equal(dx, [0.0, 0.0, 0.0, 1.0])
    most = np.finfo("f4").max
    assert_array_equal(ts.nan_to_num(ts.tensor([-INF, INF, NAN])).numpy(), [-most, most, 0.0])


# --- jumps --------------------------------------------------------------------------------------------


def test_a_remainder_has_the_derivatives_1_and_minus_the_quotient():
    """At a jump, too: 6 mod 3."""
    x, y = [7.0, -7.0, 7.0, -7.0, 6.0], [3.0, 3.0, -3.0, -3.0, 3.0]
    for f, values, slopes in (
        (ts.remainder, [1.0, 2.0, -2.0, -1.0, 0.0], [-2.0, 3.0, 3.0, -2.0, -2.0]),
        (ts.fmod, [1.0, -1.0, 1.0, -1.0, 0.0], [-2.0, 2.0, 2.0, -2.0, -2.0]),
    ):
        z, dx, dy = gradient(f, x, y)
        assert_array_equal([z, dx, dy], [values, np.ones(5), slopes])
        assert_array_equal(nth(lambda x, f=f: f(x, 3.0) * x, x, 2), np.full(5, 2.0))


def test_a_remainder_of_a_division_by_zero():
    """NaN, as the derivative with respect to y is not finite; x keeps its derivative."""
    z, dx, dy = gradient(ts.remainder, [1.0], [0.0])
    assert np.isnan(z)
    assert dx == 1.0
    assert not np.isfinite(dy)
    _, _, dy = gradient(lambda x, y: ts.where(y > 0, ts.remainder(x, y), 0.0), [1.0, 5.0], [0.0, 2.0])
    assert_array_equal(dy, [0.0, -2.0])


def test_the_parts_of_an_infinite_number():
    whole, part = (ts.modf(leaf([INF, -INF, -2.0]))[i].numpy() for i in (1, 0))
    assert_array_equal(whole, [INF, -INF, -2.0])
    assert_array_equal(part, [0.0, -0.0, -0.0])
    assert_array_equal(np.signbit(part), [False, True, True])


@pytest.mark.parametrize("f", [np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.signbit])
def test_rounding_leaves_the_tape(f):
    t = leaf([1.5, -0.5])
    assert not f(t).requires_grad
    assert_array_equal(f(t).numpy(), f(t.numpy()))


def test_the_parts_of_a_real_number():
    t = leaf([-2.0, 0.0, -0.0, NAN, INF])
    assert np.real(t) is t
    assert not np.imag(t).requires_grad
    angle = np.angle(t)
    assert_array_equal(angle.numpy(), [np.pi, 0.0, np.pi, NAN, 0.0])
    assert not angle.requires_grad


# --- poles and ends -----------------------------------------------------------------------------------


def test_inverse_functions_at_the_ends_of_their_domains():
    for f, x, values, slopes in (
        (ts.arcsin, [1.0, -1.0, 2.0], [math.pi / 2, -math.pi / 2, NAN], [INF, INF, NAN]),
        (ts.arccos, [1.0, -1.0, 2.0], [0.0, math.pi, NAN], [-INF, -INF, NAN]),
        (ts.arctanh, [1.0, -1.0], [INF, -INF], [INF, INF]),
        (ts.arccosh, [1.0, 0.5, -2.0], [0.0, NAN, NAN], [INF, NAN, NAN]),
        (ts.log2, [0.0], [-INF], [INF]),
        (ts.log10, [0.0], [-INF], [INF]),
        (ts.cbrt, [0.0, -8.0], [0.0, -2.0], [INF, 1 / 12]),
        (ts.reciprocal, [0.0, -0.0], [INF, -INF], [-INF, -INF]),
    ):
        z, dx = gradient(f, x)
        assert_allclose(z, values, rtol=1e-15)
        assert_allclose(dx, slopes, rtol=1e-15)


def test_derivatives_of_huge_numbers_do_not_overflow():
    x = [1e200, -1e200]
    assert_allclose(gradient(ts.arcsinh, x)[1], [1e-200, 1e-200])
    assert_allclose(gradient(ts.arccosh, x[:1])[1], [1e-200])
    assert_allclose(gradient(ts.hypot, x, [1e200, 0.0])[1:], [[0.5**0.5, -1.0], [0.5**0.5, 0.0]])


def test_hypot_at_the_origin_has_no_derivative():
    z, dx, dy = gradient(ts.hypot, [0.0, 3.0], [0.0, 4.0])
    assert_array_equal(z, [0.0, 5.0])
    assert_allclose([dx, dy], [[0.0, 0.6], [0.0, 0.8]])


def test_logaddexp2_is_stable_and_masks():
    z, dx, dy = gradient(ts.logaddexp2, [1e4, -1e4, -INF, -INF, INF], [1e4, 1e4, 3.0, -INF, 2.0])
    assert_array_equal(z, [1e4 + 1, 1e4, 3.0, -INF, INF])
    assert_array_equal(dx, [0.5, 0.0, 0.0, 0.0, 1.0])
    assert_array_equal(dy, [0.5, 1.0, 1.0, 0.0, 0.0])


# --- operators ----------------------------------------------------------------------------------------


def test_operators_of_division_and_bits():
    t, n = leaf([7.0, -7.0]), ts.tensor([5, 6])
    assert_array_equal((t // 2).numpy(), [3.0, -4.0])
    assert_array_equal((t % 4).numpy(), [3.0, 1.0])
    assert_array_equal((9 // t).numpy(), [1.0, -2.0])
    assert_array_equal((9 % t).numpy(), [2.0, -5.0])
    assert_array_equal(np.array([part.numpy() for part in divmod(t, 4)]), [[1.0, -2.0], [3.0, 1.0]])
    assert_array_equal(np.array([part.numpy() for part in divmod(9, t)]), [[1.0, -2.0], [2.0, -5.0]])
    assert_array_equal((n ^ 3).numpy(), [6, 5])
    assert_array_equal((3 ^ n).numpy(), [6, 5])
    assert_array_equal((n << 1).numpy(), [10, 12])
    assert_array_equal((1 << n).numpy(), [32, 64])
    assert_array_equal((n >> 1).numpy(), [2, 3])
    assert_array_equal((64 >> n).numpy(), [2, 1])
    assert_array_equal(round(t / 3).numpy(), [2.0, -2.0])
    assert_array_equal(round(t / 3, 1).numpy(), [2.3, -2.3])
    assert math.floor(t[1] / 2) == -4


def test_operators_in_place_make_a_new_tensor_and_refuse_a_leaf():
    for symbol, value in (("//", [1.0]), ("%", [3.0])):
        t = leaf([7.0])
        with pytest.raises(RuntimeError, match=f"{symbol}= would replace a leaf"):
            exec(f"t {symbol}= 4", {"t": t})
        scope = {"t": t * 1.0}
        exec(f"t {symbol}= 4", scope)
        assert_array_equal(scope["t"].numpy(), value)
    for symbol, value in (("^", [6]), ("<<", [40]), (">>", [0])):
        scope = {"t": ts.tensor([5])}
        exec(f"t {symbol}= 3", scope)
        assert_array_equal(scope["t"].numpy(), value)
