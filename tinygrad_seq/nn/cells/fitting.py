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
    """A method `(self, state, x, ...)` of a cell that returns the next state first, with checks of these three.

    Of a cell that does not state its input size, x may be a tree, and the state may change its shapes.
    """

    @functools.wraps(call)
    def fitting(self: Any, state: Any, x: Any, *noise: Any) -> Any:
        size, shape, before = self.input_size, getattr(x, "shape", None), shapes(state)
        if size is not None and (shape is None or shape[1:] != (size,)):
            refuse_input(type(self).__name__, "x", x, ("B",), size, "x[None]")
        if shape is not None and differs(before, shape[:1]):
            refuse_state(type(self).__name__, state, x)
        made = call(self, state, x, *noise)
        if size is not None and shapes(made[0]) != before:
            refuse_change(type(self).__name__, state, made[0])
        return made

    return fitting


def shapes(state: Any) -> Any:
    """The shapes of the tensors of a state, in nested lists; None for what has no shape."""
    if isinstance(state, dict):
        state = tuple(state.values())
    if isinstance(state, (tuple, list)):
        return [shapes(part) for part in state]
    return getattr(state, "shape", None)


def differs(form: Any, rows: tuple[int, ...]) -> bool:
    """Whether one of these shapes has other rows; one without axes is for all rows."""
    if isinstance(form, list):
        return any(differs(part, rows) for part in form)
    return bool(form) and form[:1] != rows


def refuse_input(owner: str, name: str, x: Any, axes: tuple[str, ...], size: int | None, batched: str) -> None:
    """Raise an error unless x has these axes and after them one of `size`; None is any size and any rank.

    `batched` is x with an axis B, which the error advises if an axis is missing.
    """
    rank = len(axes) + 1
    if size is None or (hasattr(x, "shape") and len(x.shape) == rank and x.shape[-1] == size):
        return
    wanted = f"{owner} needs {name} ({', '.join(axes)}, {size}), got {describe(x)}"
    if not hasattr(x, "shape"):
        raise TypeError(f"{wanted}; pass a tensor or an array")
    if len(x.shape) == rank - 1:
        wanted += f"; for one sequence without the axis B, pass {batched}"
    elif len(x.shape) == rank:
        wanted += f"; for inputs of size {x.shape[-1]}, make a cell of that input size"
    raise ValueError(wanted)


def refuse_sequence(owner: str, xs: Any, size: int | None, *, batch_first: bool = False) -> None:
    """Raise an error unless xs is (T, B, size), or (B, T, size) if batch_first, with T >= 1, of floats.

    If size is None, of anything.
    """
    axes, batched = (("B", "T"), "xs[None]") if batch_first else (("T", "B"), "xs[:, None]")
    refuse_input(owner, "xs", xs, axes, size, batched)
    if size is not None and xs.dtype.kind != "f":
        raise TypeError(f"{owner} needs xs of floats, got {describe(xs)}; pass xs.astype(np.float32)")
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
    """Raise the error for a state with other rows than x; a number is for all rows."""
    part = next(part for part in tree.leaves(state) if np.ndim(part) and part.shape[:1] != x.shape[:1])
    given = f"a batch of {len(x)}" if x.ndim else "no batch"
    raise ValueError(
        f"{owner} needs a state with the rows of its input, got a state {describe(part)} of a batch of "
        f"{len(part)} for an input {describe(x)} of {given}. The last batch of an epoch is often shorter: "
        f"leave it out, start it with state=None, or pass the state of its rows"
    )


def refuse_change(owner: str, before: Any, after: Any) -> None:
    """Raise the error for a state that changed its shapes in a step: it was broadcast."""
    pairs = zip(tree.leaves(before), tree.leaves(after), strict=False)
    changed = [f"{describe(a)} became {describe(b)}" for a, b in pairs if np.shape(a) != np.shape(b)]
    raise ValueError(
        f"{owner} needs a state of the shapes of its initial state, which a step keeps; "
        f"{'; '.join(changed) or 'its form changed'}"
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
