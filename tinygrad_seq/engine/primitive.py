"""Primitives: declarations that can be called, and the tables by which they are found.

`@primitive` makes a forward function a primitive and registers it. The call itself is compiled at the first
call, when all rules are declared: `recording.py` writes the forward call, `rules.py` the derivative.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial, wraps
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, cast, overload

import numpy as np

from tinygrad_seq.engine import recording
from tinygrad_seq.engine.declaration import Declaration, Domain
from tinygrad_seq.engine.errors import refuse
from tinygrad_seq.engine.record import Handle
from tinygrad_seq.engine.rules import compiled_pull
from tinygrad_seq.engine.signature import Example

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")
Module = Literal["", "linalg", "fft", "special"]  # numpy itself, numpy.linalg, numpy.fft, scipy.special

PRIMITIVES: dict[str, Primitive] = {}  # by name
FUNCTIONS: dict[str, Callable] = {}  # by NumPy's name ("tanh", "linalg.inv"): what Tensors answer to it


class Declared(Protocol):
    """A function with the declarations of its Primitive as attributes."""

    primitive: Primitive
    vjp: Callable[..., None]
    joint_vjp: Callable[..., None]
    jvp: Callable[..., None]
    joint_jvp: Callable[..., None]
    partials: Callable[..., None]
    linear: Callable[..., None]
    bilinear: Callable[[], None]
    no_derivative: Callable[[], None]
    rides: Callable[..., None]
    at_once: Callable[..., None]
    c: Callable[..., None]
    __name__: str


class Op(Declared, Protocol):
    """What `@primitive` returns: a function, with the declarations of its Primitive as attributes.

    If an argument is a Tensor it returns a Tensor, otherwise an array; as an attribute of a class it is a
    method.
    """

    @overload
    def __call__(self, x: Handle[T], /, *arrays: object, **metadata: object) -> T: ...
    @overload
    def __call__(self, x: object, y: Handle[T], /, *arrays: object, **metadata: object) -> T: ...
    @overload
    def __call__(self, x: object, y: object, z: Handle[T], /, *arrays: object, **metadata: object) -> T: ...
    @overload
    def __call__(self, *arrays: object, **metadata: object) -> np.ndarray: ...
    def __get__(self, x: Handle[T], kind: type | None = None, /) -> Callable[..., T]: ...


class ManyOp(Declared, Protocol):
    """What `@primitive(many=True)` returns: an op that returns a tuple of Tensors, or of arrays."""

    @overload
    def __call__(self, x: Handle[T], /, *arrays: object, **metadata: object) -> tuple[T, ...]: ...
    @overload
    def __call__(self, *arrays: object, **metadata: object) -> tuple[np.ndarray, ...]: ...
    def __get__(self, x: Handle[T], kind: type | None = None, /) -> Callable[..., tuple[T, ...]]: ...


class Composition(Protocol[P, R_co]):
    """What `@numpy_function` returns: a function that, like an op, returns a Tensor if an argument is one.

    The first argument may also be a sequence of Tensors. P are the other arguments, R_co is what the function
    returns if there is no Tensor. As an attribute of a class it is a method.
    """

    __name__: str

    @overload
    def __call__(self, x: Handle[T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def __call__(
        self, xs: Sequence[Handle[T]] | Iterator[Handle[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    def __call__(self, x: object, y: Handle[T], /, *arrays: object, **metadata: object) -> T: ...
    @overload
    def __call__(self, x: object, y: object, z: Handle[T], /, *arrays: object, **metadata: object) -> T: ...
    @overload
    def __call__(self, x: object, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def __get__(self, x: Handle[T], kind: type | None = None, /) -> Callable[P, T]: ...


@overload
def primitive(
    signature: str | None = None,
    *,
    examples: Iterable[Example] = (),
    domain: dict[str, Domain] | None = None,
    many: Literal[False] = False,
    module: Module = "",
) -> Callable[[Callable], Op]: ...
@overload
def primitive(
    signature: str | None = None,
    *,
    examples: Iterable[Example] = (),
    domain: dict[str, Domain] | None = None,
    many: Literal[True],
    module: Module = "",
) -> Callable[[Callable], ManyOp]: ...
def primitive(
    signature: str | None = None,
    *,
    examples: Iterable[Example] = (),
    domain: dict[str, Domain] | None = None,
    many: bool = False,
    module: Module = "",
) -> Callable[[Callable], Op] | Callable[[Callable], ManyOp]:
    """Make the decorated forward function a primitive and register it under its name.

    signature  NumPy's gufunc notation, or
    examples   example calls, if the op is not a gufunc
    domain     for arguments that are not defined everywhere, the open interval where they are, or a function
               that makes a valid array of any other
    many       the forward function returns a tuple of arrays
    module     where NumPy has the function of this name: in numpy itself, in numpy.linalg or numpy.fft, or in
               scipy.special; a primitive whose name begins with _ stands for none

    Raises TypeError if the declaration cannot be understood or could not be tested, and if another function
    has registered the name. If the same definition runs again, as a notebook cell does, the new primitive
    replaces the old one, with a warning.

    >>> import tinygrad_seq as ts
    >>> @ts.primitive("()->()")
    ... def cube(x, /):
    ...     "z = x^3"
    ...     return x * x * x
    >>> cube.partials(lambda x: 3 * x * x)
    >>> x = ts.tensor(2.0, requires_grad=True)
    >>> float(ts.grad(cube(x), x))
    12.0
    """

    def register(forward: Callable) -> Op:
        op = Primitive(forward, signature, examples=examples, domain=domain, many=many)
        if (old := PRIMITIVES.get(op.name)) is not None:
            _replace(old, op, dotted(module, op.name))
        PRIMITIVES[op.name] = op
        if not forward.__name__.startswith("_"):
            FUNCTIONS.setdefault(dotted(module, op.name), op.function)
        return cast(Op, op.function)

    return register


def dotted(module: str, name: str) -> str:
    """The key of a function in FUNCTIONS."""
    return f"{module}.{name}" if module else name


def _replace(old: Primitive, new: Primitive, key: str) -> None:
    """Make room for `new` if it is the definition of `old`, run again; otherwise TypeError."""
    places = [(op.forward.__module__, op.forward.__qualname__) for op in (old, new)]
    if places[0] != places[1]:
        raise TypeError(
            f"the primitive {new.name} of {places[1][0]} is already registered by {places[0][0]}: choose "
            f"another name"
        )
    if FUNCTIONS.get(key) is old.function:
        del FUNCTIONS[key]
    warnings.warn(
        f"the primitive {new.name} is defined again and replaced; results of the old one keep the old rules",
        stacklevel=3,
    )


class Primitive(Declaration):
    """A declaration that can be called: `op.function` is the call, with the declarations as attributes."""

    def __init__(
        self,
        forward: Callable,
        signature: str | None = None,
        *,
        examples: Iterable[Example] = (),
        domain: dict[str, Domain] | None = None,
        many: bool = False,
    ) -> None:
        super().__init__(forward, signature, examples=examples, domain=domain, many=many)
        self.function = recording.stub(self, self.finish)
        self._stub = self.function.__code__
        declarations = [
            "vjp",
            "joint_vjp",
            "jvp",
            "joint_jvp",
            "partials",
            "linear",
            "bilinear",
            "no_derivative",
            "rides",
            "at_once",
            "c",
        ]
        self.function.__dict__.update({name: getattr(self, name) for name in declarations}, primitive=self)

    def _begin(self) -> None:
        super()._begin()
        if self.compiled:  # the next call compiles what is declared now
            self.function.__defaults__ = self.function.__kwdefaults__ = None
            self.function.__code__, self.compiled = self._stub, False

    def finish(self) -> None:
        """Work out what records keep, and compile the rules and the call; done at the first call."""
        self.compiled = True
        every = set(self.arguments)
        readers: dict[str, set[str]] = {}
        for rules in (self.rules, self.pushes):
            for argument, rule in zip(self.arguments, rules, strict=False):
                for name in rule.names if rule else ():
                    readers.setdefault(name, set()).add(argument)
        for rule in filter(None, (self.joint_rule, self.joint_push_rule)):
            readers.update(dict.fromkeys(rule.names, every))
        if self.kind == "bilinear":
            x, y = self.arguments
            readers.setdefault(x, set()).add(y)
            readers.setdefault(y, set()).add(x)
        if self.kind == "linear":  # the JVP calls the op again, with the same indices and masks
            fixed = [name for name, rule in zip(self.arguments, self.rules, strict=False) if rule is None]
            if self.variadic:
                fixed.append("s" if self.joint_rule else self.variadic)  # zeros for constants need shapes
            readers.update(dict.fromkeys(fixed, every))
        self.readers = readers
        order = [*self.arguments, self.variadic, "z", "kept", *(["s"] if self.joint_rule else [])]
        self.reads = tuple(name for name in order if name in readers)

        places = {"g": "g", "s": "s"}
        places.update({name: f"values[{i}]" for i, name in enumerate(self.reads)})
        places.update({p.name: f"meta[{i}]" for i, p in enumerate(self.metadata)})
        scope = {"safe_product": safe_product}
        self.pushing = [rule.compiled(places, scope) if rule else _nothing for rule in self.pushes]
        self.joint_push = self.joint_push_rule and self.joint_push_rule.compiled(places, scope)
        self.pull = compiled_pull(self, places, scope)
        recording.specialise(self)


def _nothing(*read):
    """The rule of an argument without one; it is never called."""


@primitive("(),()->()")
def safe_product(a, p, /):
    """z = a p, and 0 where a = 0, whatever p is: the product with a `singular` partial derivative

    A primitive, and not where(a == 0, 0, a * p): that loses the derivative in a where a = 0.

    >>> ts.safe_product(ts.tensor([0.0, 2.0]), ts.tensor([float("inf"), 3.0])).numpy()
    array([0., 6.], dtype=float32)
    """
    return a * np.where(np.equal(a, 0), 1, p)  # a == 0 of a number would be a Python bool, which CuPy rejects


safe_product.vjp(lambda g, p: safe_product(g, p), lambda g, a: safe_product(g, a))
safe_product.bilinear()
safe_product.c("safe_product_(a, p)")


@overload
def numpy_function(function: Callable[Concatenate[Any, P], R], /) -> Composition[P, R]: ...
@overload
def numpy_function(*, module: Module) -> Callable[[Callable[Concatenate[Any, P], R]], Composition[P, R]]: ...
def numpy_function(function: Callable | None = None, /, *, module: Module = "") -> Any:
    """Register a composition of ops: a Tensor answers NumPy's function of the same name with it.

    module  where that function is: in numpy itself, in numpy.linalg or numpy.fft, or in scipy.special

    Like a primitive, it answers an unknown keyword with an error that names the right one.

    >>> import numpy as np, tinygrad_seq as ts
    >>> @ts.numpy_function
    ... def heaviside(x, at_zero):
    ...     "The step function."
    ...     return np.where(x == 0, at_zero, x > 0)
    >>> np.heaviside(ts.tensor([-1.0, 0.0, 6.0]), 0.5)
    tensor([0. , 0.5, 1. ], float64, cpu)
    """
    if function is None:
        return partial(_register, module=module)
    return _register(function, module)


def _register(function: Callable, module: str) -> Callable:
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):  # it refuses unknown keywords itself, which is faster
        FUNCTIONS[dotted(module, function.__name__)] = function
        return function
    takes = [p.name for p in parameters if p.default is not p.empty or p.name == "axis"]
    known = {p.name for p in parameters}

    @wraps(function)
    def call(*args, **kwargs):
        if kwargs and (unknown := [name for name in kwargs if name not in known]):
            refuse(function.__name__, takes, unknown)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            error.add_note(f"in {function.__name__}")
            raise

    FUNCTIONS[dotted(module, function.__name__)] = call
    return call
