"""The table of a library: which of its arrays contain which parameters of ours.

A `Library` has an entry for each kind of our cells, and of our layers if whole models are exchanged: the name
of the library's class, and for each of its arrays a row in the notation of `notation.py`. `transfer.py` reads
and writes by a table, and no other code knows a layout. A new library is a new table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.cells import Cell
from tinygrad_seq.nn.exchange.parts import Part, joined, parts
from tinygrad_seq.nn.exchange.places import Place, places
from tinygrad_seq.nn.exchange.slots import Owner, Slot, names_in
from tinygrad_seq.nn.module import Module
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.tensor.tensor import Tensor


class Counterpart(NamedTuple):
    """The library's class that computes the same as a cell of ours.

    name   of the class
    rows   the name of each array, in the library's order, and its row
    fixed  settings of our cell that the class does not have: attribute -> the only value
    """

    name: str
    rows: Mapping[str, str]
    fixed: Mapping[str, object] = {}


def prefixed(
    name: str, place: Place, *, runner: str = "", directions: tuple[str, str] = ("forward/", "backward/")
) -> str:
    """0/forward/kernel: the layer if there are several, the direction if there are two, and the name.

    runner      what precedes the name in a runner of one direction
    directions  what precedes it in a runner of two
    """
    layer = f"{place.layer}/" if place.layers > 1 else ""
    one = "" if place.alone else runner
    return layer + (one if place.direction is None else directions[place.direction]) + name


@dataclass(frozen=True)
class Library:
    """A table.

    title      the name of the library, in errors
    cells      our cells and their counterparts
    layers     our layers without a state, and theirs; with them, whole models are exchanged
    name       the full name of an array, from its name in the table and the place of the cell
    separator  between the parts of a name, in the place of "/"
    network    whether the cells are the layers of one network of the library, which has one kind of cell and
               one number of directions
    paired     whether one array contains both directions, along a first axis that is always there
    biasless   whether its classes can be made without biases
    unread     names that are no weights or repeat others, as a regular expression
    hints      what to add to an error if an unexpected name contains the key
    """

    title: str
    cells: Mapping[type[Cell], Counterpart]
    layers: Mapping[type[Module], Counterpart] = field(default_factory=dict)
    name: Callable[[str, Place], str] = prefixed
    separator: str = "/"
    network: bool = False
    paired: bool = False
    biasless: bool = True
    unread: str = "(?!)"
    hints: Mapping[str, str] = field(default_factory=dict)

    def places(self, module: Module) -> list[Place]:
        """The cells of `module` and their places. Raises TypeError if the library has no such network."""
        found = places(module, self.title, reverse=not self.network)
        kinds = {type(place.cell) for place in found}
        if not kinds <= self.cells.keys() or (self.network and len(kinds) > 1):
            every = "all " if self.network else ""
            *most, last = [f"{every}{kind.__name__} (its {to.name})" for kind, to in self.cells.items()]
            got = " and ".join(sorted(kind.__name__ for kind in kinds))
            known = f"{', '.join(most)} or {last}" if most else last
            raise TypeError(f"{self.title} needs cells that are {known}, got {got}")
        if self.network and len({place.direction is None for place in found}) > 1:
            raise TypeError(
                f"{self.title} needs layers that are all bidirectional or none of them, got some of each"
            )
        for cell, to in ((place.cell, self.cells[type(place.cell)]) for place in found):
            for name, value in to.fixed.items():
                if getattr(cell, name) != value:
                    raise TypeError(
                        f"{self.title} needs a {type(cell).__name__} with {name}={value!r}, as its {to.name} "
                        f"has, got {getattr(cell, name)!r}"
                    )
        return found

    def model(self, model: Module, names: Mapping[str, Part] | None = None) -> list[list[Slot]]:
        """The library's arrays for each part of `model`, whose names begin with that of the part.

        Raises TypeError, which lists all of them, for parts that the library does not have, and ValueError for
        two arrays of one name.
        """
        every = parts(model, names or {}, self._has, self.separator) if self.layers else [("", model)]
        found, refused = [], []
        for path, part in every:
            try:
                slots = self.slots(part)
            except TypeError as error:
                refused.append(f"{path}: {error}; or name the modules inside it" if path else str(error))
            else:
                found.append([slot._replace(name=joined(self.separator, path, slot.name)) for slot in slots])
        if refused:
            raise TypeError("\n".join(refused))
        counts = Counter(slot.name for slots in found for slot in slots)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(
                f"two parts of {type(model).__name__} have the names {', '.join(twice)}; give one of them "
                "another name"
            )
        return found

    def _has(self, module: Module) -> bool:
        return isinstance(module, (Cell, Runner, *self.layers))

    def slots(self, part: Part) -> list[Slot]:
        """The library's arrays for a part, in its order. Raises TypeError if it has no such part."""
        if isinstance(part, Tensor):
            return [Slot("", "value", [Owner.alone(value=part)])]
        for kind, to in self.layers.items():
            if isinstance(part, kind):
                return list(_slots_of_layer(part, to))
        return [slot for group in self._groups(self.places(part)) for slot in self._slots(group)]

    def _groups(self, found: list[Place]) -> Iterator[list[Place]]:
        """The cells that share arrays."""
        if not self.paired:
            yield from ([place] for place in found)
        for _, group in groupby(found if self.paired else [], key=lambda place: place.layer):
            yield list(group)

    def _slots(self, group: list[Place]) -> Iterator[Slot]:
        cells = [place.cell for place in group]
        if len({(type(cell), *(p.shape for p in cell.parameters())) for cell in cells}) > 1:
            got = " and ".join(f"{type(cell).__name__} with Wh {describe(cell.Wh)}" for cell in cells)
            raise TypeError(f"{self.title} needs two directions of one kind and one size, got {got}")
        owners = [Owner.of(cell) for cell in cells]
        first = group[0]._replace(direction=None) if self.paired else group[0]
        for name, row in self.cells[type(cells[0])].rows.items():
            yield Slot(self.name(name, first).replace("/", self.separator), row, owners, self.paired)


def _slots_of_layer(layer: Module, to: Counterpart) -> Iterator[Slot]:
    """The arrays of a layer; it may lack a bias, and tensors that a subclass adds are taken as they are."""
    tensors = dict(layer.named_tensors())
    rows = {name: row for name, row in to.rows.items() if names_in(row) <= tensors.keys()}
    described = set().union(*map(names_in, rows.values()))
    owner = Owner.alone(**{name: tensors[name] for name in described})
    yield from (Slot(name, row, [owner]) for name, row in rows.items())
    yield from (
        Slot(name, "value", [Owner.alone(value=t)]) for name, t in tensors.items() if name not in described
    )
