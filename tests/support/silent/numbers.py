"""Numbers: overflow, underflow, infinities, precision, and dtypes in which a formula fails."""

import math

import numpy as np

import tinygrad_seq as ts
from silent import T, right
from tinygrad_seq import nn

INF, SINGLE, HALF = math.inf, np.float32, np.float16
SOFTMAX = "the derivative of log sum exp x is softmax x"


# --- the softmax family at large arguments ------------------------------------------------------------


@right([math.nan, math.nan], by="softmax of inf is inf / inf")
def the_gradient_of_logsumexp_at_infinity():
    x = T([INF, 1.0])
    return ts.grad(ts.logsumexp(x), x)


@right([[0.5, 0.5]], by=SOFTMAX)
def the_gradient_of_logsumexp_at_1e7():
    x = T([[1e7, 1e7]], SINGLE)
    return ts.grad(ts.logsumexp(x, axis=-1).sum(), x)


@right(1 / (1 + math.exp(-1)), by=SOFTMAX)
def the_tangent_of_logsumexp_at_1e5():
    return ts.jvp(ts.logsumexp, [ts.tensor([1e5, 1e5 - 1])], [ts.tensor([1.0, 0.0])])[1]


@right([[0.25, -0.25], [-0.25, 0.25]], by="the derivative of softmax is diag p - p p'")
def the_hessian_of_logsumexp_at_1e7():
    return ts.hessian(ts.logsumexp, ts.tensor([1e7, 1e7]))


@right([[0.5, 0.5]] * 2, by=SOFTMAX)
def the_gradient_of_logsumexp_in_a_scan_at_1e7():
    xs = T([[1e7, 1e7]] * 2, SINGLE)
    return ts.grad(ts.scan(lambda c, x: (c + ts.logsumexp(x), None), ts.tensor(0.0), xs)[0], xs)


@right((math.log(2), np.array([[-0.5, 0.5]])), by="-log softmax o, and softmax o - onehot y")
def cross_entropy_at_1e7():
    o = T([[1e7, 1e7]], SINGLE)
    loss = nn.cross_entropy(o, [0])
    return loss, ts.grad(loss, o)


@right(math.log(math.exp(3) + math.exp(5)), by="log(e^3 + e^5)")
def logsumexp_of_unsigned_integers():
    return ts.logsumexp(np.array([3, 5], np.uint8))


@right([1 / (1 + math.e**2), 1 / (1 + math.e**-2)], by="e^3 / (e^3 + e^5)")
def softmax_of_unsigned_integers():
    return ts.softmax(np.array([3, 5], np.uint8))


@right([-200.0, 0.0], by="log 1, less 200")
def log_softmax_of_small_integers_far_apart():
    return ts.log_softmax(np.array([-100, 100], np.int8))


@right(math.log(1 + math.e), by="-log(e / (e + e^2))")
def cross_entropy_of_integers():
    return nn.cross_entropy(np.array([[1, 2]], np.uint8), [0])


@right(math.log(1 + math.e), by="log(e^0 + e^1)")
def logsumexp_of_truth_values():
    return ts.logsumexp(ts.tensor([True, False]))


# --- 0 times infinity ---------------------------------------------------------------------------------


@right((0.0, np.zeros(1), np.zeros(1)), by="log(1 + e^-inf) = 0, and its derivative")
def binary_cross_entropy_of_certainty():
    o, n = T([INF]), T([-INF])
    loss = nn.binary_cross_entropy_with_logits
    return loss(o, [1]), ts.grad(loss(o, [1]), o), ts.grad(loss(n, [0]), n)


@right((INF, np.ones(1)), by="log(1 + e^inf), whose derivative is 1")
def binary_cross_entropy_of_a_certain_mistake():
    o = T([INF])
    loss = nn.binary_cross_entropy_with_logits(o, [0])
    return loss, ts.grad(loss, o)


@right((INF, np.array([1.0, -1.0])), by="the derivative of delta |d| is delta sign d")
def huber_at_infinity():
    x = T([INF, -INF])
    loss = nn.huber(x, [0.0, 0.0], reduction="sum")
    return loss, ts.grad(loss, x)


@right((math.nan, math.nan), by="inf - inf is undefined")
def losses_of_infinity_against_infinity():
    with np.errstate(invalid="ignore"):
        return nn.mse(T([INF]), [INF]), nn.huber(T([INF]), [INF])


# --- float16 and float32, where a sum in the same precision fails -------------------------------------


@right([[-1.0, 1.0]], by="(x - m) / s, with the mean 500 and the standard deviation 500")
def layer_norm_of_float16():
    return nn.LayerNorm(2, dtype=HALF)(ts.tensor([[0, 1000]], dtype=HALF))


@right(math.log(2), by="-log 1/2", rtol=1e-3)
def cross_entropy_of_70000_targets_in_float16():
    return nn.cross_entropy(np.zeros((70_000, 2), HALF), np.zeros(70_000, int), ignore_index=-1)


@right(math.log(2), by="-log 1/2", rtol=1e-3)
def binary_cross_entropy_of_66000_targets_in_float16():
    return nn.binary_cross_entropy_with_logits(np.zeros(66_000, HALF), np.zeros(66_000))


@right(4.0, by="2^2")
def mse_of_20000_twos_in_float16():
    return nn.mse(np.full(20_000, 2, HALF), np.zeros(20_000))


@right(250.0, by="sqrt of the mean of 250^2 and 250^2")
def std_of_a_variance_above_the_largest_float16():
    return ts.std(ts.tensor([0.0, 500.0], dtype=HALF))


@right(0.5, by="of two numbers that are each 0.5 away from their mean")
def std_of_100000_rows_in_float16():
    return ts.std(ts.tensor(np.tile([[1.0, 2.0]], (100_000, 1)), dtype=HALF))


@right(1 / 70_000, by="1 / n", rtol=3e-3)
def softmax_of_70000_in_float16():
    return ts.softmax(ts.zeros(70_000, dtype=HALF))[0]


@right([7000.0, 7000.0], by="70,000 times 0.1, which is 0.0999756 in float16", rtol=1e-3)
def a_bias_gradient_over_70000_rows_in_float16():
    b = T([0.0, 0.0], HALF)
    y = ts.tensor(np.zeros((70_000, 2), HALF)) + b
    return ts.grad(y, b, np.full((70_000, 2), 0.1, HALF))


@right([7000.0, 7000.0], by="70,000 times 0.1, which is 0.0999756 in float16", rtol=1e-3)
def an_embedding_gradient_over_70000_ids_in_float16():
    w = T([[0.0, 0.0]], HALF)
    return ts.grad(w[np.zeros(70_000, int)], w, np.full((70_000, 2), 0.1, HALF))[0]


@right([7000.0], by="70,000 times 0.1, which is 0.0999756 in float16", rtol=1e-3)
def a_bias_gradient_over_700_steps_of_a_scan_in_float16():
    b = T([0.0], HALF)
    xs = ts.tensor(np.zeros((700, 100, 1)), dtype=HALF)
    _, ys = ts.scan(lambda c, x: (c * 0.0, c + (x + b)), ts.zeros((100, 1), dtype=HALF), xs)
    return ts.grad(ys, b, np.full(ys.shape, 0.1, HALF))


@right([5000.0, 10_000.0], by="sums of 1")
def cumsum_of_ones_in_float16():
    return ts.cumsum(ts.tensor(np.ones(10_000), dtype=HALF))[4999::5000]


@right(500.0, by="sqrt(300^2 + 400^2)")
def norm_of_squares_above_the_largest_float16():
    return ts.norm(ts.tensor([300.0, 400.0], dtype=HALF))


@right([1e5, 1e5], by="a million times 0.1", rtol=1e-5)
def a_sum_of_a_million_rows_in_float32():
    return ts.sum(ts.tensor(np.full((1_000_000, 2), 0.1), dtype=SINGLE), axis=0)


@right(1e5, by="a million times 0.1", rtol=1e-6)
def cumsum_of_a_million_in_float32():
    return ts.cumsum(ts.tensor(np.full(1_000_000, 0.1), dtype=SINGLE))[-1]


# --- lengths of vectors -------------------------------------------------------------------------------


@right((5e30, np.array([0.6, 0.8])), by="sqrt(3^2 + 4^2) = 5, and x / |x|")
def norm_of_a_vector_whose_squares_overflow():
    x = T([3e30, 4e30])
    return ts.norm(x), ts.grad(ts.norm(x), x)


@right((5e-30, np.array([0.6, 0.8])), by="sqrt(3^2 + 4^2) = 5, and x / |x|")
def norm_of_a_vector_whose_squares_underflow():
    x = T([3e-30, 4e-30])
    return ts.norm(x), ts.grad(ts.norm(x), x)


def addressed(length, key):
    m = np.array([[[1.0, 0.0], [0.0, 1.0]]]) * length
    return nn.memory.content_addressing(*(ts.tensor(x, dtype=SINGLE) for x in (m, [[key, 0.0]], [[5.0]])))


CERTAIN = [[1 / (1 + math.exp(-5)), 1 / (1 + math.exp(5))]]


@right(CERTAIN, by="softmax of 5 cos, with the cosines 1 and 0")
def content_addressing_of_long_vectors():
    return addressed(1e10, 1e10)


@right(CERTAIN, by="softmax of 5 cos, with the cosines 1 and 0")
def content_addressing_of_vectors_whose_squares_overflow():
    return addressed(1e30, 1e-20)


@right(CERTAIN, by="softmax of 5 cos, with the cosines 1 and 0")
def content_addressing_of_vectors_whose_squares_underflow():
    return addressed(1e-25, 1e25)


@right(CERTAIN, by="softmax of 5 cos, with the cosines 1 and 0", rtol=1e-3)
def content_addressing_in_float16_by_keyword():
    m, key, beta = (ts.tensor(x, dtype=HALF) for x in ([[[1e3, 0.0], [0.0, 1e-3]]], [[300.0, 0.0]], [[5.0]]))
    return nn.memory.content_addressing(memory=m, key=key, strength=beta)


def slopes(f, x, y):
    """Both gradients, and the tangent for tangents of 1."""
    return *ts.grad(f(x, y), [x, y], retain_graph=True), ts.jvp(f, (x, y), (ts.ones_like(x), ts.ones_like(y)))[
        1
    ]


half = np.float16(0.3)
x, y = 2.0, float(half)


@right((1 / y, np.float16(-x / y**2), 1 / y - x / y**2), by="d x/y = dx / y - x dy / y^2", rtol=1e-14)
def a_quotient_of_float64_and_float16():
    return slopes(ts.divide, T(x, "f8"), T(half, "f2"))


@right(
    (y * x ** (y - 1), np.float16(x**y * math.log(x)), y * x ** (y - 1) + x**y * math.log(x)),
    by="d x^p = p x^(p - 1) dx + x^p log x dp",
    rtol=1e-14,
)
def a_power_of_float64_and_float16():
    return slopes(ts.power, T(x, "f8"), T(half, "f2"))


@right(y * x ** (y - 1), by="the same, in the backward pass of a loop", rtol=1e-14)
def a_power_of_float64_and_float16_in_a_scan():
    base, p = T(x, "f8"), ts.tensor(half)
    z, _ = ts.scan(lambda c, _: (0 * c + base**p, None), T(1.0, "f8"), length=2)
    return ts.grad(z, base)
