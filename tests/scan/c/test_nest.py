"""Loop nests as C: reductions along all axes, tails of vectors, conversions, numbers, and loops in loops."""

import numpy as np
import pytest
from in_c import all_in_c, in_c
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.scan import scan, unrolled

FLOATS = [np.float32, np.float64]
INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


@pytest.fixture(autouse=True)
def compiler():
    with in_c():
        yield


def check(step, init, xs):
    """The step as C is the Python loop: integers exactly, floats up to rounding."""
    with np.errstate(all="ignore"):
        found, right = (tree.leaves(run(step, init, xs)) for run in (scan, unrolled))
    assert all_in_c()
    for x, y in zip(found, right, strict=True):
        x, y = x.numpy(), y.numpy()
        assert x.dtype == y.dtype
        if x.dtype.kind == "f":
            assert_allclose(x, y, rtol=32 * np.finfo(x.dtype).eps, atol=8 * np.finfo(x.dtype).eps)
        else:
            assert_array_equal(x, y)


def of(f):
    """A step that computes f(x) and carries nothing."""
    return lambda c, x: (c, f(x))


def drawn(*shape, dtype=np.float64):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


# --- stacks of products -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [3, 16])
def test_stacks_of_products(batch, dtype):
    """Of wide and narrow matrices, in any layout, over one axis or two; 16 rows are split into blocks."""
    y, narrow = drawn(5, 17, dtype=dtype), drawn(5, 6, dtype=dtype)

    def step(h, x):
        wide, small = ts.tensor(y) * h, ts.tensor(narrow) * h
        z = x @ wide
        pairs = ts.stack([z, -z], axis=1) @ wide.mT[:, None]
        return h * 0.5 + x[:, :1, :1], [z, x @ small, small.mT @ x.mT, z @ wide.mT, pairs, z[:, :1] @ wide.mT]

    xs = drawn(3, batch, 7, 5, dtype=dtype)
    check(step, ts.tensor(drawn(batch, 1, 1, dtype=dtype)), xs)
    xs[1, 2, 3, 4] = np.nan
    check(step, ts.tensor(drawn(batch, 1, 1, dtype=dtype)), xs)


# --- reductions ---------------------------------------------------------------------------------------

AXES = [None, 0, 1, 2, (0, 1), (0, 2), (1, 2)]


def reduced(x):
    return [op(x, axis=axis) for op in (ts.max, ts.min, ts.sum, ts.prod) for axis in AXES]


@pytest.mark.parametrize("dtype", [*FLOATS, "i4", "i8", "u1"])
@pytest.mark.parametrize("size", [(4, 5, 12), (3, 17, 2)])
def test_reductions(size, dtype):
    """Of numbers of both signs, and of one sign alone, which is not the sign of 0."""
    xs = (9 * drawn(2, *size)).astype(dtype)
    check(of(reduced), ts.tensor(0), xs)
    if np.dtype(dtype).kind != "u":
        check(of(reduced), ts.tensor(0), np.stack([-1 - abs(xs[0]), 1 + abs(xs[0])]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_reduction_of_nan(dtype):
    xs = drawn(3, 4, 5, 12, dtype=dtype)
    xs[0, 1, 2, 3] = xs[1, 3, 4, 11] = xs[2, 0, 0, 0] = np.nan
    check(of(reduced), ts.tensor(0), xs)


def test_truth_values():
    """All false, all true, and both."""
    xs = np.stack([np.zeros((4, 5), bool), np.ones((4, 5), bool), np.eye(4, 5, dtype=bool)])
    check(
        of(lambda x: [op(x, axis=a) for op in (ts.max, ts.min, ts.any, ts.all) for a in (None, 0, 1)]),
        ts.tensor(0),
        xs,
    )


# --- tails --------------------------------------------------------------------------------------------

LENGTHS = [*range(1, 20), 25, 31, 32, 33, 47]


@pytest.mark.parametrize("dtype", FLOATS)
def test_vectors_of_any_length(dtype):
    """Elements, a running sum and product, and additions at equal indices, none of which may be done twice."""
    xs = [drawn(3, n, dtype=dtype) for n in LENGTHS]
    starts = [ts.tensor(np.zeros(n, dtype)) for n in LENGTHS]
    check(lambda cs, xs: ([0.5 * c + x for c, x in zip(cs, xs, strict=True)], None), starts, xs)
    check(of(lambda xs: [ts.cumsum(x, axis=0) for x in xs]), ts.tensor(0), xs)
    check(of(lambda xs: [ts.cumprod(x, axis=0) for x in xs]), ts.tensor(0), xs)
    places = [np.arange(n) // 2 for n in LENGTHS]

    def added(xs):
        pairs = zip(xs, places, strict=True)
        return [ts.scatter_add(ts.zeros_like(x), i, x) for x, i in pairs]

    check(of(added), ts.tensor(0), xs)


# --- conversions and numbers --------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["?", "f4", "f8", *INTEGERS])
def test_conversions(source):
    """Wherever C and NumPy agree: not from a float to a small integer, which it cannot hold."""
    numbers = [0, 1, 0.5, -1, -2.75, 255, 256, 65537]
    xs = np.array([numbers]).astype("i8" if source[0] in "iu" else "f8").astype(source)
    targets = ["?", "f4", "f8", *(INTEGERS if source[0] in "iu?" else ["i4", "i8"])]
    check(of(lambda x: [ts.astype(x, t) for t in targets]), ts.tensor(0), xs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, -0.0, -1.5, 1e-42, 16777217])
def test_numbers(number, dtype):
    """Those of a step are read from memory, and those of a derivative are in the text."""

    def same(x, /):
        "z = x, with any derivative"
        return x * 1

    op = Primitive(same, "()->()")
    op.partials(lambda: number)
    op.c("x * 1")
    xs = ts.tensor(drawn(3, 5, dtype=dtype), requires_grad=True)
    _, (found, ys) = scan(of(lambda x: (ts.where(x > 0, x, number), op.function(x))), ts.tensor(0), xs)
    slope = ts.grad(ys.sum(), xs)
    right = np.where(xs.numpy() > 0, xs.numpy(), dtype(number))
    for x, y in ((found, right), (slope, np.full((3, 5), number, dtype))):
        assert_array_equal(x, y)
        assert_array_equal(np.signbit(x.numpy()), np.signbit(y))
    assert all_in_c()


@pytest.mark.parametrize(
    ("dtype", "number"), [("u8", 2**64 - 1), ("i8", -(2**63)), ("i8", 2**63 - 1), ("u1", 255)]
)
def test_the_greatest_integers(dtype, number):
    xs = np.arange(6).reshape(2, 3).astype(dtype)
    check(of(lambda x: ts.where(x > 2, x, number)), ts.tensor(0), xs)


# --- divisions by one number of a row -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [7, 33])
def test_rows_divided_by_numbers(n, dtype):
    """By a reciprocal, which would be infinite for a subnormal number."""
    tiny = np.finfo(dtype).tiny
    divisors = np.array([3, -0.5, tiny / 4, -tiny / 64, tiny, np.inf, np.nan, 0, -0.0, 1 / tiny, 7], dtype)
    rows = drawn(len(divisors), n, dtype=dtype) * tiny
    rows[-1] = 0

    def step(c, x):
        y, z = x
        return c, (rows / y[:, None], rows / z[:, None])

    with np.errstate(all="ignore"):
        pair = divisors, divisors[::-1].copy()
        _, found = scan(step, ts.tensor(0), tuple(y[None] for y in pair))
        assert all_in_c()
        for y, z in zip(pair, found, strict=True):
            right = rows / y[:, None]
            assert_allclose(
                z[0], right, rtol=8 * np.finfo(dtype).eps, atol=8 * np.finfo(dtype).smallest_subnormal
            )


# --- names --------------------------------------------------------------------------------------------


def test_names_that_mean_something_in_c():
    """Those of types, of variables of the loop, and of memory."""

    def step(h, x):
        double = ts.tanh(x + h)
        k0 = double.sum(axis=1, keepdims=True) * double
        x_at = k0 - h
        step = ts.softmax(x_at * 2, axis=1)
        x = step @ x_at.T
        wrong = ts.max(x, axis=1, keepdims=True) + x_at
        panels1 = wrong @ ts.tanh(wrong).T
        return panels1 @ h, (double, k0, x_at, step, x, wrong)

    check(step, ts.tensor(drawn(3, 3)), drawn(2, 3, 3))


def test_names_that_end_as_the_names_of_memory_and_of_results_so_far():
    """A number before the value whose memory would have its name, and values before such a value."""
    h_at = ts.tensor(2.0)

    def step(h, x):
        y_at = ts.tanh(h * h_at + x)
        y = y_at.sum(axis=0)
        h = ts.tanh(y_at * y * h_at)
        z_so_far = ts.exp(h)
        z = z_so_far.sum(axis=1, keepdims=True)
        m_so_far_nan = ts.sin(x)
        m = ts.max(m_so_far_nan, axis=1, keepdims=True)
        return h * h.sum(axis=0), (y, y_at, z, m)

    check(step, ts.tensor(drawn(3, 4)), drawn(2, 3, 4))


# --- products and loops in loops ----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_of_values_in_any_layout(dtype):
    """Of two values of the step, and of one and a part of a weight."""
    w = ts.tensor(drawn(24, 40, dtype=dtype))

    def step(h, x):
        scores = ts.tanh(h @ x.T) @ x * 0.1
        made = h @ w[:, 7:31], h @ w[:, 8:32].T, x @ w, (x @ w)[:, 3:27] @ x.T, x[:, 2:].T @ h[:, 2:]
        return ts.tanh(h + scores), [ts.tanh(0.1 * z) for z in made]

    check(step, ts.tensor(drawn(20, 24, dtype=dtype)), drawn(3, 20, 24, dtype=dtype))


def test_a_product_of_no_columns():
    """Of a matrix of the step, which has no element and so no memory."""
    h, xs = ts.tensor(drawn(5, 5)), drawn(3, 5)
    check(lambda h, x: (ts.tanh(h[:, :0] @ (h[:0] @ h + 1) + x), None), h, xs)


@pytest.mark.parametrize("reverse", [False, True])
def test_parts_of_arrays_in_a_loop_in_the_step(reverse):
    """The constants, inputs and factors of the inner loop begin anywhere in the memory of the step."""
    w = ts.tensor(drawn(8, 20))

    def step(h, x):
        number, part, left = x[3, 1], x[2, 2:6], x[4:8, :4] * 0.5

        def inner(h, u):
            return ts.tanh(h @ w[:4, 3:7] + h @ left + u * number + part), h * part

        return scan(inner, h, x[1:4, 1:5], reverse=reverse)

    check(step, ts.tensor(drawn(2, 4)), drawn(3, 9, 8))
