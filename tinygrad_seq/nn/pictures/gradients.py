"""How gradients flow: the arrays that `nn/gradients` computes, drawn as lines over time.

Each function takes the axes, the array, and the keyword arguments of matplotlib's `plot` for the look of the
lines. A line is the median over the rows of the batch. Scales are logarithmic, because these values are
products over time; a value of 0 is clipped at the lower edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def norms(axes: Axes, lengths: Tensor | ArrayLike, **look: Any) -> None:
    """Draws |dL/dh_t|, or a bound of it, (T, B), over t = 1 ... T: one line.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> norms(axes, [[0.25, 0.75], [1.0, 1.0]], color="black")
    >>> axes.lines[0].get_xydata().tolist()
    [[1.0, 0.5], [2.0, 1.0]]
    """
    over_time(axes, 1, np.median(on_host("norms", lengths), axis=1), **look)


def singular_values(axes: Axes, values: ArrayLike, **look: Any) -> None:
    """Draws the largest singular value of (T, B, S) over t = 1 ... T, and the smallest, dotted: two lines.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> singular_values(axes, [[[2.0, 1.0, 0.5]], [[4.0, 1.0, 0.25]]])
    >>> [line.get_ydata().tolist() for line in axes.lines]
    [[2.0, 4.0], [0.5, 0.25]]
    """
    largest_first = np.median(on_host("singular_values", values), axis=1)
    over_time(axes, 1, largest_first[:, 0], **look)
    over_time(axes, 1, largest_first[:, -1], **look | {"linestyle": ":", "label": None})


def powers(axes: Axes, values: ArrayLike, **look: Any) -> None:
    """Draws |lambda^t|, (T + 1, n), over t = 0 ... T: a line for each of the n eigenvalues.

    >>> from matplotlib.figure import Figure
    >>> from tinygrad_seq import nn
    >>> axes = Figure().subplots()
    >>> powers(axes, nn.eigenvalue_powers([[0.0, 1.0], [1.0, 1.0]], 10))
    >>> [float(line.get_ydata()[-1].round(4)) for line in axes.lines]
    [0.0081, 122.9919]
    """
    over_time(axes, 0, np.abs(np.asarray(values)), **look)


def over_time(axes: Axes, first: int, ys: np.ndarray, **look: Any) -> None:
    """Draws ys (T, ...) as lines over the times first, first + 1, ..."""
    axes.plot(np.arange(first, first + len(ys)), ys, **look)
    axes.set_xlabel("t")
    axes.set_yscale("log", nonpositive="clip")
