"""In what precision the sums of a scan accumulate: over the steps, and within a step; as in a call outside."""

import doors
import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts

STEPS = 5000


def in_the_loop(c, x, w):
    """The gradient of w is the sum of cotangents that the backward loop computes."""
    c = (c + w) * 0.5 + x
    return c, c


def added_up_in_the_loop(c, x, w):
    """The gradient of w comes from an op that cannot be applied to all steps at once."""
    c = ts.prod(ts.stack([w, c[0] * 0.0 + 0.3]), axis=0) + x
    return c, c


def after_the_loop(c, x, w):
    """The gradient of w is a sum of products, which are computed for all steps at once."""
    c = c * w + x
    return c, c


def before_the_loop(c, x, w):
    """w is used by an op that needs no carry."""
    c = c * 0.5 + x * w
    return c, c


def product(c, x, w):
    """The gradient of w is one matrix product of all steps."""
    c = (c @ ts.outer(w, w)) + x
    return c, c


@pytest.mark.parametrize(
    "step",
    [in_the_loop, added_up_in_the_loop, after_the_loop, before_the_loop, product],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("remat", [None, 1000])
def test_gradients_over_many_steps_in_float16(step, remat):
    def gradient(dtype):
        w, x, c = (
            ts.tensor(a, dtype="f2", device=doors.DEVICE).astype(dtype)
            for a in (np.full(3, 0.3), np.full((STEPS, 1, 3), 0.3), np.zeros((1, 3)))
        )
        w = ts.tensor(w, requires_grad=True)
        _, ys = ts.scan(lambda c, x: step(c, x, w), c, x, remat=remat)
        return ts.grad(ys, w, ts.tensor(np.full(ys.shape, 0.1), dtype=dtype, device=doors.DEVICE))

    assert_allclose(gradient("f2").numpy().astype("f8"), gradient("f8").numpy(), rtol=4e-3)


@pytest.mark.parametrize(("dtype", "n", "rtol"), [("f2", 10_000, 1e-3), ("f4", 1_000_000, 1e-5)])
@pytest.mark.parametrize(
    "f", [lambda z: ts.sum(z, axis=0), lambda z: ts.softmax(z, axis=0)[0]], ids=["sum", "softmax"]
)
def test_a_sum_in_a_step_over_a_long_axis(dtype, n, rtol, f):
    x = ts.tensor(np.full((n, 2), 0.1), dtype=dtype, device=doors.DEVICE)
    c = ts.zeros((n, 2), dtype=dtype, device=doors.DEVICE)
    expected = f(ts.tensor(x.numpy().astype("f8"), device=doors.DEVICE))

    def step(c, _):
        z = f(c + x)
        return c + z * 0.0, z  # the carry needs z, so it is computed in the loop

    _, ys = ts.scan(step, c, None, length=2)
    for found in (ys[0], f(x)):
        assert_allclose(found.numpy().astype("f8"), expected.numpy(), rtol=rtol)
