"""The arrays that an optimizer or an average keeps, as a state that is saved, compared and loaded.

`slots` are these arrays: by name, a list with one per parameter. A state holds copies of them, on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.tensor.tensor import Tensor

Slots = Mapping[str, list[np.ndarray]]


def copied(slots: Slots) -> dict[str, list[np.ndarray]]:
    """A copy of every slot, on the host."""
    return {name: [np.array(backend.to_numpy(a)) for a in slot] for name, slot in slots.items()}


def misfits(state: object, needed: Collection[str], possible: Collection[str]) -> list[str]:
    """The entries that `state` lacks or should not have, in words."""
    if not isinstance(state, Mapping):
        return [f"a state is a dict, got {type(state).__name__}"]
    return [
        *(f"{name} is missing" for name in needed if name not in state),
        *(f"{name} is unexpected" for name in state if name not in (*needed, *possible)),
    ]


def array_misfits(
    state: Mapping[str, Any], slots: Slots, accepts: Callable[[str, np.ndarray, np.ndarray], bool]
) -> list[str]:
    """The arrays in `state` that do not fit `slots`, in words; `accepts(name, own, given)` says if one does."""
    problems = []
    for name, slot in slots.items():
        given = state.get(name, slot)
        if not isinstance(given, (list, tuple)):
            problems.append(f"{name} needs a list of arrays, got {type(given).__name__}")
            continue
        if len(given) != len(slot):
            problems.append(f"{name} needs {len(slot)} arrays, one per parameter, got {len(given)}")
        problems += [
            f"{name}[{i}] needs {describe(own)}, got {describe(array)}"
            for i, (own, array) in enumerate(zip(slot, map(array_of, given), strict=False))
            if not backend.is_array(array) or not accepts(name, own, array)
        ]
    return problems


def alike(name: str, own: np.ndarray, given: np.ndarray) -> bool:
    """Whether `given` has the shape and the dtype of `own`."""
    return own.shape == given.shape and own.dtype == given.dtype


def refuse(owner: str, problems: list[str]) -> None:
    """ValueError that lists the problems, if there are any."""
    if problems:
        raise ValueError("\n  ".join([f"the state does not fit this {owner}; nothing was loaded", *problems]))


def array_of(x: object) -> Any:
    """The array of a tensor; anything else as it is."""
    return x._array if isinstance(x, Tensor) else x
