"""The laws about values: results on arrays and on Tensors, their dtypes, and the layout of memory."""

from __future__ import annotations

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq.engine import backend
from tinygrad_seq.testing.differences import noise, pulled_back, same
from tinygrad_seq.testing.laws import actives, arrays_of, leaves, pulled, pushed, raw, recorded
from tinygrad_seq.testing.strategies import SINGULAR, Call, carries_gradient, lawful, sprinkled

UNSUPPORTED = "NumPy's linear algebra does not support half precision"
NO_HALF = dict.fromkeys(  # exempt from the dtypes law in float16
    (
        "solve", "inv", "pinv", "cholesky", "qr", "svd", "svdvals", "eigh", "eigvalsh", "det", "cofactors",
        "slogdet",
    ),
    UNSUPPORTED,
)  # fmt: skip


def values(call: Call) -> None:
    """Arrays give arrays, Tensors give Tensors, with the same values; Tensors share no memory with arrays."""
    rng = call.rng()
    device = backend.device_of(*call.placed([np.zeros(())]))
    for given in (call.arrays, sprinkled(call, (*SINGULAR, np.nan), rng)):
        arrays = call.placed([a.copy() for a in given])
        plain = [backend.copy(z) if backend.is_array(z) else z for z in raw(call, arrays)]
        if given is not call.arrays and any(z.dtype.kind == "i" for z in plain):
            continue  # C does not define the integer value of NaN
        tensors = recorded(
            call, leaves(call, arrays) if any(call.active) else [ts.tensor(arrays[0]), *arrays[1:]]
        )
        for z, t in zip(plain, tensors, strict=True):
            assert isinstance(z, np.generic) or backend.is_array(z), (
                f"{call} returned a {type(z).__name__} for arrays"
            )
            assert isinstance(t, ts.Tensor), f"{call} returned a {type(t).__name__} for Tensors"
            for place in (backend.device_of(z), t.device):
                assert place == device, f"{call} on {device} returned a value on {place}"
            if device == "cpu":  # CuPy has no read-only arrays
                assert not t.data.flags.writeable, f"the output of {call} can be written to"
            same(f"{call} of Tensors and of arrays", t.numpy(), z, exactly=True)
        for a, before in zip(arrays, given, strict=True):
            same(f"an argument after {call}", a, before, exactly=True)
            assert device != "cpu" or a.flags.writeable, f"{call} made an argument read-only"
            a[...] = 0
        for z, t in zip(plain, tensors, strict=True):
            same(f"{call} of Tensors, after its arrays were overwritten", t.numpy(), z, exactly=True)


def off_tape(call: Call) -> None:
    """The output of an op without a derivative is never on the tape, even if its inputs require a gradient."""
    for t in recorded(call, [start(a, call.device) for a in call.arrays]):
        assert not t.requires_grad, f"{call} has no derivative, but its output is on the tape"


def dtypes(call: Call) -> None:
    """A gradient has its argument's shape and dtype, a tangent its output's dtype, a result NumPy's dtype."""
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
        assert z.dtype == promoted, f"{call} of {kinds} is {z.dtype}, expected {promoted}"
    vs = [noise(rng, x.shape, x.dtype) for x in actives(call, xs)]
    for z, dz in zip(zs, pushed(call, lambda xs: recorded(call, xs), vs, arrays), strict=True):
        assert dz.dtype == z.dtype, f"the tangent of {call} of {kinds} is {dz.dtype}, expected {z.dtype}"
    gs = [noise(rng, z.shape, z.dtype) for z in zs]
    for create_graph in (False, True):
        grads = pulled(call, gs, xs, create_graph=create_graph)
        for x, grad in zip(actives(call, xs), grads, strict=True):
            assert (grad.shape, grad.dtype) == (x.shape, x.dtype), (
                f"the gradient of {x.dtype}{x.shape} in {call} is {grad.dtype}{grad.shape}"
            )


def layout(call: Call) -> None:
    """Transposed, reversed and broadcast arrays give the same results as contiguous arrays."""
    rng = call.rng()
    for view in (transposed, backwards, repeated):
        xs = [
            view(a, call.device)
            if view is not repeated or lawful(call.op, i) is None
            else start(a, call.device)
            for i, a in enumerate(call.arrays)
        ]
        flat = [np.array(x.numpy(), order="C") for x in xs]
        zs, expected = recorded(call, xs), raw(call, flat)
        for z, plain in zip(zs, expected, strict=True):
            same(f"{call} of {view.__name__} arrays", z.numpy(), plain)
        if any(call.active):
            gs = [view(noise(rng, z.shape), call.device) for z in zs]
            found = pulled_back(zs, actives(call, xs), gs)
            grads = pulled(call, arrays_of(gs), leaves(call, flat))
            for one, other in zip(found, grads, strict=True):
                same(f"the gradient of {call} in {view.__name__} arrays", one.numpy(), other.numpy())


def start(array: np.ndarray, device: str) -> ts.Tensor:
    """A leaf, which requires a gradient if it is a float."""
    return ts.tensor(array, device=device, requires_grad=array.dtype.kind == "f")


def transposed(array: np.ndarray, device: str) -> ts.Tensor:
    """The array in Fortran order."""
    return ts.transpose(start(array.T.copy(), device))


def backwards(array: np.ndarray, device: str) -> ts.Tensor:
    """The array with negative strides."""
    back = (slice(None, None, -1),) * array.ndim
    return start(array[back].copy(), device)[back]


def repeated(array: np.ndarray, device: str) -> ts.Tensor:
    """The first row of the array, repeated with a stride of 0."""
    return ts.broadcast_to(start(array[:1] if array.ndim else array, device), array.shape)
