"""One loop on several threads: the same bits, whatever their number, and no thread that outlives its use."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import OrderedDict

import numpy as np
import pytest
from combined import COMBINED
from compilers import real
from in_c import in_four_threads, loops, values_and_gradients
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.scan import over_time, scan
from tinygrad_seq.scan.c import memory, threads
from tinygrad_seq.scan.c.loop import CLoop
from tinygrad_seq.scan.c.threads import thread_count, together
from tinygrad_seq.scan.groups import batch
from tinygrad_seq.scan.recording import kept

CELLS = nn.CELLS | COMBINED
PARTLY = {"adaptive"}  # cells of which one loop is whole: that has a loop in its step
STEPS = 4


@pytest.fixture
def use(monkeypatch):
    """A function that sets the number of threads, for loops of any size, and forgets all programs."""
    real()
    monkeypatch.setattr(memory, "WORTH", 0)
    monkeypatch.setattr(threads, "thread_count", lambda: 4)
    threads._workers.cache_clear()

    def of(count):
        monkeypatch.setattr(over_time, "PROGRAMS", OrderedDict())
        monkeypatch.setattr(kept, "KEPT", OrderedDict())
        monkeypatch.setattr(memory, "thread_count", lambda: count)

    with ts.emitter("c"):
        yield of
    threads._workers().shutdown()
    threads._workers.cache_clear()


def problem(name, rows, dtype=np.float32):
    rng = np.random.default_rng(0)
    cell = CELLS[name](3, 4, rng=rng, dtype=dtype)
    xs = ts.tensor(rng.normal(size=(STEPS, rows, 3)).astype(dtype), requires_grad=True)
    return cell, xs, rng.normal(size=(STEPS, rows, 4)).astype(dtype)


def blocks():
    """The numbers of blocks of all loops."""
    made = list(loops())
    assert made
    assert all(isinstance(loop, CLoop) and loop.reference is None for loop in made)
    return {loop.made.given.blocks for loop in made}


def same_for_all(use, name, rows, counts=(1, 2, 3, 4), **how):
    """The values with each number of threads have the bits of one thread."""
    use(1)
    first = values_and_gradients(*problem(name, rows), **how)
    for count in counts:
        use(count)
        for _ in range(2):
            found = values_and_gradients(*problem(name, rows), **how)
            for x, y in zip(found, first, strict=True):
                assert_array_equal(x, y)
        for loop in loops():
            assert len(memory.parts_of(loop, STEPS)) == min(count, loop.made.given.blocks)
    return first


def assert_right(found, name, rows, **how):
    with ts.emitter("numpy"):
        right = values_and_gradients(*problem(name, rows), **how)
    for x, y in zip(found, right, strict=True):
        scale = max(1.0, float(np.max(np.abs(y.numpy()), initial=0)))
        assert_allclose(x, y, rtol=2e-5, atol=2e-5 * scale)


# --- bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_has_the_same_bits(name, use, monkeypatch):
    """Four blocks, on one to four threads."""
    monkeypatch.setattr(batch, "ROWS", 4)
    found = same_for_all(use, name, 16)
    assert blocks() == ({1, 4} if name in PARTLY else {4})
    assert_right(found, name, 16)


@pytest.mark.parametrize(("rows", "count"), [(16, 2), (17, 1), (20, 2), (32, 2), (48, 2), (64, 4)])
@pytest.mark.parametrize("name", ["LSTM", "layer-normalised LSTM", "attending"])
def test_batches(name, rows, count, use):
    found = same_for_all(use, name, rows)
    assert blocks() == {count}
    assert_right(found, name, rows)


@pytest.mark.parametrize("how", [{"reverse": True}, {"remat": 2}])
def test_backwards_and_in_segments(how, use):
    assert_right(same_for_all(use, "LSTM", 32, **how), "LSTM", 32, **how)


def test_short_runs_between_two_returns_to_python(use, monkeypatch):
    """However many steps a call of the library takes."""
    use(2)
    first = values_and_gradients(*problem("LSTM", 16))
    for loop in loops():
        monkeypatch.setattr(loop, "patience", 1)
    for x, y in zip(values_and_gradients(*problem("LSTM", 16)), first, strict=True):
        assert_array_equal(x, y)


def test_a_short_run_is_left_to_one_thread(use, monkeypatch):
    use(2)
    values_and_gradients(*problem("LSTM", 16))
    made = list(loops())
    monkeypatch.undo()
    monkeypatch.setattr(memory, "thread_count", lambda: 2)
    assert made
    assert all(len(memory.parts_of(loop, STEPS)) == 1 for loop in made)
    assert all(len(memory.parts_of(loop, 10**6)) == 2 for loop in made)


def test_an_index_that_is_out_of_range_in_one_part(use):
    table = ts.tensor(np.arange(6.0).reshape(3, 2))

    def step(h, i):
        return h + table[i], None

    use(2)
    indices = np.zeros((5, 16), np.int64)
    h, _ = scan(step, ts.tensor(np.zeros((16, 2))), indices)
    assert_array_equal(h, np.tile([0.0, 5.0], (16, 1)))
    assert blocks() == {2}
    for row in (0, 15):
        wrong = indices.copy()
        wrong[3, row] = 3
        with pytest.raises(IndexError, match="3"):
            scan(step, ts.tensor(np.zeros((16, 2))), wrong)


# --- threads ------------------------------------------------------------------------------------------------


def test_several_callers_at_once(use):
    use(3)
    given = problem("LSTM", 64)
    right = values_and_gradients(*given)
    for results in in_four_threads(given):
        for x, y in zip(results, right, strict=True):
            assert_array_equal(x, y)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_exception_reaches_the_caller_and_stops_the_others(place, use):
    ended = []

    def fails(stop):
        raise MemoryError("no more")

    def waits(stop):
        ended.append(stop.wait(20))

    parts = [waits, waits]
    parts.insert(place, fails)
    if place:  # the caller runs the first part, so that one must end by itself
        parts[0] = lambda stop: None
    with pytest.raises(MemoryError, match="no more"):
        together(parts)
    threads._workers().shutdown()
    assert all(ended)


def test_a_caller_does_not_wait_for_busy_threads(use):
    """What no thread has begun, the caller runs itself."""
    free = threading.Event()
    for _ in range(3):
        threads._workers().submit(free.wait)
    ran = []
    together([lambda stop, i=i: ran.append((i, threading.current_thread())) for i in range(3)])
    free.set()
    assert ran == [(i, threading.current_thread()) for i in range(3)]


def test_without_threads_the_caller_runs_all_parts(use):
    threads._workers().shutdown()
    ran = []
    together([lambda stop, i=i: ran.append(i) for i in range(3)])
    assert ran == [0, 1, 2]


# --- processes ----------------------------------------------------------------------------------------------

PROGRAM = """
    import hashlib, os, sys
    import numpy as np, tinygrad_seq as ts
    from tinygrad_seq import nn

    def bits():
        rng = np.random.default_rng(0)
        cell = nn.LSTMCell(32, 64, rng=rng)
        xs = ts.tensor(rng.normal(size=(60, 64, 32)).astype(np.float32))
        with ts.emitter("c"):
            _, ys = ts.scan(cell, cell.initial_state(64, like=xs), xs)
            found = [ys, *ts.grad((ys * ys).sum(), cell.parameters())]
        return hashlib.sha256(b"".join(x.numpy().tobytes() for x in found)).hexdigest()
"""


def run(text, count=None):
    """The lines that a program prints, with this number of threads."""
    env = {name: x for name, x in os.environ.items() if name != threads.VARIABLE}
    if count is not None:
        env[threads.VARIABLE] = count
    program = textwrap.dedent(PROGRAM) + textwrap.dedent(text)
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout.split("\n")[:-1]


def test_the_variable_sets_the_number():
    real()
    text = """
        print(bits())
        import threading
        print(sum(thread.name.startswith("tinygrad_seq") for thread in threading.enumerate()))
    """
    one, none = run(text)
    assert none == "0"
    assert run(text, "1") == [one, "0"]
    assert run(text, "2") == [one, "1"]
    assert run(text, "4") == [one, "3"]


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_variable_that_is_no_number_of_threads(text, monkeypatch):
    monkeypatch.setenv(threads.VARIABLE, text)
    thread_count.cache_clear()
    with pytest.raises(ValueError, match=f"TINYGRAD_SEQ_THREADS expects a positive integer, got '{text}'"):
        thread_count()
    monkeypatch.undo()
    thread_count.cache_clear()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_child_process_has_threads_of_its_own():
    real()
    text = """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks of processes with threads
        right = bits()
        child = os.fork()
        if not child:
            os._exit(bits() != right)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), bits() == right)
    """
    assert run(text, "2") == ["0 True"]


def test_at_the_end_of_a_process():
    """No thread holds it up, and a loop that runs then is right."""
    real()
    assert run("import atexit; right = bits(); atexit.register(lambda: print(bits() == right))", "2") == [
        "True"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_in_a_long_loop():
    """Ctrl-C ends a loop of an hour at once, on all threads; the next loop is right."""
    real()
    program = """
        cell = nn.LSTMCell(256, 1024, rng=0)
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
        [sys.executable, "-c", textwrap.dedent(PROGRAM) + textwrap.dedent(program)],
        env={**os.environ, threads.VARIABLE: "2"}, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        threading.Event().wait(1.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert out == "True\n"
