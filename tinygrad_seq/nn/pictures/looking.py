"""Where a network looks at an image, drawn on the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.nn.looking.window import Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
