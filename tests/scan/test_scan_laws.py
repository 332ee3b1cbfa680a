"""The law of scan: all its values and derivatives are those of the unrolled loop.

It is tested for random steps built from the registry, for every primitive with its arguments from every source
(carry, input, captured), and for every cell.
"""

from functools import partial
from itertools import islice

import doors
import numpy as np
import pytest
from choices import Choices, Drawn
from combined import COMBINED
from drawing import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_modes import MODES, try_one
from loops import TOLERANCE, agree, is_the_loop, leaf
from random_calls import NAMES

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.engine.signature import example
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.scan.emitter import chosen
from tinygrad_seq.testing.differences import noise
from tinygrad_seq.testing.riding import variant

OPS = [op for op in PRIMITIVES.values() if op.name not in doors.missing()]
MANY = settings(max_examples=max(150, settings().max_examples))


# --- random steps -------------------------------------------------------------------------------------


@MANY
@given(st.data())
def test_a_random_program(data):
    """In any mode: values, gradients, second derivatives, forward mode, and these against differences."""
    try_one(Drawn(data.draw))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=max(2, settings().max_examples // 40))
@given(data=st.data())
def test_a_random_program_with(name, data):
    try_one(Drawn(data.draw), must=name)


@pytest.mark.parametrize("mode", sorted(set(MODES)))
@settings(max_examples=max(10, settings().max_examples // 2))
@given(data=st.data())
def test_a_random_program_in_every_mode(mode, data):
    try_one(Drawn(data.draw), mode=mode)


def test_random_programs_of_the_fast_generator():
    """The same programs as in tests/fuzz_scan.py, which runs 20,000 of them."""
    for number in range(200 if chosen() == "numpy" else 60):  # each is compiled
        try_one(Choices(0, number))


# --- every primitive, in every place ------------------------------------------------------------------

PLACES = ["carry", "input", "captured"]


def places_of(call, rng):
    """The sources of the arguments of a call: all from one source, and from random sources."""
    k = len(call.arrays)
    return [*((place,) * k for place in PLACES), *([tuple(rng.choice(PLACES, k))] if k > 1 else [])]


def in_a_loop(call, several, wanted, steps=3):
    """A step that calls a primitive a few times; each time, its arguments are carries, inputs, or captured.

    several  for each call the places of its arguments
    wanted   whether the carry needs the calls, so that they stay in the loop; else only outputs use them, and
             they may be lifted
    """
    rng = call.rng()
    tensors = []
    for places in several:
        for i, (a, place) in enumerate(zip(call.arrays, places, strict=True)):
            data = np.stack([variant(call, i, rng) for _ in range(steps)]) if place == "input" else a
            tensors.append((place, ts.tensor(data, requires_grad=call.active[i])))
    carried = [t for place, t in tensors if place == "carry"]
    inputs = [t for place, t in tensors if place == "input"]

    def step(carry, x):
        total, *state = carry
        of = {"carry": iter(state), "input": iter(x or ())}
        args = iter([t if place == "captured" else next(of[place]) for place, t in tensors])
        made = [call.op.function(*islice(args, len(places)), **call.meta) for places in several]
        zs = tree.leaves(made)
        seen = [z if z.dtype.kind == "f" else ts.astype(z, "float64") for z in zs] if wanted else []
        total = total * 0.5 + sum((ts.tanh(z).sum() for z in seen), 0.0)
        after = [s * (0.9 + 0.01 * ts.tanh(total)) if s.dtype.kind == "f" else s for s in state]
        return (total, *after), zs

    init = (ts.tensor(np.array(0.1)), *carried)
    return step, init, tuple(inputs), [t for _, t in tensors if t.requires_grad]


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
@pytest.mark.parametrize("wanted", [True, False], ids=["in the loop", "after it"])
def test_every_primitive_in_every_place(op, wanted):
    for call in drawn(op, 1):
        several = [places for places in places_of(call, call.rng()) if not mask_of_getitem(call, places)]
        if several:
            step, init, xs, by = in_a_loop(call, several, wanted)
            is_the_loop(step, init, xs, by, length=3, seed=call.seed, reverse=bool(call.seed % 2))


def mask_of_getitem(call, places):
    """Whether the shape of the result depends on a varying value, which is an error with its own test."""
    return call.op.name == "getitem" and any(
        a.dtype == bool and place != "captured" for a, place in zip(call.arrays, places, strict=True)
    )


# --- a primitive of the user's ------------------------------------------------------------------------


def users_own():
    """A primitive with two outputs, and one that reverses the columns of a matrix and does not ride."""

    ranks = []

    @ts.primitive("(n),(n)->(),(n)", many=True)
    def angle(x, y, /):
        """z = x'y, x * y"""
        ranks.append(x.ndim)
        return np.sum(x * y, axis=-1), x * y

    angle.vjp(
        lambda g, y: np.expand_dims(g[0], -1) * y + g[1] * y,
        lambda g, x: np.expand_dims(g[0], -1) * x + g[1] * x,
    )

    @ts.primitive(examples=[example("(a,B)")])
    def turned(x, /):
        """z = x, its columns in reverse order"""
        return x[:, ::-1]

    turned.linear(lambda g: turned(g))
    return angle, turned, ranks


@pytest.mark.parametrize("place", ["carry", "input"])
def test_a_primitive_of_the_users(place):
    """It needs only its rules: it is hoisted if it has a signature and so rides, else it stays in the loop."""
    angle, turned, ranks = users_own()
    rng = np.random.default_rng(0)
    w, c = leaf(rng.normal(size=(2, 3))), leaf(rng.normal(size=(2, 3)))
    xs = leaf(rng.normal(size=(4, 2, 3)))

    def step(c, x):
        v = c if place == "carry" else x
        size, parts = angle(v, w)
        return ts.tanh(c + turned(parts) * 0.1), (size, turned(v))

    is_the_loop(step, c, xs, [w, c, xs])
    ranks.clear()
    scan(step, c, xs)
    assert ranks == ([2] * (1 + 4) if place == "carry" else [2, 3])  # recorded; then step by step, or at once


# --- cells --------------------------------------------------------------------------------------------


def normalised(input_size, hidden_size, *, rng, dtype):
    """A cell with a layer-normalised output."""
    cell, norm = (
        nn.LSTMCell(input_size, hidden_size, rng=rng, dtype=dtype),
        nn.LayerNorm(hidden_size, dtype=dtype),
    )

    class Normalised(nn.Cell):
        def __init__(self):
            self.cell, self.norm = cell, norm

        def initial_state(self, batch, like):
            return self.cell.initial_state(batch, like)

        def __call__(self, state, x):
            (h, c), y = self.cell(state, x)
            return (self.norm(h), c), y + self.norm(h)

    return Normalised()


KINDS = nn.CELLS | COMBINED | {"normalised": normalised}
CELLS = [pytest.param(kind, id=name) for name, kind in KINDS.items()]


def problem(kind, steps, batch, dtype=np.float64, seed=0):
    """A cell, a state and inputs, all of unequal sizes, and the list of all tensors with a gradient."""
    rng = np.random.default_rng(seed)
    cell = kind(3, 5, rng=rng, dtype=dtype)
    xs = ts.tensor(rng.normal(size=(steps, batch, 3)).astype(dtype), requires_grad=True)
    state = tree.each(
        lambda part: (
            ts.tensor(rng.normal(size=part.shape).astype(dtype), requires_grad=True)
            if part.dtype.kind == "f"
            else part
        ),
        cell.initial_state(batch, like=xs),
    )
    floats = [part for part in tree.leaves(state) if part.requires_grad]
    return cell, state, xs, [*cell.parameters(), xs, *floats]


SIZES = [(7, 2), (1, 2), (7, 1), (1, 1)]


@pytest.mark.parametrize(("steps", "batch"), SIZES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_every_cell(kind, reverse, steps, batch):
    is_the_loop(*problem(kind, steps, batch), reverse=reverse)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_computed_again(kind, k):
    for reverse in (False, True):
        is_the_loop(*problem(kind, 7, 2), loop=partial(scan, remat=k), reverse=reverse)


@pytest.mark.parametrize("kind", CELLS)
def test_every_cell_in_float32(kind):
    is_the_loop(*problem(kind, 7, 2, np.float32), tolerance=1e-5)


@pytest.mark.parametrize("dropped", range(8))
def test_a_cell_whose_outputs_or_state_have_no_cotangent(dropped):
    is_the_loop(*problem(nn.LSTMCell, 4, 2), dropped=dropped)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_that_learns_only_some_of_its_parameters(kind):
    cell, state, xs, _ = problem(kind, 4, 2)
    parameters = list(cell.parameters())
    for kept in (parameters[:1], parameters[1:2], parameters[2:]):
        for p in parameters:
            p.requires_grad = any(p is k for k in kept)
        is_the_loop(cell, state, xs.detach(), kept)


# --- higher order -------------------------------------------------------------------------------------


def attention(weights):
    """A step with a bit of everything: products, a softmax, views, a mean."""
    w, v = weights

    def step(c, x):
        scores = ts.softmax(c @ x.T)
        h = ts.tanh(scores @ x + c @ w)
        a, b = ts.split(h, [1], axis=-1)
        return h, (a * b, h @ v, x.mean())

    return step


def lstm(weights):
    wx, wh = weights

    def step(state, x):
        h, c = state
        i, f, g, o = ts.split(x @ wx + h @ wh, 4, axis=-1)
        c = ts.sigmoid(f) * c + ts.sigmoid(i) * ts.tanh(g)
        h = ts.sigmoid(o) * ts.tanh(c)
        return (h, c), h

    return step


HIGHER = {  # a function of weights that returns a step; the shapes of carry, inputs and weights
    "attention": (attention, (2, 3), (4, 5, 3), ((3, 3), (3, 2))),
    "lstm": (lstm, ((2, 3), (2, 3)), (4, 2, 2), ((2, 12), (3, 12))),
    "power": (
        lambda ws: lambda c, x: ((c**2 + x * ws[0]) / (1 + ws[1] ** 2), c**3),
        (2,),
        (3, 2),
        ((2,), (2,)),
    ),
}
EACH = pytest.mark.parametrize("reverse", [False, True])
CASES = pytest.mark.parametrize("name", HIGHER)


def shapes_of(tree_of_shapes):
    nested = isinstance(tree_of_shapes[0], tuple)
    return [*tree_of_shapes] if nested else [tree_of_shapes]


def case(name, reverse):
    """The same function of flat tensors with scan and with the loop, and arrays to call it with."""
    make, carry, inputs, weights = HIGHER[name]
    rng = np.random.default_rng(3)
    many = isinstance(carry[0], tuple)
    arrays = [0.5 * rng.normal(size=s) for s in [*shapes_of(carry), inputs, *weights]]
    k = len(shapes_of(carry))

    def through(loop):
        def f(*flat):
            init = tuple(flat[:k]) if many else flat[0]
            made = loop(make(flat[k + 1 :]), init, flat[k], reverse=reverse)
            return tuple(tree.leaves(made))

        return f

    return through(scan), through(unrolled), arrays


def weighed(f, seed):
    """A function that sums the outputs of f to one number."""

    def value(*flat):
        zs = f(*flat)
        rngs = [np.random.default_rng([seed, i]) for i in range(len(zs))]
        return sum((ts.sum(ts.sin(z) * noise(rng, z.shape)) for z, rng in zip(zs, rngs, strict=True)), 0.0)

    return value


def numbers(made):
    return [z.numpy() for z in tree.leaves(made)]


@CASES
@EACH
def test_the_gradient_of_the_gradient(name, reverse):
    *functions, arrays = case(name, reverse)
    results = []
    for f in functions:
        leaves = [leaf(a) for a in arrays]
        grads = ts.grad(weighed(f, 0)(*leaves), leaves, create_graph=True)
        along = [noise(np.random.default_rng([1, i]), a.shape) for i, a in enumerate(arrays)]
        second = ts.grad(grads, leaves, along, zeros=True)
        results.append(numbers([*grads, *second]))
    agree(*results, tolerance=10 * TOLERANCE)


@CASES
@EACH
def test_the_gradient_of_what_comes_in(name, reverse):
    """The pullback is linear in the cotangents, so its derivative with respect to them is the pushforward."""
    *functions, arrays = case(name, reverse)
    results = []
    for f in functions:
        leaves = [leaf(a) for a in arrays]
        zs = f(*leaves)
        gs = [leaf(noise(np.random.default_rng([2, i]), z.shape)) for i, z in enumerate(zs)]
        grads = ts.grad(zs, leaves, gs, create_graph=True)
        along = [noise(np.random.default_rng([1, i]), a.shape) for i, a in enumerate(arrays)]
        results.append(numbers(ts.grad(grads, gs, along)))
    agree(*results, tolerance=10 * TOLERANCE)


@CASES
@EACH
def test_forward_mode(name, reverse):
    *functions, arrays = case(name, reverse)
    tangents = [noise(np.random.default_rng([4, i]), a.shape) for i, a in enumerate(arrays)]
    agree(*[numbers(ts.jvp(f, list(map(ts.tensor, arrays)), tangents)) for f in functions])


@CASES
def test_forward_mode_along_one_argument(name):
    """A tangent of only one argument: the tangents of the others are zero and may be left out."""
    *functions, arrays = case(name, False)
    for i, a in enumerate(arrays):
        v = noise(np.random.default_rng([5, i]), a.shape)
        results = []
        for f in functions:
            rest = list(map(ts.tensor, arrays))
            one = lambda x, f=f, rest=rest, i=i: f(*rest[:i], x, *rest[i + 1 :])  # noqa: E731
            results.append(numbers(ts.jvp(one, [rest[i]], [v])))
        agree(*results)


@CASES
@EACH
def test_the_gradient_of_forward_mode(name, reverse):
    *functions, arrays = case(name, reverse)
    tangents = [noise(np.random.default_rng([4, i]), a.shape) for i, a in enumerate(arrays)]
    results = []
    for f in functions:
        pushed = lambda *flat, f=f: ts.jvp(f, flat, tangents)[1]  # noqa: E731
        leaves = list(map(ts.tensor, arrays))
        dzs, pullback = ts.vjp(pushed, *leaves)
        gs = [noise(np.random.default_rng([6, i]), dz.shape) for i, dz in enumerate(dzs)]
        results.append(numbers([*dzs, *[g for g in pullback(tuple(gs)) if g is not None]]))
    agree(*results, tolerance=10 * TOLERANCE)


@CASES
@EACH
def test_hessian_vector_products(name, reverse):
    *functions, arrays = case(name, reverse)
    tangents = [noise(np.random.default_rng([4, i]), a.shape) for i, a in enumerate(arrays)]
    agree(
        *[numbers(ts.hvp(weighed(f, 7), list(map(ts.tensor, arrays)), tangents)) for f in functions],
        tolerance=10 * TOLERANCE,
    )


def test_a_delay_line_to_second_order():
    """Carries that hold earlier inputs depend on a leaf only at the first steps."""
    results = []
    for loop in (scan, unrolled):
        b, w, xs = leaf([1.0, 2.0]), leaf([0.5, 0.3]), ts.tensor(np.arange(8.0).reshape(4, 2))
        (c, d), ys = loop(lambda c, x, w=w: ((c[1] * 2.0, x), c[1] * c[0] * w), (ts.tensor(np.ones(2)), b), xs)
        value = ts.sin(c).sum() + ts.sin(d).sum() + ts.sin(ys).sum()
        grads = ts.grad(value, [b, w], create_graph=True)
        results.append(numbers([*grads, *ts.grad(sum((g.sum() for g in grads), 0.0), [b, w])]))
    agree(*results, tolerance=10 * TOLERANCE)


def test_no_grad_within_the_step_to_every_order():
    """Values computed under no_grad, and results of stop_gradient, are constants of every derivative."""
    w, xs = leaf([0.5, 0.3]), leaf(np.arange(8.0).reshape(4, 2) / 7)
    c = leaf([1.0, 2.0])

    def step(c, x):
        with ts.no_grad():
            quiet = ts.tanh(c * w) * x
        return ts.tanh(c * quiet + x * w), (quiet * w, ts.stop_gradient(c) * c)

    def of(loop):
        return lambda c, xs: sum(ts.sin(z).sum() for z in tree.leaves(loop(step, c, xs)))

    results = []
    for loop in (scan, unrolled):
        grads = ts.grad(of(loop)(c, xs), [c, xs, w], create_graph=True)
        second = ts.grad(sum((ts.sin(g).sum() for g in grads), 0.0), [c, xs, w])
        results.append(numbers([*grads, *second]))
    agree(*results, tolerance=10 * TOLERANCE)
    given, tangents = [c.detach(), xs.detach()], [np.ones(2), np.ones((4, 2))]
    agree(*[numbers(ts.jvp(of(loop), given, tangents)) for loop in (scan, unrolled)])


def test_forward_mode_past_what_has_no_derivative():
    """Comparisons, choices and carries that are reset: no tangent passes, and none is needed."""
    c, xs = np.array([0.1, 0.5, -0.3]), np.arange(12.0).reshape(4, 3) / 7

    def step(c, x):
        a, b, n = c
        best = ts.argmax(a)
        return (ts.where(a > x, a * 0.5, x * b), ts.zeros_like(b), n + best), (b, ts.sign(a) * a, best)

    def through(loop):
        def f(c, xs):
            made = loop(step, (c, c * 2.0, ts.tensor(0)), xs)
            return tuple(z for z in tree.leaves(made) if z.dtype.kind == "f")

        return f

    given, tangents = [ts.tensor(c), ts.tensor(xs)], [np.ones(3), np.ones((4, 3))]
    agree(*[numbers(ts.jvp(through(loop), given, tangents)) for loop in (scan, unrolled)])


# --- scans within scans -------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("outer", [scan, unrolled])
@pytest.mark.parametrize("inner", [scan, unrolled])
def test_a_scan_within_a_scan(outer, inner, reverse):
    """Two levels that capture one weight, with gradients through both; compared with loops at both levels."""
    rng = np.random.default_rng(8)
    w, u = leaf(0.5 * rng.normal(size=(3, 3))), leaf(rng.normal(size=(3,)))
    init, xs = leaf(rng.normal(size=(2, 3))), leaf(rng.normal(size=(4, 2, 3)))

    def nested(outer, inner):
        def row(c, x):
            h = ts.tanh(c @ w + x + u)
            return h, h * x

        def step(c, x):
            last, ys = inner(row, c, ts.stack([x, c, c * x]), reverse=reverse)
            return ts.tanh(c + last), ys.sum(axis=0) @ w

        return outer(step, init, xs, reverse=reverse)

    results = []
    for levels in ((outer, inner), (unrolled, unrolled)):
        carry, ys = nested(*levels)
        value = (carry * carry).sum() + ts.sin(ys).sum()
        results.append(numbers([carry, ys, *ts.grad(value, [w, u, init, xs])]))
    agree(*results)


def test_a_second_derivative_by_what_no_result_depends_on():
    """A carry that is computed, but not asked for, has a cotangent in the backward loop of a loop in a loop."""
    unused, start = leaf([0.3, -0.2]), ts.tensor(np.array([0.5, 0.1]))

    def step(carry, x):
        def inner(c, x):
            return (ts.tanh(c[1]), ts.tanh(c[1])), None

        (_, last), _ = scan(inner, (unused, carry[0]), None, length=1)
        return (ts.tanh(last), ts.tanh(last)), None

    (first, _), _ = scan(step, (start, start), None, length=1)
    g = ts.grad(first.sum(), unused, create_graph=True, zeros=True)
    assert ts.grad((g * g).sum(), unused, zeros=True).numpy().tolist() == [0, 0]
