"""vmap is the Python loop over examples: values, gradients, and errors."""

import itertools

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.scan.batched import CAPACITY, remembered
from tinygrad_seq.tensor.creation import as_tensor
from tinygrad_seq.testing import check_grad
from tinygrad_seq.testing.differences import noise

rng = np.random.default_rng(0)
X, Y, M = rng.normal(size=(4, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 3, 3))
W, ONES = rng.normal(size=(3, 2)), ts.tensor(np.ones(3))


def half(x, /):
    """z = x / 2, of an op that does not say that it rides"""
    return x / 2


HALF = Primitive(half, examples=[ts.example("(a)")])
HALF.linear(lambda g: g / 2)
halved = HALF.function


def looped(f, arguments, in_axes=0):
    """The definition: f of each example by itself, stacked."""
    leaves = tree.leaves(arguments)
    axes = tree.matching(arguments, in_axes) if isinstance(in_axes, tuple) else [in_axes] * len(leaves)
    n = next(np.shape(x)[axis] for x, axis in zip(leaves, axes, strict=True) if axis is not None)

    def example(i):
        parts = zip(leaves, axes, strict=True)
        return tree.like(arguments, [x if axis is None else np.moveaxis(x, axis, 0)[i] for x, axis in parts])

    values = [tree.each(as_tensor, f(*example(i))) for i in range(n)]
    return tree.like(values[0], [ts.stack(part) for part in zip(*map(tree.leaves, values), strict=True)])


FUNCTIONS = {
    "elementwise": (lambda x: ts.tanh(x) * x, X),
    "a number of each": (lambda x: (x * x).sum(), X),
    "a product with a shared matrix": (lambda x: x @ W, X),
    "a product of each": (lambda m, x: m @ x, M, X),
    "broadcasting": (lambda x, m: x * m + x[0], X, M),
    "a tree": (lambda t: {"s": t["a"].sum(), "p": (t["a"] * t["b"], t["b"].T)}, {"a": M, "b": M}),
    "indices": (lambda x: x[np.array([2, 0])] * x[1:], X),
    "a mixed index, which does not ride": (lambda m: m[1:, np.array([0, 2])] * m[0, 0], M),
    "an op that does not ride": (lambda x: halved(ts.sin(x)) * x, X),
    "only an op that does not ride": (halved, X),
    "a loop over time": (lambda m: ts.scan(lambda h, x: (ts.tanh(h + x), h * x), ONES, m)[1], M),
    "a loop backwards whose start differs": (
        lambda x, m: ts.scan(lambda h, r: (ts.tanh(h * r), h), x, m, reverse=True), X, M,
    ),
    "a loop with an own constant": (lambda x, m: ts.scan(lambda h, r: (ts.tanh(h + r * x), h), ONES, m), X, M),
    "a loop over shared inputs": (lambda x: ts.scan(lambda h, r: (h * r + x, (h, r)), x, Y.T), X),
    "a loop with an op that does not ride": (
        lambda m: ts.scan(lambda h, r: (halved(h) + ts.sin(r), h), ONES, m), M,
    ),
    "a loop without a carry, of an op that does not ride": (
        lambda m: ts.scan(lambda c, r: (c, halved(ts.sin(r)) * r), None, m)[1], M,
    ),
    "a loop in segments": (lambda m: ts.scan(lambda h, r: (ts.tanh(h + r), h), ONES, m, remat=2), M),
    "a loop in a loop": (
        lambda m: ts.scan(lambda h, r: (ts.scan(lambda c, x: (c + x * h, c), h, r[:, None])[0], h), ONES, m), M,
    ),
    "nothing of the example": (lambda x: ts.tensor(W) * 2, X),
    "a number": (lambda x: 1.0, X),
    "whole numbers": (lambda x: (x > 0).sum(), X),
    "a matrix that is inverted": (lambda m, x: ts.solve(m @ m.T + np.eye(3), x), M, X),
    "the gradient of each": (lambda x: ts.grad((ts.tanh(x @ SHARED) ** 2).sum(), SHARED), X),
    "the gradient of each by a weight of a loop": (
        lambda m: ts.grad(ts.scan(lambda h, x: (ts.tanh(h + x @ SHARED), h), m[0, :2], m)[1].sum(), SHARED), M,
    ),
    "the gradient of each by a weight that a loop uses twice": (
        lambda m: ts.grad(
            ts.scan(lambda h, x: (ts.tanh(h + x @ SHARED) + h[0] * x @ SHARED, h), m[0, :2], m)[1].sum(), SHARED
        ),
        M,
    ),
    "a pullback": (lambda x: ts.vjp(lambda x: ts.tanh(x @ W), x)[1](np.ones(2))[0], X),
    "a tangent": (lambda x, v: ts.jvp(lambda x: ts.tanh(x @ W), [x], [v])[1], X, X[::-1]),
    "the gradient through a loop": (
        lambda m: ts.vjp(lambda m: ts.scan(lambda h, x: (ts.tanh(h * x), h), ONES, m)[1].sum(), m)[1](1.0)[0],
        M,
    ),
    "a jacobian": (lambda x: ts.jacobian(lambda x: ts.tanh(x @ W), x), X),
    "vmap within vmap": (lambda m: ts.vmap(lambda x, c: x * c, (0, None))(m, m[0]), M),
}  # fmt: skip
SHARED = ts.tensor(W, requires_grad=True)


@pytest.mark.parametrize("emitter", ["numpy", pytest.param("c", marks=pytest.mark.host("C is of the host"))])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_the_loop_over_examples(name, emitter):
    """Values, gradients with respect to the arguments, and gradients of those gradients."""
    f, *arrays = FUNCTIONS[name]
    results = []
    for mapped in (ts.vmap(f), lambda *xs: looped(f, xs)):
        with ts.emitter(emitter):
            results.append(three(mapped, arrays))
    for found, expected in zip(*results, strict=True):
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def three(f, arrays):
    """The values of f, its gradients along a direction, and the gradients of those."""
    draw = np.random.default_rng(1)
    xs = tree.each(lambda x: ts.tensor(x, requires_grad=True), arrays)
    leaves, values = tree.leaves(xs), tree.leaves(f(*xs))
    found, ends = [*values], [y for y in values if y.requires_grad]
    if ends:
        first = ts.grad(ends, leaves, [noise(draw, y.shape) for y in ends], create_graph=True, zeros=True)
        found += first
        directions = [noise(draw, g.shape) for g in first]
        found += ts.grad([*first, ends[0] * 0], leaves, [*directions, np.zeros(ends[0].shape)], zeros=True)
    return [t.numpy() for t in found]


@pytest.mark.parametrize("order", list(itertools.permutations([(0, 0), (0, None), (None, 0)])))
def test_one_loop_whose_arguments_have_examples_or_not(order):
    """x is a number: without its axis of examples it does not broadcast as with it."""

    def f(x, m):
        return ts.scan(lambda h, r: (ts.tanh(h * x + r), h), ONES, m)

    for axes in order:
        arrays = [
            ts.tensor(x if axis == 0 else x[0], requires_grad=True)
            for x, axis in zip((X[:, 0], M), axes, strict=True)
        ]
        found, expected = ts.vmap(f, axes)(*arrays), looped(f, arrays, axes)
        for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
            assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_axes_of_a_dict_in_another_order():
    found = ts.vmap(lambda t: t["a"] @ t["b"], ({"b": 0, "a": None},))({"a": W.T, "b": X})
    assert_allclose(found.numpy(), X @ W, rtol=1e-12)


def test_forms_of_a_loop_are_remembered_and_the_oldest_is_forgotten():
    known, made = {}, []
    for size in [*range(CAPACITY + 3), CAPACITY, 0]:
        assert remembered(known, (size,), lambda size=size: made.append(size) or -size) == -size
    assert made == [*range(CAPACITY + 3), 0]
    assert len(known) == CAPACITY


def test_a_loop_over_examples_has_the_right_gradient():
    """Also by differences, and of a tensor that the function uses without being given it."""
    f, m = FUNCTIONS["a loop with an own constant"][0], M[:2]
    check_grad(lambda x, m: ts.vmap(f)(x, m)[1], X[:2], m)
    check_grad(lambda w: ts.vmap(lambda x: ts.tanh(x @ w))(ts.tensor(X)), W)


@pytest.mark.parametrize(
    ("in_axes", "out_axes", "shapes"),
    [
        ((0, None), 0, [(5, 3), (3, 2)]),
        ((1, 0), 1, [(3, 5), (5, 3, 2)]),
        ((-1, -1), -1, [(3, 5), (3, 2, 5)]),
        ((None, 2), 0, [(3,), (3, 2, 5)]),
        ([0, 1], 0, [(5, 3), (3, 5, 2)]),
        ((None, 0), 1, [(4, 3), (5, 3, 2)]),
        ((None, 0), 2, [(4, 3), (5, 3, 2)]),
    ],
)
def test_axes(in_axes, out_axes, shapes):
    arrays = [rng.normal(size=shape) for shape in shapes]
    found = ts.vmap(lambda x, w: x @ w, in_axes, out_axes)(*arrays)
    expected = looped(lambda x, w: ts.tensor(x) @ w, tuple(arrays), tuple(in_axes))
    assert_allclose(np.moveaxis(found.numpy(), out_axes, 0), expected.numpy(), rtol=1e-12)


def test_axes_of_trees():
    """A part of in_axes and out_axes stands for a whole branch; None is shared."""
    f = ts.vmap(
        lambda p, x: {"y": x @ p["w"] + p["b"], "n": (x, x)}, ({"w": None, "b": 1}, 0), {"y": 1, "n": (0, 1)}
    )
    p, x = {"w": W, "b": rng.normal(size=(2, 4))}, X
    found = f(p, x)
    assert_allclose(found["y"].numpy(), (x @ W + p["b"].T).T, rtol=1e-12)
    assert_array_equal(found["n"][0].numpy(), x)
    assert_array_equal(found["n"][1].numpy(), x.T)


def test_what_is_shared_may_be_anything():
    assert_array_equal(
        ts.vmap(lambda x, how: x * 2 if how == "twice" else x, (0, None))(X, "twice").numpy(), 2 * X
    )


def test_a_batch_of_one_and_of_none():
    for n in (0, 1):
        found = ts.vmap(lambda x: (x @ W, x.sum()))(ts.tensor(X[:n]))
        assert [y.shape for y in found] == [(n, 2), (n,)]
        assert_allclose(found[0].numpy(), X[:n] @ W, rtol=1e-12)
    x = ts.tensor(X[:0], requires_grad=True)
    assert ts.grad(ts.vmap(lambda x: x * x)(x).sum(), x).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "?"])
def test_dtypes_are_those_of_the_loop(dtype):
    x = (X > 0).astype(dtype)
    found, expected = ts.vmap(lambda x: x * 2)(x), looped(lambda x: ts.tensor(x) * 2, (x,))
    assert found.dtype == expected.dtype
    assert_array_equal(found.numpy(), expected.numpy())


def test_gradients_of_each_example_by_a_runner():
    """Of a whole model, whose loop over time is one loop for the batch."""
    model = nn.Recurrent(nn.LSTMCell(3, 5, rng=0))
    xs, weights = ts.tensor(rng.normal(size=(4, 6, 3)).astype("f4")), list(model.parameters())

    def of_one(x):
        ys, _ = model(ts.expand_dims(x, 1))
        return ts.grad((ys * ys).sum(), weights)

    found = ts.vmap(of_one)(xs)
    for i in range(4):
        for g, expected in zip(found, of_one(xs[i]), strict=True):
            assert_allclose(g[i].numpy(), expected.numpy(), rtol=1e-4, atol=1e-6)
    ys, _ = model(ts.swapaxes(xs, 0, 1))
    for g, whole in zip(found, ts.grad((ys * ys).sum(), weights), strict=True):
        assert_allclose(g.sum(axis=0).numpy(), whole.numpy(), rtol=1e-4, atol=1e-6)


def test_rules_that_divide_by_zero_are_silent_as_in_a_reverse_pass():
    """0 times the infinite slope of sqrt at 0 is 0; warnings are errors in these tests."""
    slope = ts.vmap(lambda x: ts.vjp(lambda x: ts.sqrt(x).sum(), x)[1](0.0)[0])
    assert_array_equal(slope(np.zeros((2, 3))).numpy(), np.zeros((2, 3)))
    _, slopes = ts.scan(lambda c, x: (c, ts.vjp(ts.sqrt, x)[1](0.0)[0]), ts.tensor(0.0), np.zeros(3))
    assert_array_equal(slopes.numpy(), np.zeros(3))


@pytest.mark.host("CuPy does not warn")
def test_other_divisions_by_zero_warn():
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        ts.vmap(lambda x: 1 / x)(np.zeros((2, 3)))


def test_in_anomaly_mode_the_function_is_called_for_every_example():
    calls = []
    with ts.detect_anomaly():
        found = ts.vmap(lambda x: calls.append(0) or x * 2)(X)
    assert len(calls) == 4
    assert_array_equal(found.numpy(), 2 * X)


def test_explain_tells_what_does_not_ride():
    text = repr(
        ts.explain(ts.vmap(lambda m, w: ts.tanh(m[:, np.array([0, 2])] @ w), (0, None)), M, np.ones((2, 2)))
    )
    assert text.startswith("forward, example = 0 ... 3\n")
    assert "mixed indices do not ride" in text
    assert "loop" not in repr(ts.explain(ts.vmap(lambda x: ts.tanh(x) * 2), X)).split()


REFUSED = {
    "no function": (lambda: ts.vmap(3), TypeError, "vmap needs a function, got int"),
    "a number": (lambda: ts.vmap(ts.sin)(2.0), ValueError, "has no axis 0; pass in_axes=None"),
    "no such axis": (lambda: ts.vmap(ts.sin, 2)(X), ValueError, "has no axis 2"),
    "no such axis from the end": (lambda: ts.vmap(ts.sin, -3)(X), ValueError, "has no axis -3"),
    "axes of other keys": (lambda: ts.vmap(len, ({"b": 0},))({"a": X}), ValueError, "in_axes of vmap is"),
    "two lengths": (lambda: ts.vmap(ts.add)(X, M[:2]), ValueError, r"one length.*got \[2, 4\].*\[4,3\]"),
    "nothing to map": (lambda: ts.vmap(ts.sin, None)(X), ValueError, "an argument with an axis for the batch"),
    "no arguments": (lambda: ts.vmap(lambda: 1.0)(), ValueError, "an argument with an axis"),
    "too many axes": (lambda: ts.vmap(ts.sin, (0, 0))(X), ValueError, "in_axes of vmap.*a part for each"),
    "axes of another tree": (lambda: ts.vmap(ts.sin, {"a": 0})(X), ValueError, "in_axes of vmap"),
    "True as an axis": (lambda: ts.vmap(ts.sin, True)(X), ValueError, "in_axes of vmap[^$]*got True"),
    "no place in the value": (lambda: ts.vmap(ts.sin, 0, 2)(X), ValueError, r"out_axes.*\[4,3\].*no place 2"),
    "a value without the batch": (lambda: ts.vmap(ts.sin, 0, None)(X), ValueError, "out_axes.*no place None"),
    "keywords": (lambda: ts.vmap(ts.sum)(X, axis=0), TypeError, "positional arguments only, got axis="),
    "text": (lambda: ts.vmap(lambda x: "a")(X), TypeError, "a tensor holds"),
    "a read value": (lambda: ts.vmap(float)(X[:, 0]), TypeError, "cannot be read"),
    "a mask": (lambda: ts.vmap(lambda x: x[x > 0])(X), RuntimeError, "whose shape depends on values"),
    "a draw": (lambda: ts.vmap(lambda x: x * rng.normal())(X), RuntimeError, "draw before the loop"),
    "shapes": (lambda: ts.vmap(lambda x: x @ np.ones(2))(X), ValueError, "matmul.*"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_clear_error(name):
    call, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words):
        call()


def test_an_error_in_the_function_says_that_it_is_under_vmap():
    with pytest.raises(TypeError) as caught:
        ts.vmap(float)(X[:, 0])
    assert any("vmap" in note for note in caught.value.__notes__)
