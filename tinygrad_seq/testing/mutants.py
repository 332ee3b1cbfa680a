"""Mutants. A *mutant* is a copy of a primitive with one wrong rule; at least one law must fail for it.

They test the laws themselves. Every derivative rule of a primitive is scaled by 1.001, negated and dropped, one
at a time, each in a copy that is not registered; the copy is tested with the laws until one of them fails. The
same is done to every riding rule that changes metadata: in the mutant the metadata do not change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.declaration import Rule
from tinygrad_seq.engine.numbers import number
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.testing.riding import lifted
from tinygrad_seq.testing.strategies import Call, carries_gradient

FACTORS = {"scaled by 1.001": 1.001, "negated": -1.0, "dropped": 0.0}


class Mutant(NamedTuple):
    """A wrong copy of a primitive; `wound` says what is wrong with it."""

    wound: str
    op: Primitive


def copied(op: Primitive) -> Primitive:
    """A primitive with the same rules, which is not registered."""
    signature = None if op.signature is None else op.signature.text
    copy = Primitive(op.forward, signature, examples=op.examples, domain=op.domain, many=op.many)
    copy.rules, copy.joint_rule, copy.pushes = op.rules, op.joint_rule, op.pushes
    copy.kind, copy.riding = op.kind, op.riding
    return copy


def derivative_mutants(op: Primitive, factors: Mapping[str, float] = FACTORS) -> Iterator[Mutant]:
    """A mutant for every VJP and JVP rule of `op`, and for every factor that the rule is multiplied by."""
    factors = {
        how: number("derivative_mutants", "factors", factor, "(-inf, inf)") for how, factor in factors.items()
    }
    count = max([len(op.arguments), *(len(example.arrays) for example in op.examples)])
    for i in range(count):
        if carries_gradient(op, i):
            for how, factor in factors.items():
                yield Mutant(f"the VJP of argument {i} {how}", wrong_vjp(op, i, factor))
                yield Mutant(f"the JVP of argument {i} {how}", wrong_jvp(op, i, factor))


def riding_mutants(op: Primitive, calls: Sequence[Call]) -> Iterator[Mutant]:
    """A mutant for every metadata that changes when one of `calls` rides; in the mutant it does not change."""
    changing: set[str] = set()
    for call in calls:
        for stacked in itertools.product((False, True), repeat=len(call.arrays)):
            if any(stacked) and (new := lifted(call, stacked, 2)):
                changing |= {name for name, value in new[0].items() if value != call.metadata()[name]}
    for name in sorted(changing):
        copy = copied(op)
        copy.riding = {**op.riding, name: Rule(lambda value: value, (name,))}
        yield Mutant(f"the riding rule of {name} dropped", copy)


def wrong_vjp(op: Primitive, i: int, factor: float) -> Primitive:
    """A copy of `op` in which the cotangent of the i-th argument is multiplied by `factor`."""
    copy = copied(op)
    if op.joint_rule is None:
        copy.rules = scaled(op.rules, i, factor)
    else:
        form = f"[{factor} * c if i == {i} else c for i, c in enumerate({op.joint_rule.form})]"
        copy.joint_rule = op.joint_rule._replace(form=form)
    return copy


def wrong_jvp(op: Primitive, i: int, factor: float) -> Primitive:
    """A copy of `op` in which the tangent of the i-th argument is multiplied by `factor`."""
    copy = copied(op)
    if op.kind == "linear":  # forward mode calls the op of the record, which is not this copy
        recorded = copied(op)
        recorded.finish()
        function = copy.function = recorded.function

        def on_tangents(*arrays: np.ndarray, **meta: object) -> object:
            return function(*(factor * a if k == i else a for k, a in enumerate(arrays)), **meta)

        recorded.function = on_tangents
        return copy
    pushes = op.pushes
    if op.kind == "bilinear":  # the product rule, one rule per argument
        pushes = product_rule(op)
    copy.kind, copy.pushes = "rules", scaled(pushes, i, factor, op.many)
    return copy


def product_rule(op: Primitive) -> tuple[Rule, Rule]:
    """The JVP of a bilinear op as one rule per argument: op(dx, y) and op(x, dy)."""
    (x, y), names = op.arguments, tuple(p.name for p in op.metadata)

    def term(*values: object) -> object:
        return op.function(*values[:2], **dict(zip(names, values[2:], strict=True)))

    return Rule(term, ("g", y, *names)), Rule(term, (x, "g", *names))


def scaled(rules: Sequence[Rule | None], i: int, factor: float, many: bool = False) -> tuple[Rule | None, ...]:
    """The rules, the i-th of them multiplied by a factor; `many` if it gives several arrays, or None."""
    rule = rules[i]
    assert rule is not None
    form = f"{factor} * ({rule.form})"
    if many:
        form = f"[part if part is None else {factor} * part for part in {rule.form}]"
    return (*rules[:i], rule._replace(form=form), *rules[i + 1 :])


def killer(mutant: Primitive, laws: Sequence[Callable[[Call], None]], calls: Sequence[Call]) -> str | None:
    """The name of the first law that the mutant breaks in one of `calls` (of the original op), else None."""
    for law in laws:
        for call in calls:
            try:
                law(replace(call, op=mutant))
            except Exception:  # the law fails, or the wrong rule raises an error
                return law.__name__
    return None
