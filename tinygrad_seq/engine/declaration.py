"""What a primitive declares: its arguments, a signature or examples, and a derivative rule per argument.

    @primitive("(),()->()")
    def multiply(x, y, /):
        "z = x y"
        return x * y

    multiply.partials(lambda y: y,  # dz/dx
                      lambda x: x)  # dz/dy

Parameters before the `/` are arrays (`*name` is any number of them); parameters after it are metadata. A rule
names what it reads: the op's own arguments and metadata, `z` the output, `g` the incoming vector (a cotangent
in `.vjp`, a tangent in `.jvp`), `s` the shape of the rule's argument. A record keeps the arrays that its rules
name, and nothing else. (An op that computes more than its output can keep that for its rules, `.keeps`.)

A pointwise op may state one element in C, for compiled loops: `multiply.c("x * y")`.

An op without a derivative says so: `op.no_derivative()`. To use an op on the tape that declares nothing is an
error, since its gradient would be lost.

The signature is NumPy's gufunc notation. It says how arguments broadcast: a cotangent may be summed over loop
axes and over no others. An op that is not a gufunc declares example calls instead. An op with neither could not
be tested, so registering it is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import NamedTuple

from tinygrad_seq.engine.expression import checked
from tinygrad_seq.engine.signature import Example, Signature

Domain = tuple[float, float] | Callable  # an open interval, or a function that makes any drawn array valid

# names in the source that recording.py generates for a call, which an argument would overwrite
GENERATED = {"raw", "rest", "rest_lines", "rest_buffers", "tensors", "buffer", "out", "record", "error"}

VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS

PLAIN = "g * {}"  # a partial derivative times the incoming vector,
SAFE = "safe_product(g, {})"  # and 0 where that is 0, even if the partial is infinite or NaN


class Rule(NamedTuple):
    """A derivative rule: a function, the names that it reads, and the expression (`form`) around its value."""

    function: Callable
    names: tuple[str, ...]
    form: str = "{}"

    def call(self, function: str, places: dict[str, str]) -> str:
        """Source that calls the rule by the name `function`; `places` holds an expression for each name."""
        return self.form.format(f"{function}({', '.join(places[name] for name in self.names)})")

    def compiled(self, places: dict[str, str], scope: dict) -> Callable:
        """The rule as a function of (g, values, meta, s); `scope` holds what its form refers to."""
        return eval(f"lambda g, values, meta, s: {self.call('rule', places)}", {**scope, "rule": self.function})


class Declaration:
    """A name, a forward function on plain arrays, derivative rules, and a signature or examples."""

    # worked out from the declarations at the first call: what records keep, and the compiled rules
    reads: tuple[str, ...]
    readers: dict[str, set[str]]
    pull: Callable
    pushing: list[Callable]
    joint_push: Callable | None
    function: Callable

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
        self.accepts = inspect.signature(forward)
        parameters = self.accepts.parameters.values()
        self.arguments = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
        self.variadic = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.metadata = tuple(p for p in parameters if p.name not in (*self.arguments, self.variadic))
        self._refuse_what_could_not_be_tested()

        self.rules: tuple[Rule | None, ...] = ()  # the VJP of every argument,
        self.joint_rule: Rule | None = None  # or of all of them together
        self.takes_none = False  # whether the joint rule accepts None as the cotangent of an unused output
        self.pushes: tuple[Rule | None, ...] = ()  # the JVP of every argument,
        self.joint_push_rule: Rule | None = None  # or of all of them together,
        self.kind = "rules"  # unless it follows from the op being linear or bilinear, or there is "none"
        self.mixes = False  # whether a rule computes with one argument, which may be narrower than the result
        self.compiled = False  # whether records may have been made by these rules
        self.riding: dict[str, Rule] = {}
        self.stacking: Callable | None = None  # a better form of the op on stacks of calls,
        self.summing: Callable | None = None  # and of its sum over a stack of calls
        self.keeping: Callable | None = None  # the forward function of a recorded call, if that keeps more
        self.expression: str | None = None  # one element in C,
        self.truth: str | None = None  # and of truth values, if that is another

    def _refuse_what_could_not_be_tested(self) -> None:
        if not (self.arguments or self.variadic):
            raise TypeError(f"primitive {self.name} has no array argument: write a / after its arrays")
        if self.signature is None and not self.examples:
            raise TypeError(
                f"primitive {self.name} has neither a signature nor examples, so no law could be "
                f"checked: write @primitive('(),()->()') or @primitive(examples=[example('(a,b)', axis=0)])"
            )
        if self.signature and len(self.signature.inputs) != len(self.arguments):
            raise TypeError(
                f"primitive {self.name} has the array arguments {', '.join(self.arguments)}, but its signature "
                f"{self.signature.text} has {len(self.signature.inputs)} inputs"
            )
        names = [*self.arguments, *([self.variadic] if self.variadic else []), *(p.name for p in self.metadata)]
        own = {f"{name}{suffix}" for name in self.arguments for suffix in ("_line", "_buffer")}
        if clash := [name for name in names if name in GENERATED | own or name.strip("_") != name]:
            raise TypeError(
                f"primitive {self.name} has an argument named {', '.join(clash)}, a name that the generated "
                f"call uses itself: rename it"
            )
        if clash := [name for name in names if name in {"g", "s", "z", "kept", "needed"}]:
            raise TypeError(
                f"primitive {self.name} has an argument named {', '.join(sorted(clash))}: in rules, z is the "
                f"output, g the incoming vector, s a shape, kept what the op keeps, needed the requested "
                f"cotangents; rename it"
            )

    # --- derivatives ----------------------------------------------------------------------------------

    def vjp(self, *rules: Callable | None) -> None:
        """A rule per argument: the cotangent of the argument, from `g`, the cotangent of the output."""
        self._begin()
        self.rules = self._each(rules)

    def joint_vjp(self, rule: Callable, *, zeros: bool = True) -> None:
        """One rule for all arguments: it returns a cotangent or None for each; `s` holds all their shapes, and
        `needed` whether each cotangent is asked for.

        zeros  the cotangent of an output that nothing depends on is zeros; otherwise it is None
        """
        self._begin()
        self.joint_rule, self.takes_none = self._rule(rule, "needed"), not zeros

    def jvp(self, *rules: Callable | None) -> None:
        """A rule per argument: what its tangent `g` contributes to the tangent of the output."""
        self._begin()
        self.pushes = self._each(rules)

    def joint_jvp(self, rule: Callable) -> None:
        """One rule for all arguments: the tangent of each output, from `g`, the arguments' tangents or None."""
        self._begin()
        self.joint_push_rule = self._rule(rule)

    def partials(self, *rules: Callable | None, singular: bool = False) -> None:
        """The partial derivatives of a pointwise op; VJP and JVP both follow.

        A `singular` partial can be infinite or undefined; its product with zero is then zero.
        """
        self._begin()
        form = SAFE if singular else PLAIN
        self.mixes = singular and len(self.arguments) > 1
        self.rules = self.pushes = tuple(rule and rule._replace(form=form) for rule in self._each(rules))

    def linear(self, *rules: Callable | None) -> None:
        """The VJP of an op that is linear in all arguments that have a rule: its JVP is the op itself.

        With more than one such argument the op must be pointwise or have a joint rule.
        """
        self._begin()
        self.rules, self.kind = self._each(rules) if rules else (), "linear"

    def bilinear(self) -> None:
        """The op is linear in each of its two arguments: its JVP is the product rule."""
        self._begin()
        self.kind = "bilinear"

    def no_derivative(self) -> None:
        """The op has no derivative, or one that is zero: its output is a constant, as that of a comparison."""
        self._begin()
        self.kind = "none"

    def keeps(self, forward: Callable) -> None:
        """The forward function of a recorded call: it returns z, and what rules read as `kept`.

        That can be any object; it belongs to the record. It is None in the step of a scan, whose records hold
        only arguments and outputs. The op must have many outputs, arrays that share no memory with arguments.
        """
        self._begin()
        self.keeping = forward

    @property
    def undeclared(self) -> bool:
        """Whether nothing says what the gradient is: there is no rule for it, nor `no_derivative`."""
        return self.kind != "none" and not self.rules and self.joint_rule is None

    def _begin(self) -> None:
        """Called before each declaration. TypeError if records were made by earlier ones."""
        if self.compiled and not self.undeclared:
            raise TypeError(
                f"{self.name} was called before all of its derivatives were declared, and the tape may hold "
                f"the call: declare them first, right after the definition"
            )

    def differentiable(self, count: int) -> list[bool]:
        """For each of `count` arguments whether it has a derivative, or may have one that is not declared."""
        if self.joint_rule or self.undeclared:
            return [True] * count
        rules = [rule is not None for rule in self.rules]
        return rules + [False] * (count - len(rules))

    def _each(self, rules: Sequence[Callable | None]) -> tuple[Rule | None, ...]:
        if len(rules) != len(self.arguments):
            raise TypeError(
                f"{self.name} has the arguments {', '.join(self.arguments)} and needs a rule for each (None "
                f"for no gradient), got {len(rules)}"
            )
        return tuple(rule and self._rule(rule) for rule in rules)

    def _rule(self, rule: Callable, *more: str) -> Rule:
        known = ["g", "s", "z", *self.arguments, *([self.variadic] if self.variadic else [])]
        known += [*(p.name for p in self.metadata), *(["kept"] if self.keeping else []), *more]
        names = _names(rule)
        if unknown := [name for name in names if name not in known]:
            raise TypeError(f"a rule of {self.name} reads {', '.join(unknown)}; it may read {', '.join(known)}")
        return Rule(rule, names)

    # --- riding: one call on stacks of arguments in place of many calls ---------------------------------

    def rides(self, **rules: Callable) -> None:
        """How each metadata changes when arguments gain a leading axis, for an op without a signature.

        An op *rides* if it works unchanged with an extra leading axis. A rule may read the metadata, `s` the
        shapes of the arguments without that axis, `n` its length, and `stacked`, a truth value for each
        argument (if no rule reads it, constants are first repeated along the axis). A rule returns
        NotImplemented where the op does not ride.
        """
        self.riding = {name: Rule(rule, _names(rule)) for name, rule in rules.items()}

    def at_once(self, *, stacking: Callable, summing: Callable | None = None) -> None:
        """Better forms for many calls at once: the op on stacks, and its sum over stacks of all arguments."""
        self.stacking, self.summing = stacking, summing

    def c(self, expression: str, *, truth: str | None = None) -> None:
        """One element of a pointwise op as a C expression, for loops that scan compiles: `c("x * tanh_(y)")`.

        It is computed in one dtype: that of the result, or for a comparison the one that NumPy would compare
        in. Arguments are converted to it first, except for a condition, a name before `?`. Numbers have this
        dtype too, and a truth value is 0 or 1. `truth` is the expression if all arguments are booleans, where
        it differs. Functions of elements end with `_`: `exp_`, `maximum_`. Without an expression the op is
        computed by its forward function, and no loop with it is compiled.

        TypeError for an op that is not pointwise or has metadata, and for an expression with an unknown name.
        """
        pointwise = self.signature and not any((*self.signature.inputs, *self.signature.outputs))
        if not pointwise or self.many or self.metadata:
            raise TypeError(
                f"{self.name} needs a signature such as (),()->() and no metadata to have a C expression of "
                f"one element"
            )
        self.expression = checked(self.name, expression, self.arguments)
        self.truth = truth and checked(self.name, truth, self.arguments)

    def lift(
        self, shapes: Sequence[tuple[int, ...]], stacked: Sequence[bool], n: int, meta: dict[str, object]
    ) -> tuple[dict[str, object], bool] | None:
        """The metadata of one call on stacked arguments that replaces `n` calls.

        Returns them together with whether constants must first be repeated along the new axis, or None if
        the op does not ride.
        """
        if not self.riding:
            return (meta, False) if self.signature else None
        known = {**meta, "s": shapes, "stacked": stacked, "n": n}
        lifted = {name: rule.function(*(known[k] for k in rule.names)) for name, rule in self.riding.items()}
        if any(value is NotImplemented for value in lifted.values()):
            return None
        repeat = not self.signature and not any("stacked" in rule.names for rule in self.riding.values())
        return {**meta, **lifted}, repeat


def _names(rule: Callable) -> tuple[str, ...]:
    """The names of what a rule reads; from its code, if it is a plain function, which is ten times as fast."""
    if isinstance(rule, FunctionType) and not (vars(rule) or rule.__code__.co_flags & VARIADIC):
        return rule.__code__.co_varnames[: rule.__code__.co_argcount + rule.__code__.co_kwonlyargcount]
    return tuple(inspect.signature(rule).parameters)
