"""Weights from and to another library, by a table: which array contains which parameters of which cell.

A `Library` is a table. It has an entry for each kind of our cells: the name of the library's class, and for
each of its arrays a row in the notation of `notation.py`. `load` reads by a table, `dump` writes by it, and no
other code knows a layout. A new library is a new table.

A block of ours that no row describes is 0 in the library: `load` sets it to 0, and `dump` raises an error if it
is not 0, because the numbers would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.cells import (
    Cell,
    CoupledLSTMCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
    ResetAfterGRUCell,
    RNNCell,
)
from tinygrad_seq.nn.exchange.given import flat, without_prefix
from tinygrad_seq.nn.exchange.notation import Own, pairs, parsed, shape_of
from tinygrad_seq.nn.exchange.places import Place, places
from tinygrad_seq.nn.module import Parameter, refuse_misfits
from tinygrad_seq.nn.runners.recurrent import Runner

GATES: Mapping[type[Cell], str] = {  # the blocks of their parameters, in order
    RNNCell: "h",
    LSTMCell: "ifgo",
    PeepholeLSTMCell: "ifgo",
    CoupledLSTMCell: "fgo",
    GRUCell: "rzn",
    ResetAfterGRUCell: "rzn",
}
MOST = 3  # numbers that an error lists
M = TypeVar("M", bound=Cell | Runner)


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
    name: Callable[[str, Place], str] = prefixed
    separator: str = "/"
    network: bool = False
    paired: bool = False
    biasless: bool = True
    unread: str = "(?!)"
    hints: Mapping[str, str] = field(default_factory=dict)

    def places(self, module: Cell | Runner) -> list[Place]:
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

    def slots(self, module: Cell | Runner) -> list[Slot]:
        """The library's arrays for `module`, in its order. Raises TypeError if it has no such network."""
        return [slot for group in self._groups(self.places(module)) for slot in self._slots(group)]

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
        first = group[0]._replace(direction=None) if self.paired else group[0]
        for name, row in self.cells[type(cells[0])].rows.items():
            yield Slot(self.name(name, first).replace("/", self.separator), row, cells, self.paired)


class Slot(NamedTuple):
    """An array of the library: its name, its row, and the cells that share it, along an axis if `paired`."""

    name: str
    row: str
    cells: list[Cell]
    paired: bool

    def empty(self) -> np.ndarray:
        """An array of its shape and dtype, without values."""
        own = parameters(self.cells[0])
        shape = shape_of(self.row, own)
        return np.empty((len(self.cells), *shape) if self.paired else shape, own.arrays["Wx"].dtype)

    def views(self, array: np.ndarray) -> Iterable[tuple[Cell, np.ndarray]]:
        """The part of the array that belongs to each cell."""
        return zip(self.cells, array if self.paired else [array], strict=True)

    def is_bias(self) -> bool:
        """Whether it contains biases only."""
        return {name for line in parsed(self.row) for part in line for name in part.names} <= {"b", "bh"}


def parameters(cell: Cell) -> Own:
    """The parameters of a cell, on the host."""
    return Own({name: p.numpy() for name, p in cell.named_parameters()}, GATES[type(cell)])


def load(library: Library, arrays: Any, module: M) -> M:
    """Overwrite the parameters of `module`, in place, by the library's arrays; `nn.from_weights` says more."""
    slots, given = matched(library, arrays, module)
    for parameter, array in read(slots, given):
        parameter.assign_(array)
    return module


def matched(library: Library, arrays: Any, module: Cell | Runner) -> tuple[list[Slot], dict[str, np.ndarray]]:
    """The slots of `module` and the given array for each. Raises ValueError, which lists everything wrong.

    If all biases and nothing else are missing, the slots are those without biases, if the library has these.
    """
    full = library.slots(module)
    matrices = [slot for slot in full if not (library.biasless and slot.is_bias())]
    given = flat(arrays, library.separator, library.unread)
    if isinstance(given, list):  # in the library's order
        slots = matrices if len(given) == len(matrices) else full
        if len(given) != len(slots):
            names = ", ".join(f"{slot.name} {describe(slot.empty())}" for slot in full)
            raise ValueError(
                f"{type(module).__name__} needs {len(full)} arrays of {library.title} in this order: {names}; "
                f"got {len(given)}"
            )
        given = dict(zip((slot.name for slot in slots), given, strict=True))
    else:
        given = without_prefix(given, [slot.name for slot in full], library.separator)
        slots = matrices if given.keys() == {slot.name for slot in matrices} else full
    expected = {slot.name: slot.empty() for slot in slots}
    try:
        refuse_misfits(expected, given, type(module).__name__)
    except ValueError as error:
        unexpected = "\n".join(given.keys() - expected.keys())
        hints = [f"\n  {hint}" for key, hint in library.hints.items() if key in unexpected]
        raise ValueError("".join([str(error), *hints])) from None
    return slots, given


def read(slots: list[Slot], given: Mapping[str, np.ndarray]) -> Iterator[tuple[Parameter, np.ndarray]]:
    """The parameters of the cells and their new values, in the widest dtype of theirs and of the given."""
    cells = {id(cell): cell for slot in slots for cell in slot.cells}
    dtypes = [*(array.dtype for array in given.values()), *(slot.empty().dtype for slot in slots)]
    dtype = reduce(np.promote_types, dtypes)
    new = {key: filled(cell, dtype) for key, cell in cells.items()}
    for slot in slots:
        for cell, view in slot.views(given[slot.name].astype(dtype)):
            for pair in pairs(slot.row, view, new[id(cell)]):
                pair.read()
    for key, cell in cells.items():
        yield from ((p, new[key].arrays[name]) for name, p in cell.named_parameters())


def dump(library: Library, module: Cell | Runner, *, bias: bool = True) -> dict[str, np.ndarray]:
    """The library's arrays for `module`, by name and in its order; `nn.to_weights` says more."""
    slots = [slot for slot in library.slots(module) if bias or not slot.is_bias()]
    if not (bias or library.biasless):
        raise ValueError(f"{library.title} has no class without biases; write bias=True")
    refuse_loss(library, slots)
    made = {slot.name: slot.empty() for slot in slots}
    for slot in slots:
        for cell, view in slot.views(made[slot.name]):
            for pair in pairs(slot.row, view, parameters(cell)):
                pair.write()
    return made


def refuse_loss(library: Library, slots: list[Slot]) -> None:
    """Raise ValueError if numbers other than 0 have no place in the slots; list all of them."""
    cells = {id(cell): cell for slot in slots for cell in slot.cells}
    held = {key: filled(cell, np.dtype(bool)) for key, cell in cells.items()}
    for slot in slots:
        for cell, view in slot.views(slot.empty()):
            for pair in pairs(slot.row, view, held[id(cell)]):
                for block in pair.ours:
                    block[...] = True
    lost = [
        f"{name}{list(map(int, place))} = {array[tuple(place)]:.6g} of {type(cell).__name__}"
        for key, cell in cells.items()
        for name, array in parameters(cell).arrays.items()
        for place in np.argwhere(~held[key].arrays[name] & (array != 0))
    ]
    if lost:
        kinds = sorted({library.cells[type(cell)].name for cell in cells.values()})
        more = f" and {len(lost) - MOST} more numbers" if len(lost) > MOST else ""
        raise ValueError(
            f"{library.title} has no place in its {' and '.join(kinds)} for {', '.join(lost[:MOST])}{more}, "
            "which would be lost; nothing was written. Set them to 0, or use a cell or a library that has them"
        )


def filled(cell: Cell, dtype: np.dtype) -> Own:
    """Arrays of zeros of the shapes of the parameters of a cell."""
    return Own({name: np.zeros(p.shape, dtype) for name, p in cell.named_parameters()}, GATES[type(cell)])
