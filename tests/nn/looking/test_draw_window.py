"""The window compared with the paper's equations; its place, to the pixel; and what it reads off the image."""

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.testing import check_grad

rng = np.random.default_rng(0)
SIZE, N = (9, 14), 4
parameters = rng.normal(size=(3, 5)) / 2
images, patch = rng.normal(size=(3, *SIZE)), rng.normal(size=(3, N, N))


def banks(p, size, n):
    """Equations 22 to 26 of the paper for one window, with the sums Z as they stand there: F_Y, F_X, gamma."""
    (height, width), (x, y, log_variance, log_stride, log_intensity) = size, p
    centres = (height + 1) / 2 * (y + 1), (width + 1) / 2 * (x + 1)
    delta = (max(height, width) - 1) / (n - 1) * np.exp(log_stride)
    found = []
    for centre, pixels in zip(centres, size, strict=True):
        mu = centre + (np.arange(1, n + 1) - n / 2 - 0.5) * delta
        f = np.exp(-((np.arange(1, pixels + 1) - mu[:, None]) ** 2) / (2 * np.exp(log_variance)))
        found.append(f / f.sum(axis=1, keepdims=True))
    return *found, np.exp(log_intensity)


@pytest.mark.parametrize("size", [SIZE, (14, 9), (6, 6)])
def test_a_window_is_that_of_the_paper(size):
    found = nn.window(ts.tensor(parameters), size, N)
    for k, p in enumerate(parameters):
        rows, columns, gamma = banks(p, size, N)
        assert_allclose(found.rows[k], rows, atol=1e-12, rtol=0)
        assert_allclose(found.columns[k], columns, atol=1e-12, rtol=0)
        assert_allclose(found.intensity[k], [gamma], rtol=1e-14)
        x, y = (size[1] + 1) / 2 * (p[0] + 1), (size[0] + 1) / 2 * (p[1] + 1)
        assert_allclose(found.centre[k], [x, y], rtol=1e-14)
        assert_allclose(found.width[k], [np.exp(p[2] / 2)], rtol=1e-14)
        assert_allclose(found.stride[k], [(max(size) - 1) / (N - 1) * np.exp(p[3])], rtol=1e-14)


def test_it_reads_and_writes_by_the_papers_equations():
    found = nn.window(ts.tensor(parameters), SIZE, N)
    for k, p in enumerate(parameters):
        rows, columns, gamma = banks(p, SIZE, N)
        assert_allclose(found.read(images)[k], gamma * rows @ images[k] @ columns.T, rtol=1e-9, atol=1e-11)
        assert_allclose(found.write(patch)[k], rows.T @ patch[k] @ columns / gamma, rtol=1e-9, atol=1e-11)


def at(row, column, *, sharp=-6.0, stride=-9.0):
    """The parameters of a window that is centred on a pixel, counted from 1."""
    height, width = SIZE
    return [2 * column / (width + 1) - 1, 2 * row / (height + 1) - 1, sharp, stride, 0.0]


def test_a_narrow_window_reads_the_pixel_that_it_is_centred_on():
    """With filters that begin at 0, or pixels that do, it would read a neighbour."""
    pixels = [(i, j) for i in range(1, SIZE[0] + 1) for j in range(1, SIZE[1] + 1)]
    places = ts.tensor(np.array([at(*pixel) for pixel in pixels]))
    for n in (1, 2, 5):
        seen = nn.window(places, SIZE, n).read(images[:1]).numpy()
        expected = np.array([images[0, i - 1, j - 1] for i, j in pixels])
        assert_allclose(ts.tensor(seen), np.broadcast_to(expected[:, None, None], seen.shape), atol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_filters_are_symmetric_about_the_centre_and_a_stride_apart(n):
    """A filter reads its mean out of an image whose pixels are their own numbers, far from the edges."""
    ramp = np.arange(1.0, 42.0)
    p = [[0.3 * 2 / 42, -0.2, 0.5, np.log(2.5 * (n - 1) / 40), 0.0]]
    found = nn.window(ts.tensor(p, dtype=np.float64), (41, 41), n)
    means = (found.columns @ ramp)[0]
    assert_allclose(means, 21.3 + 2.5 * (np.arange(n) - (n - 1) / 2), atol=1e-6)
    assert_allclose(found.columns.sum(-1), np.ones((1, n)), rtol=1e-14)


def test_a_window_without_parameters_covers_the_image():
    """The first and the last filter are at the edges of the longer side."""
    found = nn.window(ts.zeros((1, 5)), (9, 14), 3)
    assert_array_equal(found.centre, np.float32([[7.5, 5]]))
    assert_array_equal(found.stride, np.float32([[6.5]]))
    assert_array_equal(found.columns[0].argmax(-1), [0, 6, 13])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x", "column"), [(-30.0, 0), (1e4, 13)])
def test_a_window_off_the_image_reads_the_nearest_edge(x, column, dtype):
    """There the paper's equations are 0/0."""
    p = ts.tensor(np.array([[x, 0, 0, 0, 0]], dtype))
    found = nn.window(p, SIZE, 2)
    assert_array_equal(found.columns.argmax(-1), [[column] * 2])
    assert_allclose(found.columns.sum(-1), [[1, 1]], rtol=1e-6)


def test_no_product_of_two_weights_is_subnormal():
    found = nn.window(ts.tensor([[0.1, -0.3, -3.0, -1.0, 0.0]]), (28, 28), 5)
    for bank in (found.rows, found.columns):
        assert bool((bank * bank * np.float32(1e-5) > np.finfo(np.float32).tiny).all())


@pytest.mark.parametrize("n", [1, 3])
def test_gradients(n):
    def through(p, x, w):
        found = nn.window(p, (5, 6), n)
        return found.read(x), found.write(w)

    x, w = rng.normal(size=(2, 5, 6)), rng.normal(size=(2, n, n))
    check_grad(through, parameters[:2], x, w)


@pytest.mark.parametrize(
    ("p", "error", "said"),
    [
        (np.zeros((2, 4)), ValueError, r"window needs parameters \(B, 5\) of floats, got float64\[2,4\]"),
        (np.zeros(5), ValueError, r"for one window, p\[None\]"),
        (np.zeros((2, 5), int), TypeError, r"of floats, got int64\[2,5\]"),
    ],
)
def test_other_parameters_are_refused(p, error, said):
    with pytest.raises(error, match=said):
        nn.window(ts.tensor(p), SIZE, N)


@pytest.mark.parametrize(("size", "filters"), [((0, 4), 2), ((4, 4), 0), ((4, 2.5), 2)])
def test_sizes_are_positive_integers(size, filters):
    with pytest.raises((ValueError, TypeError), match="window"):
        nn.window(ts.zeros((1, 5)), size, filters)
