"""Conventions of functions that move, select, search and make arrays: kinks, ties, and shapes from values."""

import re

import numpy as np
import pytest
from points import INF, NAN, gradient, leaf
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor.refused import REFUSED

# --- interpolation --------------------------------------------------------------------------------------

XP, FP = [0.0, 1.0, 3.0], [1.0, 3.0, -1.0]  # slopes 2 and -2


def test_at_a_point_interp_has_the_slope_to_its_right_and_at_the_last_one_to_its_left():
    z, dx, dxp, dfp = gradient(lambda x, xp, fp: ts.interp(x, xp, fp), [0.0, 1.0, 3.0], XP, FP)
    assert_array_equal(z, FP)
    assert_array_equal(dx, [2, -2, -2])
    assert_array_equal(dxp, [-2, 2, 2])  # a point that moves to the right lets the value at x fall by the slope
    assert_array_equal(dfp, [1, 1, 1])


def test_beyond_the_points_interp_is_constant():
    z, dx, dxp, dfp = gradient(lambda x, xp, fp: ts.interp(x, xp, fp), [-5.0, 9.0], XP, FP)
    assert_array_equal(z, [1, -1])
    assert_array_equal(dx, [0, 0])
    assert_array_equal(dxp, [0, 0, 0])
    assert_array_equal(dfp, [1, 0, 1])


def test_left_and_right_take_the_place_of_the_values_beyond():
    z, _, dfp = gradient(lambda x, fp: ts.interp(x, XP, fp, left=7.0, right=8.0), [-5.0, 2.0, 9.0], FP)
    assert_array_equal(z, [7, 1, 8])
    assert_array_equal(dfp, [0, 0.5, 0.5])
    z, left, right = gradient(
        lambda left, right: ts.interp([-5.0, 2.0, 9.0, 9.5], XP, FP, left, right), 7.0, 8.0
    )
    assert_array_equal(z, [7, 1, 8, 8])
    assert (left, right) == (1, 2)


def test_where_a_point_is_there_twice_the_value_jumps():
    """To the value of the second, where the slope is that of the next segment, and 0 if there is none."""
    xp, x = [0.0, 1.0, 1.0, 2.0, 2.0], [0.5, 1.0, 2.0]
    z, dx, dfp = gradient(lambda x, fp: ts.interp(x, xp, fp), x, [0.0, 2.0, 5.0, 9.0, 6.0])
    assert_array_equal(z, [1, 5, 6])
    assert_array_equal(dx, [2, 4, 0])
    assert_array_equal(dfp, [0.5, 0.5, 1, 0, 1])


def test_one_point_is_a_constant_function():
    z, dx, dfp = gradient(lambda x, fp: ts.interp(x, [1.0], fp), [0.0, 1.0, 2.0], [5.0])
    assert_array_equal(z, [5, 5, 5])
    assert_array_equal(dx, [0, 0, 0])
    assert_array_equal(dfp, [3])


def test_an_infinite_value_at_the_next_point_does_not_spread_to_a_zero_cotangent():
    z, dx = gradient(
        lambda x: ts.where([True, False], ts.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, INF]), 0.0), [0.5, 1.5]
    )
    assert_array_equal(z, [0.5, 0])
    assert_array_equal(dx, [1, 0])


# --- ties -----------------------------------------------------------------------------------------------


def test_of_equal_elements_the_first_receives_the_gradient_of_unique():
    z, dx = gradient(lambda x: ts.unique(x) * [1.0, 10.0], [2.0, 1.0, 2.0])
    assert_array_equal(z, [1, 20])
    assert_array_equal(dx, [10, 1, 0])


def test_of_the_choices_of_select_the_first_that_is_true_counts():
    x = [1.0, 2.0, 3.0]
    z, dx = gradient(lambda x: ts.select([x > 2, x > 1], [2 * x, 3 * x], -x), x)
    assert_array_equal(z, [-1, 6, 6])
    assert_array_equal(dx, [-1, 3, 2])


@pytest.mark.host("on a device, it is -1")
@pytest.mark.parametrize("f", [ts.nanargmax, ts.nanargmin])
def test_where_all_are_nan_there_is_no_place(f):
    assert f(ts.tensor([NAN, 1.0, NAN])).item() == 1
    with pytest.raises(ValueError, match="All-NaN"):
        f(ts.tensor([[NAN, NAN], [1.0, 2.0]]), axis=1)
    with pytest.raises(ValueError, match="All-NaN"):
        ts.scan(lambda c, x: (c, f(x)), 0.0, ts.tensor([[1.0, 2.0], [NAN, NAN]]))


@pytest.mark.host("values on a device are not looked at")
def test_choose_has_no_negative_indices():
    with pytest.raises(IndexError, match="out of bounds"):
        ts.choose([-1, 0], [ts.tensor([1.0, 2.0]), [3.0, 4.0]])
    with pytest.raises(ValueError, match="got 'no'"):
        ts.choose([1, 0], [ts.tensor([1.0, 2.0]), [3.0, 4.0]], mode="no")


# --- shapes that depend on values -----------------------------------------------------------------------

FOUND = {  # in the step of a scan: what is found in the input of the step, or in a constant
    "nonzero": lambda x: ts.nonzero(x)[0].sum(),
    "flatnonzero": lambda x: ts.flatnonzero(x).sum(),
    "argwhere": lambda x: ts.argwhere(x).sum(),
    "unique": lambda x: ts.unique(x).sum(),
    "compress": lambda x: ts.compress(x, [1.0, 2.0, 3.0]).sum(),
    "extract": lambda x: ts.extract(x, [1.0, 2.0, 3.0]).sum(),
    "digitize": lambda x: ts.digitize(1.5, x),
    "delete": lambda x: ts.delete([1.0, 2.0, 3.0, 4.0], x.astype(int)).sum(),
}
ROWS = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])


@pytest.mark.parametrize("name", FOUND)
def test_a_shape_from_values_is_refused_in_a_step(name):
    with pytest.raises((RuntimeError, TypeError), match="recorded once for all time steps"):
        ts.scan(lambda c, x: (c, FOUND[name](x)), 0.0, ts.tensor(ROWS))


@pytest.mark.parametrize("name", FOUND)
def test_a_shape_from_a_constant_works_in_a_step(name):
    constant = ROWS[0]
    expected = FOUND[name](constant)
    _, found = ts.scan(lambda c, x: (c, FOUND[name](constant) + 0 * x[0]), 0.0, ts.tensor(ROWS))
    assert_allclose(found.numpy(), [expected, expected])


# --- numbers between two ends ---------------------------------------------------------------------------


def test_the_ends_of_spaced_numbers_are_exact():
    low, high = 0.1, 0.3
    for f in (ts.linspace, ts.geomspace):
        z, dlow, dhigh = gradient(lambda low, high, f=f: f(low, high, 7)[[0, -1]], low, high)
        assert_array_equal(z, [low, high])
        assert_array_equal([dlow, dhigh], [1, 1])


@pytest.mark.host("values on a device are not looked at")
def test_geomspace_has_no_end_of_zero():
    with pytest.raises(ValueError, match="end of 0"):
        ts.geomspace(leaf(0.0), 1.0)


# --- what NumPy has and we do not -----------------------------------------------------------------------

T, U, MASK = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([2.0, 3.0]), np.array([[True, False], [False, True]])
CALLS = {  # a call of NumPy's function that is refused -> what the advice gives, or None if it is no expression
    "fill_diagonal": (lambda t: np.fill_diagonal(t, 7.0), [[7, 1], [1, 7]]),
    "putmask": (lambda t: np.putmask(t, MASK, 7.0), [[7, 1], [1, 7]]),
    "place": (lambda t: np.place(t, MASK, [7.0]), [[7, 1], [1, 7]]),
    "in1d": (lambda t: np.isin(t, U), np.isin(T, U)),
    "isin": (lambda t: np.isin(t, U), np.isin(T, U)),
    "union1d": (lambda t: np.union1d(t, U), np.union1d(T, U)),
    "unique_values": (np.unique_values, np.unique(T)),
    "unique_counts": (lambda t: np.unique_counts(t), np.unique(T)),
    "intersect1d": (lambda t: np.intersect1d(t, U), np.intersect1d(T, U)),
    "setdiff1d": (lambda t: np.setdiff1d(t, U), np.setdiff1d(T, U)),
    "piecewise": (lambda t: np.piecewise(t, [t < 2], [1.0, 2.0]), None),
    "vander": (lambda t: np.vander(t[0], 2), [np.vander(row, 2) for row in T]),
    "polyadd": (lambda t: np.polyadd(t[0], U), None),
    "polyder": (lambda t: np.polyder(t[0]), None),
    "polyval": (lambda t: np.polyval(t[0], 2.0), None),
    "isnat": (np.isnat, None),
    "einsum_path": (lambda t: np.einsum_path("ij,j", t, t[0]), None),
    "copy": (np.copy, None),
    "array2string": (np.array2string, None),
    "shares_memory": (lambda t: np.shares_memory(t, t), None),
    "copyto": (lambda t: np.copyto(np.zeros(2), t), None),
    "full": (lambda t: np.full((2, 2), t, dtype=float), None),
    "put": (lambda t: np.put(t, [0], 1.0), None),
    "trim_zeros": (np.trim_zeros, None),
    "sort_complex": (np.sort_complex, [[1, 3], [1, 2]]),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_refused_says_what_to_write(name):
    call, expected = CALLS[name]
    t = ts.tensor(T)
    with pytest.raises(TypeError, match=r"has no counterpart for tensors: .*write") as caught:
        call(t)
    if expected is not None:
        advice = re.search(r"write (.*)", str(caught.value))[1]
        here = {
            "t": t,
            "u": ts.tensor(U),
            "mask": MASK,
            "values": 7.0,
            "value": 7.0,
            "n": 2,
            "np": np,
            "ts": ts,
        }
        found = eval(advice, here)
        found = found[0] if isinstance(found, tuple) else found
        assert_array_equal(found.numpy() if isinstance(found, ts.Tensor) else found, expected)


def test_what_is_advised_for_polynomials_is_numpys_result():
    t, u, x, n = ts.tensor([2.0, -1.0, 3.0]), ts.tensor([4.0, 5.0]), 0.5, 3
    arguments = {"polyadd": (t, u), "polysub": (t, u), "polymul": (t, u), "polyval": (t, x)}
    for name in ("polyadd", "polyder", "polyint", "polymul", "polysub", "polyval"):
        expression = REFUSED[name].removeprefix("write ")
        found = eval(expression, {"np": np, "t": t, "u": u, "x": x, "n": n})
        given = (a.numpy() if isinstance(a, ts.Tensor) else a for a in arguments.get(name, (t,)))
        assert_allclose(found.numpy(), getattr(np, name)(*given), rtol=1e-6)


def test_what_is_refused_is_not_there():
    assert set(REFUSED).isdisjoint(FUNCTIONS)


def test_a_vector_is_no_matrix():
    v = ts.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"matvec expects matrices first, got shape \(2,\)"):
        ts.matvec(v, v)
    with pytest.raises(ValueError, match=r"vecmat expects matrices second, got shape \(2,\)"):
        ts.vecmat(v, v)
