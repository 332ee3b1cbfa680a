"""A tensor as an array or a number: on the tape it refuses to become an array, and stays a number."""

import copy
import io
import math
import threading

import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts

A = np.array([[1.0, 2.0], [3.0, 4.0]])


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def assigned(a, key, value):
    a[key] = value
    return a


def generator():
    return np.random.default_rng(0)


ROUTES = {  # every way by which NumPy, SciPy and pandas ask a vector t, or the numbers u and v, for an array
    "array": lambda t, u, v: np.array(t),
    "array of a list": lambda t, u, v: np.array([u, v]),
    "array of nested lists": lambda t, u, v: np.array([[u, v], [v, u]]),
    "array of a list with a number": lambda t, u, v: np.array([1.0, v]),
    "array with a dtype": lambda t, u, v: np.array([u, v], dtype=np.float32),
    "array of objects": lambda t, u, v: np.array([u, v], dtype=object),
    "arange": lambda t, u, v: np.arange(0.0, v, 0.5),
    "mgrid": lambda t, u, v: np.mgrid[0:v],
    "r_ of numbers": lambda t, u, v: np.r_[u, v],
    "ma.array": lambda t, u, v: np.ma.array(t),
    "add of a list": lambda t, u, v: np.add([u, v], 1),
    "maximum.reduce": lambda t, u, v: np.maximum.reduce([u, v]),
    "where": lambda t, u, v: np.where([True, False], [u, v], 0),
    "concatenate": lambda t, u, v: np.concatenate([[u, v], [v, u]]),
    "dot": lambda t, u, v: np.dot([u, v], np.ones(2)),
    "einsum": lambda t, u, v: np.einsum("i->", [u, v]),
    "array.dot": lambda t, u, v: np.ones(2).dot(t),
    "array times list": lambda t, u, v: np.ones(2) * [u, v],
    "array.put": lambda t, u, v: np.ones(2).put([0], u),
    "array.searchsorted": lambda t, u, v: np.ones(2).searchsorted(u),
    "array.flat": lambda t, u, v: setattr(np.ones(2), "flat", t),
    "array[:] = list": lambda t, u, v: assigned(np.zeros(2), slice(None), [u, v]),
    "array[:] = number": lambda t, u, v: assigned(np.zeros(2), slice(None), u),
    "array[indices]": lambda t, u, v: assigned(np.zeros(2), [0, 1], t),
    "array[mask]": lambda t, u, v: assigned(np.zeros(2), np.array([True, True]), t),
    "place": lambda t, u, v: np.place(np.zeros(2), np.array([True, False]), [u]),
    "pad": lambda t, u, v: np.pad(np.zeros(2), 1, constant_values=u),
    "piecewise": lambda t, u, v: np.piecewise(np.ones(2), [np.ones(2) > 0], [u, v]),
    "interp": lambda t, u, v: np.interp([0.5], [0, 1], [u, v]),
    "polyval": lambda t, u, v: np.polyval([u, v], 2.0),
    "Polynomial": lambda t, u, v: np.polynomial.Polynomial([u, v])(2.0),
    "allclose of a list": lambda t, u, v: np.allclose([u, v], [1, 2]),
    "testing": lambda t, u, v: np.testing.assert_allclose(t, [1, 2]),
    "uniform": lambda t, u, v: generator().uniform(u, v),
    "normal of a vector": lambda t, u, v: generator().normal(t, 1.0),
    "choice": lambda t, u, v: generator().choice(t),
    "permutation": lambda t, u, v: generator().permutation(t),
    "a copy of a list": lambda t, u, v: ts.tensor([[u, v], [v, u]]),
    "assign_": lambda t, u, v: leaf([0.0, 0.0]).assign_([u, v]),
    "an operand": lambda t, u, v: ts.add(leaf(A), [[u, v], [v, u]]),
    "scipy.special.softmax": lambda t, u, v: pytest.importorskip("scipy.special").softmax(t),
    "scipy.stats": lambda t, u, v: pytest.importorskip("scipy.stats").norm.pdf(t),
    "scipy.signal": lambda t, u, v: pytest.importorskip("scipy.signal").convolve(t, [1, 2]),
    "scipy.optimize": lambda t, u, v: pytest.importorskip("scipy.optimize").minimize(np.sum, t),
    "a series": lambda t, u, v: pytest.importorskip("pandas").Series(t),
    "an index times t": lambda t, u, v: pytest.importorskip("pandas").Index([1.0, 2.0]) * t,
    "a column": lambda t, u, v: pytest.importorskip("pandas").DataFrame({"a": t}),
}
WORDS = r"is on the tape.*t\.numpy\(\) or t\.detach\(\).*ts\.stack"


@pytest.mark.parametrize("route", ROUTES)
def test_a_tensor_on_the_tape_does_not_become_an_array(route):
    for x in (leaf([1.0, 2.0]), leaf([1.0, 2.0]) * 1.0):
        with pytest.raises(TypeError, match=WORDS):
            ROUTES[route](x, x[0], x[1])


@pytest.mark.parametrize("route", ROUTES)
def test_a_captured_tensor_does_not_become_an_array_in_a_step(route):
    x = leaf([1.0, 2.0])
    u, v = x

    def step(c, _):
        ROUTES[route](x, u, v)
        return c, None

    with pytest.raises(TypeError, match=WORDS + "|the step of a scan"):
        ts.scan(step, ts.tensor(0.0), length=2)


@pytest.mark.host("a tensor on a device is not converted to NumPy implicitly")
def test_off_the_tape_and_without_recording_a_tensor_is_an_array():
    x = leaf(A)
    with ts.no_grad():
        for t in (x, x.T, x.detach()):
            assert type(np.asarray(t)) is np.ndarray
            assert_array_equal(np.asarray(t), t.numpy())
        assert np.asarray(x, dtype=np.float32).dtype == np.float32
        assert_array_equal(np.array([x, x]), [A, A])
        assert_array_equal(assigned(np.zeros((2, 2)), ..., x), A)
        assert assigned(np.zeros(1), 0, x[1, 1])[0] == 4.0
        assert np.mean([x[0, 0], x[1, 1]]) == 2.5
        assert_array_equal(ts.tensor([x[0, 0], x[1, 1]]).numpy(), [1, 4])
    t = ts.tensor(A)
    assert_array_equal(np.array([t, t]), [A, A])
    assert_array_equal(assigned(np.zeros((2, 2)), ..., t), A)
    assert assigned(np.zeros(1), 0, t[1, 1])[0] == 4.0
    assert_array_equal(A[ts.tensor([1, 0])], A[[1, 0]])
    assert_array_equal(assigned(np.zeros(2), ts.tensor(1), 5.0), [0, 5])


def test_no_grad_in_another_thread_does_not_matter():
    x, inside, done = leaf(A), threading.Event(), threading.Event()

    def quiet():
        with ts.no_grad():
            inside.set()
            done.wait()

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait()
    try:
        with pytest.raises(TypeError, match=WORDS):
            np.asarray(x)
    finally:
        done.set()
        thread.join()


NUMBERS = {
    "float": float,
    "int": int,
    "bool": bool,
    "item": lambda t: t.item(),
    "repr": repr,
    "str": str,
    "format": lambda t: f"{t} {t:.3f}",
    "percent": lambda t: f"{'%.3f' % t} {'%s' % t}",  # noqa: UP031
    "html": lambda t: t._repr_html_(),
    "if": lambda t: 1 if t else 2,
    "a list": lambda t: assigned([0], 0, float(t)),
    "an element": lambda t: assigned(np.zeros(1), 0, t.item()).tolist(),
    "a dict": lambda t: assigned({}, "loss", float(t)),
    "math": math.exp,
    "allclose": lambda t: np.allclose(t, 1.5),
    "queries": lambda t: (np.shape(t), np.ndim(t), np.result_type(t)),
    "a print of NumPy": np.array_repr,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_one_number_and_text_stay(name):
    t = leaf(1.5)
    for x in (t, t * 1.0):
        assert NUMBERS[name](x) is not None
    assert NUMBERS[name](t) == NUMBERS[name](copy.copy(t))


def test_a_picture_can_be_given_one_number():
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots()
    t = leaf(1.5)
    axes.set_ylim(0, t)
    axes.text(t, t, t)
    axes.annotate("here", (t, t))
    axes.set_title(f"{t:.1f}")
    axes.imshow([[0, 1]], vmin=0, vmax=t)
    figure.savefig(io.BytesIO())
    plt.close(figure)
    assert axes.get_ylim()[1] == 1.5


def test_an_element_of_an_array_says_so_in_the_cause():
    with pytest.raises(ValueError, match="setting an array element") as caught:
        assigned(np.zeros(1), 0, leaf(1.5))
    assert "t.detach()" in str(caught.value.__cause__)


def test_what_pandas_has_is_refused_by_name():
    series = pytest.importorskip("pandas").Series([1.0, 2.0])
    with pytest.raises(TypeError, match=r"not a Series: give its values, as in np\.asarray"):
        leaf([1.0, 2.0]) * series
