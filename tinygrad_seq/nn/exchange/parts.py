"""The parts of a model, each under its name in another library.

A *part* is a module that the library has too, or a tensor on an attribute of any other module. Its name is the
path of attributes that leads to it, as in both libraries, unless it is given another name, or a module around
it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tinygrad_seq.engine.errors import describe
from tinygrad_seq.nn.layers import Sequential
from tinygrad_seq.nn.module import Module, children
from tinygrad_seq.tensor.tensor import Tensor

Part = Module | Tensor


def parts(
    model: Module, names: Mapping[str, Part], whole: Callable[[Module], bool], separator: str
) -> list[tuple[str, Part]]:
    """The parts of `model` with their names, in the order of the attributes.

    names  name in the library -> module or tensor of the model. The names of what is inside begin with it.
    whole  whether a module is a part. If something inside is named, it is not: the insides are parts.

    A part with several names stands under each of them. Raises TypeError for a name of something else, and
    ValueError for a module or tensor that is not in the model.
    """
    inside = {id(part) for module in model.modules() for part in (module, *_tensors(module))}
    for name, part in names.items():
        if not isinstance(part, Part):
            raise TypeError(f"names: {name} needs a module or tensor of {_kind(model)}, got {describe(part)}")
        if id(part) not in inside:
            raise ValueError(f"names: {name} is a {_kind(part)} that is not in {_kind(model)}")
    found: dict[tuple[str, int], Part] = {}

    def walk(part: Part, path: str, above: tuple[Module, ...]) -> None:
        for own in [name for name, named in names.items() if named is part] or [path]:
            if isinstance(part, Tensor) or (whole(part) and not _names_inside(part, names)):
                found.setdefault((own, id(part)), part)
            elif not any(part is module for module in above):
                for name, child in children(part):
                    # the layers of a Sequential are its children, by number
                    name = name.removeprefix("layers.") if isinstance(part, Sequential) else name
                    walk(child, joined(separator, own, *re.split("[./]", name)), (*above, part))

    walk(model, "", ())
    return [(path, part) for (path, _), part in found.items()]


def joined(separator: str, *names: str) -> str:
    """a.b.c, without the names that are empty."""
    return separator.join(filter(None, names))


def _names_inside(module: Module, names: Mapping[str, Part]) -> bool:
    below = {id(part) for inner in module.modules() for part in (inner, *_tensors(inner))} - {id(module)}
    return any(id(part) in below for part in names.values())


def _tensors(module: Module) -> list[Tensor]:
    """The tensors on the attributes of a module, not of those inside."""
    return [child for _, child in children(module) if isinstance(child, Tensor)]


def _kind(part: Part) -> str:
    return describe(part) if isinstance(part, Tensor) else type(part).__name__
