"""What optimizers, averages and clipping take: the parameters of a model, each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.tensor.tensor import Tensor


def each_once(owner: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters, a shared one once; TypeError unless they are leaf tensors of floats."""
    unique = list({id(p): p for p in listed(owner, parameters)}.values())
    for p in unique:
        if not (isinstance(p, Tensor) and p.is_leaf and p.dtype.kind == "f"):
            raise TypeError(f"{owner} needs leaf tensors of floats, got {describe(p)}")
    return unique


def listed(owner: str, parameters: Iterable[Any]) -> list[Any]:
    """A list of what is a list of parameters; TypeError for a model and for a single parameter."""
    if hasattr(parameters, "parameters"):
        raise TypeError(
            f"{owner} needs the parameters of a model, got the model; write {owner}(model.parameters(), ...)"
        )
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise TypeError(f"{owner} needs a list of parameters, got {describe(parameters)}; write [p] for one")
    return list(parameters)


def refuse_moved(owner: str, p: Tensor, dtype: np.dtype[Any], memory: np.ndarray) -> None:
    """ValueError if `p` has another dtype, or is on another device, than when `owner` made `memory` for it."""
    if type(memory) is not type(p._array) or p.dtype != dtype:
        raise ValueError(
            f"the parameter {describe(p)} is on {p.device}, but its {owner} was created for {dtype} on "
            f"{backend.device_of(memory)}; move or convert a model before you create its {owner}"
        )
