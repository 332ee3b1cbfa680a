"""The layers of the package, its imports as they stand in the source, and the picture of both.

    python tests/support/architecture.py      draws docs/pictures/architecture.svg anew

Every import counts: at the top of a file, inside a function, and under TYPE_CHECKING.
"""

import ast
import html
import itertools
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from places import ROOT

PACKAGE = ROOT / "tinygrad_seq"
PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"

# From the lowest to the highest. A file may import from its own folder and from lower layers. The `__init__`
# of `nn` and of the package collect public names, so they lie above what they collect.
LAYERS = [
    {
        "engine": "records calls on a tape and walks it backwards",
        "tree": "tensors in tuples, lists and dicts",
        "version": "the version number",
    },
    {"ops": "the operations: a forward function and its derivative rules"},
    {"tensor": "the class Tensor, its operators, and NumPy's protocols"},
    {
        "derive": "grad, vjp, jvp: derivatives as functions",
        "optim": "optimizers, clipping, schedules",
        "study": "shows a tape: prints, draws, walks it; anomaly mode",
    },
    {"scan": "a loop over time: recorded once, derived, run as one program"},
    {"batching": "vmap: a function of one example over a batch; jacobian, hessian"},
    {"nn": "modules, layers, losses, attention, memory"},
    {"nn/cells": "the recurrent cells, and cells that wrap other cells"},
    {"nn/runners": "a cell run over time; patterns of inputs and outputs"},
    {
        "nn/decoding": "models that write sequences",
        "nn/looking": "images, looked at or drawn piece by piece",
        "nn/classical": "windows, hidden Markov models, Kalman filters",
        "nn/gradients": "how gradients flow through time",
        "nn/exchange": "weights from and to other libraries",
    },
    {"nn/onnx": "models from and to files of ONNX"},
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
    """The folder of LAYERS that a module is in; an entrance and a file at the top are their own.

    A folder that is not in LAYERS belongs to the one that it lies in.
    """
    while module not in LAYER and module:
        module = module.rpartition("/")[0]
    return module


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


# --- the routes of docs/architecture.md ---------------------------------------------------------------------

PAGE = ROOT / "docs" / "architecture.md"
STOP = re.compile(r"^\d+\. `([\w/]+)\.py`: `([\w.<>]+)`", re.MULTILINE)


def routes(text: str) -> dict[str, list[tuple[str, str]]]:
    """The routes of the page by their titles: the modules and functions that they pass, in order."""
    _, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    return {section.partition(":")[0]: STOP.findall(section) for section in sections}


def passed(run: Callable[[], object]) -> list[tuple[str, str]]:
    """The functions of the package that `run` enters, in the order in which each is entered first."""
    found: dict[tuple[str, str], None] = {}

    def enter(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            module = str(Path(frame.f_code.co_filename).relative_to(PACKAGE).with_suffix(""))
            found.setdefault((module, frame.f_code.co_qualname))

    sys.setprofile(enter)
    try:
        run()
    finally:
        sys.setprofile(None)
    return list(found)


# --- the picture --------------------------------------------------------------------------------------------

WIDTH, ROW, GAP, STEP = 720, 62, 6, 18  # of all boxes of a layer, of a layer, between boxes, between stops
COLOURS = ["#2563a8", "#b3541e", "#3d7a3d", "#7a3fa0"]
STYLE = """\
text { font: 11px Helvetica, Arial, sans-serif; fill: #222 }
.name { font-weight: bold; font-size: 13px }
.title { font-size: 12px; font-weight: bold }
.stop { fill: white; font-size: 9px; font-weight: bold; text-anchor: middle }"""


def picture() -> str:
    """The layers, the highest at the top, and to the right the routes as lines from stop to stop, as SVG."""
    ways = routes(PAGE.read_text(encoding="utf-8"))
    height = ROW * len(LAYERS) + 46
    starts = list(
        itertools.accumulate([WIDTH + 24, *(max(110, STEP * len(stops) + 24) for stops in ways.values())])
    )
    width = starts[-1]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    tops = {folder: height - ROW * (i + 1) - 4 for i, layer in enumerate(LAYERS) for folder in layer}
    for layer in LAYERS:
        side = (WIDTH - 10 - GAP * (len(layer) - 1)) / len(layer)
        for i, (folder, sentence) in enumerate(layer.items()):
            lines += _box(10 + i * (side + GAP), tops[folder], side, folder, sentence)
    for x, (title, stops), colour in zip(starts, ways.items(), COLOURS, strict=False):
        lines += _route(x, title, [tops[folder_of(module)] for module, _ in stops], colour)
    return "\n".join([*lines, "</svg>", ""])


def _box(x: float, y: float, width: float, folder: str, sentence: str) -> Iterator[str]:
    colour = "#e8eef7" if folder.startswith("nn") else "#f7f1e3"
    size = f'width="{width:g}" height="{ROW - GAP}"'
    yield f'<rect x="{x:g}" y="{y}" {size} rx="5" fill="{colour}" stroke="#999"/>'
    yield f'<text class="name" x="{x + 8:g}" y="{y + 17}">{folder}</text>'
    for i, line in enumerate(textwrap.wrap(sentence, int((width - 12) / 5.6))):
        yield f'<text x="{x + 8:g}" y="{y + 32 + 13 * i}">{html.escape(line)}</text>'


def _route(x: float, title: str, tops: list[int], colour: str) -> Iterator[str]:
    """Stops at the heights of their layers, from left to right, joined by a line."""
    yield f'<text class="title" x="{x}" y="20" fill="{colour}">{html.escape(title)}</text>'
    points = [(x + 8 + i * STEP, top + 14 + 28 * (i % 2)) for i, top in enumerate(tops)]
    yield f'<polyline points="{" ".join(f"{a},{b}" for a, b in points)}" fill="none" stroke="{colour}"/>'
    for i, (a, b) in enumerate(points):
        yield f'<circle cx="{a}" cy="{b}" r="8" fill="{colour}"/>'
        yield f'<text class="stop" x="{a}" y="{b + 3}">{i + 1}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
