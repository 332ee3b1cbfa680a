"""What a network trained by `nn.ctc_loss` hears: the probability of every label over the frames."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.nn.pictures.attention import legible
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def posteriors(
    axes: Axes, probabilities: Tensor | ArrayLike, symbols: Sequence[str], *, blank: int = 0
) -> None:
    """Draws y_t(c), (T, C), over the frames: a line for every label, dashed and gray for the blank.

    (Graves et al. 2006, figure 1.) Where a label is the likeliest of all, for one frame or for several
    together, its name stands above its highest point: the names, from left to right, are the best path of
    `nn.ctc_decode`. Raises ValueError unless there is a column for every symbol, the one at `blank` included.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> posteriors(axes, [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [1.0, 0.0]], symbols="-a")
    >>> [(text.get_text(), text.get_position()[0]) for text in axes.texts]
    [('a', 1)]
    """
    y = on_host("posteriors", probabilities)
    if y.ndim != 2 or y.shape[1] != len(symbols):
        raise ValueError(
            f"posteriors needs probabilities (T, {len(symbols)}) for {len(symbols)} symbols, got {y.shape}"
        )
    blank = integer("posteriors", "blank", blank, f"[0, {len(symbols)})")
    frames, path = range(len(y)), y.argmax(-1)
    axes.plot(frames, y[:, blank], color="gray", linestyle="--", linewidth=0.8)
    for label in sorted(set(path.tolist()) - {blank}):
        axes.plot(frames, y[:, label])
    for label, together in itertools.groupby(frames, path.__getitem__):
        if label != blank:
            t = max(together, key=y[:, label].__getitem__)
            axes.text(t, y[t, label], legible(symbols[label]), ha="center", va="bottom", parse_math=False)
    axes.set(ylim=(0, 1.15), xlim=(0, max(len(y) - 1, 1)), ylabel="probability")
