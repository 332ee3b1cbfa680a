"""Where a network looked: its looks drawn on the image, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.gradients.jacobians import on_host
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
