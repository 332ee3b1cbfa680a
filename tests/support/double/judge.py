"""The real wheel as judge: does CuPy have what the project reached on the double, with that signature?

Run as a process of its own, since the module `cupy` is the double where the tests run. It reads a list of
[kind, name, number of positional arguments, keywords, place] from its input and prints what CuPy does not
have, a line each. CuPy can be imported and asked for its names and signatures without any device.
"""

from __future__ import annotations

import inspect
import json
import re
import sys


def signature(thing) -> inspect.Signature | None:
    """That of a function; compiled ones have it as the first line of their docstring."""
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):
        stated = re.match(r"[\w.]+\((.*?)\)(?: ->.*)?$", (thing.__doc__ or "").partition("\n")[0])
        if stated is None:
            return None
        names = re.sub(r"\w+ (\w+)", r"\1", stated[1].replace("\\", ""))  # C's types stand before some
        return inspect.signature(eval(f"lambda {names}: None"))


def complaint(cupy, kind: str, name: str, positional: int, keywords: list[str]) -> str | None:
    """What is wrong with a call, or None."""
    if kind in ("method", "attribute"):
        home, positional = cupy.ndarray, positional + 1
    else:
        home = cupy
    for part in name.split("."):
        if not hasattr(home, part):
            return f"CuPy has no {kind} {name}"
        home = getattr(home, part)
    if kind == "attribute" or (known := signature(home)) is None:
        return None
    if kind == "ufunc" and "." in name:
        positional += not inspect.ismethod(home) and "self" in known.parameters
    try:
        known.bind(*[None] * positional, **dict.fromkeys(keywords))
    except TypeError as error:
        return f"CuPy's {name}{known} does not take it: {error}"
    return None


if __name__ == "__main__":
    import cupy

    calls = json.load(sys.stdin)
    for kind, name, positional, keywords, place in calls:
        if wrong := complaint(cupy, kind, name, positional, keywords):
            print(f"{name} with {positional} arguments and {keywords}, called at {place}: {wrong}")
    print(f"{len(calls)} calls asked of CuPy {cupy.__version__}", file=sys.stderr)
