"""A sequence forward and backward: our scan, the plain loop, other libraries, and only the matrix products.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/scan.py                   one thread each, all cells, S1 to S5
    taskset -c 0,1 .venv/bin/python benchmarks/scan.py --two-threads   two threads each
    taskset -c 0,1 .venv/bin/python benchmarks/scan.py --busy          two threads each, beside a busy process
    taskset -c 0 .venv/bin/python benchmarks/scan.py --against PATH    ours here, and in another checkout
    taskset -c 0 .venv/bin/python benchmarks/scan.py --growth          ours at T = 10 to 10,000: time per step
    taskset -c 0 .venv/bin/python benchmarks/scan.py --remat           ours at T = 10,000: peak memory

The columns "/ C" and "/ NumPy" are medians over those of our scan with loops as C and as NumPy. A scan that is
"recorded anew" calls its step at every run, as it must if the step is not known to be pure.

With one thread, all contenders share a process and run in shuffled order in every round. With two threads, each
contender has a separate process, one after the other, because two thread pools on two cores disturb each other.
A busy process, too, disturbs a pool, because its threads wait for each other at every product. The first call
of each contender, in which it traces, plans and compiles, is timed separately; "compiled 2" says that it
started a C compiler twice, because its loops were not on the disk. Every row compares the contender's gradients
of all parameters with those of our plain loop in float64: a fast wrong answer does not count.
"""

from limits import allow, busy, pin

if __name__ == "__main__":
    allow(threads=1)

import argparse
import random
import statistics
import sys
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial

import numpy as np
from contenders import CONTENDERS, KINDS, Problem, Size, looped, ours, reference, scanned
from elsewhere import checkouts
from measure import (
    EMITTERS,
    HEAD,
    OURS,
    ROOMY,
    TOLERANCE,
    Here,
    Result,
    apart,
    error,
    interleaved,
    lines,
    progress,
    seconds,
    versions,
)
from stages import stages

import tinygrad_seq as ts

SIZES = {  # T, B, I, H
    "S1": (50, 32, 64, 128),
    "S2": (100, 16, 8, 100),
    "S3": (35, 20, 200, 200),
    "S4": (20, 1, 16, 32),
    "S5": (100, 64, 128, 512),
}
LENGTHS = (10, 100, 1_000, 10_000)  # of the growth with T, at
LONG = (8, 16, 32)  # B, I, H
REMAT = 100  # steps per segment: the square root of T = 10,000


def together(
    kind: str, size: Size, names: Iterable[str], rounds: int, right: list[np.ndarray]
) -> dict[str, Result | str]:
    """The results by name of contenders in this process."""
    ts.workspace_limit(ROOMY)
    problem = Problem(kind, size)
    contenders = {name: partial(Here, partial(CONTENDERS[name], problem)) for name in names}
    return interleaved(contenders, rounds, right, f"{kind} {size}")


def in_turn(
    kind: str, size: Size, names: Iterable[str], rounds: int, right: list[np.ndarray]
) -> dict[str, Result | str]:
    """The same, with a separate process for every contender, one after the other."""
    return {name: apart(together, kind, size, [name], rounds, right)[name] for name in names}


def of_checkouts(
    kind: str, size: Size, paths: Iterable[str], rounds: int, right: list[np.ndarray]
) -> dict[str, Result | str]:
    """The results of our scan, of this checkout and of those in `paths`."""
    return interleaved(checkouts(paths, "contenders", (kind, size)), rounds, right, f"{kind} {size}")


def compare(kind: str, sizes: dict[str, Size], names: Iterable[str], rounds: int, measure: Callable) -> None:
    """The table of a cell: a block per size."""
    print(f"\n{KINDS[kind].title}, forward and backward\n{HEAD}")
    for label, size in sizes.items():
        results = measure(kind, size, names, rounds, reference(kind, size))
        print(f"{label}, (T, B, I, H) = {size}", *lines(results, size[0]), sep="\n")
        for emitter, row in zip(EMITTERS, OURS.values(), strict=True):
            if isinstance(results.get(row), Result):
                for stage, took in stages(kind, size, emitter).items():
                    print(f"  {emitter:6}{stage:16}{took * 1e3:11.3f}")
        sys.stdout.flush()


def memory(kind: str, rounds: int) -> None:
    """The table of memory at the greatest length: the loop, scan, and scan that recomputes."""
    size = (LENGTHS[-1], *LONG)
    right = reference(kind, size)
    ys = Problem(kind, size).weights.nbytes / 1e6
    print(f"\n{KINDS[kind].title}, (T, B, I, H) = {size}; ys is {ys:.1f} MB")
    print(f"{'':20}{'peak MB':>11}{'median ms':>11}{'error':>10}")
    runners = {"plain loop": looped, "scan": scanned, f"scan, remat={REMAT}": partial(scanned, remat=REMAT)}
    for name, runner in runners.items():
        peak, times, off = apart(peak_and_times, kind, size, runner, rounds, right)
        median, wrong = statistics.median(times), "" if off <= TOLERANCE else "  WRONG"
        print(f"{name:20}{peak / 1e6:11.1f}{median * 1e3:11.1f}{off:10.0e}{wrong}", flush=True)


def peak_and_times(
    kind: str, size: Size, runner: Callable, rounds: int, right: list[np.ndarray]
) -> tuple[int, list[float], float]:
    """The peak bytes of a first call beyond xs and the parameters; the times of later calls; the error."""
    run = ours(Problem(kind, size), runner)
    tracemalloc.start()
    first = run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    times = [seconds(run) for _ in progress(range(rounds), f"{kind} {size}")]
    return peak, times, error([g.numpy() for g in (*first, *run())], right)


# --- the command --------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=21, help="rounds, each of one call per contender")
    parser.add_argument("--rows", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    table = parser.add_mutually_exclusive_group()
    table.add_argument("--two-threads", action="store_true", help="two threads, a process per contender")
    table.add_argument("--busy", action="store_true", help="the same beside a process that keeps a core busy")
    table.add_argument("--against", metavar="PATH", nargs="+", help="ours here and in other checkouts")
    table.add_argument("--growth", action="store_true", help=f"ours at T = {LENGTHS}, B, I, H = {LONG}")
    table.add_argument("--remat", action="store_true", help=f"peak memory at T = {LENGTHS[-1]}")
    chosen = parser.parse_args()

    random.seed(0)
    threads = 2 if chosen.two_threads or chosen.busy else 1
    beside = " beside a busy process" * chosen.busy
    print(
        f"{versions()}; {threads} thread{'s' * (threads > 1)} each, {pin(threads)}{beside}; "
        f"{chosen.repeats} rounds"
    )
    sizes, names, measure = {label: SIZES[label] for label in chosen.sizes}, chosen.rows, together
    if threads == 2:
        allow(threads=2)
        measure = in_turn
    if chosen.against:
        names, measure = chosen.against, of_checkouts
    if chosen.growth:
        sizes = {f"T = {steps:,}": (steps, *LONG) for steps in LENGTHS}
        names = [*OURS.values(), "ours, plain loop"]
    with busy() if chosen.busy else nullcontext():
        for kind in chosen.cells:
            if chosen.remat:
                memory(kind, chosen.repeats)
            else:
                compare(kind, sizes, names, chosen.repeats, measure)


if __name__ == "__main__":
    main()
