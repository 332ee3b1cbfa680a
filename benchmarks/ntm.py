"""A training step of a neural Turing machine, compared with the same model in eager PyTorch and in JAX.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/ntm.py

The task is to copy, at the size of Graves, Wayne & Danihelka (2014): rows of 8 bits, a memory of 128 x 20, an
LSTM of 100 units, one head that reads and one that writes. A step is forward, backward and Adam over 2 L + 1
inputs for L rows. All contenders run in one process with one thread each, in shuffled order in every round, as
in scan.py.

The initial memory, the weightings and all other parts of the state are random, because the heads have no
gradient if all rows of the memory are equal. Adam has a learning rate of 0: it does its work, but every step
starts from the same weights, and the gradients of the first and the last call can be compared with those of our
plain loop in float64.
"""

from limits import allow

if __name__ == "__main__":
    allow(threads=1)

import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import numpy as np
from contenders import emitted, looped, recorded, scanned, unrolled
from measure import Run
from rounds import main

import tinygrad_seq as ts
from tinygrad_seq import nn, optim, tree
from tinygrad_seq.tasks import copy

SIZES = [(10, 1), (20, 1), (10, 16), (20, 16)]  # rows, batch
TOLERANCE = 1e-3  # for float32 gradients: the place of a head depends on its earlier places, for 41 steps


class Problem:
    """Our cell, a batch of `copy`, and a random state to start from."""

    def __init__(self, rows: int, batch: int, dtype: type = np.float32) -> None:
        rng = np.random.default_rng(0)
        controller = nn.LSTMCell(9 + 20, 100, rng=rng)
        self.cell = nn.NTMCell(controller, 8, memory=(128, 20), learned=False, rng=rng).to(dtype=dtype)
        self.parameters = {name: p.numpy() for name, p in self.cell.named_parameters()}
        self.xs, self.targets = (array.astype(dtype) for array in copy(rows, batch, rng=rng))

        def drawn(part):
            return rng.standard_normal(part.shape, np.float32)

        s, r, w, memory = tree.each(drawn, self.cell.initial_state(batch, like=ts.tensor(self.xs)))
        w = np.exp(2 * w) / np.exp(2 * w).sum(-1, keepdims=True)
        self.state = tree.each(lambda part: part.astype(dtype), (s, r, w, memory))


def machine(m, p, state, x):
    """`nn.NTMCell`, over the functions of m: the equations of Graves, Wayne & Danihelka (2014), section 3."""
    (h, c), r, w, memory = state
    gates = m.concatenate([x, r[:, 0]]) @ p["controller.Wx"] + p["controller.b"] + h @ p["controller.Wh"]
    i, f, g, o = m.split(gates, (100, 100, 100, 100))
    c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
    h = m.sigmoid(o) * m.tanh(c)

    said = m.clip(h @ p["addressing.weight"] + p["addressing.bias"]).reshape(-1, 2, 26)
    key, kernel, strength, gate, gamma = m.split(said, (20, 3, 1, 1, 1))
    lengths = m.sqrt((key * key).sum(-1)[:, :, None] * (memory * memory).sum(-1)[:, None])
    content = m.softmax(m.softplus(strength) * (key @ memory.swapaxes(1, 2)) / (lengths + 1e-8))
    w = w + m.sigmoid(gate) * (content - w)
    back, stay, on = m.split(m.softmax(kernel), (1, 1, 1))
    w = back * m.roll(w, -1) + stay * w + on * m.roll(w, 1)
    w = w ** (1 + m.softplus(gamma))
    w = w / w.sum(-1)[..., None]

    r = w[:, :1] @ memory
    erase, add = m.split(m.clip(h @ p["writing.weight"] + p["writing.bias"])[:, None], (20, 20))
    written = w[:, 1, :, None]
    memory = memory * (1 - written * m.sigmoid(erase)) + written * add
    y = m.concatenate([h, r[:, 0]]) @ p["readout.weight"] + p["readout.bias"]
    return ((h, c), r, w, memory), y


# --- the contenders: from a problem, a function that makes a step and returns its gradients -------------------


def ours(problem: Problem, runner: Callable = scanned) -> Run:
    cell, xs, targets = problem.cell, ts.tensor(problem.xs), problem.targets
    state, adam = tree.each(ts.tensor, problem.state), optim.Adam(problem.cell.parameters(), lr=0.0)

    def run():
        logits = runner(cell, xs, start=state)[-len(targets) :]
        adam.zero_grad()
        nn.binary_cross_entropy_with_logits(logits, targets).backward()
        adam.step()
        return [p.grad for p in adam.parameters]

    return run


def pytorch(problem: Problem) -> Run:
    """A plain loop, as for every cell that PyTorch does not have."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, softplus

    m = functions(
        torch,
        softplus=softplus,
        sigmoid=torch.sigmoid,
        softmax=partial(torch.softmax, dim=-1),
        concatenate=partial(torch.cat, dim=-1),
        roll=partial(torch.roll, dims=-1),
        split=lambda z, sizes: z.split(sizes, dim=-1),
    )
    xs, targets = torch.tensor(problem.xs), torch.tensor(problem.targets)
    state = tree.each(torch.tensor, problem.state)
    parameters = {name: torch.tensor(p, requires_grad=True) for name, p in problem.parameters.items()}
    adam = torch.optim.Adam(parameters.values(), lr=0.0)

    def run():
        ys = unrolled(partial(machine, m, parameters), state, xs.unbind())
        adam.zero_grad()
        binary_cross_entropy_with_logits(torch.stack(ys[-len(targets) :]), targets).backward()
        adam.step()
        return [p.grad for p in parameters.values()]

    return run


def jax_scan(problem: Problem) -> Run:
    """One jit of everything: a scan, its gradient, and Adam written by hand."""
    import jax
    import jax.numpy as jnp

    m = functions(
        jnp,
        softplus=jax.nn.softplus,
        sigmoid=jax.nn.sigmoid,
        softmax=jax.nn.softmax,
        concatenate=partial(jnp.concatenate, axis=-1),
        roll=partial(jnp.roll, axis=-1),
        split=lambda z, sizes: jnp.split(z, np.cumsum(sizes[:-1]), axis=-1),
    )
    p, xs, targets, state = jax.tree.map(
        jnp.asarray, (problem.parameters, problem.xs, problem.targets, problem.state)
    )

    def loss(p):
        o = jax.lax.scan(partial(machine, m, p), state, xs)[1][-len(targets) :]
        return jnp.mean(jax.nn.softplus(o) - targets * o)

    @jax.jit
    def step(p, moments, t, lr):
        g = jax.grad(loss)(p)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], g)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], g)

        def moved(p, m, v):
            return p - lr * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

        return g, jax.tree.map(moved, p, first, second), (first, second), t + 1

    zeros = jax.tree.map(jnp.zeros_like, p)
    held = p, (zeros, zeros), jnp.float32(1)

    def run():
        nonlocal held
        gradients, *held = jax.block_until_ready(step(*held, jnp.float32(0)))
        return [gradients[name] for name in problem.parameters]  # a dictionary comes back in another order

    return run


def functions(library, **others: Callable) -> SimpleNamespace:
    """The `m` of the equations."""
    return SimpleNamespace(
        tanh=library.tanh, sqrt=library.sqrt, clip=lambda z: library.clip(z, -20, 20), **others
    )


CONTENDERS: dict[str, Callable[[Problem], Run]] = {
    "ours, scan as C": emitted("c", ours),
    "ours, C, recorded anew": emitted("c", partial(ours, runner=recorded)),
    "ours, scan as NumPy": emitted("numpy", ours),
    "ours, plain loop": partial(ours, runner=looped),
    "PyTorch, own cell": pytorch,
    "JAX, jit of scan": jax_scan,
}


def reference(rows: int, batch: int) -> list[np.ndarray]:
    """The gradients that all others are compared with: those of our plain loop, in float64."""
    return [g.numpy() for g in ours(Problem(rows, batch, np.float64), looped)()]


if __name__ == "__main__":
    main(sys.modules[__name__], "{} rows, batch {}".format, lambda rows, _: 2 * rows + 1)
