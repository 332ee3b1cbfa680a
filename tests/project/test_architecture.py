"""Imports run one way: from a file to its own folder and to lower layers, and never in a circle."""

import architecture
import pytest
from architecture import LAYER, cycles, folder_of, graph, modules, upward


def test_every_module_has_a_layer():
    assert {folder_of(module) for module in modules()} <= LAYER.keys()


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
