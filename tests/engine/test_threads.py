"""Threads: what is recorded, walked and compiled in several at once is what each would give alone.

The interpreter is told to change threads every few microseconds, so that a race that exists is met. Each test
compares with what one thread computes.
"""

import subprocess
import sys
import threading

import numpy as np
import pytest
from racing import at_once, haste
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim

THREADS, ROUNDS = 4, 60


@pytest.fixture(autouse=True)
def _hasty():
    with haste():
        yield


def test_no_grad_is_of_its_thread():
    x = ts.tensor(2.0, requires_grad=True)
    inside, done = threading.Event(), threading.Event()
    seen = []

    def recorder():
        inside.wait(10)
        seen.append((x * x).requires_grad)
        with ts.no_grad():
            seen.append((x * x).requires_grad)
        seen.append((x * x).requires_grad)
        done.set()

    thread = threading.Thread(target=recorder)
    thread.start()
    with ts.no_grad():
        inside.set()
        assert done.wait(10)
        assert not (x * x).requires_grad
    thread.join()
    assert seen == [True, False, True]
    assert (x * x).requires_grad


def train(seed, steps=12):
    """The weights of a small LSTM after some steps of Adam."""
    rng = np.random.default_rng(seed)
    model = nn.Recurrent(nn.LSTMCell(3, 4, rng=rng, dtype=np.float64))
    adam = optim.Adam(model.parameters(), lr=0.01)
    xs = rng.normal(size=(5, 2, 3))
    for _ in range(steps):
        ys, _ = model(ts.tensor(xs))
        (ys * ys).mean().backward()
        adam.step()
        adam.zero_grad()
    return model.state_dict()


def test_each_thread_trains_a_model_of_its_own():
    for seed, found in enumerate(at_once(train, THREADS)):
        expected = train(seed)
        assert found.keys() == expected.keys()
        for name, weights in found.items():
            assert_array_equal(weights, expected[name])


def test_one_model_is_used_by_all():
    """Shared parameters, read only: every thread has the values and gradients, of both orders, of its input."""
    model = nn.LSTMCell(3, 4, rng=0, dtype=np.float64)
    inputs = np.random.default_rng(1).normal(size=(THREADS, 2, 3))

    def derivatives(i):
        found = []
        for _ in range(6):
            x = ts.tensor(inputs[i], requires_grad=True)
            _, y = model(model.initial_state(2, x), x)
            (dx,) = ts.grad([y.sum()], [x], create_graph=True)
            found.append([y, dx, *ts.grad(ts.sum(dx * dx), [x, model.Wx])])
        return [[t.numpy() for t in row] for row in found]

    for i, rows in enumerate(at_once(derivatives, THREADS)):
        expected = derivatives(i)[0]
        for row in rows:
            for one, other in zip(row, expected, strict=True):
                assert_array_equal(one, other)


def test_gradients_of_one_leaf_add_up():
    """backward() of every thread adds to the same t.grad: no share is lost."""
    for _ in range(20):
        x = ts.tensor(np.zeros(3), requires_grad=True)

        def add(i, x=x):
            for _ in range(ROUNDS):
                ((i + 1) * x).sum().backward()

        at_once(add, THREADS)
        assert_array_equal(x.grad.numpy(), ROUNDS * sum(range(1, THREADS + 1)) * np.ones(3))


FIRST_CALLS = """
import sys, threading
import numpy as np
import tinygrad_seq as ts
from tinygrad_seq.engine.primitive import PRIMITIVES

sys.setswitchinterval(1e-6)
names = "exp tanh sigmoid softmax logsumexp multiply add divide sum max square cumsum sort norm".split()
compiled = [name for name in names if name in PRIMITIVES and hasattr(PRIMITIVES[name], "reads")]
assert not compiled, compiled
start = threading.Barrier(6)
found, errors = [], []

def work():
    try:
        start.wait()
        x = ts.tensor(np.array([0.5, 1.5, 1.0]), requires_grad=True)
        z = ts.softmax(ts.tanh(x)) * ts.sigmoid(x) + ts.exp(x) / ts.norm(x) + ts.sort(ts.cumsum(ts.square(x)))
        z = ts.logsumexp(z) + ts.max(z) + ts.sum(z)
        z.backward()
        found.append((z.item(), *x.grad.numpy().tolist()))
    except BaseException as error:
        errors.append(repr(error))

threads = [threading.Thread(target=work) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
assert not errors, errors
assert len(found) == 6 and len(set(found)) == 1, found
print(*found[0])
"""


def test_the_first_calls_of_an_op_may_be_simultaneous():
    """A call is compiled when first made. In a fresh interpreter, six threads make all of them at once."""
    x = ts.tensor(np.array([0.5, 1.5, 1.0]), requires_grad=True)
    z = ts.softmax(ts.tanh(x)) * ts.sigmoid(x) + ts.exp(x) / ts.norm(x) + ts.sort(ts.cumsum(ts.square(x)))
    z = ts.logsumexp(z) + ts.max(z) + ts.sum(z)
    z.backward()
    for _ in range(5):
        run = subprocess.run([sys.executable, "-c", FIRST_CALLS], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        assert_allclose([float(n) for n in run.stdout.split()], [z.item(), *x.grad.numpy()], rtol=1e-14)
