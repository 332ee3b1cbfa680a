"""Ownership of memory: an array that a caller or the tape holds is never overwritten by a later run."""

import threading
from collections import OrderedDict

import numpy as np
import pytest
from loops import is_the_loop, leaf
from racing import at_once, haste
from results import assert_allclose, assert_array_equal, host

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.engine.primitive import Primitive
from tinygrad_seq.scan import over_time, scan, unrolled
from tinygrad_seq.scan.emitters import NUMPY
from tinygrad_seq.scan.np.loop import Loop


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


W, U, V = leaf(normal(3, 3)), leaf(normal(3)), leaf(normal(3, 3, seed=1))
WEIGHTS = [W, U, V]


def step(c, x):
    """The gradient of W is summed after the backward loop, the gradient of V in it."""
    h = ts.tanh(c @ W + x * U + ts.einsum("ij,j->i", V, c))
    return h, (h, h * x, x * U, h[0], h[:, None])


def problem(seed=0, steps=5):
    return leaf(normal(3, seed=seed)), leaf(normal(steps, 3, seed=seed))


def value(made):
    return sum(((z * z).sum() for z in tree.leaves(made)), 0.0)


def gradients(made, by, **how):
    return [g.numpy() for g in ts.grad(value(made), by, **how)]


def expected(seed, steps=5):
    c, xs = problem(seed, steps)
    return gradients(unrolled(step, c, xs), [c, xs, *WEIGHTS])


def close(found, wanted):
    """Up to rounding errors, which are those of the largest element."""
    for a, b in zip(found, wanted, strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-12 * max(1, np.max(np.abs(b), initial=0)))


# --- the tape -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_forward_passes_before_backward_passes_in_any_order(order):
    problems = [problem(seed) for seed in range(3)]
    made = [scan(step, c, xs) for c, xs in problems]
    for i in order:
        close(gradients(made[i], [*problems[i], *WEIGHTS]), expected(i))


def test_many_forward_passes_before_any_backward_pass():
    problems = [problem(seed) for seed in range(12)]
    made = [scan(step, c, xs) for c, xs in problems]
    for i in np.random.default_rng(0).permutation(12):
        close(gradients(made[i], [*problems[i], *WEIGHTS]), expected(i))


def test_a_second_walk():
    """With retain_graph a second walk gives the same numbers, even after other loops have run."""
    c, xs = problem(0)
    made = scan(step, c, xs)
    first = gradients(made, [c, xs, *WEIGHTS], retain_graph=True)
    for seed in range(1, 4):
        other = problem(seed)
        gradients(scan(step, *other), [*other, *WEIGHTS])
    close(gradients(made, [c, xs, *WEIGHTS], retain_graph=True), first)
    close(gradients(made, [c, xs, *WEIGHTS]), first)
    close(first, expected(0))


def test_a_loss_alone_holds_what_its_derivative_reads():
    """No output is held: the values that the loops kept are reachable only through the tape."""
    problems = [problem(seed) for seed in range(6)]
    losses = [value(scan(step, c, xs)) for c, xs in problems]
    for seed, (loss, by) in enumerate(zip(losses, problems, strict=True)):
        found = ts.grad(loss, [*by, *WEIGHTS])
        gradients(scan(step, *problem(9)), WEIGHTS)
        close([g.numpy() for g in found], expected(seed))


@pytest.mark.parametrize("retain", [True, False])
def test_second_derivatives_after_the_memory_was_used_again(retain):
    """The gradient is on the tape; other loops run before its derivative is taken."""
    results = []
    for loop in (scan, unrolled):
        c, xs = problem()
        made = loop(step, c, xs)
        first = ts.grad(value(made), [c, xs, W], create_graph=True)
        for seed in range(1, 4):
            other = problem(seed)
            gradients(loop(step, *other), [*other, *WEIGHTS])
        again = sum((ts.square(g).sum() for g in first), 0.0)
        second = ts.grad(again, [c, xs, *WEIGHTS], retain_graph=retain)
        results.append([g.numpy() for g in (*first, *second)])
        if retain:
            close([g.numpy() for g in ts.grad(again, [c, xs, *WEIGHTS])], results[-1][3:])
    close(*results)


def test_a_loop_and_its_derivative_by_different_emitters(monkeypatch):
    """What a loop keeps is then read as arrays: only its own emitter knows the form that it made of them."""
    forms = []

    class Other(Loop):
        def __call__(self, arrays, n, reverse, bound=()):
            forms.append(list(bound))
            return super().__call__(arrays, n, reverse)

    kinds = {"scan": Loop, "backward": Other}
    mixed = NUMPY._replace(ready=lambda program, saved=(), name="scan": kinds[name](program, saved))
    monkeypatch.setattr(over_time, "emitter_of", lambda program: mixed)
    monkeypatch.setattr(over_time, "PROGRAMS", OrderedDict())
    c, xs = problem()
    close(gradients(scan(step, c, xs), [c, xs, *WEIGHTS]), expected(0))
    assert forms == [[]]


def test_a_freed_tape_says_so():
    c, xs = problem()
    made = scan(step, c, xs)
    gradients(made, [c, xs])
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        gradients(made, [c, xs])


def test_gradients_accumulate_in_leaves():
    c, xs = problem()
    for _ in range(3):
        value(scan(step, c, xs)).backward()
    for t, g in zip((c, xs), expected(0)[:2], strict=True):
        assert_allclose(t.grad.numpy(), 3 * g, rtol=1e-11)
    for w in WEIGHTS:
        w.zero_grad()


def test_a_scan_over_the_result_of_a_scan():
    """The same program twice on one tape; the second reads the outputs of the first."""
    results = []
    for loop in (scan, unrolled):
        c, xs = problem()
        _, (ys, *_) = loop(step, c, xs)
        last, (zs, *_) = loop(step, ys[-1], ys)
        results.append([zs.numpy(), *gradients((last, zs), [c, xs, *WEIGHTS])])
    close(*results)


# --- results ------------------------------------------------------------------------------------------

HELD = {
    "tensors": lambda z: z,
    "arrays": lambda z: z.numpy(),
    "data": lambda z: z.data,
    "detached": lambda z: z.detach(),
    "views": lambda z: z[1:] if z.ndim else z,
    "a row's view": lambda z: z.numpy()[-1:] if z.ndim else z.numpy(),
    "data of a view": lambda z: z.T.data,
    "memoryviews": lambda z: memoryview(z.numpy()),
    "np.asarray": lambda z: np.asarray(z.numpy()),
    "an array of one's own": lambda z: np.lib.stride_tricks.as_strided(z.numpy(), z.shape, z.numpy().strides),
    "unstacked": lambda z: ts.unstack(z)[0] if z.ndim else z,
    "reshaped": lambda z: z.detach().reshape(-1),
}


@pytest.mark.parametrize("tape", [True, False], ids=["on the tape", "off the tape"])
@pytest.mark.parametrize("name", HELD)
def test_a_result_outlives_the_next_calls(name, tape):
    """Also a result of which only a view is still held."""

    def call(seed):
        c, xs = problem(seed)
        if tape:
            return scan(step, c, xs)
        with ts.no_grad():
            return scan(step, c, xs)

    made = tree.leaves(call(0))
    copies = [np.array(host(HELD[name](z))) for z in made]
    held = [HELD[name](z) for z in made]
    del made
    for seed in range(1, 9):
        call(seed)
    for h, copied in zip(held, copies, strict=True):
        assert_array_equal(h, copied)


def test_gradients_outlive_the_next_calls():
    c, xs = problem(0)
    grads = ts.grad(value(scan(step, c, xs)), [c, xs, *WEIGHTS])
    rows = [g.data[:1] for g in grads]
    copies = [np.array(g.numpy()) for g in grads]
    del grads[1]
    for seed in range(1, 9):
        other = problem(seed)
        gradients(scan(step, *other), [*other, *WEIGHTS])
    for row, copied in zip(rows, copies, strict=True):
        assert_array_equal(row, copied[:1])


@pytest.mark.host("CuPy has no read-only arrays")
def test_results_cannot_be_written_to():
    c, xs = problem()
    for z in tree.leaves(scan(step, c, xs)):
        for array in (z.data, z.numpy()):
            assert not array.flags.writeable
    with ts.no_grad():
        for z in tree.leaves(scan(step, c, xs)):
            assert not z.data.flags.writeable


def test_a_result_that_is_detached_and_changed():
    c, xs = problem()
    made = scan(step, c, xs)
    for z in tree.leaves(made):
        z.detach().assign_(np.zeros(z.shape))
    close(gradients(made, [c, xs, *WEIGHTS]), expected(0))


def test_outputs_are_their_own_though_they_are_the_input():
    """As in the loop, where outputs are stacked, a later change of the input does not change them."""
    for loop in (unrolled, scan):
        c, xs, w = ts.tensor(np.ones(3)), ts.tensor(np.ones((4, 3))), ts.tensor(np.ones(2))
        _, ys = loop(lambda c, x, w=w: (c, (x, c, w, x[:2], x[None])), c, xs)
        for t in (c, xs, w):
            t.assign_(np.zeros(t.shape))
        for y in ys:
            assert (y.numpy() == 1).all()


@pytest.mark.parametrize("wanted", [(), (0,), (1,), (0, 1)])
def test_a_change_of_an_output_reaches_nothing_else(wanted):
    """Not the input that it is, nor another output that is the same value, nor a value made from it."""
    for loop in (unrolled, scan):
        xs, w = ts.tensor(np.ones((4, 3))) * 1.0, ts.tensor(np.ones(2)) * 1.0
        c, ys = loop(lambda c, x, w=w: (c + x, (x, x, w, x[:2])), ts.tensor(np.zeros(3)), xs)
        others = [xs, w, c, *(y for i, y in enumerate(ys) if i not in wanted)]
        before = [t.numpy().copy() for t in others]
        for i in wanted:
            ys[i].assign_(np.full(ys[i].shape, 7.0))
        for t, values in zip(others, before, strict=True):
            assert_array_equal(t, values)


def test_an_array_that_the_step_changes():
    """A value is captured as it is when it is used; one that has not changed is captured once."""
    memory = np.zeros(3)

    def step(c, x):
        memory[...] = 1.0
        once = c * memory
        again = x * memory
        memory[:2] += [1.0, -2.0]
        later = x * memory + memory[1]
        memory[2] = -0.0
        return ts.tanh(once + later), (again, later, ts.arctan2(c * memory[2], c * 0.0 - 1.0))

    c, xs = problem()
    is_the_loop(step, c, xs, [c, xs])


def test_an_array_of_the_callers_is_never_flagged_nor_kept():
    c, xs, w = normal(3), normal(4, 3), normal(3, 3)
    carry, ys = scan(lambda c, x: (ts.tanh(c @ w + x), x), c, xs)
    before = carry.numpy().copy(), ys.numpy().copy()
    for a in (c, xs, w):
        assert a.flags.writeable
        a[...] = 0
    assert_array_equal(carry.numpy(), before[0])
    assert_array_equal(ys.numpy(), before[1])


def test_a_captured_array_changed_between_forward_and_backward():
    """The record keeps a copy, like any other record."""
    w = normal(3, 3)
    c, xs = problem()
    wanted = [
        g.numpy() for g in ts.grad(unrolled(lambda c, x: (ts.tanh(c @ w + x), None), c, xs)[0].sum(), [c, xs])
    ]
    carry, _ = scan(lambda c, x: (ts.tanh(c @ w + x), None), c, xs)
    w[...] = 100.0
    close([g.numpy() for g in ts.grad(carry.sum(), [c, xs])], wanted)


# --- changed in place ---------------------------------------------------------------------------------

CHANGED = {
    "a captured parameter in the loop": (lambda c, x, w: (ts.tanh(c @ w + x), None), "w"),
    "a captured parameter before it": (lambda c, x, w: (ts.tanh(c + x @ w), None), "w"),
    "a captured parameter after it": (lambda c, x, w: (ts.tanh(c + x), c @ w), "w"),
    "the inputs": (lambda c, x, w: (ts.tanh(c * x), None), "xs"),
    "the first carry": (lambda c, x, w: (c * c * x, None), "c"),
}


@pytest.mark.parametrize("reads", [True, False], ids=["parameters", "constants"])
@pytest.mark.parametrize("name", CHANGED)
def test_a_tensor_changed_between_forward_and_backward_is_refused(name, reads):
    body, which = CHANGED[name]
    tensors = {"c": leaf(normal(3)), "xs": leaf(normal(4, 3)), "w": leaf(normal(3, 3))}
    if not reads:  # the changed value is a constant; only the rule of another argument reads it
        tensors[which].requires_grad = False
    w = tensors["w"]
    made = scan(lambda c, x: body(c, x, w), tensors["c"], tensors["xs"])
    made = [z for z in tree.leaves(made) if z.requires_grad]
    tensors[which].assign_(np.zeros(tensors[which].shape))
    by = [t for t in tensors.values() if t.requires_grad]
    with pytest.raises(RuntimeError, match="changed in place"):
        ts.grad(sum((z.sum() for z in made), 0.0), by)


def test_a_tensor_changed_after_backward_is_lawful():
    c, xs = problem()
    value(scan(step, c, xs)).backward()
    old = W.numpy()
    W.assign_(np.zeros((3, 3)))
    W.assign_(old)
    close(gradients(scan(step, c, xs), [c, xs, *WEIGHTS]), expected(0))
    for w in WEIGHTS:
        w.zero_grad()


def test_a_loop_of_training():
    """Parameters change between calls, in training: the losses are those of the loop."""
    losses = []
    for loop in (scan, unrolled):
        cell = nn.LSTMCell(3, 4, rng=0, dtype=np.float64)
        xs, found = ts.tensor(normal(6, 2, 3)), []
        state = cell.initial_state(2, like=xs)
        for _ in range(8):
            _, ys = loop(cell, state, xs)
            loss = ((ys - 0.5) ** 2).mean()
            loss.backward()
            for p in cell.parameters():
                p.assign_(p.data - 0.5 * p.grad.data)
                p.zero_grad()
            found.append(loss.item())
        losses.append(found)
    assert_allclose(*losses, rtol=1e-11)
    assert losses[0][-1] < losses[0][0]


# --- an exception on the way --------------------------------------------------------------------------


class StopError(Exception):
    pass


def fragile(at):
    """z = 2 x, whose gradient calls it again; the call number `at` fails."""
    calls = []

    def doubled(x, /):
        calls.append(1)
        if len(calls) == at[0]:
            raise StopError(len(calls))
        return x * 2.0

    op = Primitive(doubled, "()->()")
    op.linear(lambda g: op.function(g))
    return op.function, calls


@pytest.mark.parametrize("at", range(1, 12))
def test_an_exception_in_mid_program_leaves_the_next_call_right(at):
    """Forward or backward, at any step: values held before it and values computed after it are right."""
    fails = [0]
    double, calls = fragile(fails)
    c, xs = problem()

    def body(c, x):
        return ts.tanh(double(c) * W[0] + x), c * x

    def values_and_gradients(loop):
        made = loop(body, c, xs)
        return [z.numpy() for z in tree.leaves(made)], gradients(made, [c, xs, W])

    values, grads = values_and_gradients(unrolled)
    held = scan(body, c, xs)
    scan(body, *problem(1))
    calls.clear()
    fails[0] = at
    with pytest.raises(StopError):
        values_and_gradients(scan)
    fails[0] = 0
    found = values_and_gradients(scan)
    close(found[0], values)
    close(found[1], grads)
    close([z.numpy() for z in tree.leaves(held)], values)
    close(gradients(held, [c, xs, W]), grads)


# --- threads ------------------------------------------------------------------------------------------

THREADS, ROUNDS = 2, 200


@pytest.fixture
def _hasty():
    with haste():
        yield


@pytest.mark.usefixtures("_hasty")
def test_two_threads_at_once():
    """The threads run the same program, forward and backward, with different values and lengths."""
    wanted = {(i, k): expected(10 * i + k, steps=4 + k) for i in range(THREADS) for k in range(2)}

    def work(i):
        kept = []
        for r in range(ROUNDS):
            k = r % 2
            c, xs = problem(10 * i + k, 4 + k)
            made = scan(step, c, xs)
            kept = [*kept[-3:], (made, [np.array(z.numpy()) for z in tree.leaves(made)])]
            close(gradients(made, [c, xs, *WEIGHTS]), wanted[i, k])
            for held, copies in kept:
                for z, copied in zip(tree.leaves(held), copies, strict=True):
                    assert_array_equal(z.numpy(), copied)
        return True

    assert at_once(work, THREADS) == [True] * THREADS


@pytest.mark.usefixtures("_hasty")
def test_the_first_calls_of_a_step_in_two_threads():
    """Two threads record and compile it at the same time."""
    c, xs = problem()
    for r in range(10):

        def body(c, x, r=r):
            h = ts.tanh(c @ W * (r + 2) + x**r)
            return h, h * (r + 2)

        wanted = gradients(unrolled(body, c, xs), [c, xs, W])
        for found in at_once(lambda i, body=body: gradients(scan(body, c, xs), [c, xs, W]), THREADS):
            close(found, wanted)


@pytest.mark.usefixtures("_hasty")
def test_recording_in_one_thread_is_not_seen_by_another():
    """While one thread records a step, another computes, reads values and walks a tape."""
    inside, done = threading.Event(), threading.Event()

    def work(i):
        if i:
            inside.wait(10)
            x = leaf([1.0, 2.0])
            y = (x * x).sum()
            y.backward()
            found = y.item(), x.grad.numpy().tolist()
            done.set()
            return found

        def slow(c, x):
            inside.set()
            assert done.wait(10)
            return c + x, None

        return scan(slow, ts.tensor(0.0), ts.tensor([1.0, 2.0]))[0].item()

    assert at_once(work, THREADS) == [3.0, (5.0, [2.0, 4.0])]


def test_a_tensor_made_in_one_thread_is_walked_in_another():
    c, xs = problem()
    made = at_once(lambda i: scan(step, c, xs), 1)[0]
    close(at_once(lambda i: gradients(made, [c, xs, *WEIGHTS]), 1)[0], expected(0))


def test_outputs_are_no_leaf_even_if_they_are_the_rows_of_one():
    """A leaf that has never changed has no buffer yet."""
    x = (ts.tensor(np.arange(3.0)) * 1.0).detach()
    x.requires_grad = True
    _, ys = ts.scan(lambda c, x: (c, x), ts.tensor(0.0), x)
    assert not ys.is_leaf
    ys.sum().backward()
    assert x.grad.numpy().tolist() == [1.0, 1.0, 1.0]


def test_a_carry_that_is_the_output_of_an_inner_loop_is_a_new_tensor():
    """The inner loop returns its integer inputs, which are the carry of the outer loop, as the next carry."""
    counts = ts.tensor([1, 2, 3])

    def step(c, _):
        return scan(lambda d, x: (d, x), ts.tensor(0), c)[1], None

    carry, _ = scan(step, counts, length=2)
    carry.assign_([7, 7, 7])
    assert_array_equal(counts, [1, 2, 3])
