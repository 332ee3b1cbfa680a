"""Records: the lines of a tape, as plain data; and what the engine knows of a Tensor.

A `Record` is written for every call whose result may be differentiated: the operation, the lines that its
inputs came from, and the arrays that its derivative rules will read. A `Leaf` is the line of a tensor whose
gradient is wanted. A `Handle` joins an array to its line; the class `Tensor` is built on it.
"""

from __future__ import annotations

import itertools
from typing import ClassVar, Generic, TypeVar

import numpy as np

from tinygrad_seq.engine.declaration import Declaration

R_co = TypeVar("R_co", covariant=True)  # the class of results

next_serial = itertools.count(1).__next__


class Buffer:
    """The memory of a leaf, shared by its views; `stamp` is the serial of its last change, or of its making."""

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = next_serial()


class Record:
    """One line of the tape: plain data.

    op       the primitive that was called (None for a leaf)
    inputs   for every array argument the line that it came from, None for a constant
    meta     the values of the metadata arguments, in the order of the op's parameters
    saved    the arrays that the rules read, in the order of `op.reads`; None once a walk has freed them
    buffers  for each of `saved`, its Buffer if that memory can change, else None; empty if none can
    shapes   the shape of every output
    dtypes   the dtype of every output
    serial   its position in time
    where    the line of the program that made it, noted in anomaly mode only
    """

    __slots__ = ("op", "inputs", "meta", "saved", "buffers", "shapes", "dtypes", "serial", "where")

    op: Declaration
    inputs: tuple[Line | None, ...]
    meta: tuple[object, ...]
    saved: tuple | None
    buffers: tuple
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype, ...]
    serial: int
    where: str


Line = tuple[Record, int]  # a record and the index of one of its outputs


class Leaf(Record):
    """The line of a tensor that requires a gradient; the gradient accumulates here.

    grad  the gradient so far
    gone  whether the tensor has given up this line: nobody could read a gradient that arrived now
    """

    __slots__ = ("grad", "gone")

    grad: Handle | None
    gone: bool

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.op = None  # type: ignore[assignment]  # no primitive made a leaf
        self.inputs, self.meta, self.saved, self.buffers = (), (), (), ()
        self.shapes, self.dtypes, self.serial = (shape,), (dtype,), next_serial()
        self.grad, self.gone = None, False


class Handle(Generic[R_co]):
    """An array, the line of the tape that made it (None for a constant), and its Buffer if it can change.

    These three slots are all that the engine knows of a Tensor. `Handle.result` is the class whose instances
    ops return; the module that defines Tensor sets it.
    """

    __slots__ = ("_array", "line", "buffer")

    _array: np.ndarray  # or a scalar; of NumPy or CuPy
    line: Line | None
    buffer: Buffer | None
    result: ClassVar[type]
