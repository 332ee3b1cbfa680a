"""Names for the values of a program: the user's own, as far as his code tells them.

Emitted source and the equations beside it are read by people, and they know h, Wx and c. A value that
has no name of its own is called after what it is: a gradient dh, a transpose W_T, a function tanh_c; u, what
the loop reads of what was made before it; t1, t2, ... a term of an expression; and anything else a, a1, ...
"""

from __future__ import annotations

import dis
import functools
import itertools
import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import CodeType

from tinygrad_seq.engine.tape import Line
from tinygrad_seq.scan.equations import OPERATORS, TERM, transposes
from tinygrad_seq.scan.program import Operation, Program, taken_apart
from tinygrad_seq.scan.trace import Trace

LAID_OUT = ("reshape", "transpose")
NUMBERS: dict[float, str] = {0: "zero", 1: "one", 2: "two"}


def named(trace: Trace, numbers: Mapping[Line, int]) -> dict[int, str]:
    """What the user calls the values, where his code tells."""
    names = {numbers[line]: name for line, name in trace.names.items() if name and line in numbers}
    for record in trace.records:
        code, _, instruction = record.place
        for i, name in enumerate(assigned(code, instruction)):
            if (line := (record, i)) in numbers and i < len(record.made):
                names.setdefault(numbers[line], name)
    return {v: f"t_{name[1:]}" if TERM.fullmatch(name) else name for v, name in names.items()}


@functools.lru_cache(4096)  # a step is scanned again and again, and to take its code apart is slow
def assigned(code: CodeType, instruction: int) -> Sequence[str]:
    """The variables that the result of the call at an instruction is stored in at once."""
    behind = [i for i in dis.get_instructions(code) if i.offset > instruction and i.opname != "CACHE"]
    count = 1
    if behind and behind[0].opname == "UNPACK_SEQUENCE":
        count, behind = behind[0].arg or 0, behind[1:]
    names: list[str] = []
    for i in behind:
        if not i.opname.startswith("STORE_") or i.opname in ("STORE_ATTR", "STORE_SUBSCR"):
            break
        names += i.argval if isinstance(i.argval, tuple) else [i.argval]  # two at once, since Python 3.13
    return names[:count] if len(names) >= count else []


def identified(program: Program, early: Callable[[Operation], bool] = lambda call: True) -> Program:
    """`program` with a name for every value, no two of them alike.

    early  which operations may run before the loop, as `taken_apart` has it
    """
    wishes = dict(program.names)
    for before, after in program.carries:
        if after not in wishes and before in wishes:
            wishes[after] = f"{wishes[before]}_new"
        elif before != after and wishes.get(before) == wishes.get(after, ""):
            wishes[before] = f"{wishes[after]}_prev"
    for v in (*program.constants, *program.numbers):
        x = program.numbers.get(v)
        wishes.setdefault(v, NUMBERS.get(x, "k") if isinstance(x, int) else "k")
    for v in (*(before for before, _ in program.carries), *program.inputs):
        wishes.setdefault(v, "x")

    names: dict[int, str] = {}
    taken: set[str] = set()

    def give(v: int, wish: str) -> None:
        wish = wish if wish.isidentifier() and "__" not in wish and not keyword.iskeyword(wish) else "a"
        more = f"{wish}_" if wish == "t" else wish
        tries = itertools.chain([wish], (f"{more}{i}" for i in itertools.count(1)))
        names[v] = next(name for name in tries if name not in taken)
        taken.add(names[v])

    made = [v for call in program.operations for v in call.outputs]
    carries = (v for pair in program.carries for v in pair)
    for v in (*carries, *program.inputs, *made, *program.constants, *program.numbers):
        if v in wishes and v not in names:
            give(v, wishes[v])

    uses: dict[int, list[Operation]] = {v: [] for v in range(len(program.values))}
    for call in program.operations:
        for v in call.inputs:
            uses[v].append(call)
    loop = set(map(id, taken_apart(program, early).loop.operations))
    ends = {*(after for _, after in program.carries), *program.outputs, *program.totals}
    terms = itertools.count(1)
    for call in program.operations:
        for v in call.outputs:
            if v in names:
                continue
            if transposes(call):
                give(v, f"{names[call.inputs[0]]}_T")
            elif call.op.name == "gates" or (call.op.name in LAID_OUT and gated(v, uses)):
                give(v, "gates" if call.op.name == "gates" else "parts")
            elif of_one(call):
                give(v, f"{call.op.name}_{names[call.inputs[0]]}")
            elif id(call) not in loop and any(id(other) in loop for other in uses[v]):
                give(v, "u")
            elif v not in ends and not gated(v, uses) and all(c.op.name in OPERATORS for c in uses[v]):
                give(v, next(name for i in terms if (name := f"t{i}") not in taken))
            else:
                give(v, "a")
    return replace(program, names=names)


def gated(v: int, uses: Mapping[int, Sequence[Operation]]) -> bool:
    """Whether a value is what gates are made of, or that laid out as they need it."""
    laid_out = (call.outputs[0] for call in uses[v] if call.op.name in LAID_OUT)
    return any(call.op.name == "gates" for call in uses[v]) or any(gated(z, uses) for z in laid_out)


def of_one(call: Operation) -> bool:
    """Whether a call is a function of one value, element by element, so that tanh(c) is called tanh_c."""
    signature = call.op.signature
    return signature is not None and len(call.inputs) == 1 and call.op.name not in OPERATORS


def has_own_name(call: Operation, names: Mapping[int, str]) -> bool:
    """Whether what `call` makes is called otherwise than a term or after the call."""
    name = names[call.outputs[0]]
    return not (TERM.fullmatch(name) or (of_one(call) and name.startswith(f"{call.op.name}_")))
