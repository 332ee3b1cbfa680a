"""Tapes of 100,000 records: no recursion anywhere, and every rule runs once per record."""

import inspect
import sys
import threading

import numpy as np
import pytest
from results import assert_allclose

import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.engine.tape import tape

RECORDS = 100_000
STACK = 2 * 1024**2  # bytes, 20 a record; CPython 3.13 needs 1 MB to drop any chain, of tuples too


def in_small_stack(work):
    """Run `work` in a thread with little stack, and hand on what it raises."""
    raised = []

    def guarded():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    before = threading.stack_size(STACK)
    try:
        thread = threading.Thread(target=guarded)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if raised:
        raise raised[0]


def counting_average():
    """An op whose rules count their calls."""
    calls = []

    def average(x, y, /):
        return 0.5 * x + 0.5 * y

    op = Primitive(average, "(),()->()")
    op.vjp(lambda g: calls.append("x") or 0.5 * g, lambda g: calls.append("y") or 0.5 * g)
    return op.function, calls


def chain(x, length):
    for _ in range(length):
        x = x + 1.0
    return x


def test_backward_along_a_chain():
    x = ts.tensor(2.0, requires_grad=True)
    y = chain(x, RECORDS)
    assert len(tape([y.line])) == RECORDS + 1
    y.backward()
    assert x.grad.item() == 1.0


def test_create_graph_along_a_chain():
    x = ts.tensor(np.float64(0.5), requires_grad=True)
    y = x
    for _ in range(10_000):
        y = ts.tanh(y)
    (first,) = ts.grad(y, [x], create_graph=True)
    (second,) = ts.grad(first, [x])
    # y_n = tanh y_{n-1}: dy_n = (1 - y_n^2) dy_{n-1}; the second derivative by the same recursion
    value, slope, curvature = 0.5, 1.0, 0.0
    for _ in range(10_000):
        value = np.tanh(value)
        partial = 1 - value**2
        slope, curvature = partial * slope, -2 * value * partial * slope**2 + partial * curvature
    assert first.item() == pytest.approx(slope, rel=1e-9)
    assert second.item() == pytest.approx(curvature, rel=1e-9)


@pytest.mark.parametrize("length", [1_000, RECORDS])
def test_shared_nodes_are_walked_once(length):
    """x <- average(x, x) has 2^n paths and n records: each rule runs n times, and the gradient is 1."""
    average, calls = counting_average()
    x = ts.tensor([3.0], requires_grad=True)
    y = x
    for _ in range(length):
        y = average(y, y)
    y.backward()
    assert len(calls) == 2 * length
    assert x.grad.item() == 1.0


def test_one_node_with_many_readers():
    x = ts.tensor(np.array([1.0, 2.0]), requires_grad=True)
    h = x * 1.0
    ts.stack([h * float(i) for i in range(20_000)]).sum().backward()
    assert_allclose(x.grad.numpy(), np.full(2, 20_000 * 19_999 / 2))


def test_dropping_a_chain_without_backward():
    in_small_stack(lambda: chain(ts.tensor(2.0, requires_grad=True), RECORDS))


def test_dropping_a_chain_of_gradients():
    def work():
        x = ts.tensor(2.0, requires_grad=True)
        ts.grad(chain(x, RECORDS // 2) * x, x, create_graph=True)

    in_small_stack(work)


def test_backward_in_a_small_stack():
    in_small_stack(lambda: chain(ts.tensor(2.0, requires_grad=True), RECORDS).backward())


def test_the_recursion_limit_plays_no_part():
    before = sys.getrecursionlimit()
    y = chain(ts.tensor(2.0, requires_grad=True), 5_000)
    sys.setrecursionlimit(len(inspect.stack(0)) + 50)
    try:
        y.backward()
    finally:
        sys.setrecursionlimit(before)
