"""The time of every function of NumPy that is ours, forward and recorded, over NumPy's own, on 1,000 elements.

    taskset -c 0 .venv/bin/python benchmarks/forward.py             # or the names of some functions

A call on a tensor costs what NumPy's function costs, plus the tape: about a microsecond for each record. So the
last column is (ours - records x tape) / NumPy's, where `tape` is measured first, on additions of one element.
Arguments are chosen by trial: the first that both accept. Both are timed in turn, the median of many blocks.
"""

from limits import allow, pin

if __name__ == "__main__":
    allow(threads=1)

import argparse
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from measure import versions

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from naming import PUBLIC, numpys

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS

rng = np.random.default_rng(0)
X, Y, S = rng.uniform(0.1, 0.9, 1000), rng.uniform(0.1, 0.9, 1000), rng.uniform(0.1, 0.9, (32, 32))
DEFINITE, IDS = S @ S.T + np.eye(32), rng.integers(0, 1000, 1000)
CANDIDATES: list[tuple] = [
    (X,), (X, Y), ([X, Y],), (DEFINITE,), (DEFINITE, S), (X, 2), (X, 0.3), (X, 7), (X, IDS), (X > 0.5, X),
    (X > 0.5, X, Y), (S, (1024,)), (X, (3, 1000)), (S, 0, 1), ("ij,jk", S, S), (np.sort(X), Y),
    (Y, np.sort(X), X), ([S, S],), (X, 3, 1.0), (2, X),
]  # fmt: skip


def call_of(name: str) -> tuple[tuple, tuple] | None:
    """Arguments that NumPy's function accepts, and the same with tensors, which ours accepts."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for arguments in CANDIDATES:
            tensors = tuple(tensor_of(x) for x in arguments)
            try:
                theirs, ours = numpys(name)(*arguments), FUNCTIONS[name](*tensors)
            except Exception:
                continue
            if isinstance(theirs, np.ndarray | np.generic | list | tuple) and not isinstance(ours, np.ndarray):
                return arguments, tensors
    return None


def tensor_of(x):
    if isinstance(x, list):
        return [tensor_of(part) for part in x]
    floats = isinstance(x, np.ndarray) and x.dtype.kind == "f"
    return ts.tensor(x, requires_grad=True) if floats else x


def times(first: Callable, second: Callable, blocks: int = 25) -> tuple[float, float]:
    """The median times of a call of each, in blocks of some milliseconds, in turn."""
    for _ in range(5):
        first(), second()
    start = time.perf_counter()
    first(), second()
    count = max(1, int(0.002 / (time.perf_counter() - start)))
    found: dict[Callable, list[float]] = {first: [], second: []}
    for _ in range(blocks):
        for f in random.sample([first, second], 2):
            start = time.perf_counter()
            for _ in range(count):
                f()
            found[f].append((time.perf_counter() - start) / count)
    return statistics.median(found[first]), statistics.median(found[second])


def records(value) -> int:
    """How many calls a value needed that are on the tape."""
    parts = value if isinstance(value, list | tuple) else [value]
    seen, pending = set(), [t.line[0] for t in parts if getattr(t, "line", None)]
    while pending:
        record = pending.pop()
        if record not in seen:
            seen.add(record)
            pending += [line[0] for line in record.inputs if line]
    return sum(record.op is not None for record in seen)


def rows(names: list[str]) -> Iterator[tuple[float, str]]:
    one, other = ts.tensor([1.0], requires_grad=True), np.ones(1, np.float32)
    theirs, ours = times(lambda: np.add(other, other), lambda: ts.add(one, one), 100)
    tape = ours - theirs
    print(f"the tape: {tape * 1e6:.2f} us a record")
    for name in names:
        if (found := call_of(name)) is None:
            print(f"{name}: no arguments were found", file=sys.stderr)
            continue
        arguments, tensors = found
        with np.errstate(all="ignore"):
            theirs, ours = times(partial(numpys(name), *arguments), partial(FUNCTIONS[name], *tensors))
        count = records(FUNCTIONS[name](*tensors))
        ratio = (ours - max(count, 1) * tape) / theirs
        yield ratio, f"{name:24}{theirs * 1e6:10.2f}{ours * 1e6:10.2f}{count:9}{ratio:9.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    print(f"{versions()}; one thread, {pin(1)}")
    names = options.names or [name for name in PUBLIC if numpys(name) is not None]
    found = sorted(rows(names))
    print(f"{'':24}{'NumPy us':>10}{'ours us':>10}{'records':>9}{'ratio':>9}")
    print("\n".join(text for _, text in found))
    slow = sum(ratio > 1.5 for ratio, _ in found)
    print(f"{len(found)} functions, {slow} above 1.5")


if __name__ == "__main__":
    main()
