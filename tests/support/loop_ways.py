"""The ways to run a random program: its values, and each kind of its derivatives."""

from __future__ import annotations

import contextlib
import warnings
from functools import partial

import numpy as np
from loop_programs import Program

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.testing.differences import noise


def by_scan(step, init, xs=None, **how):
    return scan(step, init, xs, **how)


def by_loop(step, init, xs=None, *, remat=None, **how):
    return unrolled(step, init, xs, **how)


def tensors(program: Program, arrays, active: int) -> list[ts.Tensor]:
    """The arguments of a program; the bits of `active` are the floats with a gradient."""
    return [
        ts.tensor(a, requires_grad=g.gradient and bool(active >> i & 1))
        for i, (g, a) in enumerate(zip(program.given, arrays, strict=True))
    ]


def directions(xs, seed: int) -> list[np.ndarray]:
    return [
        None if x is None else noise(np.random.default_rng([seed, i]), x.shape, x.dtype)
        for i, x in enumerate(xs)
    ]


def floats(made) -> list[ts.Tensor]:
    return [z for z in tree.leaves(made) if isinstance(z, ts.Tensor) and z.dtype.kind == "f"]


def first(f, xs, seed: int, dropped: int):
    """Values, and gradients for random cotangents; the bits of `dropped` are outputs without one."""
    made = f(*xs)
    outputs = [z if not dropped >> i & 1 else None for i, z in enumerate(floats(made))]
    by = [x for x in xs if x.requires_grad]
    return made, pulled(outputs, by, seed)


def pulled(outputs, by, seed: int):
    """The gradients of outputs, for random cotangents; an output without a tape, or None, has none."""
    vs = [None if z is None else v for z, v in zip(outputs, directions(outputs, seed), strict=True)]
    live = [(z, v) for z, v in zip(outputs, vs, strict=True) if z is not None and z.requires_grad]
    if not live or not by:
        return [ts.zeros_like(x) for x in by]
    return ts.grad([z for z, _ in live], by, [v for _, v in live], zeros=True)


def value(zs, xs) -> ts.Tensor:
    """A number that is not linear in any of zs, and on the tape if one of xs is."""
    nothing = sum((0.0 * ts.sum(x) for x in xs), ts.tensor(0.0))
    return sum((ts.sum(ts.tanh(z)) * (i + 0.5) for i, z in enumerate(zs)), nothing)


def gradient(f, xs, *, create_graph: bool = True):
    """The gradient of a number that depends on all outputs."""
    zs, by = floats(f(*xs)), [x for x in xs if x.requires_grad]
    return ts.grad(value(zs, by), by, create_graph=create_graph, zeros=True) if by else []


def second(f, xs, seed: int, dropped: int):
    grads = gradient(f, xs)
    return grads, pulled(grads, [x for x in xs if x.requires_grad], seed)


def moving(f, xs):
    """f as a function of the arguments with a gradient, and those arguments without their tape."""
    places = [i for i, x in enumerate(xs) if x.requires_grad]

    def of(*parts):
        whole = [x.detach() for x in xs]
        for i, part in zip(places, parts, strict=True):
            whole[i] = part
        return floats(f(*whole))

    by = [xs[i].detach() for i in places]
    return of, by if floats(f(*xs)) else []


def forward(f, xs, seed: int, dropped: int):
    of, by = moving(f, xs)
    if not by:
        return f(*xs)
    return ts.jvp(of, by, directions(by, seed))


def forward_of_gradient(f, xs, seed: int, dropped: int):
    of, by = moving(f, xs)
    if not by:
        return f(*xs)

    return ts.hvp(lambda *parts: value(of(*parts), parts), by, directions(by, seed))


def gradient_of_forward(f, xs, seed: int, dropped: int):
    of, by = moving(f, xs)
    if not by:
        return f(*xs)
    vs = directions(by, seed)
    dzs, pullback = ts.vjp(lambda *parts: ts.jvp(of, parts, vs)[1], *by)
    found = pullback(directions(dzs, seed + 1))
    return dzs, [ts.zeros_like(x) if g is None else g for g, x in zip(found, by, strict=True)]


def plain(f, xs, seed: int, dropped: int):
    return f(*xs)


WAYS = {
    "numpy": plain,
    "first": first,
    "second": second,
    "jvp": forward,
    "jvp of grad": forward_of_gradient,
    "grad of jvp": gradient_of_forward,
}


@contextlib.contextmanager
def quiet():
    """No warnings of NumPy."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def results(program: Program, way, loop, arrays, seed: int, active: int, dropped: int, names=None):
    """The tree of Tensors of a program run in one way, and the Tensors that it was given."""
    f = program.function(names)
    xs = tensors(program, arrays, active)
    with quiet():
        return way(partial(f, loop), xs, seed, dropped), xs
