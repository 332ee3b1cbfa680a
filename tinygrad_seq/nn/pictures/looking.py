"""Where a network looks at an image, drawn on the image: hard looks in their order, and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.nn.looking.window import Window
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def looks(axes: Axes, image: Tensor | ArrayLike, centres: Tensor | ArrayLike, size: int) -> None:
    """Draws an image (H, W) and T looks at it, with centres (T, 2): the smallest patch of each, and their path.

    size  the side of the smallest patch, as in `nn.retina`

    The looks are numbered, and coloured from dark to light. A patch is drawn where the retina reads it, also if
    its centre is outside of the image. Raises ValueError for other shapes.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> looks(axes, np.ones((28, 28)), [[0.0, 0.0], [-0.5, 0.25]], 8)
    >>> [patch.get_xy() for patch in axes.patches], [text.get_text() for text in axes.texts]
    ([(9.5, 9.5), (2.5, 12.5)], ['1', '2'])
    """
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    image, places = on_host("looks", image), on_host("looks", centres)
    size = integer("looks", "size", size, "[1, inf)")
    if image.ndim != 2 or places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(
            f"looks needs an image (H, W) and centres (T, 2), got shapes {image.shape} and {places.shape}"
        )
    axes.imshow(image, cmap="gray_r")
    height, width = image.shape
    corners = np.floor((np.clip(places, -1, 1) + 1) / 2 * [width, height]) - size // 2 - 0.5
    middles = corners + size / 2
    axes.plot(*middles.T, color="black", linewidth=0.8, alpha=0.6)
    for t, (corner, middle) in enumerate(zip(corners, middles, strict=True)):
        colour = colormaps["plasma"](t / max(len(places), 2))
        left, top = map(float, corner)
        axes.add_patch(Rectangle((left, top), size, size, fill=False, edgecolor=colour, linewidth=1.5))
        x, y = map(float, middle)
        background = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5}
        axes.text(x, y, str(t + 1), ha="center", va="center", fontsize=8, clip_on=True, bbox=background)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.set_axis_off()


def window(axes: Axes, windows: Window, at: tuple[int, ...], *, color: str = "tab:red") -> None:
    """Draws one of many windows on an image that `axes.imshow` has drawn.

    The square has its corners at the centres of the four outermost filters. The pale area around it is wider by
    sigma, the standard deviation of a filter, on every side.

    windows  a `Window`, for all images of a batch, and perhaps for all steps
    at       which of them: (b,), or (t, b) if there is an axis of steps

    Raises ValueError if `at` has another number of indices, IndexError if there is no such window.

    >>> from matplotlib.figure import Figure
    >>> from tinygrad_seq import nn
    >>> axes = Figure().subplots()
    >>> image = axes.imshow([[0.0] * 28] * 28)
    >>> window(axes, nn.window(ts.zeros((2, 5)), (28, 28), 5), (1,))
    >>> axes.patches[1].get_bbox().get_points().tolist()  # from the first pixel to the last
    [[0.0, 0.0], [27.0, 27.0]]
    """
    from matplotlib.patches import Rectangle

    if len(at) != windows.centre.ndim - 1:
        raise ValueError(
            f"window needs an index for each axis of the centres before their last, got centres "
            f"{describe(windows.centre)} and at={at}"
        )
    centre, stride, sigma = (
        on_host("window", part)[at] for part in (windows.centre, windows.stride, windows.width)
    )
    x, y = (centre - 1).tolist()  # matplotlib's first pixel is at 0
    half = (windows.rows.shape[-2] - 1) / 2 * stride.item()
    for reach, style in ((half + sigma.item(), {"alpha": 0.2}), (half, {"fill": False})):
        axes.add_patch(Rectangle((x - reach, y - reach), 2 * reach, 2 * reach, color=color, **style))
