"""The cells of a network and where they are in it, as other libraries count: layer by layer, by direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tinygrad_seq.nn.cells import Cell
from tinygrad_seq.nn.cells.combinators import Stacked
from tinygrad_seq.nn.dropout import Dropout
from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.runners.recurrent import Bidirectional, Layers, Recurrent
from tinygrad_seq.nn.runners.recurrent_dropout import RecurrentDropout


class Place(NamedTuple):
    """A cell and its place.

    layer, layers  its layer, and the number of layers
    direction      0 forward, 1 backward; None if there is one direction only
    alone          whether the module is this cell, without a runner
    nth            the number of cells of its kind before it
    """

    cell: Cell
    layer: int
    layers: int
    direction: int | None
    alone: bool
    nth: int


def places(module: Module, title: str, *, reverse: bool) -> list[Place]:
    """The cells of `module`, which is a cell, Recurrent, Bidirectional, or Layers of these.

    reverse  whether the library has a network that only runs in reverse

    Raises TypeError, with the title of the library, for another module, and for a cell that occurs twice.
    """
    levels = list(levels_of(module, title, reverse))
    found, kinds = [], Counter[type]()
    for k, level in enumerate(levels):
        for direction, cell in enumerate(level):
            place = Place(
                cell, k, len(levels), direction if len(level) == 2 else None, cell is module, kinds[type(cell)]
            )
            kinds[type(cell)] += 1
            found.append(place)
    if len({id(place.cell) for place in found}) < len(found):
        raise TypeError(
            f"{title} needs separate weights for every layer and direction, got a cell that occurs twice; use "
            "a cell for each"
        )
    return found


def levels_of(module: object, title: str, reverse: bool) -> Iterator[tuple[Cell, ...]]:
    """The cells of every layer: one cell, or the forward and the backward cell."""
    match module:
        case Layers():
            for layer in module.layers:
                if not isinstance(
                    layer, Dropout
                ):  # it has no weights, and other libraries have it between layers too
                    yield from levels_of(layer, title, reverse)
        case Bidirectional():
            yield module.forward.cell, module.backward.cell
        case RecurrentDropout():  # likewise
            yield from levels_of(module.runner, title, reverse)
        case Recurrent() if reverse or not module.reverse:
            yield from levels_of(module.cell, title, reverse)
        case Stacked(input_to_all=False, all_to_output=False):
            for cell in module.cells:
                yield from levels_of(cell, title, reverse)
        case Cell():
            yield (module,)
        case _:
            what = (
                "a Recurrent that runs in reverse" if isinstance(module, Recurrent) else type(module).__name__
            )
            raise TypeError(
                f"{title} needs a cell, a Recurrent, a Bidirectional, or Layers of these, got {what}"
            )
