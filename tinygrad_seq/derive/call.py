"""One call of a function that is to be differentiated.

Each float argument gets a new line, so that only its use in this call counts, and a derivative within a
derivative does not confuse the levels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic

from numpy.typing import ArrayLike

from tinygrad_seq import tree
from tinygrad_seq.derive.gradient import Direction, grad, line_of
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.mode import mode, recording
from tinygrad_seq.engine.record import Leaf
from tinygrad_seq.engine.tape import tape
from tinygrad_seq.ops.shape import reshape
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor
from tinygrad_seq.tree import Tree


class Call(Generic[Tree]):
    """One call of a function. Each float primal gets a new line, so that only its use in this call counts."""

    def __init__(self, f: Callable[..., Tree], primals: Sequence[object]) -> None:
        if not primals:
            raise TypeError(
                "a function is differentiated at its arguments, got none: write ts.jacobian(f, x), "
                "ts.hessian(f, x), ts.vjp(f, x) or ts.value_and_grad(f)(x)"
            )
        self.primals = tuple(tree.each(own_line, x) for x in primals)
        given, own_lines = tree.leaves(tuple(primals)), tree.leaves(self.primals)
        self.inputs = [x for x in own_lines if x.dtype.kind == "f"]
        self.private = {
            line_of(x)[0]
            for x, t in zip(own_lines, given, strict=True)
            if x.line is not None and getattr(t, "line", None) is None
        }
        with recording(True):
            self.value = f(*self.primals)
        self.outputs: list[Tensor] = tree.leaves(self.value)
        returned: Sequence[object] = self.outputs or [self.value]
        for y in returned:
            if not isinstance(y, Tensor) or y.dtype.kind != "f":
                raise TypeError(f"a function to differentiate must return float tensors, got {describe(y)}")

    def floats(self) -> tuple[object, ...]:
        """The primals, with None for integers and booleans."""
        return tuple(tree.each(lambda x: x if x.dtype.kind == "f" else None, x) for x in self.primals)

    def gradients(self, outputs: Sequence[Tensor], cotangents: Sequence[Direction]) -> tuple[Any, ...]:
        """For each primal, a tree of the gradients of <outputs, cotangents>."""
        if not self.inputs:
            return self.floats()
        found = grad(
            outputs,
            self.inputs,
            cotangents,
            retain_graph=True,
            create_graph=self.live(cotangents),
            zeros=True,
        )
        made: tuple[Any, ...] = tree.like(self.floats(), map(self.public, found))
        return made

    def live(self, directions: Sequence[Direction]) -> bool:
        """Whether a derivative along `directions` may itself be differentiated, and so must be recorded."""
        moving = any(isinstance(v, Tensor) and v.line is not None for v in directions)
        return mode.recording and (moving or mode.trace is not None or self.exposed(self.outputs))

    def exposed(self, tensors: Iterable[Tensor]) -> bool:
        """Whether `tensors` depend on a leaf that is not private, so that a gradient can be asked for."""
        records = tape(t.line for t in tensors if t.line is not None)
        return any(isinstance(record, Leaf) and record not in self.private for record in records)

    def public(self, t: Tensor) -> Tensor:
        """`t`, taken off the tape if no gradient can be asked for (not in the step of a scan)."""
        return t if mode.trace or (mode.recording and self.exposed([t])) else Tensor(t._array, None, t.buffer)


def own_line(x: ArrayLike | Tensor) -> Tensor:
    """`x` on a new line, if it is a float."""
    x = as_tensor(x)
    if x.dtype.kind != "f":
        return x
    if x.line is None:
        return Tensor(x._array, (Leaf(x.shape, x.dtype), 0), x.buffer)
    with recording(True):
        return reshape(x, x.shape)


def alone(parts: tuple[object, ...]) -> object:
    """The only one of several parts, or all of them: the derivatives for the primals of a function."""
    return parts[0] if len(parts) == 1 else parts
