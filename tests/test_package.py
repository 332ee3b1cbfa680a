"""What importing the package costs and promises: NumPy alone, one version, imports that run one way."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_seq as ts

PACKAGE = Path(ts.__file__).parent
LAYERS = [  # every module may import what stands before it
    {"version", "tree", "errors", "broadcasting", "signature", "backend", "generated"},
    {"rules"},
    {"tape"},
    {"anomaly"},
    {"recording"},
    {"primitive"},
    {"habits"},
    {"ops"},
    {"operators", "protocols"},
    {"tensor"},
    {"creation"},
    {"derive", "drawing", "folding", "serialize", "show"},
    {"scan"},
    {"nn", "optim", "testing"},
    {"train", "tasks", "data"},
    {"learner"},
]


def test_importing_needs_numpy_alone():
    """No extra, no other autodiff library and no CuPy is imported with the package."""
    code = "import sys, tinygrad_seq; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "numpy" in loaded
    refused = {"cupy", "tqdm", "matplotlib", "safetensors", "hypothesis", "pytest", "torch", "jax", "autograd"}
    assert not refused & set(loaded)


def test_the_version_is_in_one_place():
    assert importlib.metadata.version("tinygrad_seq") == ts.__version__


def test_star_import_gives_what_all_lists():
    assert len(set(ts.__all__)) == len(ts.__all__)
    for name in ts.__all__:
        assert hasattr(ts, name), name


def test_modules_that_share_a_name_with_a_function_do_not_hide_it():
    code = "import tinygrad_seq as ts, tinygrad_seq.tensor; print(callable(ts.tensor), callable(ts.grad))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "True"]


def imports_of(path):
    """The modules of the package that a file imports when it is imported (not later, not for types)."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tinygrad_seq"):
            if node.module == "tinygrad_seq":
                yield from (alias.name for alias in node.names)
            else:
                yield node.module.split(".")[1]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "__init__":
        return  # the door, which imports all
    rank = next((i for i, layer in enumerate(LAYERS) if own in layer), None)
    assert rank is not None, f"{own} has no place among the layers"
    for name in imports_of(path):
        assert name == own or name in set().union(*LAYERS[: rank + 1]), f"{own} imports {name}"
