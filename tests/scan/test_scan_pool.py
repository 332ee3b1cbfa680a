"""The pool of workspaces: in which order they are dropped, the limit in bytes, and what is freed when."""

import gc
import linecache
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from racing import at_once, haste
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan.np import loop
from tinygrad_seq.scan.over_time import PROGRAMS
from tinygrad_seq.scan.pool import ALIKE, LIMIT, POOL, Pool, Shelf

HOST = pytest.mark.host("tracemalloc sees the memory of the host only")


class Work:
    """A workspace without memory."""

    def __init__(self, nbytes=1, busy=False):
        self.nbytes, self.busy = nbytes, busy

    def idle(self):
        return not self.busy


@pytest.fixture
def limited():
    """A function that empties the pool and sets its limit; the limit before is set again."""
    before = ts.workspace_limit(0)
    yield ts.workspace_limit
    ts.workspace_limit(before)


# --- shelves ------------------------------------------------------------------------------------------


def test_the_newest_idle_workspace_of_a_key_is_taken():
    shelf = Shelf(Pool(100))
    works = [Work(), Work(), Work(busy=True)]
    for work in works:
        shelf.give("key", work)
    assert shelf.take("another key") is None
    assert shelf.take("key") is works[1]
    assert shelf.take("key") is works[0]
    assert shelf.take("key") is None
    works[2].busy = False
    assert shelf.take("key") is works[2]
    assert not shelf.works


def test_the_least_recently_used_is_dropped_first():
    """Whatever its shelf; a workspace that is taken and given again is a recent one."""
    pool = Pool(3)
    first, second = Shelf(pool), Shelf(pool)
    a, b, c, d = (Work() for _ in range(4))
    first.give(1, a)
    second.give(1, b)
    first.give(2, c)
    first.give(1, first.take(1))
    first.give(3, d)
    assert second.take(1) is None
    assert [first.take(key) for key in (1, 2, 3)] == [a, c, d]


def test_a_workspace_above_the_limit_leaves_the_pool_empty():
    pool = Pool(3)
    shelf = Shelf(pool)
    shelf.give(1, Work(2))
    shelf.give(2, Work(4))
    assert (shelf.works, pool.held, pool.order) == ({}, 0, {})


def test_few_workspaces_of_one_key_are_kept():
    """`take` looks at all of them, which would be slow for a thousand results that a caller holds."""
    pool = Pool(100)
    shelf = Shelf(pool)
    works = [Work(busy=True) for _ in range(ALIKE + 3)]
    for work in works:
        shelf.give(1, work)
    assert list(shelf.works[1].values()) == works[3:]
    assert pool.held == ALIKE


def test_a_shelf_that_is_freed_no_longer_counts():
    pool = Pool(3)
    gone, kept = Shelf(pool), Shelf(pool)
    work = Work()
    kept.give(1, work)
    gone.give(1, Work(2))
    del gone
    kept.give(2, Work(2))
    assert kept.take(1) is work
    assert pool.held == 2


@given(
    st.integers(0, 12),
    st.lists(st.tuples(st.sampled_from("gtbfd"), st.integers(0, 2), st.integers(0, 2), st.integers(0, 5))),
)
def test_what_is_held_is_counted_and_within_the_limit(limit, steps):
    """Any sequence of give, take, busy or not, a freed shelf, and a new limit."""
    pool = Pool(limit)
    shelves, taken = [Shelf(pool) for _ in range(3)], []
    for what, i, key, number in steps:
        if what == "g":
            shelves[i].give(key, Work(number, busy=number % 2 == 1))
        elif what == "t" and (work := shelves[i].take(key)):
            assert work.idle()
            taken.append(work)
        elif what == "b":
            for works in shelves[i].works.values():
                for work in works.values():
                    work.busy = not work.busy
        elif what == "f":
            shelves[i] = Shelf(pool)
        elif what == "d":
            pool.limit = number
        on = [work for shelf in shelves for works in shelf.works.values() for work in works.values()]
        assert not set(map(id, on)) & set(map(id, taken))
        if what in "gd":
            pool.surplus()
            on = [work for shelf in shelves for works in shelf.works.values() for work in works.values()]
            assert sum(work.nbytes for work in on) == pool.held <= pool.limit
            assert len(on) == len(pool.order)


# --- loops --------------------------------------------------------------------------------------------


def gradients(cell, xs):
    _, ys = ts.scan(cell, cell.initial_state(xs.shape[1], like=xs), xs)
    return [g.numpy() for g in ts.grad(ts.square(ys).sum(), cell.parameters())]


def inputs(steps, batch, width, seed=0):
    return ts.tensor(np.random.default_rng(seed).normal(size=(steps, batch, width)).astype(np.float32))


def kept_by(work):
    """The traced bytes that are held after `work()` and were not before."""
    work()  # compiles, and fills caches that have nothing to do with memory
    PROGRAMS.clear()
    POOL.left.clear()
    ts.workspace_limit(ts.workspace_limit(0))
    gc.collect()
    tracemalloc.start()
    work()
    gc.collect()
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return now


def sizes():
    """Four LSTMs of different size, one after the other."""
    for hidden in (64, 68, 72, 76):
        gradients(nn.LSTMCell(8, hidden, rng=0), inputs(50, 16, 8))


def numbers():
    """A Python int that changes at every call, so that a new program is compiled."""
    cell = nn.LSTMCell(8, 32, rng=0)
    xs = inputs(20, 8, 8)
    for k in range(2, 22):
        _, ys = ts.scan(lambda state, x, k=k: cell(state, x * k), cell.initial_state(8, like=xs), xs)
        ts.grad(ts.square(ys).sum(), cell.parameters())


@HOST
@pytest.mark.parametrize("work", [sizes, numbers])
def test_the_limit_bounds_what_is_held_after_models_are_gone(work, limited):
    each = 100_000  # the source and tables of a program
    programs = each * (4 if work is sizes else 20)
    limited(10**9)
    assert kept_by(work) > 4_000_000 + programs
    limited(2_000_000)
    assert kept_by(work) < 2_000_000 + programs
    limited(0)
    assert kept_by(work) < programs


@HOST
@pytest.mark.in_numpy
@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.ResetAfterGRUCell])
@pytest.mark.parametrize("size", [(200, 1, 3, 2), (20, 16, 8, 64)])
def test_a_workspace_knows_its_size(kind, size, limited, monkeypatch):
    """Its Python objects included, which outweigh its arrays in a small loop."""
    steps, batch, width, hidden = size
    found, before = [], loop.Workspace.__init__

    def init(self, *args):
        gc.collect()
        start, _ = tracemalloc.get_traced_memory()
        before(self, *args)
        end, _ = tracemalloc.get_traced_memory()
        found.append((self.nbytes, end - start))

    monkeypatch.setattr(loop.Workspace, "__init__", init)
    tracemalloc.start()
    gradients(kind(width, hidden, rng=0), inputs(steps, batch, width))
    tracemalloc.stop()
    assert len(found) == 2
    for nbytes, traced in found:
        assert 0.7 * traced < nbytes < 1.7 * traced


def test_with_a_limit_of_zero_nothing_is_kept(limited):
    """Not even a workspace whose results are held: it is freed with the last of them."""
    limited(LIMIT)
    cell, xs = nn.LSTMCell(3, 4, rng=0), inputs(5, 2, 3)
    wanted = gradients(cell, xs)
    assert POOL.held > 0
    limited(0)
    assert (POOL.held, POOL.order) == (0, {})
    held = ts.scan(cell, cell.initial_state(2, like=xs), xs)[1]
    for found, right in zip(gradients(cell, xs), wanted, strict=True):
        assert_array_equal(found, right)
    assert (POOL.held, POOL.order) == (0, {})
    assert held.shape == (5, 2, 4)


@pytest.mark.parametrize("limit", [0, 5_000, 20_000, LIMIT])
def test_a_held_result_survives_the_loss_of_its_workspace(limit, limited):
    """Values on the tape, and results, whether or not their workspaces stay within the limit."""
    cell = nn.LSTMCell(3, 4, rng=0)
    wanted = [gradients(cell, inputs(5, 2, 3, seed)) for seed in range(6)]
    limited(limit)
    passes = []
    for seed in range(6):
        xs = inputs(5, 2, 3, seed)
        _, ys = ts.scan(cell, cell.initial_state(2, like=xs), xs)
        passes.append((ys, ys.numpy().copy()))
    for seed in (3, 0, 5, 1, 4, 2):
        ys, copied = passes[seed]
        found = ts.grad(ts.square(ys).sum(), cell.parameters())
        for g, right in zip(found, wanted[seed], strict=True):
            assert_array_equal(g.numpy(), right)
        assert_array_equal(ys.numpy(), copied)


def test_a_forgotten_program_takes_its_memory_with_it(limited):
    """At once, by reference counts; with its source, which debuggers see while the program exists."""
    limited(LIMIT)
    PROGRAMS.clear()
    cell, xs = nn.LSTMCell(3, 4, rng=0), inputs(5, 2, 3)
    gradients(cell, xs)
    (compiled,) = PROGRAMS.values()
    (what,) = compiled.loops.values()
    loops = [what.loop, *(back.loop for back in what.backwards.values())]
    codes = [each.code for each in loops if isinstance(each, loop.Loop)]
    files = {code.function.__code__.co_filename for code in codes}
    works = [
        weakref.ref(work.owners[0])
        for each in loops
        for alike in each.shelf.works.values()
        for work in alike.values()
    ]
    assert len(works) == (2 if codes else 4)  # a loop in C first compares two forms, over two steps
    assert len(files) == (2 if ts.emitter().name == "numpy" else 0)
    assert files <= set(linecache.cache)
    gc.collect()
    gc.disable()
    try:
        del compiled, what, loops, codes
        PROGRAMS.clear()
        assert [work() for work in works] == [None] * len(works)
        assert not files & set(linecache.cache)
    finally:
        gc.enable()


def test_threads_and_a_limit_that_changes(limited):
    """Two threads run one program and others, while a third changes the limit."""
    cells = [nn.LSTMCell(3, hidden, rng=0) for hidden in (4, 5)]
    data = [inputs(steps, 2, 3, steps) for steps in (4, 5)]
    wanted = {(c, d): gradients(cells[c], data[d]) for c in range(2) for d in range(2)}

    def work(i):
        for r in range(60):
            if i == 2:
                limited([0, 8_000, 30_000, LIMIT][r % 4])
                continue
            c, d = r % 2, (r // 2 + i) % 2
            for found, right in zip(gradients(cells[c], data[d]), wanted[c, d], strict=True):
                assert_array_equal(found, right)
        return True

    with haste():
        assert at_once(work, 3) == [True] * 3
    limited(0)
    assert (POOL.held, POOL.order) == (0, {})


# --- the limit ----------------------------------------------------------------------------------------


def test_the_limit_before_is_returned(limited):
    limited(1000)
    assert limited(np.int64(2000)) == 1000
    assert limited(0) == 2000
