"""A training step of DRAW and of RAM, compared with the same models in eager PyTorch and in JAX.

    .venv/bin/python -m pip install -e ".[bench]"
    taskset -c 0 .venv/bin/python benchmarks/looking.py

A step is the loss of a batch and its gradients by all parameters. DRAW draws 28 x 28 pixels in 10 steps through
windows of 5 x 5 filters, with 128 units and 10 latent variables; RAM looks 6 times at 28 x 28 or 44 x 44 pixels
with 256 units, through one patch of 8 x 8 pixels or three. All contenders run in one process with one thread
each, in shuffled order in every round, as in scan.py. They compute the same equations; in DRAW, this includes
the bound on the tails of the filters, without which each of them takes half as long again or more, because a
processor takes 100 times as long for subnormal numbers. The gradients of the first and the last call are
compared with those of our plain loop in float64.
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

PIXELS, FILTERS, UNITS, LATENT, STEPS = 28, 5, 128, 10, 10  # of DRAW
LOOKS, PATCH, FEATURES, HIDDEN, SIGMA, WEIGHT = 6, 8, 128, 256, 0.1, 0.02  # of RAM
SIZES = [("DRAW", 1), ("DRAW", 16), ("DRAW", 64), ("RAM", 1, 1), ("RAM", 16, 1), ("RAM", 64, 1), ("RAM", 64, 3)]
TOLERANCE = 1e-3  # for float32 gradients: a window depends on all windows before it


class Problem:
    """A model, a batch, and its loss: by `loss()`, and by `equations(m, p, *given)` for other libraries."""

    def __init__(self, kind: str, batch: int, scales: int = 1, dtype: type = np.float32) -> None:
        rng = np.random.default_rng(0)
        if kind == "DRAW":
            steps, sizes = STEPS, {"latent": LATENT, "hidden": UNITS, "read": FILTERS, "write": FILTERS}
            self.model = nn.DRAW((PIXELS, PIXELS), rng=rng, dtype=dtype, **sizes)
            images = rng.random((batch, PIXELS, PIXELS)) < 0.2
            given = images.astype(dtype), rng.standard_normal((steps, batch, LATENT)).astype(dtype)
            self.equations = draw
        else:
            steps, pixels = LOOKS, 28 if scales == 1 else 44
            sizes = {"size": PATCH, "scales": scales, "features": FEATURES, "hidden": HIDDEN, "sigma": SIGMA}
            self.model = nn.RAM(10, rng=rng, dtype=dtype, **sizes)
            drawn = rng.random((batch, pixels, pixels)), rng.standard_normal((steps, batch, 2))
            first, labels = rng.uniform(-1, 1, (batch, 2)), rng.integers(0, 10, batch)
            given = *(x.astype(dtype) for x in (*drawn, first)), labels
            self.equations = partial(ram, scales=scales)
        self.given = given
        self.parameters = {name: p.numpy() for name, p in self.model.named_parameters()}

    def loss(self) -> ts.Tensor:
        images, noise, *rest = self.given
        if not rest:
            missed, divergence = self.model.bound(images, noise)
            return (missed + divergence).mean()
        first, labels = rest
        return self.model.loss(images, labels, noise, first, weight=WEIGHT)


# --- the models, as equations over a namespace m of functions -------------------------------------------------


def layer(p, name, x):
    y = x @ p[f"{name}.weight"]
    return y + p[f"{name}.bias"] if f"{name}.bias" in p else y


def draw(m, p, images, noise):
    """`nn.DRAW`: Gregor et al. (2015), equations 3 to 8 and 21 to 27."""

    def lstm(name, state, x):
        h, c = state
        gates = x @ p[f"{name}.cell.Wx"] + p[f"{name}.cell.b"] + h @ p[f"{name}.cell.Wh"]
        i, f, g, o = m.split(gates, 4)
        c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
        return m.sigmoid(o) * m.tanh(c), c

    def window(numbers):
        x, y, log_variance, log_stride, log_intensity = m.split(numbers, 5)
        stride = (PIXELS - 1) / (FILTERS - 1) * m.exp(log_stride)
        offsets = (m.counted(FILTERS) - (FILTERS + 1) / 2) * stride
        precision = m.exp(-log_variance)[:, :, None]

        def bank(centre):
            means = ((PIXELS + 1) / 2 * (centre + 1) + offsets)[:, :, None]
            off = m.counted(PIXELS) - means
            exponents = -0.5 * off * off * precision
            return m.softmax(m.raised(exponents - m.stopped(m.largest(exponents)), -32))

        return bank(y), bank(x), m.exp(log_intensity)[:, :, None]

    def step(state, eps):
        c, encoder, decoder = state
        rows, columns, intensity = window(layer(p, "reading", decoder[0]))
        seen = [intensity * (rows @ x @ m.turned(columns)) for x in (images, images - m.sigmoid(c))]
        flat = [x.reshape(len(images), FILTERS**2) for x in seen]
        encoder = lstm("encoder", encoder, m.concatenate([*flat, decoder[0]]))
        mean, log_sigma = m.split(layer(p, "latents", encoder[0]), 2)
        decoder = lstm("decoder", decoder, mean + m.exp(log_sigma) * eps)
        rows, columns, intensity = window(layer(p, "writing", decoder[0]))
        patch = layer(p, "patch", decoder[0]).reshape(len(images), FILTERS, FILTERS)
        c = c + m.turned(rows) @ (patch / intensity) @ columns
        return (c, encoder, decoder), (mean, log_sigma)

    def started(name):
        return tuple(m.repeated(p[f"{name}.start.{k}"][0], len(images)) for k in (0, 1))

    start = m.repeated(p["canvas"], len(images)), started("encoder"), started("decoder")
    (c, _, _), (mean, log_sigma) = m.scan(step, start, noise)
    missed = m.softplus(c) - images * c
    divergence = (mean * mean + m.exp(2 * log_sigma) - 2 * log_sigma - 1) / 2
    return (missed.sum() + divergence.sum()) / len(images)


def ram(m, p, images, noise, first, labels, *, scales):
    """`nn.RAM`: Mnih et al. (2014), sections 3 and 4.1."""
    size, margin = images.shape[1], 2 ** (scales - 1) * PATCH // 2
    padded, image = m.pad(images, margin), m.indices(np.arange(len(images))[:, None, None])

    def retina(centre):
        pixels = m.whole((m.clip(centre, -1, 1) + 1) * (size / 2))
        column, row = (pixels[:, k, None, None] for k in (0, 1))
        seen = []
        for k in range(scales):
            across = m.indices(margin - 2**k * PATCH // 2 + np.arange(2**k * PATCH))
            patch = padded[image, row + across[:, None], column + across]
            seen.append(patch.reshape(len(images), PATCH, 2**k, PATCH, 2**k).mean((2, 4)))
        return m.stack(seen, 1).reshape(len(images), scales * PATCH**2)

    def step(state, eps):
        h, centre = state
        what, where = m.relu(layer(p, "what", retina(centre))), m.relu(layer(p, "where", centre))
        g = m.relu(layer(p, "from_what", what) + layer(p, "from_where", where))
        h = m.relu(layer(p, "core", h) + layer(p, "glimpse", g))
        fixed = m.stopped(h)
        mean = m.tanh(layer(p, "locator", fixed))
        after = m.stopped(mean + SIGMA * eps)
        log_p = -(((after - mean) / SIGMA) ** 2).sum(-1) / 2
        return (h, after), (log_p, layer(p, "baseline", fixed)[:, 0])

    (h, _), (log_p, baselines) = m.scan(step, (m.zeros((len(images), HIDDEN)), first), noise)
    logits = layer(p, "classifier", h)
    reward = (logits.argmax(-1) == labels) * 1.0
    log_p, baselines = log_p[:-1], baselines[:-1]
    choices = -(m.stopped(reward - baselines) * log_p).sum() / len(images)
    missed = -m.log_softmax(logits)[m.indices(np.arange(len(images))), labels].mean()
    return missed + WEIGHT * choices + ((baselines - reward) ** 2).mean()


# --- the contenders: from a problem, a function that makes a step and returns its gradients -------------------


def ours(problem: Problem) -> Run:
    parameters = problem.model.parameters()

    def run():
        for p in parameters:
            p.grad = None
        problem.loss().backward()
        return [p.grad for p in parameters]

    return run


def pytorch(problem: Problem) -> Run:
    """A plain loop, as for every cell that PyTorch does not have."""
    import torch
    from torch.nn import functional

    def scan(step, state, xs):
        ys = []
        for x in xs.unbind():
            state, y = step(state, x)
            ys.append(y)
        return state, tuple(map(torch.stack, zip(*ys, strict=True)))

    dtype = torch.tensor(problem.given[0]).dtype
    m = functions(
        torch,
        scan=scan,
        softplus=functional.softplus,
        raised=lambda x, least: x.clip(min=least),
        pad=lambda x, n: functional.pad(x, (n, n, n, n)),
        split=lambda z, count: z.chunk(count, dim=-1),
        concatenate=partial(torch.cat, dim=-1),
        softmax=partial(torch.softmax, dim=-1),
        log_softmax=partial(torch.log_softmax, dim=-1),
        largest=lambda x: x.max(-1, keepdim=True).values,
        turned=lambda x: x.mT,
        repeated=lambda x, count: x.expand(count, *x.shape),
        stopped=lambda x: x.detach(),
        whole=lambda x: x.long(),
        indices=torch.tensor,
        counted=lambda n: torch.arange(1, n + 1, dtype=dtype),
        zeros=partial(torch.zeros, dtype=dtype),
    )
    given = [torch.tensor(x) for x in problem.given]
    parameters = {name: torch.tensor(p, requires_grad=True) for name, p in problem.parameters.items()}

    def run():
        for p in parameters.values():
            p.grad = None
        problem.equations(m, parameters, *given).backward()
        return [p.grad for p in parameters.values()]

    return run


def jax_scan(problem: Problem) -> Run:
    """One jit of the loss and its gradient, with the loop as a scan."""
    import jax
    import jax.numpy as jnp

    m = functions(
        jnp,
        scan=jax.lax.scan,
        sigmoid=jax.nn.sigmoid,
        softplus=jax.nn.softplus,
        relu=jax.nn.relu,
        raised=jnp.maximum,
        pad=lambda x, n: jnp.pad(x, ((0, 0), (n, n), (n, n))),
        split=lambda z, count: jnp.split(z, count, axis=-1),
        concatenate=partial(jnp.concatenate, axis=-1),
        softmax=jax.nn.softmax,
        log_softmax=jax.nn.log_softmax,
        largest=lambda x: x.max(-1, keepdims=True),
        turned=lambda x: x.swapaxes(1, 2),
        repeated=lambda x, count: jnp.broadcast_to(x, (count, *x.shape)),
        stopped=jax.lax.stop_gradient,
        whole=lambda x: x.astype(int),
        indices=jnp.asarray,
        counted=lambda n: jnp.arange(1, n + 1, dtype=problem.given[0].dtype),
        zeros=partial(jnp.zeros, dtype=problem.given[0].dtype),
    )
    p, given = jax.tree.map(jnp.asarray, (problem.parameters, problem.given))
    gradient = jax.jit(jax.grad(lambda p, given: problem.equations(m, p, *given)))

    def run():
        found = jax.block_until_ready(gradient(p, given))
        return [found[name] for name in problem.parameters]  # a dictionary comes back in another order

    return run


def functions(library, **others: Callable) -> SimpleNamespace:
    """The `m` of the equations: functions of the same name in both libraries, and `others`."""
    names = "tanh", "exp", "clip", "stack", "sigmoid", "relu"
    return SimpleNamespace(**{name: getattr(library, name, None) for name in names} | others)


CONTENDERS: dict[str, Callable[[Problem], Run]] = {
    "ours, scan as C": emitted("c", ours),
    "ours, scan as NumPy": emitted("numpy", ours),
    "PyTorch, own cell": pytorch,
    "JAX, jit of scan": jax_scan,
}


def reference(*size) -> list[np.ndarray]:
    """The gradients that all others are compared with: those of our plain loop, in float64."""
    with ts.detect_anomaly():  # in which scan is the Python loop
        return [g.numpy() for g in ours(Problem(*size, dtype=np.float64))()]


def title(kind: str, batch: int, scales: int = 1) -> str:
    return f"{kind}, batch {batch}" + ", 3 patches" * (scales == 3)


if __name__ == "__main__":
    main(sys.modules[__name__], title, lambda kind, *_: STEPS if kind == "DRAW" else LOOKS)
