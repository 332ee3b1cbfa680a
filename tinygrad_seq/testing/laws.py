"""The laws about derivatives. A *law* is a property that every primitive must have, for every call of it.

A law is a function of a `Call` that raises an AssertionError if the call breaks it. Together these laws say
that the rules are the derivatives of the forward function, to second order and in both modes, and that they are
pure functions. The laws about values, dtypes and layouts are in `values.py`, the law of zero cotangents in
`zero.py`, and the law of riding in `riding.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.derive.gradient import Direction
from tinygrad_seq.ops.indexing import data_of
from tinygrad_seq.testing.differences import (
    agree,
    inner,
    leaf,
    noise,
    pulled_back,
    same,
    sequence,
    size_of,
    slope,
)
from tinygrad_seq.testing.strategies import Call

Arrays = Sequence[np.ndarray]


# --- calling ------------------------------------------------------------------------------------------


def raw(call: Call, arrays: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
    """The outputs of a call with plain arrays, on the device of the call."""
    with np.errstate(all="ignore"):
        z = call.op.function(*call.placed(call.arrays if arrays is None else arrays), **call.meta)
    return list(z) if call.op.many else [z]


def recorded(call: Call, arrays: Sequence[np.ndarray | ts.Tensor]) -> list[ts.Tensor]:
    """The outputs of a call with Tensors."""
    with np.errstate(all="ignore"):
        return list(sequence(call.op.function(*arrays, **call.meta)))


def leaves(call: Call, arrays: Arrays | None = None) -> list[ts.Tensor | np.ndarray]:
    """The arguments of a call: leaves for those whose gradient is asked for, arrays for the others."""
    given = call.placed(call.arrays if arrays is None else arrays)
    return [leaf(a, call.device) if on else a for a, on in zip(given, call.active, strict=True)]


def actives(call: Call, values: Sequence[Any]) -> list[Any]:
    """The elements of `values` (one per argument) that belong to active arguments."""
    return [value for value, on in zip(values, call.active, strict=True) if on]


def cotangents(call: Call, rng: np.random.Generator) -> list[np.ndarray]:
    """A random cotangent for every output."""
    return [noise(rng, np.shape(z), z.dtype) for z in raw(call)]


def pulled(
    call: Call,
    gs: Sequence[Direction],
    arrays: Sequence[ts.Tensor | np.ndarray] | None = None,
    *,
    create_graph: bool = False,
) -> list[ts.Tensor]:
    """The gradient of <z, gs> with respect to every active argument."""
    xs = leaves(call) if arrays is None else arrays
    zs = recorded(call, xs)
    return pulled_back(zs, actives(call, xs), gs, create_graph=create_graph)


def arrays_of(tensors: Sequence[ts.Tensor]) -> list[np.ndarray]:
    return [t.numpy() for t in tensors]


def level(z: np.ndarray) -> np.ndarray:
    """An output, with 0 where it is infinite (a logsumexp over an empty axis) and so has no slope."""
    return np.where(np.isinf(z), 0, z)


def moved(call: Call, directions: Arrays, t: float) -> list[np.ndarray]:
    """The arguments x + t v: the active ones moved along `directions`."""
    steps = iter(directions)
    return [a + t * next(steps) if on else a for a, on in zip(call.arrays, call.active, strict=True)]


# --- derivatives --------------------------------------------------------------------------------------


def vjp(call: Call) -> None:
    """<J'g, v> is the slope of <g, f(x + t v)> at t = 0."""
    rng = call.rng()
    gs, vs = cotangents(call, rng), [noise(rng, a.shape) for a in actives(call, call.arrays)]
    grads = arrays_of(pulled(call, gs))
    numeric = slope(lambda t: inner(gs, [level(z) for z in raw(call, moved(call, vs, t))]))
    agree(f"VJP of {call}", inner(grads, vs), numeric, size_of(grads, vs), "difference")


def vjp2(call: Call) -> None:
    """The pullback (x, g) -> J(x)'g, recorded by create_graph, itself has the right VJP."""
    rng = call.rng()
    gs = cotangents(call, rng)
    us, vs = ([noise(rng, a.shape) for a in actives(call, call.arrays)] for _ in range(2))
    ws = [noise(rng, g.shape) for g in gs]

    def first(t: float) -> float:  # by the rules on plain arrays
        at = leaves(call, moved(call, vs, t))
        return inner(us, arrays_of(pulled(call, [g + t * w for g, w in zip(gs, ws, strict=True)], at)))

    xs, ts_g = leaves(call), [leaf(g, call.device) for g in gs]
    grads = pulled(call, ts_g, xs, create_graph=True)  # by the rules on Tensors
    inputs = [*actives(call, xs), *ts_g]
    assert all(g.requires_grad for g in grads), f"a gradient of {call} is not on the tape under create_graph"
    second, along = arrays_of(pulled_back(grads, inputs, us)), [*vs, *ws]
    agree(f"second VJP of {call}", inner(second, along), slope(first), size_of(second, along), "difference2")


def jvp(call: Call) -> None:
    """<g, J v> = <J'g, v>."""
    rng = call.rng()
    gs, vs = cotangents(call, rng), [noise(rng, a.shape) for a in actives(call, call.arrays)]
    dzs = pushed(call, lambda xs: recorded(call, xs), vs)
    for z, dz in zip(raw(call), dzs, strict=True):
        assert dz.shape == z.shape, f"the tangent of {call} has shape {dz.shape}, expected {z.shape}"
    grads = arrays_of(pulled(call, gs))
    agree(f"JVP against VJP of {call}", inner(gs, dzs), inner(grads, vs), size_of(grads, vs), "identity")


def jvp2(call: Call) -> None:
    """<g, J v> = <J'g, v> also holds for the pullback x -> J(x)'g."""
    rng = call.rng()
    gs = cotangents(call, rng)
    us, vs = ([noise(rng, a.shape) for a in actives(call, call.arrays)] for _ in range(2))
    tangents = pushed(call, lambda xs: pulled(call, gs, xs, create_graph=True), vs)
    xs = leaves(call)
    grads = pulled(call, [ts.tensor(g, device=call.device) for g in gs], xs, create_graph=True)
    on_tape = [(g, u) for g, u in zip(grads, us, strict=True) if g.requires_grad]
    second = [np.zeros_like(v) for v in vs]
    if on_tape:
        outputs, weights = zip(*on_tape, strict=True)
        second = arrays_of(pulled_back(outputs, actives(call, xs), weights))
    agree(
        f"JVP against VJP of the pullback of {call}",
        inner(us, tangents), inner(second, vs), size_of(second, vs), "identity",
    )  # fmt: skip


def pushed(
    call: Call, f: Callable[[list[Any]], Sequence[ts.Tensor]], vs: Arrays, arrays: Arrays | None = None
) -> list[np.ndarray]:
    """The derivative of f, a function of all arguments, along the directions `vs` of the active ones."""
    at = call.placed(call.arrays if arrays is None else arrays)

    def of_actives(*xs: ts.Tensor) -> tuple[ts.Tensor, ...]:
        given = iter(xs)
        return tuple(f([next(given) if on else a for a, on in zip(at, call.active, strict=True)]))

    primals = [ts.tensor(a, device=call.device) for a in actives(call, at)]
    return arrays_of(ts.jvp(of_actives, primals, vs)[1])


def linear(call: Call) -> None:
    """The pullback is linear: J'(a g + b h) = a J'g + b J'h."""
    rng = call.rng()
    gs, hs = cotangents(call, rng), cotangents(call, rng)
    a, b = rng.uniform(-2, 2, 2)
    whole = pulled(call, [a * g + b * h for g, h in zip(gs, hs, strict=True)])
    for total, one, other in zip(whole, pulled(call, gs), pulled(call, hs), strict=True):
        same(f"linearity of the pullback of {call}", total.numpy(), a * one.numpy() + b * other.numpy())


def pure(call: Call) -> None:
    """A reverse pass changes neither the arrays that its rules read nor the cotangents that it receives."""
    given = cotangents(call, call.rng())
    for create_graph in (False, True):
        xs, gs = leaves(call), [ts.tensor(g, device=call.device) for g in given]
        pulled(call, gs, xs, create_graph=create_graph)
        for t, array in zip(gs, given, strict=True):
            same(f"a cotangent after the VJP of {call}", t.numpy(), array, exactly=True)
        for x, array in zip(xs, call.arrays, strict=True):
            same(f"an argument after the VJP of {call}", data_of(x), array, exactly=True)
