"""The memory of loops as C: its size in the pool, who may hold it, and runs that take it one after another."""

import gc
import itertools
import tracemalloc
import weakref

import numpy as np
import pytest
from in_c import all_in_c, in_c, loops
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.scan import over_time, scan, unrolled
from tinygrad_seq.scan.c import loop as c_loop
from tinygrad_seq.scan.c import memory

pytestmark = pytest.mark.host("C runs on the CPU")


@pytest.fixture(autouse=True)
def compiler():
    with in_c():
        yield


def drawn(*shape, dtype=np.float64):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def lstm(width=3, hidden=4):
    return nn.LSTMCell(width, hidden, rng=0, dtype=np.float64)


def run(cell, xs, **how):
    return scan(cell, cell.initial_state(xs.shape[1], like=ts.tensor(xs)), xs, **how)


def gradients(cell, xs):
    _, ys = run(cell, xs)
    return ts.grad(ts.square(ys).sum(), cell.parameters())


def works():
    """The memory on the shelves of all loops."""
    shelves = (loop.shelf.works.values() for loop in loops())
    return [work for alike in shelves for each in alike for work in each.values()]


# --- the size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.ResetAfterGRUCell])
@pytest.mark.parametrize("size", [(200, 1, 3, 2), (20, 16, 8, 64), (20, 32, 8, 64)])
def test_memory_knows_its_size(kind, size, monkeypatch):
    """Its Python objects included, and the scratch memory of each thread."""
    steps, batch, width, hidden = size
    gradients(kind(width, hidden, rng=0), drawn(steps, batch, width, dtype=np.float32))
    monkeypatch.setattr(memory, "WORTH", 0)
    monkeypatch.setattr(memory, "thread_count", lambda: 2)
    sizes = []
    for loop in loops():
        memory.Memory(loop, steps, False)  # what Python and NumPy allocate once is not counted
        gc.collect()
        tracemalloc.start()
        work = memory.Memory(loop, steps, False)
        traced, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        sizes.append((work.nbytes, traced))
        assert len(work.parts) == (1 if batch == 1 else 2)
    assert len(sizes) == 2
    for nbytes, traced in sizes:
        assert 0.7 * traced < nbytes < 1.7 * traced


def test_each_part_has_scratch_memory_of_its_own(monkeypatch):
    gradients(nn.CELLS["layer-normalised LSTM"](3, 4, rng=0), drawn(5, 64, 3, dtype=np.float32))
    monkeypatch.setattr(memory, "WORTH", 0)
    monkeypatch.setattr(memory, "thread_count", lambda: 4)
    seen = 0
    for loop in loops():
        parts = memory.Memory(loop, 5, False).parts
        assert len(parts) == 4
        for k, slot in enumerate(loop.slots):
            if slot.kind == "scratch":
                starts = sorted(part.pointers[k] for part in parts)
                assert all(b - a >= slot.size for a, b in itertools.pairwise(starts))
                seen += 1
    assert seen


# --- results that are held ----------------------------------------------------------------------------


def test_outputs_do_not_hold_the_rest():
    """Of a loop that keeps values for its derivative."""
    ys = run(lstm(), drawn(50, 2, 3))[1].detach()
    owners = [weakref.ref(owner) for work in works() for owner in work.owners]
    over_time.PROGRAMS.clear()
    gc.collect()
    held = [owner().nbytes for owner in owners if owner() is not None]
    assert ys.numpy().nbytes <= sum(held) < 1.2 * ys.numpy().nbytes


@pytest.mark.parametrize("taken", [lambda ys: ys, lambda ys: ys[1:], lambda ys: ys.detach()[:, 0]])
def test_a_held_result_is_not_overwritten(taken):
    """Whole, or a part of it."""
    cell = lstm()
    held = taken(run(cell, drawn(5, 2, 3))[1])
    copy = held.numpy().copy()
    for k in range(3):
        run(cell, k + drawn(5, 2, 3))
    assert_array_equal(held, copy)


def test_the_last_carry_does_not_hold_the_memory_of_all_steps():
    (h, _), _ = run(lstm(), drawn(50, 2, 3))
    assert h.numpy().base is None or h.numpy().base.nbytes <= 2 * h.numpy().nbytes


# --- one run after another ----------------------------------------------------------------------------


def test_parameters_that_change():
    """Panels are packed at every run."""
    cell, xs = lstm(), drawn(5, 2, 3)
    for k in range(4):
        for p in cell.parameters():
            p.assign_(p.numpy() * (k + 1))
        found = run(cell, xs)
        right = unrolled(cell, cell.initial_state(2, like=ts.tensor(xs)), xs)
        for x, y in zip(tree.leaves(found), tree.leaves(right), strict=True):
            assert_allclose(x, y, rtol=1e-12, atol=1e-12)
    assert all_in_c()


@pytest.mark.parametrize("n", [1, 4, 5])
def test_one_program_in_both_directions(n):
    cell, xs = lstm(), drawn(n, 2, 3)
    start = cell.initial_state(2, like=ts.tensor(xs))
    for reverse in (False, True, False, True, True):
        found = scan(cell, start, xs, reverse=reverse)
        right = unrolled(cell, start, xs, reverse=reverse)
        for x, y in zip(tree.leaves(found), tree.leaves(right), strict=True):
            assert_allclose(x, y, rtol=1e-12, atol=1e-12)
    assert len(over_time.PROGRAMS) == 1
    assert all_in_c()


@pytest.mark.parametrize(
    "changed",
    [
        lambda b: np.repeat(b, 2, 1)[:, ::2],
        lambda b: b.T.copy().T,
        lambda b: b[::-1].copy()[::-1],
        lambda b: np.broadcast_to(b[:, :1], b.shape),
    ],
    ids=["every second", "Fortran", "rows backwards", "one column"],
)
def test_constants_in_any_layout(changed):
    """An array that is no factor of a product."""
    b, xs = drawn(3, 4), drawn(5, 3, 4)
    other = changed(b)

    def final(b):
        return scan(lambda h, x: (ts.tanh(h * b + x), None), ts.tensor(np.zeros((3, 4))), xs)[0]

    assert_array_equal(final(other), final(np.ascontiguousarray(other)))
    assert all_in_c()


def test_an_index_that_counts_from_the_end_stays_in_c(monkeypatch):
    table = ts.tensor(drawn(4, 2))
    start, right = ts.tensor(np.zeros(2)), np.array([0, 3, 1, 2])

    def total(indices):
        return scan(lambda c, i: (c + table[i], None), start, indices)[0]

    found = total(right)
    assert all_in_c()
    monkeypatch.setattr(c_loop, "Loop", None)  # which would run as NumPy
    assert_array_equal(total(right - 4), found)


@pytest.mark.parametrize("place", [0, 2])
def test_an_index_out_of_range_among_others(place):
    table = ts.tensor(drawn(4, 2))
    start, indices = ts.tensor(np.zeros((3, 2))), np.zeros((4, 3), np.int64)

    def run():
        return scan(lambda c, i: (c + table[i], None), start, indices)

    run()
    assert all_in_c()
    indices[2, place] = 4
    with pytest.raises(IndexError, match="4"):
        run()


# --- how a run is judged and divided ------------------------------------------------------------------


def test_a_float64_that_was_a_float32():
    """It has the rounding errors of float32, which are no difference of the two forms."""
    xs = drawn(6, 50, dtype=np.float32)
    _, ys = scan(lambda c, x: (c, ts.astype(ts.tanh(ts.exp(x)), np.float64)), ts.tensor(0), xs)
    assert all_in_c()
    assert_allclose(ys, np.tanh(np.exp(xs)), rtol=1e-6)


def test_the_operations_of_a_loop_in_the_step_count():
    """Python gets its turn after few steps of a long inner loop."""
    patience = []
    for n in (2, 200):
        xs = drawn(3, n, 4)
        scan(lambda h, x: scan(lambda h, u: (ts.tanh(h + u), None), h, x), ts.tensor(np.zeros(4)), xs)
        *_, outer = (loop for loop in loops() if loop.program.carries)
        patience.append(outer.patience)
    assert patience[0] > 20 * patience[1]
