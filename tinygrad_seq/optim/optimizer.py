"""Optimizer: the base class of the methods. It updates parameters in place, and allocates nothing for float32.

An optimizer holds each parameter once, and changes it in `step()`; parameters without a gradient are skipped.
`lr` may be changed between steps, for all parameters or for a group of them, and `steps` counts them. With
`state_dict()` and `load_state_dict()` a resumed run continues exactly.

A step is computed in float32 or wider. For a float16 parameter the optimizer therefore keeps a *master copy* in
float32, updates it, and rounds it to the parameter: in float16 a step of 1e-4 does not change a weight of 1, an
eps of 1e-8 is 0, and the square of 300 is infinite (Micikevicius et al. 2018, Mixed precision training).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import integer, number
from tinygrad_seq.engine.precision import accumulating
from tinygrad_seq.optim.groups import group_misfits, groups_of, numbers, without
from tinygrad_seq.optim.parameters import refuse_moved
from tinygrad_seq.optim.state import alike, array_misfits, array_of, copied, misfits, refuse
from tinygrad_seq.tensor import habits
from tinygrad_seq.tensor.tensor import Tensor

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]  # or groups {"params": [...], "lr": ...}


class Optimizer:
    """The base class of optimizers: the parameters, the learning rate, the step and the saved state.

    `parameters` is a list of tensors, or of groups {"params": [...], "lr": ...}, whose parameters have an lr of
    their own: `groups`. ValueError without parameters, for a parameter in two groups and for a negative `lr`;
    TypeError for a parameter that is not a leaf tensor of floats.

    An optimizer of your own defines `update`, and lists in `slots` the arrays that it keeps between
    steps. `zeros` makes a slot, in the precision in which steps are computed:

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import optim
    >>> class Signs(optim.Optimizer):
    ...     "m <- (m + g) / 2,  p <- p - lr sign m (Bernstein et al. 2018, with momentum 1/2)"
    ...
    ...     def __init__(self, parameters, lr):
    ...         super().__init__(parameters, lr)
    ...         self.m = self.zeros()
    ...
    ...     def slots(self):
    ...         return {"m": self.m}
    ...
    ...     def update(self, i, p, g, scratch):
    ...         np.add(self.m[i], g, out=self.m[i])
    ...         np.multiply(self.m[i], 0.5, out=self.m[i])
    ...         np.subtract(p, self.lr * np.sign(self.m[i]), out=p)
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
    {'lr': 0.5, 'steps': 2, 'm': [array([ 4. , -2.5], dtype=float32)]}
    >>> Signs([p], lr=1.0).load_state_dict(state)

    `update` and `slots` are called by `step` and `state_dict`:

    >>> optimizer.slots()
    {'m': [array([ 4. , -2.5], dtype=float32)]}
    >>> optimizer.update(0, array := np.ones(2, np.float32), np.ones(2), np.empty(2))
    >>> array
    array([0.5, 1.5], dtype=float32)
    """

    SETTINGS: tuple[str, ...] = ("lr",)  # those that a group may state for its parameters

    def __init__(self, parameters: Parameters, lr: float) -> None:
        self._shared: dict[str, float] = {}
        self._settings: Mapping[str, float] = self._shared  # within `update`, those of the parameter's group
        self.groups = groups_of(type(self).__name__, parameters, self.SETTINGS, self._shared)
        self.parameters = [p for group in self.groups for p in group.parameters]
        self.lr, self.steps = lr, 0
        if not self.parameters:
            raise ValueError(f"{type(self).__name__} needs at least one parameter, got none")
        warn_if_mixed(type(self), self.parameters)
        self.dtypes = [p.dtype for p in self.parameters]
        self.scratch = [np.empty_like(p.data, dtype=accumulating(p.dtype)) for p in self.parameters]
        self.masters = {
            i: p.data.astype(accumulating(p.dtype))
            for i, p in enumerate(self.parameters)
            if p.dtype != accumulating(p.dtype)
        }

    @property
    def lr(self) -> float:
        """The learning rate: a number in [0, inf), which may be set between steps.

        It is set for all groups that state none. Within `update` it is the rate of the parameter's group.
        """
        return self._settings["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self._shared["lr"] = number(type(self).__name__, "lr", value, "[0, inf)")

    def zeros(self) -> list[np.ndarray]:
        """Zeros for a slot: for each parameter an array of its shape, in the precision of its step."""
        return [np.zeros_like(p.data, dtype=accumulating(p.dtype)) for p in self.parameters]

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        if self.masters:
            self._refuse_narrow_slots()
        self.steps += 1
        i = 0
        try:
            for group in self.groups:
                self._settings = dict(group.settings)
                for p in group.parameters:
                    if p.grad is not None:
                        self._change(i, p, p.grad._array)
                    i += 1
        finally:
            self._settings = self._shared

    def _change(self, i: int, p: Tensor, g: np.ndarray) -> None:
        """Update the parameter `p`, number `i`, and its master copy if it has one, with its gradient `g`."""
        scratch = self.scratch[i]
        refuse_moved("optimizer", p, self.dtypes[i], scratch)
        array, master = p.mutable(), self.masters.get(i)
        if master is None:
            self.update(i, array, g, scratch)
        else:
            # an element that is not the rounded master was assigned since the last step
            np.copyto(master, array, where=master.astype(array.dtype) != array)
            self.update(i, master, g.astype(master.dtype), scratch)
            array[...] = master

    def update(self, i: int, p: np.ndarray, g: np.ndarray, scratch: np.ndarray) -> None:
        """Change the array `p` in place: parameter number `i`, or its master copy. Its gradient is `g`.

        All three arrays have the same shape and dtype; `scratch` is memory for intermediate results.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define update(i, p, g, scratch)")

    def zero_grad(self, **unknown: object) -> None:
        """Set the gradient of every parameter to None."""
        if unknown:
            raise TypeError(
                f"{type(self).__name__}.zero_grad takes no arguments, got {', '.join(unknown)}: gradients are "
                "always set to None"
            )
        for p in self.parameters:
            if p.requires_grad:
                p.zero_grad()

    def __getattr__(self, name: str) -> NoReturn:
        words = habits.say(name, f"the optimizer {type(self).__name__}", habits.OPTIMIZERS)
        raise AttributeError(words, name=name, obj=self)

    # --- state ----------------------------------------------------------------------------------------

    def slots(self) -> dict[str, list[np.ndarray]]:
        """The arrays that the optimizer keeps between steps: by name, a list with one array per parameter."""
        return {}

    def state_dict(self) -> dict[str, object]:
        """The settings, the step count and a copy of every slot, on the host: a tree for `ts.save`.

        With float16 parameters, `masters` are their copies in float32, in the order of the parameters. With
        groups, `groups` has for each its number of parameters and the settings that it states.
        """
        groups = [{"size": len(group.parameters), **group.stated} for group in self.groups]
        stated = {"groups": groups} if len(groups) > 1 or self.groups[0].stated else {}
        return {**self._shared, "steps": self.steps, **stated, **copied(self._all_slots())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state`, the `state_dict()` of an optimizer of the same class, groups and shapes.

        ValueError lists everything that does not fit, and nothing is loaded.
        """
        kind, slots = type(self).__name__, self._all_slots()
        refuse(kind, self._misfits(state))
        self._shared.update(numbers(kind, {k: state[k] for k in self.SETTINGS if k in state}, self.SETTINGS))
        self.steps = integer(kind, "steps", state["steps"], "[0, inf)")
        for group, given in zip(self.groups, state.get("groups", [{}]), strict=True):
            group.restate(without(given, "size"))
        for name, slot in slots.items():
            for i, given in enumerate(map(array_of, state[name])):
                self._restore(slot, i, backend.to_numpy(given))

    def _misfits(self, state: Mapping[str, Any]) -> list[str]:
        """Everything in `state` that `load_state_dict` cannot load, in words."""
        slots, groups = self._all_slots(), ["groups"] if len(self.groups) > 1 else []
        # a state from before there were groups and weight decay has neither
        problems = misfits(state, ("lr", "steps", *groups, *slots), ("groups", *self.SETTINGS))
        if not isinstance(state, Mapping):
            return problems
        kind = type(self).__name__
        for read, name in *((number, name) for name in self.SETTINGS), (integer, "steps"):
            try:
                read(kind, name, state.get(name, 0), "[0, inf)")
            except (TypeError, ValueError) as error:
                problems.append(str(error))
        if "groups" in state:
            problems += group_misfits(kind, state["groups"], self.groups, self.SETTINGS)
        return problems + array_misfits(state, slots, self._accepts)

    def _accepts(self, name: str, own: np.ndarray, given: np.ndarray) -> bool:
        """Whether `given` can replace the array `own` of the slot `name`."""
        return alike(name, own, given)

    def _restore(self, slot: list[np.ndarray], i: int, given: np.ndarray) -> None:
        """Give the array `slot[i]` the values of `given`, an array on the host that it accepts."""
        backend.overwrite(slot[i], given)

    def _all_slots(self) -> dict[str, list[np.ndarray]]:
        return {**({"masters": list(self.masters.values())} if self.masters else {}), **self.slots()}

    def _refuse_narrow_slots(self) -> None:
        for name, slot in self.slots().items():
            if any(accumulating(array.dtype) != array.dtype for array in slot if array.dtype.kind == "f"):
                raise TypeError(
                    f"{type(self).__name__} keeps float16 arrays in its slot {name}, but a step is computed in "
                    f"float32: make the slot with self.zeros()"
                )


def warn_if_mixed(kind: type, parameters: list[Tensor]) -> None:
    """Warn if some parameters are float64 and some are not: all that is computed from both is float64."""
    owner, inits = kind.__name__, sum("__init__" in vars(base) for base in kind.__mro__[:-1])
    widths = {p.dtype for p in parameters}
    if np.dtype(np.float64) in widths and len(widths) > 1:
        wide = next(p for p in parameters if p.dtype == np.float64)
        other = next(p for p in parameters if p.dtype != np.float64)
        warnings.warn(
            f"{owner} received parameters of {other.dtype} and of float64, as {describe(wide)}, so that "
            f"results are float64 and take twice the time: nn.Parameter(array) keeps the dtype of the array; "
            f"pass dtype=np.{other.dtype}, or use model.to(dtype=...)",
            stacklevel=inits + 2,
        )
