"""The public testing kit: its reports, its strategies, and that our own tests use it."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import doors
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT, TESTS
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import testing
from tinygrad_seq.engine.primitive import PRIMITIVES, Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.testing import (
    arrays_for,
    broadcastable,
    check,
    check_grad,
    check_primitive,
    hold,
    laws_of,
    tensors,
)
from tinygrad_seq.testing.precision import precision

X, Y = np.array([0.3, -0.7, 1.1]), np.array([1.5, 0.5, -2.0])
WEIGHTS = np.array([1.0, 1.0, 2.0])


def product(x, y, /):
    """z = x y"""
    return x * y


def wrong_product():
    """A product whose derivative with respect to y is twice too large in the last element."""
    op = Primitive(product, "(n),(n)->(n)")
    op.vjp(lambda g, y: g * y, lambda g, x: g * x * doors.placed(WEIGHTS))
    return op


def report(f, *inputs, **options):
    with pytest.raises(AssertionError) as caught:
        check_grad(f, *inputs, **options)
    return str(caught.value)


# --- check_grad: where, how much, which rule ----------------------------------------------------------


def test_the_report_says_where_and_how_much():
    op = wrong_product()
    text = report(lambda x, y: (op.function(ts.exp(x), y) * 3.0).sum(), X, Y)
    assert "its derivative and finite differences disagree" in text
    assert "input 0, float64[3]: right" in text
    assert "input 1, float64[3]: 1 of 3 elements are wrong" in text
    found = re.search(r"\[2\]  derivative (\S+)  differences (\S+)  relative error (\S+)", text)
    derivative, differences, error = map(float, found.groups())
    ratio = derivative / differences
    assert ratio == pytest.approx(2.0, rel=1e-6)
    assert error == pytest.approx(0.5, rel=0.1)


def test_the_report_names_the_rule_its_argument_and_the_line():
    op = wrong_product()

    def f(x, y):
        h = ts.tanh(x) + ts.sqrt(ts.square(y) + 1.0)
        return ts.exp(op.function(h, y))  # the line

    text = report(f, X, Y)
    assert text.count("suspect: ") == 1
    assert "the VJP rule of y in product(float64[3], float64[3])" in text
    line = f.__code__.co_firstlineno + 2
    assert f"called at {__file__}:{line}  return ts.exp(op.function(h, y))  # the line" in text
    declared = int(re.search(rf"declared at {re.escape(__file__)}:(\d+)", text)[1])
    assert "op.vjp(" in Path(__file__).read_text().splitlines()[declared - 1]


def test_one_of_any_number_of_arguments():
    def both(*arrays):
        return np.concatenate(arrays)

    op = Primitive(both, examples=[example("(a)", "(b)")])
    op.linear()
    op.joint_vjp(lambda g, s: (g[: s[0][0]], -g[s[0][0] :]))
    assert "the VJP rule of arrays[1] in both" in report(lambda x, y: op.function(x, y).sum(), X, Y)


def test_a_rule_that_is_wrong_to_second_order():
    op = Primitive(product, "(),()->()")
    op.vjp(lambda g, y: g * data_of(y), lambda g, x: g * x)
    f = lambda x, y: op.function(x, y).sum()  # noqa: E731
    check_grad(f, X, Y, order=1)
    text = report(f, X, Y)
    assert text.startswith("the pullback of <lambda>")
    assert "the derivative of the VJP rule of x in product" in text
    assert "rule of y" not in text


def test_to_third_order():
    """A rule with the right first derivative, whose second derivative is missing."""

    def cube(x, /):
        return x**3

    def slope(x, /):
        return 3 * x**2

    first, second = Primitive(slope, "()->()"), Primitive(cube, "()->()")
    first.vjp(lambda g, x: g * 6 * data_of(x))
    second.vjp(lambda g, x: g * first.function(x))
    check_grad(lambda x: second.function(x), X)
    assert "the pullback of the pullback of" in report(lambda x: second.function(x), X, order=3)
    check_grad(lambda x: ts.tanh(x) ** 3, X, order=3)


def test_where_no_rule_is_to_blame():
    text = report(lambda x: ts.exp(x) * ts.tanh(x.detach()), X)
    assert "no rule is suspect" in text
    assert "detach" in text


def test_after_a_report_everything_is_as_it_was():
    op, tanh = wrong_product(), PRIMITIVES["tanh"]
    before = tanh.forward, op.forward
    report(lambda x, y: op.function(ts.tanh(x), y), X, Y)
    assert (tanh.forward, op.forward) == before
    assert_allclose(ts.tanh(ts.tensor(X)).numpy(), np.tanh(X), rtol=1e-14)
    check_grad(ts.tanh, X)


# --- check_grad: its arguments ------------------------------------------------------------------------


def test_everything_is_computed_in_float64():
    seen = []

    def f(x, y, z, i, on):
        seen.append([t.dtype for t in (x, y, z, i, on)])
        return ts.where(on, x[i] * y, 0.0).sum() * z

    check_grad(f, X.astype("f4"), ts.tensor([2.0, 3.0]), 1.5, np.array([0, 2]), np.array([True, False]))
    float64, int64, boolean = np.dtype("f8"), np.dtype("i8"), np.dtype(bool)
    assert all(dtypes == [float64, float64, float64, int64, boolean] for dtypes in seen)


@pytest.mark.parametrize(
    ("f", "inputs", "error", "text"),
    [
        (lambda x: x.astype("f4"), [X], TypeError, r"float64.*float32\[3\].*model\.to"),
        (
            lambda x: x.numpy(),
            [X],
            TypeError,
            r"must return a Tensor or a sequence of Tensors, got float64\[3\]",
        ),
        (lambda x: [1.0], [X], TypeError, "must return float64 Tensors, got float 1.0"),
        (lambda i: i * 2.0, [np.array([1, 2])], TypeError, "needs a float among its inputs, got int64"),
        (lambda: ts.tensor(1.0), [], TypeError, "needs a float among its inputs, got no inputs"),
        (lambda x: x * np.random.default_rng().random(), [X], ValueError, "two calls of .* differ"),
    ],
)
def test_what_cannot_be_checked(f, inputs, error, text):
    with pytest.raises(error, match=text):
        check_grad(f, *inputs)


# --- check_primitive ----------------------------------------------------------------------------------


def test_the_report_of_check_primitive():
    op = Primitive(product, "(n),(n)->(n)")
    op.vjp(lambda g, y: g * y, lambda g, x: g * x * 1.01)
    op.bilinear()
    with pytest.raises(AssertionError) as caught:
        check_primitive(op)
    law, call, differs = str(caught.value).splitlines()
    assert law == "product breaks the law vjp: <J'g, v> is the slope of <g, f(x + t v)> at t = 0."
    assert re.fullmatch(r"    smallest call found: product\(d? ?array\(.*\), d array\(.*\)\)  # seed \d+", call)
    assert (
        re.search(r"what differs: .*\): got \S+, expected \S+, a relative error of", differs)
        or "# seed" in differs
    )
    assert call.count(".") <= 2, "one element in each array would do"


def test_an_error_of_a_rule_keeps_its_type():
    op = Primitive(product, "(n),(n)->(n)")
    op.vjp(lambda g, y: g[:, None, None] * y, lambda g, x: g * x)
    with pytest.raises((ValueError, IndexError)) as caught:
        check_primitive(op)
    assert any("product breaks the law" in note for note in caught.value.__notes__)


def test_it_holds_a_primitive_to_the_laws_of_our_own_tests(monkeypatch):
    held = []
    monkeypatch.setattr(check, "hold", lambda op, law, device: held.append((op, law)))
    for op in PRIMITIVES.values():
        check_primitive(op)
    assert held == [(op, law) for op in PRIMITIVES.values() for law in laws_of(op)]
    source = (TESTS / "ops" / "test_laws.py").read_text()
    assert "for law in laws_of(op)" in source
    assert "hold(op, law)" in source


# --- strategies ---------------------------------------------------------------------------------------


@given(tensors((None, 4), dtype=np.float32, interval=(-1.0, 0.5)), tensors(3, requires_grad=False), tensors())
def test_tensors(x, y, z):
    assert (x.dtype, x.ndim, x.shape[1:], x.is_leaf, x.requires_grad) == (np.float32, 2, (4,), True, True)
    assert ((x.numpy() > -1.0) & (x.numpy() < 0.5)).all()
    assert (y.dtype, y.shape, y.requires_grad) == (np.float64, (3,), False)
    assert z.ndim <= 3
    values = np.sort(np.abs(np.concatenate([y.numpy().ravel(), z.numpy().ravel()])))
    assert values.size == 0 or values[0] > 0.1
    assert len(np.unique(z.numpy())) == z.size


@given(arrays_for("(n,k),(k,m)->(n,m)"), broadcastable(3, axes=2))
def test_arrays_for(matrices, group):
    x, y = matrices
    assert (x @ y).shape[-2:] == (x.shape[-2], y.shape[-1])
    assert len(group) == 3
    assert np.broadcast_shapes(*(a.shape for a in group)) == sum(group).shape
    assert all(a.dtype == np.float64 and a.ndim <= 2 for a in group)


def test_what_strategies_reach():
    """They draw empty axes, axes of length 1, 0-d arrays, and different shapes within one group."""
    shapes = set()

    @given(broadcastable(2))
    def collect(group):
        shapes.add(tuple(a.shape for a in group))

    collect()
    sizes = {n for pair in shapes for shape in pair for n in shape}
    assert {0, 1, 3} <= sizes
    assert any(() in pair for pair in shapes)
    assert any(a != b for a, b in shapes)


@given(st.data())
def test_intervals(data):
    low, high = data.draw(arrays_for("(n),(n)->()", intervals=[(0.0, 1.0), (2.0, np.inf)]))
    assert (low < 1.0).all()
    assert (high > 2.0).all()
    with pytest.raises(ValueError, match="2 arguments and needs as many intervals, got 1"):
        data.draw(arrays_for("(n),(n)->()", intervals=[(0.0, 1.0)]))


# --- what single laws find ----------------------------------------------------------------------------


def log_of_sum(x, /):
    """z = log sum_i exp x_i"""
    top = np.max(x, axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.sum(np.exp(x - top), axis=-1))


def test_a_rule_that_is_wrong_for_large_numbers():
    """exp(x - z) is softmax x, except that z is rounded; only float32 at large numbers shows it."""
    op = Primitive(log_of_sum, examples=[example("(a,B)")])
    op.vjp(lambda g, x, z: np.reshape(g, (*np.shape(g), 1)) * np.exp(x - np.reshape(z, (*np.shape(z), 1))))
    op.jvp(lambda g, x, z: np.sum(g * np.exp(x - np.reshape(z, (*np.shape(z), 1))), axis=-1))
    with pytest.raises(AssertionError, match="the gradients of log_of_sum"):
        hold(op, precision)


def test_a_rule_whose_derivative_does_not_vanish_with_the_cotangent():
    """x log x has the right gradient where the cotangent is 0, but its factor log x has not."""

    def entropy(x, /):
        return x * np.log(np.where(x == 0, 1, x))

    op = Primitive(entropy, "()->()", domain={"x": (0.0, np.inf)})
    op.partials(lambda x: (x * np.log(x) + x) / x, singular=True)
    with pytest.raises(AssertionError, match="the derivative of its gradient"):
        check_primitive(op)


# --- the package --------------------------------------------------------------------------------------


def test_what_is_public_is_documented():
    page = (ROOT / "docs" / "testing.md").read_text()
    for name in testing.__all__:
        assert hasattr(testing, name)
        assert f"`{name}" in page, f"docs/testing.md does not tell of {name}"


def test_the_page_runs():
    failed, tried = doctest.testfile(str(ROOT / "docs" / "testing.md"), module_relative=False)
    assert (failed, tried > 5) == (0, True)


def test_without_hypothesis():
    code = "import sys; sys.modules['hypothesis'] = None; import tinygrad_seq.testing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: tinygrad_seq.testing needs Hypothesis")
    assert last.endswith('pip install -e ".[testing]"')
    assert "During handling" not in run.stderr


@pytest.mark.examples
def test_the_example():
    run = subprocess.run(
        [sys.executable, "examples/your_own_op.py"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    right, wrong = run.stdout.split("check_primitive(wrong_swish)")
    assert right.count("holds") == 2
    assert "wrong_swish breaks the law vjp" in wrong
    assert "suspect: the VJP rule of x in wrong_swish" in wrong
    assert "holds" not in wrong
