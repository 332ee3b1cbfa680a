"""NumPy source for a planned loop, as a function: a real file to a debugger.

How its lines are written, `lines.py` says. Tried and left out: functions and memory as local variables (9 ns of
210 a call); the inner 1/2 of a sigmoid in the weights (2 % of a forward loop, in sources that nobody can read).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.generated import write_out
from tinygrad_seq.scan.equations import equations
from tinygrad_seq.scan.lines import FUNCTIONS, RESERVED, columns, full, written
from tinygrad_seq.scan.plan import Plan


class Emitted(NamedTuple):
    """A loop as a function of (constants, fixed, rows), and which values these hold, in order.

    fixed  memory that is the same at every step
    rows   what is another array at every step
    totals  the accumulators stand at the end of `fixed`
    """

    source: str
    function: Callable
    constants: tuple[int, ...]
    fixed: tuple[int, ...]
    rows: tuple[int, ...]


counter = itertools.count(1)


def emitted(plan: Plan, name: str) -> Emitted:
    """The source of `plan`, compiled."""
    loop = plan.loop
    names, notes = identifiers(plan), equations(loop, loop.operations, plan.kept)
    namespace: dict = {"full": full, "columns": columns} | {f: getattr(np, f) for f in FUNCTIONS}
    once: dict[str, str] = {}  # what is made before the first step, by name
    body: list[tuple[str, str]] = []  # lines, and what is said beside them
    for k, call in enumerate(plan.calls):
        for i, line in enumerate(written(call, k, plan, names, namespace, once)):
            body.append((line, "" if i else f"  # {notes[call.outputs[0]]}"))
    sums = [f"{names[v]}__sum" for v in loop.totals]
    for v, total in zip(loop.totals, sums, strict=True):
        body.append((f"add({total}, {names[v]}, {total})", f"  # summed over the steps: {names[v]}"))
    nexts = [f"{names[loop.carries[j][0]]}__next" for j, _ in plan.copies]
    for (_, v), after in zip(plan.copies, nexts, strict=True):
        body.append((f"copyto({after}, {names[v]})", ""))

    words = set(re.findall(r"\w+", " ".join([*once.values(), *(line for line, _ in body)])))
    used = lambda values: tuple(v for v in values if names[v] in words)  # noqa: E731
    made = used(v for call in loop.operations for v in call.outputs if v in plan.homes)
    constants = used((*loop.constants, *loop.numbers))
    fixed = tuple(v for v in made if not plan.moves(v))
    rows = (*used((*loop.inputs, *(before for before, _ in loop.carries))), *filter(plan.moves, made))

    def listed(values: tuple[int, ...], others: list[str]) -> str:
        return ", ".join((*(names[v] for v in values), *others))

    unpacked = {"constants": listed(constants, []), "fixed": listed(fixed, sums)}
    each = listed(rows, nexts)
    width = min(max((len(line) for line, _ in body), default=0), 60)
    source = [
        f"def {name}(constants, fixed, rows):",
        *(f"    ({these},) = {of}" for of, these in unpacked.items() if these),
        *(f"    {these} = {of}" for these, of in once.items()),
        f"    for {f'{each},' if each else '_'} in rows:",
        *(f"        {line:{width if note else 0}}{note}" for line, note in body or [("pass", "")]),
    ]
    write_out(source, f"<{name}, {next(counter)}>", namespace)
    return Emitted("\n".join(source), namespace[name], constants, fixed, rows)


def identifiers(plan: Plan) -> dict[int, str]:
    """The names of all values, where they hide no function that the source calls."""
    return {v: f"{name}_" if name in RESERVED else name for v, name in plan.loop.names.items()}
