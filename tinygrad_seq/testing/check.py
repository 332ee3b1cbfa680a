"""Testing a primitive with the laws; the tests of this package and of its users call these functions."""

from __future__ import annotations

import math
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings

from tinygrad_seq.engine.numbers import integer
from tinygrad_seq.engine.primitive import ManyOp, Op, Primitive
from tinygrad_seq.testing import laws, values
from tinygrad_seq.testing.expressions import c, compiler_works
from tinygrad_seq.testing.precision import precision
from tinygrad_seq.testing.riding import riding
from tinygrad_seq.testing.strategies import Call, calls, differentiable, families
from tinygrad_seq.testing.zero import zero

Law = Callable[[Call], None]

OF_VALUES: tuple[Law, ...] = (values.values, values.layout)
OF_DERIVATIVES: tuple[Law, ...] = (
    laws.vjp, laws.vjp2, laws.jvp, laws.jvp2, laws.linear, laws.pure, values.dtypes, zero, precision,
)  # fmt: skip
LAWS: tuple[Law, ...] = (*OF_DERIVATIVES, *OF_VALUES, riding, values.off_tape, c)


def laws_of(op: Primitive) -> tuple[Law, ...]:
    """The laws that apply to a primitive: it may have derivatives, ride, and have a C expression.

    The law of C expressions applies only where there is a C compiler.
    """
    rides = (riding,) if op.signature or op.riding else ()
    stated = (c,) if op.expression and compiler_works() else ()
    return (*OF_VALUES, *rides, *stated, *(OF_DERIVATIVES if differentiable(op) else (values.off_tape,)))


def hold(op: Primitive, law: Law, device: str = "cpu") -> int:
    """Let Hypothesis try to break a law on a device; returns the number of calls that it tried.

    If it finds one, the error of the law is raised, with a note of the smallest such call. The Hypothesis
    profile sets how many calls are drawn: its number of examples is divided among the example calls of the op,
    at least 10 for each.
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
    """A text with the op, the law that it breaks, and the smallest call that breaks it."""
    says = (law.__doc__ or "").strip().splitlines()[0]
    return f"{op.name} breaks the law {law.__name__}: {says}\n    smallest call found: {call}"


def check_primitive(op: Op | ManyOp | Primitive, *, device: str = "cpu") -> None:
    """Test a primitive on a device with all laws that apply to it, the same as for the ops of this package.

    AssertionError for the first law that is broken, with the law, the smallest call that Hypothesis found to
    break it, and the difference. An error that the op or one of its rules raises is passed on, with the law and
    the call in its notes.

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
    """Some calls of `op`, the same at every time, with which mutants are tested."""
    count, found = integer("drawn", "count", count, "[1, inf)"), list[Call]()
    for example in families(op):
        once = settings(
            max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        once(given(calls(op, example, device))(lambda call: found.append(call)))()
    return found
