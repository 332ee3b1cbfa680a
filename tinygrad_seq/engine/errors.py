"""Words for errors: what was asked, what was given, and what to do instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import NoReturn, ParamSpec, TypeVar

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.declaration import Declaration
from tinygrad_seq.engine.record import Record

P = ParamSpec("P")
R = TypeVar("R")

HABITS = {  # PyTorch's names of arguments, and the names that a function may have for them here
    "dim": ("axis",),
    "dims": ("axes", "axis"),
    "keepdim": ("keepdims",),
    "correction": ("ddof",),
    "shifts": ("shift",),
    "split_size_or_sections": ("indices_or_sections",),
    "in_features": ("input",),
    "out_features": ("output",),
    "num_embeddings": ("count",),
    "embedding_dim": ("size",),
    "embed_dim": ("size",),
    "num_heads": ("heads",),
    "normalized_shape": ("size",),
    "rate": ("p",),
    "size": ("shape",),
    "seed": ("rng",),
    "generator": ("rng",),
}
INSTEAD = {
    "set_to_none": "zero_grad() alone resets gradients to None",
    "strict": "complete the state, load_state_dict({**model.state_dict(), **state})",
    "inputs": "ts.grad(loss, inputs)",
    "argnums": "a function of that argument, lambda x: f(x, y)",
    "has_aux": "a function of one result; compute the others before or after",
    "non_blocking": "to(device) alone",
    "device": "move it after it is made, .to(device)",
    "padding_idx": "lengths= of runners, or ts.where((ids != padding)[..., None], embedding(ids), 0.0)",
    "num_layers": "nn.Stacked(cell, cell) for several layers",
    "bidirectional": "nn.Bidirectional(forward_cell, backward_cell)",
    "dropout": "nn.RecurrentDropout, nn.VariationalDropout or nn.Dropout",
    "activation": "nn.Sequential(layer, ts.relu)",
    "requires_grad": "p.requires_grad = False after it is made, or ts.tensor(values) for a constant of a model",
    "dtype": "astype its argument",
    "out": "a result is a new tensor",
    "unbiased": "write ddof=1 for True and ddof=0 for False",
    "descending": "flip the result",
    "where": "choose the elements before, by where or a mask",
    "initial": "combine it with the result",
}


def describe(x: object) -> str:
    """A value in a message: float32[3,4] for anything with a shape and a dtype, else its type and repr."""
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return f"{x.dtype}[{','.join(map(str, x.shape))}]"
    return f"{type(x).__name__} {x!r:.40}"


def spelled(op: Declaration, arrays: Sequence[str], meta: tuple) -> str:
    """A call, from descriptions of its arrays: matmul(x: float32[3,4], y: float32[5,2])."""
    given = [f"{name}: {array}" for name, array in zip(_names(op, len(arrays)), arrays, strict=True)]
    given += [f"{p.name}={value!r}" for p, value in zip(op.metadata, meta, strict=True)]
    return f"{op.name}({', '.join(given)})"


def _names(op: Declaration, count: int) -> list[str]:
    return [*op.arguments, *(f"{op.variadic}[{i}]" for i in range(count - len(op.arguments)))]


def explain(op: Declaration, error: Exception, arrays: tuple, meta: tuple) -> None:
    """Add to `error` the call that raised it and, if the signature tells, why that call cannot work.

    Raises TypeError instead if the arrays are not on one device.
    """
    refuse_mixed(op, [(x, i) for i, x in enumerate(arrays) if backend.is_array(x)], len(arrays), error)
    shapes = [np.shape(array) for array in arrays]
    reason = op.signature and op.signature.mismatch(_names(op, len(arrays)), shapes)
    error.add_note(f"in {spelled(op, list(map(describe, arrays)), meta)}" + (f": {reason}" if reason else ""))


def refuse_mixed(op: Declaration, given: Iterable[tuple], count: int, cause: Exception | None = None) -> None:
    """TypeError unless all arrays of a call are on one device.

    `given` pairs each array with its position among the `count` arguments.
    """
    places = {i: backend.device_of(x) for x, i in given}
    if len(set(places.values())) > 1:
        names = _names(op, count)
        where = ", ".join(f"{names[i]} is on {device}" for i, device in places.items())
        raise TypeError(
            f"{op.name} needs all arrays on one device, but {where}: nothing is moved implicitly; move one, "
            f"as in {names[min(places)]}.to({places[max(places)]!r})"
        ) from cause


def refuse_undeclared(op: Declaration) -> NoReturn:
    """TypeError for a use on the tape of an argument whose derivative is not declared."""
    if op.undeclared:
        instead = (
            f"{op.name}.partials(...), .linear(...) or .vjp(...), or {op.name}.no_derivative() if it has none"
        )
    else:
        instead = f"{op.name}.joint_vjp(...), which covers all of *{op.variadic}"
    raise TypeError(
        f"{op.name} is used on the tape and does not declare its derivative, so that its gradient would be "
        f"lost: declare {instead}"
    )


def refuse(name: str, takes: Collection[str], unknown: Iterable[str]) -> NoReturn:
    """TypeError for keywords that the function `name` does not accept; PyTorch's are translated."""
    hints = [
        f"; {theirs} is called {ours} here"
        for theirs in unknown
        for ours in HABITS.get(theirs, ())
        if ours in takes
    ]
    hints += [f"; instead of {theirs}, {INSTEAD[theirs]}" for theirs in unknown if theirs in INSTEAD]
    lacks = f"{name} has no argument {', '.join(unknown)}"
    raise TypeError(lacks + (f": it takes {', '.join(takes)}" if takes else "") + "".join(hints))


def answering(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, whose error for an unknown keyword says what to write, as that of an op does."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return function
    known = [name for name, p in parameters.items() if name != "self" and p.kind is not p.VAR_POSITIONAL]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs and (unknown := [name for name in kwargs if name not in known]):
            makes = function.__name__ == "__init__"
            refuse(type(args[0]).__name__ if makes else function.__name__, known, unknown)
        return function(*args, **kwargs)

    return call


def call_of(record: Record) -> str:
    """The call that made a record: matmul(x: float32[3,4], y: constant)."""
    if record.op is None:
        return "a leaf"
    arrays = ["constant" if line is None else output_of(*line) for line in record.inputs]
    return spelled(record.op, arrays, record.meta)


def output_of(record: Record, i: int) -> str:
    """One output of a record: float32[3,4]."""
    return f"{record.dtypes[i]}[{','.join(map(str, record.shapes[i]))}]"
