"""How a memory is used: images of one row of the batch, with time from left to right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.nn.cells.turing import NTMTrace
from tinygrad_seq.nn.gradients.jacobians import on_host
from tinygrad_seq.tensor.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def over_steps(axes: Axes, values: Tensor | ArrayLike, **look: Any) -> None:
    """Draws vectors (T, K) as an image with a column for each of t = 1 ... T.

    The vectors of several heads, (T, H, K), are drawn below each other in one image. The keyword arguments
    `look` are passed to matplotlib's `imshow`.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> over_steps(axes, [[0.0, 0.5, 1.0], [1.0, 0.0, 0.0]], cmap="gray")
    >>> axes.images[0].get_array().shape
    (3, 2)
    """
    columns = on_host("over_steps", values)
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
    """Draws the inputs and outputs of a neural Turing machine, what it writes and reads, and where.

    As in figure 6 of Graves, Wayne & Danihelka (2014). One row of the batch is shown, of the inputs xs (T, B,
    I), the outputs ys (T, B, O), for example the sigmoid of `trace.outputs`, and the trace. A weighting of 0 is
    black and 1 is white; row 0 of the memory is at the top.

    >>> from matplotlib.figure import Figure
    >>> from tinygrad_seq import nn
    >>> cell = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=0), 2, memory=(6, 4), rng=1)
    >>> xs, figure = ts.ones((7, 2, 3)), Figure(layout="constrained")
    >>> trace = cell.trace(xs)
    >>> machine(figure, xs, ts.sigmoid(trace.outputs), trace)
    >>> [axes.get_title() for axes in figure.axes]
    ['inputs', 'outputs', 'adds', 'reads', 'write weightings', 'read weightings']
    """
    batch = on_host("machine", ys).shape[1]
    row = integer("machine", "row", row, f"[{-batch}, {batch})")
    panels = figure.subplots(3, 2, sharex=True)
    shown = {"inputs": xs, "outputs": ys, "adds": trace.adds, "reads": trace.reads}
    for axes, (title, values) in zip(panels[:2].flat, shown.items(), strict=True):
        over_steps(axes, on_host("machine", values)[:, row])
        axes.set_title(title)
    for axes, title, weightings in zip(
        panels[2],
        ("write weightings", "read weightings"),
        (trace.write_weightings, trace.read_weightings),
        strict=True,
    ):
        over_steps(axes, on_host("machine", weightings)[:, row], cmap="gray", vmin=0, vmax=1)
        axes.set_title(title)
    for axes in panels[:2].flat:
        axes.set_xlabel("")
