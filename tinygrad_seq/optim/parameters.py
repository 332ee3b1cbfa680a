"""What optimizers and clipping take: the parameters of a model, each once."""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.tensor.tensor import Tensor


def each_once(owner: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters, a shared one once; TypeError unless they are leaf tensors of floats."""
    if hasattr(parameters, "parameters"):
        raise TypeError(
            f"{owner} needs the parameters of a model, got the model; write {owner}(model.parameters(), ...)"
        )
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise TypeError(f"{owner} needs a list of parameters, got {describe(parameters)}; write [p] for one")
    unique = list({id(p): p for p in parameters}.values())
    for p in unique:
        if not (isinstance(p, Tensor) and p.is_leaf and p.dtype.kind == "f"):
            raise TypeError(f"{owner} needs leaf tensors of floats, got {describe(p)}")
    return unique
