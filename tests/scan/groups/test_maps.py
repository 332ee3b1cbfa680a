"""Laws of maps: every view of NumPy, and every chain of views, is the same elements in the same order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreted import places

from tinygrad_seq.scan.groups import maps
from tinygrad_seq.scan.groups.maps import Map, composed, contiguous, recovered, space_of, squeezed

MANY = settings(max_examples=max(200, settings().max_examples))
SIZES = st.integers(0, 4) | st.integers(1, 4)
SHAPES = st.lists(SIZES, max_size=4).map(tuple)


def memory(shape):
    """An array in C order whose elements are their places."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


def visited(m, shape):
    return places(m, shape).reshape(shape)


# --- one view -----------------------------------------------------------------------------------------


@pytest.fixture
def x():
    return memory((4, 3, 6))


def test_an_array_in_c_order(x):
    np.testing.assert_array_equal(visited(contiguous(x.shape), x.shape), x)


def test_slices(x):
    m = contiguous(x.shape)
    np.testing.assert_array_equal(visited(maps.sliced(m, 2, 1), (4, 3, 5)), x[:, :, 1:])
    np.testing.assert_array_equal(visited(maps.sliced(m, 0, 3, -2), (2, 3, 6)), x[::-2])
    np.testing.assert_array_equal(visited(maps.dropped(m, 1, 2), (4, 6)), x[:, 2])


def test_a_transpose(x):
    m = maps.transposed(contiguous(x.shape), (2, 0, 1))
    np.testing.assert_array_equal(visited(m, (6, 4, 3)), x.transpose(2, 0, 1))


def test_a_broadcast(x):
    part = x[:, :1, :1]
    m = maps.indexed(contiguous(x.shape), x.shape, (..., slice(1), slice(1)))
    m = maps.broadcast(m, part.shape, (2, 4, 3, 5))
    np.testing.assert_array_equal(visited(m, (2, 4, 3, 5)), np.broadcast_to(part, (2, 4, 3, 5)))


def test_a_reshape(x):
    m = maps.reshaped(contiguous(x.shape), x.shape, (2, 2, 1, 9, 2))
    np.testing.assert_array_equal(visited(m, (2, 2, 1, 9, 2)), x.reshape(2, 2, 1, 9, 2))


def test_a_space_has_no_axes_of_length_1():
    m = squeezed(Map(3, (5, 7, 1)), (2, 1, 4))
    assert m == Map(3, (5, 1))
    assert space_of((2, 1, 4)) == (2, 4)


# --- chains of views ----------------------------------------------------------------------------------


def transpose(draw, x, m):
    axes = draw(st.permutations(range(x.ndim)))
    return x.transpose(axes), maps.transposed(m, axes)


def broadcast(draw, x, m):
    shape = tuple(draw(SIZES) if n == 1 else n for n in x.shape)
    shape = (*draw(st.lists(SIZES, max_size=max(5 - x.ndim, 0))), *shape)
    return np.broadcast_to(x, shape), maps.broadcast(m, x.shape, shape)


def index(draw, x, m):
    parts = [draw(st.slices(n) | st.integers(-n, n - 1)) if n else slice(None) for n in x.shape]
    start = draw(st.integers(0, x.ndim))
    stop = draw(st.integers(start, x.ndim))
    key = [*parts[:start], ..., *parts[stop:]] if stop < x.ndim or draw(st.booleans()) else parts[:start]
    for _ in range(draw(st.integers(0, max(5 - x.ndim, 0)))):
        key.insert(draw(st.integers(0, len(key))), None)
    return x[tuple(key)], maps.indexed(m, x.shape, tuple(key))


def reshape(draw, x, m):
    """Also into a shape for which NumPy copies; then there is no map, and the chain goes on without it."""
    shape = draw(st.permutations(x.shape).map(list))
    for _ in range(draw(st.integers(0, 3))):
        i = draw(st.integers(0, len(shape)))
        if draw(st.booleans()) and i + 1 < len(shape):
            shape[i : i + 2] = [shape[i] * shape[i + 1]]
        elif i < len(shape) and shape[i] % 2 == 0 and len(shape) < 6:
            shape[i : i + 1] = [2, shape[i] // 2]
        elif len(shape) < 6:
            shape.insert(i, 1)
    found = maps.reshaped(m, x.shape, tuple(shape))
    try:
        view = np.reshape(x, shape, copy=False)
    except ValueError:
        assert found is None
        return x, m
    assert found is not None
    return view, found


@MANY
@given(st.data(), SHAPES)
def test_a_chain_of_views_is_one_map(data, shape):
    x, m = memory(shape), contiguous(shape)
    for view in data.draw(st.lists(st.sampled_from([transpose, broadcast, index, reshape]), max_size=6)):
        x, m = view(data.draw, x, m)
        np.testing.assert_array_equal(visited(m, x.shape), x)
    np.testing.assert_array_equal(
        visited(squeezed(m, x.shape), space_of(x.shape)), x.reshape(space_of(x.shape))
    )


# --- indices from places, and places from indices -----------------------------------------------------


@st.composite
def cuts(draw, shape):
    """A part of an array in C order, with its axes in any order, some of them repeated."""
    x, m = memory(shape), contiguous(shape)
    for axis, n in enumerate(shape):
        start, step = draw(st.integers(0, n - 1)), draw(st.integers(1, n))
        x = x[(slice(None),) * axis + (slice(start, None, step),)]
        m = maps.sliced(m, axis, start, step)
    x, m = transpose(draw, x, m)
    return broadcast(draw, x, m)


def indices_of(x, shape):
    """The indices of the places x in an array of this shape, over the space of x."""
    return np.unravel_index(x.reshape(space_of(x.shape)), shape) if shape else ()


def filled_shapes(most):
    return st.lists(st.integers(1, 5), max_size=most).map(tuple)


@MANY
@given(st.data(), filled_shapes(3))
def test_indices_are_recovered_from_places(data, shape):
    x, m = data.draw(cuts(shape))
    found = recovered(squeezed(m, x.shape), space_of(x.shape), shape)
    for axis, expected in zip(found, indices_of(x, shape), strict=True):
        np.testing.assert_array_equal(visited(axis, space_of(x.shape)), expected)


@MANY
@given(st.data(), SHAPES)
def test_recovered_indices_are_right_or_none(data, shape):
    """For any view, reversed ones too: the indices are right, if there are any."""
    x, m = memory(shape), contiguous(shape)
    for view in data.draw(st.lists(st.sampled_from([transpose, broadcast, index, reshape]), max_size=3)):
        x, m = view(data.draw, x, m)
    if 0 in (*shape, *x.shape):
        return
    space = space_of(x.shape)
    found = recovered(squeezed(m, x.shape), space, shape)
    if found is not None:
        for axis, expected in zip(found, indices_of(x, shape), strict=True):
            np.testing.assert_array_equal(visited(axis, space), expected)


def test_indices_that_pass_the_end_of_an_axis_are_not_recovered():
    """The first four of six elements are not in one row of three."""
    assert recovered(Map(0, (1,)), (4,), (2, 3)) is None
    assert recovered(Map(3, (1,)), (3,), (2, 3)) == [Map(1, (0,)), Map(0, (1,))]


@MANY
@given(st.data(), filled_shapes(4))
def test_a_composition_indexes_twice(data, shape):
    """y is a view of x, and a part of y is read by its places in C order: x[composed] = y[places]."""
    y, m = memory(shape), contiguous(shape)
    for view in data.draw(st.lists(st.sampled_from([transpose, index]), max_size=3)):
        y, m = view(data.draw, y, m)
    if 0 in y.shape:
        return
    part, own = data.draw(cuts(y.shape))
    space = space_of(part.shape)
    axes = recovered(squeezed(own, part.shape), space, y.shape)
    twice = y.ravel()[part.reshape(space)]
    np.testing.assert_array_equal(visited(composed(m, axes, len(space)), space), twice)
