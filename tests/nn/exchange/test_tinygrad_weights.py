"""Weights from and to tinygrad, on its device for Python."""

import os

import numpy as np
import pytest
from exchanged import STRUCTURES, Looped, both_ways, inputs, runner

from tinygrad_seq import nn

pytestmark = pytest.mark.exchange


@pytest.fixture(scope="module")
def tinygrad():
    os.environ.setdefault("DEV", "PYTHON")  # needs no compiler
    return pytest.importorskip("tinygrad", reason="tinygrad is not installed: its weights are not compared")


class Network(Looped):
    def made(self, *sizes):
        from tinygrad.nn import LSTMCell

        return LSTMCell(*sizes)

    def filled(self, cell, arrays):
        from tinygrad import Tensor
        from tinygrad.nn.state import get_state_dict, load_state_dict

        load_state_dict(cell, {name: Tensor(array) for name, array in arrays.items()}, verbose=False)
        assert get_state_dict(cell).keys() == arrays.keys()
        return cell

    def arrays(self, cell):
        from tinygrad.nn.state import get_state_dict

        return get_state_dict(cell)

    def step(self, cell, state, x):
        from tinygrad import Tensor

        hc = None if state is None else tuple(Tensor(s) for s in state)
        return [s.numpy() for s in cell(Tensor(np.ascontiguousarray(x)), hc)]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_both_ways(tinygrad, structure):
    both_ways("tinygrad", runner(nn.LSTMCell, structure), Network(structure), inputs())
