"""Loops: whatever the Python loop computes, `scan` computes, or refuses with one error."""

import random

import numpy as np

import tinygrad_seq as ts
from silent import T, refused, right

TWO = ts.tensor([1.0, 2.0])


# --- captured values ------------------------------------------------------------------------------------


@right((1.293125, 1.665), by="v = .9 s, h = v^2 + v / 2 + 1/2, dh/ds = .9 (2 v + 1/2), s = .75")
def a_captured_second_output_of_an_op():
    s = T(0.75)
    (_, v), _ = ts.scan(lambda c, x: ((c[0] + 1, c[1] * 0.9), None), (ts.tensor(0), s), length=1)
    h, _ = ts.scan(lambda h, x: (h * v + 0.5, None), ts.tensor(1.0), length=2)
    return h, ts.grad(h, s)


@right([0.0, 0.0, 4.0, 6.0, 8.0], by="d/db sum b_i^2 = 2 b, b = [2, 3, 4]")
def a_captured_part_of_a_split():
    w = T(np.arange(5.0))
    _, b = ts.split(w, [2])
    h, _ = ts.scan(lambda h, x: (h * b, None), ts.tensor(np.ones(3)), length=2)
    return ts.grad(h.sum(), w)


@right(2.0, by="all seen are [w, w], so the weights are 1/2, and h = 2 w")
def attention_over_the_outputs_of_an_earlier_scan():
    def write(c, x):
        y = c * ts.tensor([1.0, 1.0])
        return y.sum() * 0.5, y

    def read(h, x):
        weights = ts.softmax((seen * h).sum(axis=1), axis=0)
        return (weights[:, None] * seen).sum(), None

    w = T(0.5)
    _, seen = ts.scan(write, w, length=2)
    return ts.grad(ts.scan(read, ts.tensor(1.0), length=2)[0], w)


@right([1.0, 2.0], by="arithmetic: x 1 and x 2 at x = 1")
def an_array_that_the_step_changes_between_two_uses():
    def step(c, x):
        k = np.zeros(())
        k += 1
        once = x * k
        k += 1
        return c, ts.stack([once, x * k])

    return ts.scan(step, ts.tensor(0.0), ts.tensor([1.0, 1.0]))[1][1]


@right((np.float64(0.1), 8), by="numpy 2.1: np.stack([float32, 0.1]) is float64")
def a_python_number_in_a_stack():
    ys = ts.scan(lambda c, x: (c, ts.stack([x, 0.1])), ts.tensor(0.0), TWO)[1]
    return ys[0, 1] + 0.0, ys.dtype.itemsize


@right((np.pi, -np.pi), by="atan2(0, -1) = pi, atan2(-0, -1) = -pi")
def zero_and_minus_zero_in_metadata():
    def last(margin):
        step = lambda c, x: (c, ts.arctan2(ts.pad(x, 1, constant_values=margin), -1.0))  # noqa: E731
        return ts.scan(step, ts.tensor(0.0), ts.tensor([[1.0], [1.0]]))[1][1, 2]

    return last(0.0), last(-0.0)


# --- what is recorded -----------------------------------------------------------------------------------


@right(8.5, by="c = sum_t 2^(t - 3) u_t w with u constant: w (1/4 + 1 + 3) at w = 2")
def no_grad_in_a_step():
    w = T(2.0)

    def step(c, x):
        with ts.no_grad():
            u = x * w
        return c * 0.5 + u * w, None

    return ts.grad(ts.scan(step, ts.tensor(0.0), ts.tensor([1.0, 2.0, 3.0]))[0], w)


@refused(
    RuntimeError, "ts.grad in it cannot follow float32[]", "ts.vjp", by="dy/dw counts the w of earlier steps"
)
def a_gradient_in_a_step_by_a_captured_leaf():
    w = T(0.7)
    step = lambda c, x: (c * 0.5 + ts.grad(w * w * c, w, create_graph=True), None)  # noqa: E731
    return ts.scan(step, ts.tensor(0.4), length=2)[0]


@right((1.9, 3.0), by="c = c0 / 4 + 3/2 (2 w), at w = .6, c0 = .4")
def a_gradient_in_a_step_that_does_not_pass_the_carry():
    w = T(0.6)
    step = lambda c, x: (c * 0.5 + ts.grad(w * w, w, create_graph=True), None)  # noqa: E731
    c, _ = ts.scan(step, ts.tensor(0.4), length=2)
    return c, ts.grad(c, w)


@right((False, True, False), by="an integer has no derivative")
def integers_that_remat_returns():
    step = lambda c, x: ((c[0] + 1, c[1] * 0.5), c[0])  # noqa: E731
    (n, h), counts = ts.scan(step, (ts.tensor(0), T(1.0)), length=4, remat=2)
    return n.requires_grad, h.requires_grad, counts.requires_grad


@right((0.3, 0.0, 0.0), by="the branch .3 is taken, whose derivatives of all orders are 0")
def the_branch_that_where_does_not_take_in_remat():
    c, p = T(-1.0), ts.tensor(0.5)
    with np.errstate(invalid="ignore"):
        h, _ = ts.scan(lambda c, x: (ts.where(c > 0, c**p, 0.3), None), c, length=1, remat=1)
        dc = ts.grad(h, c, create_graph=True)
        return h, dc, ts.grad(dc, c)


# --- the carry and the outputs --------------------------------------------------------------------------


@refused(TypeError, "carry of the form that it receives", by="a carry keeps its form")
def a_carry_that_is_none_at_first():
    step = lambda c, x: ((c[0] + (x if c[1] is None else c[1]), x), None)  # noqa: E731
    return ts.scan(step, (ts.tensor(0.0), None), TWO)


@refused(TypeError, "carry of the form that it receives", by="a carry keeps its form")
def a_carry_that_is_a_tuple_at_first_and_then_a_list():
    return ts.scan(lambda c, x: ([c[0] + x, *c[1:]], None), (ts.tensor(0.0),), TWO)


@right([1.0, 2.0], by="a tensor is a value")
def a_change_of_an_output_that_is_the_input():
    xs = TWO * 1.0
    _, ys = ts.scan(lambda c, x: (c, x), ts.tensor(0.0), xs)
    ys.assign_([5.0, 6.0])
    return xs


@right([1.0, 2.0], by="a tensor is a value")
def a_change_of_one_of_two_equal_outputs():
    _, (a, b) = ts.scan(lambda c, x: (c, (x, x)), ts.tensor(0.0), TWO * 1.0)
    a.assign_([5.0, 6.0])
    return b


# --- draws ----------------------------------------------------------------------------------------------


@refused(RuntimeError, "draw before the loop", by="in the loop it is another number at every step")
def a_draw_of_a_generator_in_a_step():
    rng = np.random.default_rng(0)
    return ts.scan(lambda c, x: (c + rng.normal(), None), ts.tensor(0.0), length=3)


@refused(RuntimeError, "draw before the loop", by="in the loop it is another number at every step")
def a_draw_of_numpy_in_a_step():
    return ts.scan(lambda c, x: (c + np.random.rand(2), None), ts.tensor([0.0, 0.0], dtype="f8"), length=3)


@refused(RuntimeError, "draw before the loop", by="in the loop it is another number at every step")
def a_draw_of_python_in_a_step():
    return ts.scan(lambda c, x: (c + random.random(), None), ts.tensor(0.0), length=3)


# --- ops in a loop that are errors, or have another dtype, without need -----------------------------------


@right((np.array([3.0, 1.0]), 4), by="numpy 2.1: np.where(int64, 1.0, float32) is float32; x at n = 0, else 1")
def where_with_an_integer_condition_in_the_loop():
    ys = ts.scan(lambda n, x: (n + 1, ts.where(n, 1.0, x)), ts.tensor(0), ts.tensor([3.0, 4.0]))[1]
    return ys, ys.dtype.itemsize


@right((np.array([1.0, 2.0]), 4), by="numpy 2.1: np.where(int64, 1.0, float32) is float32")
def where_with_an_integer_condition_before_the_loop():
    ys = ts.scan(lambda c, x: (c, ts.where(x, 1.0, ts.tensor(2.0))), ts.tensor(0.0), ts.tensor([1, 0]))[1]
    return ys, ys.dtype.itemsize


@right(
    (np.array([[0.25, 0.5]]), 4.25), by="c = [1, 2] / 4; the sums of [1, 2] / 2 and 1, and of [1, 2] / 4 and 1"
)
def float32_and_float64_joined_in_the_loop():
    eye, wide = ts.tensor([[1.0, 0.0], [0.0, 1.0]]), ts.tensor(np.ones((1, 1)))

    def step(carry, x):
        h = carry[0] * 0.5
        return (h @ eye, carry[1] + ts.concatenate([h, wide], axis=1).sum()), None

    return ts.scan(step, (ts.tensor([[1.0, 2.0]]), ts.tensor(np.zeros(()))), length=2)[0]


@right((1.5, 4.25), by="c = 1, 1/2, 3, 3/2; the sums of c / 2 and c > .7: 3/2 + 1/4 + 5/2")
def floats_and_booleans_joined_in_the_loop():
    def step(carry, x):
        c, total = carry
        large = c > 0.7
        joined = ts.concatenate([c * 0.5, large])
        return (ts.where(large, c * 0.5, 3.0), total + joined.sum()), None

    (c, total), _ = ts.scan(step, (ts.tensor([1.0]), ts.tensor(0.0)), length=3)
    return c.sum(), total


@right(np.zeros(0), by="nothing rolls to nothing")
def a_roll_of_an_empty_axis():
    return ts.scan(lambda c, x: (ts.roll(c * 0.5, 1, 0), None), ts.tensor(np.zeros(0)), length=2)[0]


@right([2.0, 3.0, 1.0], by="rolled twice by 1")
def a_roll_by_two_shifts_along_one_axis():
    return ts.scan(lambda c, x: (ts.roll(c, (1, 1), axis=0), None), ts.tensor([1.0, 2.0, 3.0]), length=1)[0]


@right([[1.0], [2.0]], by="numpy 2.1: np.cumsum(1.0, axis=0) is [1.0]")
def a_cumulative_sum_of_a_number():
    return ts.scan(lambda c, x: (c, ts.cumsum(x, axis=0)), ts.tensor(1.0), TWO)[1]


@right(np.ones((3, 1, 4)), by="numpy 2.1: np.ones((2, 4))[0, :, True] has the shape (1, 4)")
def an_index_true():
    return ts.scan(lambda c, x: (c, x[0, :, True]), ts.tensor(0.0), ts.tensor(np.ones((3, 2, 4))))[1]


@right((2.0, 1.0), by="c + w at each of two steps, at c = 1, w = 1/2")
def forward_mode_of_a_nested_scan_that_ignores_its_carry():
    w = ts.tensor(0.5)
    inner = lambda c: ts.scan(lambda a, b: (w * 1.0, None), c, length=2)[0]  # noqa: E731
    return ts.jvp(lambda c: ts.scan(lambda c, x: (c + inner(c), None), c, length=2)[0], [ts.tensor(1.0)], [1.0])


@right(2.0, by="h = 2 (w / 2) at each of two steps")
def nested_remat_whose_inputs_are_not_used():
    w = T(0.5)

    def step(c, x):
        h, _ = ts.scan(lambda a, b: (a + w * 0.5, None), c, ts.stack([x, x]), remat=1)
        return h, None

    return ts.grad(ts.scan(step, T(0.0), TWO, remat=1)[0], w)


@right((64.0, 192.0), by="h = 2 (2 w^2 (2 (2 w^2))) = 16 w^4 at w = 1: 64 w^3, 192 w^2")
def second_order_through_a_nested_scan_with_an_integer_carry():
    w = T(1.0)

    def step(c, x):
        inner = lambda a, b: ((a[0] * w * ts.astype(a[1] + 1, "float32"), a[1] + 1), None)  # noqa: E731
        (h, n), _ = ts.scan(inner, (c, ts.tensor(0)), length=2)
        return h * ts.astype(n, "float32"), None

    dw = ts.grad(ts.scan(step, ts.tensor(1.0), length=2)[0], w, create_graph=True)
    return dw, ts.grad(dw, w)
