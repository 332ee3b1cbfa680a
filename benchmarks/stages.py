"""The stages of our scan: what happens at every call, and what happens once for a program."""

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from contenders import Problem, Size, ours, scanned
from measure import seconds

import tinygrad_seq as ts
from tinygrad_seq.scan.backward import derived
from tinygrad_seq.scan.c.compiler import compiler
from tinygrad_seq.scan.c.expressions import expressible
from tinygrad_seq.scan.c.loop import CLoop
from tinygrad_seq.scan.c.text import source
from tinygrad_seq.scan.differentiable import first_step
from tinygrad_seq.scan.groups.batch import in_blocks
from tinygrad_seq.scan.groups.grouping import Grouped, grouped
from tinygrad_seq.scan.groups.ways import assigned
from tinygrad_seq.scan.np.emit import emitted
from tinygrad_seq.scan.np.lines import IN_PLACE
from tinygrad_seq.scan.np.plan import planned
from tinygrad_seq.scan.over_time import PROGRAMS, Compiled
from tinygrad_seq.scan.recording.kept import find, fingerprint
from tinygrad_seq.scan.recording.step import Step

CACHE = "TINYGRAD_SEQ_CACHE"  # the variable that names the folder of compiled loops
TIMES = {"compile": 3}  # of measuring a stage; all others 21


def stages(kind: str, size: Size, emitter: str) -> dict[str, float]:
    """Medians of seconds, of the forward and the backward loop together.

    A call records the step, unless the step is known by its fingerprint. The rest is done once for a program.
    """
    problem = Problem(kind, size)
    PROGRAMS.clear()
    with ts.emitter(emitter):
        ours(problem, scanned)()
        (compiled,) = PROGRAMS.values()
        runs = at_every_call(problem) | {"derive": deriving(compiled)}
        what = next(loop for loop in compiled.loops.values() if loop.active)
        (back,) = what.backwards.values()
        loops = [what.loop, back.loop]
        if all(isinstance(loop, CLoop) for loop in loops):
            runs |= in_c(loops)
        else:
            runs |= in_numpy(loops)
        return {
            name: statistics.median(seconds(run) for _ in range(TIMES.get(name, 21)))
            for name, run in runs.items()
        }


def at_every_call(problem: Problem) -> dict[str, Callable]:
    cell, xs = problem.cell, ts.tensor(problem.xs)
    start = cell.initial_state(problem.size[1], like=xs)
    return {
        "known": lambda: find(fingerprint(cell, start, xs)),
        "recorded": lambda: Compiled.of(Step(cell, start, xs)),
    }


def deriving(compiled: Compiled) -> Callable:
    loop = next(loop for loop in compiled.loops.values() if loop.active)
    program, (((_, ends), _),) = loop.program, loop.backwards.items()
    zeros = [np.zeros(spec.shape, spec.dtype) for spec in program.values]
    inputs = set(program.inputs)
    values = first_step(program, [zeros[v][None] if v in inputs else zeros[v] for v in program.arguments])
    return lambda: derived(program, loop.active, ends, values, compiled.emitter.backward)


def in_numpy(loops: list) -> dict[str, Callable]:
    return {
        "plan": lambda: [planned(loop.program, loop.plan.kept, IN_PLACE) for loop in loops],
        "emit": lambda: [emitted(loop.plan, "loop") for loop in loops],
    }


def in_c(loops: list[CLoop]) -> dict[str, Callable]:
    def groups() -> list[Grouped]:
        return [grouped(in_blocks(assigned(loop.program, loop.kept, expressible))) for loop in loops]

    made = groups()
    texts = [source(each, "loop").text for each in made]

    def compile() -> None:
        with empty_cache():
            for text in texts:
                compiler().library(text)

    return {
        "group": groups,
        "write": lambda: [source(each, "loop") for each in made],
        "compile": compile,
    }


@contextmanager
def empty_cache() -> Iterator[None]:
    """In this context no loop is on the disk yet."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder, patch.dict(os.environ, {CACHE: folder}):
        yield
