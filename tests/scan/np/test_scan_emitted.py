"""The source that scan emits, and the memory that it uses."""

import re

import numpy as np
import pytest
from combined import COMBINED
from hypothesis import given
from hypothesis import strategies as st
from loops import is_the_loop, leaf
from numpy.testing import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan.np import lines
from tinygrad_seq.scan.np.lines import IN_PLACE
from tinygrad_seq.scan.over_time import PROGRAMS

CELLS = [pytest.param(kind, id=name) for name, kind in (nn.CELLS | COMBINED).items()]

pytestmark = pytest.mark.in_numpy


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def loops():
    """The loops of all programs that were run, forward and backward."""
    for compiled in PROGRAMS.values():
        for what in compiled.loops.values():
            yield what.loop
            yield from (back.loop for back in what.backwards.values())


def run_cell(kind):
    PROGRAMS.clear()
    cell = kind(3, 4, rng=0, dtype=np.float64)
    xs = leaf(normal(5, 2, 3))
    init = cell.initial_state(2, like=xs)
    is_the_loop(cell, init, xs, [xs, *cell.parameters()])
    return list(loops())


@pytest.mark.parametrize("kind", CELLS)
def test_no_op_of_a_cell_is_left_to_its_forward_function(kind):
    """Except a scan in it, which has its own program, elements at index arrays, z = x[i, j], and an argmax."""
    for loop in run_cell(kind):
        left = [line for line in loop.code.source.splitlines() if "forward__" in line]
        assert all("call=" in line or re.search(r"# .*\[|= argmax\(", line) for line in left)


def test_what_a_cell_joins_is_written_in_place():
    """The gradients of an LSTM's gates are written directly into da, and not copied."""
    for loop in run_cell(nn.LSTMCell):
        assert "[place" not in loop.code.source
        assert "copyto" not in loop.code.source


@pytest.mark.host("products are cut for OpenBLAS alone")
def test_products_cut_in_columns(monkeypatch):
    """Large products are cut into pieces, for every kind of memory of the result, and for y constant or not."""
    monkeypatch.setattr(lines, "SMALL", 20)
    PROGRAMS.clear()
    w, v, c, xs = leaf(normal(4, 4)), leaf(normal(4, 6)), leaf(normal(3, 4)), leaf(normal(5, 4, 4))

    def step(state, x):
        h, m = state
        wide = ts.tanh(h @ v)
        joined = ts.concatenate([h @ w, wide @ v.mT], axis=-1)
        return (ts.tanh(h @ x), m @ w), (joined, h @ m[:3].mT @ h)

    is_the_loop(step, (c, w), xs, [w, v, c, xs])
    assert all("columns(" in loop.code.source for loop in loops())


@pytest.mark.host("CuPy sums short axes as quickly as others")
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_sum_along_a_short_axis_is_a_product(keepdims):
    """For 2 ... 32 numbers; longer sums are left to np.sum, which is more accurate."""
    for size, short in ((1, False), (2, True), (32, True), (33, False)):
        PROGRAMS.clear()
        c, xs = leaf(normal(3, size)), leaf(normal(4, 3, size))

        def step(h, x):
            total = ts.sum(ts.tanh(h + x), axis=-1, keepdims=keepdims)
            return h * 0.5 + (total if keepdims else ts.reshape(total, (3, 1))), total

        is_the_loop(step, c, xs, [c, xs])
        assert any("ones__" in loop.code.source for loop in loops()) == short


def test_the_product_of_a_column_and_a_row():
    PROGRAMS.clear()
    c, xs = leaf(normal(2, 3, 1)), leaf(normal(4, 2, 1, 3))

    def step(h, x):
        outer = h @ x
        return ts.tanh(outer @ h), outer

    is_the_loop(step, c, xs, [c, xs])
    lines = [line for loop in loops() for line in loop.code.source.splitlines() if "# outer = h" in line]
    assert lines
    assert all(line.strip().startswith("multiply(") for line in lines)


def test_constants_that_broadcast(monkeypatch):
    PROGRAMS.clear()
    row, column, number = leaf(normal(4)), leaf(normal(3, 1)), leaf(normal())
    c, xs, table = leaf(normal(3, 4)), leaf(normal(5, 4)), normal(1, 4)

    def step(h, x):
        h = ts.tanh(h * row + x) / (2 + ts.square(column)) - table * h
        return h + number, (h * row).sum() * row

    is_the_loop(step, c, xs, [row, column, number, c, xs])
    assert any("full(" in loop.code.source for loop in loops())


@pytest.mark.parametrize("number", [-np.inf, np.inf, np.nan, 1e300])
def test_a_softmax_of_what_is_masked_or_no_number(number):
    """As in the op itself: the softmax of a row of -inf is 0, and NaN stays NaN."""
    PROGRAMS.clear()
    table = ts.tensor(np.where([[True, True], [True, False], [False, False]], number, 0.5))
    with np.errstate(all="ignore"):
        h, _ = ts.scan(lambda h, x: (ts.softmax(table + h), None), ts.tensor(np.zeros((3, 2))), length=1)
        expected = ts.softmax(table)
    assert any("maximum(m__" in loop.code.source for loop in loops())
    assert_array_equal(h.numpy(), expected.numpy())


# --- memory -------------------------------------------------------------------------------------------


def memory(loop):
    """For every call that does work, the arrays of its arguments and of its results at each step."""
    runs = [work for works in loop.shelf.works.values() for work in works.values()]
    for call, work in ((call, work) for work in runs[-1:] for call in loop.plan.calls):
        for t in range(work.n):
            arrays = [
                [work.rows[v][t] if v in work.rows else work.memory.get(v) for v in values]
                for values in (call.inputs, call.outputs)
            ]
            yield call, *([x for x in part if x is not None] for part in arrays)


def is_lawful(loop):
    """An op overwrites an argument only if it works element by element, and writes to the same elements."""
    for call, inputs, outputs in memory(loop):
        for z in outputs:
            for x in inputs:
                if np.shares_memory(x, z) and call.op.name not in ("concatenate", "stack", "reshape"):
                    assert call.op.name in IN_PLACE, call
                    interface = (
                        "__array_interface__" if isinstance(x, np.ndarray) else "__cuda_array_interface__"
                    )
                    assert getattr(x, interface) == getattr(z, interface), call


@pytest.mark.parametrize("kind", CELLS)
def test_no_op_of_a_cell_overwrites_what_it_reads(kind):
    for loop in run_cell(kind):
        is_lawful(loop)


def both_ways(m, c):
    """A value that is used with rows of three and with rows of two."""
    return ts.reshape(m, (3, 2)).mT + ts.concatenate([m, c], axis=1)[:, :3]


OPS = {
    "where": lambda a, b, c: ts.where(a > b, b, c),
    "where, one dies": lambda a, b, c: ts.where(a > 0, b, 0.5) + c,
    "clip": lambda a, b, c: ts.clip(a, b, c),
    "sigmoid": lambda a, b, c: ts.sigmoid(a) * b + c,
    "safe product": lambda a, b, c: ts.safe_product(a, b) + c,
    "maximum": lambda a, b, c: ts.maximum(ts.maximum(a, b), c),
    "row": lambda a, b, c: a * b[:1] + c,
    "part": lambda a, b, c: ts.concatenate([a[:1] * b[:1], c[1:] * c[:1]]) + a,
    "both ways": lambda a, b, c: both_ways(a * b, c),
    "joined": lambda a, b, c: sum(ts.split(ts.concatenate([a, b * c]), 2)),
    "spread": lambda a, b, c: (lambda m: m + m[:1])(ts.concatenate([ts.exp(a[:1]), ts.exp(b[1:])])),
    "stacked": lambda a, b, c: ts.unstack(ts.stack([a * b, c, a]))[0] + c,
    "parted": lambda a, b, c: ts.reshape(ts.transpose(ts.tanh(a * b)), (2, 3)) + c,
    "product": lambda a, b, c: a @ b.mT @ c,
    "column and row": lambda a, b, c: a[:, :1] @ ts.tanh(b[:1]) + c,
    "short sum": lambda a, b, c: ts.sum(a * b, axis=-1, keepdims=True) * c + ts.sum(c * b, axis=1)[0],
    "softmax": lambda a, b, c: ts.softmax(a * b) + ts.softmax(c, axis=0),
    "softplus": lambda a, b, c: ts.softplus(a) * b + ts.softplus(c),
    "power": lambda a, b, c: ts.softplus(a) ** b + c,
    "rolled": lambda a, b, c: ts.roll(a * b, 1, axis=0) + ts.roll(c, -2, axis=-1) * ts.roll(a, 4, axis=1),
    "reshaped": lambda a, b, c: ts.reshape(ts.reshape(a * b, (6,)), (2, 3)) + c,
    "reshaped part": lambda a, b, c: ts.reshape(ts.split(a * b, [2], axis=1)[0], (4,))[:1] + c,
}


def test_memory_of_a_join_of_joins_is_not_used_in_between():
    """What is written into a join early stays there while other values of the same shape come and go."""
    w = leaf(normal(6))

    def step(h, x):
        early = ts.exp(h * 0.1)
        other = ts.tanh(w * h[0])  # of the shape of the outer join, and not read any more when that is made
        late = h * ts.sum(other)
        inner = ts.concatenate([early, late])
        outer = ts.concatenate([inner, early * x])
        return ts.tanh(outer[:2] * outer[2:4] + outer[4:] * x), None

    for made in (leaf, ts.tensor):
        h, xs = made(normal(2)), made(normal(4, 2))
        is_the_loop(step, h, xs, [w] if made is ts.tensor else [h, xs, w])
    with ts.no_grad():
        is_the_loop(step, ts.tensor(normal(2)), ts.tensor(normal(4, 2)))


def test_a_share_that_is_summed_over_the_steps_outlives_the_join_that_it_is_written_into():
    """Backwards: the cotangent of a part of a split is written into the whole, and is also that of a bias."""
    b, h, xs = leaf(normal(3)), leaf(normal(6)), ts.tensor(normal(4, 6))

    def step(h, x):
        p, q = ts.split(ts.exp(h * 0.1) * x, 2)
        return ts.concatenate([ts.tanh(p + b), ts.sin(q)]) * h, None

    is_the_loop(step, h, xs, [b, h])


def test_a_carry_that_is_a_view_keeps_its_memory_until_it_is_copied():
    """At the end of the step; what is computed in between has other memory."""

    def step(carry, x):
        h, k = carry
        after = ts.transpose(ts.tanh(h * x))
        other = ts.sin(ts.cos(ts.exp(h * 0.5) * k) * k)
        return (after, ts.tanh(other)), None

    h, k, xs = ts.tensor(normal(3, 3)), ts.tensor(normal(3, 3, seed=1)), ts.tensor(normal(4, 3, 3))
    is_the_loop(step, (h, k), xs)


def test_zero_times_infinity_is_zero_in_the_loop():
    """safe_product by a value that is infinite at the steps where the other is 0, in its place in the loop."""

    def step(h, x):
        h = ts.safe_product(h, 1 / h) - 1 + x  # 0 1/0 = 0, and otherwise 1
        return h, h

    xs = np.array([[1.0, 2.0], [0.0, 1.0], [0.0, -1.0]])
    with np.errstate(divide="ignore"):
        finals, hs = ts.scan(step, ts.tensor(np.zeros(2)), xs)
    assert finals.numpy().tolist() == [0.0, -1.0]
    assert hs.numpy().tolist() == [[0.0, 1.0], [-1.0, 1.0], [0.0, -1.0]]


def test_zero_times_an_infinite_number_is_zero_in_the_loop():
    """A singular partial derivative that is a number: safe_product(g, inf), in the loop backwards."""

    @ts.primitive("()->()")
    def jump(x, /):
        """z = x, and infinitely steep"""
        return x + 0

    jump.partials(lambda: np.inf, singular=True)
    c, xs = leaf(np.array([1.0, 2.0])), leaf(normal(3, 2))

    def step(h, x):
        return ts.where(x > 9, jump(h * h), 0.5 * h) + x, h  # jump gets the cotangent 0

    is_the_loop(step, c, xs, [c, xs])
    h, hs = ts.scan(step, c, xs)
    assert_array_equal(ts.grad(hs.sum() + h.sum(), c).numpy(), [1.875, 1.875])


@given(names=st.lists(st.sampled_from(sorted(OPS)), min_size=1, max_size=6), seed=st.integers(0, 9))
def test_no_op_overwrites_what_it_reads(names, seed):
    """And every loop gives the right values, for any order in which values reuse the memory of others."""
    PROGRAMS.clear()
    arrays = normal(2, 3, seed=seed), normal(3, 2, 3, seed=seed), normal(2, 3, seed=seed + 1)

    def step(h, x):
        a, b = h, x
        for name in names:
            a, b = ts.tanh(OPS[name](a * 1.5, b * 0.5, a * w)), a  # from values that are not read again
        return a, b

    for made in (leaf, ts.tensor):  # with gradients most values are kept, without none
        c, xs, w = map(made, arrays)
        is_the_loop(step, c, xs, [x for x in (c, xs, w) if x.requires_grad])
    for loop in loops():
        is_lawful(loop)
