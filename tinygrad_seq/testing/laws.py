"""The laws: what must be true of every primitive, for every call of it.

Each law takes a `Call` and raises an AssertionError in words. Together they say that the derivative rules
are the derivatives of the forward function, to second order and in both modes; that they respect shapes,
dtypes and memory layouts. The law of zero cotangents and the law of riding have files of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.testing.differences import (
    TOLERANCE,
    agree,
    inner,
    leaf,
    noise,
    pulled_back,
    sequence,
    size_of,
    slope,
)
from tinygrad_seq.testing.strategies import SINGULAR, Call, carries_gradient, lawful

Arrays = Sequence[np.ndarray]

UNSUPPORTED = "NumPy's linear algebra knows no half precision"
NO_HALF = dict.fromkeys(("solve", "cholesky"), UNSUPPORTED)  # exempt from the law of dtypes in float16, and why


# --- calling ------------------------------------------------------------------------------------------


def raw(call: Call, arrays: Sequence[np.ndarray] | None = None) -> list[np.ndarray]:
    """The outputs of a call with plain arrays."""
    with np.errstate(all="ignore"):
        z = call.op.function(*(call.arrays if arrays is None else arrays), **call.meta)
    return list(z) if call.op.many else [z]


def recorded(call: Call, arrays: Sequence[np.ndarray | ts.Tensor]) -> list[ts.Tensor]:
    """The outputs of a call with Tensors."""
    with np.errstate(all="ignore"):
        return list(sequence(call.op.function(*arrays, **call.meta)))


def leaves(call: Call, arrays: Arrays | None = None) -> list[ts.Tensor | np.ndarray]:
    """The arguments of a call: leaves where a gradient is asked for, arrays elsewhere."""
    given = call.arrays if arrays is None else arrays
    return [leaf(a) if on else a for a, on in zip(given, call.active, strict=True)]


def actives(call: Call, values: Sequence) -> list:
    """Those of `values`, one per argument, whose argument is differentiated by."""
    return [value for value, on in zip(values, call.active, strict=True) if on]


def cotangents(call: Call, rng: np.random.Generator) -> list[np.ndarray]:
    """A random cotangent for every output."""
    return [noise(rng, np.shape(z), z.dtype) for z in raw(call)]


def pulled(
    call: Call, gs: Sequence, arrays: Sequence | None = None, *, create_graph: bool = False
) -> list[ts.Tensor]:
    """The gradient of <z, gs> with respect to every active argument."""
    xs = leaves(call) if arrays is None else arrays
    zs = recorded(call, xs)
    return pulled_back(zs, actives(call, xs), gs, create_graph=create_graph)


def arrays_of(tensors: Sequence[ts.Tensor]) -> list[np.ndarray]:
    return [t.numpy() for t in tensors]


def level(z: np.ndarray) -> np.ndarray:
    """An output with 0 where it is infinite (the logsumexp of nothing): there it has no slope."""
    return np.where(np.isinf(z), 0, z)


def moved(call: Call, directions: Arrays, t: float) -> list[np.ndarray]:
    """The arguments, a step of t along the directions of the active ones."""
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
    """The same for the pullback (x, g) -> J(x)'g, which with create_graph is recorded in its turn."""
    rng = call.rng()
    gs = cotangents(call, rng)
    us, vs = ([noise(rng, a.shape) for a in actives(call, call.arrays)] for _ in range(2))
    ws = [noise(rng, g.shape) for g in gs]

    def first(t: float) -> float:  # by the rules on plain arrays
        at = leaves(call, moved(call, vs, t))
        return inner(us, arrays_of(pulled(call, [g + t * w for g, w in zip(gs, ws, strict=True)], at)))

    xs, ts_g = leaves(call), [leaf(g) for g in gs]
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
        assert dz.shape == z.shape, f"the tangent of {call} has the shape {dz.shape}, its output {z.shape}"
    grads = arrays_of(pulled(call, gs))
    agree(f"JVP against VJP of {call}", inner(gs, dzs), inner(grads, vs), size_of(grads, vs), "identity")


def jvp2(call: Call) -> None:
    """The pullback pushed forward is its own pullback: the same duality for x -> J(x)'g."""
    rng = call.rng()
    gs = cotangents(call, rng)
    us, vs = ([noise(rng, a.shape) for a in actives(call, call.arrays)] for _ in range(2))
    tangents = pushed(call, lambda xs: pulled(call, gs, xs, create_graph=True), vs)
    xs = leaves(call)
    grads = pulled(call, [ts.tensor(g) for g in gs], xs, create_graph=True)
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
    call: Call, f: Callable[[list], Sequence[ts.Tensor]], vs: Arrays, arrays: Arrays | None = None
) -> list[np.ndarray]:
    """The derivative of f, a function of all arguments, along directions of the active ones."""
    at = call.arrays if arrays is None else arrays

    def of_actives(*xs: ts.Tensor) -> tuple[ts.Tensor, ...]:
        given = iter(xs)
        return tuple(f([next(given) if on else a for a, on in zip(at, call.active, strict=True)]))

    primals = [ts.tensor(a) for a in actives(call, at)]
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
    """A walk changes neither what its rules read nor the cotangents that it was given."""
    given = cotangents(call, call.rng())
    for create_graph in (False, True):
        xs, gs = leaves(call), [ts.tensor(g) for g in given]
        pulled(call, gs, xs, create_graph=create_graph)
        for t, array in zip(gs, given, strict=True):
            same(f"a cotangent after the VJP of {call}", t.numpy(), array, exactly=True)
        for x, array in zip(xs, call.arrays, strict=True):
            same(f"an argument after the VJP of {call}", np.asarray(x), array, exactly=True)


# --- values, shapes, dtypes, layouts ------------------------------------------------------------------


def same(what: str, found: np.ndarray, expected: np.ndarray, *, exactly: bool = False) -> None:
    """AssertionError unless shape, dtype and, up to rounding, values agree; NaN equals NaN."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: dtype {found.dtype}, expected {expected.dtype}"
    tolerance = 0.0 if exactly else TOLERANCE["rounding"]
    close = np.allclose(found, expected, tolerance, tolerance, equal_nan=True)
    assert close, f"{what}: {found}, expected {expected}"


def sprinkled(call: Call, points: Sequence[float], rng: np.random.Generator) -> list[np.ndarray]:
    """The arguments with some elements of every float array replaced by awkward ones.

    An argument that only a function makes lawful, as an invertible matrix, would not be lawful then, and stays.
    """
    return [
        np.where(rng.random(a.shape) < 0.5, rng.choice(points, a.shape), a)
        if a.dtype.kind == "f" and lawful(call.op, i) is None
        else a
        for i, a in enumerate(call.arrays)
    ]


def values(call: Call) -> None:
    """Arrays in, arrays out; a Tensor in, Tensors out: the same values, that share memory with no array."""
    rng = call.rng()
    for given in (call.arrays, sprinkled(call, (*SINGULAR, np.nan), rng)):
        arrays = [a.copy() for a in given]
        plain = [np.array(z) if isinstance(z, np.ndarray) else z for z in raw(call, arrays)]
        if given is not call.arrays and any(z.dtype.kind == "i" for z in plain):
            continue  # C leaves open which integer a NaN is
        tensors = recorded(
            call, leaves(call, arrays) if any(call.active) else [ts.tensor(arrays[0]), *arrays[1:]]
        )
        for z, t in zip(plain, tensors, strict=True):
            assert isinstance(z, (np.ndarray, np.generic)), f"{call} made a {type(z).__name__} of arrays"
            assert isinstance(t, ts.Tensor), f"{call} made a {type(t).__name__} of Tensors"
            assert not t.data.flags.writeable, f"the output of {call} can be written to"
            same(f"{call} of Tensors and of arrays", t.numpy(), z, exactly=True)
        for a, before in zip(arrays, given, strict=True):
            same(f"an argument after {call}", a, before, exactly=True)
            assert a.flags.writeable, f"{call} made an argument read-only"
            a[...] = 0
        for z, t in zip(plain, tensors, strict=True):
            same(f"{call} of Tensors, after its arrays were overwritten", t.numpy(), z, exactly=True)


def off_tape(call: Call) -> None:
    """An op without a derivative never is on the tape, not even of Tensors that require a gradient."""
    for t in recorded(call, [start(a) for a in call.arrays]):
        assert not t.requires_grad, f"{call} has no derivative and yet is on the tape"


def dtypes(call: Call) -> None:
    """A gradient has its argument's shape and dtype, a tangent its output's, a result what NumPy gives it."""
    rng = call.rng()
    floats = ["f4", "f8"] if call.op.name in NO_HALF else ["f2", "f4", "f8"]
    kinds = [
        np.dtype(rng.choice([*floats, *([] if on else ["i8"])])) if carries_gradient(call.op, i) else None
        for i, on in enumerate(call.active)
    ]
    arrays = [a if kind is None else a.astype(kind) for a, kind in zip(call.arrays, kinds, strict=True)]
    xs = leaves(call, arrays)
    zs = recorded(call, xs)
    promoted = call.meta.get("dtype") or np.result_type(*[kind for kind in kinds if kind is not None])
    for z in zs:
        assert z.dtype == promoted, f"{call} of {kinds} is {z.dtype}, not {promoted}"
    vs = [noise(rng, x.shape, x.dtype) for x in actives(call, xs)]
    for z, dz in zip(zs, pushed(call, lambda xs: recorded(call, xs), vs, arrays), strict=True):
        assert dz.dtype == z.dtype, f"the tangent of {call} of {kinds} is {dz.dtype}, its output {z.dtype}"
    gs = [noise(rng, z.shape, z.dtype) for z in zs]
    for create_graph in (False, True):
        grads = pulled(call, gs, xs, create_graph=create_graph)
        for x, grad in zip(actives(call, xs), grads, strict=True):
            assert (grad.shape, grad.dtype) == (x.shape, x.dtype), (
                f"the gradient of {x.dtype}{x.shape} in {call} is {grad.dtype}{grad.shape}"
            )


def layout(call: Call) -> None:
    """Transposed, reversed and broadcast memory gives what contiguous memory gives."""
    rng = call.rng()
    for view in (transposed, backwards, repeated):
        xs = [
            view(a) if view is not repeated or lawful(call.op, i) is None else start(a)
            for i, a in enumerate(call.arrays)
        ]
        flat = [np.array(x.numpy(), order="C") for x in xs]
        zs, expected = recorded(call, xs), raw(call, flat)
        for z, plain in zip(zs, expected, strict=True):
            same(f"{call} of {view.__name__} arrays", z.numpy(), plain)
        if any(call.active):
            gs = [view(noise(rng, z.shape)) for z in zs]
            found = pulled_back(zs, actives(call, xs), gs)
            grads = pulled(call, arrays_of(gs), leaves(call, flat))
            for one, other in zip(found, grads, strict=True):
                same(f"the gradient of {call} in {view.__name__} arrays", one.numpy(), other.numpy())


def start(array: np.ndarray) -> ts.Tensor:
    """A leaf, on the tape if it can be."""
    return ts.tensor(array, requires_grad=array.dtype.kind == "f")


def transposed(array: np.ndarray) -> ts.Tensor:
    """The array in Fortran order."""
    return ts.transpose(start(array.T.copy()))


def backwards(array: np.ndarray) -> ts.Tensor:
    """The array with negative strides."""
    back = (slice(None, None, -1),) * array.ndim
    return start(array[back].copy())[back]


def repeated(array: np.ndarray) -> ts.Tensor:
    """The first row of the array over and over, with a stride of 0."""
    return ts.broadcast_to(start(array[:1] if array.ndim else array), array.shape)
