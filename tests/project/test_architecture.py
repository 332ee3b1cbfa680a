"""Imports run one way: from a file to its own folder and to lower layers, and never in a circle."""

import json
import re
import subprocess
import sys

import architecture
import pytest
from architecture import LAYER, cycles, folder_of, graph, modules, picture, routes, upward
from places import ROOT, TESTS


def test_every_module_has_a_layer():
    assert {folder_of(module) for module in modules()} <= LAYER.keys()


@pytest.mark.parametrize("folder", ["ops", "scan", "scan/c", "scan/groups"])
def test_the_map_of_a_folder_names_every_file(folder):
    place = architecture.PACKAGE / folder
    words = re.findall(r"[\w.]+", (place / "__init__.py").read_text(encoding="utf-8"))
    files = [path.name.removesuffix(".py") for path in place.iterdir() if not path.name.startswith("_")]
    assert set(files) <= set(words)


def test_imports_lead_to_lower_layers():
    assert upward(graph()) == []


def test_no_module_imports_itself_by_way_of_others():
    assert cycles(graph()) == []


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of two layers, to which tests add a file."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / "toy" / f"{name.replace('__', '/', 1)}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return graph(tmp_path / "toy", "toy")

    monkeypatch.setattr(architecture, "LAYER", {"low": 0, "high": 1})
    return write


@pytest.mark.parametrize(
    "text",
    [
        "from toy.high.b import x",
        "from toy.high import b",
        "import toy.high.b",
        "def f():\n    from toy.high.b import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy.high.b import x",
    ],
    ids=["name", "module", "import", "late", "type-only"],
)
def test_an_import_upwards_is_found_wherever_it_stands(package, text):
    arrows = package(low__a=text, high__b="x = 1")
    assert upward(arrows) == ["low/a imports high/b"]


def test_an_import_downwards_and_within_a_folder_is_allowed(package):
    arrows = package(low__a="x = 1", low__c="from toy.low.a import x", high__b="from toy.low.c import x")
    assert upward(arrows) == cycles(arrows) == []


def test_a_cycle_within_a_folder_is_found(package):
    arrows = package(
        low__a="from toy.low.b import x",
        low__b="def f():\n    from toy.low.c import x",
        low__c="from toy.low.a import x",
        low__d="from toy.low.a import x",
        low__e="",
    )
    assert upward(arrows) == []
    assert cycles(arrows) == ["low/a", "low/b", "low/c"]


# --- the page -----------------------------------------------------------------------------------------------

ROUTES = """
import contextlib, json, sys
sys.path.insert(0, sys.argv[1])
from architecture import passed
import numpy as np
import tinygrad_seq as ts

x, w, h = np.ones((3, 4)), ts.tensor(np.ones((4, 5)), requires_grad=True), ts.tensor(np.zeros((3, 5)))

def step(h, x):
    h = ts.tanh(x @ w + h)
    return h, h

call = passed(lambda: ts.tanh(x @ w))
loss = ts.tanh(x @ w).sum()
ways = [call, passed(loss.backward)]
for emitter in "numpy", "c":
    with contextlib.suppress(RuntimeError), ts.emitter(emitter):  # there may be no C compiler
        ways.append(passed(lambda: ts.scan(step, h, np.ones((6, 3, 4)))))
print(json.dumps(ways))
"""


@pytest.fixture(scope="module")
def measured():
    """The routes in a new process, in which no primitive was called before and no loop compiled."""
    command = [sys.executable, "-c", ROUTES, str(TESTS / "support")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(zip(PAGE, json.loads(run.stdout), strict=False))


PAGE = routes(architecture.PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("title", PAGE)
def test_a_route_passes_its_stops_in_order(title, measured):
    if title == "A loop in C" and title not in measured:
        pytest.skip("there is no C compiler here")
    functions = iter([tuple(function) for function in measured[title]])
    assert len(PAGE[title]) >= 6
    for stop in PAGE[title]:
        assert stop in functions, f"{stop} is not passed, or not after the stop before it"


def test_every_numbered_line_of_the_page_is_a_stop():
    lines = re.findall(r"^\d+\. ", architecture.PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == sum(map(len, PAGE.values()))


def test_the_picture_is_up_to_date():
    drawn = architecture.PICTURE.read_text(encoding="utf-8")
    assert drawn == picture(), "python tests/support/architecture.py draws it anew"
    for folder in LAYER:
        assert f">{folder}<" in drawn
