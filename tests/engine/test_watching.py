"""Watchers: whoever registers is told of every call and of every record that a reverse pass visits."""

import threading

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq.engine.mode import mode, observed, watching


class Names:
    """A watcher that writes down the names of the ops, and whether a derivative rule called them."""

    def __init__(self):
        self.calls, self.by_rules, self.walks = [], [], []

    def called(self, op, given, arrays, meta, out):
        (self.by_rules if mode.walking else self.calls).append(op.name)

    def walked(self, record, cotangents, shares):
        self.walks.append((record.op.name, len(cotangents), len(shares)))


def leaf():
    return ts.tensor(np.array([0.5, -1.0]), requires_grad=True)


def test_calls_and_the_reverse_pass_are_told_in_order():
    x, names = leaf(), Names()
    with watching(names):
        y = (ts.tanh(x) * x).sum()
        y.backward()
    assert names.calls == ["tanh", "multiply", "sum"]
    assert names.walks == [("sum", 1, 1), ("multiply", 1, 2), ("tanh", 1, 1)]
    assert names.by_rules == []  # the rules of a first derivative run on arrays


def test_only_the_shares_that_are_asked_for_are_computed():
    x, y, names = leaf(), leaf(), Names()
    z = (x * ts.tanh(y)).sum()
    with watching(names):
        ts.grad(z, x)
    assert names.walks == [("sum", 1, 1), ("multiply", 1, 1)]


def test_the_rules_of_a_recorded_walk_call_ops():
    x, names = leaf(), Names()
    with watching(names):
        ts.grad(ts.tanh(x).sum(), x, create_graph=True)
    assert names.calls == ["tanh", "sum"]
    assert "multiply" in names.by_rules  # 1 - z z


@pytest.mark.parametrize("how", ["to its end", "to an error"])
def test_calls_after_a_reverse_pass_are_of_the_user_again(how):
    x, names = leaf(), Names()
    with watching(names):
        y = ts.tanh(x).sum()
        y.backward()
        if how == "to an error":
            with pytest.raises(RuntimeError, match="freed"):
                y.backward()
        ts.exp(x)
    assert (names.calls, names.by_rules) == (["tanh", "sum", "exp"], [])
    assert not mode.walking


def test_several_watchers_and_none_after_the_block():
    outer, inner = Names(), Names()
    with watching(outer):
        ts.exp(leaf())
        with watching(inner):
            ts.tanh(leaf())
    ts.sin(leaf())
    assert (outer.calls, inner.calls) == (["exp", "tanh"], ["tanh"])
    assert (mode.watchers, observed) == ((), [])


def test_an_error_in_the_block_ends_the_watching():
    with pytest.raises(ValueError, match="broadcast"), watching(Names()):
        leaf() + ts.tensor(np.ones(3))
    assert (mode.watchers, observed) == ((), [])


def test_other_threads_are_not_watched():
    names = Names()
    with watching(names):
        thread = threading.Thread(target=lambda: ts.exp(leaf()))
        thread.start()
        thread.join()
    assert names.calls == []


@pytest.mark.parametrize("reverse", [False, True])
def test_a_watched_scan_has_the_values_of_the_scan(reverse):
    xs = np.arange(3, dtype=np.float32)

    def scanned():
        return ts.scan(lambda h, x: (h * 0.5 + x,) * 2, ts.tensor(0.0), xs, reverse=reverse)

    h, hs = scanned()
    with watching(Names()):
        g, gs = scanned()
    assert (g.item(), gs.numpy().tolist()) == (h.item(), hs.numpy().tolist())


def test_a_scan_is_watched_as_the_loop_that_it_means():
    names, w = Names(), leaf()
    with watching(names):
        ts.scan(lambda h, x: (ts.tanh(w * h + x),) * 2, ts.tensor(np.zeros(2)), np.ones((3, 2)))
    assert names.calls.count("tanh") == 3


def test_a_scan_in_a_step_leaves_the_step_recorded():
    traces = []

    def step(h, x):
        traces.append(mode.trace)
        h, _ = ts.scan(lambda h, x: (h * x, None), h, ts.stack([x, x]))
        traces.append(mode.trace)
        return h, h

    ts.scan(step, ts.tensor(1.0), np.ones(3, np.float32))
    assert traces[0] is traces[1] is not None


def test_after_a_scan_nobody_is_told():
    ts.scan(lambda h, x: (h + x, None), ts.tensor(0.0), np.ones(3, np.float32))
    with pytest.raises(TypeError, match="must return"):
        ts.scan(lambda h, x: h + x, ts.tensor(0.0), np.ones(3, np.float32))
    assert (mode.trace, observed) == (None, [])
