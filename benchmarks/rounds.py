"""The command line of a benchmark that has one problem in several sizes, and a table for each size."""

import argparse
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from elsewhere import checkouts
from limits import pin
from measure import HEAD, ROOMY, Here, interleaved, lines, versions

import tinygrad_seq as ts


def main(benchmark: ModuleType, label: Callable[..., str], steps: Callable[..., int]) -> None:
    """Measure all contenders, or those of --rows, or with --against ours in several checkouts.

    benchmark  has SIZES, tuples of arguments of its Problem; CONTENDERS, functions of a problem; `reference`, a
               function of the same arguments that returns the right gradients; and their TOLERANCE
    label      the title of a table, by the arguments
    steps      the time steps of a call, by the arguments
    """
    parser = argparse.ArgumentParser(description=benchmark.__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=41, help="rounds, each of one call per contender")
    rows = benchmark.CONTENDERS
    parser.add_argument("--rows", nargs="+", choices=rows, default=list(rows))
    parser.add_argument("--against", metavar="PATH", nargs="+", help="ours here and in other checkouts")
    chosen = parser.parse_args()
    random.seed(0)
    ts.workspace_limit(ROOMY)
    print(f"{versions()}; 1 thread each, {pin(1)}; {chosen.repeats} rounds\n{HEAD}")
    for size in benchmark.SIZES:
        title, problem = label(*size), benchmark.Problem(*size)
        contenders = {name: partial(Here, partial(rows[name], problem)) for name in chosen.rows}
        if chosen.against:
            contenders = checkouts(chosen.against, Path(benchmark.__file__).stem, size)
        results = interleaved(contenders, chosen.repeats, benchmark.reference(*size), title)
        print(title, *lines(results, steps(*size), benchmark.TOLERANCE), sep="\n", flush=True)
