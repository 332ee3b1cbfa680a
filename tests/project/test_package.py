"""Importing the package: it needs only NumPy, has one version, and exports the names in `__all__`."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import tinygrad_seq as ts

PACKAGE = Path(ts.__file__).parent


def test_importing_needs_numpy_alone():
    """No extra, no other autodiff library and no CuPy is imported with the package."""
    code = "import sys, tinygrad_seq; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "numpy" in loaded
    refused = {"cupy", "tqdm", "matplotlib", "safetensors", "hypothesis", "pytest", "torch", "jax", "autograd"}
    assert not refused & set(loaded)


def test_importing_loads_nothing_that_takes_long_and_is_not_needed_yet():
    """OpenSSL, logging, numpy.random and so on take as long as half of the package."""
    code = (
        "import sys, numpy; before = set(sys.modules); import tinygrad_seq; print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "tinygrad_seq.ops.elementwise" in loaded
    slow = {"hashlib", "logging", "concurrent.futures", "numpy.random", "numpy.fft", "scipy", "multiprocessing"}
    assert not slow & set(loaded)


def test_the_version_is_in_one_place():
    assert importlib.metadata.version("tinygrad_seq") == ts.__version__


def test_star_import_gives_what_all_lists():
    assert len(set(ts.__all__)) == len(ts.__all__)
    for name in ts.__all__:
        assert hasattr(ts, name), name


def test_modules_that_share_a_name_with_a_function_do_not_hide_it():
    code = (
        "import tinygrad_seq as ts, tinygrad_seq.tensor.tensor; print(callable(ts.tensor), callable(ts.grad))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "True"]
