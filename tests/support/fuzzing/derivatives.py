"""Functional derivatives and scan, of functions that run on Tensors and, as they are, on NumPy's arrays.

The oracle differs the function on arrays in extended precision; for a scan it is the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_seq as ts
from fuzzing.calls import Call, Draw, Values, subject
from fuzzing.draw import INVALID, extended
from tinygrad_seq import tree

H1, H2 = np.longdouble(1e-6), np.longdouble(1e-4)
SHAPES = [(), (0,), (1,), (3,), (2, 3)]
NOT_TENSORS = ["abc", None, 3.0, {}, [1.0], object()]

# functions of one or several primals, with values that are trees
MAPS: list[Callable] = [
    lambda x: np.tanh(x) * x,
    lambda x: np.exp(-x * x),
    lambda x: (np.sin(x), {"s": np.sum(x * x)}),
    lambda x: [x * 3.0],
    lambda x, y: np.sin(x) * np.sum(y) + x,
    lambda x, y: {"a": np.sum(x * x) * y, "b": (np.cos(y),)},
    lambda t: np.tanh(t["a"]) + t["b"][0] * t["b"][1],
    lambda t, y: (t["a"] * np.sum(y * y), t["b"][0]),
]
NUMBERS: list[Callable] = [  # whose value is one number
    lambda x: np.sum(x * x * x),
    lambda x: np.sum(np.tanh(x)) * np.sum(x),
    lambda x, y: np.sum(np.sin(x)) * np.sum(y * y),
    lambda t: np.sum(t["a"] * t["b"][0] * t["b"][1]) + np.sum(np.exp(t["a"])),
]


def primals_of(d: Draw, f: Callable, *, tensors: bool, leaves: bool = False) -> list[Any]:
    """Trees of floats for the parameters of a function, by their names."""
    shape, made = d.one_of(SHAPES), []
    dtype = d.one_of(["f8", "f8", "f4"])

    def one(name: str) -> Any:
        x = d.rng.normal(size=shape).astype(dtype)
        given = ts.tensor(x, requires_grad=leaves or d.chance(0.5)) if tensors or d.chance(0.6) else x
        d.dtypes.append(np.dtype(dtype))
        return d.kept_(name, given)

    for name in f.__code__.co_varnames[: f.__code__.co_argcount]:
        made.append({"a": one("a"), "b": (one("b"), one("c"))} if name == "t" else one(name))
    return made


def plain(trees: Any) -> Any:
    return tree.each(lambda x: extended(np.asarray(x.numpy() if isinstance(x, ts.Tensor) else x)), trees)


def like(d: Draw, trees: Any, name: str) -> Any:
    """A tree of the same form and shapes with random numbers; sometimes of another form or shape."""
    if d.chance(0.08):
        d.judged(INVALID)
        first = tree.leaves(trees)[0]
        return d.given(
            name,
            d.one_of(
                [
                    "abc",
                    tree.each(lambda x: np.ones((*x.shape, 2)), trees),
                    [first, first, first, first],
                    {"z": 1.0},
                ]
            ),
            None,
        )
    drawn = tree.each(lambda x: d.rng.normal(size=x.shape).astype(x.dtype), trees)
    d.given(name, drawn, drawn)
    return drawn if d.chance(0.6) else tree.each(ts.tensor, drawn)


def moved(trees: Any, i: int, place: Any, h: Any) -> Any:
    """The tree with its i-th leaf changed by h at one place."""
    leaves = [np.array(x) for x in tree.leaves(trees)]
    leaves[i][place] += h
    return tree.like(trees, leaves)


def shifted(trees: Any, directions: Any, h: Any) -> Any:
    pairs = zip(tree.leaves(trees), tree.leaves(directions), strict=True)
    return tree.like(trees, [x + h * v for x, v in pairs])


def partials(f: Callable, primals: list[Any], h: Any = H1) -> list[list[np.ndarray]]:
    """For every output, by every leaf of the primals: the Jacobian of shape y.shape + x.shape."""
    outputs, leaves = tree.leaves(f(*primals)), tree.leaves(primals)
    found = [[np.zeros(np.shape(y) + x.shape, np.longdouble) for x in leaves] for y in outputs]
    for i, x in enumerate(leaves):
        for place in np.ndindex(x.shape):
            ahead, behind = (tree.leaves(f(*moved(primals, i, place, t))) for t in (h, -h))
            for k, (a, b) in enumerate(zip(ahead, behind, strict=True)):
                found[k][i][(..., *place)] = (a - b) / (2 * h)
    return found


def pulled(f: Callable, primals: list[Any], cotangents: list[np.ndarray], h: Any = H1) -> list[np.ndarray]:
    rows = partials(f, primals, h)
    sizes = [np.ndim(g) for g in cotangents]
    return [
        sum(
            np.tensordot(extended(np.asarray(g)), row[i], n)
            for g, row, n in zip(cotangents, rows, sizes, strict=True)
        )
        for i in range(len(tree.leaves(primals)))
    ]


KNOWN: dict[str, Any] = {"derivative": False, "tolerance": 1e-7}
NAMES = ("primals", "tangent", "tree", "cotangent", "function to differentiate", "carry", "value_and_grad")


def wrong_function(d: Draw, f: Callable) -> Callable:
    """Sometimes a function that cannot be differentiated."""
    if d.chance(0.05):
        d.judged(INVALID)
        return d.one_of(
            [
                lambda *_: "abc",
                lambda *_: 3.0,
                lambda *_: None,
                lambda *_: ts.tensor([1, 2]),
                lambda *_: np.ones(2),
            ]
        )
    return f


@subject("vjp", 200, also=NAMES)
def vjp(d: Draw) -> Call:
    f = d.one_of(MAPS)
    primals = primals_of(d, f, tensors=False)
    value = f(*plain(primals))
    gs = like(d, tree.each(lambda y: np.asarray(y, d.dtypes[0]), value), "cotangents")
    found, pullback = ts.vjp(wrong_function(d, f), *primals)
    gradients = pullback(gs)
    if d.chance(0.3):
        gradients = pullback(gs)  # it can be called any number of times
    return Call(
        (found, gradients),
        lambda v: [*tree.leaves(value), *pulled(f, plain(primals), tree.leaves(v.cotangents))],
        **KNOWN,
    )


@subject("jvp", 200, also=NAMES)
def jvp(d: Draw) -> Call:
    f = d.one_of(MAPS)
    primals = primals_of(d, f, tensors=False)
    vs = like(d, tree.each(lambda x: np.asarray(x, d.dtypes[0]), plain(primals)), "tangents")
    found = ts.jvp(wrong_function(d, f), primals, vs)

    def oracle(v: Values):
        at = plain(primals)
        ahead, behind = (tree.leaves(f(*shifted(at, plain(v.tangents), t))) for t in (H1, -H1))
        return [*tree.leaves(f(*at)), *((a - b) / (2 * H1) for a, b in zip(ahead, behind, strict=True))]

    return Call(found, oracle, **KNOWN)


@subject("jacobian", 150, also=NAMES)
def jacobian(d: Draw) -> Call:
    f = d.one_of(MAPS)
    primals = primals_of(d, f, tensors=False)
    found = ts.jacobian(wrong_function(d, f), *primals)
    return Call(found, lambda v: partials(f, plain(primals)), **KNOWN)


def second(f: Callable, primals: list[Any]) -> list[list[np.ndarray]]:
    """All second partial derivatives of a function whose value is a number."""
    return partials(lambda *at: pulled(f, list(at), [np.ones(())], H2), primals, H2)


@subject("hessian", 120, also=NAMES)
def hessian(d: Draw) -> Call:
    f = d.one_of(NUMBERS)
    primals = primals_of(d, f, tensors=False)
    if max(x.size for x in tree.leaves(plain(primals))) > 3:
        primals = tree.each(lambda x: x[:1, :2], primals)
    g = f
    if d.chance(0.05):
        d.judged(INVALID)
        g = d.one_of([lambda *xs: [tree.leaves(xs)[0], tree.leaves(xs)[0]], lambda *_: None, lambda *_: "abc"])
    return Call(ts.hessian(g, *primals), lambda v: second(f, plain(primals)), derivative=False, tolerance=1e-5)


@subject("hvp", 120, also=NAMES)
def hvp(d: Draw) -> Call:
    f = d.one_of(NUMBERS)
    primals = primals_of(d, f, tensors=False)
    vs = like(d, tree.each(lambda x: np.asarray(x, d.dtypes[0]), plain(primals)), "tangents")
    found = ts.hvp(wrong_function(d, f), primals, vs)

    def oracle(v: Values):
        at, along = plain(primals), plain(v.tangents)
        ahead, behind = (pulled(f, shifted(at, along, t), [np.ones(())], H2) for t in (H2, -H2))
        return [(a - b) / (2 * H2) for a, b in zip(ahead, behind, strict=True)]

    return Call(found, oracle, derivative=False, tolerance=1e-5)


@subject("grad", 250, also=NAMES)
def grad(d: Draw) -> Call:
    f = d.one_of(MAPS)
    d.errors = (RuntimeError,)  # an input that is not on the tape
    primals = primals_of(d, f, tensors=True, leaves=True)
    outputs, inputs = tree.leaves(f(*primals)), tree.leaves(primals)
    used = list(range(len(inputs)))
    if d.chance(0.3):
        used = [d.one_of(used)]
    gs: Any = [d.rng.normal(size=y.shape).astype(y.dtype) for y in outputs]
    options: dict = {"zeros": True}
    if d.chance(0.3):
        options["create_graph"] = True
    ys, xs, given = list(outputs), [inputs[i] for i in used], list(gs)
    if d.chance(0.1):
        d.judged(INVALID)
        what = d.one_of(["output", "input", "shape", "count", "leaf", "text"])
        if what == "output":
            ys = [d.one_of(NOT_TENSORS), *ys[1:]]
        elif what == "input":
            xs = [d.one_of([x for x in NOT_TENSORS if not isinstance(x, (list, dict)) and x is not None])]
        elif what == "shape":
            given[0] = np.ones((*ys[0].shape, 2))
        elif what == "count":
            given = [*given, given[0]]
        elif what == "leaf":
            xs = [ts.tensor([1.0])]
        else:
            given[0] = "abc"
        d.said.append(what)
    found = ts.grad(ys, xs, given, **options)
    return Call(found, lambda v: [g for i, g in enumerate(pulled(f, plain(primals), gs)) if i in used], **KNOWN)


@subject("value_and_grad", 100, also=NAMES)
def value_and_grad(d: Draw) -> Call:
    f = d.one_of(NUMBERS)
    primals = primals_of(d, f, tensors=False)
    found = ts.value_and_grad(wrong_function(d, f))(*primals)
    return Call(found, lambda v: [f(*plain(primals)), *pulled(f, plain(primals), [np.ones(())])], **KNOWN)


@subject("vmap", 200, also=("vmap", "in_axes", "out_axes"))
def vmap(d: Draw) -> Call:
    f = d.one_of(MAPS)
    example = plain(primals_of(d, f, tensors=False))
    dtype, n, out = d.dtypes[0], d.one_of([0, 1, 2, 3]), d.one_of([0, 0, -1])
    axes = [d.one_of([0, 0, -1, None]) for _ in example]
    axes[0] = 0 if all(axis is None for axis in axes) else axes[0]

    def batch(i: int, axis: int | None) -> Any:
        if axis is None:
            return tree.each(lambda x: x.astype(dtype), example[i])
        return tree.each(
            lambda x: d.rng.normal(size=(n, *x.shape) if axis == 0 else (*x.shape, n)).astype(dtype), example[i]
        )

    primals = [batch(i, axis) for i, axis in enumerate(axes)]
    given = [tree.each(d.one_of([ts.tensor, np.asarray]), x) for x in primals]
    in_axes: Any = tuple(axes) if d.chance(0.7) or len(set(axes)) > 1 else axes[0]
    if d.chance(0.1):
        d.judged(INVALID)
        in_axes = d.one_of(["abc", None, (0, 0, 0, 0), 9, [None] * len(axes)])
    found = ts.vmap(f, in_axes, out)(*given)

    def example_of(i: int) -> list[Any]:
        parts = zip(primals, axes, strict=True)
        return [x if axis is None else tree.each(lambda x, a=axis: np.take(x, i, a), x) for x, axis in parts]

    def oracle(v: Values) -> list[Any]:
        rows = [example_of(i) for i in range(n)]
        values = [tree.leaves(f(*map(plain, row))) for row in rows]
        shapes = [np.shape(y) for y in tree.leaves(f(*example))]
        return [
            np.stack([np.asarray(value[k]) for value in values], out)
            if n
            else np.zeros((0, *shape) if out == 0 else (*shape, 0))
            for k, shape in enumerate(shapes)
        ]

    return Call(found, oracle, **KNOWN)
