"""Patches pixel by pixel, as their definitions; in a loop, of one image for all rows, and in awkward calls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from results import assert_allclose, assert_array_equal, host
from retinas import patches, retina_by_hand

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
images = rng.normal(size=(3, 7, 10))
centres = np.array([[0.3, -0.4], [-0.95, 0.9], [1.0, -1.0]])


@pytest.mark.parametrize("scales", [1, 2, 4])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_a_retina_is_its_definition(size, scales):
    expected = retina_by_hand(images, centres, size, scales)
    assert_allclose(nn.retina(ts.tensor(images), ts.tensor(centres), size, scales), expected, atol=1e-15)
    for centre in centres:
        found = nn.retina(ts.tensor(images[0]), ts.tensor(centre[None]), size, scales)
        assert_allclose(found, [patches(images[0], centre, size, scales)], atol=1e-15)


@given(
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.floats(-1, 1, width=16),  # of few bits, so that no rounding moves a centre to another pixel
    st.floats(-1, 1, width=16),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_a_retina_is_its_definition_for_images_of_any_shape(shape, x, y, size, scales):
    image = np.random.default_rng(shape).normal(size=shape)
    found = nn.retina(ts.tensor(image), ts.tensor([[x, y]], dtype=np.float64), size, scales)
    assert_allclose(found[0], patches(image, (x, y), size, scales), atol=1e-15)


def test_the_pixels_of_the_middle_and_of_the_corners():
    image = np.arange(16.0).reshape(4, 4)
    looks = ts.tensor([[0.0, 0.0], [-1.0, -1.0], [1.0, -1.0], [0.5, 0.0]])
    found = nn.retina(ts.tensor(image), looks, 2)[:, 0]
    assert_array_equal(found[0], [[5, 6], [9, 10]])
    assert_array_equal(found[1], [[0, 0], [0, 0]])  # of the image only the pixel 0
    assert_array_equal(found[2], [[0, 0], [3, 0]])  # x = 1, y = -1: to the right and up
    assert_array_equal(found[3], [[6, 7], [10, 11]])


def test_a_centre_outside_is_moved_to_the_edge_and_nan_gives_nan():
    far = np.array([[3.0, np.inf], [-np.inf, 0.1], [np.nan, 0.0]])
    near = np.array([[1.0, 1.0], [-1.0, 0.1], [0.0, 0.0]])
    found, expected = (host(nn.retina(ts.tensor(images), ts.tensor(c), 4, 2)) for c in (far, near))
    assert_array_equal(found[:2], expected[:2])
    assert np.isnan(found[2]).all()
    assert np.isfinite(expected).all()


def test_nan_and_large_pixels_stay_where_they_are():
    image = np.ones((6, 6), np.float16)
    image[0, 0], image[:, 5] = np.nan, 65504
    found = host(nn.retina(ts.tensor(image), ts.tensor([[0.0, 0.0]]), 4, 2))
    assert np.isnan(found[0, 0]).sum() == 0
    assert np.isnan(found[0, 1]).sum() == 1
    wide = nn.retina(ts.tensor(image[:, 4:]), ts.tensor([[0.0, 0.0]]), 1, 2)  # the mean of 1 and 65504
    assert host(wide)[0, 1, 0, 0] == np.float16(32752.5)


def test_derivatives_with_respect_to_the_images_and_none_with_respect_to_the_centres():
    check_grad(lambda x: nn.retina(x, ts.tensor(centres), 4, 3), images)
    place = ts.tensor(centres, requires_grad=True)
    assert not nn.retina(ts.tensor(images), place, 4, 3).requires_grad


def test_looks_of_a_loop_read_images_that_are_padded_once():
    moves = rng.normal(size=(5, 3, 2)) / 3

    def step(place, move):
        place = ts.tanh(place + move)
        return place, nn.retina(shown, place, 3, 2)

    shown = ts.tensor(images, requires_grad=True)
    start = ts.tensor(centres)
    _, seen = ts.scan(step, start, moves)
    at = centres
    for move, found in zip(moves, host(seen), strict=True):
        at = np.tanh(at + move)
        assert_allclose(ts.tensor(found), retina_by_hand(images, at, 3, 2), atol=1e-15)
    forward, _, _ = str(ts.explain(step, start, moves)).partition("backward")
    before, _, loop = forward.partition("\nloop")
    assert "pad(" in before
    assert "pad(" not in loop

    weights = rng.normal(size=seen.shape)
    (found,) = ts.grad((seen * weights).sum(), [shown])
    outside = ts.tensor(images, requires_grad=True)
    at, total = ts.tensor(centres), 0.0
    for move, weight in zip(moves, weights, strict=True):
        at = ts.tanh(at + move)
        total = total + (nn.retina(outside, at, 3, 2) * weight).sum()
    assert_allclose(found, ts.grad(total, outside), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: nn.retina(np.ones((2, 4, 4)), np.ones((3, 2)), 2), ValueError, "a centre for each image"),
        (lambda: nn.retina(np.ones((1, 4, 4)), np.ones((3, 2)), 2), ValueError, r"pass it as \(H, W\)"),
        (lambda: nn.retina(np.ones((2, 4, 4, 1)), np.ones((2, 2)), 2), ValueError, r"images \(B, H, W\) or"),
        (lambda: nn.retina(np.ones((2, 4, 4)), np.ones((2, 3)), 2), ValueError, r"centres \(B, 2\)"),
        (lambda: nn.retina(np.ones((2, 4, 4), int), np.ones((2, 2)), 2), TypeError, "convert integers"),
        (lambda: nn.retina(np.ones((2, 4, 4)), np.ones((2, 2)), 0), ValueError, "an integer size in"),
        (lambda: nn.retina(np.ones((2, 4, 4)), np.ones((2, 2)), 2, 0), ValueError, "an integer scales in"),
        (lambda: nn.patches(np.ones((2, 4)), 2, 2), ValueError, r"images \(B, H, W\) or \(B, H, W, C\)"),
        (lambda: nn.patches(np.ones((2, 5, 4)), 2, 2), ValueError, "2 [+] a multiple of 2, the stride"),
        (lambda: nn.patches(np.ones((2, 4, 4)), 5, 1), ValueError, "5 [+] a multiple of 1"),
        (lambda: nn.patches(np.ones((2, 4, 4)), 2, 0), ValueError, "an integer stride in"),
    ],
)
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


# --- patches that tile an image -------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 2), (2, 5), (7, 3)])
@pytest.mark.parametrize("colours", [(), (3,)])
def test_patches_are_windows_row_by_row(size, stride, colours):
    x = rng.normal(size=(2, 7, 7 if size != 2 else 12, *colours))
    windows = [
        x[:, i : i + size, j : j + size].reshape(2, -1)
        for i in range(0, x.shape[1] - size + 1, stride)
        for j in range(0, x.shape[2] - size + 1, stride)
    ]
    assert_array_equal(nn.patches(ts.tensor(x), size, stride), np.stack(windows, axis=1))


def test_patches_keep_the_dtype_and_have_derivatives():
    assert_array_equal(nn.patches(ts.tensor([[[1, 2], [3, 4]]]), 1, 1), [[[1], [2], [3], [4]]])
    check_grad(lambda x: nn.patches(x, 3, 2), rng.normal(size=(2, 5, 7)))


def test_a_linear_layer_of_patches_is_a_convolution():
    x, kernel = rng.normal(size=(6, 8)), rng.normal(size=(3, 3))
    convolved = [[(x[i : i + 3, j : j + 3] * kernel).sum() for j in range(6)] for i in range(4)]
    found = nn.patches(ts.tensor(x[None]), 3, 1) @ ts.tensor(kernel.reshape(9, 1))
    assert_allclose(found.reshape(4, 6), convolved, rtol=1e-12)


# --- their picture --------------------------------------------------------------------------------------


def test_the_picture_shows_the_patches_that_the_retina_reads():
    """The pixels within each square are those of the patch; the numbers are in order."""
    axes = Figure().subplots()
    image, places = images[0], np.array([[0.0, 0.0], [0.31, -0.42], [-0.5, 0.25]])
    nn.pictures.looks(axes, image, places, 3)
    shown = axes.images[0].get_array()
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]
    for place, square, text in zip(places, axes.patches, axes.texts, strict=True):
        (left, top), side = square.get_xy(), square.get_width()
        rows, columns = np.arange(image.shape[0]), np.arange(image.shape[1])
        within = shown[(rows > top) & (rows < top + side)][:, (columns > left) & (columns < left + side)]
        assert_array_equal(nn.retina(ts.tensor(image), ts.tensor(place[None]), 3)[0, 0], within)
        assert text.get_position() == (left + side / 2, top + side / 2)
    (path,) = axes.lines
    assert_array_equal(ts.tensor(path.get_xydata()), [text.get_position() for text in axes.texts])


@pytest.mark.parametrize("wrong", [(np.ones((2, 3, 4)), centres), (images[0], centres[0])])
def test_a_picture_needs_one_image_and_its_looks(wrong):
    with pytest.raises(ValueError, match=r"looks needs an image \(H, W\) and centres \(T, 2\), got shapes"):
        nn.pictures.looks(Figure().subplots(), *wrong, 3)
