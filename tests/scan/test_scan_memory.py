"""The memory of scan: it keeps only values that rules read, reuses memory, and with remat keeps one segment."""

import gc
import tracemalloc

import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan import scan
from tinygrad_seq.scan.c import memory
from tinygrad_seq.scan.np import loop
from tinygrad_seq.scan.over_time import PROGRAMS
from tinygrad_seq.scan.pool import POOL

B, I, H = 4, 6, 8  # noqa: E741


def cell():
    return nn.LSTMCell(I, H, rng=0)


def inputs(steps):
    return ts.tensor(np.random.default_rng(0).normal(size=(steps, B, I)).astype(np.float32))


def gradients(lstm, xs, **how):
    _, ys = scan(lstm, lstm.initial_state(B, like=xs), xs, **how)
    return ts.grad(ts.square(ys).sum(), lstm.parameters())


@pytest.fixture
def made(monkeypatch):
    """A list of the workspaces that are created for 7 steps; for 2, the first run in C compares two forms."""
    found = []

    def noting(before):
        def init(self, loop, n, reverse):
            if n == 7:
                found.append((loop, reverse))
            before(self, loop, n, reverse)

        return init

    for kind in (loop.Workspace, memory.Memory):
        monkeypatch.setattr(kind, "__init__", noting(kind.__init__))
    return found


def test_memory_is_used_again(made):
    """One forward and one backward workspace serve all calls, unless the results of a call are still held."""
    lstm, xs = cell(), inputs(7)
    for _ in range(5):
        gradients(lstm, xs)
    assert len(made) == 2
    held = scan(lstm, lstm.initial_state(B, like=xs), xs)
    gradients(lstm, xs)
    assert len(made) == 3
    del held
    for _ in range(5):
        gradients(lstm, xs)
    assert len(made) == 3


@pytest.mark.host("what is read back from a device is a copy")
def test_a_row_that_is_held_keeps_the_whole(made):
    lstm, xs = cell(), inputs(7)
    with ts.no_grad():
        _, ys = scan(lstm, lstm.initial_state(B, like=xs), xs)
        row = ys[3].numpy()
        kept = row.copy()
        del ys
        for seed in range(3):
            scan(lstm, lstm.initial_state(B, like=xs), inputs(7) * float(seed))
    assert len(made) == 2
    assert_array_equal(row, kept)


def test_nothing_is_left_to_the_garbage_collector():
    """There is no reference cycle: memory is freed with the last reference to it."""
    lstm, xs = cell(), inputs(7)
    gradients(lstm, xs)
    gc.collect()
    gc.disable()
    try:
        for how in ({}, {"remat": 2}, {"reverse": True}):
            gradients(lstm, xs, **how)
            gradients(lstm, xs, **how)
        assert gc.collect() == 0
    finally:
        gc.enable()


def peak(steps, **how):
    """The peak memory of the gradients in bytes, beyond the memory before."""
    lstm, xs = cell(), inputs(steps)
    gradients(lstm, xs[:64], **how)  # compile first; two segments have all loops that more have
    PROGRAMS.clear()
    tracemalloc.start()
    gradients(lstm, xs, **how)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.host("tracemalloc sees the memory of the host")
@pytest.mark.parametrize("freed", [True, False], ids=["freed", "kept"])
def test_backward_frees_what_the_loop_kept(freed, monkeypatch):
    """Outputs that are held for a long time hold their own memory; a tape that is kept holds the rest, too."""
    monkeypatch.setattr(POOL, "limit", 0)  # else it would keep the memory for later runs
    lstm, xs = cell(), inputs(100)
    bytes_of = xs.shape[0] * 4 * B * H
    tracemalloc.start()
    held, sizes = [], []
    for _ in range(12):
        _, ys = scan(lstm, lstm.initial_state(B, like=xs), xs)
        ts.grad(ys.sum(), lstm.parameters(), retain_graph=not freed)
        held.append(ys)
        gc.collect()  # empties Python's lists of free tuples
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    each = (sizes[-1] - sizes[5]) / 6 / bytes_of
    assert 1 <= each < 1.5 if freed else each > 6


@pytest.mark.host("tracemalloc sees the memory of the host")
def test_remat_needs_a_segment_and_the_carries():
    """For T steps, T / k carries and the k steps of one segment are in memory, plus ys and its cotangents."""
    steps, k = 1024, 32
    bytes_of = 4 * B * H
    outputs = 6 * steps * bytes_of  # ys, and values that the loss computes from them
    carries, segment = 2 * steps // k * bytes_of, k * 24 * bytes_of
    assert peak(steps, remat=k) < outputs + carries + segment + 200_000
    assert peak(steps) > outputs + 6 * steps * bytes_of  # without remat 7 values are kept of every step


def test_higher_derivatives_of_a_rematerialised_loop():
    lstm, rng = nn.LSTMCell(3, 4, rng=0, dtype=np.float64), np.random.default_rng(0)
    xs, h, c = (ts.tensor(rng.normal(size=shape)) for shape in ((5, 2, 3), (2, 4), (2, 4)))

    def f(how):
        def value(xs, h, c):
            _, ys = scan(lstm, (h, c), xs, **how)
            return ts.square(ys).sum()

        return value

    along = [rng.normal(size=t.shape) for t in (xs, h, c)]
    for how in ({"remat": 2}, {"remat": 2, "reverse": True}):
        plain = {name: value for name, value in how.items() if name != "remat"}
        for derivative in (ts.jvp, ts.hvp):
            found, right = (derivative(f(given), [xs, h, c], along) for given in (how, plain))
            for a, b in zip(found, right, strict=True):
                assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_remat_within_a_scan():
    """A loop within a loop whose segments are recomputed."""
    w, h0 = ts.tensor(np.float64(0.7), requires_grad=True), ts.tensor(np.float64(0.1), requires_grad=True)
    xs = np.linspace(-1, 1, 4)

    def outer(how):
        def step(h, x):
            h, _ = scan(lambda h, _: (ts.tanh(w * h + x), None), h, length=5, **how)
            return h, h

        _, ys = scan(step, h0, xs)
        return ts.grad(ys.sum(), [w, h0])

    for a, b in zip(outer({"remat": 2}), outer({}), strict=True):
        assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_an_output_that_is_held_holds_its_own_memory():
    """But not the values that were saved for the backward pass."""
    lstm, xs = cell(), inputs(64)
    _, ys = scan(lstm, lstm.initial_state(B, like=xs), xs)
    owner = ys.numpy()
    while owner.base is not None:
        owner = owner.base
    assert owner.nbytes < 1.1 * ys.numpy().nbytes
