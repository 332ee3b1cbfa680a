"""The modules of benchmarks/, which are scripts and lie in no package."""

import importlib
import sys

import pytest
from places import ROOT


@pytest.fixture(scope="session")
def benchmark():
    """benchmark(name): the module of that name."""

    def module(name):
        sys.path.insert(0, str(ROOT / "benchmarks"))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(ROOT / "benchmarks"))

    return module
