"""The choice of the emitter: by the environment, by blocks, by what the machine has; and what is said of it."""

import re
import threading
import warnings

import numpy as np
import pytest
from compilers import Machine

import tinygrad_seq as ts
from tinygrad_seq.scan import emitter as module
from tinygrad_seq.scan.c import compiler
from tinygrad_seq.scan.c.compiler import Compiler
from tinygrad_seq.scan.c.process import CompileError
from tinygrad_seq.scan.emitter import VARIABLE, chosen, fall_back

CC = Compiler("cc", "12.2.0", ["/bin/cc"], ["-O3", "-march=native"], "avx2")
MISSING = "no C compiler; pip install ziglang brings one"


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """A process that has not asked for its emitter, and that has a compiler."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(module, "_of_process", [])
    monkeypatch.setattr(module, "_told", set())
    monkeypatch.setattr(module, "compiler", lambda: CC)


@pytest.fixture
def missing(monkeypatch):
    """There is no compiler."""

    def compiler():
        raise CompileError(MISSING)

    monkeypatch.setattr(module, "compiler", compiler)


# --- the environment ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["c", "auto", "", None])
def test_c_is_on_where_a_compiler_works(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert chosen() == "c"
    assert repr(ts.emitter()) == ts.emitter().maker == "C, by cc 12.2.0"
    assert ts.emitter().name == "c"


def test_numpy_is_on_by_the_environment(monkeypatch):
    monkeypatch.setenv(VARIABLE, "numpy")
    assert chosen() == ts.emitter().name == "numpy"
    assert repr(ts.emitter()) == "NumPy, by TINYGRAD_SEQ_EMITTER"
    assert ts.emitter().maker == "NumPy"


@pytest.mark.parametrize("value", ["C", "numba", "numpy "])
def test_another_name_is_an_error(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    for ask in (chosen, ts.emitter):
        with pytest.raises(ValueError, match=rf"{VARIABLE} expects 'numpy', 'c' or 'auto', got '{value}'"):
            ask()
    with pytest.raises(
        ValueError, match=re.escape(f"ts.emitter({value!r}) expects 'numpy', 'c' or 'auto', got")
    ):
        ts.emitter(value)


def test_the_environment_is_read_once(monkeypatch):
    """The emitter of a run does not change in the middle of it."""
    assert chosen() == "c"
    monkeypatch.setenv(VARIABLE, "numpy")
    assert chosen() == ts.emitter().name == "c"


# --- without a compiler -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [chosen, lambda: ts.emitter("auto").name, lambda: ts.emitter().name])
def test_without_a_compiler_auto_is_numpy_with_one_warning(missing, ask):
    with pytest.warns(RuntimeWarning) as caught:
        assert [ask() for _ in range(3)] == ["numpy"] * 3
    assert [str(w.message) for w in caught] == [
        f"scan runs as NumPy: {MISSING}; TINYGRAD_SEQ_EMITTER=numpy does so without this warning"
    ]
    assert repr(ts.emitter()) == f"NumPy: {MISSING}"
    assert ts.emitter().maker == "NumPy"


def test_without_a_compiler_numpy_is_chosen_without_a_word(monkeypatch, missing):
    monkeypatch.setenv(VARIABLE, "numpy")
    assert chosen() == "numpy"
    with ts.emitter("numpy"):
        assert chosen() == "numpy"


def test_without_a_compiler_c_is_an_error(monkeypatch, missing):
    with pytest.raises(
        RuntimeError, match=re.escape(f"ts.emitter('c') needs a C compiler for 'c'; {MISSING}; or")
    ):
        ts.emitter("c")
    monkeypatch.setenv(VARIABLE, "c")
    for ask in (chosen, ts.emitter):
        with pytest.raises(
            RuntimeError, match=f"{VARIABLE} needs a C compiler for 'c'; {MISSING}; or choose 'numpy'"
        ):
            ask()


def test_with_a_broken_compiler_auto_is_numpy(monkeypatch, tmp_path):
    machine = Machine(tmp_path, monkeypatch)
    machine.install("cc", "echo 'error: no licence' >&2; exit 1")
    monkeypatch.setattr(module, "compiler", compiler.compiler)
    with pytest.warns(RuntimeWarning, match="scan runs as NumPy: cc does not work"):
        assert chosen() == "numpy"
    assert repr(ts.emitter()) == "NumPy: cc does not work (error: no licence); pip install ziglang brings one"


# --- blocks -------------------------------------------------------------------------------------------------


def test_blocks_nest():
    with ts.emitter("numpy") as on:
        assert on.name == chosen() == "numpy"
        assert repr(ts.emitter()) == repr(on) == "NumPy, by ts.emitter('numpy')"
        with ts.emitter("c"):
            assert chosen() == "c"
            with ts.emitter("auto"), on:  # an emitter can be used again
                assert chosen() == "numpy"
            assert chosen() == "c"
        assert chosen() == "numpy"
    assert chosen() == "c"


def test_a_block_ends_with_an_error():
    with pytest.raises(KeyError), ts.emitter("numpy"):
        raise KeyError
    assert chosen() == "c"


def test_the_emitter_that_is_on_can_be_kept_for_a_block():
    with ts.emitter("numpy"):
        on = ts.emitter()
    with on:
        assert chosen() == "numpy"


def test_a_block_holds_in_one_thread():
    found, inside, done = [], threading.Event(), threading.Event()

    def other():
        with ts.emitter("numpy"):
            inside.set()
            done.wait(20)
            found.append(chosen())

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(20)
    assert chosen() == "c"
    with ts.emitter("c"):
        done.set()
        thread.join()
    assert found == ["numpy"]


def test_threads_agree_on_the_emitter_of_the_process(monkeypatch):
    """The environment changes while they ask; still there is one answer."""
    asked, found, values = threading.Barrier(8), [], iter(["numpy", "c"] * 4)

    class Changing(dict):
        def get(self, name, default=None):
            asked.wait(20)
            return next(values)

    def ask():
        found.append(chosen())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(module.os, "environ", Changing())
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [chosen()] * 8


# --- what is reported ---------------------------------------------------------------------------------------


def test_falling_back_warns_once_for_every_reason():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            fall_back("the two forms of a loop differ", "by 0.1 in lstm")
            fall_back("the two forms of a loop differ", "by 0.2 in gru")
            fall_back("the compiler fails")
    assert {w.category for w in caught} == {RuntimeWarning}
    first, second = (str(w.message) for w in caught)
    assert first.startswith(
        "the two forms of a loop differ (by 0.1 in lstm), so a loop runs as NumPy; please report"
    )
    assert second.startswith("the compiler fails, so a loop runs as NumPy; please report")
    for part in (f"tinygrad_seq {ts.__version__}", f"NumPy {np.__version__}", "cc 12.2.0 -O3 -march=native"):
        assert part in first


def test_threads_that_fall_back_at_once_warn_once():
    start = threading.Barrier(8)

    def fall():
        start.wait()
        fall_back("the compiler fails")

    threads = [threading.Thread(target=fall) for _ in range(8)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(caught) == 1


# --- the disk -----------------------------------------------------------------------------------------------


def test_clear_frees_what_compiled_loops_take(monkeypatch, tmp_path):
    machine = Machine(tmp_path, monkeypatch)
    machine.install_real()
    compiler.compiler()
    size = sum(path.stat().st_size for path in machine.cache.rglob("*") if path.is_file())
    assert ts.emitter.clear() == size > 0
    assert machine.entries() == []
    assert ts.emitter.clear() == 0
