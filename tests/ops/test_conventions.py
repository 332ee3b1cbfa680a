"""The conventions at special points: ties, kinks, zeros, infinities, masks.

The laws avoid these points by construction, because the derivative there is a convention. Each convention is
tested here, in value and gradient.
"""

import numpy as np
import pytest
from points import INF, NAN, gradient, leaf, nth
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts

# --- power --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("n", range(5))
def test_power_with_a_whole_exponent_has_the_derivatives_of_a_polynomial(n, order):
    """Also at 0 and for negative bases: n (n - 1) ... x^(n - order), and 0 for an order above n."""
    x = np.array([-2.0, 0.0, 3.0])
    polynomial = np.polynomial.Polynomial([0.0] * n + [1.0]).deriv(order)
    for exponent in (n, float(n), np.full(3, float(n))):
        assert_allclose(nth(lambda x, p=exponent: x**p, x, order), polynomial(x), atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_zero_to_a_power_is_constant_in_the_exponent(order):
    assert np.all(nth(lambda p: 0.0**p, [0.0, 0.5, 1.0, 2.0], order) == 0)
    assert np.all(nth(lambda p: leaf(np.zeros(4)) ** p, [0.0, 0.5, 1.0, 2.0], order) == 0)


def test_zero_to_the_zero():
    z, dx, dp = gradient(ts.power, [0.0], [0.0])
    assert_array_equal([z, dx, dp], [[1.0], [0.0], [0.0]])


def test_roots_at_zero_have_an_infinite_slope():
    z, dx, dp = gradient(ts.power, [0.0], [0.5])
    assert_array_equal([z, dx, dp], [[0.0], [INF], [0.0]])


def test_a_negative_base_has_no_real_derivative_in_the_exponent():
    z, dx, dp = gradient(ts.power, [-2.0], [3.0])
    assert_allclose([z, dx], [[-8.0], [12.0]])
    assert np.isnan(dp)


def test_a_negative_exponent_at_zero():
    z, dx, _ = gradient(ts.power, [0.0], [-1.0])
    assert z == INF
    assert dx == -INF


# --- kinks and ties -----------------------------------------------------------------------------------


def test_sqrt_at_zero():
    z, dx = gradient(ts.sqrt, [0.0, 4.0])
    assert_array_equal([z, dx], [[0.0, 2.0], [INF, 0.25]])


def test_abs_and_relu_at_zero():
    assert_array_equal(gradient(ts.abs, [-2.0, -0.0, 0.0, 2.0])[1], [-1, 0, 0, 1])
    assert_array_equal(gradient(ts.relu, [-2.0, -0.0, 0.0, 2.0])[1], [0, 0, 0, 1])


def test_maximum_and_minimum_share_a_tie():
    for f, (first, second) in (
        (ts.maximum, ([0, 0.5, 1], [1, 0.5, 0])),
        (ts.minimum, ([1, 0.5, 0], [0, 0.5, 1])),
    ):
        _, dx, dy = gradient(f, [1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
        assert_array_equal(dx, first)
        assert_array_equal(dy, second)


def test_max_shares_a_tie_equally():
    z, dx = gradient(lambda x: ts.max(x, axis=1), [[3.0, 1.0, 3.0], [2.0, 2.0, 2.0], [1.0, 5.0, 2.0]])
    assert_array_equal(z, [3.0, 2.0, 5.0])
    assert_allclose(dx, [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3], [0, 1, 0]])
    assert_allclose(gradient(ts.max, np.zeros((2, 2)))[1], np.full((2, 2), 0.25))


def test_max_shares_a_tie_in_forward_mode_too():
    _, dz = ts.jvp(ts.max, [leaf([1.0, 1.0, 0.0])], [np.array([1.0, 3.0, 9.0])])
    assert dz.item() == 2.0


def test_max_over_nan_is_nan_and_has_no_derivative():
    z, dx = gradient(lambda x: ts.max(x, axis=1), [[1.0, NAN], [1.0, 2.0]])
    assert_array_equal(z, [NAN, 2.0])
    assert_array_equal(dx, [[0.0, 0.0], [0.0, 1.0]])


def test_max_of_nothing_is_numpys_error():
    with pytest.raises(ValueError, match="zero-size"):
        ts.max(leaf(np.zeros((2, 0))), axis=1)


# --- the safe product ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (ts.sqrt, 4.0, 0.25),
        (ts.log, 4.0, 0.25),
        (lambda x: 1.0 / x, 2.0, -0.25),
        (lambda x: x**0.5, 4.0, 0.25),
        (lambda x: x**-1.0, 2.0, -0.25),
        (lambda x: ts.exp(1.0 / x), 1.0, -np.e),
        (lambda x: ts.log(ts.sqrt(x)), 2.0, 0.25),
    ],
)
def test_the_branch_not_taken_contributes_zero(f, at, slope):
    """where(x > 0, f(x), 0) has the right gradient, also where f is undefined."""
    _, dx = gradient(lambda x: ts.where(x > 0, f(x), 0.0), [-1.0, 0.0, at])
    assert_allclose(dx, [0.0, 0.0, slope])


def test_the_branch_not_taken_contributes_zero_at_second_order():
    second = nth(lambda x: ts.where(x > 0, ts.sqrt(x), 0.0), [-1.0, 0.0, 4.0], 2)
    assert_allclose(second, [0.0, 0.0, -0.25 * 4.0**-1.5])


def test_the_branch_not_taken_contributes_zero_in_forward_mode():
    x = leaf([-1.0, 0.0, 4.0])
    with np.errstate(all="ignore"):
        _, dz = ts.jvp(lambda x: ts.sqrt(ts.where(x > 0, x, 0.0)), [x], [np.array([1.0, 1.0, 1.0])])
    assert_allclose(dz.numpy(), [0.0, 0.0, 0.25])


def test_a_zero_factor_keeps_its_own_derivative():
    """d2(u sqrt x) / dx du = 1 / (2 sqrt x) = 1/4 at u = 0, x = 4; a composition with where would give 0."""
    u, x = leaf(0.0), leaf(4.0)
    dx = ts.grad(u * ts.sqrt(x), x, create_graph=True)
    assert dx.item() == 0.0
    assert ts.grad(dx, u).item() == 0.25


def test_a_guarded_entropy():
    """x log x at 0: multiply is not a safe product, so the user must guard the argument."""

    def f(p):
        return p * ts.log(ts.where(p > 0, p, 1.0))

    z, dp = gradient(f, [0.0, 1.0])
    assert_array_equal(z, [0.0, 0.0])
    assert_allclose(dp, [0.0, 1.0])


# --- logsumexp, softmax -------------------------------------------------------------------------------


def test_logsumexp_is_stable():
    z, dx = gradient(lambda x: ts.logsumexp(x, axis=1), [[1e4, 1e4], [-1e4, -1e4], [1e4, -1e4]])
    assert_allclose(z, [1e4 + np.log(2), -1e4 + np.log(2), 1e4])
    assert_allclose(dx, [[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]])


def test_logsumexp_of_nothing_and_of_minus_infinities():
    z, dx = gradient(lambda x: ts.logsumexp(x, axis=1), [[-INF, -INF], [0.0, -INF]])
    assert_array_equal(z, [-INF, 0.0])
    assert_array_equal(dx, [[0.0, 0.0], [1.0, 0.0]])
    z, dx = gradient(lambda x: ts.logsumexp(x, axis=1), np.zeros((2, 0)))
    assert_array_equal(z, [-INF, -INF])
    assert dx.shape == (2, 0)


def test_softmax_and_its_logarithm_are_stable():
    x = [[1e4, 0.0, -1e4]]
    z, dx = gradient(lambda x: ts.softmax(x) * [[1.0, 2.0, 3.0]], x)
    assert_array_equal(z, [[1.0, 0.0, 0.0]])
    assert_array_equal(dx, [[0.0, 0.0, 0.0]])
    z, dx = gradient(lambda x: ts.log_softmax(x)[:, :2], x)
    assert_array_equal(z, [[0.0, -1e4]])
    assert_array_equal(dx, [[-1.0, 1.0, 0.0]])


ROWS = np.array([[0.0, -INF, np.log(3.0)], [-INF, -INF, -INF], [1.0, 1.0, 1.0]])
SOFTMAX = np.array([[0.25, 0.0, 0.75], [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("order", [1, 2])
def test_masked_rows_poison_nothing(order):
    """The softmax of a row of -inf is 0, and so is its gradient; it does not change other rows."""
    weights = np.array([1.0, 2.0, 4.0])
    assert_allclose(ts.softmax(leaf(ROWS)).numpy(), SOFTMAX)
    full = nth(lambda x: ts.softmax(x) * weights, ROWS, order)
    assert np.all(full[1] == 0)
    assert np.all(full[ROWS == -INF] == 0)
    assert_allclose(full[2], nth(lambda x: ts.softmax(x) * weights, ROWS[2], order))
    pair = nth(lambda x: ts.softmax(x) * weights[[0, 2]], ROWS[0, [0, 2]], order)
    assert_allclose(full[0, [0, 2]], pair)


@pytest.mark.parametrize("op", [ts.softmax, ts.log_softmax])
def test_beside_an_infinity_or_nan_a_row_is_nan(op):
    """The other elements of the row would have wrong numbers, so they are NaN, too."""
    rows = np.array([[INF, 0.0, 1.0], [NAN, 0.0, 1.0], [-INF, 0.0, 1.0]])

    def step(x, _):
        return op(x), op(x)

    with np.errstate(all="ignore"):
        _, again = ts.scan(step, leaf(rows), length=1)
        for z in (op(leaf(rows)), again[0]):
            assert_array_equal(np.isnan(z.numpy()), np.array([[True] * 3, [True] * 3, [False] * 3]))


@pytest.mark.parametrize("order", [1, 2])
def test_the_logarithm_of_masked_rows(order):
    def chosen(x):
        return ts.log_softmax(x)[[0, 2], [2, 1]]

    assert_allclose(ts.log_softmax(leaf(ROWS)).numpy()[1], [-INF, -INF, -INF])
    assert_allclose(chosen(leaf(ROWS)).numpy(), np.log([0.75, 1 / 3]))
    full = nth(chosen, ROWS, order)
    assert np.all(full[1] == 0)
    assert full[0, 1] == 0
    if order == 1:
        assert_allclose(full, [[-0.25, 0, 0.25], [0, 0, 0], [-1 / 3, 2 / 3, -1 / 3]])


def test_a_loss_over_a_row_of_nothing_has_a_zero_gradient():
    _, dx = gradient(lambda x: ts.log_softmax(x)[1], ROWS)
    assert np.all(dx == 0)


# --- indices ------------------------------------------------------------------------------------------


def test_duplicate_indices_add_up():
    weights = np.array([1.0, 10.0, 100.0, 1000.0])
    for read in (
        lambda x: x[[2, 0, 2, 2]],
        lambda x: ts.take(x, [2, 0, 2, 2]),
        lambda x: ts.take_along_axis(x, np.array([2, 0, 2, 2])),
        lambda x: x[np.array([-1, 0, -1, 2])],
        lambda x: x[ts.tensor([2, 0, 2, 2])],
    ):
        _, dx = gradient(lambda x, read=read: read(x) * weights, [1.0, 2.0, 3.0])
        assert_array_equal(dx, [10.0, 0.0, 1101.0])


def test_indices_of_every_kind():
    x = np.arange(24.0).reshape(2, 3, 4)
    i, mask = np.array([[0, 1], [1, 1]]), x[0, :, 0] > 2
    for key in (
        1, -1, slice(None, None, -2), ..., None, (..., 0), (1, None, slice(1, 3)), (slice(None), i),
        (i, slice(None), i), (slice(None), mask), x > 5, (0, mask, [1, 2]), [], True, np.int64(1), ([[0]], 1),
    ):  # fmt: skip
        z, dx = gradient(lambda x, key=key: x[key], x)
        expected = np.zeros_like(x)
        np.add.at(expected, key, 1.0)
        assert_array_equal(z, x[key])
        assert_array_equal(dx, expected, err_msg=str(key))


def test_an_index_out_of_range_is_an_error():
    for read in (lambda x: x[3], lambda x: x[[0, 3]], lambda x: ts.take(x, [3]), lambda x: ts.take(x, -4)):
        with pytest.raises(IndexError):
            read(leaf([1.0, 2.0, 3.0]))
