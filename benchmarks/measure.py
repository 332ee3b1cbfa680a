"""Measuring contenders: in rounds, in shuffled order, with the gradients of each compared with the right ones.

A fixed order would favour a contender that runs twice in succession. The first call of each contender, in which
it traces, plans and compiles, is timed separately.
"""

import gc
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol

import numpy as np

TOLERANCE = 1e-4  # for float32 gradients; sums of some thousand terms have errors of 1e-6 to 1e-5

ROOMY = 2**32  # bytes for workspaces: contenders of ours that share a process each keep theirs, as if alone

Run = Callable[[], Iterable[Any]]  # the gradients, as arrays of whatever library computed them


class AbsentError(Exception):
    """A contender is left out, for the reason given."""


@dataclass
class Result:
    """Seconds of the first call and of the calls in the rounds; the error of the gradients, if any.

    compilers  how many C compilers the first call started; a loop that is on the disk needs none
    """

    first: float
    compilers: int
    times: list[float] = field(default_factory=list)
    error: float | None = None


class Contender(Protocol):
    """A contender whose first call is over."""

    first: float
    compilers: int

    def seconds(self) -> float:
        """The time of one call, after a garbage collection."""

    def gradients(self) -> list[np.ndarray]:
        """The gradients of the first call, and those of a last one."""


class Here:
    """A contender in this process, from the function that prepares it."""

    def __init__(self, prepare: Callable[[], Run]) -> None:
        self.run = prepare()
        before, start = len(started), time.perf_counter()
        self.held = self.run()
        self.first = time.perf_counter() - start
        self.compilers = len(started) - before

    def seconds(self) -> float:
        return seconds(self.run)

    def gradients(self) -> list[np.ndarray]:
        return [np.asarray(g) for g in (*self.held, *self.run())]


started: list[str] = []  # the programs that this process has started


def _note(event: str, arguments: tuple) -> None:
    if event == "subprocess.Popen":
        started.append(str(arguments[0]))


sys.addaudithook(_note)


def seconds(run: Callable) -> float:
    """The time of one call, after a garbage collection."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def error(found: list[np.ndarray], right: list[np.ndarray]) -> float | None:
    """The largest error of a gradient relative to its largest element; None if there are no gradients.

    `found` are the gradients of the first call and of the last. Computed after the rounds: later calls must not
    have overwritten the result of the first call, and reused buffers must not have damaged that of the last.
    """
    if not found:
        return None
    pairs = zip(found, right * 2, strict=True)
    return float(np.max([np.abs(g - r).max() / np.abs(r).max() for g, r in pairs]))


def interleaved(
    contenders: Mapping[str, Callable[[], Contender]], rounds: int, right: list[np.ndarray], title: str
) -> dict[str, Result | str]:
    """The results by name, with the gradients `right`; for a contender that is left out, the reason."""
    ready: dict[str, Contender] = {}
    results: dict[str, Result | str] = {}
    for name, contender in contenders.items():
        try:
            ready[name] = found = contender()
            results[name] = Result(found.first, found.compilers)
        except (ImportError, AbsentError) as reason:
            results[name] = str(reason)
    gc.freeze()  # so that a collection does not walk the objects of the libraries
    for _ in progress(range(rounds), title):
        for name in random.sample(list(ready), len(ready)):
            results[name].times.append(ready[name].seconds())
    for name, contender in ready.items():
        results[name].error = error(contender.gradients(), right)
    return results


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

EMITTERS = ("c", "numpy")
OURS = {"/ C": "ours, scan as C", "/ NumPy": "ours, scan as NumPy"}  # the columns of ratios
HEAD = f"{'':24}{'median ms':>11}{'min':>10}{'/ C':>8}{'/ NumPy':>9}{'us/step':>10}{'first':>10}{'error':>10}"


def lines(results: dict[str, Result | str], steps: int, tolerance: float = TOLERANCE) -> Iterable[str]:
    """A line per contender: its times, its median over those of our scan, the error of its gradients."""
    for name, result in results.items():
        if isinstance(result, str):
            yield f"{name:24}  left out: {result}"
            continue
        median, least = statistics.median(result.times), min(result.times)
        right = result.error is None or result.error <= tolerance  # nan is wrong
        ratios = [f"{median / ours:.2f}" if right else "WRONG" for ours in medians(results)]
        off = "-" if result.error is None else f"{result.error:.0e}"
        yield (
            f"{name:24}{median * 1e3:11.3f}{least * 1e3:10.3f}{ratios[0]:>8}{ratios[1]:>9}"
            f"{median / steps * 1e6:10.2f}{result.first * 1e3:10.1f}{off:>10}"
            + f"  compiled {result.compilers}"
            * bool(result.compilers)
        )


def medians(results: dict[str, Result | str]) -> list[float]:
    """The medians of our scan as C and as NumPy; NaN where one is left out."""
    found = [results.get(name) for name in OURS.values()]
    return [statistics.median(r.times) if isinstance(r, Result) else np.nan for r in found]


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
