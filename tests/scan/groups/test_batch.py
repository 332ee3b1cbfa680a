"""The batch in blocks: a block is computed from its own rows; where that cannot be, the batch stays whole."""

from collections import OrderedDict

import numpy as np
import pytest
from combined import COMBINED
from hypothesis import given
from hypothesis import strategies as st
from loop_blocks import check_blocks, split
from loop_groups import backward, forward

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan import over_time
from tinygrad_seq.scan.c.hoisting import IN_C
from tinygrad_seq.scan.emitters import C
from tinygrad_seq.scan.groups.batch import Blocks, blocks_of, moved
from tinygrad_seq.scan.np import loop as numpy_loop

CELLS = nn.CELLS | COMBINED
WHOLE = {"adaptive"}  # a loop in its step


@pytest.fixture(autouse=True)
def inner_loops(monkeypatch):
    """A loop in a step is assigned with the step: nothing is compiled."""
    monkeypatch.setattr(over_time, "PROGRAMS", OrderedDict())
    monkeypatch.setattr(over_time, "emitter_of", lambda program: C._replace(ready=numpy_loop.Loop))


def both(step, init, xs, reverse=False):
    """The numbers of blocks, forward and backward, each of them checked."""
    loop = forward(step, init, xs, hoisting=IN_C)
    pair = backward(loop, 0, reverse, hoisting=IN_C)
    if pair is None:
        return [check_blocks(loop, reverse)]
    return [check_blocks(pair[0], reverse), check_blocks(pair[1], not reverse)]


@pytest.mark.parametrize("batch", [16, 17, 32, 48])
@pytest.mark.parametrize("name", sorted(CELLS.keys() - WHOLE))
def test_every_cell_is_split(name, batch):
    rng = np.random.default_rng(0)
    cell = CELLS[name](3, 5, rng=rng, dtype=np.float64)
    xs = ts.tensor(rng.normal(size=(2, batch, 3)))
    count = {16: 2, 17: 1, 32: 2, 48: 2}[batch]
    assert both(cell, cell.initial_state(batch, like=xs), xs, reverse=batch == 32) == [count, count]


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_cell_that_stays_whole(name):
    rng = np.random.default_rng(0)
    cell = CELLS[name](3, 5, rng=rng, dtype=np.float64)
    xs = ts.tensor(rng.normal(size=(2, 16, 3)))
    loop = forward(cell, cell.initial_state(16, like=xs), xs, hoisting=IN_C)
    assert split(loop).given.blocks == 1


def test_sizes_that_are_all_equal():
    """The batch axis is found by where it comes from: the weights have axes of the same length."""
    rng = np.random.default_rng(0)
    for make in (nn.LSTMCell, nn.GRUCell):
        cell = make(16, 16, rng=rng, dtype=np.float64)
        xs = ts.tensor(rng.normal(size=(2, 16, 16)))
        assert both(cell, cell.initial_state(16, like=xs), xs) == [2, 2]


def test_a_square_state_and_its_transpose():
    """Both have the length of the batch along both axes."""
    xs = ts.tensor(np.random.default_rng(0).normal(size=(2, 16, 16)))
    assert both(lambda h, x: (ts.tanh(h + h.T * x), None), xs[0], xs) == [1, 1]


# --- steps that are drawn -----------------------------------------------------------------------------------

APART = {  # steps of which each row is computed from itself
    "tanh": lambda h, x, w: ts.tanh(h),
    "add": lambda h, x, w: h + x,
    "multiply": lambda h, x, w: h * w[0],
    "product": lambda h, x, w: h @ w,
    "softmax": lambda h, x, w: ts.softmax(h * x, axis=1),
    "norm": lambda h, x, w: h / ts.sqrt((h * h).mean(axis=1, keepdims=True) + 1),
    "backwards": lambda h, x, w: h[:, ::-1],
    "rolled": lambda h, x, w: ts.roll(h, 1, 1),
    "joined": lambda h, x, w: ts.concatenate([h[:, 2:], x[:, :2]], axis=1),
    "heads": lambda h, x, w: h.reshape(len(h), 2, -1).transpose(0, 2, 1).reshape(h.shape) * 0.5,
    "where": lambda h, x, w: ts.where(x > 0, h, w[1] * x),
    "running": lambda h, x, w: ts.cumsum(h, axis=1) * 0.1,
    "running product": lambda h, x, w: ts.cumprod(h, axis=1) * 0.1,
    "product of a row": lambda h, x, w: h / (1 + ts.prod(h, axis=1, keepdims=True) ** 2),
    "gathered": lambda h, x, w: h[:, [1, 0, 0, 3] + [2] * (h.shape[1] - 4)],
    "flat": lambda h, x, w: (h.reshape(-1) * x.reshape(-1)).reshape(h.shape),
    "other axis": lambda h, x, w: ts.stack([h, x]).sum(axis=0),
    "of weights": lambda h, x, w: h * ts.tanh(w).sum(axis=0),
}
ACROSS = {  # steps that mix rows
    "mean": lambda h, x, w: h - h.mean(axis=0),
    "rolled over rows": lambda h, x, w: ts.roll(h, 1, 0),
    "rows backwards": lambda h, x, w: h[::-1],
    "softmax over rows": lambda h, x, w: ts.softmax(h, axis=0),
    "attention": lambda h, x, w: ts.tanh(h @ h.T) @ x * 0.1,
    "running over rows": lambda h, x, w: ts.cumsum(h, axis=0) * 0.1,
    "running product over rows": lambda h, x, w: ts.cumprod(h, axis=0) * 0.1,
    "product over rows": lambda h, x, w: h * ts.prod(ts.tanh(x), axis=0),
    "triangle": lambda h, x, w: ts.tril(h) + x,
    "first row": lambda h, x, w: h * h[:1],
    "largest": lambda h, x, w: h / (1 + ts.max(h * h)),
    "rows by index": lambda h, x, w: h[np.arange(len(h)) ^ 1],
}


def of(names):
    """A step of these parts; its arguments."""

    def made(rows, width):
        rng = np.random.default_rng(0)
        w = ts.tensor(rng.normal(size=(width, width)) / 4, requires_grad=True)

        def step(h, x):
            for name in names:
                h = (APART | ACROSS)[name](h, x, w)
            return h, (h * 2, h.sum(axis=1))

        return step, ts.tensor(rng.normal(size=(rows, width))), ts.tensor(rng.normal(size=(2, rows, width)))

    return made


@given(st.lists(st.sampled_from(sorted(APART)), min_size=1, max_size=5), st.sampled_from([4, 6, 16]))
def test_steps_that_keep_rows_apart(names, width):
    """In two blocks, also if the features are as many as the rows."""
    step, h, xs = of(names)(16, width)
    loop = forward(step, h, xs, hoisting=IN_C)
    assert split(loop).given.blocks == 1 + ("other axis" not in names)
    both(step, h, xs)


@given(st.lists(st.sampled_from(sorted(APART | ACROSS)), min_size=1, max_size=4), st.sampled_from([4, 16]))
def test_any_steps(names, width):
    """Whatever is split is right."""
    both(*of(names)(16, width))


@pytest.mark.parametrize("name", sorted(ACROSS))
def test_rows_that_are_mixed_stay_together(name):
    assert both(*of(["add", name, "tanh"])(16, 5)) == [1, 1]


@pytest.mark.parametrize("name", sorted(APART.keys() - {"other axis"}))
def test_rows_that_are_apart_are_split(name):
    assert both(*of(["add", name, "tanh"])(16, 6)) == [2, 2]


def test_a_batch_that_is_the_second_axis():
    """Rows of a value in the step must lie one after another."""
    assert both(*of(["other axis"])(16, 6))[0] == 1


# --- what is carried and summed -----------------------------------------------------------------------------


def test_a_carry_without_rows():
    """A counter is one number for all rows."""

    def step(state, x):
        h, t = state
        return (h * 0.5 + x / (t + 1), t + 1), h

    xs = ts.tensor(np.ones((2, 16, 3)))
    assert both(step, (xs[0], ts.tensor(np.float64(0))), xs) == [1, 1]


def test_carries_of_unequal_batches():
    xs = ts.tensor(np.ones((2, 16, 3)))
    assert both(
        lambda s, x: ((ts.tanh(s[0] + x), s[1] * 0.5), None), (xs[0], ts.tensor(np.ones((32, 2)))), xs
    ) == [1, 1]


def test_an_output_without_rows():
    """A loss of a step is the sum of all rows, which no thread has alone."""
    xs = ts.tensor(np.ones((2, 16, 3)))
    assert both(lambda h, x: (ts.tanh(h + x), (h * x).sum()), xs[0], xs)[0] == 1


def test_a_gradient_without_rows():
    """What the same loop adds up of weights alone must not be added once for each block."""
    w = ts.tensor(np.ones((3, 3)), requires_grad=True)
    xs, times = ts.tensor(np.ones((2, 16, 3))), ts.tensor(np.arange(2))

    def step(h, inputs):
        x, t = inputs
        return ts.tanh(h + x), ts.tanh(w * t).sum()

    assert both(step, xs[0], (xs, times)) == [1, 1]


def test_memory_whose_second_axis_is_the_batch():
    """Vectors that all steps look at, with time before the batch."""
    rng = np.random.default_rng(0)
    seen = ts.tensor(rng.normal(size=(4, 16, 3)), requires_grad=True)

    def step(h, x):
        scores = ts.softmax((seen * h).sum(axis=2), axis=0)
        return ts.tanh(h + x + (scores.reshape(4, 16, 1) * seen).sum(axis=0)), None

    xs = ts.tensor(rng.normal(size=(2, 16, 3)))
    assert both(step, xs[0], xs) == [1, 1]


def test_an_input_whose_second_axis_is_the_batch():
    """It is split where every step reads it row by row."""
    xs = ts.tensor(np.random.default_rng(0).normal(size=(2, 4, 16, 3)))
    h = ts.tensor(np.zeros((16, 3)))
    rows = forward(lambda h, x: (ts.tanh(h + x[2] * x[3]), None), h, xs, hoisting=IN_C)
    first_for_all = forward(lambda h, x: (ts.tanh(h + x[2] * x[3, 0]), None), h, xs, hoisting=IN_C)
    assert check_blocks(rows) == 2
    assert check_blocks(first_for_all) == 1


# --- blocks ---------------------------------------------------------------------------------------------------


@given(st.integers(1, 2000))
def test_blocks_are_equal_and_not_small(rows):
    count = blocks_of(rows)
    assert rows % count == 0
    assert count == 1 or (rows // count >= 8 and rows >= 16)
    assert count <= 16


def test_an_axis_of_blocks_equals_no_other():
    assert Blocks(4) == Blocks(4)
    assert (Blocks(4), 8) != (4, 8)
    assert len({Blocks(4), 4, Blocks(4)}) == 2
    assert moved((3, Blocks(4), 8, 5)) == 40
    assert moved((3, 4, 8, 5)) == 0
