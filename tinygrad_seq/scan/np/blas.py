"""BLAS on one thread inside loops whose matrix products are small.

A thread of OpenBLAS that waits for its part of the next product spins, and so does the thread that waits for
the others. On an idle machine two threads take .8 of the time of one for a product of 2^21 multiplications, and
.55 from 2^24 on. But if another process keeps a core busy, a thread must wait for its turn on that core, which
takes 20 to 35 ms for every product, of whatever size. So a loop of small products takes 10 to 30 times as long.

Inside a loop whose products are all smaller than `LARGE`, OpenBLAS therefore has one thread, and afterwards as
many as before. The number belongs to the process: in the meantime the products of other Python threads, and of
a loop within the step, run on one thread, too. With another BLAS than OpenBLAS nothing is changed, nor on
Windows. (threadpoolctl finds the functions there, too, but it is a dependency, and lets only one Python thread
set the number.)
"""

from __future__ import annotations

import ctypes
import itertools
import math
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from tinygrad_seq.scan.program import Operation, Program

LARGE = 2**24  # multiplications; one thread takes .3 ms


class OneThread:
    """A context in which BLAS has one thread. It may be entered within itself, and by several threads at once.

    read, write  functions that return and change the number of threads of BLAS
    """

    def __init__(self, read: Callable[[], int], write: Callable[[int], object]) -> None:
        self.read, self.write = read, write
        self.before, self.inside = 0, 0
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = self.read()
                if self.before > 1:
                    self.write(1)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside and self.before > 1:
                self.write(self.before)


@cache
def openblas() -> OneThread | None:
    """One thread of the OpenBLAS that NumPy is linked with; None if it is not linked with OpenBLAS."""
    try:
        path = sys.modules["numpy._core._multiarray_umath"].__file__
        library = ctypes.CDLL(path)  # it finds the functions of the libraries that it is linked with, too
    except (KeyError, OSError):
        return None
    for prefix, suffix in itertools.product(("scipy_", ""), ("64_", "")):
        names = [f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("get", "set")]
        if all(hasattr(library, name) for name in names):
            return OneThread(*(getattr(library, name) for name in names))
    return None


def threads_for(program: Program) -> AbstractContextManager:
    """The context in which to run a loop: one thread, if all matrix products of its step are small."""
    found = [multiplications(c, program) for c in program.operations if c.op.name in ("matmul", "contract")]
    small = program.device == "cpu" and found and max(found) < LARGE
    return (openblas() if small else None) or nullcontext()


def multiplications(call: Operation, program: Program) -> int:
    """The multiplications of a matrix product; of one of them, if the arguments are stacks of matrices."""
    x, y = (program.values[v].shape for v in call.inputs)
    if call.op.name == "matmul":
        return math.prod(x[-2:]) * y[-1]
    letters = call.metadata()["subscripts"].partition("->")[0].replace(",", "")
    return math.prod(dict(zip(letters, x + y, strict=True)).values())
