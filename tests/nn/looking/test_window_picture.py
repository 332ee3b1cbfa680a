"""A window drawn on an image: the square of its outermost filters, and the area that they reach."""

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import nn

figure = pytest.importorskip("matplotlib.figure")

SIZE, N = (25, 31), 4
p = np.array([[0.1, -0.2, -4.0, -1.5, 0.3], [-0.2, 0.1, 0.2, -1.6, 0.0]])


def test_the_square_has_its_corners_at_the_outermost_filters():
    """The filters read their own places out of images of coordinates, which begin with 0 as in a picture."""
    found = nn.window(ts.tensor(p), SIZE, N)
    axes = figure.Figure().subplots()
    axes.imshow(np.zeros(SIZE))
    limits = axes.get_xlim(), axes.get_ylim()
    nn.pictures.window(axes, found, (1,), color="green")
    reached, square = (patch.get_bbox().get_points() for patch in axes.patches)

    columns, rows = (bank[1] @ np.arange(bank.shape[-1] * 1.0) for bank in (found.columns, found.rows))
    corners = np.array([[float(columns[k]), float(rows[k])] for k in (0, -1)])
    assert_allclose(ts.tensor(square), corners, atol=1e-5)
    sigma = np.exp(0.2 / 2)
    assert_allclose(ts.tensor(reached), corners + np.array([[-sigma], [sigma]]), atol=1e-5)
    assert (axes.get_xlim(), axes.get_ylim()) == limits


def test_its_color_and_its_area():
    axes = figure.Figure().subplots()
    nn.pictures.window(axes, nn.window(ts.tensor(p), SIZE, N), (0,), color="green")
    area, square = axes.patches
    assert square.get_edgecolor()[:3] == area.get_facecolor()[:3] == (0.0, 128 / 255, 0.0)
    assert (square.get_fill(), area.get_fill(), area.get_alpha()) == (False, True, 0.2)


def test_the_window_of_a_step():
    """Of steps with different windows, that of the step."""
    model = nn.DRAW(SIZE, latent=2, hidden=3, write=3, rng=0)
    noise = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    _, drawn = model.reconstruct(np.zeros(SIZE), noise)
    axes = figure.Figure().subplots()
    nn.pictures.window(axes, drawn.write, (2, 1))
    box = axes.patches[1].get_bbox()
    middle = ((box.x0 + box.x1) / 2 + 1, (box.y0 + box.y1) / 2 + 1)
    assert_allclose(drawn.write.centre[2, 1], middle, rtol=1e-5)


def test_other_indices_are_refused():
    axes, windows = figure.Figure().subplots(), nn.window(ts.zeros((3, 5)), SIZE, N)
    with pytest.raises(ValueError, match=r"got centres float32\[3,2\] and at=\(\)"):
        nn.pictures.window(axes, windows, ())
    with pytest.raises(ValueError, match=r"an index for each axis .* and at=\(0, 1\)"):
        nn.pictures.window(axes, windows, (0, 1))
    with pytest.raises(IndexError):
        nn.pictures.window(axes, windows, (3,))
    assert not axes.patches
