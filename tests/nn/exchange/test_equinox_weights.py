"""Weights from and to Equinox."""

import numpy as np
import pytest
from exchanged import STRUCTURES, B, Looped, both_ways, inputs, runner, slopes_agree

from tinygrad_seq import nn

pytestmark = pytest.mark.exchange
KINDS = {"LSTMCell": nn.LSTMCell, "GRUCell": nn.ResetAfterGRUCell}


@pytest.fixture(scope="module")
def equinox():
    return pytest.importorskip("equinox", reason="Equinox is not installed: its weights are not compared")


class Network(Looped):
    def __init__(self, kind, structure):
        self.kind = kind
        super().__init__(structure)

    def made(self, *sizes):
        import equinox
        import jax

        return getattr(equinox.nn, self.kind)(*sizes, key=jax.random.key(0))

    def filled(self, cell, arrays):
        import equinox
        import jax.numpy as jnp

        return equinox.tree_at(
            lambda cell: [getattr(cell, name) for name in arrays],
            cell,
            [jnp.asarray(a) for a in arrays.values()],
        )

    def arrays(self, cell):
        return vars(cell)

    def step(self, cell, state, x):
        import jax
        import jax.numpy as jnp

        state = (
            (jnp.zeros((B, cell.hidden_size)),) * (2 if self.kind == "LSTMCell" else 1)
            if state is None
            else state
        )
        after = jax.vmap(cell)(x, state if self.kind == "LSTMCell" else state[0])
        return after if self.kind == "LSTMCell" else (after,)

    def joined(self, parts):
        import jax.numpy as jnp

        return jnp.concatenate(parts, axis=-1)

    def stacked(self, ys):
        import jax.numpy as jnp

        return jnp.stack(ys)

    def gradients(self, xs, g):
        import jax

        def loss(arrays):
            self.assign(arrays)
            return (self.run(xs)[0] * g).sum()

        return jax.grad(loss)(self.given)

    def assign(self, arrays):
        self.given = arrays
        super().assign(arrays)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways(equinox, kind, structure):
    both_ways("equinox", runner(KINDS[kind], structure), Network(kind, structure), inputs())


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree(equinox, kind):
    slopes_agree("equinox", runner(KINDS[kind], "both"), Network(kind, "both"), inputs())


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_without_biases(equinox, kind):
    import jax

    theirs = getattr(equinox.nn, kind)(3, 5, use_bias=False, key=jax.random.key(0))
    ours = nn.from_weights("equinox", vars(theirs), KINDS[kind](3, 5))
    np.testing.assert_array_equal(ours.Wx.numpy().T, theirs.weight_ih)
    assert not ours.b.numpy().any()
    assert list(nn.to_weights("equinox", ours, bias=False)) == ["weight_ih", "weight_hh"]
