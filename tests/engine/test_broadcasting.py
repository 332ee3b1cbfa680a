"""The derivative of broadcasting: a cotangent is summed over the axes along which its argument was repeated."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tinygrad_seq.engine.broadcasting import unbroadcast
from tinygrad_seq.engine.precision import BLOCK


@pytest.mark.parametrize(
    ("shape", "made"),
    [
        ((), ()),
        ((3,), (3,)),
        ((), (4, 5)),
        ((1, 1), (4, 5)),
        ((1, 5), (4, 5)),
        ((4, 1), (4, 5)),
        ((1, 4, 1), (3, 2, 4, 5)),
        ((2, 1), (2, 1)),
        ((1, 0), (5, 0)),
        ((3,), (0, 3)),
        ((3,), (BLOCK, 3)),
        ((3,), (BLOCK + 1, 3)),
        ((3,), (3 * BLOCK, 3)),
        ((4, 1), (4, 5 * BLOCK + 7)),
        ((2, 1, 3), (2, BLOCK * BLOCK + BLOCK + 1, 3)),
        ((), (30, 50)),
    ],
)
@pytest.mark.parametrize("core", [0, 2])
def test_it_is_a_sum_over_the_repeated_axes(shape, made, core):
    inner = (2, 3)[:core]
    g = np.random.default_rng(0).normal(size=made + inner)
    padded = (1,) * (len(made) - len(shape)) + shape
    repeated = tuple(a for a, (one, n) in enumerate(zip(padded, made, strict=True)) if one != n)
    expected = g.sum(axis=repeated, keepdims=True).reshape(shape + inner)
    found = unbroadcast(g, shape + inner, core, made)
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


def test_a_cotangent_may_have_fewer_loop_axes_than_the_result():
    """That of x in x @ y, x (2, 3) and y (4, 5, 3, 6), if a rule has already summed over the first axis."""
    g = np.random.default_rng(0).normal(size=(5, 2, 3))
    assert_allclose(unbroadcast(g, (2, 3), 2, (4, 5)), g.sum(axis=0))
    assert_allclose(unbroadcast(g, (1, 2, 3), 2, (4, 5)), g.sum(axis=0, keepdims=True))


@pytest.mark.parametrize(
    ("sizes", "shape", "core", "made"),
    [
        ((4, 3), (2, 3), 0, (4, 3)),  # an axis of another length
        ((2, 3), (2, 3, 1), 0, (2, 3, 1)),  # too few axes
        ((4, 2, 3), (2, 3), 0, (5, 2, 3)),  # an axis that the result does not have
        ((4, 3), (1, 3), 2, ()),  # a core axis, which is never broadcast
    ],
)
def test_another_shape_is_no_cotangent_of_the_argument(sizes, shape, core, made):
    with pytest.raises(ValueError, match="is not a broadcast of its argument's shape"):
        unbroadcast(np.ones(sizes), shape, core, made)


def test_a_long_sum_is_as_precise_as_its_dtype():
    """Rows added one by one are 1 % off after 1e6 in float32."""
    g = np.full((10**6, 2), 0.1, np.float32)
    assert_allclose(unbroadcast(g, (2,), 0, g.shape), [1e5, 1e5], rtol=2e-5)
