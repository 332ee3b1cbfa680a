"""The tape: values that would leave it in silence, so that a result is right and its gradient is not."""

import math

import numpy as np
import pytest

import tinygrad_seq as ts
from silent import T, refused, right
from tinygrad_seq import nn
from tinygrad_seq.engine.primitive import Primitive

w = [1.0, 2.0]
leaves = refused(
    TypeError,
    "is on the tape",
    "t.numpy()",
    "t.detach()",
    "ts.stack",
    by="the result depends on the tensors, so their gradient is not the 0 that an array gives",
)


def pair():
    """Two numbers on the tape."""
    return [T(1.0), T(2.0)]


@leaves
def scipys_logsumexp():
    special = pytest.importorskip("scipy.special")
    x = T(w)
    return ts.grad((x * x).sum() - special.logsumexp(x), x)


@right([1.7310585786300049, 3.2689414213699951], by="d/dw (w.w - log sum exp w) = 2 w - softmax w", rtol=1e-6)
def our_logsumexp():
    x = T(w)
    return ts.grad((x * x).sum() - ts.logsumexp(x), x)


@leaves
def mean_of_a_list():
    return np.mean(pair())


@leaves
def sum_of_a_list():
    return np.sum(pair())


@leaves
def max_of_a_list():
    return np.max(pair())


@leaves
def exp_of_a_list():
    return np.exp(pair())


@leaves
def an_array_filled_with_a_tensor():
    return np.full(2, T(1.0))


@leaves
def rows_by_r():
    return np.r_[T(w), 1.0]


@leaves
def columns_by_c():
    return np.c_[T(w), T(w)]


@leaves
def a_vectorized_function():
    return np.vectorize(lambda x: x + 1)(T(w))


@leaves
def assignment_into_an_array():
    a = np.zeros(2)
    a[...] = T(w)


@refused(ValueError, "setting an array element", by="as for a[...]; NumPy puts our TypeError into the cause")
def assignment_of_an_element():
    a = np.zeros(2)
    a[0] = T(1.0)


@refused(ValueError, "setting an array element", by="as for a[0] = t")
def addition_to_an_element():
    a = np.zeros(2)
    a[0] += T(1.0)


@leaves
def a_draw_from_a_distribution():
    return np.random.default_rng(0).normal(T(1.0))


@leaves
def a_product_with_a_list():
    return np.eye(2) @ pair()


@leaves
def a_series_of_pandas():
    pandas = pytest.importorskip("pandas")
    return pandas.Series(w) * T(w)


@leaves
def a_masked_array():
    return np.ma.array(w) * T(w)  # NumPy takes an attribute `_data` of any operand for its array


@leaves
def a_tensor_of_tensors():
    return ts.tensor(pair())


@leaves
def a_captured_leaf_in_a_scan():
    x = T(w)
    return ts.scan(lambda c, _: (c + np.mean([x, x]), None), ts.tensor(0.0), length=2)


@leaves
def a_gradient_that_is_recorded():
    x = T(w)
    return np.asarray(ts.grad((x**3).sum(), x, create_graph=True))


@right([1.0], by="math.exp(t) asks for a number, as float(t) does: d/dx x = 1, and exp(x) is a constant")
def a_python_number_is_a_constant():
    x = T([1.0])
    return ts.grad(x + math.exp(x), x)


undeclared = refused(TypeError, "sine", "no_derivative()", by="d/dx sin x = cos x, and not the 0 of a constant")


def sine():
    """sin, as an op that does not say what its derivative is."""

    def sine(x, /):
        return np.sin(x)

    return Primitive(sine, "()->()").function


@undeclared
def an_op_without_a_rule():
    x = T(w)
    return ts.grad((x + sine()(x)).sum(), x)


@undeclared
def an_op_without_a_rule_in_a_scan():
    f, x = sine(), T(1.0)
    return ts.grad(ts.scan(lambda c, _: (f(c), None), x, length=3)[0], x)


@undeclared
def an_op_without_a_rule_under_remat():
    f, x = sine(), T(1.0)
    return ts.grad(ts.scan(lambda c, _: (f(c), None), x, length=3, remat=2)[0], x)


@undeclared
def an_op_without_a_rule_forward():
    return ts.jvp(sine(), [ts.tensor(1.0)], [1.0])


@undeclared
def an_op_with_a_forward_rule_only():
    f = sine()
    f.jvp(lambda g, x: g * np.cos(x))
    x = T(w)
    return ts.grad((x + f(x)).sum(), x)


@right([1.5403023058681398, 0.5838531634528576], by="d/dx (x + sin x) = 1 + cos x")
def a_rule_declared_after_a_call():
    f, x = sine(), T(w, np.float64)
    f(1.0)
    f.partials(lambda x: np.cos(x))
    return ts.grad((x + f(x)).sum(), x)


@refused(TypeError, "joint_vjp", "*more", by="d/dw_i sum_j w_j = 1 for all of them, and not for the first only")
def arguments_that_no_rule_covers():
    def total(x, /, *more):
        return sum(more, x)

    op = Primitive(total, examples=[ts.example("(a)", "(a)")])
    op.vjp(lambda g: g)
    x = T(w)
    return ts.grad(op.function(x, x).sum(), x)


@refused(
    TypeError, "raw", "rename it", by="the argument would be overwritten: raw = True, and the op returns 2"
)
def an_argument_named_like_a_local():
    def double(raw, /):
        return 2 * raw

    return Primitive(double, "()->()").function(5.0)


untrained = refused(
    TypeError,
    "would not be trained",
    "assign_",
    "nn.Parameter",
    by="Linear(3, 2) has 8 numbers to train, and not 2",
)


@untrained
def an_array_in_place_of_a_parameter():
    model = nn.Linear(3, 2, rng=0)
    model.weight = np.zeros((3, 2))
    return sum(p.size for p in model.parameters())


@untrained
def a_number_in_place_of_a_parameter():
    model = nn.Linear(3, 2, rng=0)
    model.bias = 0.0
    return sum(p.size for p in model.parameters())


@refused(
    TypeError, "would not be saved", "assign_", "ts.tensor", by="a clockwork network is saved with its mask"
)
def an_array_in_place_of_a_constant():
    cell = nn.ClockworkRNNCell(2, 4, periods=(1, 2), rng=0)
    cell.hears = np.ones((4, 4), np.float32)
    return len(cell.state_dict())
