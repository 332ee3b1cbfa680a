"""Module: a tree of parameters, found by walking its attributes.

A model is plain Python: its `__init__` sets attributes, its `__call__` computes. Every tensor on an attribute
belongs to the model, directly or inside lists, tuples, dicts and other modules. A `Parameter` is trained; any
other tensor is a constant, which is saved and moved with the model. The name of a tensor is its path, such as
`layers.0.weight`; a tensor with two paths counts once, under the first.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import answering, describe
from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.record import Buffer
from tinygrad_seq.nn.habits import MODULES
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.habits import say
from tinygrad_seq.tensor.tensor import Tensor

Input = Tensor | np.ndarray  # what layers, runners and losses are called with


class Parameter(Tensor):
    """A leaf tensor that requires a gradient and that a Module trains. It holds a copy of `data`.

    As in `ts.tensor`, an array keeps its dtype: np.zeros(2) is float64, and so is all that is computed from it.
    Raises TypeError if `data` is not a float array.

    >>> import numpy as np
    >>> Parameter(np.zeros(2)).requires_grad
    True
    """

    __slots__ = ()

    @answering
    def __init__(
        self, data: ArrayLike | Tensor, *, dtype: DTypeLike | None = None, device: str = "cpu"
    ) -> None:
        values = tensor(data, dtype=dtype, device=device)
        if values.dtype.kind != "f":
            raise TypeError(f"Parameter needs floats, got {describe(values)}; pass a float dtype")
        super().__init__(values._array, None, Buffer())
        self.requires_grad = True


class Module:
    """The base class of every model and layer.

    >>> import tinygrad_seq as ts
    >>> from tinygrad_seq import nn
    >>> class Perceptron(nn.Module):
    ...     def __init__(self):
    ...         self.layers = [nn.Linear(3, 4, rng=0), nn.Linear(4, 2, rng=1)]
    ...
    ...     def __call__(self, x):
    ...         first, second = self.layers
    ...         return second(ts.tanh(first(x)))
    >>> Perceptron()
    Perceptron: 26 parameters
      layers.0: Linear: 16 parameters
        weight: float32[3,4]
        bias: float32[4]
      layers.1: Linear: 10 parameters
        weight: float32[4,2]
        bias: float32[2]

    A module finds its tensors and modules on its attributes, by name:

    >>> model = Perceptron()
    >>> [name for name, p in model.named_parameters()] == [name for name, t in model.named_tensors()]
    True
    >>> len(model.parameters()), len(list(model.modules()))
    (4, 3)
    >>> model.load_state_dict(Perceptron().state_dict())
    >>> model.eval().training, model.train().training
    (False, True)
    >>> model(ts.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    >>> model.zero_grad()
    >>> any(p.grad is not None for p in model.parameters())
    False
    """

    training: bool = True

    def __init_subclass__(cls, **options: Any) -> None:
        """An unknown keyword of a constructor is an error that says what to write."""
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = answering(cls.__init__)  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes, in a class that inherits from Module."""
        kind = type(self)
        rename = ": rename its method forward to __call__" if "forward" in dir(kind) else ""
        raise NotImplementedError(f"{kind.__name__} does not define __call__{rename}")

    def __setattr__(self, name: str, value: object) -> None:
        refuse_loss(self, name, value)
        super().__setattr__(name, value)

    # --- the tree -------------------------------------------------------------------------------------

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor of the tree with its name, each tensor once, in the order of the attributes."""
        seen: set[int] = set()
        for name, t in self._paths(seen):
            if id(t) not in seen:
                seen.add(id(t))
                yield name, t

    def _paths(self, entered: set[int]) -> Iterator[tuple[str, Tensor]]:
        """Every tensor under every path that leads to it; each module is entered once."""
        entered.add(id(self))
        for name, child in children(self):
            if isinstance(child, Tensor):
                yield name, child
            elif id(child) not in entered:
                yield from ((f"{name}.{rest}", t) for rest, t in child._paths(entered))

    def modules(self) -> Iterator[Module]:
        """This module and every module below it, each once."""
        found = {id(self): self}
        pending: list[Module] = [self]
        while pending:
            module = pending.pop()
            yield module
            below = [child for _, child in children(module) if isinstance(child, Module)]
            pending += [child for child in reversed(below) if id(child) not in found]
            found.update((id(child), child) for child in below)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its name; a shared parameter once."""
        return ((name, p) for name, p in self.named_tensors() if isinstance(p, Parameter))

    def parameters(self) -> list[Parameter]:
        """A list of all parameters, as an optimizer takes it; a shared parameter once.

        >>> from tinygrad_seq import nn
        >>> nn.Linear(3, 2).parameters()[0].device
        'cpu'
        """
        return [parameter for _, parameter in self.named_parameters()]

    # --- state ----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every tensor of the tree, on the host, by name, row by row in memory.

        >>> from tinygrad_seq import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (3, 2), 'bias': (2,)}
        """
        return {name: np.array(t.numpy(), order="C") for name, t in self.named_tensors()}

    @answering
    def load_state_dict(self, state: Mapping[str, ArrayLike | Tensor]) -> None:
        """Overwrite every tensor of the tree, in place, with the array of the same name.

        Raises ValueError if a name is missing or unexpected, or an array has the wrong shape or dtype. The
        error lists all of them, and nothing is loaded. TypeError if `state` is not a dict.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"{type(self).__name__} needs the dict of a state, got {describe(state)}")
        own = dict(self.named_tensors())
        given = {
            name: given.numpy() if isinstance(given, Tensor) else backend.to_numpy(given)
            for name, given in state.items()
        }
        refuse_misfits(own, given, type(self).__name__)
        for name, array in given.items():
            own[name].assign_(array)

    # --- changes to the whole tree --------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training` of every module to `mode`. Dropout, for example, acts only in training mode."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Leave training mode: `train(False)`."""
        return self.train(False)

    @answering
    def zero_grad(self) -> None:
        """Reset the gradient of every parameter to None."""
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.zero_grad()

    @answering
    def to(self, device: str | None = None, *, dtype: DTypeLike | None = None) -> Self:
        """Move every tensor to `device` and cast every float tensor to the float `dtype`, gradients too.

        Tensors keep their identity, but the state of an existing optimizer does not move: call `to` before you
        make the optimizer. Raises ValueError or RuntimeError if the device does not exist, TypeError if the
        dtype is not a float dtype.

        >>> from tinygrad_seq import nn
        >>> model = nn.Linear(3, 2).to("cpu", dtype="float64")
        >>> model.weight.device, model.weight.dtype
        ('cpu', dtype('float64'))
        """
        if dtype is not None and np.dtype(dtype).kind != "f":
            raise TypeError(f"Module.to needs a float dtype, got {np.dtype(dtype)}")
        for _, t in self.named_tensors():
            _convert(t, device or t.device, dtype if t.dtype.kind == "f" and dtype is not None else t.dtype)
        return self

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(say(name, f"a {type(self).__name__}", MODULES), name=name, obj=self)

    # --- printing -------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return "\n".join(self._lines("", {}))

    def _lines(self, path: str, names: dict[int, str]) -> list[str]:
        """The tree, one line for each module and tensor; `names` holds the ids that were printed before."""
        names[id(self)] = path.rstrip(".") or type(self).__name__
        lines = [f"{type(self).__name__}: {sum(p.size for p in self.parameters()):,} parameters"]
        for name, child in children(self):
            if id(child) in names:
                lines.append(f"  {name}: the same as {names[id(child)]}")
            elif isinstance(child, Module):
                first, *rest = child._lines(f"{path}{name}.", names)
                lines += [f"  {name}: {first}", *(f"  {line}" for line in rest)]
            else:
                names[id(child)] = f"{path}{name}"
                constant = "" if isinstance(child, Parameter) else ", constant"
                lines.append(f"  {name}: {describe(child)}{constant}")
        return lines


def natural(owner: Module, name: str, value: object, least: int = 1) -> int:
    """A size or a count that `owner` is made with: an integer, `least` or more."""
    return integer(type(owner).__name__, name, value, f"[{least}, inf)")


def naturals(owner: Module, name: str, values: Iterable[object]) -> tuple[int, ...]:
    """Several sizes or counts, integers of 1 or more."""
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes)):
        raise TypeError(f"{type(owner).__name__} needs several integers as {name}, got {describe(values)}")
    return tuple(natural(owner, name, value) for value in values)


def children(module: Module) -> Iterator[tuple[str, Module | Tensor]]:
    """The modules and tensors on the attributes of `module`, also inside lists, tuples and dicts."""
    for name, value in vars(module).items():
        yield from _within(name, value)


def refuse_loss(module: Module, name: str, value: object) -> None:
    """TypeError for an attribute without a tensor in the place of a parameter, which would be lost in silence.

    A parameter can be replaced by tensors, as in a function of the parameters that is differentiated, by
    modules, or by None; any other tensor by anything but an array.
    """
    before = vars(module).get(name)
    if not isinstance(before, Tensor) or value is None or any(_within(name, value)):
        return
    if isinstance(before, Parameter):
        lost, new = "trained", "nn.Parameter"
    elif backend.is_array(value):
        lost, new = "saved", "ts.tensor"
    else:
        return
    raise TypeError(
        f"{name} of {type(module).__name__} is {describe(before)}, and a {type(value).__name__} in its place "
        f"would not be {lost}: write .{name}.assign_(values) for new values, .{name} = {new}(values) to "
        f"replace it, or .{name} = None to remove it"
    )


def warn_if_wider(module: Module, x: Input) -> None:
    """Warn if x is float64 and the parameters of `module` are narrower.

    All that is computed from x is then float64. Python shows the warning once for every line that causes it.
    """
    if getattr(x, "dtype", None) != np.float64:  # a list has none
        return
    p = next((p for _, p in module.named_tensors() if isinstance(p, Parameter)), None)
    if p is not None and p.dtype != x.dtype:
        warnings.warn(
            f"{type(module).__name__} has {p.dtype} parameters and received {describe(x)}, so that results are "
            f"float64 and take twice the time: pass x.astype(np.{p.dtype}), or use model.to(dtype='float64')",
            stacklevel=3,
        )


def _within(name: str, value: object) -> Iterator[tuple[str, Module | Tensor]]:
    if isinstance(value, (Module, Tensor)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from _within(f"{name}.{i}", part)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _within(f"{name}.{key}", part)


def refuse_misfits(own: Mapping[str, Tensor | np.ndarray], given: Mapping[str, np.ndarray], owner: str) -> None:
    """Raise ValueError if `given` cannot overwrite `own`; list every name with a problem."""
    wrong = [
        f"{name} needs {describe(own[name])}, got {describe(array)}"
        for name, array in given.items()
        if name in own
        and (array.shape != own[name].shape or not np.can_cast(array.dtype, own[name].dtype, "same_kind"))
    ]
    problems = {
        "missing": [name for name in own if name not in given],
        "unexpected": [name for name in given if name not in own],
        "wrong shape or dtype": wrong,
    }
    if any(problems.values()):
        lines = [f"{what}: {'; '.join(names)}" for what, names in problems.items() if names]
        raise ValueError("\n  ".join([f"the state does not fit {owner}; nothing was loaded", *lines]))


def _convert(t: Tensor, device: str, dtype: DTypeLike) -> None:
    """Move the leaf `t` and its gradient, in place, to the device and dtype."""
    if t.dtype == dtype and backend.parse_device(t.device) == backend.parse_device(device):
        return
    grad, requires_grad = t.grad, t.requires_grad
    t.requires_grad = False
    moved = tensor(t, dtype=dtype, device=device)
    t._array, t.buffer = moved._array, moved.buffer
    t.requires_grad = requires_grad
    if grad is not None:
        t.grad = tensor(grad, dtype=dtype, device=device)
