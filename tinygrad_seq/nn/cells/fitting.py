"""What a cell accepts: inputs of its size, and a state of as many rows as the input.

NumPy would broadcast what does not fit: without its axis of the batch, a sequence (T, I) is a batch of I rows,
and a state of 4 rows makes 4 results of an input of 1 row. So every call of a cell is checked, by whatever
runner, decoder or cell it is called, and also in the step of a scan, where it costs nothing per time step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import describe


def checked(call: Callable[..., Any]) -> Callable[..., Any]:
    """A method `(self, state, x)` of a cell, which first checks that x and the state fit the cell."""

    @functools.wraps(call)
    def fitting(self: Any, state: Any, x: Any) -> Any:
        shape, size = getattr(x, "shape", None), self.input_size
        if size is not None and (shape is None or shape[1:] != (size,)):
            refuse_input(type(self).__name__, "x", x, ("B",), size, "x[None]")
        if shape is not None:  # x may be a tree
            refuse_state(type(self).__name__, state, x)
        return call(self, state, x)

    return fitting


def refuse_input(owner: str, name: str, x: Any, axes: tuple[str, ...], size: int | None, batched: str) -> None:
    """Raise ValueError unless x has these axes and after them one of `size`; None is any size and any rank.

    `batched` is x with an axis B, which the error advises if an axis is missing.
    """
    shape = np.shape(x)
    if size is None or (len(shape) == len(axes) + 1 and shape[-1] == size):
        return
    advice = ""
    if len(shape) == len(axes):
        advice = f"; for one sequence without the axis B, pass {batched}"
    elif len(shape) == len(axes) + 1:
        advice = f"; for inputs of size {shape[-1]}, make a cell of that input size"
    raise ValueError(f"{owner} needs {name} ({', '.join(axes)}, {size}), got {describe(x)}{advice}")


def refuse_sequence(owner: str, xs: Any, size: int | None, *, batch_first: bool = False) -> None:
    """Raise ValueError unless xs is (T, B, size), or (B, T, size) if batch_first, with T >= 1."""
    axes, batched = (("B", "T"), "xs[None]") if batch_first else (("T", "B"), "xs[:, None]")
    refuse_input(owner, "xs", xs, axes, size, batched)
    if xs.ndim < 2 or not xs.shape[batch_first]:
        wanted = ", ".join([*axes, "..." if size is None else str(size)])
        raise ValueError(f"{owner} needs xs ({wanted}) with at least one time step T, got {describe(xs)}")


def remaining(owner: object, size: int | None, added: int, what: str) -> int | None:
    """The input size of `owner`, which adds `added` elements to the input of a cell of input size `size`.

    None if that is None; ValueError if it is too small.
    """
    if size is not None and size < added:
        raise ValueError(
            f"{type(owner).__name__} needs a cell of input size I + {added}, for its input and {what}; got one "
            f"of input size {size}"
        )
    return None if size is None else size - added


def refuse_state(owner: str, state: Any, x: Any) -> None:
    """Raise ValueError unless every tensor of the state has as many rows as x; a number is for all rows."""
    rows = x.shape[:1]
    for part in tree.leaves(state):
        found = getattr(part, "shape", ())[:1]
        if found and found != rows:
            given = f"a batch of {rows[0]}" if rows else "no batch"
            raise ValueError(
                f"{owner} needs a state with the rows of its input, got a state {describe(part)} of a batch of "
                f"{found[0]} for an input {describe(x)} of {given}. The last batch of an epoch is often "
                f"shorter: leave it out, start it with state=None, or pass the state of its rows"
            )


def refuse_shapes(owner: str, state: Any, initial: Any) -> None:
    """Raise ValueError if a tensor of the state has as many rows as the initial state, but another shape."""
    for part, wanted in zip(tree.leaves(state), tree.leaves(initial), strict=False):
        shape = np.shape(part)
        if shape[:1] == wanted.shape[:1] and shape != wanted.shape:
            raise ValueError(
                f"{owner} needs a state of the shapes of its initial state, {describe(wanted)}, got "
                f"{describe(part)}"
            )
