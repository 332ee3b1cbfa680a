"""Optimizer: the base class of the methods. It updates parameters in place and allocates nothing in a step.

An optimizer holds each parameter once, and changes it in `step()`; parameters without a gradient are skipped.
`lr` may be changed between steps, and `steps` counts them. With `state_dict()` and `load_state_dict()` a
resumed run continues exactly.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.tensor.tensor import Tensor


class Optimizer:
    """The base class of optimizers: the parameters, the learning rate, the step and the saved state.

    ValueError without parameters; TypeError for a parameter that is not a leaf tensor of floats. An optimizer
    of your own defines `update`, and lists in `slots` the arrays that it keeps between steps:

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> class Signs(optim.Optimizer):
    ...     "p <- p - lr sign(g) (Bernstein et al. 2018), and a count of the updates"
    ...
    ...     def __init__(self, parameters, lr):
    ...         super().__init__(parameters, lr)
    ...         self.count = [np.zeros((), np.int64) for _ in self.parameters]
    ...
    ...     def slots(self):
    ...         return {"count": self.count}
    ...
    ...     def update(self, i, p, g, scratch):
    ...         self.count[i] += 1
    ...         np.subtract(p, self.lr * np.sign(g), out=p)
    >>> p = ts.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = Signs([p], lr=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (p * p).sum().backward()
    ...     optimizer.step()
    >>> p.numpy()
    array([ 2., -1.], dtype=float32)
    >>> state = optimizer.state_dict()
    >>> state
    {'lr': 0.5, 'steps': 2, 'count': [array(2)]}
    >>> Signs([p], lr=1.0).load_state_dict(state)

    `update` and `slots` are called by `step` and `state_dict`:

    >>> optimizer.slots()
    {'count': [array(2)]}
    >>> optimizer.update(0, array := np.ones(2, np.float32), np.ones(2), np.empty(2))
    >>> array
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        if hasattr(parameters, "parameters"):
            raise TypeError(
                f"{type(self).__name__} needs the parameters of a model, got the model; "
                f"write {type(self).__name__}(model.parameters(), lr=...)"
            )
        self.parameters = list({id(p): p for p in parameters}.values())
        self.lr, self.steps = lr, 0
        if not self.parameters:
            raise ValueError(f"{type(self).__name__} needs at least one parameter, got none")
        warn_if_mixed(type(self).__name__, self.parameters)
        for p in self.parameters:
            if not (isinstance(p, Tensor) and p.is_leaf and p.dtype.kind == "f"):
                raise TypeError(f"{type(self).__name__} needs leaf tensors of floats, got {describe(p)}")
        self.scratch = [np.empty_like(p.data) for p in self.parameters]

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        self.steps += 1
        for i, p in enumerate(self.parameters):
            if (g := p.grad) is not None:
                scratch = self.scratch[i]
                if type(scratch) is not type(p._data):
                    raise ValueError(
                        f"the parameter {describe(p)} is on {p.device}, but the optimizer's arrays for it are "
                        f"on {backend.device_of(scratch)}; move a model before you create its optimizer"
                    )
                self.update(i, p.mutable(), g._data, scratch)

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        """Change the array `p` of parameter number `i`, whose gradient is `g`, in place."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to None."""
        for p in self.parameters:
            if p.requires_grad:
                p.zero_grad()

    def slots(self) -> dict[str, list[np.ndarray]]:
        """The arrays that the optimizer keeps between steps: by name, a list with one array per parameter."""
        return {}

    def state_dict(self) -> dict[str, object]:
        """The learning rate, the step count and a copy of every slot, on the host: a tree for `ts.save`."""
        copies = {name: [np.array(backend.to_numpy(a)) for a in slot] for name, slot in self.slots().items()}
        return {"lr": self.lr, "steps": self.steps, **copies}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, the `state_dict()` of an optimizer of the same class and parameter shapes.

        ValueError lists everything that does not fit, and nothing is loaded.
        """
        slots = self.slots()
        problems = [f"{name} is missing" for name in ("lr", "steps", *slots) if name not in state]
        problems += [f"{name} is unexpected" for name in state if name not in ("lr", "steps", *slots)]
        given = {name: [backend.to_numpy(a) for a in state[name]] for name in slots if name in state}
        for name, arrays in given.items():
            if len(arrays) != len(slots[name]):
                problems.append(f"{name} needs {len(slots[name])} arrays, one per parameter, got {len(arrays)}")
            problems += [
                f"{name}[{i}] needs {describe(own)}, got {describe(array)}"
                for i, (own, array) in enumerate(zip(slots[name], arrays, strict=False))
                if own.shape != array.shape or own.dtype != array.dtype
            ]
        if problems:
            kind = type(self).__name__
            raise ValueError(
                "\n  ".join([f"the state does not fit this {kind}; nothing was loaded", *problems])
            )
        self.lr, self.steps = state["lr"], state["steps"]
        for name, arrays in given.items():
            for own, array in zip(slots[name], arrays, strict=True):
                backend.overwrite(own, array)


def warn_if_mixed(owner: str, parameters: list[Tensor]) -> None:
    """Warn if some parameters are float64 and some are not: all that is computed from both is float64."""
    widths = {p.dtype for p in parameters}
    if np.dtype(np.float64) in widths and len(widths) > 1:
        wide = next(p for p in parameters if p.dtype == np.float64)
        other = next(p for p in parameters if p.dtype != np.float64)
        warnings.warn(
            f"{owner} received parameters of {other.dtype} and of float64, as {describe(wide)}, so that "
            f"results are float64 and take twice the time: nn.Parameter(array) keeps the dtype of the array; "
            f"pass dtype=np.{other.dtype}, or use model.to(dtype=...)",
            stacklevel=4,
        )
