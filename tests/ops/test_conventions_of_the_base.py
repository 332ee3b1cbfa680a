"""The conventions at special points, continued: zero lengths and variances, bounds, ties, indices.

As in `test_conventions.py`, each convention is tested in value and in gradient.
"""

import numpy as np
import pytest
from points import INF, NAN, gradient, leaf, nth
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts


def hessian(f, x):
    """The matrix of second derivatives of a scalar function at x."""
    x = leaf(x)
    dx = ts.grad(f(x), x, create_graph=True)
    rows = [ts.grad(dx, x, e, retain_graph=True, zeros=True).numpy() for e in np.eye(x.size)]
    return np.array(rows)


# --- exponentials -------------------------------------------------------------------------------------


def test_expm1_and_log1p_keep_small_numbers():
    for f, second in ((ts.expm1, 1.0), (ts.log1p, -1.0)):
        z, dx = gradient(f, [0.0, 1e-20])
        assert_array_equal(z, [0.0, 1e-20])
        assert_array_equal(dx, [1.0, 1.0])
        assert_array_equal(nth(f, [0.0, 1e-20], 2), [second, second])


def test_expm1_at_both_ends():
    z, dx = gradient(ts.expm1, [-1e3, -INF, 1e3])
    assert_array_equal(z, [-1.0, -1.0, INF])
    assert_array_equal(dx, [0.0, 0.0, INF])


def test_log1p_at_minus_one_and_below():
    z, dx = gradient(ts.log1p, [-1.0, -2.0])
    assert_array_equal(z, [-INF, NAN])
    assert_array_equal(dx, [INF, -1.0])


def test_softplus_is_stable():
    z, dx = gradient(ts.softplus, [1e4, 0.0, -1e4])
    assert_array_equal(z, [1e4, np.log(2), 0.0])
    assert_array_equal(dx, [1.0, 0.5, 0.0])
    assert_array_equal(nth(ts.softplus, [1e4, 0.0, -1e4], 2), [0.0, 0.25, 0.0])


def test_logaddexp_is_stable_and_masks():
    """-inf is log 0: the other argument passes unchanged; if both are -inf, the derivative is zero."""
    z, dx, dy = gradient(ts.logaddexp, [1e4, -1e4, -INF, -INF, INF], [1e4, 1e4, 3.0, -INF, 2.0])
    assert_array_equal(z, [1e4 + np.log(2), 1e4, 3.0, -INF, INF])
    assert_array_equal(dx, [0.5, 0.0, 0.0, 0.0, 1.0])
    assert_array_equal(dy, [0.5, 1.0, 1.0, 0.0, 0.0])
    assert_array_equal(nth(lambda x: ts.logaddexp(x, -INF), [-INF, 0.0], 2), [0.0, 0.0])
    assert_array_equal(nth(lambda x: ts.logaddexp(x, 1e4), [1e4, -1e4], 2), [0.25, 0.0])


def test_sine_and_cosine_at_infinity_are_no_numbers():
    for f in (ts.sin, ts.cos):
        assert np.all(np.isnan(gradient(f, [INF, -INF, NAN])))
    _, dx = gradient(lambda x: ts.where(ts.isfinite(x), ts.sin(x), 0.0), [INF, 0.0])
    assert_array_equal(dx, [0.0, 1.0])


def test_arctan2_on_the_axes():
    y, x = [0.0, 0.0, -0.0, 2.0, -2.0], [2.0, -2.0, -2.0, 0.0, 0.0]
    z, dy, dx = gradient(ts.arctan2, y, x)
    assert_array_equal(z, [0.0, np.pi, -np.pi, np.pi / 2, -np.pi / 2])
    assert_array_equal(dy, [0.5, -0.5, -0.5, 0.0, 0.0])
    assert_array_equal(dx, [0.0, 0.0, 0.0, -0.5, 0.5])


def test_arctan2_at_the_origin_has_no_derivative():
    z, dy, dx = gradient(ts.arctan2, [0.0], [0.0])
    assert z == 0.0
    assert np.isnan(dy)
    assert np.isnan(dx)
    _, dy, _ = gradient(lambda y, x: ts.where(x > 0, ts.arctan2(y, x), 0.0), [0.0, 0.0], [0.0, 2.0])
    assert_array_equal(dy, [0.0, 0.5])


def test_division_by_pythons_zero_is_numpys():
    for zero, sign in ((0, 1), (0.0, 1), (-0.0, -1)):
        z, dx = gradient(lambda x, zero=zero: x / zero, [1.0, -1.0])
        assert_array_equal(z, [sign * INF, -sign * INF])
        assert_array_equal(dx, [sign * INF, sign * INF])


# --- bounds -------------------------------------------------------------------------------------------


def test_clip_on_a_bound_has_the_derivative_of_x():
    z, dx, low, high = gradient(ts.clip, [-1.0, 0.0, 0.5, 1.0, 2.0], [0.0] * 5, [1.0] * 5)
    assert_array_equal(z, [0.0, 0.0, 0.5, 1.0, 1.0])
    assert_array_equal(dx, [0, 1, 1, 1, 0])
    assert_array_equal(low, [1, 0, 0, 0, 0])
    assert_array_equal(high, [0, 0, 0, 0, 1])


def test_clip_between_crossed_bounds_is_the_upper_one():
    z, dx, low, high = gradient(ts.clip, [0.0, 2.0, 5.0], [3.0] * 3, [1.0] * 3)
    assert_array_equal(z, [1.0, 1.0, 1.0])
    assert_array_equal([dx, low, high], [[0, 0, 0], [0, 0, 0], [1, 1, 1]])


def test_clip_of_nan_is_nan_and_has_no_derivative():
    z, dx = gradient(lambda x: ts.clip(x, 0.0, 1.0), [NAN, INF, -INF])
    assert_array_equal(z, [NAN, 1.0, 0.0])
    assert_array_equal(dx, [0.0, 0.0, 0.0])


def test_clip_takes_a_bound_once():
    with pytest.raises(TypeError, match="clip got one bound twice"):
        ts.clip(leaf([1.0]), 0.0, min=0.5)


# --- reductions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_std_at_zero_variance_has_no_derivative(order):
    """The derivative is 0, not NaN, in a constant row; it does not change other rows."""
    rows = [[1.0, 1.0, 1.0], [1.0, 2.0, 4.0]]
    both = nth(lambda x: ts.std(x, axis=1) * [[1.0], [3.0]], rows, order)
    assert_array_equal(both[0], [0.0, 0.0, 0.0])
    assert_allclose(both[1], nth(lambda x: 3 * ts.std(x) + ts.std(x), rows[1], order), atol=1e-12)
    assert np.all(np.isfinite(both))


def test_the_variance_of_too_few_is_nan():
    with np.errstate(all="ignore"):
        assert np.isnan(ts.var(leaf([2.0]), ddof=1).item())
        assert np.isnan(ts.std(leaf(np.zeros(0))).item())


@pytest.mark.parametrize("zeros", [[], [1], [0, 3], [0, 1, 3], [0, 1, 2, 3]])
def test_the_product_with_zeros_has_its_derivatives(zeros):
    """dz/dx_i is the product of the others, d2z/dx_i dx_j that of all but two, for any number of zeros."""
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[zeros] = 0.0
    assert_array_equal(gradient(ts.prod, x)[1], [np.prod(np.delete(x, i)) for i in range(4)])
    expected = [[0.0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(4)] for i in range(4)]
    assert_array_equal(hessian(ts.prod, x), expected)


def test_the_product_of_nothing():
    z, dx = gradient(lambda x: ts.prod(x, axis=1), np.zeros((2, 0)))
    assert_array_equal(z, [1.0, 1.0])
    assert dx.shape == (2, 0)


def test_min_shares_a_tie_and_skips_a_row_with_nan():
    z, dx = gradient(lambda x: ts.min(x, axis=1), [[1.0, 1.0, 2.0], [NAN, 1.0, 2.0]])
    assert_array_equal(z, [1.0, NAN])
    assert_array_equal(dx, [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])


def test_cumsum_passes_nan_on_and_its_gradient_does_not():
    z, dx = gradient(ts.cumsum, [1.0, NAN, 2.0])
    assert_array_equal(z, [1.0, NAN, NAN])
    assert_array_equal(dx, [3.0, 2.0, 1.0])


# --- lengths ------------------------------------------------------------------------------------------


def test_norm_at_the_zero_vector_has_no_derivative():
    z, dx = gradient(lambda x: ts.norm(x, axis=1), [[0.0, 0.0], [3.0, 4.0]])
    assert_array_equal(z, [0.0, 5.0])
    assert_allclose(dx, [[0.0, 0.0], [0.6, 0.8]])
    assert_array_equal(hessian(ts.norm, [0.0, 0.0]), np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("f", "curvature"),
    [
        (lambda x: ts.norm(x) ** 2, 2.0),
        (lambda x: 5 * ts.square(ts.norm(x)), 10.0),
        (lambda x: ts.norm(x) * ts.norm(x), 2.0),
        (lambda x: ts.cos(ts.norm(x)), -1.0),
        (lambda x: ts.exp(-(ts.norm(x) ** 2) / 2), -1.0),
        (lambda x: ts.log(ts.exp(ts.norm(x)) + ts.exp(-ts.norm(x))), 1.0),
        (lambda x: ts.sum(ts.norm(ts.stack([x, 2 * x]), axis=1) ** 2), 10.0),
        (lambda x: ts.norm(x) ** 3, 0.0),
    ],
)
def test_what_is_smooth_at_the_zero_vector_has_its_second_derivative(f, curvature):
    """norm(x)^2 = x'x has the Hessian 2 I everywhere, f(norm(x)) at 0 has f''(0) I; in both modes."""
    assert_allclose(hessian(f, np.zeros(3)), curvature * np.eye(3), atol=1e-12)
    direction = np.array([1.0, -2.0, 3.0])
    _, forward = ts.jvp(lambda x: ts.grad(f(x), x, create_graph=True), [leaf(np.zeros(3))], [direction])
    assert_allclose(forward.numpy(), curvature * direction, atol=1e-12)


def test_a_row_of_zeros_among_others():
    """A zero vector and another one in the same call: each has the right derivatives."""
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    dx = nth(lambda x: ts.norm(x, axis=1) ** 2 / 2, x, 1)
    assert_allclose(dx, x)
    assert_allclose(nth(lambda x: ts.norm(x, axis=1) ** 2 / 2, x, 2), np.ones((2, 2)))


def test_norms_that_are_no_lengths_share_ties():
    assert_array_equal(gradient(lambda x: ts.norm(x, 1), [0.0, -2.0])[1], [0.0, -1.0])
    assert_array_equal(gradient(lambda x: ts.norm(x, np.inf), [1.0, -1.0])[1], [0.5, -0.5])


# --- order and place ----------------------------------------------------------------------------------


def test_sort_keeps_the_order_of_ties_and_puts_nan_last():
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    z, dx = gradient(lambda x: ts.sort(x) * weights, [2.0, NAN, 2.0, 1.0])
    assert_array_equal(z, [1.0, 4.0, 6.0, NAN])
    assert_array_equal(dx, [2.0, 4.0, 3.0, 1.0])
    # longer than the arrays for which NumPy uses insertion sort, which is always stable
    many = np.tile([1.0, 0.0], 500)
    assert_array_equal(ts.argsort(leaf(many)).numpy(), np.r_[1:1000:2, 0:1000:2])


def test_positions_are_the_first_and_have_no_derivative():
    x = leaf([2.0, NAN, 2.0, 1.0])
    for f, expected in ((ts.argsort, [3, 0, 2, 1]), (ts.argmax, 1), (ts.argmin, 1)):
        assert not f(x).requires_grad
        assert_array_equal(f(x).numpy(), expected)
    assert (ts.argmax(leaf([1.0, 3.0, 3.0])).item(), ts.argmin(leaf([2.0, 1.0, 1.0])).item()) == (1, 1)


wraps = pytest.mark.host("an index that is on a device already cannot be looked at without waiting: it wraps")


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x[3],
        lambda x: x[[0, 3]],
        lambda x: x[np.array([-4])],
        pytest.param(lambda x: x[ts.tensor([5])], marks=wraps),
        lambda x: ts.take(x, 3),
        lambda x: ts.take(x, [0, -4]),
        pytest.param(lambda x: ts.take(x, ts.tensor([3]), axis=0), marks=wraps),
        lambda x: ts.take_along_axis(x, [3], 0),
        lambda x: ts.scatter_add(x, [3], 1.0),
        lambda x: x[[True, False]],
    ],
)
def test_an_index_out_of_range_is_an_index_error(read):
    with pytest.raises(IndexError, match=r"out of bounds|out of range|did not match"):
        read(leaf([1.0, 2.0, 3.0]))


def test_scatter_add_sums_what_meets():
    z, dx, dy = gradient(lambda x, y: ts.scatter_add(x, [0, 0], y), [1.0, 2.0], [3.0, 4.0])
    assert_array_equal(z, [8.0, 2.0])
    assert_array_equal([dx, dy], [[1.0, 1.0], [1.0, 1.0]])


def test_cholesky_reads_the_lower_triangle():
    a = [[2.0, 99.0], [1.0, 2.0]]
    z, da = gradient(ts.cholesky, a)
    assert_allclose(z, np.linalg.cholesky([[2.0, 1.0], [1.0, 2.0]]))
    assert da[0, 1] == 0.0
    assert da[1, 0] != 0.0


def test_stop_gradient_is_a_constant_to_every_order():
    z, dx = gradient(lambda x: ts.stop_gradient(x) * x * x, [3.0])
    assert_array_equal([z, dx], [[27.0], [18.0]])
    assert_array_equal(nth(lambda x: ts.stop_gradient(x) * x * x, [3.0], 2), [6.0])
    assert not ts.stop_gradient(leaf([3.0])).requires_grad


def test_pad_by_a_dict_names_the_axes_that_grow():
    x = np.arange(4.0).reshape(2, 2)
    assert_array_equal(ts.pad(leaf(x), {-1: (0, 2)}).numpy(), np.pad(x, ((0, 0), (0, 2))))
    assert_array_equal(ts.pad(leaf(x), {0: 1}).numpy(), np.pad(x, ((1, 1), (0, 0))))
    with pytest.raises(TypeError, match="constant_values"):
        ts.pad(leaf(x), 1, constant_values=leaf(1.0))


def test_axes_beyond_those_there_are():
    """They are errors; an axis out of range does not wrap."""
    with pytest.raises(ValueError, match="arrays with 1 and 2 axes needs 0 <= axes <= 1, got axes=2"):
        ts.tensordot(ts.tensor([1.0, 2.0]), ts.tensor([[1.0, 2.0], [3.0, 4.0]]), axes=2)
    with pytest.raises(np.exceptions.AxisError):
        ts.take_along_axis(ts.tensor([[1.0, 2.0]]), np.zeros((3, 2), int), axis=-3)
