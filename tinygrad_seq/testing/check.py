"""Holding a primitive to the laws: what the tests of this project and of its users call."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings

from tinygrad_seq.engine.primitive import Op, Primitive
from tinygrad_seq.testing import laws, values
from tinygrad_seq.testing.riding import riding
from tinygrad_seq.testing.strategies import Call, calls, differentiable, families
from tinygrad_seq.testing.zero import zero

Law = Callable[[Call], None]

OF_VALUES: tuple[Law, ...] = (values.values, values.layout)
OF_DERIVATIVES: tuple[Law, ...] = (
    laws.vjp, laws.vjp2, laws.jvp, laws.jvp2, laws.linear, laws.pure, values.dtypes, zero,
)  # fmt: skip
LAWS: tuple[Law, ...] = (*OF_DERIVATIVES, *OF_VALUES, riding, values.off_tape)


def laws_of(op: Primitive) -> tuple[Law, ...]:
    """The laws that a primitive is under: those of what it declares, derivatives and riding."""
    rides = (riding,) if op.signature or op.riding else ()
    return (*OF_VALUES, *rides, *(OF_DERIVATIVES if differentiable(op) else (values.off_tape,)))


def hold(op: Primitive, law: Law, device: str = "cpu") -> int:
    """Let Hypothesis try to break a law on a device; an error that ends in the smallest call that does.

    Returns the number of calls tried. How many and which is up to the Hypothesis profile, whose number of
    examples is divided among the example calls of the op, of which each gets 10 at least.
    """
    tried = 0
    kinds = families(op)
    each = max(10, math.ceil(settings().max_examples / len(kinds)))
    for example in kinds:
        last: Call | None = None

        @settings(max_examples=each, report_multiple_bugs=False, deadline=None)
        @given(calls(op, example, device))
        def holds(call: Call) -> None:
            nonlocal tried, last
            tried += 1
            last = call
            law(call)

        try:
            holds()
        except Exception as error:  # Hypothesis ends with the smallest call that breaks the law
            error.add_note(broken(op, law, last))
            raise
    return tried


def broken(op: Primitive, law: Law, call: Call | None) -> str:
    """Which law of which op is broken, and the smallest call that was found to break it."""
    says = (law.__doc__ or "").strip().splitlines()[0]
    return f"{op.name} breaks the law {law.__name__}: {says}\n    smallest call found: {call}"


def check_primitive(op: Op | Primitive, *, device: str = "cpu") -> None:
    """Hold a primitive to all the laws that it is under, the ones of this package's own, on a device.

    AssertionError for the first law that is broken, with the law, the smallest call that Hypothesis found to
    break it, and what differs; an error that the op or a rule of it raised, with the same in its notes.

    >>> import numpy as np
    >>> from tinygrad_seq.engine.primitive import Primitive
    >>> def cube(x, /):
    ...     return x**3
    >>> op = Primitive(cube, "()->()")
    >>> op.partials(lambda x: 3 * np.square(x), singular=True)
    >>> check_primitive(op)
    """
    op = op if isinstance(op, Primitive) else op.primitive
    for law in laws_of(op):
        try:
            hold(op, law, device)
        except AssertionError as error:
            raise AssertionError(f"{error.__notes__[-1]}\n    what differs: {error}") from None


def drawn(op: Primitive, count: int, device: str = "cpu") -> list[Call]:
    """Some calls of `op`, the same ones every time: what mutants are held against."""
    found: list[Call] = []
    for example in families(op):
        once = settings(
            max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        once(given(calls(op, example, device))(lambda call: found.append(call)))()
    return found
