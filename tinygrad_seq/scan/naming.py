"""Names for the values of a program: the names in the user's code, as far as they can be found.

So the emitted source and its equations use h, Wx and c. A value without such a name gets one from its role: dh
for a gradient, W_T for a transpose, tanh_c for a function of c, u for a value that is computed before the loop
and read in it, t1, t2, ... for a term of an expression, and a, a1, ... for any other value.
"""

from __future__ import annotations

import dis
import functools
import itertools
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import CodeType

from tinygrad_seq.engine.record import Line
from tinygrad_seq.scan.equations import OPERATORS, TERM, transposes
from tinygrad_seq.scan.program import EVERYTHING, Hoisting, Operation, Program, taken_apart
from tinygrad_seq.scan.recording.trace import Trace

LAID_OUT = ("reshape", "transpose")
NUMBERS: dict[float, str] = {0: "zero", 1: "one", 2: "two"}


def named(trace: Trace, numbers: Mapping[Line, int]) -> dict[int, str]:
    """The user's names of the values, where they can be found."""
    names = {numbers[line]: name for line, name in trace.names.items() if name and line in numbers}
    for record in trace.records:
        code, instruction = record.place
        for i, name in enumerate(assigned(code, instruction)):
            if (line := (record, i)) in numbers and i < len(record.made):
                names.setdefault(numbers[line], name)
    return {v: f"t_{name[1:]}" if TERM.fullmatch(name) else name for v, name in names.items()}


@functools.lru_cache(4096)  # a step is scanned again and again, and to take its code apart is slow
def assigned(code: CodeType, instruction: int) -> Sequence[str]:
    """The variables in which the code stores the result of the call at an instruction, right after it."""
    behind = [i for i in dis.get_instructions(code) if i.offset > instruction and i.opname != "CACHE"]
    count = 1
    if behind and behind[0].opname == "UNPACK_SEQUENCE":
        count, behind = behind[0].arg or 0, behind[1:]
    names: list[str] = []
    for i in behind:
        if not i.opname.startswith("STORE_") or i.opname in ("STORE_ATTR", "STORE_SUBSCR"):
            break
        # since Python 3.13 one instruction can store two variables
        names += i.argval if isinstance(i.argval, tuple) else [i.argval]
    return names[:count] if len(names) >= count else []


def identified(program: Program, hoisting: Hoisting = EVERYTHING) -> Program:
    """`program` with a different name for every value.

    hoisting  which operations run outside the loop, as in `taken_apart`
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
    loop = set(map(id, taken_apart(program, hoisting).loop.operations))
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
    """Whether gates are computed from a value, directly or after it is reshaped and transposed."""
    laid_out = (call.outputs[0] for call in uses[v] if call.op.name in LAID_OUT)
    return any(call.op.name == "gates" for call in uses[v]) or any(gated(z, uses) for z in laid_out)


def of_one(call: Operation) -> bool:
    """Whether a call is a function of one value with a signature, so that tanh(c) is called tanh_c."""
    signature = call.op.signature
    return signature is not None and len(call.inputs) == 1 and call.op.name not in OPERATORS


def has_own_name(call: Operation, names: Mapping[int, str]) -> bool:
    """Whether the output of `call` has a name that is neither a term (t1) nor made from the op (tanh_c)."""
    name = names[call.outputs[0]]
    return not (TERM.fullmatch(name) or (of_one(call) and name.startswith(f"{call.op.name}_")))
