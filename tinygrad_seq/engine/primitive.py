"""Primitives: a forward function on plain arrays and a derivative rule for every argument.

    @primitive("(),()->()")
    def multiply(x, y, /):
        "z = x y"
        return x * y

    multiply.partials(lambda y: y,  # dz/dx
                      lambda x: x)  # dz/dy

What stands before the `/` is an array (`*name`: any number of them), what stands after it is metadata. A
rule names what it reads: the op's own arguments and metadata, `z` its output, `g` the vector that comes in
(a cotangent in `.vjp`, a tangent in `.jvp`), `s` the shape of the rule's argument. A record keeps the
arrays that its rules name, and nothing else.

The signature is NumPy's gufunc notation. It says how arguments broadcast: a cotangent may be summed over
loop axes and over nothing else. An op whose meaning is no gufunc declares example calls instead. An op
with neither cannot be tested, and is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from tinygrad_seq.engine import recording
from tinygrad_seq.engine.errors import refuse
from tinygrad_seq.engine.rules import compiled_pull
from tinygrad_seq.engine.signature import Example, Signature

if TYPE_CHECKING:
    from tinygrad_seq.tensor.tensor import Tensor


P = ParamSpec("P")
R = TypeVar("R")
Domain = tuple[float, float] | Callable  # an open interval, or what makes any drawn array lawful

PRIMITIVES: dict[str, Primitive] = {}  # by name
FUNCTIONS: dict[str, Callable] = {}  # by NumPy's name: what a Tensor answers when NumPy is called with it


class Rule(NamedTuple):
    """A derivative rule: a function, the names that it reads, and what becomes of its value (`form`)."""

    function: Callable
    names: tuple[str, ...]
    form: str = "{}"

    def call(self, function: str, places: dict[str, str]) -> str:
        """The source of a call of the rule under the name `function`; `places` says where each name stands."""
        return self.form.format(f"{function}({', '.join(places[name] for name in self.names)})")

    def compiled(self, places: dict[str, str]) -> Callable:
        """The rule as a function of (g, values, meta, s)."""
        from tinygrad_seq.ops.elementwise import safe_product

        scope = {"rule": self.function, "safe_product": safe_product}
        return eval(f"lambda g, values, meta, s: {self.call('rule', places)}", scope)


class Op(Protocol):
    """What `@primitive` returns: a function, and the declarations of its Primitive."""

    primitive: Primitive
    vjp: Callable[..., None]
    joint_vjp: Callable[..., None]
    jvp: Callable[..., None]
    joint_jvp: Callable[..., None]
    partials: Callable[..., None]
    linear: Callable[..., None]
    bilinear: Callable[[], None]
    rides: Callable[..., None]
    at_once: Callable[..., None]
    __name__: str

    def __call__(self, *arrays: object, **metadata: object) -> Tensor: ...


def primitive(
    signature: str | None = None,
    *,
    examples: Iterable[Example] = (),
    domain: dict[str, Domain] | None = None,
    many: bool = False,
) -> Callable[[Callable], Op]:
    """Make the decorated forward function a primitive and register it under its name.

    signature  NumPy's gufunc notation, or
    examples   example calls, where the op is no gufunc
    domain     for arguments that are not defined everywhere, the open interval where they are, or a function
               that makes a lawful array of any other
    many       the forward function returns a tuple of arrays

    Raises TypeError where the declaration could not be tested or understood.

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
        if op.name in PRIMITIVES:
            raise TypeError(f"there is a primitive {op.name} already")
        PRIMITIVES[op.name] = op
        FUNCTIONS.setdefault(op.name, op.function)
        return cast(Op, op.function)

    return register


class Primitive:
    """A name, a forward function on plain arrays, derivative rules, and a signature or examples."""

    def __init__(
        self,
        forward: Callable,
        signature: str | None = None,
        *,
        examples: Iterable[Example] = (),
        domain: dict[str, Domain] | None = None,
        many: bool = False,
    ) -> None:
        self.name = forward.__name__.lstrip("_")  # _matmul is the primitive behind the public matmul
        self.forward = forward
        self.signature = None if signature is None else Signature.parse(signature)
        self.examples = tuple(examples)
        self.domain = domain or {}
        self.many = many
        parameters = inspect.signature(forward).parameters.values()
        self.arguments = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.metadata = tuple(p for p in parameters if p.name not in (*self.arguments, self.variadic))
        self._refuse_what_could_not_be_tested()

        self.rules: tuple[Rule | None, ...] = ()  # the VJP of every argument,
        self.joint_rule: Rule | None = None  # or of all of them together
        self.takes_none = False  # whether that deals itself with outputs that no cotangent arrives at
        self.pushes: tuple[Rule | None, ...] = ()  # the JVP of every argument,
        self.joint_push_rule: Rule | None = None  # or of all of them together,
        self.kind = "rules"  # unless it follows from the op being linear or bilinear
        self.riding: dict[str, Rule] = {}
        self.stacking: Callable | None = None  # the op on stacks, where that has a better form,
        self.summing: Callable | None = None  # and its sum over a stack of calls
        self.function = recording.stub(self)
        declarations = [
            "vjp",
            "joint_vjp",
            "jvp",
            "joint_jvp",
            "partials",
            "linear",
            "bilinear",
            "rides",
            "at_once",
        ]
        self.function.__dict__.update({name: getattr(self, name) for name in declarations}, primitive=self)

    def _refuse_what_could_not_be_tested(self) -> None:
        if not (self.arguments or self.variadic):
            raise TypeError(f"primitive {self.name} has no array argument: write a / behind its arrays")
        if self.signature is None and not self.examples:
            raise TypeError(
                f"primitive {self.name} has neither a signature nor examples, so that no law could be "
                f"checked: write @primitive('(),()->()') or @primitive(examples=[example('(a,b)', axis=0)])"
            )
        if self.signature and len(self.signature.inputs) != len(self.arguments):
            raise TypeError(
                f"primitive {self.name} takes the arrays {', '.join(self.arguments)}, but its signature "
                f"{self.signature.text} has {len(self.signature.inputs)} inputs"
            )
        if clash := {"g", "s", "z", "needed"} & {
            *self.arguments,
            self.variadic,
            *(p.name for p in self.metadata),
        }:
            raise TypeError(
                f"primitive {self.name} has an argument named {', '.join(sorted(clash))}: in rules, z is the "
                f"output, g the vector that comes in, s a shape, needed what is asked for; name it otherwise"
            )

    # --- declarations ---------------------------------------------------------------------------------

    def vjp(self, *rules: Callable | None) -> None:
        """A rule per argument: the cotangent of the argument, from `g`, that of the output."""
        self.rules = self._each(rules)

    def joint_vjp(self, rule: Callable, *, zeros: bool = True) -> None:
        """One rule for all arguments: a cotangent for each, or None; `s` holds all their shapes, and `needed`
        whether the cotangent of each is asked for.

        zeros  the cotangent of an output that nothing depends on is zeros; else it is None
        """
        self.joint_rule, self.takes_none = self._rule(rule, "needed"), not zeros

    def jvp(self, *rules: Callable | None) -> None:
        """A rule per argument: what its tangent `g` contributes to the tangent of the output."""
        self.pushes = self._each(rules)

    def joint_jvp(self, rule: Callable) -> None:
        """One rule for all arguments: the tangent of each output, from `g`, the arguments' tangents or None."""
        self.joint_push_rule = self._rule(rule)

    def partials(self, *rules: Callable | None, singular: bool = False) -> None:
        """The partial derivatives of a pointwise op; VJP and JVP both follow.

        A `singular` partial can be infinite or undefined: zero times it shall be zero nevertheless.
        """
        form = "safe_product(g, {})" if singular else "g * {}"
        self.rules = self.pushes = tuple(rule and rule._replace(form=form) for rule in self._each(rules))

    def linear(self, *rules: Callable | None) -> None:
        """The VJP of an op that is linear in all arguments that have a rule: its JVP is the op itself.

        With more than one such argument the op has to be pointwise or to have a joint rule.
        """
        self.rules, self.kind = self._each(rules) if rules else (), "linear"

    def bilinear(self) -> None:
        """The op is linear in each of its two arguments: its JVP is the product rule."""
        self.kind = "bilinear"

    def rides(self, **rules: Callable) -> None:
        """How each metadata changes when arguments gain a leading axis, for an op without a signature.

        A rule may read the metadata, `s` the shapes of the arguments without that axis, `n` its length,
        and `stacked`, a truth value for each argument (an op whose rules do not read it has constants
        repeated along the axis first). It returns NotImplemented where the op does not ride.
        """
        self.riding = {name: Rule(rule, _names(rule)) for name, rule in rules.items()}

    def at_once(self, *, stacking: Callable, summing: Callable) -> None:
        """Better forms for many steps at once: the op on stacks, and its sum over stacks of all arguments."""
        self.stacking, self.summing = stacking, summing

    def _each(self, rules: Sequence[Callable | None]) -> tuple[Rule | None, ...]:
        if len(rules) != len(self.arguments):
            raise TypeError(
                f"{self.name} has the arguments {', '.join(self.arguments)} and takes a rule for each (None "
                f"for no gradient), not {len(rules)}"
            )
        return tuple(rule and self._rule(rule) for rule in rules)

    def _rule(self, rule: Callable, *more: str) -> Rule:
        known = ["g", "s", "z", *self.arguments, *([self.variadic] if self.variadic else [])]
        known += [*(p.name for p in self.metadata), *more]
        if unknown := [name for name in _names(rule) if name not in known]:
            raise TypeError(f"a rule of {self.name} reads {', '.join(unknown)}; it may read {', '.join(known)}")
        return Rule(rule, _names(rule))

    def finish(self) -> None:
        """Work out what records keep, and compile the rules and the call; done at the first call."""
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
        order = [*self.arguments, self.variadic, "z", *(["s"] if self.joint_rule else [])]
        self.reads = tuple(name for name in order if name in readers)

        places = {"g": "g", "s": "s"}
        places.update({name: f"values[{i}]" for i, name in enumerate(self.reads)})
        places.update({p.name: f"meta[{i}]" for i, p in enumerate(self.metadata)})
        self.pushing = [rule.compiled(places) if rule else _nothing for rule in self.pushes]
        self.joint_push = self.joint_push_rule and self.joint_push_rule.compiled(places)
        self.pull = compiled_pull(self, places)
        recording.specialise(self)

    # --- what scan and the laws ask -------------------------------------------------------------------

    def differentiable(self, count: int) -> list[bool]:
        """For each of `count` arguments whether a derivative passes through the op to it."""
        if self.joint_rule:
            return [True] * count
        rules = [rule is not None for rule in self.rules]
        return rules + [False] * (count - len(rules))

    def lift(
        self, shapes: Sequence[tuple[int, ...]], stacked: Sequence[bool], n: int, meta: dict[str, object]
    ) -> tuple[dict[str, object], bool] | None:
        """The metadata of one call on stacked arguments in the place of `n` calls.

        Returns them with whether constants have to be repeated along the new axis first, or None if the
        op does not ride.
        """
        if not self.riding:
            return (meta, False) if self.signature else None
        known = {**meta, "s": shapes, "stacked": stacked, "n": n}
        lifted = {name: rule.function(*(known[k] for k in rule.names)) for name, rule in self.riding.items()}
        if any(value is NotImplemented for value in lifted.values()):
            return None
        repeat = not self.signature and not any("stacked" in rule.names for rule in self.riding.values())
        return {**meta, **lifted}, repeat


def _nothing(*read):
    """The rule of an argument without one, which no walk calls."""


def _names(rule: Callable) -> tuple[str, ...]:
    return tuple(inspect.signature(rule).parameters)


def numpy_function(function: Callable[P, R]) -> Callable[P, R]:
    """Register a composition: what a Tensor answers when NumPy's function of that name is called.

    Like a primitive, it answers a keyword that it does not take with the one that it does.

    >>> import numpy as np, tinygrad_seq as ts
    >>> @ts.numpy_function
    ... def diff(x):
    ...     "Differences of neighbours."
    ...     return x[1:] - x[:-1]
    >>> np.diff(ts.tensor([1.0, 3.0, 6.0]))
    tensor([2., 3.], float32, cpu)
    """
    parameters = inspect.signature(function).parameters.values()
    takes = [p.name for p in parameters if p.default is not p.empty or p.name == "axis"]
    known = {p.name for p in parameters}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs and (unknown := [name for name in kwargs if name not in known]):
            refuse(function.__name__, takes, unknown)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            error.add_note(f"in {function.__name__}")
            raise

    FUNCTIONS[function.__name__] = call
    return call
