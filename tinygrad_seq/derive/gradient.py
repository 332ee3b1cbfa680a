"""`grad`: the gradient of tensors with respect to tensors, leaves or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_seq import tree
from tinygrad_seq.engine.errors import answering, describe
from tinygrad_seq.engine.mode import mode, walking
from tinygrad_seq.engine.record import Line
from tinygrad_seq.engine.tape import reverse
from tinygrad_seq.tensor.tensor import Tensor, own, seed_of

Direction = ArrayLike | Tensor | None  # a cotangent or a tangent; None if it is missing


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: Literal[True],
) -> Tensor: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> Tensor | None: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: tuple[Any, ...],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> tuple[Any, ...]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: dict[Any, Any],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> dict[Any, Any]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: Literal[True],
) -> list[Tensor]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> list[Tensor | None]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: list[Any],
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> list[Any]: ...
@answering
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: object = None,
    cotangents: Direction | Sequence[Direction] = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    zeros: bool = False,
) -> Any:
    """The gradient of `outputs` with respect to `inputs`; no `t.grad` is changed.

    outputs     a tensor or a sequence of tensors; their contributions add up
    inputs      a tensor or a tree of tensors, leaves or intermediate; the result has the same form
    cotangents  one per output, of its shape; it may be missing for an output of one element
    zeros       return zeros instead of None for an input that no output depends on; an output may then be a
                constant, with zero derivative

    Only derivatives between the inputs and the outputs are computed. `retain_graph` and `create_graph` work as
    in `Tensor.backward`. TypeError for an output or input that is not a tensor, RuntimeError for one that is
    not on the tape, ValueError for a number of cotangents that is not the number of outputs.

    >>> import tinygrad_seq as ts
    >>> x = ts.tensor(3.0, requires_grad=True)
    >>> dy = ts.grad(x**3, x, create_graph=True)
    >>> float(dy), float(ts.grad(dy, x))
    (27.0, 18.0)
    >>> ts.grad(x**3, {"x": x})
    {'x': tensor(27., float32, cpu)}
    """
    if callable(outputs):
        raise TypeError(
            "ts.grad expects the result of a function, got a function; write ts.grad(f(x), x), or "
            "ts.value_and_grad(f)(x) for its value and its gradient"
        )
    if isinstance(inputs, Iterable) and not isinstance(inputs, (Tensor, tuple, list, dict)):
        inputs = list(inputs)
    xs = tree.leaves(inputs)
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    if others := [t for t in [*ys, *xs] if not isinstance(t, Tensor)]:
        raise TypeError(f"grad expects tensors, got {describe(others[0])}")
    several = [None] * len(ys) if cotangents is None else cotangents
    given = cast("Sequence[Direction]", [cotangents] if isinstance(outputs, Tensor) else several)
    if len(given) != len(ys):
        raise ValueError(
            f"grad of {len(ys)} outputs needs {len(ys)} cotangents (None is one), got {len(given)}"
        )
    live = create_graph or mode.trace is not None  # in the step of a scan the walk is recorded, too
    seeds = [
        seed_of(y, g, recorded=live) for y, g in zip(ys, given, strict=True) if not (zeros and y.line is None)
    ]
    targets = [line_of(x) for x in xs]
    if mode.trace is not None:
        mode.trace.differentiated([line for line, _ in seeds], targets)
    with walking(create_graph):
        walk = reverse(seeds, targets, retain_graph=retain_graph or live, create_graph=live)
        found = {record: cotangents for record, cotangents, _ in walk}
    result: list[Tensor | None] = []
    for x, (record, i) in zip(xs, targets, strict=True):
        share = found[record][i] if record in found else None
        if share is None and zeros:
            share = np.zeros_like(x._array)
        result.append(None if share is None else own(share))
    return tree.like(inputs, result)


def line_of(x: Tensor) -> Line:
    """The line of a tensor; RuntimeError if it is a constant."""
    if x.line is None:
        raise RuntimeError(
            f"grad: the input {describe(x)} is not on the tape; create it with requires_grad=True"
        )
    return x.line
