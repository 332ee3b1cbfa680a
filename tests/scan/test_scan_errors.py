"""What the step of a scan cannot do: the errors name the user's line, and what to do instead."""

import copy
import gc
import itertools
import math
import random
import time
import traceback
import weakref
from collections import namedtuple

import doors
import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.engine.mode import mode, observed
from tinygrad_seq.nn import init
from tinygrad_seq.scan import scan

Pair = namedtuple("Pair", ["h", "c"])
XS = ts.tensor(np.arange(12.0).reshape(4, 3))


def leaf(data):
    return ts.tensor(np.asarray(data, dtype=np.float64), requires_grad=True)


def start():
    return leaf([1.0, 2.0, 3.0])


def refused(step, kind, words, c=None, xs=XS, **how):
    """scan raises this error for the step, and works with the next step; returns the error and its files."""
    with pytest.raises(kind, match=words) as caught:
        scan(step, start() if c is None else c, xs, **how)
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert (mode.trace, observed) == (None, [])
    total, _ = scan(lambda c, x: (c + x, None), ts.tensor(np.zeros(3)), XS)
    assert_array_equal(total.numpy(), XS.numpy().sum(axis=0))
    return caught.value, files


# --- reading a value ----------------------------------------------------------------------------------

LOOKS = {
    ".data": lambda t: t.data,
    ".numpy()": lambda t: t.numpy(),
    ".item()": lambda t: t.sum().item(),
    "float": lambda t: float(t.sum()),
    "int": lambda t: int(t.sum()),
    "bool": lambda t: bool(t.sum() > 0),
    "if": lambda t: 1 if t.sum() else 2,
    "not": lambda t: not t.sum(),
    "while": lambda t: next(iter(range(3))) if t[0] > 0 else None,
    "and": lambda t: t.sum() and 1,
    "index": lambda t: [1, 2, 3][ts.argmax(t)],
    "range": lambda t: range(ts.argmax(t)),
    "asarray": lambda t: np.asarray(t),
    "array": lambda t: np.array(t),
    "array of several": lambda t: np.array([t, t]),
    "an index of an array": lambda t: np.arange(3.0)[ts.argmax(t)],
    "a slice": lambda t: t[: ts.argmax(t)],
    "assignment to an array": lambda t: np.zeros(3).__setitem__(slice(None), t),
    "tolist": lambda t: t.tolist(),
    "in": lambda t: 1.0 in t,
    "a copy": lambda t: copy.deepcopy(t),
    "tensor": lambda t: ts.tensor(t),
    "max of Python": lambda t: max(t[0], t[1]),
    "a shape": lambda t: ts.zeros_like(t, shape=(ts.argmax(t),)),
    "allclose": lambda t: np.allclose(t, 1.0),
    "array_equal": lambda t: np.array_equal(t, t),
    "assign to a captured tensor": lambda t: ts.tensor(np.zeros(3)).assign_(t),
}


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("of", ["carry", "input", "result"])
def test_a_value_cannot_be_looked_at(name, of):
    def step(c, x):
        LOOKS[name]({"carry": c, "input": x, "result": ts.tanh(c + x)}[of])
        return c, None

    _, files = refused(step, (TypeError, AttributeError, RuntimeError), "step of a scan|a tensor has no tolist")
    assert __file__ in files


def test_what_looking_says():
    error, _ = refused(
        lambda c, x: (c if c.sum() > 0 else x, None), TypeError, "recorded once for all time steps"
    )
    for word in ("bool[]", "where", "unroll"):
        assert word in str(error)


def test_shapes_and_dtypes_can_be_looked_at():
    def step(c, x):
        assert (c.shape, c.ndim, c.size, len(c), c.dtype, c.device) == ((3,), 1, 3, 3, np.float64, doors.DEVICE)
        assert (np.shape(x), np.result_type(c, x)) == ((3,), np.float64)
        text = f"{c}, {c!r}, {c + x}"
        assert "float64[3]" in text
        assert "2." not in text
        return c, sum(row * 2.0 for row in x)

    scan(step, start(), XS)


def test_captured_tensors_can_be_looked_at():
    """They have a value, which in the Python loop would be the same at every step."""
    w, scale = leaf([2.0, 0.0, 1.0]), leaf(2.0)

    def step(c, x):
        return (c * float(scale) if w.numpy()[0] > 1 else x), w.numpy() * x

    carry, _ = scan(step, start(), XS)
    assert_array_equal(carry.numpy(), start().numpy() * 16)


# --- randomness, changes and gradients within the step ------------------------------------------------


def test_dropout_in_training():
    drop = nn.Dropout(0.5, rng=0)
    error, files = refused(lambda c, x: (c, drop(c)), RuntimeError, "draw")
    assert __file__ in files
    assert "before the loop" in str(error)
    _, ys = scan(lambda c, x: (c, drop(x)), start(), XS) if drop.eval() else (None, None)
    assert_array_equal(ys.numpy(), XS.numpy())


def test_a_draw_of_the_framework():
    for draw in (
        lambda: init.uniform((3,), 1.0, rng=0),
        lambda: init.orthogonal((3, 3), rng=np.random.default_rng(0)),
        lambda: nn.Linear(3, 3),
        lambda: nn.LSTMCell(3, 3, rng=0),
        lambda: nn.Embedding(3, 3, rng=0),
    ):
        refused(lambda c, x, draw=draw: (draw(), (c, None))[1], RuntimeError, "draw before the loop")


RNG, OLD = np.random.default_rng(0), np.random.RandomState(0)
ITEMS = iter(np.arange(1e6))
FLIPS = itertools.cycle([True, False])


class Noisy(nn.Cell):
    """A cell whose helper draws."""

    def __call__(self, c, x):
        return c, c * self.noise()

    def noise(self):
        self.kept = RNG.normal(size=3)
        return ts.tensor(self.kept)


DRAWS = {
    "a number of a Generator": lambda c, x: (c + RNG.normal(), None),
    "an array of a Generator": lambda c, x: (c, c * 0.0 + RNG.normal(size=3)),
    "integers": lambda c, x: (c, x[RNG.integers(0, 3, 100)]),
    "a mask": lambda c, x: (c, ts.where(RNG.random(50) < 0.5, x[0], x[1])),
    "a RandomState": lambda c, x: (c, c * OLD.rand(3)),
    "np.random": lambda c, x: (c, c * np.random.normal()),
    "random": lambda c, x: (c, c * random.random()),
    "an integer of Python": lambda c, x: (c, c * random.randrange(10**9)),
    "a truth value": lambda c, x: (c, c * next(FLIPS)),
    "a NumPy scalar": lambda c, x: (c, c * np.float64(random.gauss(0, 1))),
    "a tensor from data": lambda c, x: (c, c * ts.tensor(RNG.normal(size=3))),
    "a parameter from data": lambda c, x: (c, c * ts.tensor(RNG.normal(size=3), requires_grad=True)),
    "an argument of a function": lambda c, x: (c, ts.clip(c, RNG.normal(), None)),
    "a list": lambda c, x: (c, ts.stack([c[0], RNG.normal()])),
    "of a helper of a cell": Noisy(),
    "another operation": lambda c, x: (c, (ts.sin if RNG.random() < 0.5 else ts.cos)(c) * RNG.normal()),
    "under no_grad": lambda c, x: (c, c * ts.no_grad()(RNG.normal)()),
    "an item of an iterator": lambda c, x: (c, c * next(ITEMS)),
    "the time": lambda c, x: (c, c * time.perf_counter()),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("how", [{}, {"remat": 2}, {"reverse": True}])
def test_a_foreign_draw(name, how):
    """It would be the same at every step; the error names the line."""
    error, _ = refused(DRAWS[name], RuntimeError, "recorded once.* draw before the loop", **how)
    assert "unroll=True" in str(error)


def test_a_foreign_draw_in_a_program_that_is_known():
    """The same operations with a value that was the same in two calls are compiled already."""
    values = iter([0.5, 0.5, 0.25, 0.5])
    scan(lambda c, x: (c * next(values), None), start(), XS)
    refused(lambda c, x: (c * next(values), None), RuntimeError, r"float64\[\].*0\.25.*0\.5")


def test_a_foreign_draw_in_a_nested_scan():
    def step(c, x):
        return scan(lambda h, y: (h * RNG.normal(), None), c, length=2)[0], None

    refused(step, RuntimeError, "draw before the loop")


def test_a_foreign_draw_of_one_step():
    """The loop calls the step once, too."""
    assert scan(DRAWS["an array of a Generator"], start(), XS[:1])[1].shape == (1, 3)


def test_a_step_that_makes_the_same_values_at_every_call():
    """It is called twice when it first makes them, then once."""
    calls, scale = [], np.array([1.0, 2.0, 3.0])

    def step(c, x):
        calls.append(1)
        return c * 0.5, x * ts.tensor(scale * 2) * math.sqrt(len(scale))

    for expected in (2, 3, 4):
        scan(step, start(), XS)
        assert len(calls) == expected
    scale += 1.0
    _, ys = scan(step, start(), XS)
    assert len(calls) == 6
    assert_allclose(ys.numpy(), XS.numpy() * scale * 2 * math.sqrt(3))


def test_backward():
    error, _ = refused(lambda c, x: ((c * x).sum().backward(), (c, None))[1], RuntimeError, "ts.grad")
    assert "scan" in str(error)
    w = leaf([1.0, 2.0, 3.0])
    refused(lambda c, x: ((w * w).sum().backward(), (c, None))[1], RuntimeError, "ts.grad")
    assert w.grad is None


def nested(c, v, by):
    """The derivative is taken in an inner step; its own carry, or only that of the outer one, depends on v."""

    def inner(h, y):
        h = h * 0.5 + (v if by == "inner" else 0.0)
        return h, ts.grad((h * v).sum(), v, create_graph=True)

    _, slopes = scan(inner, c, length=2)
    return (c * v if by == "outer" else c) + slopes.sum(axis=0) * 0.1


HISTORY = {  # steps with a derivative by v, which the carry, or what the carry was at first, depends on
    "through the carry": lambda c, x, v: c * 0.5 + ts.grad((v * v * c).sum(), v, create_graph=True),
    "through the carry only": lambda c, x, v: ts.tanh(c * v) + ts.grad(c.sum() + v.sum(), v),
    "of what was made of it": lambda c, x, v: c * v + ts.grad((ts.exp(v) * c).sum(), v, create_graph=True),
    "with zeros": lambda c, x, v: c * v + ts.grad((c * x).sum(), v, zeros=True, create_graph=True),
    "in a nested scan": lambda c, x, v: nested(c, v, "inner"),
    "in a nested scan, of the outer carry": lambda c, x, v: nested(c, v, "outer"),
}


@pytest.mark.parametrize("name", HISTORY)
def test_a_gradient_that_would_pass_through_earlier_steps(name):
    v = leaf([0.5, 1.5, 1.0])
    error, _ = refused(
        lambda c, x: (HISTORY[name](c, x, v), None), RuntimeError, r"ts\.grad.* float64\[3\]", c=XS[0]
    )
    assert "ts.vjp" in str(error)


@pytest.mark.parametrize("name", ["the carry before the first step", "the input"])
def test_a_gradient_by_what_the_arguments_were_made_of(name):
    v = leaf([0.5, 1.5, 1.0])
    given = {"c": v * 2.0} if name.startswith("the carry") else {"xs": XS * v, "c": XS[0]}
    step = lambda c, x: (c, ts.grad((c * x).sum(), v, create_graph=True))  # noqa: E731
    refused(step, RuntimeError, r"ts\.grad.* float64\[3\]", **given)


def test_a_captured_tensor_cannot_be_changed():
    w = ts.tensor(np.ones(3))
    for change in (
        lambda x: w.assign_(np.zeros(3)),
        lambda x: w.assign_(w * 2.0),
        lambda x: w.assign_(x),
    ):
        refused(lambda c, x, change=change: (change(x), (c, None))[1], RuntimeError, "part of the carry")
    assert_array_equal(w.numpy(), np.ones(3))


def test_an_optimizer_cannot_step():
    w = leaf(np.ones(3))
    (w * w).sum().backward()
    sgd = optim.SGD([w], 0.1)
    refused(lambda c, x: (sgd.step(), (c, None))[1], RuntimeError, "step of a scan")
    assert_array_equal(w.numpy(), np.ones(3))


def test_a_tensor_of_the_step_cannot_be_changed():
    refused(lambda c, x: (c.assign_(x), (c, None))[1], (RuntimeError, TypeError), "step of a scan")

    def sets(c, x):
        c.requires_grad = False
        return c, None

    refused(sets, (RuntimeError, TypeError), "stop_gradient")

    def puts(c, x):
        c[0] = 1.0
        return c, None

    refused(puts, TypeError, "where")


def test_a_mask_of_unknown_count():
    for step in (
        lambda c, x: (c, x[x > 0].sum()),
        lambda c, x: (c, XS[0][x > 0].sum()),
        lambda c, x: (c, c[c > 0].sum()),
    ):
        error, _ = refused(step, (RuntimeError, TypeError), "where")
        assert "mask" in str(error)


def test_a_mask_that_does_not_change_is_lawful():
    mask, same = np.array([True, False, True]), ts.tensor([True, False, True])
    _, (a, b) = scan(lambda c, x: (c, (x[mask], x[same])), start(), XS)
    assert_array_equal(a.numpy(), XS.numpy()[:, mask])
    assert_array_equal(b.numpy(), XS.numpy()[:, mask])


# --- what the step returns ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda c, x: c, "must return \\(carry, y\\), with y None for no output, got a Tensor"),
        (lambda c, x: None, "must return \\(carry, y\\).* got a NoneType"),
        (lambda c, x: (c, x, x), "got a tuple of 3"),
        (lambda c, x: [c, x], "got a list"),
        (lambda c, x: ((c, c), x), "a carry of a scan must be a tensor like float64"),
        (lambda c, x: ([c], x), "a carry of a scan must be a tensor like float64"),
        (lambda c, x: ({"h": c}, x), "a carry of a scan must be a tensor like float64"),
        (lambda c, x: (None, x), "carry"),
        (lambda c, x: (1.0, x), "a carry of a scan must be a tensor"),
        (lambda c, x: (np.ones(3), x), "a carry of a scan must be a tensor"),
        (lambda c, x: (c, 1.0), "output.* must be a tensor"),
        (lambda c, x: (c, np.ones(3)), "output.* must be a tensor"),
        (lambda c, x: (c, (x, "text")), "output.* must be a tensor"),
        (lambda c, x: (c, x.shape), "output.* must be a tensor"),
    ],
)
def test_what_a_step_returns(made, words):
    refused(made, TypeError, words)


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (lambda c: (c, None), lambda c, x: (c[0], x)),
        (lambda c: (c, None), lambda c, x: (c[0], (x,))),
        (lambda c: (c, c), lambda c, x: [c[1], c[0]]),
        (lambda c: [c, (c,)], lambda c, x: (c[0], c[1])),
        (lambda c: {"a": [c]}, lambda c, x: {"a": (c["a"][0],)}),
        (lambda c: Pair(c, c), lambda c, x: (c.h, c.c)),
        (lambda c: (c, c), lambda c, x: Pair(*c)),
        (lambda c: (c, ()), lambda c, x: (c[0], None)),
        (lambda c: (c, None), lambda c, x: (c[0], [])),
    ],
)
def test_the_form_of_a_carry(first, later):
    """In the loop the next step would receive another tree."""
    refused(lambda c, x: (later(c, x), None), TypeError, "a carry of the form that it receives", first(start()))


@pytest.mark.parametrize("now", [{"a": 1, "c": 2}, {"a": 1}, {"a": 1, "b": 2, "c": 3}])
def test_the_keys_of_a_carry(now):
    refused(
        lambda c, x: (dict.fromkeys(now, c["a"]), None),
        TypeError,
        "carry of the form",
        {"a": start(), "b": start()},
    )


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda c, x: (ts.concatenate([c, x]), None), r"the carry float64\[3\] became float64\[6\]"),
        (lambda c, x: (c.sum(), None), r"the carry float64\[3\] became float64\[\]"),
        (lambda c, x: (c[None], None), r"became float64\[1,3\]"),
        (lambda c, x: (ts.astype(c, np.float32), None), r"became float32\[3\].*astype"),
        (lambda c, x: (c > 0, None), r"became bool\[3\]"),
    ],
)
def test_a_carry_keeps_its_shape_and_dtype(step, words):
    error, _ = refused(step, TypeError, words)
    line = step.__code__.co_firstlineno
    assert f"{__file__}, line {line}" in str(error)


def test_a_carry_that_widens():
    """float32 with a float64 NumPy scalar: the error gives the reason."""
    c = ts.tensor([1.0, 2.0, 3.0])
    error, _ = refused(lambda c, x: (c / np.sqrt(3), None), TypeError, "math.sqrt", c, None, length=3)
    assert "became float64[3]" in str(error)
    refused(
        lambda c, x: (c + 0.5, None), TypeError, r"int64\[\] became float64\[\]", ts.tensor(0), None, length=3
    )


# --- how many steps -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xs", "length", "words"),
    [
        (XS[:0], None, "at least one step"),
        (None, 0, r"integer length in \[1, inf\), got 0"),
        (XS[:0], 0, r"integer length in \[1, inf\), got 0"),
        (None, -1, r"integer length in \[1, inf\), got -1"),
        (None, None, "length="),
        ((), None, "length="),
        (XS, 3, r"one number of steps, got \[3, 4\]"),
        ((XS, XS[:2]), None, r"one number of steps, got \[2, 4\]"),
        ({"a": XS, "b": [XS[:3]]}, None, r"one number of steps, got \[3, 4\]"),
        (ts.tensor(1.0), None, "needs time as its first axis"),
        ((XS, 1.0), None, "needs time as its first axis"),
    ],
)
def test_the_number_of_steps(xs, length, words):
    refused(lambda c, x: (c, None), ValueError, words, xs=xs, length=length)


@pytest.mark.parametrize("k", [0, -1, 1.5, "all"])
def test_a_segment_has_steps(k):
    kind = ValueError if isinstance(k, int) else TypeError
    refused(lambda c, x: (c, None), kind, r"scan needs an integer remat in \[1, inf\), got", remat=k)


@pytest.mark.parametrize("n", [2.0, "4", None, [4]])
def test_a_length_is_an_integer(n):
    words = "pass length=" if n is None else "scan needs an integer length"
    refused(lambda c, x: (c, None), ValueError if n is None else TypeError, words, xs=None, length=n)


def test_a_number_of_steps_of_numpy():
    total, _ = scan(lambda c, x: (c + 1.0, None), start(), length=np.int64(4), remat=np.array(3))
    assert_array_equal(total.numpy(), start().numpy() + 4)


# --- out of the step ----------------------------------------------------------------------------------

USES = {
    "add": lambda t: t + 1.0,
    "from the right": lambda t: 1.0 - t,
    "an op": lambda t: ts.tanh(t),
    "a ufunc": lambda t: np.cos(t),
    "product": lambda t: t @ np.ones(3),
    "negative": lambda t: -t,
    "compare": lambda t: t > 0,
    "getitem": lambda t: t[0],
    "method": lambda t: t.sum(),
    "numpy": lambda t: t.numpy(),
    "concatenate": lambda t: ts.concatenate([t, t]),
    "where": lambda t: ts.where(t, 1.0, 2.0),
    "backward": lambda t: t.sum().backward(),
    "grad": lambda t: ts.grad(ts.sum(t), t),
    "unstack": lambda t: list(t),
    "another scan": lambda t: scan(lambda c, x: (c + t, None), start(), XS),
    "its start": lambda t: scan(lambda c, x: (c + x, None), t, XS),
    "its inputs": lambda t: scan(lambda c, x: (c + x, None), ts.tensor(np.array(1.0)), t),
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("of", ["carry", "input", "result"])
def test_a_tensor_of_the_step_outside_of_it(name, of):
    kept = []

    def step(c, x):
        y = ts.tanh(c + x)
        kept.append({"carry": c, "input": x, "result": y}[of])
        return y, y

    scan(step, start(), XS)
    with pytest.raises((RuntimeError, TypeError), match="the step of a scan"):
        USES[name](kept[0])


def test_a_tensor_of_the_step_of_an_outer_scan_is_lawful_within_an_inner_one():
    def step(c, x):
        inner, _ = scan(lambda h, y: (ts.tanh(h + c), None), x, length=2)
        return inner, None

    scan(step, start(), XS)


def test_a_tensor_of_an_inner_step_is_not_of_the_outer():
    def step(c, x):
        kept = []
        inner, _ = scan(lambda h, y: (kept.append(h * 2.0), (ts.tanh(h), None))[1], x, length=2)
        return inner + kept[0], None

    refused(step, (RuntimeError, TypeError), "step of a scan")


# --- errors of the step's own -------------------------------------------------------------------------


def test_an_error_in_the_step_is_the_users():
    """It is passed on unchanged, with the user's line, and nothing stays recorded."""

    class OwnError(Exception):
        pass

    def step(c, x):
        raise OwnError("mine")

    _, files = refused(step, OwnError, "mine")
    assert files[-1] == __file__


@pytest.mark.filterwarnings("ignore:invalid value")
def test_an_anomaly_names_the_line_of_the_step():
    """In anomaly mode the Python loop is run: the error names the op that computed the NaN, and its step."""
    calls = []

    def step(c, x):
        calls.append(1)
        return c - 1.0, ts.log(c)

    with (
        ts.detect_anomaly(),
        pytest.raises(FloatingPointError, match=r"log made NaN.*test_scan_errors") as caught,
    ):
        scan(step, ts.tensor(2.5), length=9)
    assert len(calls) == 4
    assert f"line {step.__code__.co_firstlineno + 2}" in str(caught.value)


def test_shapes_that_do_not_fit():
    error, files = refused(lambda c, x: (c, x @ np.ones((4, 2))), ValueError, "matmul|axis|shape")
    assert __file__ in files
    assert any("matmul" in note for note in error.__notes__)


@pytest.mark.host("an id that is on a device already gives NaN: see test_layers.py")
def test_an_index_out_of_range_at_a_later_step():
    """Also at a step that was not recorded: the error of an embedding names the valid ids."""
    table = nn.Embedding(4, 3, rng=0, dtype=np.float64)
    refused(lambda c, i: (c + table(i), None), IndexError, "0 ... 3", xs=ts.tensor([0, 1, 9, 2]))


@pytest.mark.host("an index that is on a device already cannot be looked at without waiting: it wraps")
def test_an_index_of_one_s_own_out_of_range_at_a_later_step():
    w = leaf(np.ones((4, 3)))
    refused(lambda c, i: (c + w[i], None), IndexError, "9", xs=ts.tensor([0, 1, 9, 2]))


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_keeps_what_went_in(fails):
    """A program holds no array: when the tensors are deleted, their memory is freed."""
    w, c, xs = leaf(np.ones((3, 3))), start(), leaf(np.ones((4, 3)))
    memory = [weakref.ref(t.data.base) for t in (w, c, xs)]

    def step(c, x):
        h = ts.tanh(c @ w + x)
        return h, 1.0 if fails else h[:, None]

    try:
        carry, ys = scan(step, c, xs)
        (carry.sum() + ys.sum()).backward()
    except TypeError:
        assert fails
    carry = ys = None
    w = c = xs = step = None
    gc.collect()
    assert [m() for m in memory] == [None] * 3


def test_a_step_that_calls_another_op_when_it_is_called_again_is_refused():
    """With the same values of its own, so that only the operations differ."""
    ops, k = iter([ts.tanh, ts.sin] * 2), float("0.5")
    with pytest.raises(RuntimeError, match="when it is called again it calls other operations"):
        ts.scan(lambda h, x: (next(ops)(h * k) + x, None), ts.tensor(0.3), ts.tensor([1.0, 2.0]))
