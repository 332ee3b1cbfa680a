"""What the law of batches needs of a model: how its inputs are drawn, and which axis is the batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, tree

T = 4  # time steps


@dataclass(frozen=True)
class Part:
    """An input or an output, with the axes of batch and time.

    batch  None for a sum over the rows
    time   None if it has no steps
    fixed  whether an input has no gradient, like targets
    """

    values: Any
    batch: int | None = 0
    time: int | None = None
    fixed: bool = False

    @property
    def differentiable(self) -> bool:
        return self.values.dtype.kind == "f" and not self.fixed

    def rows(self, chosen: list[int]) -> Part:
        """These rows, in this order."""
        return self if self.batch is None else replace(self, values=np.take(self.values, chosen, self.batch))

    def padded(self, lengths: np.ndarray | None, fill: float) -> Part:
        """`fill` in the steps past the lengths, if they are floats."""
        if lengths is None or self.time is None or self.values.dtype.kind != "f":
            return self
        steps = np.arange(self.values.shape[self.time])
        outside = steps >= np.reshape(lengths, (-1, 1))
        outside = outside if self.batch < self.time else outside.T
        outside = outside.reshape(outside.shape + (1,) * (self.values.ndim - 2))
        return replace(self, values=np.where(outside, fill, self.values))


@dataclass(frozen=True)
class Model:
    """draw(rng, B) makes the inputs, run(inputs, lengths) the outputs; `modules` have the parameters."""

    draw: Callable[[np.random.Generator, int], list[Part]]
    run: Callable[[list[ts.Tensor], Any], list[Part]]
    modules: list[nn.Module] = field(default_factory=list)
    lengths: bool = True  # whether rows may have unequal lengths

    def parameters(self) -> list[nn.Parameter]:
        return [p for module in self.modules for p in module.parameters()]


def xs(rng, batch, *shape) -> Part:
    """A sequence (T, B, ...) of floats."""
    return Part(rng.normal(size=(T, batch, *shape)), 1, 0)


def ids(rng, batch, count) -> Part:
    """A sequence (T, B) of symbols."""
    return Part(rng.integers(0, count, (T, batch)), 1, 0)


def vectors(rng, batch, *shape) -> Part:
    """Vectors (B, ...)."""
    return Part(rng.normal(size=(batch, *shape)))


def state(cell, rng, batch) -> list[Part]:
    """A state of a cell: its floats are drawn, its integers initial."""
    zeros = tree.leaves(cell.initial_state(batch, like=ts.zeros((batch, 1), dtype=np.float64)))
    return [vectors(rng, batch, *z.shape[1:]) if z.dtype.kind == "f" else Part(z.numpy()) for z in zeros]


def over_time(ys) -> list[Part]:
    """Outputs (T, B, ...)."""
    return [Part(y, 1, 0) for y in tree.leaves(ys)]


def of_rows(ys) -> list[Part]:
    """Outputs (B, ...)."""
    return [Part(y) for y in tree.leaves(ys)]


def summed(losses) -> list[Part]:
    """Losses summed over the batch."""
    return [Part(loss, None) for loss in tree.leaves(losses)]


def of_cell(cell: nn.Cell) -> Model:
    """One step of a cell."""

    def draw(rng, batch):
        return [vectors(rng, batch, cell.input_size or 3), *state(cell, rng, batch)]

    def run(given, lengths):
        x, *parts = given
        form = cell.initial_state(x.shape[0], like=x)
        return of_rows(cell(tree.like(form, parts), x))

    return Model(draw, run, [cell], lengths=False)


def of_runner(runner: nn.Runner, size: int, *, cell: nn.Cell | None = None, batch_first: bool = False) -> Model:
    """The outputs and the state of a runner, and its summary; from a drawn state if the cell is given."""

    def draw(rng, batch):
        drawn = xs(rng, batch, size)
        first = Part(np.swapaxes(drawn.values, 0, 1), 0, 1) if batch_first else drawn
        return [first, *(state(cell, rng, batch) if cell else [])]

    def run(given, lengths):
        x, *parts = given
        s = tree.like(cell.initial_state(x.shape[not batch_first], like=x), parts) if parts else None
        ys, after = runner(x, s, lengths)
        summary, _ = runner.summary(x, s, lengths)
        made = of_rows(ys) if batch_first else over_time(ys)
        return [*made, *of_rows(after), *of_rows(summary)]

    return Model(draw, run, [runner])


def of_layer(layer, *shape: int) -> Model:
    """A layer, or another function of a sequence."""
    modules = [layer] if isinstance(layer, nn.Module) else []
    return Model(
        lambda rng, batch: [xs(rng, batch, *shape)], lambda given, _: over_time(layer(*given)), modules, False
    )
