"""Where attention looks: an image of the weights, beside the symbols that were read and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def alignment(axes: Axes, weights: Tensor | ArrayLike, read: Sequence[str], written: Sequence[str]) -> None:
    """alpha_tn, (T, N), how much each symbol that was written looked at each that was read: 0 black, 1 white.

    (Bahdanau, Cho & Bengio 2015, figure 3.) What was read stands above, from left to right; what was written at
    the left, downwards. A space is shown as ␣, a character that the fonts lack by its number, as U+65E5.
    ValueError unless there is a row for each symbol that was written and a column for each that was read.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> alignment(axes, [[0.0, 1.0], [0.7, 0.3]], read="a ", written="д山")
    >>> [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    ['a', '␣', 'д', 'U+5C71']
    """
    alpha = on_host(weights)
    if alpha.shape != (len(written), len(read)):
        raise ValueError(
            f"{len(read)} symbols that were read and {len(written)} that were written have weights "
            f"({len(written)}, {len(read)}), not {alpha.shape}"
        )
    axes.imshow(alpha, cmap="gray", vmin=0, vmax=1)
    above, left = [legible(symbol) for symbol in read], [legible(symbol) for symbol in written]
    upright = max(map(len, above), default=0) <= 2
    axes.set_xticks(range(len(read)), above, rotation="horizontal" if upright else "vertical", parse_math=False)
    axes.set_yticks(range(len(written)), left, parse_math=False)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)


def legible(symbol: str) -> str:
    """`symbol`, as the fonts that matplotlib writes with can show it."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=[name]))) for name in FontProperties().get_family()]

    def shown(character: str) -> bool:
        return any(font.get_char_index(ord(character)) for font in fonts)

    return "".join(c if shown(c) else f"U+{ord(c):04X}" for c in symbol.replace(" ", "␣"))
