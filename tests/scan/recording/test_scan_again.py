"""A step is recorded again at every call of scan, so that an outdated program is never run.

Each test changes something about the step, calls scan again, and compares values and gradients with the loop. A
step that did not change is not compiled again.
"""

import math
from contextlib import nullcontext

import numpy as np
import pytest
from loops import is_the_loop, leaf
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan import scan
from tinygrad_seq.scan.over_time import CAPACITY, PROGRAMS


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def given(dtype=np.float64, steps=4, size=3):
    return (
        ts.tensor(normal(size).astype(dtype), requires_grad=True),
        ts.tensor(normal(steps, size).astype(dtype), requires_grad=True),
    )


@pytest.fixture
def programs():
    """A function that returns the number of programs compiled since the start of the test."""
    PROGRAMS.clear()
    return lambda: len(PROGRAMS)


# --- Python values that a closure uses ----------------------------------------------------------------

VALUES = {
    "floats": [0.5, 0.25, -1.0, 0.0, -0.0, math.inf, math.nan, 2.0],
    "integers": [1, 2, -1, 0, 3],
    "mixed kinds": [1, 1.0, True, 0, 0.0, False, np.float64(1), np.int64(1), np.float32(2)],
    "booleans": [True, False, True],
    "arrays": [np.ones(3), np.zeros(3), np.arange(3), np.arange(3.0)[::-1], np.array(2.0)],
}


@pytest.mark.parametrize("name", VALUES)
def test_a_closure_over_a_value_that_changes(name):
    c, xs = given()
    for value in VALUES[name] * 2:
        is_the_loop(lambda c, x, value=value: (ts.tanh(c * value + x), x * value - c), c, xs, [c, xs])


def test_a_global_that_changes():
    c, xs = given()
    settings = {"rate": 0.5}

    def step(c, x):
        return ts.tanh(c * settings["rate"] + x), None

    for rate in (0.5, 0.1, 2):
        settings["rate"] = rate
        is_the_loop(step, c, xs, [c, xs])


def test_floats_are_no_part_of_a_program(programs):
    c, xs = given()
    for value in (0.5, 0.25, 3.0, math.inf):
        scan(lambda c, x, value=value: (ts.tanh(c * value) + x, None), c, xs)
    assert programs() == 1


def test_arrays_and_parameters_are_no_part_of_a_program(programs):
    c, xs = given()
    for seed in range(4):
        w = leaf(normal(3, 3, seed=seed))
        is_the_loop(lambda c, x, w=w: (ts.tanh(c @ w + x), None), c, xs, [c, xs, w])
    assert programs() == 1


@pytest.mark.parametrize("form", [lambda x, n: x**n, lambda x, n: ts.power(x, n), lambda x, n: x * x * n + n])
def test_an_exponent_that_changes(form):
    c, xs = given()
    for n in (2, 3, 2, 2.0, 3.0, 1, 0, -1, -1.0, 0.0):
        is_the_loop(lambda c, x, n=n: (ts.tanh(form(c, n) * 0.1 + x), form(x, n)), c, xs, [c, xs])


def test_a_choice_that_changes():
    """Another branch of a Python `if`; a loop of another length; another function."""
    c, xs = given()
    for deep in (1, 3, 1, 2):
        for f in (ts.tanh, ts.sigmoid, ts.tanh):
            for flag in (True, False):

                def step(c, x, deep=deep, f=f, flag=flag):
                    h = c + x
                    for _ in range(deep):
                        h = f(h)
                    return (h * c, h) if flag else (h, c)

                is_the_loop(step, c, xs, [c, xs])


def test_two_lambdas_with_the_same_code():
    c, xs = given()
    weights = [leaf(normal(3, seed=i)) for i in range(3)]
    steps = [lambda c, x, w=w: (ts.tanh(c * w + x), c * w) for w in weights]
    assert len({step.__code__ for step in steps}) == 1
    for step in steps * 2:
        is_the_loop(step, c, xs, [c, xs, *step.__defaults__])


def test_two_lambdas_in_one_line():
    c, xs = given()
    left, right = (lambda c, x: (ts.tanh(c - x), c)), (lambda c, x: (ts.tanh(c + x), c))
    for step in (left, right, left):
        is_the_loop(step, c, xs, [c, xs])


def test_a_counter_of_python_counts_once():
    """Documented: each call of scan calls the step once, for any number of steps."""
    c, xs = given()
    calls = []

    def step(c, x):
        calls.append(1)
        return c * 2, None

    for count in (1, 2):
        carry, _ = scan(step, c, xs)
        assert len(calls) == count
        assert_allclose(carry.numpy(), c.numpy() * 2**4)
    carry.sum().backward()
    assert len(calls) == 2


def test_a_counter_whose_value_is_used_is_refused():
    """In the Python loop it would be 1, 2, 3, 4."""
    c, xs = given()
    calls = []

    def step(c, x):
        calls.append(x)
        return c * len(calls), None

    with pytest.raises(RuntimeError, match=r"computes with another .*: 1 first, then 2"):
        scan(step, c, xs)


def test_an_integer_that_does_not_change_costs_one_more_call_at_the_first_scan():
    c, xs = given()
    calls, k = [], len(METADATA)

    def step(c, x):
        calls.append(x)
        return c * k, None

    for count in (2, 3):
        carry, _ = scan(step, c, xs)
        assert len(calls) == count
        assert_allclose(carry.numpy(), c.numpy() * len(METADATA) ** 4)


# --- metadata -----------------------------------------------------------------------------------------

METADATA = {
    "an axis": (lambda x, m: x.sum(axis=m, keepdims=True) * x, [0, 1, -1, None, (0, 1), (), (0,)]),
    "a slice": (lambda x, m: x[:, m].sum() * x, [slice(1), slice(2), slice(0, 1), slice(None, None, -1)]),
    "a step": (lambda x, m: x[:, ::m][:, :1] * x, [1, -1, 2, -2]),
    "an index": (lambda x, m: x[m].sum() * x, [0, 1, -1, (0, 1), (1, 0), True, ..., None]),
    "an index array": (lambda x, m: x[:, m].sum() * x, [[0, 0], [1, 2], [2, 1], [True, False, True], [1]]),
    "a shift": (lambda x, m: ts.roll(x, m, axis=1) * x, [0, 1, 2, -1]),
    "sections": (lambda x, m: ts.split(x, m, axis=1)[0].sum() * x, [1, 3, [1], [2], [0]]),
    "a dtype": (lambda x, m: ts.astype(ts.astype(x, m), "float64") * x, ["float32", "float64", "int64"]),
    "a shape": (lambda x, m: (x.reshape(m) * 2.0).reshape(2, 3), [6, (3, 2), (2, 3), (1, 6), -1]),
    "subscripts": (lambda x, m: ts.einsum(m, x, x)[0].sum() * x, ["ij,kj->ik", "ij,ij->ij", "ij,ij->ji"]),
    "margins": (lambda x, m: ts.arctan2(ts.pad(x, 1, constant_values=m), -1.0).sum() * x, [0.0, -0.0, 0, 0.5]),
    "clipping": (lambda x, m: ts.clip(x, *m), [(-1.0, 1.0), (-0.5, None), (None, 0.5), (-0.1, 0.2), (-1, 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", METADATA)
def test_metadata_that_change(name):
    form, choices = METADATA[name]
    c, xs = leaf(normal(2, 3)), leaf(normal(4, 2, 3))
    for m in [*choices, *choices[:2]]:
        is_the_loop(lambda c, x, m=m: (ts.tanh(form(c, m) + x), form(x, m)), c, xs, [c, xs])


# --- layers -------------------------------------------------------------------------------------------


def test_dropout_switched_off_and_on():
    drop, cell = nn.Dropout(0.5, rng=0), nn.RNNCell(3, 3, rng=0, dtype=np.float64)
    c, xs = leaf(normal(2, 3)), leaf(normal(4, 2, 3))

    def step(h, x):
        h, y = cell(h, drop(x))
        return h, y

    drop.eval()
    is_the_loop(step, c, xs, [c, xs])
    drop.train()
    with pytest.raises(RuntimeError, match="step of a scan"):
        scan(step, c, xs)
    drop.eval()
    is_the_loop(step, c, xs, [c, xs])


def test_masks_drawn_before_the_loop():
    """Every call has another mask and the same program."""
    rng = np.random.default_rng(0)
    c, xs = given()
    for _ in range(3):
        mask = (rng.random((4, 3)) < 0.5) / 0.5
        is_the_loop(lambda c, x: (ts.tanh(c * x[1] + x[0]), c), c, (xs, mask), [c, xs])


def test_parameters_that_are_swapped_or_shared():
    c, xs = given()
    a, b = leaf(normal(3, 3)), leaf(normal(3, 3, seed=1))
    for u, v in ((a, b), (b, a), (a, a), (b, b), (a, b)):
        is_the_loop(lambda c, x, u=u, v=v: (ts.tanh(c @ u + x @ v), c @ v), c, xs, [c, xs, a, b])


def test_parameters_that_are_replaced_or_assigned():
    cell = nn.GRUCell(3, 3, rng=0, dtype=np.float64)
    c, xs = leaf(normal(2, 3)), leaf(normal(4, 2, 3))
    is_the_loop(cell, c, xs, [c, xs, *cell.parameters()])
    cell.Wh.assign_(normal(3, 9, seed=5))
    is_the_loop(cell, c, xs, [c, xs, *cell.parameters()])
    cell.Wx = nn.Parameter(normal(3, 9, seed=6))
    is_the_loop(cell, c, xs, [c, xs, *cell.parameters()])


def test_a_captured_tensor_that_is_also_carried_or_an_input():
    """The same tensor as another argument gives another program."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, seed=2))
    for init, captured in ((c, w), (w, c), (c, c), (w, w)):
        is_the_loop(lambda c, x, captured=captured: (ts.tanh(c * captured + x), c), init, xs, [c, xs, w])


# --- shapes, dtypes, gradients, directions ------------------------------------------------------------


def body(w):
    return lambda c, x: (ts.tanh(c * w + x).sum(axis=0) * ts.ones_like(c), (x * w, c))


def test_new_shapes_and_lengths():
    w = leaf(normal(1))
    for shape in ((3,), (2, 3), (1, 3), (3, 1), (3,), (5,)):
        for steps in (4, 1, 4, 2):
            c, xs = leaf(normal(*shape)), leaf(normal(steps, *shape))
            for reverse in (False, True):
                is_the_loop(body(w), c, xs, [c, xs, w], reverse=reverse)


def test_new_dtypes():
    for dtype in (np.float64, np.float32, np.float64, np.float32):
        c, xs = given(dtype)
        tolerance = 20 * np.finfo(dtype).eps
        for value in (2, 2.0, 0.5):
            is_the_loop(lambda c, x, v=value: (ts.tanh(c * v + x), x * v), c, xs, [c, xs], tolerance=tolerance)
        is_the_loop(lambda c, x: (ts.tanh(c) + x, x > 0), c, xs, [c, xs], tolerance=tolerance)


def test_ids_of_another_dtype():
    table, c = leaf(normal(5, 3)), leaf(normal(3))
    for dtype in (np.int64, np.int32, np.uint8, np.int64):
        is_the_loop(lambda c, i: (ts.tanh(c + table[i]), i), c, np.array([0, 4, 4], dtype), [table, c])


def test_a_scalar_that_becomes_an_array():
    c, xs = given()
    for w in (0.5, ts.tensor(0.5), leaf(0.5), leaf([0.5]), leaf([0.5, 1.0, 2.0]), 0.5):
        by = [c, xs] + ([w] if isinstance(w, ts.Tensor) and w.requires_grad else [])
        is_the_loop(lambda c, x, w=w: (ts.tanh(c * w + x), x * w), c, xs, by)


def test_requires_grad_that_changes():
    arrays = [normal(3), normal(4, 3), normal(3, 3)]
    tensors = [ts.tensor(a) for a in arrays]
    c, xs, w = tensors
    for active in (7, 0, 1, 2, 4, 3, 7, 5, 0, 6):
        for i, t in enumerate(tensors):
            t.requires_grad = bool(active >> i & 1)
        by = [t for t in tensors if t.requires_grad]
        is_the_loop(lambda c, x: (ts.tanh(c @ w + x), (x @ w, c * 2.0)), c, xs, by)


def test_no_grad_that_changes():
    c, xs = given()
    w = leaf(normal(3, 3))

    def step(quiet):
        def step(c, x):
            with ts.no_grad() if quiet else nullcontext():
                h = c @ w
            return ts.tanh(h + x), h * x

        return step

    for quiet in (False, True, False):
        is_the_loop(step(quiet), c, xs, [c, xs, w])
        with ts.no_grad():
            is_the_loop(step(quiet), c, xs)


def test_other_outputs_and_other_trees():
    c, xs = given()
    for ys in (
        lambda c, x: None,
        lambda c, x: c,
        lambda c, x: x,
        lambda c, x: (c, x),
        lambda c, x: (x, c),
        lambda c, x: [c, x],
        lambda c, x: {"c": c, "x": [x, None]},
        lambda c, x: (c, c),
    ):
        is_the_loop(lambda c, x, ys=ys: (ts.tanh(c + x), ys(c, x)), c, xs, [c, xs])
    is_the_loop(lambda c, x: ((c[1], c[0]), None), (c, c * 2.0), xs, [c])
    is_the_loop(lambda c, x: ([c[1], c[0]], None), [c, c * 2.0], xs, [c])


def test_cotangents_that_change():
    """The loss depends on different ones of the outputs and states of an LSTM."""
    cell = nn.LSTMCell(3, 2, rng=0, dtype=np.float64)
    state, xs = (leaf(normal(2, 2)), leaf(normal(2, 2, seed=1))), leaf(normal(4, 2, 3))
    for dropped in (0, 1, 2, 4, 3, 6, 0):
        is_the_loop(cell, state, xs, [*state, xs, *cell.parameters()], dropped=dropped)


def test_a_primitive_of_the_same_name_is_another():
    """The program of a step holds the op itself, not its name."""
    from tinygrad_seq.engine.primitive import Primitive

    def made(factor):
        def scaled(x, /):
            return x * factor

        op = Primitive(scaled, "()->()")
        op.linear(lambda g: g * factor)
        return op.function

    c, xs = given()
    for f in (made(2.0), made(0.5), made(-1.0)):
        is_the_loop(lambda c, x, f=f: (ts.tanh(f(c) + x), f(x)), c, xs, [c, xs])


# --- the cache of programs ----------------------------------------------------------------------------


def test_the_same_step_is_compiled_once(programs):
    c, xs = given()
    cell = nn.LSTMCell(3, 2, rng=0, dtype=np.float64)
    for _ in range(3):
        scan(lambda c, x: (ts.tanh(c) + x, None), c, xs)
        scan(cell, (leaf(normal(2, 2)), leaf(normal(2, 2))), leaf(normal(4, 2, 3)))
    assert programs() == 2
    scan(lambda c, x: (ts.tanh(c) + x, None), c, xs[:2])
    scan(lambda c, x: (ts.tanh(c) + x, None), c, xs, reverse=True)
    assert programs() == 2


@pytest.mark.in_numpy  # the order is that of any emitter, and C would compile every program
def test_programs_are_forgotten_in_the_order_of_their_use(programs):
    c, xs = given()
    first = lambda c, x: (ts.tanh(c) * x, None)  # noqa: E731
    scan(first, c, xs)
    (key, compiled), *_ = PROGRAMS.items()
    for n in range(2, CAPACITY + 10):
        scan(lambda c, x, n=n: (c + n, None), c, xs)
        scan(first, c, xs)
    assert programs() == CAPACITY
    assert PROGRAMS[key] is compiled
    is_the_loop(lambda c, x: (c + 2, None), c, xs, [c])


def test_keys_tell_apart_what_python_takes_for_equal(programs):
    """1, 1.0 and True are equal keys of a dict, but give three programs."""
    c, xs = given()
    n = ts.tensor(3)
    for one in (1, True):
        scan(lambda c, x, one=one: (c * one, None), n, xs)
    assert programs() == 2
    for margin in (0.0, -0.0, math.nan, math.nan):
        scan(lambda c, x, margin=margin: (c, ts.pad(x, 1, constant_values=margin)), c, xs)
    assert programs() == 5
    for axis in (1, True):
        assert scan(lambda c, x, axis=axis: (c, x[None][axis - 1]), c, xs)[1].shape == (4, 3)
