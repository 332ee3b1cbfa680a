"""The dtypes and shapes of the unrolled loop, wherever an op runs: before the loop, in it, or after it."""

from functools import partial

import numpy as np
import pytest
from loops import is_the_loop, leaf

import tinygrad_seq as ts
from tinygrad_seq import tree
from tinygrad_seq.scan import scan, unrolled

DTYPES = ["float16", "float32", "float64", "int64", "int32", "uint8", "bool"]
NUMBERS = [0.5, 0.1, 2.0, -0.0, 2, 3, 0, True, False, np.float32(0.1), np.float64(0.1), np.int64(2)]
LOOPS = {"scan": scan, "remat": partial(scan, remat=2)}


def values(dtype, *shape):
    return np.random.default_rng(0).integers(0, 4, shape).astype(dtype)


def in_every_place(function, *arrays, steps=3):
    """`function` of inputs (before the loop), of carries (in it, and after it), and of captured values.

    Its value is a tree of tensors.
    """
    total = ts.tensor(np.zeros(()))
    carry = tuple(map(ts.tensor, arrays))
    xs = tuple(ts.tensor(np.stack([a] * steps)) for a in arrays)
    captured = list(map(ts.tensor, arrays))

    def step(carry, x):
        total, *state = carry
        z = function(*state)
        total = total + sum(ts.astype(part, "float64").sum() for part in tree.leaves(z))
        state = [ts.roll(s, 1, 0) if s.ndim else s * 1 for s in state]
        return (total, *state), (z, function(*x), function(*captured))

    is_the_loop(step, (total, *carry), xs)


TWO = {  # functions of a value and of a number or a second value
    "add": lambda v, n: v + n,
    "from the right": lambda v, n: n - v if np.result_type(v, n).kind != "b" else v,
    "multiply": lambda v, n: v * n,
    "power": lambda v, n: v**n if not isinstance(n, bool) else v,
    "maximum": lambda v, n: ts.maximum(v, n),
    "less": lambda v, n: v < n,
    "logical_and": lambda v, n: ts.logical_and(v, n),
    "where, the condition": lambda v, n: ts.where(v, n, 1.5),
    "where, the first": lambda v, n: ts.where(v > 1, n, v),
    "where, the second": lambda v, n: ts.where(v, v, n),
    "where, of a number": lambda v, n: ts.where(n, v, v + v),
    "clip": lambda v, n: ts.clip(v, 0, n),
    "stack": lambda v, n: ts.stack([v[0], n, v[1]]),
    "stack of numbers and a value": lambda v, n: ts.stack([n, v[0], n]),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_python_and_numpy(name, dtype):
    in_every_place(lambda v: [TWO[name](v, number) for number in NUMBERS], values(dtype, 3))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("dtype", DTYPES)
def test_pairs_of_dtypes(name, dtype):
    second = (lambda w: w[1]) if name.startswith("stack") else (lambda w: w)
    others = [values(other, 3) for other in DTYPES]
    in_every_place(lambda v, *ws: [TWO[name](v, second(w)) for w in ws], values(dtype, 3), *others)


JOINED = {
    "concatenate": lambda *parts: ts.concatenate(parts),
    "concatenate of one twice": lambda *parts: ts.concatenate([*parts, parts[0]]),
    "stack": lambda *parts: ts.stack(parts, axis=1),
}


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("bool", "float32"), ("int64", "float32", "bool")])
def test_parts_that_are_computed_in_the_loop_keep_their_dtype(name, dtypes):
    """A part is not written directly into a whole of another dtype: it is read by other ops, too."""

    def step(carry, x):
        total, *state = carry
        parts = [ts.logical_not(s) if s.dtype == bool else s * 2 for s in state]
        z = JOINED[name](*parts)
        state = [ts.where(p, s, p) if p.dtype == bool else p - s for p, s in zip(parts, state, strict=True)]
        return (total + z.sum(), *state), z

    carry = (ts.tensor(np.zeros(())), *(ts.tensor(values(dtype, 2)) for dtype in dtypes))
    is_the_loop(step, carry, None, length=3)


AXES = {  # ops along axes, of values of any shape
    "cumsum": lambda v: ts.cumsum(v, axis=0),
    "argsort": lambda v: ts.argsort(v, axis=-1) if v.ndim else v,
    "sum": lambda v: ts.sum(v, axis=0),
    "mean": lambda v: ts.mean(v, axis=-1),
    "softmax": lambda v: ts.softmax(v, axis=0),
    "logsumexp": lambda v: ts.logsumexp(v, axis=0),
    "roll": lambda v: ts.roll(v, 1, 0) if v.ndim else v,
    "roll by two shifts": lambda v: ts.roll(v, (1, 1), axis=0) if v.ndim else v,
    "roll along two axes": lambda v: ts.roll(v, 1, axis=(0, -1)) if v.ndim else v,
    "transpose by an int": lambda v: ts.transpose(v, 0) if v.ndim == 1 else ts.transpose(v),
    "pad": lambda v: ts.pad(v, 1, constant_values=-0.0) if v.ndim else v,
    "an index True": lambda v: v[..., True],
    "an index True apart": lambda v: v[0, ..., True] if v.ndim and len(v) else v,
    "an index True with an array": lambda v: v[[0], True] if v.ndim and len(v) else v,
    "a new axis": lambda v: v[None, ..., None],
    "sort": lambda v: ts.sort(v, axis=-1) if v.ndim else v,
    "flip": lambda v: ts.flip(v),
    "tile": lambda v: ts.tile(v, 2),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (2, 3), (3, 0), (1, 2, 2)])
def test_axes_of_numbers_and_empty_axes(name, shape):
    in_every_place(AXES[name], values("float64", *shape))


# --- captured outputs of ops with several ----------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
def test_captured_outputs_of_ops_with_several(loop):
    """Each has the shape and dtype of its own: sections, rows, and carries and outputs of earlier scans."""
    w, u = leaf(np.arange(1.0, 6.0) / 5), leaf([[0.5, 0.25], [1.0, 2.0]])
    short, long = ts.split(w, [2])
    first, second = u
    (n, last), ys = unrolled(lambda c, x: ((c[0] + 1, ts.tanh(c[1] * x)), c[1] * x), (ts.tensor(0), long), w)
    (m, end), zs = scan(lambda c, x: ((c[0] + 1, ts.tanh(c[1] * x)), c[1] * x), (ts.tensor(0), long), w)

    def step(c, x):
        h = ts.tanh(c * long + short.sum() + first @ second + last * n + end * m)
        weights = ts.softmax((ys * h).sum(axis=1), axis=0) + ts.softmax(zs @ c, axis=0)
        return (weights[:, None] * (ys + zs)).sum(axis=0) * x, (weights, h * long)

    is_the_loop(step, leaf(np.ones(3)), leaf([0.5, 1.5]), [w, u], loop=LOOPS[loop])


def test_a_gradient_that_is_summed_over_many_steps_does_not_stop_in_float16():
    """dc/db = T: added up in float16 it would stop at 2,048."""
    b = ts.tensor(np.float16(0.0), requires_grad=True)
    c, _ = ts.scan(lambda c, x: (c * x + b, None), ts.tensor(np.float16(0.0)), np.ones(3000, np.float16))
    assert ts.grad(c, b).item() == 3000.0
