"""float16 and float32 agree with float64 for every op, along axes on which a sum in the same precision fails.

The law `precision` of the testing kit draws large numbers in small arrays; here arrays are long. Every letter
of the signature or of an example becomes a long axis in turn, and so does a loop axis along which an argument
is broadcast, whose derivative is a sum over that axis.
"""

import pickle

import doors
import numpy as np
import pytest
from results import host

import tinygrad_seq as ts
from tinygrad_seq.engine.precision import BLOCK, total
from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.testing.strategies import carries_gradient, differentiable, families, interval, lawful
from tinygrad_seq.testing.values import NO_HALF

LONG = {"f2": 70_000, "f4": 100_000}
ALLOWED = {"f2": 8, "f4": 128}  # roundings, relative to the largest element
ABSENT = {"unstack"} | doors.missing()  # unstack would have 70,000 outputs
OPS = [op for op in PRIMITIVES.values() if differentiable(op) and op.name not in ABSENT]


def long_calls(op, long):
    """Shapes (or arrays) of the arguments, with one long axis, and metadata."""
    for example in families(op):
        if example is None:
            parts, meta = op.signature.inputs, {}
            for i in range(len(parts)):  # a long loop axis, which only one argument has
                yield [((long, 2) if i == j else (2,)) + (2,) * len(core) for j, core in enumerate(parts)], meta
        else:
            parts, meta = example.arrays, dict(example.meta)
        letters = {axis for part in parts if not isinstance(part, np.ndarray) for axis in part}
        for letter in sorted(axis for axis in letters if not axis.isdigit()):
            sizes = {axis: int(axis) if axis.isdigit() else 2 for axis in letters} | {letter: long}
            if all(isinstance(part, np.ndarray) or list(part).count(letter) < 2 for part in parts):
                yield (
                    [p if isinstance(p, np.ndarray) else tuple(sizes[axis] for axis in p) for p in parts],
                    meta,
                )


def computed(op, arrays, meta, dtype):
    """The values of a call, and its gradients for a cotangent of positive numbers."""
    xs = [
        ts.tensor(a.astype(dtype), device=doors.DEVICE, requires_grad=True) if a.dtype.kind == "f" else a
        for a in arrays
    ]
    zs = op.function(*xs, **meta)
    zs = list(zs) if op.many else [zs]
    rng = np.random.default_rng(1)
    gs = [ts.tensor(small(rng, z.shape, 0.01).astype("f2").astype(z.dtype), device=doors.DEVICE) for z in zs]
    inputs = [x for x in xs if isinstance(x, ts.Tensor)]
    return [*zs, *ts.grad(zs, inputs, gs, zeros=True)]


def small(rng, shape, size=0.1):
    return size * rng.uniform(0.5, 1.5, shape)


def argument(op, i, shape, rng):
    """A valid i-th argument of a call; an argument without a rule is a mask."""
    x = small(rng, shape)
    if not carries_gradient(op, i):
        return x > 0.1
    return max(interval(op, i)[0], 0) + x if lawful(op, i) is None else lawful(op, i)(x)


@pytest.mark.parametrize("low", LONG)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_a_long_axis(op, low):
    if low == "f2" and op.name in NO_HALF:
        pytest.skip(NO_HALF[op.name])
    for parts, meta in long_calls(op, LONG[low]):
        rng = np.random.default_rng(0)
        arrays = [p if isinstance(p, np.ndarray) else argument(op, i, p, rng) for i, p in enumerate(parts)]
        arrays = [a.astype(low) if a.dtype.kind == "f" else a for a in arrays]
        exact, found = (computed(op, arrays, meta, dtype) for dtype in ("f8", low))
        for i, (z, e) in enumerate(zip(found, exact, strict=True)):
            size = np.abs(host(e)).max(initial=0.0)
            error = np.abs(host(z).astype("f8") - host(e)).max(initial=0.0)
            allowed = ALLOWED[low] * np.finfo(low).eps * size + float(np.finfo(low).smallest_subnormal)
            assert error <= allowed, f"{op.name} of {parts}, {meta}, result {i}: {error} > {allowed}"


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, -1, (0, 1), (0, 2), (1, 2), (0, 1, 2), ()])
def test_total_is_a_sum(dtype, axis):
    """Along any axes, for any layout in memory, also of views, and for lengths next to those of blocks."""
    rng, least = np.random.default_rng(0), float(np.finfo(dtype).eps)
    for shape in [(2 * BLOCK + 1, 3, BLOCK), (3, BLOCK**2 + 5, 2), (0, 2, BLOCK + 1), (BLOCK + 1, 1, 1)]:
        whole = rng.uniform(0, 0.1, shape).astype(dtype)
        for x in (
            whole,
            whole.T,
            whole.swapaxes(1, 2),
            whole[:, ::-1],
            whole[..., :1],
            np.broadcast_to(whole[:1], shape),
        ):
            for keepdims in (False, True):
                expected = np.sum(x.astype("f8"), axis=axis, keepdims=keepdims)
                found = total(x, axis, keepdims)
                assert found.dtype == dtype
                np.testing.assert_allclose(found, expected, rtol=BLOCK // 2 * least, atol=0)


@pytest.mark.parametrize("axis", [2, -3, (0, 5)])
def test_an_axis_that_does_not_exist(axis):
    with pytest.raises(np.exceptions.AxisError):
        total(np.ones((BLOCK + 1, 2)), axis)


def test_a_dtype_that_was_unpickled():
    """Its dtype equals float16, but is another object."""
    x = pickle.loads(pickle.dumps(np.ones((10_000, 1), np.float16)))
    assert total(x, axis=0)[0] == 10_000
    assert ts.mean(x) == 1
    assert ts.mean(ts.tensor(x)).item() == 1
