"""Optimizer: what is common to all that is done with a gradient, in place and without allocating per step.

An optimizer holds its parameters, each once, and changes them in `step()`; what has no gradient is
skipped. `lr` may be changed between steps, and `steps` counts them. `state_dict()` and `load_state_dict()`
resume exactly.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.tensor.tensor import Tensor


class Optimizer:
    """What the optimizers share: the parameters, the learning rate, and the order of a step.

    ValueError without parameters; TypeError for what is no leaf tensor of floats. An optimizer of your own
    states its `update`, and in `slots` what it remembers:

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
            raise TypeError("an optimizer takes the parameters of a model: Adam(model.parameters(), lr=...)")
        self.parameters = list({id(p): p for p in parameters}.values())
        self.lr, self.steps = lr, 0
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter")
        for p in self.parameters:
            if not (isinstance(p, Tensor) and p.is_leaf and p.dtype.kind == "f"):
                raise TypeError(f"a parameter is a leaf tensor of floats, not {describe(p)}")
        self.scratch = [np.empty_like(p.data) for p in self.parameters]

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        self.steps += 1
        for i, p in enumerate(self.parameters):
            if (g := p.grad) is not None:
                scratch = self.scratch[i]
                if type(scratch) is not type(p._data):
                    raise ValueError(
                        f"the parameter {describe(p)} is on {p.device}, and what the optimizer remembers of it "
                        f"on {backend.device_of(scratch)}: move a model before its optimizer is made"
                    )
                self.update(i, p.mutable(), g._data, scratch)

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        """Change the array `p` of parameter number `i`, whose gradient is `g`, in place."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            if p.requires_grad:
                p.zero_grad()

    def slots(self) -> dict[str, list[np.ndarray]]:
        """The state beside the parameters: named lists of one array per parameter."""
        return {}

    def state_dict(self) -> dict[str, object]:
        """The learning rate, the steps made and a copy of every slot, on the host: a tree for `ts.save`."""
        copies = {name: [np.array(backend.to_numpy(a)) for a in slot] for name, slot in self.slots().items()}
        return {"lr": self.lr, "steps": self.steps, **copies}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`, that of an optimizer of the same kind over like parameters.

        ValueError lists everything that does not fit; nothing is loaded then.
        """
        slots = self.slots()
        problems = [f"{name} is missing" for name in ("lr", "steps", *slots) if name not in state]
        problems += [f"{name} is unexpected" for name in state if name not in ("lr", "steps", *slots)]
        given = {name: [backend.to_numpy(a) for a in state[name]] for name in slots if name in state}
        for name, arrays in given.items():
            if len(arrays) != len(slots[name]):
                problems.append(f"{name} is of {len(arrays)} parameters, not {len(slots[name])}")
            problems += [
                f"{name}[{i}] is {describe(own)}, given {describe(array)}"
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
