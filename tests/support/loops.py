"""The comparison of a loop that is run by scan with the unrolled loop, its definition."""

from collections.abc import Callable

import numpy as np
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.testing.differences import noise

TOLERANCE = 1e-12  # relative to the largest number that is compared


def leaf(array) -> ts.Tensor:
    """A tensor that requires a gradient; a constant for integers and booleans."""
    array = np.asarray(array)
    return ts.tensor(array, requires_grad=array.dtype.kind == "f")


def run(loop: Callable, step: Callable, init, xs=None, by=(), *, seed: int = 0, dropped: int = 0, **how):
    """The result of a loop as a tree of arrays; which parts are on the tape; the gradients of `by`.

    The cotangents are random. The set bits of `dropped` are the outputs without a cotangent.
    """
    with np.errstate(all="ignore"):
        made = loop(step, init, xs, **how)
        outputs, weights = [], []
        for i, z in enumerate(tree.leaves(made)):
            if z.requires_grad and not dropped >> i & 1:
                outputs.append(z)
                weights.append(noise(np.random.default_rng([seed, i]), z.shape, z.dtype))
        grads = map(ts.zeros_like, by)
        if outputs and by:  # retained, because two loops may share the tape before them
            grads = ts.grad(outputs, list(by), weights, retain_graph=True, zeros=True)
        grads = [g.numpy() for g in grads]
    return tree.each(lambda z: z.numpy(), made), [z.requires_grad for z in tree.leaves(made)], grads


def agree(found, expected, tolerance: float = TOLERANCE) -> None:
    """Two trees of arrays have the same form, shapes, dtypes, and (up to rounding) numbers."""
    pairs = list(zip(tree.matching(expected, found), tree.leaves(expected), strict=True))
    assert tree.each(type, found) == tree.each(type, expected)
    finite = [np.abs(b[np.isfinite(b)]).max(initial=0) for _, b in pairs]
    scale = max([1.0, *map(float, finite)])
    for a, b in pairs:
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def is_the_loop(
    step: Callable,
    init,
    xs=None,
    by=(),
    *,
    loop: Callable = scan,
    tolerance: float = TOLERANCE,
    **how,
) -> None:
    """scan equals the unrolled loop: in the form of its result, all values, and all gradients of `by`."""
    values, on_tape, grads = run(unrolled, step, init, xs, by, **how)
    found, on_its_tape, found_grads = run(loop, step, init, xs, by, **how)
    agree(found, values, tolerance)
    assert all(on >= needed for on, needed in zip(on_its_tape, on_tape, strict=True))
    agree(found_grads, grads, tolerance)
