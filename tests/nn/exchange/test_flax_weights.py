"""Weights from and to Flax, linen and nnx."""

import numpy as np
import pytest
from exchanged import ENDS, H2, H, I, both_ways, inputs, randomised, runner, slopes_agree

from tinygrad_seq import nn

pytestmark = pytest.mark.exchange


@pytest.fixture(scope="module")
def flax():
    pytest.importorskip("jax", reason="JAX is not installed: Flax is not compared")
    return pytest.importorskip("flax", reason="Flax is not installed: its weights are not compared")


def in_our_order(carry):
    """(h, c) of Flax's (c, h)."""
    return list(reversed(carry)) if isinstance(carry, tuple) else [carry]


class Network:
    """Runners of linen or nnx on top of each other: xs are (B, T, I), and the state of an LSTM is (c, h)."""

    def run(self, xs, lengths=None):
        ys, states = np.swapaxes(xs, 0, 1), []
        for k in range(len(self.runners)):
            after, ys = self.call(k, ys, lengths)
            states += [s for carry in (after if self.both else [after]) for s in in_our_order(carry)]
        return np.swapaxes(np.asarray(ys), 0, 1), states


class Linen(Network):
    def __init__(self, kind, structure):
        from flax import linen

        def one(size):
            return linen.RNN(getattr(linen, kind)(size), return_carry=True)

        self.both = structure.startswith("both")
        sizes = [H, H2] if "two layers" in structure else [H]
        self.runners = [
            linen.Bidirectional(one(size), one(size), return_carry=True) if self.both else one(size)
            for size in sizes
        ]

    def call(self, k, xs, lengths, params=None):
        params = self.params[k] if params is None else params[k]
        return self.runners[k].apply({"params": params}, xs, seq_lengths=lengths)

    def assign(self, arrays):
        from flax.traverse_util import unflatten_dict

        tree = unflatten_dict(arrays, sep="/")
        self.params = [tree] if len(self.runners) == 1 else [tree[str(k)] for k in range(len(self.runners))]

    def weights(self):
        return {"params": self.params[0]} if len(self.runners) == 1 else self.params

    def gradients(self, xs, g):
        import jax
        from flax.traverse_util import flatten_dict

        def loss(params):
            ys = np.swapaxes(xs, 0, 1)
            for k in range(len(self.runners)):
                _, ys = self.call(k, ys, None, params)
            return (ys * np.swapaxes(g, 0, 1)).sum()

        (slopes,) = jax.grad(loss)(self.params)
        return flatten_dict(slopes, sep="/")


class Nnx(Network):
    def __init__(self, kind, structure):
        from flax import nnx

        rngs = nnx.Rngs(0)

        def one(*sizes):
            return nnx.RNN(getattr(nnx, kind)(*sizes, rngs=rngs), return_carry=True, rngs=rngs)

        self.both = structure.startswith("both")
        sizes = [(I, H), (H * (1 + self.both), H2)][: 1 + ("two layers" in structure)]
        self.runners = [
            nnx.Bidirectional(one(*size), one(*size), return_carry=True, rngs=rngs) if self.both else one(*size)
            for size in sizes
        ]

    def call(self, k, xs, lengths):
        return self.runners[k](xs, seq_lengths=lengths)

    def assign(self, arrays):
        from flax import nnx
        from flax.traverse_util import unflatten_dict

        tree = unflatten_dict(arrays, sep="/")
        for k, one in enumerate(self.runners):
            nnx.update(one, tree if len(self.runners) == 1 else tree[str(k)])

    def weights(self):
        from flax import nnx

        states = [nnx.state(one) for one in self.runners]  # with the state of random numbers
        return states[0] if len(states) == 1 else states

    def gradients(self, xs, g):
        from flax import nnx
        from flax.traverse_util import flatten_dict

        def loss(one):
            return (one(np.swapaxes(xs, 0, 1))[1] * np.swapaxes(g, 0, 1)).sum()

        slopes = nnx.grad(loss, argnums=nnx.DiffState(0, nnx.Param))(self.runners[0])
        return flatten_dict(nnx.to_pure_dict(slopes), sep="/")


LINEN = {
    "SimpleCell": nn.RNNCell,
    "LSTMCell": nn.LSTMCell,
    "OptimizedLSTMCell": nn.LSTMCell,
    "GRUCell": nn.ResetAfterGRUCell,
}


@pytest.mark.parametrize("structure", ENDS)
@pytest.mark.parametrize("kind", LINEN)
def test_linen_both_ways(flax, kind, structure):
    both_ways("flax.linen", runner(LINEN[kind], structure), Linen(kind, structure), inputs())


@pytest.mark.parametrize("kind", LINEN)
def test_rows_of_unequal_length_agree_within_their_lengths(flax, kind):
    """Past them Flax computes from the padding; a row of length 0 it does not have."""
    both_ways("flax.linen", runner(LINEN[kind], "both"), Linen(kind, "both"), inputs(), np.array([4, 7]))


@pytest.mark.parametrize("kind", LINEN)
def test_linen_gradients_agree(flax, kind):
    slopes_agree("flax.linen", runner(LINEN[kind], "both"), Linen(kind, "both"), inputs())


@pytest.mark.parametrize("structure", ENDS)
@pytest.mark.parametrize("kind", ["SimpleCell", "LSTMCell", "OptimizedLSTMCell"])
def test_nnx_both_ways(flax, kind, structure):
    library = "flax.nnx.OptimizedLSTMCell" if kind == "OptimizedLSTMCell" else "flax.nnx"
    both_ways(library, runner(LINEN[kind], structure), Nnx(kind, structure), inputs())


@pytest.mark.parametrize("kind", ["SimpleCell", "LSTMCell", "OptimizedLSTMCell"])
def test_nnx_gradients_agree(flax, kind):
    library = "flax.nnx.OptimizedLSTMCell" if kind == "OptimizedLSTMCell" else "flax.nnx"
    slopes_agree(library, runner(LINEN[kind], "both"), Nnx(kind, "both"), inputs())


@pytest.mark.parametrize("structure", ENDS)
def test_nnx_gru_has_no_recurrent_bias_of_n(flax, structure):
    ours = randomised(runner(nn.ResetAfterGRUCell, structure))
    with pytest.raises(ValueError, match="no place in its GRUCell for") as caught:
        nn.to_weights("flax.nnx", ours)
    cell = next(module for module in ours.modules() if isinstance(module, nn.ResetAfterGRUCell))
    size = cell.Wh.shape[0]
    lost = cell.bh.numpy()[2 * size :]
    assert f"\n  bh[{2 * size}] = {lost[0]:.6g} of ResetAfterGRUCell\n  bh[{2 * size + 1}]" in str(caught.value)

    def without(module, seed=0):
        for part in randomised(module, seed).modules():
            if isinstance(part, nn.ResetAfterGRUCell):
                part.bh.assign_(np.where(np.arange(part.bh.size) < 2 * part.Wh.shape[0], part.bh.numpy(), 0))
        return module

    both_ways("flax.nnx", ours, Nnx("GRUCell", structure), inputs(), prepare=without)


@pytest.mark.parametrize("structure", ENDS)
def test_the_minimal_gated_unit_of_linen(flax, structure):
    """One gate for both r and z."""

    def tied(module, seed=0):
        for p in randomised(module, seed).parameters():
            r, _, n = np.split(p.numpy(), 3, axis=-1)
            p.assign_(np.concatenate([r, r, n], axis=-1))
        return module

    ours = runner(nn.ResetAfterGRUCell, structure)
    both_ways("flax.linen.MGUCell", ours, Linen("MGUCell", structure), inputs(), prepare=tied)
    with pytest.raises(ValueError, match="no place in its MGUCell for these numbers"):
        nn.to_weights("flax.linen.MGUCell", randomised(ours))
