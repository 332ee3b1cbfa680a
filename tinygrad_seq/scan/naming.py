"""Names for the values of a program: the user's own, as far as his code tells them.

Emitted source and the equations beside it are read by people, and they know h, Wx and c. A value that
has no name of its own is called after what it is: a gradient dh, a transpose W_T, anything else a, a1, ...
"""

from __future__ import annotations

import dis
import itertools
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import CodeType

from tinygrad_seq.scan.program import Operation, Program
from tinygrad_seq.scan.trace import Trace
from tinygrad_seq.tape import Line


def named(trace: Trace, numbers: Mapping[Line, int]) -> dict[int, str]:
    """What the user calls the values, where his code tells."""
    names = {numbers[line]: name for line, name in trace.names.items() if name and line in numbers}
    for record, (code, _, instruction) in trace.places.items():
        for i, name in enumerate(assigned(code, instruction)):
            if (line := (record, i)) in numbers and i < len(record.shapes):
                names.setdefault(numbers[line], name)
    return names


def assigned(code: CodeType, instruction: int) -> Sequence[str]:
    """The variables that the result of the call at an instruction is stored in at once."""
    behind = [i for i in dis.get_instructions(code) if i.offset > instruction and i.opname != "CACHE"]
    count = 1
    if behind and behind[0].opname == "UNPACK_SEQUENCE":
        count, behind = behind[0].arg or 0, behind[1:]
    stores = behind[:count]
    if stores and all(i.opname in ("STORE_FAST", "STORE_NAME") for i in stores):
        return [str(i.argval) for i in stores]
    return []


def identified(program: Program) -> Program:
    """`program` with a name for every value, no two of them alike."""
    wishes = dict(program.names)
    for before, after in program.carries:
        if after not in wishes and before in wishes:
            wishes[after] = f"{wishes[before]}_new"
        elif before != after and wishes.get(before) == wishes.get(after, ""):
            wishes[before] = f"{wishes[after]}_prev"
    for v in (*program.constants, *program.numbers):
        wishes.setdefault(v, "k")
    for v in (*(before for before, _ in program.carries), *program.inputs):
        wishes.setdefault(v, "x")

    names: dict[int, str] = {}
    taken: set[str] = set()

    def give(v: int, wish: str) -> None:
        wish = wish if wish.isidentifier() and "__" not in wish and not keyword.iskeyword(wish) else "a"
        tries = itertools.chain([wish], (f"{wish}{i}" for i in itertools.count(1)))
        names[v] = next(name for name in tries if name not in taken)
        taken.add(names[v])

    made = [v for call in program.operations for v in call.outputs]
    carries = (v for pair in program.carries for v in pair)
    for v in (*carries, *program.inputs, *made, *program.constants, *program.numbers):
        if v in wishes and v not in names:
            give(v, wishes[v])
    for call in program.operations:
        for v in call.outputs:
            if v not in names:
                give(v, f"{names[call.inputs[0]]}_T" if transposes(call) else "a")
    return replace(program, names=names)


def transposes(call: Operation) -> bool:
    """Whether a call exchanges the last two axes."""
    if call.op.name != "transpose":
        return False
    axes = call.metadata()["axes"]
    rank = 2 if axes is None else len(axes)
    return axes is None or tuple(axes) == (*range(rank - 2), rank - 1, rank - 2)
