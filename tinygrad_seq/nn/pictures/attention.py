"""An image of attention weights, labelled with the symbols that were read and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from tinygrad_seq.nn.gradients.jacobians import on_host
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


def legible(symbol: str) -> str:
    """`symbol`, with characters replaced that matplotlib's fonts cannot show."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=[name]))) for name in FontProperties().get_family()]

    def shown(character: str) -> bool:
        return any(font.get_char_index(ord(character)) for font in fonts)

    return "".join(c if shown(c) else f"U+{ord(c):04X}" for c in symbol.replace(" ", "␣"))
