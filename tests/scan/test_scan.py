"""`scan` equals the Python loop: for trees, integers, lengths, directions, and all kinds of values."""

import warnings
from functools import partial

import numpy as np
import pytest
from loops import agree, is_the_loop, leaf, run
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.scan import scan, unrolled
from tinygrad_seq.scan.np import gates
from tinygrad_seq.scan.over_time import PROGRAMS
from tinygrad_seq.testing import check_primitive


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


# --- trees --------------------------------------------------------------------------------------------


def test_a_running_sum():
    total, sums = scan(lambda c, x: (c + x, c + x), ts.tensor(0.0), ts.tensor([1.0, 2.0, 3.0]))
    assert total.item() == 6
    assert_array_equal(sums.numpy(), [1, 3, 6])
    assert isinstance(sums, ts.Tensor)


def test_it_is_public():
    assert ts.scan is scan


@pytest.mark.parametrize("kind", [tuple, list])
def test_sequences(kind):
    a, b, xs = leaf(normal(3)), leaf(normal(2, 3)), leaf(normal(4, 3))

    def step(c, x):
        assert type(c) is kind
        a, b = c
        return kind([ts.tanh(a + x), b * a]), kind([a, b @ x, kind([x])])

    is_the_loop(step, kind([a, b]), xs, [a, b, xs])
    carry, ys = scan(step, kind([a, b]), xs)
    assert type(carry) is kind
    assert type(ys) is kind
    assert type(ys[2]) is kind


def test_dicts_and_none():
    init = {"h": leaf(normal(3)), "memory": {"m": leaf(normal(2)), "nothing": None}, "none": None}
    xs = {"left": leaf(normal(4, 3)), "right": (leaf(normal(4, 2)), None)}

    def step(c, x):
        assert list(c) == ["h", "memory", "none"]
        assert c["none"] is None
        assert c["memory"]["nothing"] is None
        assert x["right"][1] is None
        h = ts.tanh(c["h"] + x["left"])
        m = c["memory"]["m"] * x["right"][0]
        return {"h": h, "memory": {"m": m, "nothing": None}, "none": None}, {"h": h, "none": None, "m": [m]}

    is_the_loop(step, init, xs, tree.leaves((init, xs)))
    _, ys = scan(step, init, xs)
    assert list(ys) == ["h", "none", "m"]
    assert ys["none"] is None


def test_a_dict_in_another_order_is_the_same_dict():
    init = {"a": leaf(normal(3)), "b": leaf(normal(3, seed=1))}

    xs = leaf(normal(4, 3))
    results = []
    for loop in (scan, unrolled):
        carry, _ = loop(lambda c, x: ({"b": c["b"] * x, "a": c["a"] + c["b"]}, None), init, xs)
        value = (carry["a"] * 2.0 + carry["b"]).sum()
        results.append([z.numpy() for z in (carry["a"], carry["b"], *ts.grad(value, [*init.values(), xs]))])
    agree(*results)


def test_named_tuples():
    from typing import NamedTuple

    class State(NamedTuple):
        h: ts.Tensor
        c: ts.Tensor

    init, xs = State(leaf(normal(3)), leaf(normal(3, seed=1))), leaf(normal(4, 3))

    def step(s, x):
        return State(ts.tanh(s.h + x), s.c * s.h), s.c

    is_the_loop(step, init, xs, [*init, xs])
    assert isinstance(scan(step, init, xs)[0], State)


def test_without_inputs():
    c = leaf(normal(3))
    is_the_loop(lambda c, x: (ts.tanh(c) * 2.0, c), c, None, [c], length=5)
    is_the_loop(lambda c, x: (ts.tanh(c) * 2.0, c), c, {}, [c], length=5)
    seen = []
    scan(lambda c, x: (seen.append(x), (c, None))[1], c, length=1)
    assert seen == [None]


def test_without_outputs():
    c, xs = leaf(normal(3)), leaf(normal(4, 3))
    is_the_loop(lambda c, x: (ts.tanh(c + x), None), c, xs, [c, xs])
    assert scan(lambda c, x: (ts.tanh(c + x), None), c, xs)[1] is None
    assert scan(lambda c, x: (ts.tanh(c + x), ()), c, xs)[1] == ()


def test_without_a_carry():
    xs = leaf(normal(4, 3))
    is_the_loop(lambda c, x: (None, ts.tanh(x)), None, xs, [xs])
    is_the_loop(lambda c, x: ((), (ts.sum(x), x)), (), xs, [xs])


def test_nothing_at_all():
    assert scan(lambda c, x: (None, None), None, None, length=3) == (None, None)


def test_a_length_that_agrees_with_the_inputs():
    c, xs = leaf(normal(3)), leaf(normal(4, 3))
    is_the_loop(lambda c, x: (c * x, c), c, xs, [c, xs], length=4)


def test_arrays_and_numbers_are_tensors():
    carry, ys = scan(lambda c, x: (c + x.sum(), c * x), 1.0, np.arange(6.0, dtype=np.float32).reshape(3, 2))
    assert isinstance(carry, ts.Tensor)
    assert carry.item() == 16
    assert ys.shape == (3, 2)
    assert not ys.requires_grad


def test_many_inputs_and_many_outputs():
    init = [leaf(normal(2, seed=i)) for i in range(5)]
    xs = [leaf(normal(3, 2, seed=i)) for i in range(6)]

    def step(c, x):
        mixed = [a * b + d for a, b, d in zip(c, x, x[1:], strict=False)]
        return [ts.tanh(m) for m in mixed[1:] + mixed[:1]], (x[5] * c[0], *mixed, *x)

    is_the_loop(step, init, xs, [*init, *xs])


# --- what a step may do with its arguments ------------------------------------------------------------


def test_a_step_that_ignores_its_input():
    c, xs = leaf(normal(3)), leaf(normal(4, 2))
    is_the_loop(lambda c, x: (ts.tanh(c) + 1.0, c), c, xs, [c, xs])


def test_a_step_that_ignores_its_carry():
    c, xs = leaf(normal(3)), leaf(normal(4, 3))
    is_the_loop(lambda c, x: (x * 2.0, ts.exp(x)), c, xs, [c, xs])
    is_the_loop(lambda c, x: (x, None), c, xs, [c, xs])


def test_a_step_that_ignores_both():
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, seed=2))
    is_the_loop(lambda c, x: (w * 2.0, ts.exp(w)), c, xs, [c, xs, w])
    is_the_loop(lambda c, x: (w, w), c, xs, [c, xs, w])


def test_a_weight_that_is_added_at_every_step():
    """It contributes the same to its gradient at every step, T times in all."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, seed=2))
    is_the_loop(lambda c, x: (c + w, None), c, xs, [c, w])
    is_the_loop(lambda c, x: (c + w * 2.0, w), c, None, [c, w], length=5)
    is_the_loop(lambda c, x: (c + x + w, c), c, xs, [c, xs, w])
    is_the_loop(lambda c, x: (c - w.sum(), None), c, xs, [c, w])


def test_a_carry_that_is_returned_unchanged():
    c, w, xs = leaf(normal(3)), leaf(normal(3, 3)), leaf(normal(4, 3))
    is_the_loop(lambda c, x: (c, x * c), c, xs, [c, xs])
    is_the_loop(lambda c, x: ((ts.tanh(c[0] @ c[1] + x), c[1]), c[1]), (c, w), xs, [c, w, xs])
    is_the_loop(lambda c, x: (c, None), c, xs, [c, xs])
    is_the_loop(lambda c, x: (c, c), c, None, [c], length=3)


def test_carries_that_change_places():
    a, b, xs = leaf(normal(3)), leaf(normal(3, seed=1)), leaf(normal(4, 3))
    is_the_loop(lambda c, x: ((c[1], c[0]), None), (a, b), xs, [a, b])
    is_the_loop(lambda c, x: ((c[1], c[0]), (c[0], c[1] * x)), (a, b), xs, [a, b, xs])
    is_the_loop(lambda c, x: ((c[1], ts.tanh(c[0] + x)), c[0]), (a, b), xs, [a, b, xs])
    is_the_loop(lambda c, x: ((c[1], c[2], c[0] * x), c), (a, b, a), xs, [a, b, xs])


def test_two_carries_that_become_one_value():
    a, b, xs = leaf(normal(3)), leaf(normal(3, seed=1)), leaf(normal(4, 3))

    def step(c, x):
        h = ts.tanh(c[0] + c[1] * x)
        return (h, h), (h, h)

    is_the_loop(step, (a, b), xs, [a, b, xs])
    is_the_loop(lambda c, x: ((x, x), None), (a, b), xs, [a, b, xs])
    is_the_loop(step, (a, a), xs, [a, xs])


def test_a_delay_line():
    """Carries that hold earlier inputs: x(t - 1), x(t - 2)."""
    a, b, xs = leaf(normal(2)), leaf(normal(2, seed=1)), leaf(normal(5, 2))
    for reverse in (False, True):
        is_the_loop(lambda c, x: ((x, c[0]), c[1] * x), (a, b), xs, [a, b, xs], reverse=reverse)


def test_one_value_returned_twice():
    c, xs = leaf(normal(3)), leaf(normal(4, 3))

    def step(c, x):
        h = ts.tanh(c + x)
        return h, (h, h, [h])

    is_the_loop(step, c, xs, [c, xs])
    _, (a, b, _) = scan(step, c, xs)
    da = ts.grad(a.sum(), xs, retain_graph=True)
    db = ts.grad(b.sum(), xs)
    assert_array_equal(da.numpy(), db.numpy())


def test_outputs_that_are_the_input_the_carry_or_captured():
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(2, 2))
    plain = ts.tensor(normal(2))
    is_the_loop(lambda c, x: (c * x, (x, c, w, plain, x)), c, xs, [c, xs, w])
    is_the_loop(lambda c, x: (c * x, (w, w.T, w * 2.0, plain + 1.0)), c, xs, [c, xs, w])


def test_views_as_outputs_and_carries():
    c, xs, w = leaf(normal(2, 6)), leaf(normal(4, 2, 6)), leaf(normal(6, 6))

    def step(c, x):
        h = ts.tanh(c @ w + x)
        a, b, d = ts.split(h, 3, axis=-1)
        row = h[1]
        return h.reshape(6, 2).T, (
            h.T,
            a,
            b[0],
            row,
            row[2:4],
            d.reshape(-1),
            ts.broadcast_to(row, (3, 6)),
            h[0, 0],
        )

    for reverse in (False, True):
        is_the_loop(step, c, xs, [c, xs, w], reverse=reverse)


def test_the_first_and_the_last_of_a_vector():
    """0-d parts of a carry, whose memory is different at every step."""
    c, xs = leaf(normal(3)), leaf(normal(4, 3))

    def step(c, x):
        first, second, last = ts.unstack(c)
        return ts.tanh(c * x * first) + last * c[1], (first, second * c[-1])

    for reverse in (False, True):
        is_the_loop(step, c, xs, [c, xs], reverse=reverse)


GATES = {  # the activations of the parts of a split, its axis, and another use of parts and gates
    "all sigmoid": ("sigmoid sigmoid", -1, None),
    "all tanh": ("tanh tanh tanh", 1, None),
    "mixed": ("sigmoid tanh sigmoid tanh", -1, None),
    "another function": ("sigmoid relu tanh", -1, None),
    "another axis": ("sigmoid tanh", 0, None),
    "a part used twice": ("sigmoid tanh", -1, lambda parts, gates: parts[0] * gates[1]),
    "a part given out": ("sigmoid tanh", -1, lambda parts, gates: parts[1]),
    "a gate given out": ("sigmoid tanh", -1, lambda parts, gates: gates[0]),
    "an activation twice": ("sigmoid tanh", -1, lambda parts, gates: ts.sigmoid(parts[0]) + ts.exp(gates[0])),
}


@pytest.mark.parametrize("where", ["carry", "input"])
@pytest.mark.parametrize("name", GATES)
def test_activations_of_the_parts_of_a_split(name, where):
    """Scan may compute the activations of all parts at once, also if a part has another use."""
    functions, axis, more = GATES[name]
    functions = [getattr(ts, f) for f in functions.split()]
    k = len(functions)
    shape = (k, 2) if axis == 0 else (2, k)
    c, xs, w = leaf(normal(*shape)), leaf(normal(4, *shape)), leaf(3 * normal(*shape, seed=1))

    def step(c, x):
        parts = ts.split(c * w if where == "carry" else x * w, k, axis=axis)
        gates = [f(part) for f, part in zip(functions, parts, strict=True)]
        product = gates[0]
        for gate in gates[1:]:
            product = product * gate
        h = ts.tanh(c * product + x) if axis else ts.tanh(c + product + x)
        return h, more(parts, gates) if more else product

    for reverse in (False, True):
        is_the_loop(step, c, xs, [c, xs, w], reverse=reverse)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.int32, np.float16, np.float32])
def test_activations_of_the_parts_of_a_split_of_any_dtype(dtype):
    """Activations of integers are floats: in the loop, before it, and for captured values."""
    ids = np.array([[0, 1, 1, 3], [2, 0, 1, 1], [1, 1, 0, 0]]).astype(dtype)
    dtype = np.result_type(ts.tanh(ids), ts.sigmoid(ids))
    w, c = ts.tensor(ids[0]), ts.tensor(np.ones(2, dtype))

    def step(state, i):
        h, n = state
        parts = [g for t in (n, i, w) for g in ts.split(t, 2, axis=-1)]
        gates = [f(part) for f, part in zip([ts.sigmoid, ts.tanh] * 3, parts, strict=True)]
        return (h * gates[0] + gates[1] * gates[2] + gates[3] * gates[4] + gates[5], i), gates

    is_the_loop(step, (c, ts.tensor(ids[1])), ids, tolerance=20 * np.finfo(dtype).eps)


def test_gates_under_no_grad():
    c, xs = leaf(normal(2, 4)), leaf(normal(3, 2, 4))

    def step(c, x):
        i, f = ts.split(c + x, 2, axis=-1)
        with ts.no_grad():
            i = ts.sigmoid(i)
        j, g = ts.split(c * x, 2, axis=-1)
        j, g = ts.sigmoid(j), ts.tanh(g)
        return ts.concatenate([i * ts.tanh(f), j * g], axis=-1), i

    is_the_loop(step, c, xs, [c, xs])


def test_concatenation_of_a_carry():
    """A shift register, and a projection of [x, h]."""
    c, h, xs, w = leaf(normal(4)), leaf(normal(2, 3)), leaf(normal(5, 2, 2)), leaf(normal(5, 3))

    def step(s, x):
        c, h = s
        h = ts.tanh(ts.concatenate([x, h], axis=-1) @ w)
        return (ts.concatenate([c[1:], h[0, :1]]), h), (
            ts.concatenate([h, x, h], axis=1),
            ts.stack([h, h * 2.0]),
        )

    is_the_loop(step, (c, h), xs, [c, h, xs, w])


def test_a_captured_tensor_that_is_also_an_argument():
    c, xs = leaf(normal(3)), leaf(normal(4, 3))
    is_the_loop(lambda s, x: (ts.tanh(s * c + x) + xs.sum(axis=0), s * c), c, xs, [c, xs])


def test_captured_arrays_numbers_and_tensors_that_are_not_leaves():
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))
    wide, array = w * 2.0, normal(3, seed=4)
    is_the_loop(lambda c, x: (ts.tanh(c @ wide + array) * 0.5 + x**2 - 3, c / 2), c, xs, [c, xs, w])


def test_a_lonely_weight():
    """Only a captured tensor is on the tape."""
    w = leaf(normal(3, 3))
    for c, xs in [(ts.tensor(normal(3)), ts.tensor(normal(4, 3)))]:
        is_the_loop(lambda c, x: (ts.tanh(c @ w + x), c), c, xs, [w])
        is_the_loop(lambda c, x: (ts.tanh(c + x @ w), c), c, xs, [w])


def test_a_step_that_is_a_method_or_a_partial():
    from functools import partial

    class Model:
        def __init__(self):
            self.w = leaf(normal(3, 3))

        def step(self, c, x):
            return ts.tanh(c @ self.w + x), c

    def step(w, c, x):
        return ts.tanh(c @ w + x), c

    model, c, xs = Model(), leaf(normal(3)), leaf(normal(4, 3))
    is_the_loop(model.step, c, xs, [model.w, c, xs])
    is_the_loop(partial(step, model.w), c, xs, [model.w, c, xs])


def test_no_gradient_within_the_step():
    """A value computed under no_grad, or returned by stop_gradient, is a constant of the derivative."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))

    def step(c, x):
        with ts.no_grad():
            quiet = ts.tanh(c @ w)
        return ts.tanh(quiet * c + x) + ts.stop_gradient(c * w[0]), quiet

    is_the_loop(step, c, xs, [c, xs, w])


@pytest.mark.parametrize("remat", [None, 3])
def test_no_gradient_within_the_step_wherever_its_calls_run(remat):
    """Of values computed under no_grad before the loop, in it and after it, and only from constants."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))

    def step(c, x):
        with ts.no_grad():
            early, fixed, late = x @ w, w @ w, c * x
            split = ts.split(ts.tanh(x @ w), 3)
        return ts.tanh(early * c + x @ fixed), (early * w[0], late * w[1], split[0] * c, fixed)

    is_the_loop(step, c, xs, [c, xs, w], loop=partial(scan, remat=remat))


def test_no_gradient_around_the_scan():
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))

    def step(c, x):
        return ts.tanh(c @ w + x), (c @ w, x @ w)

    with ts.no_grad():
        is_the_loop(step, c, xs)
        made = scan(step, c, xs)
    assert not any(z.requires_grad for z in tree.leaves(made))


def test_a_gradient_within_the_step():
    """A step that descends an energy: the gradient is part of the program, and has a derivative itself."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))

    def step(c, x):
        energy = (ts.tanh(c @ w) * x).sum() + (c * c).sum()
        return c - 0.1 * ts.grad(energy, c, create_graph=True), energy

    is_the_loop(step, c, xs, [c, xs, w])


def test_a_gradient_within_the_step_past_no_grad():
    """It also stops at values computed under no_grad, and at stop_gradient, as outside a step."""
    c, xs = leaf(normal(3)), leaf(normal(4, 3))

    def step(c, x):
        with ts.no_grad():
            quiet = ts.tanh(c)
        slope = ts.grad((quiet * c * x + ts.stop_gradient(c) * c).sum(), c, create_graph=True)
        return ts.tanh(slope), c

    is_the_loop(step, c, xs, [c, xs])


GRADIENTS = {  # of functions of a carry, an input and captured tensors w = v v, by v
    "that do not reach the carry": lambda c, x, v, w: (v * w).sum() * x.size,
    "that reach the input": lambda c, x, v, w: (v * x * w).sum(),
    "past stop_gradient": lambda c, x, v, w: (v * ts.stop_gradient(c) * w).sum(),
    "past no_grad": lambda c, x, v, w: (v * w * ts.no_grad()(ts.tanh)(c)).sum(),
}


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("remat", [None, 2])
def test_a_gradient_within_the_step_by_a_captured_tensor(name, remat):
    """It is that of the loop, also through what was computed from the tensor before the loop."""
    c, xs, v = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, seed=1))

    def step(c, x):
        return ts.tanh(c * ts.grad(GRADIENTS[name](c, x, v, w), v, create_graph=True, retain_graph=True)), c * v

    w = v * v
    is_the_loop(step, c, xs, [c, xs, v], loop=partial(scan, remat=remat))


def test_derivatives_within_the_step():
    """vjp, jvp and hvp of functions of the carry, the input and captured tensors."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))

    def step(c, x):
        _, pullback = ts.vjp(lambda c, x: ts.tanh(c @ w) * x, c, x)
        dc, dx = pullback(c * x)
        _, pushed = ts.jvp(lambda c: ts.where(c > 0, ts.tanh(c), c * 0.5), [c], [x])
        product = ts.hvp(lambda c: (ts.tanh(c) * x).sum(), [c], [x])
        return ts.tanh(dc), (dx, pushed, product)

    is_the_loop(step, c, xs, [c, xs, w])


def test_an_attention_step():
    """The carry queries a captured memory: products with three axes, a softmax, a mean."""
    memory, w = leaf(normal(2, 5, 3)), leaf(normal(3, 3))
    c, xs = leaf(normal(2, 3)), leaf(normal(4, 2, 3))

    def step(h, x):
        q = h @ w + x
        weights = ts.softmax((memory @ q[:, :, None])[:, :, 0])
        read = ts.einsum("bn,bnd->bd", weights, memory)
        return ts.tanh(read + x) - q.mean(axis=0), weights

    for reverse in (False, True):
        is_the_loop(step, c, xs, [memory, w, c, xs], reverse=reverse)


def test_products_of_stacks_of_matrices_in_the_loop():
    c, w = leaf(0.1 * normal(2, 4, 5)), leaf(normal(2, 4, 4))
    is_the_loop(lambda c, x: (ts.tanh(w @ c), None), c, None, [w, c], length=3)


NAMES = """add half rows fixed constants made made0 forward0 forward1 meta0_0 meta1_0 axis0 part0_0
    next_c next_d sum_w sum_a sum_a1 c_prev a a1 k k1 range zip np matmul copyto einsum scan backward c d x"""


@pytest.mark.parametrize("name", NAMES.split())
def test_names_of_the_users_that_the_source_uses_too(name):
    """Variables of a step give their names to the emitted source, where they must not shadow its own."""
    code = f"""
def step(carry, row):
    c, d = carry
    {name} = ts.tanh(c @ w + row)
    left, middle, right = ts.unstack({name}[0])
    {name} = ts.sort({name}, axis=0) * left + ts.cumsum({name}, axis=1) * middle
    {name} = ts.concatenate([{name}[:1] * right, ts.tanh({name}[1:] * v)], axis=0)
    return ({name}, carry[0]), ({name}.sum() * carry[1], carry[0])
"""
    w, v, c, xs = leaf(normal(3, 3)), leaf(normal(3)), leaf(normal(2, 3)), leaf(normal(4, 2, 3))
    scope = {"ts": ts, "w": w, "v": v}
    exec(compile(code, __file__, "exec"), scope)
    PROGRAMS.clear()  # equal steps share a program, which has the names of the first
    is_the_loop(scope["step"], (c, c * 2.0), xs, [c, xs, w, v])


# --- integers -----------------------------------------------------------------------------------------


def test_tokens_through_an_embedding():
    table, cell = nn.Embedding(7, 3, rng=0, dtype=np.float64), nn.LSTMCell(3, 5, rng=1, dtype=np.float64)
    ids = ts.tensor(np.array([[1, 6], [0, 0], [3, 1]]))
    state = tree.each(lambda s: leaf(normal(*s.shape)), cell.initial_state(2, like=ts.tensor(np.zeros(1))))
    by = [*table.parameters(), *cell.parameters(), *state]
    is_the_loop(lambda s, i: cell(s, table(i)), state, ids, by)


def test_tokens_that_index_a_captured_table():
    table, c = leaf(normal(7, 3)), leaf(normal(2, 3))
    ids = np.array([[1, 6], [0, 0], [3, 1]])
    for given in (ids, ts.tensor(ids), ts.tensor(ids.astype(np.int32))):
        is_the_loop(lambda c, i: (ts.tanh(c + table[i]), table[i[0]] * c), c, given, [table, c])


def test_a_counter_in_the_carry():
    c, w, xs = leaf(normal(3)), leaf(normal(5, 3)), leaf(normal(4, 3))

    def step(state, x):
        h, t = state
        return (ts.tanh(h * w[t] + x / (t + 1)), t + 1), (t, h * t, ts.where(t > 1, h, x))

    for reverse in (False, True):
        is_the_loop(step, (c, ts.tensor(0)), xs, [c, w, xs], reverse=reverse)
    (_, t), (times, *_) = scan(step, (c, ts.tensor(0)), xs)
    assert t.item() == 4
    assert t.dtype == np.int64
    assert_array_equal(times.numpy(), [0, 1, 2, 3])


def test_a_fed_back_choice():
    """The argmax of the output is the next token: an integer carry that depends on floats."""
    table, w = leaf(normal(5, 3)), leaf(normal(3, 5))

    def step(state, x):
        h, token = state
        h = ts.tanh(h + table[token])
        return (h, ts.argmax(h @ w, axis=-1)), (h @ w, token)

    h = leaf(normal(2, 3))
    is_the_loop(step, (h, ts.tensor(np.array([0, 3]))), None, [h, table, w], length=5)


def test_booleans():
    c, xs = leaf(normal(3)), leaf(normal(4, 3))
    mask = ts.tensor(np.array([[True, False, True], [True, True, True], [False] * 3, [False, True, False]]))

    def step(state, x):
        h, seen = state
        row, on = x
        seen = seen | on
        return (ts.where(on, ts.tanh(h + row), h), seen), (seen & ~on, h > row)

    is_the_loop(step, (c, ts.tensor([False, False, False])), (xs, mask), [c, xs])


def test_integers_alone():
    fibonacci = lambda c, x: ((c[1], c[0] + c[1]), c[0])  # noqa: E731
    (last, _), ys = scan(fibonacci, (ts.tensor(0), ts.tensor(1)), length=10)
    assert_array_equal(ys.numpy(), [0, 1, 1, 2, 3, 5, 8, 13, 21, 34])
    assert last.item() == 55
    is_the_loop(lambda c, x: (c + x, c * x), ts.tensor(2), ts.tensor([1, 2, 3]), [])
    xs = leaf(normal(3, 2))
    is_the_loop(lambda c, x: (c + 1, ts.argmax(x)), ts.tensor(np.array(2)), xs, [xs])


# --- directions, lengths and kinds of memory ----------------------------------------------------------


def mixed(w):
    def step(c, x):
        h = ts.tanh(c * 0.5 + x.sum() + w)
        return h, (h * x.sum(), x)

    return step


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 3, 50])
def test_directions_and_lengths(steps, reverse):
    c, w, xs = leaf(normal(3)), leaf(normal(3, seed=1)), leaf(normal(steps, 2))
    is_the_loop(mixed(w), c, xs, [c, w, xs], reverse=reverse)


def test_reverse_gives_outputs_in_the_order_of_the_inputs():
    last, ys = scan(lambda c, x: (c + x, c + x), ts.tensor(0.0), ts.tensor([1.0, 2.0, 3.0]), reverse=True)
    assert_array_equal(ys.numpy(), [6, 5, 3])
    assert last.item() == 6


MEMORY = {
    "transposed": lambda a: np.asfortranarray(a),
    "reversed in time": lambda a: a[::-1],
    "strided": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": lambda a: a.copy(),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", MEMORY)
def test_memory_of_any_layout(name, reverse):
    look = MEMORY[name]
    c, w, xs = look(normal(3, 2)), look(normal(2, 2)), look(normal(4, 3, 2))
    if name == "read-only":
        for a in (c, w, xs):
            a.flags.writeable = False

    def step(c, x):
        return ts.tanh(c @ w + x @ w + x), c * x

    is_the_loop(step, c, xs)
    base = leaf(normal(2, 3, 4))  # init and xs are views of it, and so on the tape
    is_the_loop(
        lambda c, x: (ts.tanh(c + x), c @ c.T), base[0].T[:3, :2], base.T[:, ::-1], [base], reverse=reverse
    )


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (0, 3), (1, 1, 1, 2)])
def test_inputs_of_any_rank_and_with_empty_axes(shape):
    c, xs, w = leaf(normal(*shape)), leaf(normal(4, *shape)), leaf(normal(*shape, seed=3))

    def step(c, x):
        h = ts.tanh(c * w + x)
        return h, (h.sum(), x * 2.0, ts.exp(x).sum(), c)

    for reverse in (False, True):
        is_the_loop(step, c, xs, [c, xs, w], reverse=reverse)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes(dtype):
    c, xs, w = (ts.tensor(normal(*s).astype(dtype), requires_grad=True) for s in [(3,), (4, 3), (3, 3)])

    def step(c, x):
        return ts.tanh(c @ w * 0.5 + x), (c.sum(), x @ w + 1)

    is_the_loop(step, c, xs, [c, xs, w], tolerance=20 * np.finfo(dtype).eps)
    carry, _ = scan(step, c, xs)
    assert carry.dtype == dtype


def test_dtypes_that_are_mixed():
    """A float32 carry with float64 inputs: each gradient has the dtype of its tensor."""
    c, xs = ts.tensor(normal(3).astype(np.float32), requires_grad=True), leaf(normal(4, 3))
    w = ts.tensor(normal(3, 3).astype(np.float32), requires_grad=True)

    def step(c, x):
        return ts.astype(ts.tanh(c @ w + x), np.float32), c * x

    is_the_loop(step, c, xs, [c, xs, w], tolerance=1e-5)
    found = run(scan, step, c, xs, [c, xs, w])[2]
    assert [g.dtype for g in found] == [np.float32, np.float64, np.float32]


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, 1e308])
def test_nan_and_infinity(rubbish):
    """They appear, propagate and are masked as in the loop, with no more warnings than in the loop."""
    values = normal(4, 3)
    values[1, 1] = rubbish
    c, xs, w = leaf(normal(3)), leaf(values), leaf(normal(3, seed=1))

    def step(c, x):
        good = ts.isfinite(x) & (ts.abs(x) < 1e100)
        h = ts.tanh(c + ts.where(good, x, 0.0) * w)
        return h, (h + x, ts.sigmoid(x), ts.maximum(x, h), ts.logsumexp(x + h))

    is_the_loop(step, c, xs, [c, xs, w])


@pytest.mark.host("a device gives no warnings")
def test_a_warning_of_numpy_is_given_as_in_the_loop():
    c, xs = ts.tensor(np.zeros(2)), ts.tensor(np.ones((3, 2)))

    def step(c, x):
        return c + ts.log(c - 1.0), None

    for loop in (scan, unrolled):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loop(step, c, xs)
        assert {w.category for w in caught} == {RuntimeWarning}


def test_a_zero_cotangent_gives_a_zero_gradient():
    """Also at points where the derivative is infinite: where(x > 0, sqrt x, 0) in a loop."""
    c, xs = leaf(np.zeros(2)), leaf(np.array([[0.0, 4.0], [-1.0, 9.0]]))
    is_the_loop(lambda c, x: (c + ts.where(x > 0, ts.sqrt(ts.where(x > 0, x, 0.0)), 0.0), None), c, xs, [c, xs])
    is_the_loop(lambda c, x: (c * 0.0 + x, ts.sqrt(c * 0.0) * 0.0), c, xs, [c, xs])


def test_a_long_loop():
    c, w = leaf(np.array([0.1, 0.2])), leaf(np.array([0.9, -0.8]))
    xs = leaf(0.1 * normal(2000, 2))
    is_the_loop(lambda c, x: (ts.tanh(c * w + x), c), c, xs, [c, w, xs])


# --- only what is needed ------------------------------------------------------------------------------


def test_what_needs_no_gradient_gets_none():
    """Any of init, xs and a captured tensor may require a gradient, and gets it."""
    arrays = [normal(3), normal(4, 3), normal(3, 3)]
    expected = None
    for active in range(8):
        c, xs, w = (ts.tensor(a, requires_grad=bool(active >> i & 1)) for i, a in enumerate(arrays))
        carry, ys = scan(lambda c, x, w=w: (ts.tanh(c @ w + x), x @ w), c, xs)
        assert carry.requires_grad is bool(active)
        assert ys.requires_grad is bool(active >> 1)
        if active:
            (carry.sum() + (ys.sum() if ys.requires_grad else 0.0)).backward()
        for i, t in enumerate((c, xs, w)):
            assert (t.grad is not None) is bool(active >> i & 1)
        if active == 7:
            expected = [t.grad.numpy() for t in (c, xs, w)]
    for active in range(1, 8):
        by = [ts.tensor(a, requires_grad=bool(active >> i & 1)) for i, a in enumerate(arrays)]
        carry, ys = scan(lambda c, x, w=by[2]: (ts.tanh(c @ w + x), x @ w), by[0], by[1])
        (carry.sum() + (ys.sum() if ys.requires_grad else 0.0)).backward()
        for t, e in zip(by, expected, strict=True):
            if t.requires_grad:
                assert_allclose(t.grad.numpy(), e, rtol=1e-12)


def test_an_output_that_depends_on_nothing_with_a_gradient_is_off_the_tape():
    c, xs = leaf(normal(3)), ts.tensor(normal(4, 3))
    carry, (a, b, d) = scan(lambda c, x: (c * x, (x * 2.0, c > 0, ts.stop_gradient(c))), c, xs)
    assert carry.requires_grad
    assert not (a.requires_grad)
    assert not (b.requires_grad)
    assert not (d.requires_grad)
    free, _ = scan(lambda c, x: (ts.stop_gradient(c) * x, None), c, xs)
    assert not free.requires_grad


def test_no_rule_runs_for_what_needs_no_gradient():
    """The rule of an argument that is a constant is not called."""
    calls = []

    @ts.primitive("(),()->()")
    def product(x, y, /):
        """z = x y"""
        return x * y

    product.vjp(lambda g, y: (calls.append("x"), g * y)[1], lambda g, x: (calls.append("y"), g * x)[1])
    w, xs = ts.tensor(normal(3)), ts.tensor(normal(4, 3))
    c = leaf(normal(3))
    carry, _ = scan(lambda c, x: (product(c, w) + x, None), c, xs)
    carry.sum().backward()
    assert set(calls) == {"x"}
    calls.clear()
    with ts.no_grad():
        scan(lambda c, x: (product(c, w) * x, None), c, xs)
    assert not calls


def test_unused_inputs_have_no_gradient():
    c, xs, u = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3))
    carry, ys = scan(lambda c, x: (ts.tanh(c), ts.exp(c)), c, xs)
    found = ts.grad([carry, ys], [c, xs, u], [np.ones(3), np.ones((4, 3))])
    assert found[0] is not None
    assert found[1] is None
    assert found[2] is None


def test_grad_of_one_argument_alone():
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))
    step = lambda c, x: (ts.tanh(c @ w + x), c)  # noqa: E731
    for one in (c, xs, w):
        found, expected = (ts.grad(loop(step, c, xs)[1].sum(), one).numpy() for loop in (scan, unrolled))
        agree(found, expected)


def test_an_intermediate_before_the_loop():
    """The gradient of a tensor that is not a leaf, and of both it and its leaf."""
    a = leaf(normal(4, 3))
    xs = ts.tanh(a)
    results = []
    for loop in (scan, unrolled):
        carry, ys = loop(lambda c, x: (ts.tanh(c + x), c * x), ts.tensor(np.zeros(3)), xs)
        results.append([g.numpy() for g in ts.grad(carry.sum() + ys.sum(), [xs, a], retain_graph=True)])
    agree(*results)


def test_the_gates_obey_the_laws_of_a_primitive():
    """The op is not in the registry, because only programs contain it."""
    check_primitive(gates.GATES.function)


def test_a_gradient_within_the_step_is_a_constant_unless_asked_for_otherwise():
    """As in the loop: without create_graph no derivative passes through it."""
    c, xs, w = leaf(normal(3)), leaf(normal(4, 3)), leaf(normal(3, 3))

    def step(c, x):
        e = ts.square(ts.tanh(c @ w)).sum()
        g = ts.grad(e, c, retain_graph=True)
        h = ts.tanh(c - 0.1 * g + x)
        return h, g

    is_the_loop(step, c, xs, [c, xs])


def test_only_the_gradients_that_are_asked_for_are_computed():
    """Two products are needed for the carry; the product for a weight is computed only for that weight."""
    c, xs, w, v = leaf(normal(2, 3)), leaf(normal(4, 2, 3)), leaf(normal(3, 3)), leaf(normal(3, 3, seed=1))
    results = []
    PROGRAMS.clear()
    for loop in (unrolled, scan):
        _, ys = loop(lambda c, x: (ts.tanh(c @ w + ts.tanh(x * c) @ v),) * 2, c, xs)
        total = ts.square(ys).sum()
        results.append([ts.grad(total, t, retain_graph=True).numpy() for t in (w, v, xs, c)])
    agree(*results)
    (compiled,) = PROGRAMS.values()
    (loop,) = compiled.loops.values()
    programs = [back.program for back in loop.backwards.values()]
    products = [sum(call.op.name == "matmul" for call in program.operations) for program in programs]
    assert products == [4, 3, 3, 2, 2]  # for all, then for w, v, xs, c


def test_a_carry_that_takes_the_value_of_another_to_second_order():
    """A delay line: the carries after a step are read before any of them is overwritten."""
    w, xs = leaf(0.5), leaf(np.array([1.0, 2.0, 3.0, 4.0]))

    def second(loop):
        def step(c, x):
            a, b = c
            return (a * b * w + x, a), a + b

        _, ys = loop(step, (ts.tensor(np.array(0.3)), ts.tensor(np.array(0.7))), xs)
        slope = ts.grad(ys.sum(), w, create_graph=True)
        return [g.numpy() for g in ts.grad(slope, [w, xs])]

    for found, expected in zip(second(scan), second(unrolled), strict=True):
        assert_allclose(found, expected, rtol=1e-12)


def test_a_part_that_is_a_carry_and_goes_through_a_gate():
    h, xs = leaf(np.array([0.3, -0.2])), leaf(np.array([[1.0, 2.0], [0.5, -1.0], [-0.4, 0.1]]))

    def step(h, x):
        i, f = ts.split(ts.concatenate([h * 0.7 + x, h - x]), 2)
        return i, ts.sigmoid(i) * ts.tanh(f)

    is_the_loop(step, h, xs, [h, xs])


def test_parts_of_unequal_size_that_go_through_gates():
    h, xs = leaf(np.array([0.3, -0.2, 0.5, 0.1])), leaf(np.linspace(-1, 1, 12).reshape(3, 4))

    def step(h, x):
        i, f = ts.split(h * 0.7 + x, [1])
        return ts.concatenate([ts.sigmoid(i), ts.tanh(f)]), None

    is_the_loop(step, h, xs, [h, xs])


def test_integers_of_a_loop_in_the_step_of_another():
    """No derivative passes to them, but they belong to the step like every other value."""
    xs = ts.tensor([[1, 2], [3, 4], [5, 6]])

    def values(loop):
        made = loop(lambda c, x: loop(lambda d, x: (d + x, d * x), c, x), ts.tensor(1), xs)
        return [z.numpy() for z in made]

    for found, expected in zip(values(scan), values(unrolled), strict=True):
        assert_array_equal(found, expected)
