"""The state of a cell: a tensor, or a tree of tensors."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.indices import rows
from tinygrad_seq.tensor.tensor import Tensor

State = Tensor | tuple["State", ...]  # the carry of a cell from step to step: a tensor or a tree of tensors

Parts = TypeVar("Parts", bound=tuple[Any, ...])


def single(state: State, holder: str) -> Tensor:
    """`state`; raise TypeError if it is not one tensor."""
    if not isinstance(state, Tensor):
        raise TypeError(f"{holder} needs a cell whose state is one tensor, got a {type(state).__name__}")
    return state


@overload
def parts(owner: object, state: Parts, count: int, of: str) -> Parts: ...


@overload
def parts(owner: object, state: State, count: int, of: str) -> tuple[State, ...]: ...


def parts(owner: object, state: Any, count: int, of: str) -> Any:
    """`state`; ValueError if it is not a tuple of `count` states. (A tensor would be unpacked into rows.)"""
    if not isinstance(state, tuple) or len(state) != count:
        given = f"a tuple of {len(state)}" if isinstance(state, tuple) else describe(state)
        raise ValueError(
            f"{type(owner).__name__}: the state of {count} {of} must be a tuple of {count} states, not {given}"
        )
    return state


def frozen(inside: Tensor, after: State, before: State) -> State:
    """`after` in the rows that are `inside`, `before` in the other rows."""
    pairs = zip(tree.leaves(after), tree.matching(after, before), strict=True)
    made: State = tree.like(after, [rows(inside, a, b) for a, b in pairs])
    return made
