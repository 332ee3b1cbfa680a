"""Loops as C: the numbers of the NumPy form, or the NumPy form itself, and never a wrong number."""

import functools
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from combined import COMBINED
from in_c import all_in_c, in_c, in_four_threads, loops, values_and_gradients
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.scan import emitter, over_time, scan, unrolled
from tinygrad_seq.scan.c import loop as c_loop
from tinygrad_seq.scan.c.loop import CLoop
from tinygrad_seq.scan.c.process import CompileError

pytestmark = pytest.mark.usefixtures("compiler")
CELLS = nn.CELLS | COMBINED
STEPS, BATCH = 5, 3


@pytest.fixture
def compiler():
    with in_c():
        yield


def problem(name, dtype, seed=0):
    rng = np.random.default_rng(seed)
    cell = CELLS[name](3, 4, rng=rng, dtype=dtype)
    xs = ts.tensor(rng.normal(size=(STEPS, BATCH, 3)).astype(dtype), requires_grad=True)
    return cell, xs, rng.normal(size=(STEPS, BATCH, 4)).astype(dtype)


# --- every cell -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_c_and_has_the_numbers_of_numpy(name, dtype):
    found = values_and_gradients(*problem(name, dtype))
    assert all_in_c()
    with ts.emitter("numpy"):
        right = values_and_gradients(*problem(name, dtype))
    close = 2e-5 if dtype == np.float32 else 1e-11
    for x, y in zip(found, right, strict=True):
        scale = max(1.0, float(np.max(np.abs(y.numpy()), initial=0)))
        assert_allclose(x, y, rtol=close, atol=close * scale)


@pytest.mark.parametrize("how", [{"reverse": True}, {"remat": 2}, {"remat": 2, "reverse": True}])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "adaptive"])
def test_backwards_and_in_segments(name, how):
    found = values_and_gradients(*problem(name, np.float64), **how)
    with ts.emitter("numpy"):
        right = values_and_gradients(*problem(name, np.float64), **how)
    for x, y in zip(found, right, strict=True):
        assert_allclose(x, y, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("remat", [None, 3, 7])
def test_a_loop_in_a_loop(remat, reverse):
    """Also one that recomputes its segments for the derivative."""
    rng = np.random.default_rng(0)
    w = ts.tensor(rng.normal(size=(4, 4)), requires_grad=True)
    xs = ts.tensor(rng.normal(size=(3, 7, 2, 4)), requires_grad=True)

    def run(remat):
        def inner(c, u):
            c = ts.tanh(c @ w + u)
            return c, c * c

        def outer(h, x):
            h, ys = scan(inner, h, x, remat=remat, reverse=reverse)
            return h, ys.sum()

        h, ys = scan(outer, ts.tensor(np.zeros((2, 4))), xs)
        return [h, ys, *ts.grad(h.sum() + (ys * ys).sum(), [w, xs])]

    found = run(remat)
    assert all_in_c()
    with ts.emitter("numpy"):
        right = run(None)
    for x, y in zip(found, right, strict=True):
        assert_allclose(x, y, rtol=1e-11, atol=1e-11)


def test_lengths():
    cell, xs, _ = problem("LSTM", np.float64)
    lengths = np.array([5, 2, 0])
    found = nn.Recurrent(cell)(xs, lengths=lengths)
    with ts.emitter("numpy"):
        right = nn.Recurrent(cell)(xs, lengths=lengths)
    for x, y in zip(tree.leaves(found), tree.leaves(right), strict=True):
        assert_allclose(x, y, rtol=1e-12, atol=1e-12)


# --- memory as the caller has it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        lambda x: x.transpose(1, 0, 2).copy().transpose(1, 0, 2),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, 2)[:, :, ::2],
        lambda x: x[::-1].copy()[::-1],
        lambda x: np.broadcast_to(x[:1], x.shape),
        lambda x: np.broadcast_to(x[:, :, :1], x.shape),
    ],
    ids=["batch first", "Fortran", "every second", "backwards in time", "one row", "one column"],
)
def test_inputs_in_any_layout(changed):
    cell, xs, _ = problem("LSTM", np.float64)
    other = changed(xs.numpy())
    _, found = scan(cell, cell.initial_state(BATCH, like=xs), other)
    _, right = scan(cell, cell.initial_state(BATCH, like=xs), np.ascontiguousarray(other))
    assert all_in_c()
    assert_array_equal(found, right)


def test_weights_in_any_layout():
    rng = np.random.default_rng(0)
    w, xs = rng.normal(size=(4, 4)), rng.normal(size=(5, 2, 4))

    def run(w):
        return scan(lambda h, x: (ts.tanh(x + h @ w), None), ts.tensor(np.zeros((2, 4))), xs)[0]

    right = run(w.copy())
    for same in (w.T.copy().T, np.repeat(w, 2, 1)[:, ::2], w[::-1].copy()[::-1]):
        assert_array_equal(run(same), right)


def test_a_result_is_never_overwritten():
    cell, xs, _ = problem("LSTM", np.float64)
    _, first = scan(cell, cell.initial_state(BATCH, like=xs), xs)
    kept = first.numpy().copy()
    for seed in range(3):
        scan(cell, cell.initial_state(BATCH, like=xs), problem("LSTM", np.float64, seed + 1)[1])
    assert_array_equal(first, kept)


# --- special numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [np.nan, np.inf, -np.inf, -0.0, 1e30, -1e30, 1e-45])
@pytest.mark.parametrize("name", ["LSTM", "GRU", "layer-normalised LSTM"])
def test_special_numbers_in_the_input(name, x):
    cell, xs, weights = problem(name, np.float32)
    given = xs.numpy().copy()
    given[2, 1, 0] = x
    found = values_and_gradients(cell, ts.tensor(given, requires_grad=True), weights)
    with ts.emitter("numpy"), np.errstate(all="ignore"):
        right = values_and_gradients(cell, ts.tensor(given, requires_grad=True), weights)
    for a, b in zip(found, right, strict=True):
        assert_array_equal(np.isnan(a.numpy()), np.isnan(b.numpy()))
        assert_array_equal(np.isinf(a.numpy()), np.isinf(b.numpy()))


def test_extrema_of_nan():
    xs = np.array([[1.0, np.nan, 2.0], [3.0, 1.0, 2.0], [np.nan] * 3])
    for op in (ts.max, ts.min):
        _, ys = scan(lambda c, x, op=op: (c, op(x)), ts.tensor(0.0), xs)
        assert_array_equal(ys, op(ts.tensor(xs), axis=1))


def test_an_input_of_another_dtype_that_is_not_read():
    """Values that are not in the loop may have dtypes that C lacks."""
    h, _ = scan(lambda h, x: (ts.tanh(h), None), ts.tensor(np.ones(2, np.float32)), np.ones(3, np.float16))
    assert all_in_c()
    assert_allclose(h, np.tanh(np.tanh(np.tanh(np.ones(2)))), rtol=1e-6)


@pytest.mark.parametrize(
    "op", [ts.tril, ts.triu, lambda x: ts.argmax(x, axis=0), lambda x: ts.argmax(x, axis=1)]
)
def test_numbers_made_from_indices(op):
    """The axes of arrays that lie in one piece are one loop only if the indices are not needed apart."""
    xs = np.random.default_rng(0).normal(size=(3, 4, 4))
    _, ys = scan(lambda c, x: (c, op(x)), ts.tensor(0.0), xs)
    assert all_in_c()
    assert_array_equal(ys, np.stack([op(ts.tensor(x)).numpy() for x in xs]))


def test_an_index_that_is_out_of_range():
    table = ts.tensor(np.arange(6.0).reshape(3, 2))

    def step(c, i):
        return c + table[i].sum(), None

    total, _ = scan(step, ts.tensor(np.float64(0)), np.array([0, -1, 2]))
    assert float(total) == 1 + 9 + 9
    assert all_in_c()
    with pytest.raises(IndexError, match="3"):
        scan(step, ts.tensor(np.float64(0)), np.array([0, 1, 3]))


# --- what is not right runs as NumPy ----------------------------------------------------------


@pytest.mark.parametrize("same", [(False, False), (False, True), (True, False)], ids=str)
def test_a_form_that_differs(monkeypatch, same):
    """A C form that differs from the NumPy form is not used, which is said once; the other loop may be C."""
    answers = iter(same)
    monkeypatch.setattr(c_loop, "all_close", lambda *_: next(answers))
    monkeypatch.setattr(emitter, "_told", set())
    cell, xs, weights = problem("LSTM", np.float64)
    with pytest.warns(RuntimeWarning, match="differ.*report") as told:
        found = values_and_gradients(cell, xs, weights)
    assert len(told) == 1
    assert [loop.reference is None for loop in loops()] == [*same]
    with ts.emitter("numpy"):
        right = values_and_gradients(cell, xs, weights)
    for x, y in zip(found, right, strict=True):
        assert_array_equal(x.shape, y.shape)
        assert_allclose(x, y, rtol=1e-12, atol=1e-12)


def test_a_number_that_is_wrong_in_c_is_found(monkeypatch):
    """The comparison sees a sine in the place of a tanh."""
    monkeypatch.setattr(emitter, "_told", set())
    monkeypatch.setattr(ts.tanh.primitive, "expression", "sin(x)")
    with pytest.warns(RuntimeWarning, match="differ"):
        h, _ = scan(lambda h, x: (ts.tanh(h + x), None), ts.tensor(0.5), np.ones(4, np.float32))
    assert_allclose(h, np.tanh(1 + np.tanh(1 + np.tanh(1 + np.tanh(1.5)))), rtol=1e-6)


def test_gates_that_are_almost_closed_do_not_differ():
    """NumPy rounds sigmoid(-50) to 0; in C it is 2e-22. The loop has other results, of usual size."""
    xs = np.full((4, 3), -50, np.float32)
    _, gates = scan(lambda c, x: (c + 1, ts.sigmoid(x)), ts.tensor(np.float32(0)), xs)
    assert all_in_c()
    assert_allclose(gates, np.full((4, 3), 1.9287498e-22), rtol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "same"),
    [
        ([1.0, 0.0], [1.0, 1e-6], True),
        ([1.0, 0.0], [1.0, 1e-3], False),
        ([1e6, 0.0], [1e6, 1.0], True),
        ([1e-8, 0.0], [1e-8, 1e-9], False),  # a gradient of a mean is small, and its errors are smaller
        ([np.nan, np.inf, 1.0], [np.nan, np.inf, 1.0], True),
        ([np.nan, 1.0], [1.0, 1.0], False),
        ([1.0, np.inf], [1.0, np.nan], False),
        ([], [], True),
    ],
)
def test_what_counts_as_a_difference(x, y, same):
    single = np.dtype("f")
    assert c_loop.all_close([(np.array(x, single), np.array(y, single))], single) is same
    assert not c_loop.all_close([(np.arange(2), np.arange(2)), (np.array([True]), np.array([False]))], single)


def test_a_compilation_that_fails(monkeypatch):
    def fails(source, running):
        raise CompileError("source.c:1: error: no")

    monkeypatch.setattr(c_loop, "library", fails)
    monkeypatch.setattr(emitter, "_told", set())
    with pytest.warns(RuntimeWarning, match="source.c:1: error: no"):
        h, _ = scan(lambda h, x: (h + x, None), ts.tensor(0.5), np.ones(4, np.float32))
    assert float(h) == 4.5


def test_ctrl_c_during_a_compilation(monkeypatch):
    """The next run compiles the loop anew."""
    compilers = []

    def interrupted(source, running, real=c_loop.library):
        compilers.append(running)
        if len(compilers) == 1:
            raise KeyboardInterrupt
        return real(source)

    monkeypatch.setattr(c_loop, "started", lambda source: "a compiler")
    monkeypatch.setattr(c_loop, "library", interrupted)
    run = functools.partial(scan, lambda h, x: (h + x, None), ts.tensor(0.5), np.ones(4, np.float32))
    with pytest.raises(KeyboardInterrupt):
        run()
    assert float(run()[0]) == 4.5
    assert all_in_c()
    assert compilers == ["a compiler", None]


def test_a_loop_and_its_backward_loop_are_compiled_at_the_same_time(monkeypatch):
    events = []

    def started(source, real=c_loop.started):
        events.append("started")
        return real(source)

    def library(source, running, real=c_loop.library):
        events.append("awaited")
        return real(source, running)

    monkeypatch.setattr(c_loop, "started", started)
    monkeypatch.setattr(c_loop, "library", library)
    cell, xs, weights = problem("LSTM", np.float64)
    values_and_gradients(cell, xs, weights)
    assert events == ["started", "started", "awaited", "awaited"]


def test_a_primitive_of_a_user():
    """With an expression it is C; without one its loop is NumPy, and explain says so."""

    @ts.primitive("()->()")
    def cube(x, /):
        "z = x^3"
        return x * x * x

    cube.partials(lambda x: 3 * x * x)

    def step(h, x):
        return cube(h) * 0.5 + x, None

    start, xs = ts.tensor(0.5, requires_grad=True), np.ones(3, np.float32)
    h, _ = scan(step, start, xs)
    slope = ts.grad(h, start)
    assert not any(isinstance(loop, CLoop) for loop in loops())
    assert "the loop runs as NumPy, because C has no form of cube" in str(ts.explain(step, start, xs))
    over_time.PROGRAMS.clear()
    cube.primitive.c("x * x * x")
    again, _ = scan(step, start, xs)
    assert_allclose(again, h, rtol=1e-6)
    assert_allclose(ts.grad(again, start), slope, rtol=1e-6)
    assert all_in_c()
    assert "int64_t scan(" in str(ts.explain(step, start, xs))


def _double(x, /):
    "z = 2 x"
    return x + x


def test_an_array_that_a_rule_makes():
    """It is no number, and no value of the loop that is given: the backward loop is NumPy."""

    @ts.primitive("()->()")
    def scaled(x, /):
        "z = x, with a derivative that shows whose rule it is"
        return x * 1.0

    scaled.vjp(lambda g, x, z: g * np.array([1.0, 2.0]))
    scaled.primitive.c("x * 1.0")
    start, xs = ts.tensor(np.zeros(2), requires_grad=True), np.ones((3, 2))

    def gradient(loop):
        _, ys = loop(lambda h, x: 2 * (scaled(h + x),), start, xs)
        return ts.grad(ts.square(ys).sum(), start)

    found = gradient(scan)
    assert [isinstance(loop, CLoop) for loop in loops()] == [True, False]
    assert_allclose(found, gradient(unrolled), rtol=1e-12)


def test_a_primitive_that_is_not_registered():
    double = Primitive(_double, "()->()")
    double.partials(lambda: 2.0)
    double.c("x + x")
    h, _ = scan(lambda h, x: (double.function(h) + x, None), ts.tensor(0.5), np.ones(3, np.float32))
    assert all_in_c()
    assert float(h) == 11


def test_a_primitive_that_is_replaced():
    """A step that uses the old one goes on with its expression."""

    def defined(k):
        @ts.primitive("()->()")
        def times(x, /):
            "z = k x"
            return x * k

        times.partials(lambda: float(k))
        times.c(f"x * {k}")
        return times

    old = defined(2)
    with pytest.warns(UserWarning, match="replaced"):
        new = defined(3)
    for op, k in ((old, 2), (new, 3)):
        h, _ = scan(lambda h, x, op=op: (op(h), None), ts.tensor(1.0), np.ones(3, np.float32))
        assert float(h) == k**3
    assert all_in_c()


# --- bits, threads, interrupts ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["LSTM", "layer-normalised LSTM", "neural Turing machine"])
def test_the_same_bits(name, monkeypatch):
    """In another workspace, and however often a run returns to Python."""
    first = values_and_gradients(*problem(name, np.float32))
    for loop in loops():
        monkeypatch.setattr(loop, "patience", 1)
    second = values_and_gradients(*problem(name, np.float32))
    assert all_in_c()
    for x, y in zip(first, second, strict=True):
        assert_array_equal(x, y)


def test_several_threads():
    given = problem("LSTM", np.float32)
    right = values_and_gradients(*given)
    for results in in_four_threads(given):
        for x, y in zip(results, right, strict=True):
            assert_array_equal(x, y)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_in_a_long_loop():
    """Ctrl-C ends a loop of an hour at once; the next loop is right."""
    program = """
        import numpy as np, tinygrad_seq as ts
        from tinygrad_seq import nn
        rng = np.random.default_rng(0)
        cell = nn.LSTMCell(256, 1024, rng=rng)
        xs = ts.tensor(np.broadcast_to(np.float32(0.1), (3000, 64, 256)))
        few = ts.tensor(np.full((3, 64, 256), 0.1, np.float32))
        start = cell.initial_state(64, like=few)
        with ts.emitter("c"), ts.no_grad():
            before, _ = ts.scan(cell, start, few)
            print("ready", flush=True)
            try:
                ts.scan(lambda s, x: (cell(s, x)[0], None), start, xs)
            except KeyboardInterrupt:
                after, _ = ts.scan(cell, start, few)
                print(all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(before, after)))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        threading.Event().wait(1.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert out == "True\n"
