"""The emitter of a loop: how a program is placed around its loop, and what makes the loop ready to run.

An emitter turns a loop into something that can be called. What is best placed outside of a loop depends on it:
NumPy gains by every operation that leaves the loop, C by every one that stays. A program has one emitter, which
is chosen when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from tinygrad_seq.scan.backward import BACKWARD
from tinygrad_seq.scan.c.expressions import expressible
from tinygrad_seq.scan.c.hoisting import IN_C
from tinygrad_seq.scan.emitter import chosen
from tinygrad_seq.scan.groups.assignments import UnsupportedError
from tinygrad_seq.scan.groups.ways import assigned
from tinygrad_seq.scan.naming import identified
from tinygrad_seq.scan.np.gates import gathered
from tinygrad_seq.scan.np.loop import Loop, Run
from tinygrad_seq.scan.program import EVERYTHING, Hoisting, Program, taken_apart


class Ready(Protocol):
    """A loop that is ready to run.

    kept    the values that it keeps of all steps: the outputs of its program, then the others
    stored  the values that have memory for all steps; a kept value may be a view of one
    source  the text that runs
    """

    program: Program
    kept: tuple[int, ...]
    stored: list[int]
    source: str

    def __call__(self, arrays: Sequence, n: int, reverse: bool, bound: Sequence = ()) -> Run:
        """Run `n` steps, from the last to the first if `reverse`.

        `arrays` are in the order of `program.arguments`: the carries before the first step, the stacked inputs,
        the constants. `bound` is empty, or has for each of them None or its form in `Kept.bound`, if a loop of
        the same emitter kept it. A result that is still reachable is never overwritten.
        """


class Emitter(NamedTuple):
    """What makes loops ready, and the form and the places that it wants operations to have.

    form      the program of a step in its form
    forward   what it leaves outside of a loop,
    backward  and outside of a backward loop
    views     whether a view costs nothing in a loop, so that a derivative need not be given it
    ready     (program, saved, name): the loop, which also keeps the values `saved` of all steps
    """

    form: Callable[[Program], Program]
    forward: Hoisting
    backward: Hoisting
    views: bool
    ready: Callable[..., Ready]


NUMPY = Emitter(lambda program: identified(gathered(program)), EVERYTHING, BACKWARD, False, Loop)


def loop_in_c(program: Program, saved: Collection[int] = (), name: str = "scan") -> Ready:
    """The loop as C, or as NumPy, if it has no form in C."""
    from tinygrad_seq.scan.c.loop import CLoop  # late: it needs a compiler and what runs that

    try:
        return CLoop(program, saved, name)
    except UnsupportedError:
        return Loop(program, saved, name)


C = Emitter(lambda program: identified(program, IN_C), IN_C, IN_C, True, loop_in_c)


MORE: dict[str, Emitter] = {}  # emitters of layers above, by the name that `chosen` returns


def emitter_of(program: Program) -> Emitter:
    """The emitter of a program that is made now: that of `ts.emitter`, if its loop has such a form."""
    if (emitter := MORE.get(chosen())) is not None:
        return emitter
    return NUMPY if chosen() == "numpy" or obstacle(program) else C


def obstacle(program: Program) -> str:
    """Why the loop of a program cannot be written as C; empty if it can."""
    if program.device != "cpu":
        return f"its arrays are on {program.device}"
    loop = taken_apart(C.form(program), C.forward).loop
    try:
        assigned(loop, loop.outputs, expressible)
    except UnsupportedError as error:
        return f"C has no form of {error}"
    return ""
