"""Attention weights: as an image, labelled with the symbols that were read and written, and over an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.nn.looking.retina import patches
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def alignment(axes: Axes, weights: Tensor | ArrayLike, read: Sequence[str], written: Sequence[str]) -> None:
    """Draws alpha_tn, (T, N), the weight of each symbol read for each symbol written: 0 is black, 1 is white.

    (Bahdanau, Cho & Bengio 2015, figure 3.) The symbols read are at the top, from left to right; the symbols
    written are at the left, from top to bottom. A space is shown as ␣, and a character that the fonts lack as
    its code point, such as U+65E5. Raises ValueError unless `weights` has a row for each symbol written and a
    column for each symbol read.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> alignment(axes, [[0.0, 1.0], [0.7, 0.3]], read="a ", written="д山")
    >>> [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    ['a', '␣', 'д', 'U+5C71']
    """
    alpha = on_host("alignment", weights)
    if alpha.shape != (len(written), len(read)):
        raise ValueError(
            f"alignment needs weights ({len(written)}, {len(read)}) for {len(written)} symbols written and "
            f"{len(read)} symbols read, got {alpha.shape}"
        )
    axes.imshow(alpha, cmap="gray", vmin=0, vmax=1)
    above, left = [legible(symbol) for symbol in read], [legible(symbol) for symbol in written]
    upright = max(map(len, above), default=0) <= 2
    axes.set_xticks(range(len(read)), above, rotation="horizontal" if upright else "vertical", parse_math=False)
    axes.set_yticks(range(len(written)), left, parse_math=False)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)


def attended(
    axes: Axes, image: Tensor | ArrayLike, weights: Tensor | ArrayLike, size: int, stride: int
) -> None:
    """An image, bright where attention is: weights (N,) of the patches of `nn.patches(images, size, stride)`.

    (As in Xu et al. 2015, figure 2.) The weight of a pixel is the sum of those of the patches that contain it;
    the pixel is multiplied by 1/5 + 4/5 of its weight divided by the largest of all pixels.

    image  (H, W) or, with colours, (H, W, 3), floats within 0 ... 1

    Raises ValueError unless `weights` has an element for each patch.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> attended(axes, [[1.0, 1.0], [1.0, 1.0]], [0.5, 0.5, 0.0, 0.0], 1, 1)
    >>> axes.images[0].get_array()[..., 0].round(3).tolist()
    [[1.0, 1.0], [0.2, 0.2]]
    """
    pixels, alpha = on_host("attended", image), on_host("attended", weights)
    count = pixels.shape[0] * pixels.shape[1]
    covered = patches(np.arange(count).reshape(1, *pixels.shape[:2]), size, stride).numpy()[0]
    if alpha.shape != (len(covered),):
        raise ValueError(f"attended needs weights ({len(covered)},), one for each patch, got {alpha.shape}")
    heat = np.zeros(count)
    np.add.at(heat, covered, alpha[:, None])
    heat = heat.reshape(pixels.shape[:2]) / max(heat.max(), np.finfo(heat.dtype).tiny)
    coloured = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
    axes.imshow((0.2 + 0.8 * heat[..., None]) * coloured, vmin=0, vmax=1)
    axes.set_axis_off()


def legible(symbol: str) -> str:
    """`symbol`, with characters replaced that matplotlib's fonts cannot show."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=[name]))) for name in FontProperties().get_family()]

    def shown(character: str) -> bool:
        return any(font.get_char_index(ord(character)) for font in fonts)

    return "".join(c if shown(c) else f"U+{ord(c):04X}" for c in symbol.replace(" ", "␣"))
