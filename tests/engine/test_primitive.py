"""User-defined primitives: which wrong rules the laws catch, which axes are summed, what a record keeps."""

import sys

import doors
import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES, Primitive
from tinygrad_seq.engine.signature import example
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.testing import check_primitive


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def cube(x, /):
    return x**3


# --- a primitive of one's own -------------------------------------------------------------------------


def test_it_works_everywhere_and_obeys_the_laws(monkeypatch):
    for table in (PRIMITIVES, FUNCTIONS):  # as if we had none
        monkeypatch.delitem(table, "hypot")

    @ts.primitive("(),()->()")
    def hypot(x, y, /):
        """z = sqrt(x^2 + y^2)"""
        return np.hypot(x, y)

    hypot.partials(lambda x, z: x / z, lambda y, z: y / z, singular=True)

    x, y = leaf([1.0, 2.0]), leaf([[0.5], [3.0]])
    z = np.hypot(x, y)  # NumPy's function finds it by its name
    assert_allclose(z.numpy(), np.hypot(x.numpy(), y.numpy()))
    assert z.requires_grad
    assert type(hypot(doors.placed(np.ones(2)), 1.0)) is type(doors.placed(np.ones(2)))
    assert "sqrt(x^2 + y^2)" in hypot.__doc__
    check_primitive(hypot)


def test_examples_in_the_place_of_a_signature():
    @ts.primitive(examples=[example("(A,b)"), example("(a,B)", axis=-1)])
    def flip_sum(x, /, axis=0):
        """z = the running sums of x, from its end"""
        return np.flip(np.cumsum(np.flip(x, axis), axis), axis)

    flip_sum.vjp(lambda g, axis: g + running(g, axis))
    flip_sum.linear(lambda g, axis: adjoint(g, axis))
    flip_sum.rides(axis=lambda axis, s: axis % len(s[0]) - len(s[0]))

    @ts.primitive(examples=[example("(A,b)"), example("(a,B)", axis=-1)])
    def running(x, /, axis=0):
        """z = the running sums of x"""
        return np.cumsum(x, axis)

    running.linear(lambda g, axis: flip_sum(g, axis))
    running.rides(axis=lambda axis, s: axis % len(s[0]) - len(s[0]))

    def adjoint(g, axis):
        return running(g, axis)

    check_primitive(flip_sum)
    check_primitive(running)


def right(g, x):
    return ts.safe_product(g, 3 * np.square(x))


def greedy(g, x):
    """The right gradient, written into the array of the cotangent."""
    dx = right(g, x)
    return np.multiply(dx, 1.0, out=g) if is_writable(g) else dx


def is_writable(g):
    return backend.is_array(g) and getattr(g.flags, "writeable", True)


WRONG = {  # what is wrong: the rules of x^3, and what the laws say
    "derivative": (lambda op: op.partials(lambda x: 2 * np.square(x), singular=True), "VJP of cube"),
    "shape": (lambda op: op.vjp(lambda g, x: np.sum(right(g, x))), "not a broadcast"),
    "second derivative": (
        lambda op: op.partials(lambda x: data_of(x) ** 2 * 3, singular=True),
        "second VJP of cube",
    ),
    "zero": (lambda op: op.partials(lambda x: 3 * np.square(x)), "zero cotangent"),
    "cotangent": (lambda op: (op.vjp(greedy), op.jvp(right)), "a cotangent after the VJP of cube"),
    "forward mode": (lambda op: (op.vjp(right), op.jvp(lambda g, x: g)), "JVP against VJP of cube"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_rules_are_caught(what):
    declare, message = WRONG[what]
    op = Primitive(cube, "()->()")
    declare(op)
    if what == "cotangent" and doors.NAME != "numpy":  # no array is read-only, and a law of values is first
        message = "of cube"
    with pytest.raises((AssertionError, ValueError), match=message):
        check_primitive(op)


def test_a_missing_forward_mode_is_caught():
    op = Primitive(cube, "()->()")
    op.vjp(right)
    with pytest.raises(TypeError, match="cube"):
        check_primitive(op)


def test_the_right_rules_pass():
    op = Primitive(cube, "()->()")
    op.vjp(right)
    op.jvp(right)
    check_primitive(op)


def test_a_wrong_signature_is_caught():
    def softmax_like(x, /):
        e = np.exp(x)
        return e / np.sum(e)

    op = Primitive(softmax_like, "(n)->(n)")
    op.no_derivative()
    with pytest.raises(AssertionError, match="riding"):
        check_primitive(op)


def test_a_wrong_riding_rule_is_caught():
    def total(x, /, axis=0):
        return np.sum(x, axis)

    op = Primitive(total, examples=[example("(a,b)")])
    op.linear(lambda g, s, axis: np.broadcast_to(np.expand_dims(g, axis), s))
    op.rides(axis=lambda axis: axis)
    with pytest.raises(AssertionError, match="riding"):
        check_primitive(op)


def test_a_forward_function_that_writes_into_its_argument_is_caught():
    def careless(x, /):
        x *= 2.0
        return np.copy(x)

    op = Primitive(careless, "()->()")
    with pytest.raises((AssertionError, ValueError, TypeError)):
        check_primitive(op)


# --- summing back -------------------------------------------------------------------------------------


def test_a_cotangent_is_summed_over_loop_axes_and_over_nothing_else():
    """(n)->(): a rule that forgets to return one cotangent per element must not be summed away."""

    def norm2(x, /):
        return np.sum(x * x, axis=-1)

    right, wrong = Primitive(norm2, "(n)->()"), Primitive(norm2, "(n)->()")
    right.vjp(lambda g, x: 2 * x * np.expand_dims(g, -1))
    wrong.vjp(lambda g, x: np.ones_like(x, shape=(3, 2)) * np.sum(g))
    x = leaf([[1.0, 2.0]])
    right.function(x).sum().backward()
    assert_allclose(x.grad.numpy(), [[2.0, 4.0]])
    for shape in ((1,), (2,), (2, 1), (1, 2)):
        with pytest.raises(ValueError, match="not a broadcast of its argument's shape"):
            wrong.function(leaf(np.ones(shape))).sum().backward()


def test_without_a_signature_nothing_is_summed():
    def doubled(x, /):
        return 2 * x

    op = Primitive(doubled, examples=[example("(a)")])
    op.vjp(lambda g: np.broadcast_to(g, (4, *g.shape)))
    with pytest.raises(ValueError, match="not a broadcast"):
        op.function(leaf([1.0])).backward()


# --- what a record keeps ------------------------------------------------------------------------------


def kept(z):
    """By op, what each record of the tape of z keeps: the names of the arrays that are there."""
    return {
        record.op.name: {
            name for name, value in zip(record.op.reads, record.saved, strict=True) if value is not None
        }
        for record in tape([z.line])
        if record.op is not None
    }


x, W, b = np.ones((2, 3)), leaf(np.ones((3, 4))), leaf(np.ones(4))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ts.matmul(x, W), {"matmul": {"x"}}),
        (lambda: ts.matmul(W, np.ones((4, 2))), {"matmul": {"y"}}),
        (lambda: ts.matmul(leaf(x), W), {"matmul": {"x", "y"}}),
        (lambda: ts.tanh(b), {"tanh": {"z"}}),
        (lambda: ts.exp(b), {"exp": {"z"}}),
        (lambda: b + b, {"add": set()}),
        (lambda: b * 2.0, {"multiply": {"y"}}),
        (lambda: 2.0 * b, {"multiply": {"x"}}),
        (lambda: b / 2.0, {"divide": {"y"}}),
        (lambda: ts.where(x > 0, leaf(x), 0.0), {"where": {"condition"}}),
        (lambda: ts.sum(W), {"sum": set()}),
        (lambda: ts.reshape(W, -1), {"reshape": set()}),
        (lambda: ts.softmax(b), {"softmax": {"z"}}),
        (lambda: ts.concatenate([b, b]), {"concatenate": {"s"}}),
        (lambda: ts.split(b, 2)[0], {"split": set()}),
        (lambda: b[1:], {"getitem": {"indices"}}),
    ],
)
def test_a_record_keeps_what_its_rules_read(make, expected):
    assert kept(make()) == expected


def test_constants_record_nothing():
    t = ts.tensor(np.ones((2, 2)))
    assert (t @ t + ts.tanh(t)).line is None
    assert (ts.argmax(W)).line is None


def test_an_argument_before_any_number_of_others():
    """Second derivatives find the line of each of them."""

    @ts.primitive(examples=[example("(2),(2),(2)")])
    def weighted(x, /, *ys):
        """z = x (y_1 + y_2 + ...)"""
        return x * sum(ys)

    weighted.joint_vjp(lambda g, x, ys: [g * sum(ys), *(g * x for _ in ys)])
    x, a, b = (ts.tensor(data, requires_grad=True) for data in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]))
    slopes = ts.grad(weighted(x, a, b).sum(), [x, a, b], create_graph=True)
    assert [slope.numpy().tolist() for slope in slopes] == [[8.0, 10.0], [1.0, 2.0], [1.0, 2.0]]
    second = ts.grad((slopes[0] * np.float32([1.0, 10.0])).sum(), [a, b], retain_graph=True)
    assert [s.numpy().tolist() for s in second] == [[1.0, 10.0], [1.0, 10.0]]
    assert ts.grad(slopes[2].sum(), x).numpy().tolist() == [1.0, 1.0]


def test_one_rule_for_two_arguments_reads_the_shapes_of_both():
    @ts.primitive(examples=[example("(2),(3)")])
    def totals(x, y, /):
        """z = sum x + sum y"""
        return np.sum(x) + np.sum(y)

    totals.joint_vjp(lambda g, s: [g * np.ones_like(g, shape=shape) for shape in s])
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0, 5.0])
    for inputs in ((x, y), (x, [1.0]), ([1.0], y)):
        of = [t for t in inputs if isinstance(t, ts.Tensor)]
        assert [g.numpy().tolist() for g in ts.grad(totals(*inputs), of)] == [[1.0] * len(t) for t in of]
    assert not totals(x.detach(), y.detach()).requires_grad

    def loop(x, y):
        start = ts.tensor(np.ones(2))
        return ts.scan(lambda h, _: (0.5 * h + totals(h * x, y), None), start, length=2)[0].sum()

    found = ts.grad(loop(x, y), [x, y])
    x, y = (t.detach().numpy() for t in (x, y))
    h1 = 0.5 + x.sum() + y.sum()  # both elements of the carry are equal
    assert_allclose(found[0].numpy(), 2 * (h1 + 0.5 + x.sum()) * np.ones(2))
    assert_allclose(found[1].numpy(), 2 * (1.5 + x.sum()) * np.ones(3))


def test_what_an_op_keeps_for_its_rules():
    """Only a recorded call computes it; its record holds it, until the walk frees the record."""
    calls = []

    def forward(x, /):
        calls.append("forward")
        return (np.exp(x),)

    def keeping(x, /):
        calls.append("keeping")
        return (np.exp(x),), {"slope": np.exp(x)}

    op = Primitive(forward, examples=[example("(2)")], many=True)
    op.keeps(keeping)
    op.joint_vjp(lambda g, z, kept: [g[0] * (z[0] if kept is None else kept["slope"])])
    x = leaf([1.0, 2.0])
    (y,) = op.function(x)
    if doors.NAME == "numpy":  # CuPy has no read-only arrays
        assert not y._array.flags.writeable
    held = next(part for part in y.line[0].saved if isinstance(part, dict))
    assert_allclose(ts.grad(y.sum(), x).numpy(), held["slope"])
    assert sys.getrefcount(held) == 2
    for off in (x.detach(), x.numpy()):
        op.function(off)
    with ts.no_grad():
        op.function(x)
    assert calls == ["keeping"] + 3 * ["forward"]

    slope = ts.grad(op.function(x)[0].sum(), x, create_graph=True)  # what is kept is a constant
    assert not slope.requires_grad

    def loop(w):
        return ts.scan(lambda h, _: (h * op.function(w)[0], None), ts.tensor(np.ones(2)), length=3)[0].sum()

    assert_allclose(ts.grad(loop(x), x).numpy(), 3 * np.exp(3 * x.numpy()))
