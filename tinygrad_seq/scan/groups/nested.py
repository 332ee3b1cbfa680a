"""A loop in the step of another loop, and its derivative there: the inner loop runs whole at every outer step.

Its rows, stacks and accumulators are memory of the outer step. What the derivation of a loop placed around it is
assigned to the outer step: operations on constants before the inner loop, sums of results after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_seq.scan.groups.assignments import Access, Assignments, UnsupportedError
from tinygrad_seq.scan.groups.grouping import Grouped, grouped
from tinygrad_seq.scan.groups.maps import contiguous, dropped, sliced, space_of, squeezed
from tinygrad_seq.scan.program import NOTHING, Operation, Program, taken_apart

Assign_ = Callable[[Program, tuple[int, ...]], Assignments]


@dataclass(frozen=True, eq=False)
class Inner:
    """A loop of `n` steps.

    made    its groups
    rows    for each carry the outer value with its rows, those of all steps if they are kept, else two
    stacks  for each input and each value kept, by its number in the inner loop, the outer value with its stack
    fixed   for each constant and each total the outer value
    """

    made: Grouped
    n: int
    reverse: bool
    rows: tuple[int, ...]
    stacks: dict[int, int]
    fixed: dict[int, int]
    reads: tuple[Access, ...]
    writes: tuple[int, ...]
