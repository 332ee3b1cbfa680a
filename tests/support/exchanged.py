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
            return nn.Layers(
                nn.Bidirectional(cell(size, H), cell(size, H)),
                nn.Bidirectional(cell(2 * H, H2), cell(2 * H, H2)),
            )


STRUCTURES = ["one", "both", "two layers", "both in two layers"]


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
    """Gradients of <g, outputs>: the map of weights is affine, A w + c, so that A' turns theirs into ours.

    <A v, theirs> = <v, ours> for random directions v, each of one parameter.
    """
    theirs.assign(nn.to_weights(library, randomised(ours)))
    ys, _ = ours(xs)
    g = np.random.default_rng(2).normal(size=ys.shape).astype(np.float32)
    (ys * g).sum().backward()
    slopes = theirs.gradients(xs, g)
    if isinstance(slopes, list):
        slopes = dict(zip(nn.to_weights(library, ours), slopes, strict=True))
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
