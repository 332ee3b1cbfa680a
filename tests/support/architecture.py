"""The layers of the package, its imports as they stand in the source, and the picture of both.

    python tests/support/architecture.py      draws docs/pictures/architecture.svg anew

Every import counts: at the top of a file, inside a function, and under TYPE_CHECKING.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from places import ROOT

PACKAGE = ROOT / "tinygrad_seq"
PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"

# From the lowest to the highest. A file may import from its own folder and from lower layers. The `__init__`
# of `nn` and of the package collect public names, so they lie above what they collect.
LAYERS = [
    {
        "engine": "records calls on a tape, and walks it backwards",
        "tree": "tensors in tuples, lists and dicts",
        "version": "the version number",
    },
    {"ops": "the operations: a forward function and its derivative rules"},
    {"tensor": "the class Tensor, its operators, and NumPy's protocols"},
    {
        "derive": "grad, vjp, jvp, jacobian, hessian",
        "optim": "optimizers, clipping, schedules",
        "study": "a tape to print, to draw, to walk through; anomaly mode",
    },
    {"scan": "a loop over time: recorded once, derived, run as one program"},
    {"nn": "modules, layers, losses, attention, memory"},
    {"nn/cells": "the recurrent cells, and cells that wrap other cells"},
    {"nn/runners": "a cell run over time; patterns of inputs and outputs"},
    {
        "nn/decoding": "models that write sequences",
        "nn/classical": "windows, hidden Markov models, Kalman filters",
        "nn/gradients": "how gradients flow through time",
        "nn/exchange": "weights from and to other libraries",
    },
    {"nn/pictures": "what networks do, drawn with matplotlib"},
    {"nn/__init__": "the public names of nn", "training": "the training loop, checkpoints, files"},
    {"__init__": "the public names of tinygrad_seq"},
    {
        "tasks": "sequences drawn from a definition",
        "data": "sequences read from other packages",
        "testing": "the laws that hold for every operation, for users too",
    },
]
LAYER = {folder: i for i, layer in enumerate(LAYERS) for folder in layer}


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """The files of a package, by their path without suffix: engine/tape, nn/__init__."""
    return {str(path.relative_to(package).with_suffix("")): path for path in sorted(package.rglob("*.py"))}


def folder_of(module: str) -> str:
    """The folder of LAYERS that a module is in; an entrance and a file at the top are their own."""
    return module if module in LAYER else module.rpartition("/")[0]


def imports(path: Path, known: Iterable[str], name: str = "tinygrad_seq") -> Iterator[str]:
    """The modules among `known` that the file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (found for alias in node.names if (found := _module(alias.name, known, name)))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found = _module(f"{node.module}.{alias.name}", known, name) or _module(node.module, known, name)
                if found:
                    yield found


def _module(dotted: str, known: Iterable[str], name: str) -> str | None:
    """engine/tape for tinygrad_seq.engine.tape, nn/__init__ for tinygrad_seq.nn; None for anything else."""
    top, _, rest = dotted.partition(".")
    if top != name:
        return None
    path = rest.replace(".", "/")
    return next((m for m in (path, f"{path}/__init__".lstrip("/")) if m in known), None)


def graph(package: Path = PACKAGE, name: str = "tinygrad_seq") -> dict[str, set[str]]:
    """What every module imports."""
    known = modules(package)
    return {module: set(imports(path, known, name)) - {module} for module, path in known.items()}


def upward(arrows: dict[str, set[str]]) -> list[str]:
    """The imports that leave their folder and do not lead to a lower layer."""
    return [
        f"{module} imports {other}"
        for module, others in arrows.items()
        for other in sorted(others)
        if folder_of(module) != folder_of(other) and LAYER[folder_of(other)] >= LAYER[folder_of(module)]
    ]


def cycles(arrows: dict[str, set[str]]) -> list[str]:
    """The modules on a cycle of imports, or between two cycles: repeatedly, a module that imports none of the
    rest, or that none of the rest imports, is taken away.
    """
    left = {module: set(others) for module, others in arrows.items()}
    while True:
        imported = set().union(*left.values())
        kept = {m: others & left.keys() for m, others in left.items() if m in imported and others & left.keys()}
        if len(kept) == len(left):
            return sorted(left)
        left = kept
