"""One thread of BLAS in loops of small products: when, and that the number before is set again."""

import sys
from contextlib import nullcontext

import numpy as np
import pytest
from loops import leaf
from racing import at_once, haste
from threadpoolctl import threadpool_info, threadpool_limits

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.scan.np import blas
from tinygrad_seq.scan.np.blas import OneThread, openblas
from tinygrad_seq.scan.over_time import PROGRAMS

linked = pytest.mark.skipif(openblas() is None, reason="NumPy is not linked with OpenBLAS")
HOST = pytest.mark.host("only loops on the host call BLAS")


class Blas:
    """A number of threads, and every number that was set."""

    def __init__(self, number):
        self.number, self.written = number, []

    def read(self):
        return self.number

    def write(self, number):
        self.number = number
        self.written.append(number)


def test_one_thread_inside_and_as_many_as_before_outside():
    blas = Blas(8)
    one = OneThread(blas.read, blas.write)
    for number in (8, 3):
        blas.number = number
        with one:
            assert blas.number == 1
            with one:
                assert blas.number == 1
            assert blas.number == 1
        assert blas.number == number
    assert blas.written == [1, 8, 1, 3]


def test_one_thread_is_left_as_it_is():
    blas = Blas(1)
    with OneThread(blas.read, blas.write):
        pass
    assert blas.written == []


def test_the_number_is_set_again_after_an_error():
    blas = Blas(2)
    one = OneThread(blas.read, blas.write)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), one, one:
            raise ZeroDivisionError
        assert blas.number == 2


def test_several_python_threads():
    """The first to enter sets one thread, and the last to leave sets the number before."""
    blas = Blas(4)
    one = OneThread(blas.read, blas.write)

    def work(i):
        for _ in range(300):
            with one:
                assert blas.number == 1
        return True

    with haste():
        assert at_once(work, 3) == [True] * 3
    assert blas.number == 4


# --- OpenBLAS -----------------------------------------------------------------------------------------


@pytest.fixture
def two():
    """NumPy's OpenBLAS with two threads."""
    blas = openblas()
    before = blas.read()
    blas.write(2)
    yield blas
    assert blas.read() == 2
    blas.write(before)


@pytest.fixture
def seen():
    """An op x -> x that notes in a list how many threads there are, in the forward and the backward loop."""
    found = []

    def _noted(x, /):
        """z = x"""
        found.append(openblas().read())
        return x

    noted = Primitive(_noted, "()->()")
    noted.linear(lambda g: noted.function(g))
    PROGRAMS.clear()
    return noted.function, found


@HOST
@linked
def test_the_functions_are_those_of_numpys_openblas(two):
    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    assert [pool["num_threads"] for pool in pools if "numpy" in pool["filepath"]] == [2]


@pytest.mark.parametrize("absent", ["numpy._core._multiarray_umath", "linked with another BLAS"])
def test_without_openblas_nothing_is_changed(absent, monkeypatch):
    if absent in sys.modules:
        monkeypatch.delitem(sys.modules, absent)
    else:
        monkeypatch.setattr(blas.ctypes, "CDLL", lambda path: object())
    assert openblas.__wrapped__() is None
    monkeypatch.setattr(blas, "openblas", lambda: None)
    xs = np.ones((4, 2, 2), np.float32)
    program = ts.explain(nn.RNNCell(2, 3, rng=0), ts.tensor(np.ones((2, 3), np.float32)), xs)
    assert isinstance(blas.threads_for(program.loop.program), nullcontext)


@HOST
@linked
@pytest.mark.parametrize("product", ["c @ w", "einsum"])
@pytest.mark.parametrize("large", [False, True])
def test_threads_in_a_loop_by_the_size_of_its_products(product, large, two, seen, monkeypatch):
    """One product of 2 x 3 x 3 multiplications is as large as the bound, or below it."""
    noted, found = seen
    monkeypatch.setattr(blas, "LARGE", 18 if large else 19)
    w, c, xs = leaf(np.full((3, 3), 0.1)), leaf(np.ones((2, 3))), leaf(np.ones((4, 2, 3)))

    def step(c, x):
        c = c @ w if product == "c @ w" else ts.einsum("ij,jk->ik", c, w)
        return noted(ts.tanh(c + x)), None

    h, _ = ts.scan(step, c, xs)
    forward = len(found)
    ts.grad(h.sum(), [c, xs, w])
    assert found[forward - 4 : forward] == [2 if large else 1] * 4
    assert found[-4:] == [2 if large else 1] * 4
    assert len(found) >= forward + 4


@HOST
@linked
def test_only_products_matter(two, seen):
    noted, found = seen
    ts.scan(lambda c, x: (noted(ts.tanh(c + x)), None), ts.tensor(np.ones(3)), np.ones((4, 3)))
    assert set(found) == {2}


@HOST
@linked
def test_the_number_is_set_again_if_a_step_fails_within_a_nested_loop(two):
    calls = []

    def _fails(x, /):
        """z = x"""
        calls.append(openblas().read())
        if len(calls) == 9:
            raise ZeroDivisionError
        return x

    fails = Primitive(_fails, "()->()")
    fails.linear(lambda g: g)
    w, c = ts.tensor(np.full((3, 3), 0.1)), ts.tensor(np.ones((2, 3)))

    def inner(c, _):
        return fails.function(c @ w), None

    def outer(c, _):
        return ts.scan(inner, c @ w, length=3)[0], None

    with pytest.raises(ZeroDivisionError):
        ts.scan(outer, c, length=5)
    assert calls[-1] == 1
    assert two.read() == 2


@HOST
@linked
def test_a_loop_in_another_python_thread_than_the_one_that_set_a_limit(two, seen):
    """Since threadpoolctl 3.8 only one Python thread can set a limit by it."""
    noted, found = seen
    w, c = ts.tensor(np.full((3, 3), 0.1)), ts.tensor(np.ones((2, 3)))

    def work(i):
        ts.scan(lambda c, x: (noted(c @ w + x), None), c, np.ones((4, 2, 3)))

    with threadpool_limits(2):
        at_once(work, 1)
    assert found[-4:] == [1] * 4


@HOST
@linked
def test_loops_in_two_python_threads(two):
    cell, xs = nn.LSTMCell(3, 4, rng=0), ts.tensor(np.ones((5, 2, 3), np.float32))

    def work(i):
        for _ in range(40):
            _, ys = ts.scan(cell, cell.initial_state(2, like=xs), xs)
            ts.grad(ys.sum(), cell.parameters())
        return True

    with haste():
        assert at_once(work, 2) == [True] * 2
    assert two.read() == 2
