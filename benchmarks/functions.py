"""How many functions of NumPy and of scipy.special work here, in autograd, and in MyGrad.

    .venv/bin/python -m pip install -e ".[bench,special]"
    .venv/bin/python benchmarks/functions.py

A function counts once, whatever its synonyms. It is *recorded* if derivatives pass: here, as docs/numpy.md
says; in autograd, if it has a derivative or calls functions that have; in MyGrad, if it is an operation. It is
*value only* if it works and nothing is recorded. At the end: what each library lacks that another one records.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from measure import versions

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from naming import PUBLIC, numpys
from numpy_page import dispatched, passes

ROOMS = {"numpy": "", "numpy.linalg": "linalg.", "numpy.fft": "fft.", "scipy.special": "special."}
Found = dict[object, bool]  # a function of NumPy or SciPy: whether derivatives pass


def ours() -> Found:
    return {f: passes(name) for name in PUBLIC if (f := numpys(name)) is not None}


def of_autograd() -> Found:
    import autograd.numpy as anp
    import autograd.numpy.fft
    import autograd.numpy.linalg
    import autograd.scipy.special
    from autograd.core import primitive_vjps
    from autograd.numpy import numpy_vjps, numpy_wrapper

    silent, derived = set(numpy_vjps.nograd_functions), {f.__name__ for f in primitive_vjps}
    composed = {
        f for f in vars(numpy_wrapper).values() if getattr(f, "__module__", "") == numpy_wrapper.__name__
    }
    homes = zip(ROOMS.values(), (anp, anp.linalg, anp.fft, autograd.scipy.special), strict=True)
    found: Found = {}
    for prefix, home in homes:
        for name, f in vars(home).items():
            theirs = numpys(prefix + name)
            if callable(f) and theirs is not None and not isinstance(theirs, type):
                if name in derived or (f in composed and f not in silent):
                    found[theirs] = True
                elif f in silent:
                    found.setdefault(theirs, False)
    return found


def of_mygrad() -> Found:
    import mygrad

    silent = ("mygrad.math.nondifferentiable", "mygrad.tensor_creation", "mygrad._io")
    found: Found = {}
    for prefix, home in (("", mygrad), ("linalg.", mygrad.linalg)):
        for name, f in vars(home).items():
            theirs = numpys(prefix + name)
            if callable(f) and theirs is not None and not isinstance(theirs, type):
                where = getattr(f, "__module__", None) or "numpy"
                found[theirs] = where.startswith("mygrad") and not where.startswith(silent)
    return found


def table(libraries: dict[str, Found]) -> Iterable[str]:
    """For each module the functions that are recorded, and value only, in each library."""
    yield f"{'recorded + value only':22}" + "".join(f"{name:>16}" for name in libraries)
    for room, prefix in ROOMS.items():
        counts = []
        for found in libraries.values():
            here = {f: on for f, on in found.items() if room_of(f) == prefix}
            counts.append(f"{sum(here.values())} + {len(here) - sum(here.values())}")
        yield f"{room:22}" + "".join(f"{count:>16}" for count in counts)
    totals = [f"{sum(found.values())} + {len(found) - sum(found.values())}" for found in libraries.values()]
    yield f"{'all':22}" + "".join(f"{total:>16}" for total in totals)


def room_of(f: object) -> str:
    return next(prefix for prefix in ROOMS.values() if numpys(prefix + f.__name__) is f)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print(versions())
    every = {"here": ours(), "autograd": of_autograd(), "MyGrad": of_mygrad()}
    libraries = {name: {f: on for f, on in found.items() if dispatched(f)} for name, found in every.items()}
    print("\n".join(table(libraries)))
    for name, found in libraries.items():
        others = {f for other in libraries.values() for f, on in other.items() if on}
        lacking = sorted(room_of(f) + f.__name__ for f in others if not found.get(f))
        print(f"\nrecorded elsewhere, not in {name}: {', '.join(lacking) or 'none'}")


if __name__ == "__main__":
    main()
