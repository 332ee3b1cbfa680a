"""Every example in a docstring, in the README and in CONTRIBUTING runs and prints what it says."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import tinygrad_seq

ROOT = Path(__file__).parent.parent
MODULES = sorted(module.name for module in pkgutil.walk_packages(tinygrad_seq.__path__, "tinygrad_seq."))
PAGES = ["README.md", "CONTRIBUTING.md"]
RUNNER = {"optionflags": doctest.ELLIPSIS, "report": True}


@pytest.mark.parametrize("name", ["tinygrad_seq", *MODULES])
def test_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name), **RUNNER)
    assert failed == 0


@pytest.mark.parametrize("page", PAGES)
def test_pages(page):
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False, **RUNNER)
    assert tried > 0
    assert failed == 0


def test_public_functions_show_an_example():
    """What `ts.__all__` offers has a docstring; a composition, which has no equation, shows an example."""
    for name in tinygrad_seq.__all__:
        thing = getattr(tinygrad_seq, name)
        if name == "__version__":
            continue
        assert thing.__doc__, f"ts.{name} has no docstring"
