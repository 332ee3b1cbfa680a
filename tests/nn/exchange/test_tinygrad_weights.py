"""Weights from and to tinygrad, on its device for Python."""

import os

import numpy as np
import pytest
from exchanged import STRUCTURES, Looped, both_ways, inputs, runner, slopes_agree

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

        return cell(Tensor(x) if isinstance(x, np.ndarray) else x, state)

    def joined(self, parts):
        return parts[0].cat(*parts[1:], dim=-1)

    def stacked(self, ys):
        return ys[0].stack(*ys[1:])

    def run(self, xs):
        ys, states = super().run(xs)
        return ys.numpy(), [s.numpy() for s in states]

    def gradients(self, xs, g):
        from tinygrad import Tensor
        from tinygrad.nn.state import get_state_dict

        tensors = get_state_dict(self.layers[0]["forward"])
        loss = (super().run(xs)[0] * Tensor(g)).sum()
        return dict(zip(tensors, (t.numpy() for t in loss.gradient(*tensors.values())), strict=True))


@pytest.mark.parametrize("structure", STRUCTURES[:3])  # the last would take 15 s
def test_both_ways(tinygrad, structure):
    both_ways("tinygrad", runner(nn.LSTMCell, structure), Network(structure), inputs())


def test_gradients_agree(tinygrad):
    slopes_agree("tinygrad", runner(nn.LSTMCell, "one"), Network("one"), inputs())
