"""The law of riding: one call on stacks equals the stack of the calls.

An op *rides* if it works unchanged with an extra leading axis: n values of some arguments are stacked along a
new leading axis, and one call computes all n results. An op with a signature rides by definition; any other op
states how its metadata change (`op.rides`). Because of this law `scan` may move an op out of the loop over
time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.scan.riding import Lifted
from tinygrad_seq.testing.differences import leaf, noise, pulled_back, same, sequence
from tinygrad_seq.testing.strategies import Call, lawful


def riding(call: Call) -> None:
    """For every choice of stacked arguments p(stack) = stack of p, and the gradients agree, too.

    The gradient of a stacked argument is the stack of the gradients of the steps; the gradient of a constant is
    their sum.
    """
    rng = call.rng()
    n = int(rng.integers(1, 4))
    for stacked in itertools.product((False, True), repeat=len(call.arrays)):
        if any(stacked):
            _ride(call, stacked, n, rng)


def _ride(call: Call, stacked: Sequence[bool], n: int, rng: np.random.Generator) -> None:
    op, shapes = call.op, [a.shape for a in call.arrays]
    if lifted(call, stacked, n) is None:
        return
    steps = [
        [variant(call, i, rng) if on else a for i, (a, on) in enumerate(zip(call.arrays, stacked, strict=True))]
        for _ in range(n)
    ]
    zs = [sequence(op.function(*args(call, step), **call.meta)) for step in steps]
    stacks = [np.stack(a) if on else a[0] for a, on in zip(zip(*steps, strict=True), stacked, strict=True)]
    what = f"{call}, riding with {stacked}"
    whole_args = args(call, stacks)
    whole = sequence(Lifted(op, shapes, stacked, zs[0][0].ndim, call.metadata())(whole_args, n))
    for z, *parts in zip(whole, *zs, strict=True):
        same(f"{what}: the value", z.numpy(), np.stack([part.numpy() for part in parts]))
    if not any(call.active):
        return

    gs = [noise(rng, z.shape) for z in whole]
    lifted_grads = pulled_back(whole, [x for x in whole_args if x.requires_grad], gs)
    grads = []
    for t, step in enumerate(steps):
        xs = args(call, step)
        outputs = sequence(op.function(*xs, **call.meta))
        grads.append(pulled_back(outputs, [x for x in xs if x.requires_grad], [g[t] for g in gs]))
    on_stack = [on for on, x in zip(stacked, whole_args, strict=True) if x.requires_grad]
    for on, found, *parts in zip(on_stack, lifted_grads, *grads, strict=True):
        one_by_one = np.stack([part.numpy() for part in parts])
        if on:
            same(f"{what}: a stacked gradient", found.numpy(), one_by_one)
        else:
            same(f"{what}: the gradient of a constant", found.numpy(), one_by_one.sum(axis=0))


def lifted(call: Call, stacked: Sequence[bool], n: int) -> tuple[dict[str, object], bool] | None:
    """The metadata of the op on stacked arguments; None if it does not ride."""
    return call.op.lift([a.shape for a in call.arrays], stacked, n, call.metadata())


def variant(call: Call, i: int, rng: np.random.Generator) -> np.ndarray:
    """A value of the i-th argument at another time step: its elements in another order, or a new valid draw."""
    array, make = call.arrays[i], lawful(call.op, i)
    if make is not None:
        return make(noise(rng, array.shape))
    return rng.permutation(array.ravel()).reshape(array.shape)


def args(call: Call, arrays: Sequence[np.ndarray]) -> list[ts.Tensor]:
    """The arguments as Tensors; the active ones require a gradient."""
    return [
        leaf(a, call.device) if on else ts.tensor(a, device=call.device)
        for a, on in zip(arrays, call.active, strict=True)
    ]
