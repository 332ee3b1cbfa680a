"""The benchmarks compare the same model: in float64, its gradients in PyTorch equal ours."""

import importlib
import sys

import numpy as np
import pytest
from places import ROOT
from results import assert_allclose

pytestmark = [pytest.mark.oracle, pytest.mark.host("benchmarks compare on the CPU")]
torch = pytest.importorskip("torch")

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(scope="module")
def ntm():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("ntm")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("contender", ["ours, scan", "PyTorch, own cell"])
def test_all_machines_have_the_same_gradients(ntm, contender):
    """For every parameter, at a random memory, and again after a step of Adam at rate 0."""
    rows, batch = 4, 3
    right = ntm.reference(rows, batch)
    run = ntm.CONTENDERS[contender](ntm.Problem(rows, batch, np.float64))
    run()
    for found, expected in zip(run(), right, strict=True):
        assert np.abs(expected).max() > 1e-6  # with equal rows, the gradient of a key would be 0
        assert_allclose(np.asarray(found), expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())
