"""The conventions of reductions and statistics: zeros, ties, NaN, slices of which nothing is left."""

import math

import numpy as np
import pytest
from points import INF, NAN, gradient, leaf, nth
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts

ZEROS = [[2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [2.0, 3.0, 5.0], [0.0, 0.0, 0.0]]


# --- products -----------------------------------------------------------------------------------------


def test_the_derivative_of_a_product_at_zeros():
    """The product of the other elements; no rule divides by x."""
    z, dx = gradient(lambda x: ts.prod(x, 1), ZEROS)
    assert_array_equal(z, [0, 0, 30, 0])
    assert_array_equal(dx, [[0, 6, 0], [0, 0, 0], [15, 10, 6], [0, 0, 0]])


@pytest.mark.parametrize("f", [ts.prod, lambda x: ts.cumprod(x)[-1]])
@pytest.mark.parametrize("row", ZEROS)
def test_the_hessian_of_a_product_at_zeros(f, row):
    hessian = ts.hessian(f, leaf(row)).numpy()
    expected = [
        [0.0 if i == j else math.prod(row[k] for k in range(3) if k not in (i, j)) for j in range(3)]
        for i in range(3)
    ]
    assert_array_equal(hessian, expected)


def test_the_third_derivative_of_a_product_at_zeros():
    assert_array_equal(nth(lambda t: ts.prod(ts.stack([t, t, t]), 0), [0.0, 2.0], 3), [6.0, 6.0])
    assert_array_equal(nth(lambda t: ts.cumprod(ts.stack([t, t, t]), 0)[2], [0.0, 2.0], 3), [6.0, 6.0])


def test_the_running_product_at_zeros():
    z, dx = gradient(lambda x: ts.cumprod(x) * [1.0, 10.0, 100.0, 1000.0], [2.0, 0.0, 3.0, 5.0])
    assert_array_equal(z, [2, 0, 0, 0])
    assert_array_equal(dx, [1, 20 + 600 + 30_000, 0, 0])


def test_a_product_that_overflows_on_the_way_is_numpys():
    for x in ([0.0, 1e200, 1e200, 1e200], [1e200, 1e200, 1e-200], [1e-200, 1e200, 1e200]):
        with np.errstate(over="ignore"):
            assert_array_equal(ts.prod(leaf(x)).numpy(), np.prod(x))
            assert_array_equal(ts.cumprod(leaf(x)).numpy(), np.cumprod(x))


# --- masks and initial numbers ------------------------------------------------------------------------


def test_a_masked_element_has_no_part_in_the_derivative():
    """Even if it is infinite or NaN."""
    x, mask = [[1.0, NAN, 4.0], [INF, 2.0, 2.0]], np.array([[True, False, True], [False, True, True]])
    for f, values, slopes in (
        (lambda x: ts.sum(x, 1, where=mask), [5, 4], [[1, 0, 1], [0, 1, 1]]),
        (lambda x: ts.prod(x, 1, where=mask), [4, 4], [[4, 0, 1], [0, 2, 2]]),
        (lambda x: ts.mean(x, 1, where=mask), [2.5, 2], [[0.5, 0, 0.5], [0, 0.5, 0.5]]),
        (lambda x: ts.var(x, 1, where=mask), [2.25, 0], [[-1.5, 0, 1.5], [0, 0, 0]]),
        (lambda x: ts.std(x, 1, where=mask), [1.5, 0], [[-0.5, 0, 0.5], [0, 0, 0]]),
        (lambda x: ts.max(x, 1, where=mask, initial=0.0), [4, 2], [[0, 0, 1], [0, 0.5, 0.5]]),
        (lambda x: ts.min(x, 1, where=mask, initial=9.0), [1, 2], [[1, 0, 0], [0, 0.5, 0.5]]),
    ):
        with np.errstate(invalid="ignore"):
            z, dx = gradient(f, x)
        assert_allclose(z, values)
        assert_allclose(dx, slopes)


def test_an_initial_number_has_a_derivative():
    for f, slope in ((ts.sum, 1.0), (ts.prod, 6.0), (ts.max, 0.0), (ts.min, 0.0)):
        assert gradient(lambda x, y, f=f: f(x, initial=y), [2.0, 3.0], 2.5)[2] == slope * 1.0
    assert gradient(lambda x, y: ts.max(x, initial=y), [2.0, 3.0], 4.0)[2] == 1.0
    assert_array_equal(gradient(lambda x, y: ts.max(x, 1, initial=y), np.zeros((2, 0)), 4.0)[0], [4.0, 4.0])


@pytest.mark.host("CuPy does not warn")
def test_a_mean_of_nothing_is_nan_with_the_warning_of_the_division():
    """NumPy warns twice; a step of a scan cannot look at values, so there is no second warning here."""
    for f in (lambda x: ts.mean(x, 1), lambda x: ts.var(x, 1), lambda x: ts.mean(x, 1, where=False)):
        with pytest.warns(RuntimeWarning, match="invalid value encountered in divide"):
            z = f(leaf(np.ones((2, 0))))
        assert_array_equal(z.numpy(), [NAN, NAN])


# --- missing elements ---------------------------------------------------------------------------------

MISSING = [[1.0, NAN, 4.0], [NAN, NAN, NAN]]


@pytest.mark.parametrize(
    ("f", "values"),
    [
        (ts.nansum, [5, 0]),
        (ts.nanprod, [4, 1]),
        (ts.nanmean, [2.5, NAN]),
        (ts.nanvar, [2.25, NAN]),
        (ts.nanstd, [1.5, NAN]),
        (ts.nanmax, [4, NAN]),
        (ts.nanmin, [1, NAN]),
        (ts.nanmedian, [2.5, NAN]),
        (lambda x, axis: ts.nanquantile(x, 0.25, axis), [1.75, NAN]),
        (lambda x, axis: ts.nanquantile(x, 0.25, axis, method="lower"), [1, NAN]),
    ],
)
def test_missing_elements_have_zero_derivative(f, values):
    """In a slice without other elements, all of them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z, dx = gradient(lambda x: f(x, axis=1), MISSING)
    assert_allclose(z, values)
    assert np.all(dx[np.isnan(MISSING)] == 0)
    assert np.any(dx[0] != 0)


def test_minus_infinity_is_not_missing():
    assert_array_equal(ts.nanmax(leaf([[-INF, NAN], [NAN, NAN]]), 1).numpy(), [-INF, NAN])


def test_a_variance_of_too_few_elements_is_nan():
    """NumPy's var divides by 0, its nanvar does not."""
    with np.errstate(divide="ignore"):
        assert ts.nanvar(leaf([1.0, 2.0, NAN]), ddof=2).item() == pytest.approx(NAN, nan_ok=True)
        assert ts.var(leaf([1.0, 2.0]), ddof=2).item() == INF


# --- medians and quantiles ----------------------------------------------------------------------------


def test_of_equal_elements_the_first_has_the_lowest_rank():
    assert_array_equal(gradient(ts.median, [2.0, 1.0, 2.0, 2.0, 0.0])[1], [1, 0, 0, 0, 0])
    assert_array_equal(gradient(ts.median, [3.0, 3.0, 3.0, 3.0])[1], [0, 0.5, 0.5, 0])
    _, slope = ts.jvp(ts.median, [leaf([3.0, 3.0, 3.0, 3.0])], [np.array([8.0, 1.0, 2.0, 4.0])])
    assert slope.item() == 1.5


def test_nan_in_a_slice_is_its_median():
    rows = [[1.0, NAN, 3.0], [1.0, 2.0, 4.0]]
    for f in (ts.median, lambda x, axis: ts.quantile(x, 0.5, axis)):
        z, dx = gradient(lambda x, f=f: f(x, axis=1), rows)
        assert_array_equal(z, [NAN, 2.0])
        assert_array_equal(dx, [[0, 0, 0], [0, 1, 0]])
        _, slope = ts.jvp(lambda x, f=f: f(x, axis=1), [leaf(rows)], [np.ones((2, 3))])
        assert_array_equal(slope.numpy(), [0.0, 1.0])


def test_infinite_elements():
    assert ts.median(leaf([INF, INF, 1.0, 2.0])).item() == INF
    assert_array_equal(ts.quantile(leaf([1.0, INF, INF]), [0.0, 0.5, 1.0]).numpy(), [1.0, INF, INF])


def test_a_quantile_of_small_integers_does_not_overflow():
    """NumPy's difference of two int8 wraps around: its median by quantile of -100 and 100 is 128."""
    assert ts.quantile(np.array([-100, 100], np.int8), 0.5) == 0
    assert ts.nanquantile(np.array([-100, 100], np.int8), 0.5) == 0


def test_a_quantile_has_no_derivative_for_q():
    with pytest.raises(TypeError, match="no derivative for q"):
        ts.quantile(leaf([1.0, 2.0]), leaf(0.5))
    assert ts.quantile(leaf([1.0, 2.0]), ts.tensor(0.5)).item() == 1.5


# --- covariances --------------------------------------------------------------------------------------


def test_a_constant_variable():
    """It has the covariance 0, and no correlation; the derivatives of the others are not changed."""
    rows = np.array([[1.0, 2.0, 4.0, 0.0], [3.0, 3.0, 3.0, 3.0], [0.0, 1.0, -1.0, 5.0]])
    c, dx = gradient(lambda x: ts.cov(x) * [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], rows)
    assert np.all(c[1] == 0)
    assert np.all(np.isfinite(dx))
    r, dx = gradient(lambda x: ts.where(ts.isnan(z := ts.corrcoef(x)), 0.0, z), rows)
    s, dy = gradient(ts.corrcoef, rows[[0, 2]])
    assert_array_equal(r[1], [0, 0, 0])
    assert_allclose(r[::2, ::2], s)
    assert_allclose(dx[[0, 2]], dy, atol=1e-12)
    assert_array_equal(dx[1], [0, 0, 0, 0])
    assert np.all(np.isnan(gradient(ts.corrcoef, rows)[0][1]))


def test_a_covariance_of_too_few_observations():
    """One: 0 / 0. As many as ddof, with weights, too: infinite."""
    with np.errstate(all="ignore"):
        assert np.isnan(ts.cov(leaf([1.0])).item())
        assert ts.cov(leaf([1.0, 3.0]), ddof=2).item() == INF
        assert ts.cov(leaf([1.0, 3.0]), ddof=2, fweights=[1, 1]).item() == INF


def test_weights_of_a_covariance_are_refused_by_name():
    with pytest.raises(ValueError, match=r"fweights of shape \(2,\).*got \(3,\)"):
        ts.cov(leaf([1.0, 3.0]), fweights=[1, 2, 3])
    with pytest.raises(TypeError, match="whole numbers as fweights, got float64"):
        ts.cov(leaf([1.0, 3.0]), fweights=[1.0, 2.0])
    with pytest.raises(TypeError, match="cov needs a float dtype, got int64"):
        ts.cov(leaf([1.0, 3.0]), dtype=int)


def test_weights_that_sum_to_nothing():
    with np.errstate(all="ignore"):
        assert np.isnan(ts.average(leaf([1.0, 1.0]), weights=[1.0, -1.0]).item())


# --- differences --------------------------------------------------------------------------------------


def test_the_central_difference_does_not_read_the_middle():
    """So an infinite element makes its neighbours' derivatives infinite, and not its own."""
    with np.errstate(all="ignore"):
        z = ts.gradient(leaf([1.0, 2.0, INF, 4.0, 7.0]))
        w = ts.gradient(leaf([1.0, 2.0, INF, 4.0, 7.0]), 1.0)
    assert_array_equal(z.numpy(), [1, INF, 1, -INF, 3])
    assert_array_equal(w.numpy(), z.numpy())


def test_differences_of_axes_that_are_too_short():
    for n in (0, 1):
        assert_array_equal(gradient(ts.diff, np.ones(n))[1], np.zeros(n))
        assert_array_equal(gradient(ts.trapezoid, np.ones(n))[1], np.zeros(n))
    assert_array_equal(gradient(lambda x: ts.gradient(x), [1.0, 3.0])[1], [-2.0, 2.0])
    with pytest.raises(ValueError, match="edge_order=2 needs more than 2 elements, got 2"):
        ts.gradient(leaf([1.0, 3.0]), edge_order=2)


# --- counts -------------------------------------------------------------------------------------------


def test_counts_have_no_derivative_and_weights_of_bincount_have():
    assert not any(z.requires_grad for z in ts.histogram(leaf([1.0, 2.0]), 2))
    with pytest.raises(TypeError, match="histogram has no derivative for weights"):
        ts.histogram([1.0, 2.0], 2, weights=leaf([1.0, 2.0]))
    z, dw = gradient(lambda w: ts.bincount([2, 0, 2], w) * [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert_array_equal(z, [5, 0, 30])
    assert_array_equal(dw, [3, 1, 3])


@pytest.mark.parametrize("f", [ts.histogram, lambda x: ts.bincount(x.astype(int))])
def test_a_count_in_a_step_is_refused(f):
    with pytest.raises(RuntimeError, match="is not possible"):
        ts.scan(lambda c, x: (c, f(x)), ts.tensor(0.0), np.ones((2, 3)))
    ts.scan(lambda c, x: (c, ts.histogram(np.ones(3))[0] + x), ts.tensor(0.0), np.ones(2))  # a constant


# --- in a step ----------------------------------------------------------------------------------------


def test_in_the_step_of_a_scan():
    """Values are not read: masks, counts and ranks are part of the step."""
    xs = np.random.default_rng(0).normal(size=(4, 3, 5))
    xs[1, 2, 3] = NAN

    def step(c, x):
        z = ts.nanmedian(x, 1) + ts.nanquantile(x, 0.3, 1) + ts.nanvar(x, 1, ddof=1) + ts.nanmax(x, 1)
        y = ts.median(x, 1) + ts.cumprod(x, 1)[:, -1] + ts.mean(x, 1, where=x > -0.2) + ts.prod(x, 1)
        y = (
            y
            + ts.trapezoid(ts.gradient(x, axis=0), axis=1)
            + ts.cov(ts.nansum(x, 0), x[0]).sum()
            + ts.diff(x)[:, 0]
        )
        return c + z, y

    def loop(xs, scan):
        c, ys = scan(step, ts.tensor(np.zeros(3)), xs)
        return c.sum() + ts.nansum(ys)

    def plain(step, c, xs):
        ys = []
        for x in xs:
            c, y = step(c, x)
            ys.append(y)
        return c, ts.stack(ys)

    (z, dx), (w, dy) = (gradient(lambda xs, how=how: loop(xs, how), xs) for how in (ts.scan, plain))
    assert_allclose(z, w)
    assert_allclose(dx, dy)
