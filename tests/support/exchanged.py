"""What every test of another library's weights does: both ways, outputs, final states and gradients agree.

A test gives the other network as an object with

    assign(arrays)    takes what nn.to_weights returns
    weights()         what the library returns, as nn.from_weights takes it
    run(xs)           outputs (T, B, H) for xs (T, B, I), and the final states in our order, as NumPy arrays
    gradients(xs, g)  of <g, outputs> by the arrays, as nn.to_weights names or orders them; for `slopes_agree`
"""

import copy

import numpy as np
from results import assert_allclose

from tinygrad_seq import nn, tree

T, B, I, H, H2 = 7, 2, 3, 5, 4  # noqa: E741


def randomised(module, seed=0):
    """The module, with parameters that are all different."""
    rng = np.random.default_rng(seed)
    for p in module.parameters():
        p.assign_(rng.normal(size=p.shape, scale=0.5).astype(p.dtype))
    return module


def inputs(size=I, seed=1):
    return np.random.default_rng(seed).normal(size=(T, B, size)).astype(np.float32)


def runner(cell, structure, *, size=I):
    """Our network of one of the structures; `cell(input_size, hidden_size)` makes its cells."""
    match structure:
        case "one":
            return nn.Recurrent(cell(size, H))
        case "both":
            return nn.Bidirectional(cell(size, H), cell(size, H))
        case "two layers":
            return nn.Layers(nn.Recurrent(cell(size, H)), nn.Recurrent(cell(H, H2)))
        case "both in two layers":
            first = nn.Bidirectional(cell(size, H), cell(size, H))
            return nn.Layers(first, nn.Bidirectional(cell(2 * H, H2), cell(2 * H, H2)))


STRUCTURES = ["one", "both", "two layers", "both in two layers"]
ENDS = [STRUCTURES[0], STRUCTURES[-1]]  # of libraries that compile every network, which takes seconds


def same(ours, theirs, xs, lengths=None):
    """Outputs and final states agree; within the lengths, past which libraries differ."""
    ys, state = ours(xs, lengths=lengths)
    y, states = theirs.run(xs) if lengths is None else theirs.run(xs, lengths)
    inside = np.arange(T)[:, None] < np.array([T] * B if lengths is None else lengths)
    assert_allclose(ys.numpy()[inside], np.asarray(y)[inside], rtol=0, atol=1e-5)
    for one, other in zip(tree.leaves(state), states, strict=True):
        assert_allclose(one.numpy(), np.asarray(other), rtol=0, atol=1e-5)


def both_ways(library, ours, theirs, xs, lengths=None, prepare=randomised):
    """Our weights there, and theirs here: the same outputs and states."""
    theirs.assign(nn.to_weights(library, prepare(ours)))
    same(ours, theirs, xs, lengths)
    other = nn.from_weights(library, theirs.weights(), randomised(copy.deepcopy(ours), seed=1))
    same(other, theirs, xs, lengths)


def slopes_agree(library, ours, theirs, xs):
    """Gradients of <g, outputs>, with our weights."""
    theirs.assign(nn.to_weights(library, randomised(ours)))
    g = np.random.default_rng(2).normal(size=ours(xs)[0].shape).astype(np.float32)
    slopes = theirs.gradients(xs, g)
    if isinstance(slopes, list):
        slopes = dict(zip(nn.to_weights(library, ours), slopes, strict=True))
    same_slopes(library, ours, slopes, xs, g)


def same_slopes(library, ours, slopes, xs, g, lengths=None):
    """Our gradients agree with the library's, `slopes`, by its arrays.

    The map of weights is affine, A w + c, so that <A v, slopes> = <v, ours> for random directions v, each of
    one parameter.
    """
    (ours(xs, lengths=lengths)[0] * g).sum().backward()
    twin = copy.deepcopy(ours)
    for p in twin.parameters():
        p.assign_(np.zeros(p.shape, np.float32))
    start = nn.to_weights(library, twin)
    assert start.keys() == slopes.keys()
    for p, own in zip(twin.parameters(), ours.parameters(), strict=True):
        v = np.random.default_rng(3).normal(size=p.shape).astype(np.float32)
        p.assign_(v)
        moved = nn.to_weights(library, twin)
        p.assign_(np.zeros(p.shape, np.float32))
        found = sum(np.vdot(moved[name] - start[name], slopes[name]) for name in moved)
        assert_allclose(found, np.vdot(v, own.grad.numpy()), rtol=1e-4, atol=1e-4)


class Looped:
    """Cells of a library on top of each other, run by a Python loop over time.

    A subclass defines `made(input_size, hidden_size)`, a cell; `filled(cell, arrays)`, one with these arrays;
    `arrays(cell)`; and `step(cell, state, x)`, the next state, (h, ...), from None before the first.
    """

    def __init__(self, structure):
        self.both = structure.startswith("both")
        sizes = [(I, H), (H * (1 + self.both), H2)][: 1 + ("two layers" in structure)]
        self.layers = [
            {d: self.made(*size) for d in ("forward", "backward")[: 1 + self.both]} for size in sizes
        ]

    def assign(self, arrays):
        self.layers = [
            {d: self.filled(cell, part_of(arrays, self._prefix(k, d))) for d, cell in layer.items()}
            for k, layer in enumerate(self.layers)
        ]

    def _prefix(self, k, direction):
        return (f"{k}/" if len(self.layers) > 1 else "") + (f"{direction}/" if self.both else "")

    def weights(self):
        trees = [{d: self.arrays(cell) for d, cell in layer.items()} for layer in self.layers]
        trees = trees if self.both else [tree["forward"] for tree in trees]
        return trees if len(trees) > 1 else trees[0]

    def run(self, xs):
        states = []
        for layer in self.layers:
            outputs = []
            for direction, cell in layer.items():
                steps, state, ys = range(T) if direction == "forward" else reversed(range(T)), None, [None] * T
                for t in steps:
                    state = self.step(cell, state, xs[t])
                    ys[t] = state[0]
                states += state
                outputs.append(ys)
            xs = [self.joined(parts) for parts in zip(*outputs, strict=True)]
        return self.stacked(xs), states

    def joined(self, parts):
        """[forward; backward], of NumPy arrays."""
        return np.concatenate(parts, axis=-1)

    def stacked(self, ys):
        return np.stack(ys)


def part_of(arrays, prefix):
    """The arrays whose names begin with the prefix, without it."""
    arrays = {name.replace(".", "/"): array for name, array in arrays.items()}
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
