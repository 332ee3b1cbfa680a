"""A tape lives exactly as long as it is needed: reference counting alone frees it.

The garbage collector is off in every test here. What the records keep are NumPy arrays, and those can be
watched by weak references.
"""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq.engine import backend
from tinygrad_seq.engine.tape import tape


@pytest.fixture(autouse=True)
def no_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def network(x, w):
    """A loss over all kinds of record: products, views, several outputs, indices, a reduction."""
    h = ts.tanh(x @ w)
    a, b = ts.split(h, 2, axis=-1)
    rows = list(ts.sigmoid(a) * b.T.T)
    return ts.logsumexp(ts.stack(rows)[:, [0, 0]] * ts.softmax(h)[0, :2])


def parameters():
    rng = np.random.default_rng(0)
    return ts.tensor(rng.normal(size=(3, 4))), ts.tensor(rng.normal(size=(4, 4)), requires_grad=True)


def watched(loss, *leaves):
    """Weak references to every array that the tape keeps, other than the leaves' own."""
    own = {id(leaf._array) for leaf in leaves}
    references = []
    for record in tape([loss.line]):
        for value in record.saved or ():
            for array in value if isinstance(value, tuple) else (value,):
                if backend.is_array(array) and id(array) not in own:
                    references.append(weakref.ref(array))
    assert len(references) >= 6
    return references


def alive(references):
    return [reference() for reference in references if reference() is not None]


def test_a_walk_holds_the_cotangents_of_only_the_records_that_come_next():
    x = ts.tensor(np.ones(100_000), requires_grad=True)
    y = x
    for _ in range(20):
        y = -y
    loss = y.sum()
    tracemalloc.start()
    loss.backward(retain_graph=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * x.data.nbytes


def test_dropping_the_loss_frees_the_tape():
    x, w = parameters()
    loss = network(x, w)
    references = watched(loss, x, w)
    assert len(alive(references)) == len(references)
    del loss
    assert not alive(references)


def test_backward_frees_what_it_walked_while_the_loss_is_held():
    x, w = parameters()
    loss = network(x, w)
    references = watched(loss, x, w)
    loss.backward()
    kept = alive(references)
    assert all(array is loss._array for array in kept)
    del kept, loss
    assert not alive(references)


def test_retain_graph_frees_nothing_until_the_loss_is_dropped():
    x, w = parameters()
    loss = network(x, w)
    references = watched(loss, x, w)
    loss.backward(retain_graph=True)
    assert len(alive(references)) == len(references)
    del loss
    assert not alive(references)


def test_a_tape_of_higher_order_is_freed_with_its_results():
    x, w = parameters()
    loss = network(x, w)
    first = ts.grad(loss, w, create_graph=True)
    norm = (first * first).sum()
    references = watched(norm, x, w)
    second = ts.grad(norm, w)
    assert second.shape == w.shape
    del loss, first, norm
    assert not alive(references)


def test_a_thousand_training_steps_keep_constant_memory():
    rng = np.random.default_rng(0)
    w, b = ts.tensor(rng.normal(size=(8, 8)), requires_grad=True), ts.tensor(np.zeros(8), requires_grad=True)
    xs = rng.normal(size=(5, 4, 8))

    def step():
        h = ts.tensor(np.zeros((4, 8)))
        for x in ts.tensor(xs):
            h = ts.tanh(x + h @ w + b)
        (h * h).mean().backward()
        for p in (w, b):
            p.mutable()[...] -= 0.1 * p.grad.data
            p.zero_grad()

    def measured(steps):
        for _ in range(steps):
            step()
        assert gc.collect() == 0, "a step left a reference cycle"  # this empties Python's free lists, too
        return tracemalloc.get_traced_memory()[0], len(gc.get_objects())

    tracemalloc.start()
    try:
        (bytes_before, objects_before), (bytes_after, objects_after) = measured(1000), measured(1000)
    finally:
        tracemalloc.stop()
    assert objects_after <= objects_before + 2
    assert bytes_after - bytes_before < 16 * 1000, "more than 16 bytes a step: not even a number may stay"
