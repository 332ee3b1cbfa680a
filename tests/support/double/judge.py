"""The real CuPy as judge: does it have every function, with its arguments, that was called on the double?

It runs in a separate process, because the module `cupy` is the double in the process of the tests. It reads a
list of [kind, name, number of positional arguments, keywords, place] from its input, and prints a line for each
call that CuPy does not support. CuPy can be imported and inspected without a device.
"""

from __future__ import annotations

import inspect
import json
import re
import sys


def signature(thing) -> inspect.Signature | None:
    """The signature of a function; a compiled function has it in the first line of its docstring."""
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):
        stated = re.match(r"[\w.]+\((.*?)\)(?: ->.*)?$", (thing.__doc__ or "").partition("\n")[0])
        if stated is None:
            return None
        names = re.sub(r"\w+ (\w+)", r"\1", stated[1].replace("\\", ""))  # some have a C type before the name
        names = re.sub(r"\s*\[, [^\]]*\]", "", names)  # and ufuncs have optional outputs in brackets
        return inspect.signature(eval(f"lambda {names}: None"))


def complaint(cupy, kind: str, name: str, positional: int, keywords: list[str]) -> str | None:
    """A text about what is wrong with a call, or None."""
    if kind in ("method", "attribute"):
        home, positional = cupy.ndarray, positional + 1
    else:
        home = cupy
        if not hasattr(cupy, name.partition(".")[0]):  # "erf", or "special.polygamma"
            import cupyx.scipy.special as home

            name = name.removeprefix("special.")
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
