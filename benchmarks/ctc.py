"""The loss of CTC and its gradient, compared with PyTorch's kernel, and with the recursion in PyTorch and JAX.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/ctc.py

A call is log_softmax, the loss of random targets, and the gradient by the logits, at T frames, a batch of B, C
classes and targets of S labels. `F.ctc_loss` of PyTorch is one kernel in C++, forward and backward, written for
this loss. The recursion of `nn.ctc_loss` is an ordinary loop; the contenders in eager PyTorch and in JAX are
the same recursion, over the functions of these libraries. JAX's own loss, `optax.ctc_loss`, takes part if optax
is installed. All run in one process with one thread each, in shuffled order in every round, as in scan.py.
"""

from limits import allow

if __name__ == "__main__":
    allow(threads=1)

import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import numpy as np
from contenders import emitted
from measure import Run
from rounds import main

import tinygrad_seq as ts
from tinygrad_seq import nn

SIZES = [(100, 16, 28, 20), (100, 1, 28, 20), (300, 16, 28, 60)]  # T, B, C, S
TOLERANCE = 1e-3  # for float32 gradients: logarithms of some hundred nats, which have 5 digits after the point


NEVER = -1e30  # in the other libraries, whose logaddexp of -inf and -inf has a gradient of NaN


class Problem:
    """Random logits (T, B, C) and targets (B, S), of full length."""

    def __init__(self, frames: int, batch: int, classes: int, size: int, dtype: type = np.float32) -> None:
        rng = np.random.default_rng(0)
        self.logits = rng.standard_normal((frames, batch, classes), np.float32).astype(dtype)
        self.targets = rng.integers(1, classes, (batch, size))
        ends = np.full((batch, 1), -1)
        self.alike = np.hstack([ends, self.targets]) == np.hstack([self.targets, ends])


def frame(m, alike, state, y):
    """A step of the recursion of `nn.ctc_loss`, over the functions of m."""
    (u, v), (silent, told) = state, y
    e = m.logaddexp(u, v)
    return e + silent, m.logaddexp(v, m.roll(m.where(alike, u, e))) + told


def starts(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """log u_0 and log v_0."""
    batch, size = problem.targets.shape
    v = np.full((batch, size + 1), NEVER, problem.logits.dtype)
    u = v.copy()
    u[:, 0] = 0
    return u, v


# --- the contenders: from a problem, a function that makes a call and returns its gradients -------------------


def ours(problem: Problem) -> Run:
    logits = ts.tensor(problem.logits, requires_grad=True)
    return lambda: [ts.grad(nn.ctc_loss(logits, problem.targets, reduction="sum"), logits)]


def pytorch_kernel(problem: Problem) -> Run:
    import torch

    logits, targets = torch.tensor(problem.logits, requires_grad=True), torch.tensor(problem.targets)
    (frames, batch, _), size = logits.shape, targets.shape[1]
    lengths, counts = torch.full((batch,), frames), torch.full((batch,), size)

    def run():
        log_p = logits.log_softmax(-1)
        loss = torch.nn.functional.ctc_loss(log_p, targets, lengths, counts, reduction="sum")
        return torch.autograd.grad(loss, [logits])

    return run


def pytorch(problem: Problem) -> Run:
    import torch
    from torch.nn.functional import pad

    roll = partial(torch.roll, shifts=1, dims=-1)
    m = SimpleNamespace(logaddexp=torch.logaddexp, where=torch.where, roll=roll)
    logits, targets = torch.tensor(problem.logits, requires_grad=True), torch.tensor(problem.targets)
    alike, start = torch.tensor(problem.alike), tuple(map(torch.tensor, starts(problem)))

    def run():
        log_p, state = logits.log_softmax(-1), start
        told = pad(log_p.gather(-1, targets.expand(len(logits), -1, -1)), (1, 0), value=NEVER)
        for y in zip(log_p[..., :1], told, strict=True):
            state = frame(m, alike, state, y)
        return torch.autograd.grad(-torch.logaddexp(*state)[:, -1].sum(), [logits])

    return run


def jax_scan(problem: Problem) -> Run:
    import jax
    import jax.numpy as jnp

    roll = partial(jnp.roll, shift=1, axis=-1)
    m = SimpleNamespace(logaddexp=jnp.logaddexp, where=jnp.where, roll=roll)
    logits, targets, alike, start = jax.tree.map(
        jnp.asarray, (problem.logits, problem.targets, problem.alike, starts(problem))
    )

    @jax.jit
    @jax.grad
    def gradient(logits):
        log_p = jax.nn.log_softmax(logits)
        told = jnp.take_along_axis(log_p, targets[None], axis=-1)
        told = jnp.pad(told, ((0, 0), (0, 0), (1, 0)), constant_values=NEVER)
        state, _ = jax.lax.scan(lambda s, y: (frame(m, alike, s, y), None), start, (log_p[..., :1], told))
        return -jnp.logaddexp(*state)[:, -1].sum()

    return lambda: [jax.block_until_ready(gradient(logits))]


def optax_loss(problem: Problem) -> Run:
    import jax
    import jax.numpy as jnp
    import optax

    logits, targets = jnp.asarray(problem.logits.swapaxes(0, 1)), jnp.asarray(problem.targets)
    full = jnp.zeros(logits.shape[:2]), jnp.zeros(targets.shape)

    @jax.jit
    @jax.grad
    def gradient(logits):
        return optax.ctc_loss(logits, full[0], targets, full[1]).sum()

    return lambda: [jax.block_until_ready(gradient(logits)).swapaxes(0, 1)]


CONTENDERS: dict[str, Callable[[Problem], Run]] = {
    "ours, scan as C": emitted("c", ours),
    "ours, scan as NumPy": emitted("numpy", ours),
    "PyTorch, F.ctc_loss": pytorch_kernel,
    "PyTorch, the recursion": pytorch,
    "JAX, jit of scan": jax_scan,
    "JAX, optax.ctc_loss": optax_loss,
}


def reference(*size: int) -> list[np.ndarray]:
    """The gradient that all others are compared with: ours as NumPy, in float64."""
    with ts.emitter("numpy"):
        return [g.numpy() for g in ours(Problem(*size, np.float64))()]


if __name__ == "__main__":
    main(sys.modules[__name__], "T {}, B {}, C {}, S {}".format, lambda steps, *_: steps)
