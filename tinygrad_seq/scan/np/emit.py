"""NumPy source for a planned loop, compiled as a function; a debugger sees it as a file while it exists.

`lines.py` writes the lines of each operation. Tried and left out: functions and memory as local variables
(saves 9 ns of 210 a call); the inner 1/2 of a sigmoid moved into the weights (saves 2 % of a forward loop, but
makes the source unreadable).
"""

from __future__ import annotations

import itertools
import linecache
import re
import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygrad_seq.engine.generated import write_out
from tinygrad_seq.scan.equations import equations
from tinygrad_seq.scan.np.lines import FUNCTIONS, RESERVED, columns, full, written
from tinygrad_seq.scan.np.plan import Plan


class Emitted(NamedTuple):
    """A loop as a function of (constants, fixed, rows), and the values that each of these holds, in order.

    constants  arguments that are the same at every step
    fixed      memory that is reused at every step; these values are followed by the accumulators of the totals
               and by those of `filled`
    filled     constants of the source, each with the shape that its memory is to have
    rows       values with a different array at every step
    """

    source: str
    function: Callable
    constants: tuple[int, ...]
    fixed: tuple[int, ...]
    filled: tuple[tuple, ...]
    rows: tuple[int, ...]


counter = itertools.count(1)


def emitted(plan: Plan, name: str) -> Emitted:
    """The source of `plan`, compiled."""
    loop = plan.loop
    names, notes = identifiers(plan), equations(loop, loop.operations, plan.kept)
    namespace: dict = {"full": full, "columns": columns} | {f: getattr(np, f) for f in FUNCTIONS}
    filled: dict[str, tuple] = {}
    once: dict[str, str] = {}  # expressions that are computed before the first step, by name
    body: list[tuple[str, str]] = []  # lines, each with its comment
    for k, call in enumerate(plan.calls):
        for i, line in enumerate(written(call, k, plan, names, namespace, filled, once)):
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

    unpacked = {"constants": listed(constants, []), "fixed": listed(fixed, [*sums, *filled])}
    each = listed(rows, nexts)
    width = min(max((len(line) for line, _ in body), default=0), 60)
    source = [
        f"def {name}(constants, fixed, rows):",
        *(f"    ({these},) = {of}" for of, these in unpacked.items() if these),
        *(f"    {these} = {of}" for these, of in once.items()),
        f"    for {f'{each},' if each else '_'} in rows:",
        *(f"        {line:{width if note else 0}}{note}" for line, note in body or [("pass", "")]),
    ]
    filename = f"<{name}, {next(counter)}>"
    write_out(source, filename, namespace)
    function = namespace.pop(name)  # in its own namespace it would be a reference cycle
    weakref.finalize(function, linecache.cache.pop, filename, None)
    return Emitted("\n".join(source), function, constants, fixed, tuple(filled.values()), rows)


def identifiers(plan: Plan) -> dict[int, str]:
    """The names of all values, changed where one would hide a function that the source calls."""
    return {v: f"{name}_" if name in RESERVED else name for v, name in plan.loop.names.items()}
