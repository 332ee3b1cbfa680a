"""A sequence forward and backward: our scan, the plain loop, other libraries, and only the matrix products.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/scan.py                   one thread each, all cells, S1 to S5
    taskset -c 0,1 .venv/bin/python benchmarks/scan.py --two-threads   two threads each
    taskset -c 0,1 .venv/bin/python benchmarks/scan.py --busy          two threads each, beside a busy process
    taskset -c 0 .venv/bin/python benchmarks/scan.py --growth          ours at T = 10 to 10,000: time per step
    taskset -c 0 .venv/bin/python benchmarks/scan.py --remat           ours at T = 10,000: peak memory

With one thread, all contenders share a process and run in shuffled order in every round; a fixed order would
favour a contender that runs twice in succession. With two threads, each contender has a separate process, one
after the other, because two thread pools on two cores disturb each other. A busy process, too, disturbs a pool,
because its threads wait for each other at every product. The first call of each contender, in
which it traces, plans and compiles, is timed separately. Every row compares the contender's gradients of all
parameters with those of our plain loop in float64: a fast wrong answer does not count.
"""

import os


def allow(threads: int) -> None:
    """Set the number of threads of all libraries imported from now on, here and in processes started here.

    OpenBLAS chooses its kernels for this processor; where these variables are set, it may take older ones.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)


if __name__ == "__main__":
    allow(threads=1)

import argparse
import gc
import multiprocessing
import random
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata

import numpy as np
from contenders import CONTENDERS, KINDS, AbsentError, Problem, Run, Size, looped, ours, reference, scanned

import tinygrad_seq as ts
from tinygrad_seq.scan.backward import derived
from tinygrad_seq.scan.differentiable import first_step
from tinygrad_seq.scan.emit import emitted
from tinygrad_seq.scan.lines import IN_PLACE
from tinygrad_seq.scan.over_time import PROGRAMS, Compiled
from tinygrad_seq.scan.plan import planned
from tinygrad_seq.scan.step import Step

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
TOLERANCE = 1e-4  # for float32 gradients; sums of some thousand terms have errors of 1e-6 to 1e-5

# --- measuring ----------------------------------------------------------------------------------------


@dataclass
class Result:
    """Seconds of the first call and of the calls in the rounds; the error of the gradients, if any."""

    first: float
    times: list[float] = field(default_factory=list)
    error: float | None = None


def seconds(run: Callable) -> float:
    """The time of one call, after a garbage collection."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def error(first: Iterable, last: Iterable, right: list[np.ndarray]) -> float | None:
    """The largest error of a gradient relative to its largest element; None if there are no gradients.

    Computed after the rounds: later calls must not have overwritten the result of the first call, and reused
    buffers must not have damaged the result of the last call.
    """
    found = [np.asarray(g) for g in (*first, *last)]
    if not found:
        return None
    pairs = zip(found, right * 2, strict=True)
    return float(np.max([np.abs(g - r).max() / np.abs(r).max() for g, r in pairs]))


def together(
    kind: str, size: Size, names: Iterable[str], rounds: int, right: list[np.ndarray]
) -> dict[str, Result | str]:
    """The results of contenders in one process, by name; for one that is left out, the reason."""
    problem = Problem(kind, size)
    contenders = {name: partial(CONTENDERS[name], problem) for name in names}
    return interleaved(contenders, rounds, right, f"{kind} {size}")


def interleaved(
    contenders: Mapping[str, Callable[[], Run]], rounds: int, right: list[np.ndarray], title: str
) -> dict[str, Result | str]:
    """The same, for contenders that are still to be prepared, with the gradients that they should compute."""
    runs, firsts, results = {}, {}, {}
    for name, contender in contenders.items():
        try:
            run = contender()
        except (ImportError, AbsentError) as reason:
            results[name] = str(reason)
            continue
        start = time.perf_counter()
        firsts[name] = run()
        results[name] = Result(time.perf_counter() - start)
        runs[name] = run
    gc.freeze()  # so that a collection does not walk the objects of the libraries
    for _ in progress(range(rounds), title):
        for name in random.sample(list(runs), len(runs)):
            results[name].times.append(seconds(runs[name]))
    for name, run in runs.items():
        results[name].error = error(firsts[name], run(), right)
    return results


def in_turn(
    kind: str, size: Size, names: Iterable[str], rounds: int, right: list[np.ndarray]
) -> dict[str, Result | str]:
    """The same, with a separate process for every contender."""
    return {name: apart(together, kind, size, [name], rounds, right)[name] for name in names}


def apart(function: Callable, *arguments):
    """function(*arguments), called in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def progress(rounds: Sequence, title: str) -> Iterable:
    """The rounds, with a progress bar on a terminal; without tqdm, a line."""
    try:
        from tqdm import tqdm
    except ImportError:
        print(title, file=sys.stderr)
        return rounds
    return tqdm(rounds, title, leave=False, disable=None)


# --- the tables ---------------------------------------------------------------------------------------

HEAD = f"{'':20}{'median ms':>11}{'min':>10}{'/ scan':>8}{'us/step':>10}{'first':>10}{'error':>10}"


def lines(results: dict[str, Result | str], steps: int, tolerance: float = TOLERANCE) -> Iterable[str]:
    """Print a line per contender: its times, its median over that of our scan, the error of its gradients."""
    scan = statistics.median(results["ours, scan"].times)
    for name, result in results.items():
        if isinstance(result, str):
            yield f"{name:20}  left out: {result}"
            continue
        median, least = statistics.median(result.times), min(result.times)
        right = result.error is None or result.error <= tolerance  # nan is wrong
        ratio = f"{median / scan:.2f}" if right else "WRONG"
        off = "-" if result.error is None else f"{result.error:.0e}"
        yield (
            f"{name:20}{median * 1e3:11.3f}{least * 1e3:10.3f}{ratio:>8}"
            f"{median / steps * 1e6:10.2f}{result.first * 1e3:10.1f}{off:>10}"
        )


def compare(kind: str, sizes: dict[str, Size], names: Iterable[str], rounds: int, measure: Callable) -> None:
    """The table of a cell: a block per size."""
    print(f"\n{KINDS[kind].title}, forward and backward\n{HEAD}")
    for label, size in sizes.items():
        results = measure(kind, size, names, rounds, reference(kind, size))
        print(f"{label}, (T, B, I, H) = {size}", *lines(results, size[0]), sep="\n")
        for stage, took in stages(kind, size).items():
            print(f"  {stage:18}{took * 1e3:11.3f}")
        sys.stdout.flush()


def stages(kind: str, size: Size) -> dict[str, float]:
    """The seconds of scan to record and look up, at every call, and to derive, plan and emit, once."""
    problem = Problem(kind, size)
    PROGRAMS.clear()
    ours(problem, scanned)()
    (compiled,) = PROGRAMS.values()
    loop = next(loop for loop in compiled.loops.values() if loop.active)
    (((_, ends), back),) = loop.backwards.items()
    zeros = [np.zeros(spec.shape, spec.dtype) for spec in loop.program.values]
    inputs = set(loop.program.inputs)
    values = first_step(
        loop.program, [zeros[v][None] if v in inputs else zeros[v] for v in loop.program.arguments]
    )
    xs = ts.tensor(problem.xs)
    start = problem.cell.initial_state(size[1], like=xs)

    def plan() -> None:
        planned(loop.program, loop.loop.plan.kept, IN_PLACE)
        planned(back.parts.loop, (), IN_PLACE)

    def emit() -> None:
        emitted(loop.loop.plan, "scan")
        emitted(back.loop.plan, "backward")

    def record() -> None:
        Compiled.of(Step(problem.cell, start, xs))

    runs = {
        "record, look up": record,
        "derive": lambda: derived(loop.program, loop.active, ends, values),
        "plan": plan,
        "emit": emit,
    }
    return {name: statistics.median(seconds(run) for _ in range(21)) for name, run in runs.items()}


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
    return peak, times, error(first, run(), right)


# --- the command --------------------------------------------------------------------------------------


def pin(threads: int) -> str:
    """Use as many cores as threads, because JAX starts a thread for every core; return a description."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned: this system cannot"
    cores = sorted(os.sched_getaffinity(0))[:threads]
    if len(cores) < threads:
        raise SystemExit(f"{threads} threads need as many cores; this process may use {len(cores)}")
    os.sched_setaffinity(0, cores)
    return f"on core {' and '.join(map(str, cores))}"


@contextmanager
def busy() -> Iterator[None]:
    """In this context a process keeps one of the cores busy that this process may use."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def versions() -> str:
    """The versions of the libraries, and for which processor the kernels of NumPy's OpenBLAS are."""
    found = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    wanted = ("numpy", "torch", "jax", "autograd", "mygrad")
    return ", ".join([*(f"{name} {found[name]}" for name in wanted if name in found), kernels()])


def kernels() -> str:
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "kernels unknown without threadpoolctl"
    found = {pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}
    return f"OpenBLAS kernels for {' and '.join(sorted(found))}" if found else "no OpenBLAS"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--repeats", type=int, default=21, help="rounds, each of one call per contender")
    table = parser.add_mutually_exclusive_group()
    table.add_argument("--two-threads", action="store_true", help="two threads, a process per contender")
    table.add_argument("--busy", action="store_true", help="the same beside a process that keeps a core busy")
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
    sizes, names, measure = {label: SIZES[label] for label in chosen.sizes}, list(CONTENDERS), together
    if threads == 2:
        allow(threads=2)
        measure = in_turn
    if chosen.growth:
        sizes = {f"T = {steps:,}": (steps, *LONG) for steps in LENGTHS}
        names = ["ours, scan", "ours, plain loop"]
    with busy() if chosen.busy else nullcontext():
        for kind in chosen.cells:
            if chosen.remat:
                memory(kind, chosen.repeats)
            else:
                compare(kind, sizes, names, chosen.repeats, measure)


if __name__ == "__main__":
    main()
