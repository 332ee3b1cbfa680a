"""Pictures of how gradients flow and of where attention looks, drawn on axes of matplotlib's.

Of gradients, what `flow` and `jacobians` compute: each function takes the axes, the array, and how the lines
look, as matplotlib's `plot` does. A line is the median of the rows of a batch. Scales are logarithmic, since
all of it is a product over time; what is 0 falls out of the picture at its lower edge. Of attention,
`alignment`.

>>> from matplotlib.figure import Figure
>>> from tinygrad_seq import nn
>>> cell, xs = nn.RNNCell(3, 5, rng=0), ts.ones((7, 2, 3))
>>> lengths = nn.gradient_flow(cell, xs, lambda ys: ys[-1].sum()).norms()
>>> values = nn.singular_values(nn.step_jacobians(cell, xs))
>>> above, below = Figure().subplots(2, sharex=True)
>>> nn.pictures.norms(above, lengths, label="the gradient")
>>> nn.pictures.norms(above, nn.product_bound(lengths, values[..., 0]), linestyle="--", label="its bound")
>>> nn.pictures.singular_values(below, values)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.jacobians import on_host
from tinygrad_seq.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def norms(axes: Axes, lengths: Tensor | ArrayLike, **look) -> None:
    """|dL/dh_t|, or a bound of it, (T, B), over t = 1 ... T: one line.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> norms(axes, [[0.25, 0.75], [1.0, 1.0]], color="black")
    >>> axes.lines[0].get_xydata().tolist()
    [[1.0, 0.5], [2.0, 1.0]]
    """
    over_time(axes, 1, np.median(on_host(lengths), axis=1), **look)


def singular_values(axes: Axes, values: ArrayLike, **look) -> None:
    """The largest of the singular values (T, B, S) over t = 1 ... T, and the smallest, dotted: two lines.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> singular_values(axes, [[[2.0, 1.0, 0.5]], [[4.0, 1.0, 0.25]]])
    >>> [line.get_ydata().tolist() for line in axes.lines]
    [[2.0, 4.0], [0.5, 0.25]]
    """
    largest_first = np.median(on_host(values), axis=1)
    over_time(axes, 1, largest_first[:, 0], **look)
    over_time(axes, 1, largest_first[:, -1], **look | {"linestyle": ":", "label": None})


def powers(axes: Axes, values: ArrayLike, **look) -> None:
    """|lambda^t| of the eigenvalues to the powers t, (T + 1, n), over t = 0 ... T: a line for each eigenvalue.

    >>> from matplotlib.figure import Figure
    >>> from tinygrad_seq import nn
    >>> axes = Figure().subplots()
    >>> powers(axes, nn.eigenvalue_powers([[0.0, 1.0], [1.0, 1.0]], 10))
    >>> [float(line.get_ydata()[-1].round(4)) for line in axes.lines]
    [0.0081, 122.9919]
    """
    over_time(axes, 0, np.abs(np.asarray(values)), **look)


def over_time(axes: Axes, first: int, ys: np.ndarray, **look) -> None:
    """Lines of ys (T, ...) over the times from `first` on."""
    axes.plot(np.arange(first, first + len(ys)), ys, **look)
    axes.set_xlabel("t")
    axes.set_yscale("log", nonpositive="clip")


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
