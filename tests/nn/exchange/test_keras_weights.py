"""Weights from and to Keras 3, on JAX."""

import os

import numpy as np
import pytest
from exchanged import ENDS, H2, H, I, T, both_ways, inputs, runner, slopes_agree

from tinygrad_seq import nn

pytestmark = [
    pytest.mark.exchange,
    # by keras.Variable.numpy, with NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    pytest.importorskip("jax", reason="JAX is not installed: Keras is not compared")
    return pytest.importorskip("keras", reason="Keras is not installed: its weights are not compared")


KINDS = {
    "SimpleRNN": (nn.RNNCell, {}),
    "SimpleRNN relu": (nn.CELLS["rectified RNN"], {"activation": "relu"}),
    "LSTM": (nn.LSTMCell, {}),
    "GRU": (nn.ResetAfterGRUCell, {}),
    "GRU reset before": (nn.GRUCell, {"reset_after": False}),
}


class Network:
    """Layers of Keras on top of each other."""

    def __init__(self, keras, kind, structure, stacked=False):
        name, options = kind.split()[0], {"return_sequences": True, "return_state": True}

        def layer(size):
            return getattr(keras.layers, name)(size, **KINDS[kind][1], **options)

        sizes = [H, H2] if "two layers" in structure else [H]
        self.layers = [layer(size) for size in sizes]
        if structure.startswith("both"):
            self.layers = [keras.layers.Bidirectional(one) for one in self.layers]
        if stacked:
            cells = [getattr(keras.layers, f"{name}Cell")(size, **KINDS[kind][1]) for size in sizes]
            self.layers = [keras.layers.RNN(keras.layers.StackedRNNCells(cells), **options)]
        self.run(inputs())

    def run(self, xs, lengths=None):
        ys, states = np.swapaxes(xs, 0, 1), []
        mask = {} if lengths is None else {"mask": np.arange(T) < np.array(lengths)[:, None]}
        for layer in self.layers:
            ys, *after = layer(ys, **mask)
            states += after
        flat = [s for state in states for s in (state if isinstance(state, (list, tuple)) else [state])]
        return np.swapaxes(np.asarray(ys), 0, 1), flat

    def assign(self, arrays):
        rest = list(arrays.values())
        for layer in self.layers:
            count = len(layer.get_weights())
            layer.set_weights(rest[:count])
            rest = rest[count:]
        assert not rest

    def weights(self):
        return [layer.get_weights() for layer in self.layers]

    def gradients(self, xs, g):
        import jax

        def loss(weights):
            ys = np.swapaxes(xs, 0, 1)
            for layer, values in zip(self.layers, weights, strict=True):
                (ys, *_), _ = layer.stateless_call(values, layer.non_trainable_variables, ys)
            return (ys * np.swapaxes(g, 0, 1)).sum()

        slopes = jax.grad(loss)([[v.value for v in layer.trainable_variables] for layer in self.layers])
        return [np.asarray(slope) for part in slopes for slope in part]


@pytest.mark.parametrize("structure", ENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways(keras, kind, structure):
    both_ways("keras", runner(KINDS[kind][0], structure), Network(keras, kind, structure), inputs())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree(keras, kind):
    slopes_agree("keras", runner(KINDS[kind][0], "both"), Network(keras, kind, "both"), inputs())


def test_rows_of_unequal_length_agree_within_their_lengths(keras):
    """Also the final state of a row of length 0, which is the initial state."""
    both_ways("keras", runner(nn.LSTMCell, "both"), Network(keras, "LSTM", "both"), inputs(), [4, 0])


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_stacked_cells(keras, kind):
    """RNN(StackedRNNCells): Recurrent(Stacked)."""
    ours = nn.Recurrent(nn.Stacked(KINDS[kind][0](I, H), KINDS[kind][0](H, H2)))
    both_ways("keras", ours, Network(keras, kind, "two layers", stacked=True), inputs())


def test_a_layer_without_biases(keras):
    layer = keras.layers.GRU(H, use_bias=False)
    layer.build((None, None, I))
    ours = nn.from_weights("keras", layer.get_weights(), nn.ResetAfterGRUCell(I, H))
    assert not ours.b.numpy().any()
    assert not ours.bh.numpy().any()
    layer.set_weights(list(nn.to_weights("keras", ours, bias=False).values()))


def test_go_backwards_returns_the_last_step_first(keras):
    layer = keras.layers.LSTM(H, go_backwards=True, return_sequences=True, return_state=True)
    ys, h, c = layer(np.swapaxes(inputs(), 0, 1))
    rnn = nn.from_weights("keras", layer.get_weights(), nn.Recurrent(nn.LSTMCell(I, H), reverse=True))
    ours, state = rnn(inputs())
    np.testing.assert_allclose(ours.numpy()[::-1], np.swapaxes(ys, 0, 1), rtol=0, atol=1e-5)
    for one, other in zip(state, (h, c), strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-5)
