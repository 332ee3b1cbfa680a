"""Weights from and to Haiku."""

import pytest
from exchanged import ENDS, H2, B, H, I, T, both_ways, inputs, randomised, runner, slopes_agree

from tinygrad_seq import nn

pytestmark = pytest.mark.exchange
KINDS = {"VanillaRNN": nn.CELLS["rectified RNN"], "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


@pytest.fixture(scope="module")
def haiku():
    return pytest.importorskip("haiku", reason="Haiku is not installed: its weights are not compared")


class Network:
    def __init__(self, haiku, kind, structure):
        import jax
        import jax.numpy as jnp

        def network(xs):
            states = []
            for size in [H, H2] if "two layers" in structure else [H]:
                outputs = []
                for reverse in (False, True)[: 1 + structure.startswith("both")]:
                    cell = getattr(haiku, kind)(size)
                    ys, state = haiku.dynamic_unroll(cell, xs, cell.initial_state(B), reverse=reverse)
                    outputs.append(ys)
                    states += [state.hidden, state.cell] if kind == "LSTM" else [state]
                xs = jnp.concatenate(outputs, axis=-1)
            return xs, states

        self.network = haiku.without_apply_rng(haiku.transform(network))
        self.params = self.network.init(jax.random.key(0), jnp.ones((T, B, I)))

    def run(self, xs):
        return self.network.apply(self.params, xs)

    def assign(self, arrays):
        tree = {}
        for name, array in arrays.items():
            module, _, last = name.rpartition("/")
            tree.setdefault(module, {})[last] = array
        assert {m: set(part) for m, part in tree.items()} == {m: set(part) for m, part in self.params.items()}
        self.params = tree

    def weights(self):
        return self.params

    def gradients(self, xs, g):
        import jax

        slopes = jax.grad(lambda params: (self.network.apply(params, xs)[0] * g).sum())(self.params)
        return {f"{module}/{name}": slope for module, part in slopes.items() for name, slope in part.items()}


@pytest.mark.parametrize("structure", ENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways(haiku, kind, structure):
    both_ways("haiku", runner(KINDS[kind], structure), Network(haiku, kind, structure), inputs())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree(haiku, kind):
    slopes_agree("haiku", runner(KINDS[kind], "both"), Network(haiku, kind, "both"), inputs())


def test_the_vanilla_network_of_haiku_is_relu():
    for convert in (nn.to_weights, lambda library, module: nn.from_weights(library, {}, module)):
        with pytest.raises(
            TypeError, match="RNNCell with activation='relu', as its VanillaRNN has, got 'tanh'"
        ):
            convert("haiku", randomised(nn.RNNCell(I, H)))
