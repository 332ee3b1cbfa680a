"""An array of another library, and which tensors of ours it contains.

By its row, in the notation of `notation.py`, a `Slot` connects the array with its owners: the cells that share
it, a layer, or a tensor alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygrad_seq.nn.cells import (
    Cell,
    CoupledLSTMCell,
    GRUCell,
    LSTMCell,
    PeepholeLSTMCell,
    ResetAfterGRUCell,
    RNNCell,
)
from tinygrad_seq.nn.exchange.notation import Own, parsed, shape_of
from tinygrad_seq.tensor.tensor import Tensor

GATES: Mapping[type[Cell], str] = {  # the blocks of their parameters, in order
    RNNCell: "h",
    LSTMCell: "ifgo",
    PeepholeLSTMCell: "ifgo",
    CoupledLSTMCell: "fgo",
    GRUCell: "rzn",
    ResetAfterGRUCell: "rzn",
}


@dataclass(frozen=True, eq=False)
class Owner:
    """Tensors of ours by their names in rows, the letters of their blocks, and the class that errors name."""

    tensors: Mapping[str, Tensor]
    gates: str
    kind: type

    @classmethod
    def of(cls, cell: Cell) -> Owner:
        """The parameters of a cell."""
        return cls(dict(cell.named_tensors()), GATES[type(cell)], type(cell))

    @classmethod
    def alone(cls, **tensors: Tensor) -> Owner:
        """Tensors without blocks."""
        return cls(tensors, "", Tensor)

    def arrays(self) -> Own:
        """The values of the tensors, on the host."""
        return Own({name: t.numpy() for name, t in self.tensors.items()}, self.gates)

    def zeros(self, dtype: np.dtype) -> Own:
        """Arrays of zeros of the shapes of the tensors."""
        return Own({name: np.zeros(t.shape, dtype) for name, t in self.tensors.items()}, self.gates)


class Slot(NamedTuple):
    """An array of the library: its name, its row, and its owners, along an axis if `paired`."""

    name: str
    row: str
    owners: Sequence[Owner]
    paired: bool = False

    def empty(self) -> np.ndarray:
        """An array of its shape and dtype, without values."""
        own = self.owners[0].arrays()
        shape = shape_of(self.row, own)
        dtype = np.result_type(*(own.arrays[name] for name in names_in(self.row)))
        return np.empty((len(self.owners), *shape) if self.paired else shape, dtype)

    def views(self, array: np.ndarray) -> Iterable[tuple[Owner, np.ndarray]]:
        """The part of the array that belongs to each owner."""
        return zip(self.owners, array if self.paired else [array], strict=True)

    def is_bias(self) -> bool:
        """Whether it contains biases of a cell only."""
        return names_in(self.row) <= {"b", "bh"}


def names_in(row: str) -> set[str]:
    """The names of the tensors in a row."""
    return {name for line in parsed(row) for part in line for name in part.names}
