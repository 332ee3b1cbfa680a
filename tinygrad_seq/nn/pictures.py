"""Pictures: how gradients flow, and what a memory was used for, drawn on matplotlib's axes.

Of what `flow` and `jacobians` compute, each takes the axes, the array, and how the lines look, as matplotlib's
`plot` does. A line is the median of the rows of a batch. Scales are logarithmic, since all of it is a product
over time; what is 0 falls out of the picture at its lower edge. Of a neural Turing machine there are images,
of one row of the batch, in which time goes to the right.

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

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq.nn.jacobians import on_host
from tinygrad_seq.nn.turing import NTMTrace
from tinygrad_seq.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


def over_steps(axes: Axes, values: Tensor | ArrayLike, **look) -> None:
    """Vectors (T, K) as an image, a column for each of t = 1 ... T; those of several heads, (T, H, K), as one.

    How it looks is said as to matplotlib's `imshow`.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> over_steps(axes, [[0.0, 0.5, 1.0], [1.0, 0.0, 0.0]], cmap="gray")
    >>> axes.images[0].get_array().shape
    (3, 2)
    """
    columns = on_host(values)
    steps, *heads, size = columns.shape
    edges = (0.5, steps + 0.5, size * math.prod(heads) - 0.5, -0.5)
    axes.imshow(
        columns.reshape(steps, -1).T, **{"aspect": "auto", "interpolation": "nearest", "extent": edges} | look
    )
    for head in range(1, math.prod(heads)):
        axes.axhline(head * size - 0.5, color="tab:orange", linewidth=1)
    axes.set_xlabel("t")


def machine(
    figure: Figure, xs: Tensor | ArrayLike, ys: Tensor | ArrayLike, trace: NTMTrace, row: int = 0
) -> None:
    """What a neural Turing machine hears and says, writes and reads, and where.

    As in figure 6 of Graves, Wayne & Danihelka (2014). Of xs (T, B, I) and ys (T, B, O), which may be the
    sigmoid of `trace.outputs`, and of the trace, one row of the batch is shown. Weightings are black where they
    are 0 and white where they are 1; row 0 of the memory is above.

    >>> from matplotlib.figure import Figure
    >>> from tinygrad_seq import nn
    >>> cell = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=0), 2, memory=(6, 4), rng=1)
    >>> xs, figure = ts.ones((7, 2, 3)), Figure(layout="constrained")
    >>> trace = cell.trace(xs)
    >>> machine(figure, xs, ts.sigmoid(trace.outputs), trace)
    >>> [axes.get_title() for axes in figure.axes]
    ['inputs', 'outputs', 'adds', 'reads', 'write weightings', 'read weightings']
    """
    panels = figure.subplots(3, 2, sharex=True)
    shown = {"inputs": xs, "outputs": ys, "adds": trace.adds, "reads": trace.reads}
    for axes, (title, values) in zip(panels[:2].flat, shown.items(), strict=True):
        over_steps(axes, on_host(values)[:, row])
        axes.set_title(title)
    for axes, title, weightings in zip(
        panels[2],
        ("write weightings", "read weightings"),
        (trace.write_weightings, trace.read_weightings),
        strict=True,
    ):
        over_steps(axes, on_host(weightings)[:, row], cmap="gray", vmin=0, vmax=1)
        axes.set_title(title)
    for axes in panels[:2].flat:
        axes.set_xlabel("")
