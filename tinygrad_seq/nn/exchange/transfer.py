"""Weights from and to another library, by its table.

A block of ours that no row describes is 0 in the library: `load` sets it to 0, and `dump` raises an error if it
is not 0, because the numbers would be lost. It also does if two blocks of ours differ that are one there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, TypeVar

import numpy as np

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.exchange.given import flat, without_prefix
from tinygrad_seq.nn.exchange.notation import pairs
from tinygrad_seq.nn.exchange.parts import Part
from tinygrad_seq.nn.exchange.slots import Slot
from tinygrad_seq.nn.exchange.tables import Library
from tinygrad_seq.nn.module import Module, refuse_misfits
from tinygrad_seq.tensor.tensor import Tensor

MOST = 3  # numbers that an error lists
M = TypeVar("M", bound=Module)


def load(library: Library, arrays: Any, module: M, names: Mapping[str, Part] | None = None) -> M:
    """Overwrite the parameters of `module`, in place, by the library's arrays; `nn.from_weights` says more."""
    by_part, given = matched(library, arrays, module, names)
    new: dict[int, tuple[Tensor, np.ndarray, str]] = {}
    differ = {}
    for slots in by_part:
        every = ", ".join(slot.name for slot in slots)
        for t, array in read(slots, given):
            _, before, first = new.setdefault(id(t), (t, array, every))
            if before is not array and not np.array_equal(before, array, equal_nan=True):
                differ[every] = f"\n  {first} and {every}"
    if differ:
        raise ValueError(
            f"{type(module).__name__} shares parts whose values in {library.title} differ; nothing was loaded"
            + "".join(differ.values())
        )
    for t, array in cast(library, module, new.values()):
        t.assign_(array)
    return module


def cast(
    library: Library, module: Module, new: Iterable[tuple[Tensor, np.ndarray, str]]
) -> list[tuple[Tensor, np.ndarray]]:
    """The values in the dtypes of the tensors. Raises ValueError if a finite number would become infinite."""
    found, large = [], []
    for t, array, names in new:
        with np.errstate(over="ignore"):
            found.append((t, array.astype(t.dtype)))
        if np.any(np.isinf(found[-1][1]) & ~np.isinf(array)):
            large.append(f"\n  {t.dtype}: {names}")
    if large:
        raise ValueError(
            f"{library.title} has numbers that are infinite in the dtype of {type(module).__name__}; nothing "
            f"was loaded; use .to(dtype='float64') before{''.join(large)}"
        )
    return found


def matched(
    library: Library, arrays: Any, module: Module, names: Mapping[str, Part] | None
) -> tuple[list[list[Slot]], dict[str, np.ndarray]]:
    """The slots of each part of `module`, and the given array for each slot.

    Raises ValueError, which lists everything wrong. If all biases of a part and none of its other arrays are
    missing, its slots are those without biases, if the library has these.
    """
    by_part = library.model(module, names)
    full = [slot for slots in by_part for slot in slots]
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
    if library.biasless:
        by_part = [without_biases(slots, given) for slots in by_part]
    expected = {slot.name: slot.empty() for slots in by_part for slot in slots}
    try:
        refuse_misfits(expected, given, type(module).__name__)
    except ValueError as error:
        unexpected = "\n".join(given.keys() - expected.keys())
        hints = [hint for key, hint in library.hints.items() if key in unexpected]
        if unexpected and not expected.keys() <= given.keys() and len(by_part) > 1:
            hints.append(f"a part that has another name in {library.title}: names={{name there: module here}}")
        raise ValueError("\n  ".join([str(error), *hints])) from None
    return by_part, given


def without_biases(slots: list[Slot], given: Mapping[str, np.ndarray]) -> list[Slot]:
    """`slots` without those of biases, if none of these is given, but all others are."""
    matrices = [slot for slot in slots if not slot.is_bias()]
    bias_is_given = any(slot.is_bias() and slot.name in given for slot in slots)
    return slots if bias_is_given or any(slot.name not in given for slot in matrices) else matrices


def read(slots: list[Slot], given: Mapping[str, np.ndarray]) -> Iterator[tuple[Tensor, np.ndarray]]:
    """The tensors of a part and their new values, in the widest dtype of theirs and of the given."""
    owners = dict.fromkeys(owner for slot in slots for owner in slot.owners)
    dtypes = [array.dtype for slot in slots for array in (given[slot.name], slot.empty())]
    dtype = reduce(np.promote_types, dtypes)
    new = {owner: owner.zeros(dtype) for owner in owners}
    for slot in slots:
        for owner, view in slot.views(given[slot.name].astype(dtype)):
            for pair in pairs(slot.row, view, new[owner]):
                pair.read()
    for owner in owners:
        yield from ((t, new[owner].arrays[name]) for name, t in owner.tensors.items())


def dump(
    library: Library, module: Module, names: Mapping[str, Part] | None = None, *, bias: bool = True
) -> dict[str, np.ndarray]:
    """The library's arrays for `module`, by name and in its order; `nn.to_weights` says more."""
    if not (bias or library.biasless):
        raise ValueError(f"{library.title} has no class without biases; write bias=True")
    by_part = library.model(module, names)
    slots = [slot for slots in by_part for slot in slots if bias or not slot.is_bias()]
    made = {slot.name: slot.empty() for slot in slots}
    for slot in slots:
        for owner, view in slot.views(made[slot.name]):
            for pair in pairs(slot.row, view, owner.arrays()):
                pair.theirs[...] = pair.value()
    refuse_loss(library, slots, made)
    return made


def refuse_loss(library: Library, slots: list[Slot], made: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError if numbers other than 0 are not in the arrays that were made; list them."""
    owners = dict.fromkeys(owner for slot in slots for owner in slot.owners)
    held = {owner: owner.zeros(np.dtype(bool)) for owner in owners}
    for slot in slots:
        for owner, view in slot.views(made[slot.name]):
            every = pairs(slot.row, view, owner.arrays()), pairs(slot.row, view, held[owner])
            for pair, places in zip(*every, strict=True):
                for place in places.ours:
                    place[...] = (pair.theirs == pair.value()) | np.isnan(pair.theirs)
    lost = [
        (owner.kind, f"{name}{list(map(int, place))} = {array[tuple(place)]:.6g} of {owner.kind.__name__}")
        for owner in owners
        for name, array in owner.arrays().arrays.items()
        for place in np.argwhere(~held[owner].arrays[name] & (array != 0))
    ]
    if lost:
        kinds = " and ".join(sorted({library.cells[kind].name for kind, _ in lost}))
        lines = [
            f"{library.title} has no place in its {kinds} for these numbers; nothing was written",
            *(number for _, number in lost[:MOST]),
            *([f"and {len(lost) - MOST} more"] if len(lost) > MOST else []),
            "change them, most of them to 0, or use a cell or a library that has them",
        ]
        raise ValueError("\n  ".join(lines))
