"""Groups of parameters, each of which may have a learning rate and a weight decay of its own.

A group states a setting or leaves it to the optimizer: no weight decay for biases, a lower rate for layers that
were trained before.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.optim.parameters import each_once, listed
from tinygrad_seq.tensor.tensor import Tensor


class Group:
    """Some parameters of an optimizer, with `lr` and `weight_decay`, which may be set between steps.

    A setting that the group does not state is the optimizer's, now and later; set to None, it is so again.
    """

    def __init__(
        self, owner: str, parameters: Iterable[Tensor], stated: dict[str, float], shared: dict[str, float]
    ) -> None:
        self.owner, self.parameters = owner, tuple(parameters)
        self.settings = ChainMap(stated, shared)

    @property
    def stated(self) -> Mapping[str, float]:
        """The settings that the group has by itself."""
        return self.settings.maps[0]

    @property
    def lr(self) -> float:
        """The learning rate of these parameters."""
        return self._get("lr")

    @lr.setter
    def lr(self, value: float | None) -> None:
        self._set("lr", value)

    @property
    def weight_decay(self) -> float:
        """The weight decay of these parameters."""
        return self._get("weight_decay")

    @weight_decay.setter
    def weight_decay(self, value: float | None) -> None:
        self._set("weight_decay", value)

    def restate(self, given: Mapping[str, Any]) -> None:
        """State these settings and no others."""
        read = numbers(self.owner, given, self.settings.maps[1])
        self.settings.maps[0].clear()
        self.settings.update(read)

    def _get(self, name: str) -> float:
        if name not in self.settings:
            raise AttributeError(f"{self.owner} has no {name}, nor have its groups")
        return self.settings[name]

    def _set(self, name: str, value: float | None) -> None:
        self.restate({**self.stated, name: value})

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={self.settings[name]:g}" for name in self.settings.maps[1])
        return f"Group of {len(self.parameters)} parameters: {settings}"


def groups_of(
    owner: str, given: Iterable[Any], names: tuple[str, ...], shared: dict[str, float]
) -> tuple[Group, ...]:
    """What an optimizer was given as groups; parameters are one group, which states nothing.

    `names` are the settings that a group may state, and `shared` has those of the optimizer. TypeError for a
    dict without params and for any other name; ValueError for a parameter in two groups.
    """
    items = listed(owner, given)
    if not any(isinstance(item, Mapping) for item in items):
        items = [{"params": items}]
    groups: list[Group] = []
    place: dict[int, str] = {}
    for k, item in enumerate(items):
        if not isinstance(item, Mapping) or "params" not in item:
            raise TypeError(
                f'{owner} needs groups {{"params": [...], "lr": ...}}, got {describe(item)} as group {k}'
            )
        parameters = each_once(owner, item["params"])
        for i, p in enumerate(parameters):
            here = f"params[{i}] of group {k}"
            if (first := place.setdefault(id(p), here)) != here:
                raise ValueError(
                    f"{owner} needs every parameter in one group, got {describe(p)} as {first} and as {here}"
                )
        stated = numbers(owner, without(item, "params"), names)
        groups.append(Group(owner, parameters, stated, shared))
    return tuple(groups)


def group_misfits(owner: str, given: object, groups: Sequence[Group], names: tuple[str, ...]) -> list[str]:
    """What does not fit in `given`, saved settings of groups, in words."""
    if not isinstance(given, (list, tuple)) or not all(isinstance(one, Mapping) for one in given):
        return [f"groups needs a list of dicts, got {describe(given)}"]
    sizes, found = [len(group.parameters) for group in groups], [one.get("size") for one in given]
    if found != sizes:
        return [f"groups needs groups of {sizes} parameters, got {found}"]
    problems = []
    for one in given:
        try:
            numbers(owner, without(one, "size"), names)
        except (TypeError, ValueError) as error:
            problems.append(str(error))
    return problems


def without(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options without the one of this name."""
    return {other: value for other, value in options.items() if other != name}


def numbers(owner: str, options: Mapping[str, Any], known: Collection[str]) -> dict[str, float]:
    """The settings that `options` states, in [0, inf); TypeError for a name that is not `known`."""
    if unknown := [name for name in options if name not in known]:
        raise TypeError(
            f"a group of {owner} may state {' and '.join(known)}, got {unknown[0]!r}: other settings are for "
            "all parameters of an optimizer; make two optimizers"
        )
    return {
        name: number(owner, name, value, "[0, inf)") for name, value in options.items() if value is not None
    }


def by_name(
    named: Iterable[tuple[str, Tensor]], options: Callable[[str], Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Groups for an optimizer from a function of the name: parameters with equal options are one group.

    `named` is `model.named_parameters()`, and `options(name)` a dict with any of lr and weight_decay. Groups
    are in the order of their first parameters. TypeError or ValueError for anything else, with the name.

    >>> import numpy as np
    >>> from tinygrad_seq import nn, optim
    >>> model = nn.Linear(3, 2, rng=0)
    >>> groups = optim.by_name(
    ...     model.named_parameters(), lambda name: {"weight_decay": 0.0} if name == "bias" else {}
    ... )
    >>> optim.SGD(groups, lr=0.1, weight_decay=0.01).groups
    (Group of 1 parameters: lr=0.1, weight_decay=0.01, Group of 1 parameters: lr=0.1, weight_decay=0)
    """
    if hasattr(named, "named_parameters"):
        raise TypeError(
            "by_name needs the parameters of a model with their names, got the model; write "
            "by_name(model.named_parameters(), ...)"
        )
    if not callable(options):
        raise TypeError(f"by_name needs a function from a name to a dict, got {describe(options)}")
    groups: list[tuple[dict[str, float], list[Tensor]]] = []
    for pair in named:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise TypeError(f"by_name needs pairs (name, parameter), got {describe(pair)}")
        name, p = pair
        given = options(name)
        if not isinstance(given, Mapping):
            raise TypeError(f"by_name needs a dict from the function, got {describe(given)} for {name!r}")
        stated = numbers(f"by_name for {name!r}", given, ("lr", "weight_decay"))
        parameters = next((group for other, group in groups if other == stated), None)
        if parameters is None:
            groups.append((stated, parameters := []))
        parameters.append(p)
    return [{"params": parameters, **stated} for stated, parameters in groups]
