"""The law of precision: float16 and float32 agree with float64 within what their rounding allows.

It holds for every loss, layer, attention and memory operation, for values and gradients, at sizes where a sum
or a count in the same precision fails: a float16 count above 65,504 is infinite, a float16 sum of ones stops at
2,048, and a float32 sum of a million rows, one by one, is 1 % off. Arguments and parameters are first rounded
to the lower precision, so that both precisions compute from the same numbers.
"""

import inspect

import doors
import numpy as np
import pytest
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, tree

LONG = 70_000
ALLOWED = {"f2": 8, "f4": 200}  # roundings, relative to the largest element
OFFSETS = {"f2": 500.0, "f4": 1e5}  # common to all elements; one rounding of it is 0.25, or 0.004


def noise(*shape, offset=0.0):
    """Numbers with a sum that is far from 0."""
    return np.random.default_rng(0).normal(0.3, 1.0, shape) + offset


def positive(*shape):
    return np.random.default_rng(1).uniform(0.1, 1.0, shape)


def ids(count, *shape):
    return np.random.default_rng(2).integers(0, count, shape)


def weighting(*shape):
    w = positive(*shape)
    return w / w.sum(-1, keepdims=True)


def each(f, *arrays, **options):
    """A call that returns an element for every row or element."""
    return (lambda: lambda *xs: f(*xs, **options)), arrays


def layer(make, *arrays, **options):
    """A call of a module, made in float64."""
    return (lambda: make(rng=0, dtype="f8", **options)), arrays


RARE = np.where(np.arange(LONG) % 1000 == 0, 0, -1)
MASK = np.arange(LONG) % 3 > 0

CASES = {
    "cross_entropy": lambda o: [
        each(nn.cross_entropy, noise(LONG, 2, offset=o), ids(2, LONG)),
        each(nn.cross_entropy, noise(2, LONG, offset=o), ids(LONG, 2), label_smoothing=0.1),
        each(nn.cross_entropy, noise(LONG, 2, offset=o), RARE, ignore_index=-1),
        each(nn.cross_entropy, noise(LONG, 2, offset=o), ids(2, LONG), ignore_index=0),
        each(nn.cross_entropy, noise(9, 2, offset=o), ids(2, 9), reduction="none"),
    ],
    "ctc_loss": lambda o: [
        each(nn.ctc_loss, noise(3, LONG, 3, offset=o), 1 + ids(2, LONG, 2)),
        each(nn.ctc_loss, noise(40, 3, 4, offset=o), 1 + ids(3, 3, 9), reduction="none"),
    ],
    "binary_cross_entropy_with_logits": lambda o: [
        each(nn.binary_cross_entropy_with_logits, noise(LONG), positive(LONG)),
        each(nn.binary_cross_entropy_with_logits, noise(LONG), ids(2, LONG)),
        each(nn.binary_cross_entropy_with_logits, noise(99) / 9, positive(99), reduction="sum"),
    ],
    "mse": lambda o: [
        each(nn.mse, noise(LONG, offset=o), noise(LONG)[::-1] + o),
        each(nn.mse, 60 * noise(LONG), 60 * noise(LONG)[::-1]),
    ],
    "huber": lambda o: [each(nn.huber, noise(LONG, offset=o), noise(LONG)[::-1] + o, delta=0.7)],
    "mean_within": lambda o: [
        each(lambda x: nn.mean_within(x, np.array([LONG // 2, LONG // 3])), noise(LONG // 2, 2, offset=o))
    ],
    "Linear": lambda o: [
        layer(nn.Linear, noise(LONG, 2), input=2, output=3),
        layer(nn.Linear, noise(3, LONG) / 100, input=LONG, output=2),
    ],
    "Embedding": lambda o: [layer(nn.Embedding, ids(2, LONG), count=2, size=3)],
    "LayerNorm": lambda o: [
        ((lambda: nn.LayerNorm(LONG, dtype="f8")), [noise(2, LONG)]),
        ((lambda: nn.LayerNorm(LONG, dtype="f8")), [noise(1, LONG) * 300]),
        ((lambda: nn.LayerNorm(3, dtype="f8")), [noise(5, 3) * 10_000]),
        ((lambda: nn.LayerNorm(5, dtype="f8")), [noise(LONG, 5, offset=o)], 1 + o),
    ],
    "Sequential": lambda o: [
        ((lambda: nn.Sequential(nn.Linear(2, 3, rng=0, dtype="f8"), ts.tanh)), [noise(LONG, 2)])
    ],
    "Shortcut": lambda o: [((lambda: nn.Shortcut(nn.Linear(2, 2, rng=0, dtype="f8"))), [noise(LONG, 2)])],
    "Recurrent": lambda o: [
        ((lambda: nn.Recurrent(nn.RNNCell(2, 2, rng=0, dtype="f8"))), [noise(20, LONG // 20, 2)]),
        ((lambda: nn.Recurrent(nn.LSTMCell(2, 3, rng=0, dtype="f8"))), [noise(20, LONG // 20, 2)]),
        ((lambda: lambda x: nn.SelfAttention(2, rng=0, dtype=x.dtype).summary(x)[0]), [noise(300, 1, 2)]),
    ],
    "attend": lambda o: [
        each(nn.attention.attend, noise(1, 2, LONG, offset=o), noise(1, LONG, 3)),
        each(lambda e, v: nn.attention.attend(e, v, keep=MASK), noise(2, LONG, offset=o), noise(LONG, 1)),
    ],
    "DotScore": lambda o: [each(nn.DotScore(), noise(2, LONG) / 20, noise(3, LONG) / 20)],
    "ScaledDotScore": lambda o: [each(nn.ScaledDotScore(), noise(2, LONG), noise(3, LONG))],
    "GeneralScore": lambda o: [layer(nn.GeneralScore, noise(1, LONG, 2), noise(1, 3, 3), query_size=2, size=3)],
    "AdditiveScore": lambda o: [
        layer(nn.AdditiveScore, noise(1, 2, 2), noise(1, LONG, 3), query_size=2, size=3, units=2)
    ],
    "content_addressing": lambda o: [
        each(nn.memory.content_addressing, noise(1, LONG, 2), noise(1, 2), positive(1, 1)),
        each(nn.memory.content_addressing, 1000 * noise(1, 5, LONG), 1000 * noise(1, LONG), positive(1, 1)),
    ],
    "interpolation": lambda o: [
        each(nn.memory.interpolation, weighting(1, 9), weighting(1, 9), positive(1, 1)),
        each(nn.memory.interpolation, positive(1, LONG), positive(1, LONG)[:, ::-1], positive(1, 1)),
    ],
    "circular_shift": lambda o: [each(nn.memory.circular_shift, positive(1, LONG), weighting(1, 3))],
    "sharpening": lambda o: [each(nn.memory.sharpening, positive(1, LONG), 1 + positive(1, 1))],
    "read": lambda o: [each(nn.memory.read, noise(1, LONG, 2), weighting(1, LONG))],
    "write": lambda o: [
        each(nn.memory.write, noise(1, LONG, 2), weighting(1, LONG), positive(1, 2), noise(1, 2)),
    ],
}  # fmt: skip


def public(module, kind):
    return {
        name
        for name, x in vars(module).items()
        if kind(x) and x.__module__ == module.__name__ and name[0] != "_"
    }


def test_every_loss_layer_and_operation_has_a_case():
    losses = {name for name in nn.__all__ if "reduction" in parameters(getattr(nn, name))}
    layers = public(nn.layers, inspect.isclass) | public(nn.attention, inspect.isclass)
    memory = public(nn.memory, inspect.isfunction) - {"check_shapes", "cosines", "scaled"}
    assert set(CASES) >= losses | layers | memory | {"attend", "mean_within"}


def parameters(x):
    return inspect.signature(x).parameters if inspect.isfunction(x) else ()


def computed(make, arrays, low, dtype):
    """The results of a call in `dtype`, and its gradients by all float arguments and parameters."""
    f = make()
    weights = []
    if isinstance(f, nn.Module):
        f.to(dtype=low)
        f.to(dtype=dtype)
        weights = f.parameters()
    xs = [
        ts.tensor(a.astype(low).astype(dtype), device=doors.DEVICE, requires_grad=True)
        if a.dtype.kind == "f"
        else a
        for a in arrays
    ]
    zs = f(*xs)
    zs = tree.leaves(zs)
    gs = [np.random.default_rng(3).choice([-1.0, 1.0, 1.0], z.shape).astype(low).astype(dtype) for z in zs]
    inputs = [x for x in xs if isinstance(x, ts.Tensor)] + list(weights)
    return zs, ts.grad(zs, inputs, [ts.tensor(g, device=doors.DEVICE) for g in gs], zeros=True)


@pytest.mark.parametrize("low", ["f2", "f4"])
@pytest.mark.parametrize("name", CASES)
def test_agrees_with_float64(name, low):
    smallest = float(np.finfo(low).smallest_subnormal)
    for offset in (0.0, OFFSETS[low]):
        for k, (make, arrays, *condition) in enumerate(CASES[name](offset)):
            exact, found = (computed(make, arrays, low, dtype) for dtype in ("f8", low))
            for what, ours, theirs in zip(("value", "gradient"), found, exact, strict=True):
                for i, (z, e) in enumerate(zip(ours, theirs, strict=True)):
                    assert z.dtype == low
                    z, e = z.numpy().astype("f8"), e.numpy()
                    allowed = ALLOWED[low] * np.finfo(low).eps * np.abs(e).max(initial=0.0) + smallest
                    allowed *= sum(condition) or 1  # of a mean that is subtracted: it is rounded, too
                    error = np.abs(z - e).max(initial=0.0)
                    assert error <= allowed, f"{name} {k}, {what} {i}, offset {offset}: {error} > {allowed}"


@pytest.mark.parametrize("dtype", ["f2", "f4"])
@pytest.mark.parametrize("way", ["one call", "a loop", "a thousand calls"])
def test_a_row_of_an_embedding_that_is_used_a_thousand_times_has_that_gradient(way, dtype):
    """A sum of ones in a format of 8 bits stops at 256, as it does with bfloat16 in other libraries."""
    embedding, ids = nn.Embedding(3, 2, rng=0, dtype=dtype), np.ones((1000, 1), int)
    start = ts.zeros((), dtype=dtype)
    if way == "one call":
        total = embedding(ids).sum()
    elif way == "a loop":
        total, _ = ts.scan(lambda s, i: (s + embedding(i).sum(), None), start, ids)
    else:
        total = sum((embedding(i).sum() for i in ids), start)
    total.backward()
    assert_array_equal(embedding.weight.grad, [[0, 0], [1000, 1000], [0, 0]])
