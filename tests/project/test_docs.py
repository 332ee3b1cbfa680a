"""Every example in a docstring, in the README and in CONTRIBUTING runs and prints what it says."""

import doctest
import importlib
import inspect
import pkgutil
import re
import sys
from unittest.mock import Mock

import numpy as np
import pytest
from places import ROOT

import tinygrad_seq
from tinygrad_seq.scan import emitter
from tinygrad_seq.scan.c import loop

MODULES = sorted(module.name for module in pkgutil.walk_packages(tinygrad_seq.__path__, "tinygrad_seq."))
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/derivatives.md",
    "docs/linalg.md",
    "docs/scan.md",
    "docs/testing.md",
    "docs/devices.md",
    "docs/networks.md",
    "docs/exchange.md",
]
RUNNER = {"optionflags": doctest.ELLIPSIS, "report": True}


@pytest.mark.host("examples show what the host answers")
@pytest.mark.parametrize("name", ["tinygrad_seq", *MODULES])
def test_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name), extraglobs={"ts": tinygrad_seq}, **RUNNER)
    assert failed == 0


@pytest.mark.host("examples show what the host answers")
@pytest.mark.parametrize("page", PAGES)
def test_pages(page):
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False, **RUNNER)
    assert tried > 0
    assert failed == 0


@pytest.mark.host("loops in C run on the host")
def test_the_page_of_loops_in_c(monkeypatch):
    """It shows C that nothing compiles here, so that it is the same on every machine."""
    monkeypatch.setattr(emitter, "compiler", lambda: "cc 12.2.0")
    monkeypatch.setattr(loop, "library", Mock())
    test_pages("docs/compiled.md")


# --- every public name shows an example ---------------------------------------------------------------

SPACES = {
    "ts": tinygrad_seq,
    "linalg": tinygrad_seq.linalg,
    "fft": tinygrad_seq.fft,
    "nn": tinygrad_seq.nn,
    "init": tinygrad_seq.nn.init,
    "optim": tinygrad_seq.optim,
}
ALL = {
    name: getattr(space, "__all__", [part for part in vars(space) if not part.startswith("_")])
    for name, space in SPACES.items()
}
NO_EXAMPLE = {
    "ts.__version__": "a string",
    "Tensor.line": "for ops: where on the tape a tensor was made",
    "Tensor.buffer": "for ops: the memory of a leaf",
    "Tensor.mutable": "for optimizers: the array, about to be changed",
}
PARSER = doctest.DocTestParser()


def public():
    """Everything public by name, once; of what a module without `__all__` holds, what it defines."""
    seen = set()
    for space, names in ALL.items():
        for name in names:
            thing = getattr(SPACES[space], name)
            home = thing.__name__ if inspect.ismodule(thing) else getattr(thing, "__module__", "")
            if (
                home.startswith("tinygrad_seq")
                and id(thing) not in seen
                and f"{space}.{name}" not in NO_EXAMPLE
            ):
                seen.add(id(thing))
                yield pytest.param(thing, id=f"{space}.{name}")


def examples(thing):
    """The source of all examples in a docstring."""
    return "".join(example.source for example in PARSER.get_examples(inspect.getdoc(thing) or ""))


@pytest.mark.host("examples show what the host answers")
@pytest.mark.parametrize("thing", list(public()))
def test_every_public_name_shows_an_example_that_runs(thing):
    """As `test_docstrings` runs it; but what that does not find, since it was made by a function, runs here."""
    names = {"ts": tinygrad_seq, "np": np}
    names |= {} if inspect.ismodule(thing) else vars(sys.modules[thing.__module__])
    test = PARSER.get_doctest(inspect.getdoc(thing) or "", names, repr(thing), None, None)
    assert test.examples, f"{thing} has no example in its docstring"
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


CLASSES = [p for p in public() if inspect.isclass(p.values[0])]


@pytest.mark.parametrize("kind", [p.values[0] for p in CLASSES], ids=[p.id for p in CLASSES])
def test_every_public_method_occurs_in_an_example(kind):
    """In one of its own, or of its class, or of a class that this one inherits from."""
    family = [base for base in kind.__mro__ if base.__module__.startswith("tinygrad_seq")]
    shown = "".join(map(examples, family))
    for base in family:
        for name, member in vars(base).items():
            exempt = any(f"{other.__name__}.{name}" in NO_EXAMPLE for other in family)
            if name.startswith("_") or exempt or not (callable(member) or isinstance(member, property)):
                continue
            assert ">>>" in (inspect.getdoc(member) or "") or re.search(rf"\.{name}\b", shown), (
                f"no example shows {kind.__name__}.{name}"
            )


def test_what_needs_no_example_exists():
    for path in NO_EXAMPLE:
        owner, name = path.split(".")
        assert hasattr(SPACES.get(owner, tinygrad_seq.Tensor), name), path
