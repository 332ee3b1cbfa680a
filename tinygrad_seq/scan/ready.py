"""The emitter of a loop: how a program is placed around its loop, and what makes the loop ready to run.

An emitter turns a loop into something that can be called. What is best placed outside of a loop depends on it:
NumPy gains by every operation that leaves the loop. So the forms of a program are chosen here, too.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from tinygrad_seq.scan.backward import not_pointwise
from tinygrad_seq.scan.gates import gathered
from tinygrad_seq.scan.loop import Loop, Run
from tinygrad_seq.scan.naming import identified
from tinygrad_seq.scan.program import Parts, Program, taken_apart


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


def forward(program: Program) -> tuple[Program, Parts]:
    """The program of a step in the form that the emitter wants, and the places of its operations."""
    program = identified(gathered(program))
    return program, taken_apart(program)


def backward(program: Program) -> Parts:
    """The places of the operations of a backward program."""
    return taken_apart(program, early=not_pointwise)


def ready(program: Program, saved: Collection[int] = (), name: str = "scan") -> Ready:
    """The loop of a program, ready to run; it also keeps the values `saved` of all steps."""
    return Loop(program, saved, name)
