"""Weights from and to Chainer, by its equations in NumPy: it has not been released since 2022."""

import numpy as np
import pytest
from exchanged import STRUCTURES, B, H, Looped, both_ways, inputs, runner

from tinygrad_seq import nn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Network(Looped):
    """links.LSTM: functions.lstm of upward(x) + lateral(h), whose rows are a, i, f, o of each unit."""

    def made(self, size, hidden):
        shapes = {"upward/W": (4 * hidden, size), "upward/b": (4 * hidden,), "lateral/W": (4 * hidden, hidden)}
        return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    def filled(self, cell, arrays):
        assert {name: a.shape for name, a in cell.items()} == {name: a.shape for name, a in arrays.items()}
        return arrays

    def arrays(self, cell):
        return {f"/{name}": array for name, array in cell.items()}  # as namedparams() has them

    def step(self, cell, state, x):
        hidden = cell["lateral/W"].shape[1]
        h, c = (np.zeros((B, hidden)),) * 2 if state is None else state
        y = x @ cell["upward/W"].T + cell["upward/b"] + h @ cell["lateral/W"].T
        a, i, f, o = np.moveaxis(y.reshape(B, hidden, 4), 2, 0)
        c = np.tanh(a) * sigmoid(i) + sigmoid(f) * c
        return [sigmoid(o) * np.tanh(c), c]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_both_ways(structure):
    both_ways("chainer", runner(nn.LSTMCell, structure), Network(structure), inputs())


def test_the_units_are_interleaved():
    cell = nn.LSTMCell(1, H)
    cell.b.assign_(np.arange(4 * H, dtype=np.float32))
    found = nn.to_weights("chainer", cell)["upward/b"]
    assert found[:5].tolist() == [2 * H, 0, H, 3 * H, 2 * H + 1]
