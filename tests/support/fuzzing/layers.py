"""Layers without a state, dropout, and initial values."""

from __future__ import annotations

import math

import numpy as np

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import EITHER, INVALID
from tinygrad_seq import nn

LEADS = [(), (0,), (1,), (3,), (2, 3), (4, 0), (2, 1, 2)]
ROUGH = [math.nan, math.inf, -math.inf, 0.0, -0.0, 6e4, 1e30]


def linear_of(v: Values, x, name=""):
    y = x @ v[name + "weight"]
    return y + v[name + "bias"] if name + "bias" in v else y


def normalised(x, eps):
    d = x - np.mean(x, axis=-1, keepdims=True)
    return d / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + eps)


@subject("Linear", 300)
def linear(d: Draw) -> Call:
    inputs, outputs = d.size("input", [1, 2, 3, 3, 5]), d.size("output", [1, 2, 4])
    options = {"bias": d.flag("bias")} if d.chance(0.5) else {}
    layer = d.model(nn.Linear(inputs, outputs, rng=0, dtype=d.dtype(), **options))
    lead, size = d.one_of(LEADS), int(inputs)
    x = d.floats("x", (*lead, size), wrong=[(*lead, size + 1), (*lead, 2 * size), ()], special=ROUGH)
    return Call(layer(x), lambda v: linear_of(v, v.x))


@subject("Embedding", 200, also=("ids",))
def embedding(d: Draw) -> Call:
    count, size = d.size("count", [1, 2, 5]), d.size("size", [1, 3])
    layer = d.model(nn.Embedding(count, size, rng=0, dtype=d.dtype()))
    ids = d.integers("ids", d.one_of(LEADS), 0, int(count))
    return Call(layer(ids), lambda v: v.weight[np.asarray(v.ids)])


@subject("LayerNorm", 250)
def layer_norm(d: Draw) -> Call:
    size, options = d.size("size", [1, 2, 3, 5]), {}
    if d.chance(0.6):
        options["eps"] = d.number("eps", [1e-5, 0.1, 1, 1e-3], "[0, inf)")
    layer = d.model(nn.LayerNorm(size, dtype=d.dtype(), **options))
    lead, size = d.one_of(LEADS), int(size)
    wrong = [(*lead, size + 1), (*lead, 1) if size > 1 else (*lead, 2), ()]
    x = d.floats("x", (*lead, size), wrong=wrong, special=[math.nan, math.inf, 0.0, -0.0, 1e3, 6e4])
    return Call(layer(x), lambda v: v.weight * normalised(v.x, v.get("eps", 1e-5)) + v.bias)


@subject("Sequential", 80, also=("Linear",))
def sequential(d: Draw) -> Call:
    layers = [(nn.Linear(3, 4, rng=0), ts.tanh, nn.Linear(4, 2, rng=1)), (nn.Linear(3, 3, rng=0),), (ts.tanh,)]
    model = d.model(nn.Sequential(*d.one_of(layers)))
    x = d.floats("x", (*d.one_of(LEADS), 3), special=ROUGH)

    def oracle(v: Values):
        y = v.x
        for k, layer in enumerate(model.layers):
            y = linear_of(v, y, f"layers.{k}.") if isinstance(layer, nn.Linear) else np.tanh(y)
        return y

    return Call(model(x), oracle)


@subject("Shortcut", 80, also=("Linear", "shortcut"))
def shortcut(d: Draw) -> Call:
    outputs = d.one_of([3, 3, 3, 1, 2])
    if outputs != 3:
        d.judged(INVALID)
    model = d.model(nn.Shortcut(nn.Linear(3, outputs, rng=0), ts.tanh))
    x = d.floats("x", (*d.one_of(LEADS[:2] + LEADS[3:]), 3), special=ROUGH)
    return Call(model(x), lambda v: v.x + np.tanh(linear_of(v, v.x, "layers.0.")))


@subject("Positions", 80)
def positions(d: Draw) -> Call:
    steps, batch, size = d.one_of([0, 1, 4]), d.one_of([0, 1, 3]), d.one_of([1, 2, 5])
    x = d.floats("x", (steps, batch, size), wrong=[(3,), (2, 3), (1, 2, 3, 4)], special=ROUGH)

    def oracle(v: Values):
        y = np.array(v.x, np.longdouble)
        for t in range(steps):
            for i in range(size):
                angle = t / np.longdouble(10000) ** (np.longdouble(2 * (i // 2)) / size)
                y[t, :, i] += np.cos(angle) if i % 2 else np.sin(angle)
        return y

    return Call(nn.Positions()(x), oracle)


# --- dropout ----------------------------------------------------------------------------------------------


def dropped(d: Draw, kind, shape, wrong) -> Call:
    """The mask is that of the same seed on ones; its values are 0 and 1 / (1 - p)."""
    p, seed = d.number("p", [0, 0.0, 0.25, 0.5, 0.75], "[0, 1)"), int(d.rng.integers(100))
    layer = kind(p, rng=seed)
    training = layer.train(d.flag("training")).training
    x = d.floats("x", shape, wrong=wrong, special=ROUGH)
    mask = kind(p, rng=seed).train(training)(ts.ones(shape, dtype=np.float64)).numpy()
    q = 1 - float(np.asarray(p))
    assert set(mask.ravel().tolist()) <= ({0.0, 1 / q} if training else {1.0})
    if kind is nn.VariationalDropout and training:
        assert np.all(mask == mask[:1]), "another mask at another step"
    return Call(layer(x), lambda v: v.x * mask)


@subject("Dropout", 150, also=("dropout",))
def dropout(d: Draw) -> Call:
    return dropped(d, nn.Dropout, d.one_of([(), (0,), (5,), (2, 3), (1, 0, 2)]), [])


@subject("VariationalDropout", 120, also=("dropout",))
def variational(d: Draw) -> Call:
    return dropped(d, nn.VariationalDropout, d.one_of([(1, 2), (3, 2, 4), (4, 0, 2), (2, 3, 1)]), [])


# --- initial values: what holds of them -------------------------------------------------------------------


def initial(d: Draw, values: np.ndarray, shape, *properties: bool) -> Call:
    """The shape, the dtype and some properties of an initialiser's values."""
    dtype = np.dtype(d.values.get("dtype", "f4"))
    found = [np.array(values.shape), values.dtype == dtype, *properties]
    return Call(
        [np.asarray(x) for x in found], lambda v: [np.array(shape, int)] + [True] * (1 + len(properties))
    )


def shape_of(d: Draw, ranks=(1, 2, 2, 3)) -> tuple[int, ...]:
    shape = tuple(int(n) for n in d.rng.integers(1, 5, d.one_of(ranks)))
    if d.chance(0.05):
        d.judged(INVALID)
        return d.given("shape", d.one_of([(-1, 2), (1.5, 2), (2, "x")]), None)
    return d.given("shape", shape, shape)


def options_of(d: Draw) -> dict:
    return {"dtype": d.dtype()} if d.chance(0.5) else {}


@subject("init.zeros", 60)
def zeros(d: Draw) -> Call:
    shape, options = shape_of(d), {"dtype": d.dtype(integers=True)} if d.chance(0.5) else {}
    values = nn.init.zeros(shape, **options)
    return initial(d, values, shape, not values.any())


@subject("init.uniform", 80)
def uniform(d: Draw) -> Call:
    shape, bound = shape_of(d), d.number("bound", [0, 0.5, 2], "[0, inf)")
    options = options_of(d)
    values = nn.init.uniform(shape, bound, **({"rng": 0} | options))
    return initial(d, values, shape, bool(np.all(np.abs(values) <= float(np.asarray(bound)))))


@subject("init.xavier", 80, also=("uniform", "initialiser"))
def xavier(d: Draw) -> Call:
    shape = shape_of(d, [2, 2, 2, 1])
    if isinstance(shape, tuple) and len(shape) != 2:
        d.judged(INVALID)
    options = options_of(d)
    if d.chance(0.5):
        options["gain"] = d.number("gain", [1, 0.5, 2], "(0, inf)")
    values = nn.init.xavier(shape, **({"rng": 0} | options))
    bound = float(np.asarray(options.get("gain", 1))) * math.sqrt(6 / sum(shape))
    return initial(d, values, shape, bool(np.all(np.abs(values) <= bound * 1.001)))


@subject("init.orthogonal", 80, also=("initialiser",))
def orthogonal(d: Draw) -> Call:
    shape = shape_of(d, [2, 2, 2, 3])
    if isinstance(shape, tuple) and len(shape) != 2:
        d.judged(INVALID)
    q = nn.init.orthogonal(shape, **({"rng": 0} | options_of(d)))
    w = q.astype("f8")
    product = w.T @ w if shape[0] >= shape[1] else w @ w.T
    return initial(d, q, shape, bool(np.allclose(product, np.eye(min(shape)), atol=5e-3)))


@subject("init.identity", 60)
def identity(d: Draw) -> Call:
    size, options = d.size("size", [1, 2, 5]), {}
    if d.chance(0.6):
        options["scale"] = d.number("scale", [1, 0.5, -2], "(-inf, inf)")
    values = nn.init.identity(size, **options)
    expected = float(np.asarray(options.get("scale", 1))) * np.eye(int(size))
    return initial(d, values, expected.shape, np.array_equal(values, expected.astype(values.dtype)))


@subject("init.sparse", 100)
def sparse(d: Draw) -> Call:
    size = d.integer("size", [1, 3, 10])
    nonzeros = d.integer("nonzeros", [1, 1, 2, 3])
    radius = d.number("spectral_radius", [0.5, 0.9, 1, 1.5], "[0, inf)")
    if d.verdict != INVALID and int(nonzeros) > int(size):
        d.judged(INVALID)
    w = nn.init.sparse(size, nonzeros=nonzeros, spectral_radius=radius, **({"rng": 0} | options_of(d)))
    n, found = int(size), float(np.abs(np.linalg.eigvals(w.astype("f8"))).max())
    near = abs(found - float(np.asarray(radius))) < (0.02 if w.dtype != "f2" else 0.2)
    return initial(d, w, (n, n), bool(np.all((w != 0).sum(0) <= int(nonzeros))), near)


@subject("init.forget_bias", 60)
def forget_bias(d: Draw) -> Call:
    size, options = d.size("hidden_size", [1, 2, 5]), {}
    if d.chance(0.6):
        options["value"] = d.number("value", [1, 0.5, -2], "(-inf, inf)")
    values = nn.init.forget_bias(size, **options)
    one = float(np.asarray(options.get("value", 1)))
    expected = np.repeat(np.array([0, one, 0, 0], "f4"), int(size))
    return initial(d, values, expected.shape, np.array_equal(values, expected))


@subject("Parameter", 100)
def parameter(d: Draw) -> Call:
    data = d.floats("data", d.one_of(LEADS))
    if d.verdict == EITHER and not isinstance(data, (list, float)):
        d.judged(INVALID)
    return Call(nn.Parameter(data), lambda v: v.data, derivative=False)
