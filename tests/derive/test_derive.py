"""Derivatives as functions: right to any order, over trees, with clear errors.

The law of the two modes: a second derivative is the same number for reverse over forward, forward over reverse,
reverse over reverse, and forward over forward. It is tested on random programs.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_programs import MANY, SHAPE, STEPS, run
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq.testing.differences import noise

X = np.array([0.3, -0.7, 1.1])


def constant(data):
    return ts.tensor(np.asarray(data, dtype=np.float64))


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def close(x, y, tolerance=1e-12):
    assert_allclose(x.numpy(), y, rtol=tolerance, atol=tolerance)


def differences(f, x, h=1e-5):
    """The Jacobian of a function from array to array, by central differences; axes of f before axes of x."""
    columns = []
    for e in np.eye(x.size).reshape(x.size, *x.shape):
        columns.append((f(x + h * e) - f(x - h * e)) / (2 * h))
    return np.stack(columns, axis=-1).reshape(*columns[0].shape, *x.shape)


# --- first derivatives --------------------------------------------------------------------------------


def test_vjp_is_the_value_and_the_transposed_jacobian():
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    y, pullback = ts.vjp(lambda x: ts.tanh(a @ x), constant(X))
    close(y, np.tanh(a @ X))
    (dx,) = pullback([1.0, -2.0])
    close(dx, ((1 - np.tanh(a @ X) ** 2) * [1.0, -2.0]) @ a)


def test_jvp_is_the_value_and_the_jacobian_times_a_direction():
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    y, dy = ts.jvp(lambda x: ts.tanh(a @ x), [constant(X)], [[1.0, 0.0, -1.0]])
    close(y, np.tanh(a @ X))
    close(dy, (1 - np.tanh(a @ X) ** 2) * (a @ [1.0, 0.0, -1.0]))


def test_jacobian_has_the_axes_of_the_value_before_those_of_the_primal():
    x = np.arange(6.0).reshape(2, 3) / 5
    found = ts.jacobian(lambda x: ts.tanh(x).sum(axis=0) * x[0, 0], constant(x))
    assert found.shape == (3, 2, 3)
    close(found, differences(lambda x: np.tanh(x).sum(axis=0) * x[0, 0], x), 1e-9)


def test_a_jacobian_of_nothing_and_by_nothing():
    assert ts.jacobian(lambda x: x[:0], constant(X)).shape == (0, 3)
    assert ts.jacobian(lambda x: x.sum(), constant(np.zeros((0, 2)))).shape == (0, 2)


def test_the_pullback_can_be_called_again():
    _, pullback = ts.vjp(lambda x: ts.exp(x) * x, constant(X))
    first, again = pullback(np.ones(3))[0].numpy(), pullback(np.ones(3))[0].numpy()
    assert_array_equal(first, again)
    close(pullback([1.0, 0.0, 0.0])[0], [math.exp(0.3) * 1.3, 0.0, 0.0])


def test_several_primals():
    x, y = constant(2.0), constant(3.0)
    dx, dy = ts.vjp(lambda x, y: x * x * y, x, y)[1](1.0)
    assert (dx.item(), dy.item()) == (12.0, 4.0)
    assert ts.jvp(lambda x, y: x * x * y, [x, y], [1.0, 10.0])[1].item() == 12.0 + 40.0
    assert [j.item() for j in ts.jacobian(lambda x, y: x * x * y, x, y)] == [12.0, 4.0]
    (xx, xy), (yx, yy) = ts.hessian(lambda x, y: x * x * y, x, y)
    assert [h.item() for h in (xx, xy, yx, yy)] == [6.0, 4.0, 4.0, 0.0]
    hx, hy = ts.hvp(lambda x, y: x * x * y, [x, y], [1.0, 10.0])
    assert (hx.item(), hy.item()) == (6.0 + 40.0, 4.0)


# --- second and third derivatives ---------------------------------------------------------------------

QUADRATIC = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, -1.0], [0.0, 2.0, 1.0]])


def test_the_hessian_of_a_quadratic_form():
    close(ts.hessian(lambda x: 0.5 * x @ QUADRATIC @ x, constant(X)), (QUADRATIC + QUADRATIC.T) / 2)


def test_hvp_is_the_hessian_times_a_direction():
    v = np.array([1.0, -2.0, 0.5])
    h = ts.hessian(lambda x: (ts.sin(x) * x[::-1]).sum(), constant(X))
    close(ts.hvp(lambda x: (ts.sin(x) * x[::-1]).sum(), [constant(X)], [v]), h.numpy() @ v)


def test_a_hessian_against_finite_differences():
    def f(x):
        return ts.logsumexp(ts.tanh(QUADRATIC @ x) * x)

    def gradient(x):
        return ts.vjp(f, constant(x))[1](1.0)[0].numpy()

    close(ts.hessian(f, constant(X)), differences(gradient, X), 1e-8)


def d_reverse(f):
    return lambda x: ts.vjp(f, x)[1](np.ones(()))[0]


def d_forward(f):
    return lambda x: ts.jvp(f, [x], [1.0])[1]


def d_grad(f):
    def derivative(x):
        x = x if x.requires_grad else ts.tensor(x, requires_grad=True)
        return ts.grad(f(x), x, create_graph=True, zeros=True)

    return derivative


MODES = {
    "reverse": d_reverse,
    "forward": d_forward,
    "jacobian": lambda f: lambda x: ts.jacobian(f, x),
    "grad": d_grad,
}


@pytest.mark.parametrize("first", MODES)
@pytest.mark.parametrize("second", MODES)
@pytest.mark.parametrize("third", MODES)
def test_third_derivatives_in_every_order_of_modes(first, second, third):
    """tanh''' = (1 - t^2) (6 t^2 - 2), and x^5 whose third derivative is 60 x^2, at 0.7."""
    t = math.tanh(0.7)
    for f, expected in [(ts.tanh, (1 - t**2) * (6 * t**2 - 2)), (lambda x: x**5, 60 * 0.7**2)]:
        third_derivative = MODES[third](MODES[second](MODES[first](f)))
        assert third_derivative(constant(0.7)).item() == pytest.approx(expected, rel=1e-12)


def test_a_tensor_of_third_derivatives():
    """d3/dx_i dx_j dx_k of x_0 x_1 x_2 is 1 where i, j, k all differ."""
    third = ts.jacobian(lambda x: ts.hessian(lambda x: x[0] * x[1] * x[2], x), constant(X))
    levi_civita = [[[float(len({i, j, k}) == 3) for k in range(3)] for j in range(3)] for i in range(3)]
    close(third, levi_civita)


def test_a_fourth_derivative():
    f = ts.exp
    for _ in range(2):
        f = d_forward(d_reverse(f))
    assert f(constant(0.5)).item() == pytest.approx(math.exp(0.5), rel=1e-12)


def test_a_hessian_through_a_recurrent_network():
    """dL/dWh is differentiated again: the Hessian of an unrolled RNN against differences of its gradient."""
    rng = np.random.default_rng(0)
    xs, w = rng.standard_normal((4, 3, 2)), rng.standard_normal((2, 2)) / 2

    def loss(w):
        h = ts.zeros_like(w, shape=(3, 2))
        for x in xs:
            h = ts.tanh(x + h @ w)
        return (h * h).sum()

    def gradient(w):
        return ts.vjp(loss, constant(w))[1](1.0)[0].numpy()

    close(ts.hessian(loss, constant(w)), differences(gradient, w), 1e-8)


# --- the law ------------------------------------------------------------------------------------------


@MANY
@given(STEPS, st.integers(0, 2**32 - 1))
def test_second_derivatives_agree_however_they_are_taken(steps, seed):
    """For <g, program>, along u and then v: v' H u in the four combinations of modes."""
    rng = np.random.default_rng(seed)
    x, u, v = (noise(rng, SHAPE) for _ in range(3))
    g = [noise(rng, SHAPE) for _ in range(4)]

    def loss(x):
        return ts.stack([(z * w).sum() for z, w in zip(run(steps, x, ts.tanh(x)), g, strict=False)]).sum()

    def gradient(x):
        return ts.vjp(loss, x)[1](1.0)[0]

    def slope(x):
        return ts.jvp(loss, [x], [u])[1]

    found = {
        "forward over reverse": (ts.jvp(gradient, [constant(x)], [u])[1].numpy() * v).sum(),
        "reverse over forward": (ts.vjp(slope, constant(x))[1](1.0)[0].numpy() * v).sum(),
        "reverse over reverse": (ts.vjp(gradient, constant(x))[1](u)[0].numpy() * v).sum(),
        "forward over forward": ts.jvp(slope, [constant(x)], [v])[1].item(),
    }
    size = 1 + np.abs(gradient(constant(x)).numpy()).sum()
    for name, value in found.items():
        assert abs(value - found["forward over reverse"]) <= 1e-9 * size, f"{name}: {found}"


# --- trees --------------------------------------------------------------------------------------------


class State(NamedTuple):
    h: object
    c: object


def test_trees_of_every_kind():
    primal = {
        "w": constant([1.0, 2.0]),
        "state": State(constant(3.0), [constant(4.0), None]),
        "n": ts.tensor(2),
    }

    def f(p):
        h, (c, nothing) = p["state"]
        assert nothing is None
        return {"y": (p["w"] * h, None), "z": [c * c * p["n"].item()]}

    value, pullback = ts.vjp(f, primal)
    assert list(value) == ["y", "z"]
    assert value["y"][1] is None
    close(value["y"][0], [3.0, 6.0])
    (found,) = pullback({"z": [1.0], "y": ([1.0, 10.0], None)})  # the order of keys does not matter
    assert list(found) == ["w", "state", "n"]
    assert isinstance(found["state"], State)
    assert isinstance(found["state"].c, list)
    assert found["state"].c[1] is None
    assert found["n"] is None
    close(found["w"], [3.0, 30.0])
    assert (found["state"].h.item(), found["state"].c[0].item()) == (21.0, 16.0)

    tangent = {"w": [1.0, 0.0], "state": State(1.0, [0.5, None]), "n": None}
    _, along = ts.jvp(f, [primal], [tangent])
    close(along["y"][0], [3.0 + 1.0, 2.0])
    close(along["z"][0], 4 * 4.0 * 0.5)

    jacobians = ts.jacobian(f, primal)
    close(jacobians["y"][0]["w"], 3 * np.eye(2))
    close(jacobians["y"][0]["state"].h, [1.0, 2.0])
    close(jacobians["z"][0]["state"].c[0], 16.0)
    assert jacobians["z"][0]["n"] is None


def test_hessians_over_trees():
    found = ts.hessian(lambda p: (p["a"] ** 2 * p["b"]).sum(), {"a": constant([1.0, 2.0]), "b": constant(3.0)})
    close(found["a"]["a"], 6 * np.eye(2))
    close(found["a"]["b"], [2.0, 4.0])
    close(found["b"]["a"], [2.0, 4.0])
    close(found["b"]["b"], 0.0)
    primal = {"a": constant([1.0, 2.0]), "b": constant(3.0)}
    along = ts.hvp(lambda p: (p["a"] ** 2 * p["b"]).sum(), [primal], [{"a": [1.0, 0.0], "b": 1.0}])
    close(along["a"], [6.0 + 2.0, 4.0])
    close(along["b"], 2.0)


def test_an_integer_is_a_constant():
    ids, w = ts.tensor([2, 0, 2]), constant([[1.0], [2.0], [3.0]])
    none, dw = ts.vjp(lambda ids, w: ts.take(w, ids, axis=0), ids, w)[1](np.ones((3, 1)))
    assert none is None
    close(dw, [[1.0], [0.0], [2.0]])
    _, dy = ts.jvp(lambda ids, w: ts.take(w, ids, axis=0), [ids, w], [None, np.ones((3, 1))])
    close(dy, np.ones((3, 1)))


def test_numbers_arrays_and_lists_are_primals_too():
    assert ts.jvp(lambda x: x * x, [3.0], [1.0])[1].item() == 6.0
    assert ts.vjp(lambda x: x * x, np.float64(3.0))[1](1.0)[0].dtype == np.float64
    (found,) = ts.vjp(lambda xs: xs[0] * xs[1], [2.0, 3.0])[1](1.0)
    assert [x.item() for x in found] == [3.0, 2.0]


# --- what is recorded ---------------------------------------------------------------------------------


def test_of_constants_everything_stays_off_the_tape():
    x = constant(X)
    y, pullback = ts.vjp(lambda x: ts.exp(x) * x, x)
    _, dy = ts.jvp(lambda x: ts.exp(x) * x, [x], [X])
    found = [y, *pullback(X), dy, ts.jacobian(ts.exp, x), ts.hessian(lambda x: (x**3).sum(), x)]
    found.append(ts.hvp(lambda x: (x**3).sum(), [x], [X]))
    assert not any(t.requires_grad for t in [x, *found])


def test_of_leaves_everything_is_on_the_tape():
    x = leaf(X)
    y, pullback = ts.vjp(lambda x: ts.exp(x) * x, x)
    _, dy = ts.jvp(lambda x: ts.exp(x) * x, [x], [X])
    found = [y, *pullback(X), dy, ts.jacobian(ts.exp, x), ts.hessian(lambda x: (x**3).sum(), x)]
    found.append(ts.hvp(lambda x: (x**3).sum(), [x], [X]))
    assert all(t.requires_grad for t in found)
    close(ts.grad(found[-1].sum(), x), 6 * X)


def test_what_a_function_captures_is_differentiated_as_well():
    """d/dw d/dx (w x^2) = 2 x, for a constant x and a leaf w that the function captures."""
    w = leaf(5.0)
    (dx,) = ts.vjp(lambda x: w * x * x, constant(3.0))[1](1.0)
    assert ts.grad(dx, w).item() == 6.0
    assert ts.grad(ts.jvp(lambda x: w * x * x, [constant(3.0)], [1.0])[1], w).item() == 6.0


def test_of_two_values_the_jacobian_that_depends_on_constants_alone_is_off_the_tape():
    w = leaf(5.0)
    square, scaled = ts.jacobian(lambda x: (x * x, w * x), constant(3.0))
    assert (square.requires_grad, scaled.requires_grad) == (False, True)
    assert ts.grad(scaled, w).item() == 1.0


def test_a_derivative_can_be_differentiated_in_its_direction():
    g, v = leaf([1.0, 2.0, 3.0]), leaf([1.0, 2.0, 3.0])
    (dx,) = ts.vjp(ts.exp, constant(X))[1](g)
    close(ts.grad(dx.sum(), g), np.exp(X))
    close(ts.grad(ts.jvp(ts.exp, [constant(X)], [v])[1].sum(), v), np.exp(X))


def test_under_no_grad_the_derivatives_are_right_and_off_the_tape():
    x = leaf(X)
    with ts.no_grad():
        y, pullback = ts.vjp(lambda x: ts.exp(x), x)
        found = [y, *pullback(np.ones(3)), ts.jvp(ts.exp, [x], [np.ones(3)])[1]]
        close(ts.hessian(lambda x: (x**3).sum(), x), np.diag(6 * X))
        third = ts.jvp(lambda x: ts.hvp(lambda x: (x**4).sum(), [x], [np.ones(3)]), [x], [np.ones(3)])[1]
    for t in [*found, third]:
        assert not t.requires_grad
    for t in found:
        close(t, np.exp(X))
    close(third, 24 * X)


def test_no_grad_inside_a_function_makes_constants():
    def f(x):
        with ts.no_grad():
            scale = ts.exp(x)
        return x * scale

    close(ts.vjp(f, constant(X))[1](np.ones(3))[0], np.exp(X))
    close(ts.jvp(f, [constant(X)], [np.ones(3)])[1], np.exp(X))


def test_no_grad_of_a_primal_is_touched():
    x = leaf(X)
    ts.vjp(ts.exp, x)[1](X)
    ts.hessian(lambda x: ts.exp(x).sum(), x)
    assert x.grad is None


def test_perturbations_are_not_confused():
    """d/dx [x d/dy (x + y)] = 1, for each choice of the two modes."""
    for outer in MODES.values():
        for inner in MODES.values():
            f = outer(lambda x, inner=inner: x * inner(lambda y: x + y)(constant(1.0)))
            assert f(constant(1.0)).item() == 1.0


def test_a_function_that_captures_its_own_primal_sees_a_constant():
    x = leaf(3.0)
    assert ts.vjp(lambda y: x * y, x)[1](1.0)[0].item() == 3.0
    assert ts.jvp(lambda y: x * y, [x], [1.0])[1].item() == 3.0
    assert ts.hessian(lambda y: x * y * y, x).item() == 6.0


def test_the_same_tensor_twice_is_two_variables():
    x = leaf(3.0)
    assert [d.item() for d in ts.vjp(lambda x, y: x * x * y, x, x)[1](1.0)] == [18.0, 9.0]
    assert ts.jvp(lambda x, y: x * x * y, [x, x], [1.0, 0.0])[1].item() == 18.0


def test_what_is_ignored_has_zero_derivative():
    x, y = constant(X), constant(np.ones((2, 2)))
    dx, dy = ts.vjp(lambda x, y: x * 2.0, x, y)[1](X)
    close(dx, 2 * X)
    close(dy, np.zeros((2, 2)))
    close(ts.jvp(lambda x, y: x * 2.0, [x, y], [np.zeros(3), np.ones((2, 2))])[1], np.zeros(3))
    close(ts.jacobian(lambda x: ts.tensor(np.ones(2)), x), np.zeros((2, 3)))
    close(ts.hessian(lambda x: x.sum(), x), np.zeros((3, 3)))
    close(ts.hvp(lambda x: ts.tensor(1.0), [x], [X]), np.zeros(3))


def test_the_identity_and_repeated_outputs():
    x = constant(X)
    close(ts.vjp(lambda x: x, x)[1](X)[0], X)
    close(ts.jvp(lambda x: (x, x), [x], [X])[1][1], X)
    close(ts.vjp(lambda x: (x, x), x)[1]((X, 2 * X))[0], 3 * X)


# --- dtypes -------------------------------------------------------------------------------------------


def test_derivatives_have_the_dtype_of_what_they_are_of():
    x, w = ts.tensor(np.float32([1.0, 2.0])), constant([3.0, 4.0])
    y, pullback = ts.vjp(lambda x, w: x * w, x, w)
    assert y.dtype == np.float64
    assert [d.dtype for d in pullback(np.ones(2))] == [np.float32, np.float64]
    assert ts.jvp(lambda x: x * x, [x], [constant([1.0, 1.0])])[1].dtype == np.float32
    assert ts.jvp(lambda x: x, [x], [constant([1.0, 1.0])])[1].dtype == np.float32
    assert ts.jacobian(lambda x: x * x, x).dtype == np.float32


# --- errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda x: x.numpy(), r"return float tensors, got float64\[3\]"),
        (lambda x: 3.0, r"return float tensors, got float 3\.0"),
        (lambda x: None, "return float tensors, got NoneType None"),
        (lambda x: (), r"return float tensors, got tuple \(\)"),
        (lambda x: x > 0, r"return float tensors, got bool\[3\]"),
        (lambda x: ts.argmax(x), r"return float tensors, got int64\[\]"),
        (lambda x: {"y": x, "n": "text"}, "return float tensors, got str 'text'"),
    ],
)
def test_a_function_returns_float_tensors(f, said):
    for derivative in (
        lambda: ts.vjp(f, constant(X)),
        lambda: ts.jvp(f, [constant(X)], [X]),
        lambda: ts.jacobian(f, constant(X)),
    ):
        with pytest.raises(TypeError, match=said):
            derivative()


@pytest.mark.parametrize("f", [lambda x: x, lambda x: (x.sum(), x.sum()), lambda x: {"loss": x.sum()}])
def test_second_derivatives_are_of_one_number(f):
    for derivative in (lambda: ts.hessian(f, constant(X)), lambda: ts.hvp(f, [constant(X)], [X])):
        with pytest.raises(TypeError, match=r"whose value is one number, got (float64|a tuple|a dict)"):
            derivative()


def test_tangents_fit_their_primals():
    x, n = constant(X), ts.tensor(2)
    with pytest.raises(ValueError, match="2 primals need 2 tangents, got 1"):
        ts.jvp(lambda x, n: x, [x, n], [X])
    with pytest.raises(ValueError, match=r"float64\[3\] must have its shape, got \(2,\)"):
        ts.jvp(ts.exp, [x], [[1.0, 2.0]])
    with pytest.raises(TypeError, match=r"float64\[3\] needs a tangent"):
        ts.jvp(lambda x, n: x, [x, n], [None, None])
    with pytest.raises(TypeError, match=r"int64\[\] is not a float and cannot have a tangent"):
        ts.jvp(lambda n, x: x, [n, x], [1.0, X])
    with pytest.raises(
        TypeError, match="is not a float and cannot have a tangent"
    ):  # as many as there are floats
        ts.jvp(lambda n, x: x, [n, x], [X, None])
    with pytest.raises(ValueError, match="a tree like"):
        ts.jvp(lambda xs: xs[0], [[x, x]], [[X]])


def test_cotangents_fit_the_value():
    _, pullback = ts.vjp(lambda x: (x, x.sum()), constant(X))
    with pytest.raises(ValueError, match=r"float64\[3\] must have its shape, not \(2,\)"):
        pullback(([1.0, 2.0], 1.0))
    with pytest.raises(ValueError, match="a tree like"):
        pullback((X,))
    with pytest.raises(ValueError, match="a tree like"):
        pullback(X[0])
    with pytest.raises(ValueError, match="every output of f needs a cotangent"):
        pullback((X, None))


def test_grad_takes_tensors():
    x = leaf(3.0)
    for outputs, inputs in [(9.0, x), ([x * x, None], x), (x * x, "x"), (x * x, [x, 3.0])]:
        with pytest.raises(TypeError, match=r"grad expects tensors, got|not iterable"):
            ts.grad(outputs, inputs)
    with pytest.raises(ValueError, match=r"grad of 2 outputs needs 2 cotangents .*, got 1"):
        ts.grad([x * x, x], x, [1.0])
    assert ts.grad([x * x, x], x, np.ones(2)).item() == 7.0  # an array counts as the sequence of its rows


def test_grad_takes_trees_of_inputs():
    x, y = leaf(3.0), leaf([1.0, 2.0])
    model = {"x": x, "more": [y, (x, None)]}
    found = ts.grad(x * y.sum() + x * x, model)
    assert (found["x"].item(), found["more"][1][0].item(), found["more"][1][1]) == (9.0, 9.0, None)
    assert_array_equal(found["more"][0].numpy(), [3.0, 3.0])
    assert isinstance(ts.grad(x * x, (x, x)), tuple)
    assert [g.item() for g in ts.grad(x * x, iter([x, x]))] == [6.0, 6.0]
    assert ts.grad(x * x, {"y": y}) == {"y": None}
    with pytest.raises(TypeError, match="grad expects tensors, got str"):
        ts.grad(x * x, {"x": "x"})


def test_an_error_in_the_function_passes_through():
    with pytest.raises(ZeroDivisionError):
        ts.vjp(lambda x: 1 / 0, constant(X))


def test_a_change_before_the_pullback_is_noticed():
    x = leaf(X)
    _, pullback = ts.vjp(lambda x: x * x, x)
    x.assign_(2 * X)
    with pytest.raises(RuntimeError, match="changed in place"):
        pullback(np.ones(3))


def test_a_pullback_is_an_error_after_its_primal_has_changed():
    x = ts.tensor(np.array([1.0, 2.0]))
    _, pullback = ts.vjp(lambda x: x * x, x)
    x.assign_([0.0, 0.0])
    with pytest.raises(RuntimeError, match="changed in place"):
        pullback(np.ones(2))


def test_the_tangent_of_a_later_output_of_an_op():
    x, v = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])
    _, tangent = ts.jvp(lambda x: ts.split(x, 3)[1], [ts.tensor(x)], [v])
    assert tangent.numpy().tolist() == [20.0]
