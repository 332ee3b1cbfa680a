"""Records what libraries compute that are too large to install for every test run: python record.py mlx

For each case of a library it writes to an .npz file of its name: the weights as the library returns them,
inputs (T, B, I), outputs, final states in the order of tinygrad_seq, a vector g, and the gradients of
<g, outputs> by the weights. The numbers are drawn from a normal distribution. Recorded on 30 November 2026, on
a CPU, with

    mlx[cpu]==0.32.4    paddlepaddle==3.3.1    tensorflow-cpu==2.21.0
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

T, B, I, H, H2 = 7, 2, 3, 5, 4  # noqa: E741


def drawn(rng, *shape):
    return rng.normal(size=shape, scale=0.5).astype(np.float32)


def mlx():
    """Two layers, forward; MLX has (B, T, I)."""
    import mlx.core as mx
    import mlx.nn as mnn
    from mlx.utils import tree_flatten, tree_unflatten

    class Stack(mnn.Module):
        def __init__(self, kind):
            super().__init__()
            self.layers = [kind(I, H), kind(H, H2)]

        def __call__(self, xs):
            states = []
            for layer in self.layers:
                made = layer(xs)
                xs, *cells = made if isinstance(made, tuple) else (made,)
                states += [every[:, -1] for every in (xs, *cells)]
            return xs, states

    for kind in (mnn.RNN, mnn.LSTM, mnn.GRU):
        rng = np.random.default_rng(0)
        model, xs, g = Stack(kind), drawn(rng, T, B, I), drawn(rng, T, B, H2)
        weights = {name: drawn(rng, *a.shape) for name, a in tree_flatten(model.parameters())}
        model.update(tree_unflatten([(name, mx.array(a)) for name, a in weights.items()]))

        def loss(parameters, model=model, xs=xs, g=g):
            model.update(parameters)
            return (model(mx.array(xs.swapaxes(0, 1)))[0] * mx.array(g.swapaxes(0, 1))).sum()

        slopes = tree_flatten(mx.grad(loss)(model.parameters()))
        model.update(tree_unflatten([(name, mx.array(a)) for name, a in weights.items()]))
        ys, states = model(mx.array(xs.swapaxes(0, 1)))
        yield kind.__name__, weights, xs, np.array(ys).swapaxes(0, 1), map(np.array, states), g, slopes


def paddle():
    """Two layers, both directions, rows of lengths 7 and 0: an empty row keeps its initial state."""
    import paddle

    relu = {"activation": "relu"}
    for kind, options in [("SimpleRNN", {}), ("SimpleRNN", relu), ("LSTM", {}), ("GRU", {})]:
        rng = np.random.default_rng(0)
        model = getattr(paddle.nn, kind)(I, H, 2, "bidirect", time_major=True, **options)
        xs, g = drawn(rng, T, B, I), drawn(rng, T, B, 2 * H)
        for parameter in model.parameters():
            parameter.set_value(paddle.to_tensor(drawn(rng, *parameter.shape)))
        ys, last = model(paddle.to_tensor(xs), sequence_length=paddle.to_tensor([T, 0]))
        (ys * paddle.to_tensor(g)).sum().backward()
        weights = {name: t.numpy() for name, t in model.state_dict().items()}
        slopes = [(n, t.grad.numpy()) for n, t in model.state_dict().items() if "cell" not in n]
        parts = [s.numpy() for s in (last if kind == "LSTM" else [last])]
        states = [part[k] for k in range(4) for part in parts]
        yield " ".join([kind, *options.values()]), weights, xs, ys.numpy(), states, g, slopes


def tensorflow():
    """One layer, forward, with and without peepholes.

    The gradients of BlockLSTMV2 are wrong (findings/tensorflow_block_lstm_v2_gradient.sh) and not recorded.
    """
    import tensorflow as tf

    for kind in ("BlockLSTM", "BlockLSTMV2"):
        for peephole in (False, True):
            rng = np.random.default_rng(0)
            xs, g, zero = drawn(rng, T, B, I), drawn(rng, T, B, H), np.zeros((B, H), np.float32)
            shapes = {"w": (I + H, 4 * H), "b": (4 * H,), "wci": (H,), "wcf": (H,), "wco": (H,)}
            weights = {name: drawn(rng, *shape) for name, shape in shapes.items()}
            variables = {name: tf.Variable(a) for name, a in weights.items()}
            with tf.GradientTape() as tape:
                made = getattr(tf.raw_ops, kind)(
                    seq_len_max=T,
                    x=xs,
                    cs_prev=zero,
                    h_prev=zero,
                    cell_clip=0,
                    use_peephole=peephole,
                    **variables,
                )
                loss = tf.reduce_sum(made.h * g)
            slopes = tape.gradient(loss, variables)
            used = [name for name in weights if peephole or name in ("w", "b")]
            yield (
                f"{kind} {'peepholes' if peephole else ''}".strip(),
                {name: weights[name] for name in used},
                xs,
                made.h.numpy(),
                [made.h.numpy()[-1], made.cs.numpy()[-1]],
                g,
                [(name, slopes[name].numpy()) for name in used if kind == "BlockLSTM"],
            )


PACKAGES = {"mlx": "mlx", "paddle": "paddlepaddle", "tensorflow": "tensorflow-cpu"}

if __name__ == "__main__":
    library = sys.argv[1]
    arrays = {"version": np.array(f"{PACKAGES[library]} {version(PACKAGES[library])}")}
    for case, weights, xs, ys, states, g, slopes in globals()[library]():
        arrays |= {f"{case}|weights|{name}": array for name, array in weights.items()}
        arrays |= {f"{case}|{name}": array for name, array in {"xs": xs, "ys": ys, "g": g}.items()}
        arrays |= {f"{case}|states|{k}": np.array(state) for k, state in enumerate(states)}
        arrays |= {f"{case}|gradients|{name}": np.array(array) for name, array in slopes}
    np.savez_compressed(Path(__file__).with_name(f"{library}.npz"), **arrays)
