"""`vmap`: a function of one example as a function of a batch of examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_seq import tree
from tinygrad_seq.batching.rows import as_step, over_rows
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.ops.rearranging import moveaxis
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.tensor.tensor import Tensor


def vmap(f: Callable[..., object], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """The function that applies `f` to every example of a batch, at once where the ops of f allow it.

    f         a function of trees of tensors; its value is a tree of tensors, for one example
    in_axes   for each argument the axis of the batch, or None for an argument that all examples share; a tree
              in the place of an axis gives the parts of an argument different axes; one axis for all arguments
    out_axes  where the axis of the batch goes in the value; one axis, or a tree of them

    f is recorded once, with the first example, like the step of a scan, and has the same limits: it cannot
    read values of its tensors or draw at random. An op that rides (works unchanged with another leading axis)
    is called once for all examples, any other op in a loop over them; `ts.explain(ts.vmap(f), x)` tells which.
    Tensors that f uses without being given them are shared, and gradients flow to them and to the arguments. So
    vmap may be nested, derived, and applied to a function that derives:

    >>> import numpy as np, tinygrad_seq as ts
    >>> w = ts.tensor([1.0, 2.0], requires_grad=True)
    >>> slope = ts.vmap(lambda x: ts.grad(ts.tanh(x @ w), w))       # of each example by itself
    >>> slope(ts.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).numpy().round(2)
    array([[0.  , 0.  ],
           [0.42, 0.  ],
           [0.  , 0.07]], dtype=float32)

    ValueError for arguments whose batches differ in length, for an axis that an argument does not have, and if
    no argument has an axis. TypeError and RuntimeError as for `ts.scan`.
    """
    if not callable(f):
        raise TypeError(f"vmap needs a function, got {describe(f)}")
    if hasattr(in_axes, "shape"):
        raise TypeError(f"vmap needs axes, got {describe(in_axes)}: it returns a function, write ts.vmap(f)(x)")
    return Mapped(f, in_axes, out_axes)


class Mapped:
    """A function under vmap; `rows` takes the arguments of a call apart."""

    def __init__(self, f: Callable[..., object], in_axes: object, out_axes: object) -> None:
        self.f, self.in_axes, self.out_axes = f, in_axes, out_axes
        self.__wrapped__ = f

    def __call__(self, *arguments: object, **named: object) -> Any:
        if named:
            raise TypeError(f"a function under vmap takes positional arguments only, got {', '.join(named)}=")
        xs, row = self.rows(arguments)
        try:
            made = over_rows(row, xs, draws=True)
        except Exception as error:
            error.add_note(
                "in vmap, which calls the function with the first example only, like the step of a scan; a "
                "Python loop over the examples calls it with each"
            )
            raise
        axes = spread(self.out_axes, made, "out_axes")
        return tree.like(made, [placed(y, axis) for y, axis in zip(tree.leaves(made), axes, strict=True)])

    def as_scan(self, *arguments: object) -> tuple[Callable[..., object], list[Tensor]]:
        """The step and the inputs of the scan that does the same, for `ts.explain`."""
        xs, row = self.rows(arguments)
        return as_step(row), xs

    def rows(self, arguments: tuple[object, ...]) -> tuple[list[Tensor], Callable[[list[Tensor]], object]]:
        """The arguments that have an axis for the batch, which is moved to the front; and f of their rows."""
        axes = spread(self.in_axes, arguments, "in_axes")
        leaves = tree.leaves(arguments)
        xs = [first(as_tensor(x), axis) for x, axis in zip(leaves, axes, strict=True) if axis is not None]
        sizes = {x.shape[0] for x in xs}
        if len(sizes) != 1:
            given = f"in_axes={self.in_axes!r} for {', '.join(map(describe, leaves)) or 'no tensor'}"
            raise ValueError(
                f"vmap needs one length of the batch, got {sorted(sizes)}: {given}"
                if sizes
                else f"vmap needs an argument with an axis for the batch, got {given}"
            )

        def row(rows: Sequence[Tensor]) -> object:
            given = iter(rows)
            whole = [x if axis is None else next(given) for x, axis in zip(leaves, axes, strict=True)]
            return self.f(*tree.like(arguments, whole))

        return xs, row


def first(x: Tensor, axis: int) -> Tensor:
    """`x` with one axis moved to the front."""
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"vmap: {describe(x)} has no axis {axis}; pass in_axes=None for what is shared")
    return x if axis == 0 else moveaxis(x, axis, 0)


def placed(y: Tensor, axis: int | None) -> Tensor:
    """A value with the axis of the batch, its first, moved to another place."""
    if axis is None or not -y.ndim <= axis < y.ndim:
        raise ValueError(f"out_axes of vmap: {describe(y)}, batch first, has no place {axis} for this axis")
    return y if axis == 0 else moveaxis(y, 0, axis)


def spread(axes: Any, whole: object, name: str) -> list[int | None]:
    """An axis for each leaf of `whole`: `axes` is one for all, or a tree of them, each for a whole branch."""
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        return [axes] * len(tree.leaves(whole))
    pairs: list[tuple[Any, Any]] = []
    if isinstance(axes, dict) and isinstance(whole, dict) and axes.keys() == whole.keys():
        pairs = [(axes[key], whole[key]) for key in whole]
    elif isinstance(axes, (tuple, list)) and isinstance(whole, (tuple, list)) and len(axes) == len(whole):
        pairs = list(zip(axes, whole, strict=True))
    else:
        raise ValueError(
            f"{name} of vmap is an axis, None, or a tree of them with a part for each of {whole!r:.80}, got "
            f"{axes!r:.80}"
        )
    return [axis for part, branch in pairs for axis in spread(part, branch, name)]
