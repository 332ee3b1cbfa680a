"""Weights from and to another library, by a table: which array contains which parameters of which cell.

A `Library` is a table. It has an entry for each kind of our cells: the name of the library's class, and for
each of its arrays a row in the notation of `notation.py`. `load` reads by a table, `dump` writes by it, and no
other code knows a layout. A new library is a new table.

A block of ours that no row describes is 0 in the library: `load` sets it to 0, and `dump` raises an error if it
is not 0, because the numbers would be lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from tinygrad_seq.nn.exchange.parts import Part, joined, parts
from tinygrad_seq.nn.exchange.places import Place, places
from tinygrad_seq.nn.module import Module, refuse_misfits
from tinygrad_seq.nn.runners.recurrent import Runner
from tinygrad_seq.tensor.tensor import Tensor

GATES: Mapping[type[Cell], str] = {  # the blocks of their parameters, in order
    RNNCell: "h",
    LSTMCell: "ifgo",
    PeepholeLSTMCell: "ifgo",
    CoupledLSTMCell: "fgo",
    GRUCell: "rzn",
    ResetAfterGRUCell: "rzn",
}
MOST = 3  # numbers that an error lists
M = TypeVar("M", bound=Module)


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
        found, refused = [], []
        for path, part in (
            parts(model, names or {}, self._has, self.separator) if self.layers else [("", model)]
        ):
            try:
                slots = self.slots(part)
            except TypeError as error:
                refused.append(f"{path}: {error}; or name the modules inside it" if path else str(error))
            else:
                found.append([slot._replace(name=joined(path, slot.name, self.separator)) for slot in slots])
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
            return [Slot("", "value", [part], False)]
        if isinstance(part, tuple(self.layers)):
            (to,) = (to for kind, to in self.layers.items() if isinstance(part, kind))
            slots = [Slot(name, row, [part], False) for name, row in to.rows.items()]
            return [slot for slot in slots if slot.names() <= tensors(part).keys()]
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
        first = group[0]._replace(direction=None) if self.paired else group[0]
        for name, row in self.cells[type(cells[0])].rows.items():
            yield Slot(self.name(name, first).replace("/", self.separator), row, cells, self.paired)


class Slot(NamedTuple):
    """An array of the library: its name, its row, and the cells that share it, along an axis if `paired`.

    A layer or a tensor of ours stands in the place of the cell.
    """

    name: str
    row: str
    cells: Sequence[Part]
    paired: bool

    def empty(self) -> np.ndarray:
        """An array of its shape and dtype, without values."""
        own = parameters(self.cells[0])
        shape = shape_of(self.row, own)
        dtype = np.result_type(*(own.arrays[name] for name in self.names()))
        return np.empty((len(self.cells), *shape) if self.paired else shape, dtype)

    def views(self, array: np.ndarray) -> Iterable[tuple[Part, np.ndarray]]:
        """The part of the array that belongs to each cell."""
        return zip(self.cells, array if self.paired else [array], strict=True)

    def names(self) -> set[str]:
        """The names of our parameters in it."""
        return {name for line in parsed(self.row) for part in line for name in part.names}

    def is_bias(self) -> bool:
        """Whether it contains biases of a cell only."""
        return self.names() <= {"b", "bh"}


def tensors(part: Part) -> dict[str, Tensor]:
    """The tensors of a cell or a layer by name; a tensor alone is the "value"."""
    return {"value": part} if isinstance(part, Tensor) else dict(part.named_tensors())


def gates(part: Part) -> str:
    """The blocks of the parameters of a cell; nothing else has any."""
    return GATES[type(part)] if isinstance(part, Cell) else ""


def parameters(part: Part) -> Own:
    """The parameters of a cell or a layer, on the host."""
    return Own({name: t.numpy() for name, t in tensors(part).items()}, gates(part))


def load(library: Library, arrays: Any, module: M, names: Mapping[str, Part] | None = None) -> M:
    """Overwrite the parameters of `module`, in place, by the library's arrays; `nn.from_weights` says more."""
    own, given = matched(library, arrays, module, names)
    new: dict[int, tuple[Tensor, np.ndarray, str]] = {}
    differ = {}
    for slots in own:
        every = ", ".join(slot.name for slot in slots)
        for t, array in read(slots, given):
            _, before, first = new.setdefault(id(t), (t, array, every))
            if not np.array_equal(before, array, equal_nan=True):
                differ[every] = f"\n  {first} and {every}"
    if differ:
        raise ValueError(
            f"{type(module).__name__} shares parts whose values in {library.title} differ; nothing was loaded"
            + "".join(differ.values())
        )
    for t, array, _ in new.values():
        t.assign_(array)
    return module


def matched(
    library: Library, arrays: Any, module: Module, names: Mapping[str, Part] | None
) -> tuple[list[list[Slot]], dict[str, np.ndarray]]:
    """The slots of each part of `module`, and the given array for each slot.

    Raises ValueError, which lists everything wrong. If all biases of a part and none of its other arrays are
    missing, its slots are those without biases, if the library has these.
    """
    own = library.model(module, names)
    full = [slot for slots in own for slot in slots]
    matrices = [slot for slot in full if not (library.biasless and slot.is_bias())]
    given = flat(arrays, library.separator, library.unread)
    if isinstance(given, list):  # in the library's order
        order = matrices if len(given) == len(matrices) else full
        if len(given) != len(order):
            every = ", ".join(f"{slot.name} {describe(slot.empty())}" for slot in full)
            raise ValueError(
                f"{type(module).__name__} needs {len(full)} arrays of {library.title} in this order: {every}; "
                f"got {len(given)}"
            )
        given = dict(zip((slot.name for slot in order), given, strict=True))
    else:
        given = without_prefix(given, [slot.name for slot in full], library.separator)
    own = [without_biases(slots, given) for slots in own] if library.biasless else own
    expected = {slot.name: slot.empty() for slots in own for slot in slots}
    try:
        refuse_misfits(expected, given, type(module).__name__)
    except ValueError as error:
        unexpected = "\n".join(given.keys() - expected.keys())
        hints = [hint for key, hint in library.hints.items() if key in unexpected]
        if unexpected and not expected.keys() <= given.keys() and len(own) > 1:
            hints.append(f"a part that has another name in {library.title}: names={{name there: module here}}")
        raise ValueError("\n  ".join([str(error), *hints])) from None
    return own, given


def without_biases(slots: list[Slot], given: Mapping[str, np.ndarray]) -> list[Slot]:
    """`slots` without those of biases, if none of these is given, but all others are."""
    matrices = [slot for slot in slots if not slot.is_bias()]
    bias_is_given = any(slot.is_bias() and slot.name in given for slot in slots)
    return slots if bias_is_given or any(slot.name not in given for slot in matrices) else matrices


def read(slots: list[Slot], given: Mapping[str, np.ndarray]) -> Iterator[tuple[Tensor, np.ndarray]]:
    """The tensors of a part and their new values, in the widest dtype of theirs and of the given."""
    cells = {id(cell): cell for slot in slots for cell in slot.cells}
    dtypes = [array.dtype for slot in slots for array in (given[slot.name], slot.empty())]
    dtype = reduce(np.promote_types, dtypes)
    new = {key: filled(cell, dtype) for key, cell in cells.items()}
    for slot in slots:
        for cell, view in slot.views(given[slot.name].astype(dtype)):
            for pair in pairs(slot.row, view, new[id(cell)]):
                pair.read()
    for key, cell in cells.items():
        yield from ((t, new[key].arrays[name]) for name, t in tensors(cell).items())


def dump(
    library: Library, module: Module, names: Mapping[str, Part] | None = None, *, bias: bool = True
) -> dict[str, np.ndarray]:
    """The library's arrays for `module`, by name and in its order; `nn.to_weights` says more."""
    if not (bias or library.biasless):
        raise ValueError(f"{library.title} has no class without biases; write bias=True")
    own = library.model(module, names)
    slots = [slot for slots in own for slot in slots if bias or not slot.is_bias()]
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
        kinds = sorted({library.cells[type(cell)].name for cell in cells.values() if isinstance(cell, Cell)})
        more = f" and {len(lost) - MOST} more numbers" if len(lost) > MOST else ""
        raise ValueError(
            f"{library.title} has no place in its {' and '.join(kinds)} for {', '.join(lost[:MOST])}{more}, "
            "which would be lost; nothing was written. Set them to 0, or use a cell or a library that has them"
        )


def filled(part: Part, dtype: np.dtype) -> Own:
    """Arrays of zeros of the shapes of the parameters of a cell or a layer."""
    return Own({name: np.zeros(t.shape, dtype) for name, t in tensors(part).items()}, gates(part))
