"""The law of groups: run by an interpreter, in the memory that they were given, they compute the loop.

Every loop is also checked for the laws that need no numbers (`group_laws.py`): who may read what, and where
values lie.
"""

from collections import Counter, OrderedDict

import numpy as np
import pytest
from choices import Choices, Drawn
from combined import COMBINED
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_groups import (
    UNSUPPORTED,
    backward,
    check,
    check_both,
    check_step,
    checking,
    forward,
    of_step,
    results,
)
from loop_results import misused, refusal
from random_calls import NAMES
from random_steps import written

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan import over_time, scan, unrolled
from tinygrad_seq.scan.emitters import C
from tinygrad_seq.scan.np import loop as numpy_loop

MANY = settings(max_examples=max(100, settings().max_examples))


# --- cells --------------------------------------------------------------------------------------------


def with_c_forms(monkeypatch):
    """Loops in a step take the form that they have in C, where nothing is hoisted, and run as NumPy."""
    monkeypatch.setattr(over_time, "PROGRAMS", OrderedDict())
    monkeypatch.setattr(over_time, "emitter_of", lambda program: C._replace(ready=numpy_loop.Loop))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("steps", "batch"), [(3, 2), (2, 1)])
@pytest.mark.parametrize("name", sorted(nn.CELLS | COMBINED))
def test_every_cell(name, steps, batch, dtype, reverse, monkeypatch):
    with_c_forms(monkeypatch)
    rng = np.random.default_rng(0)
    cell = (nn.CELLS | COMBINED)[name](3, 5, rng=rng, dtype=dtype)
    xs = ts.tensor(rng.normal(size=(steps, batch, 3)).astype(dtype))
    words = check_both(forward(cell, cell.initial_state(batch, like=xs), xs), reverse)
    assert words == ["groups", "groups"]


# --- random programs ----------------------------------------------------------------------------------

REASONS = UNSUPPORTED | {"indexing by a mask", "indices of a number", "groups", "refused"}


def run_one(choices, must=None, inner=unrolled):
    """Check the groups of all loops of a random program, forward and backward; what was seen."""
    program = written(choices, must)
    words = Counter()
    given = zip(program.arrays(), program.given, strict=True)
    tensors = [ts.tensor(x, requires_grad=g.gradient) for x, g in given]
    try:
        with np.errstate(all="ignore"):
            program.function()(checking(words, inner), *tensors)
    except Exception as error:
        if not (program.refused or misused(program, error) or refusal(program, error)):
            raise
    assert all(word in REASONS or "float16" in word for word in words), words
    return words


@MANY
@given(st.data())
def test_a_random_program(data):
    run_one(Drawn(data.draw))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=max(2, settings().max_examples // 10))
@given(data=st.data())
def test_a_random_program_with(name, data):
    run_one(Drawn(data.draw), name)


def test_a_random_program_with_loops_in_loops(monkeypatch):
    """An inner loop is one assignment of the outer step, which has its memory."""
    with_c_forms(monkeypatch)
    words = sum((run_one(Choices(0, number), inner=scan) for number in range(80)), Counter())
    assert words["groups"] > 0.8 * words.total()


def test_most_random_programs_have_groups():
    words = sum((run_one(Choices(0, number)) for number in range(100)), Counter())
    assert words["groups"] > 0.8 * words.total()


# --- one law after the other --------------------------------------------------------------------------


def forms(groups):
    """For each group its space, or "product", and the ops in it."""
    ops = ((g.space or "product", [getattr(item, "op", "matmul") for item in g.items]) for g in groups.groups)
    return [(space, [getattr(op, "name", op or "convert") for op in made]) for space, made in ops]


def test_an_lstm_is_two_products_and_one_group():
    rng = np.random.default_rng(0)
    cell = nn.LSTMCell(3, 5, rng=rng)
    xs = ts.tensor(rng.normal(size=(2, 4, 3)).astype(np.float32))
    found = forms(check(forward(cell, cell.initial_state(4, like=xs), xs)))
    assert [space for space, _ in found] == ["product", "product", (4, 5)]


STACKS = {  # the shapes of two factors, and whether they are turned; batches of 4, 3 and 16 rows
    "wide": ((4, 3, 5), (4, 5, 16), ()),
    "narrow": ((4, 6, 5), (4, 5, 4), ()),
    "long rows": ((4, 1, 5), (4, 5, 17), ()),
    "the left one turned": ((4, 5, 6), (4, 5, 16), ("x",)),
    "the right one turned": ((4, 6, 5), (4, 7, 5), ("y",)),
    "two axes": ((4, 2, 6, 5), (4, 2, 5, 4), ()),
    "two axes, one broadcast": ((4, 1, 6, 5), (4, 2, 5, 4), ()),
    "two axes, the other broadcast": ((2, 6, 5), (4, 1, 5, 4), ()),
    "an axis of length 1": ((3, 1, 6, 5), (3, 1, 5, 4), ()),
    "in blocks": ((16, 6, 5), (16, 5, 4), ()),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_of_products_is_one_group(name):
    """Forward and backward; also if its factors are computed in the step."""
    left, right, turned = STACKS[name]
    y = np.random.default_rng(0).normal(size=right)

    def step(h, x):
        a, b = ts.tanh(x) * h, ts.tensor(y) * h
        return h, (a.mT if "x" in turned else a) @ (b.mT if "y" in turned else b)

    xs = np.random.default_rng(1).normal(size=(3, *left))
    found = check_step(step, np.float64(0.5), xs)
    assert [space for space, _ in forms(found)].count("product") == 1
    assert check_both(of_step(step, np.float64(0.5), xs)) == ["groups", "groups"]


def test_short_products_in_a_stack_are_sums():
    """Packing a factor for two rows takes longer than it saves; a wide one needs no packing."""
    for rows, columns, turned in [(2, 9, False), (9, 2, False), (2, 20, True)]:
        h = np.random.default_rng(0).normal(size=(4, columns, 5) if turned else (4, 5, columns))

        def step(h, x, turned=turned):
            return ts.tanh(h), x @ (h.mT if turned else h)

        found = check_step(step, h, np.ones((2, 4, rows, 5)))
        assert "product" not in [space for space, _ in forms(found)]


def test_two_carries_of_one_value_have_a_row_each():
    zeros = ts.tensor(np.zeros(3))
    found = forward(lambda c, x: ((c[0] + c[1] + x,) * 2, None), (zeros, zeros), ts.tensor(np.ones((4, 3))))
    assert check_both(found) == ["groups", "groups"]


def test_a_value_in_a_register_has_no_memory():
    """Of tanh(x + h) h only the last value is carried."""
    found = check_step(lambda h, x: (ts.tanh(x + h) * h, None), np.ones((2, 3)), np.ones((4, 2, 3)))
    assert forms(found) == [((2, 3), ["add", "tanh", "multiply"])]
    assert found.size == 0


def test_scratch_memory_is_used_again():
    """Each sum needs the one before it, and no other."""

    def step(h, x):
        for _ in range(5):
            h = h - h.sum(axis=0, keepdims=True)
        return h, None

    found = check_step(step, np.ones((4, 16)), np.ones((3, 1)))
    one, many = 64 * 16 // 8, 64 * 64 // 8  # bytes of a sum, and of a value
    assert found.size <= 2 * (one + many)


def test_numbers_that_are_added_are_added_in_order():
    """In float32, 1e8 + 1 - 1e8 is 0, and any other order gives 1."""
    x, i = np.float32([1e8, 1, -1e8, 1]), np.array([0, 0, 0, 1])
    loop = of_step(lambda h, x: (h + ts.scatter_add(ts.zeros_like(h), i, x), None), np.float32([0, 0]), x[None])
    assert check(loop)
    np.testing.assert_array_equal(results(loop)[0][0], np.float32([0, 1]))


def test_a_long_sum_of_float32_is_added_in_float64():
    """Each 1 that is added to 2^24 in float32 is lost."""
    x = np.ones((1, 3, 2001), np.float32)
    x[0, :, 0] = 2**24
    loop = of_step(lambda h, x: (ts.sum(x, axis=1), None), np.zeros(3, np.float32), x)
    np.testing.assert_array_equal(results(loop)[0][0], np.full(3, 2**24 + 2000, np.float32))


def test_a_total_of_float32_is_added_in_float64():
    """The gradient of a constant: a sum over the steps."""
    x = np.ones((2001, 2), np.float32)
    x[0] = 2**24
    w = ts.tensor(np.zeros(2, np.float32), requires_grad=True)
    loop = forward(lambda h, x: (h, w * x), ts.tensor(np.float32(0)), ts.tensor(x))
    _, back = backward(loop, 0, False)
    back = back._replace(arrays=[x, np.ones_like(x), w.numpy()])  # dw = sum_t x dy
    np.testing.assert_array_equal(results(back)[2], [np.full(2, 2**24 + 2000, np.float32)])
