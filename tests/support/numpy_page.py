"""docs/numpy.md: what each public function of NumPy, and of scipy.special, does with a tensor.

    python tests/support/numpy_page.py      writes the page anew

recorded    a tensor answers the function with ours, and a derivative passes
value only  there is no derivative, or it is zero: the result is never on the tape
refused     TypeError, with the reason or with what to write instead
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from fuzzing import ops
from naming import PUBLIC
from places import ROOT

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import FUNCTIONS
from tinygrad_seq.tensor import protocols

PAGE = ROOT / "docs" / "numpy.md"
MODULES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft}
PLAIN = protocols.OF_SHAPES | protocols.OF_VALUES | protocols.OF_DTYPES
TRIED = 600  # awkward calls, until a derivative passes


def dispatched(f: object) -> bool:
    """Whether NumPy passes a call of f on to a tensor among its arguments."""
    return isinstance(f, np.ufunc) or hasattr(f, "_implementation")


def functions(module: str) -> dict[str, Callable]:
    """The public functions of a module of NumPy that can be called with tensors, by name."""
    home = MODULES[module]
    names = sorted(name for name in home.__all__ if dispatched(getattr(home, name, None)))
    return {name: getattr(home, name) for name in names}


@cache
def passes(name: str) -> bool:
    """Whether a derivative passes through a function of the registry: through any of its awkward calls."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for number in range(TRIED):
            call = ops.drawn(name, number)
            try:
                value = FUNCTIONS[name](*call.args, **call.kwargs)
            except Exception:
                continue
            parts = value if isinstance(value, (list, tuple)) else [value]
            if any(isinstance(z, ts.Tensor) and z.requires_grad for z in parts):
                return True
    return False


def answer(f: Callable) -> Callable | str:
    """What a tensor answers: our function, or the text of its refusal."""
    try:
        return protocols.counterpart(f)
    except TypeError as error:
        return str(error).partition("for tensors: ")[2]


def sorted_out(module: str) -> tuple[list[str], list[str], list[str], dict[str, list[str]]]:
    """The names of a module that are recorded, value only, plain, and those refused for each reason."""
    recorded, values, plain, refused = [], [], [], dict[str, list[str]]()
    ours = {FUNCTIONS[name]: name for name in PUBLIC}
    derived: dict[str, bool] = {}
    for name, f in functions(module).items():
        if f in PLAIN:
            plain.append(name)
        elif isinstance(found := answer(f), str):
            refused.setdefault(found, []).append(name)
        else:
            key = ours[found]
            if key not in derived:
                derived[key] = passes(key)
            (recorded if derived[key] else values).append(name)
    return recorded, values, plain, refused


def listed(names: list[str], prefix: str) -> str:
    return ", ".join(f"`{prefix}{name}`" for name in names)


def written() -> Iterator[str]:
    """The page."""
    parts = {module: sorted_out(module) for module in MODULES}
    special = [name.removeprefix("special.") for name in PUBLIC if name.startswith("special.")]
    yield HEAD
    yield "| module | recorded | value only | plain value | refused |\n|---|---|---|---|---|"
    for module, (recorded, values, plain, refused) in parts.items():
        sizes = len(recorded), len(values), len(plain), sum(map(len, refused.values()))
        yield f"| {module} | {' | '.join(map(str, sizes))} |"
    yield f"| scipy.special | {len(special)} | | | all others |"
    for module, (recorded, values, plain, refused) in parts.items():
        prefix = module.replace("numpy", "np") + "."
        yield f"\n## {module}\n"
        if recorded:
            yield f"Recorded: {listed(recorded, prefix)}.\n"
        if values:
            yield f"Value only: {listed(values, prefix)}.\n"
        if plain:
            yield f"Plain value, computed by NumPy: {listed(plain, prefix)}.\n"
        yield "| refused | the reason, or what to write |\n|---|---|"
        for reason, names in sorted(refused.items(), key=lambda item: item[1]):
            yield f"| {listed(names, prefix)} | {reason.replace('|', '&#124;')} |"
    yield "\n## scipy.special\n"
    yield f"As `ts.special`, and by SciPy's own names: {listed(special, 'ts.special.')}."


HEAD = """\
# NumPy's functions and tensors

`np.f(t)` of a tensor calls our function of the same name, which is also `ts.f` or `ts.linalg.f`. This
page lists every public function of NumPy that can be called with tensors. It is generated from the code, by
`python tests/support/numpy_page.py`, and a test compares it with the NumPy that runs.

- *Recorded*: the result is a tensor on the tape, and derivatives pass.
- *Value only*: the derivative is zero or does not exist; the result is a tensor that is never on the tape.
- *Plain value*: a number, a truth value, a shape or a text.
- *Refused*: a TypeError. `t.numpy()` gives the array on which NumPy's function works, without a derivative.

Functions that make arrays (`np.zeros`, `np.arange`, ...) do not look at tensors. `np.array(t)` and
`np.asarray(t)` give the values of a tensor that is not on the tape; for one that is, they are an error, since
its derivative would be lost.
"""

if __name__ == "__main__":
    PAGE.write_text("\n".join(written()) + "\n", encoding="utf-8")
