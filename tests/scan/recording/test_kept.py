"""A recording is kept while nothing changes that the step reads, and never any longer.

Each way to change a step is tried between two runs: the run after it must be the loop. Cells of nn are known to
be pure, and so is what is marked.
"""

import gc
import math
import random
import sys
import threading
import weakref
from functools import partial
from types import FunctionType, MethodType, SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from loops import is_the_loop, leaf
from results import assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn, tree
from tinygrad_seq.nn.cells import fitting
from tinygrad_seq.nn.cells import rnn as module
from tinygrad_seq.scan import over_time, scan
from tinygrad_seq.scan.recording import kept

RNG = np.random.default_rng(0)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


XS = leaf(normal(4, 2, 3))


@pytest.fixture
def recordings(monkeypatch):
    """A list with one item for every recording of a step since the last `clear`."""
    made = []

    class Counted(over_time.Step):
        def __init__(self, *args):
            made.append(args[0])
            super().__init__(*args)

    monkeypatch.setattr(over_time, "Step", Counted)
    kept.KEPT.clear()
    return made


def check(step, c=None, xs=XS, by=()):
    """scan of the step is the loop, for values and gradients."""
    if c is None:
        c = leaf(normal(2, 3))
    is_the_loop(step, c, xs, [t for t in (*tree.leaves(c), xs, *by) if t.requires_grad])


def is_kept(step, recordings, c=None, xs=XS, by=()):
    """Once it has been recorded, the step is called no more, and is the loop all the same."""
    check(step, c, xs, by)
    recordings.clear()
    check(step, c, xs, by)
    check(step, c, xs, by)
    assert not recordings


def is_anew(step, recordings, c=None, xs=XS, by=()):
    """The step is recorded again, and is the loop."""
    recordings.clear()
    check(step, c, xs, by)
    assert recordings


# --- what is kept -------------------------------------------------------------------------------------

CELLS = {
    "RNN": lambda: nn.RNNCell(3, 3, rng=0, dtype=np.float64),
    "GRU": lambda: nn.GRUCell(3, 3, rng=0, dtype=np.float64),
    "leaky": lambda: nn.LeakyCell(nn.RNNCell(3, 3, rng=0, dtype=np.float64), gamma=2.0),
    "residual": lambda: nn.Residual(nn.MinimalGatedCell(3, 3, rng=0, dtype=np.float64)),
    "mapped": lambda: nn.Mapped(nn.GRUCell(3, 3, rng=0), before=ts.tanh, after=nn.Linear(3, 2)),
    "deep": lambda: nn.DeepTransition(*(nn.RNNCell(3, 3, rng=i, dtype=np.float64) for i in range(2))),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_of_nn(name, recordings):
    cell = CELLS[name]().to(dtype="float64")
    is_kept(cell, recordings, by=cell.parameters())


@pytest.mark.host("the functions of the double are code of neither CuPy nor this package")
def test_cells_with_a_tree_as_state(recordings):
    for cell in (
        nn.LSTMCell(3, 3, rng=0),
        nn.Stacked(nn.LSTMCell(3, 4, rng=0), nn.PeepholeLSTMCell(4, 5, rng=1)),
        nn.NTMCell(nn.LayerNormLSTMCell(3 + 4, 5), 2, memory=(6, 4), rng=1, memory_start="random"),
        nn.LiquidStateCell(3, 5, rng=0),
    ):
        state = tree.each(
            leaf, tree.each(lambda t: t.numpy(), cell.to(dtype="float64").initial_state(2, XS[0]))
        )
        is_kept(cell, recordings, state)


IMAGE = normal(4, 5).astype(np.float32)
SHIPPED = nn.CELLS | {
    "adaptive": lambda inputs, units, rng: nn.ACTCell(nn.GRUCell(inputs + 1, units, rng=rng), max_steps=3),
    "repeated": lambda inputs, units, rng: nn.RepeatCell(nn.GRUCell(inputs + 1, units, rng=rng), 2),
    "looking, at pixels whose numbers its step makes": lambda inputs, units, rng: nn.Mapped(
        nn.RAMCell(nn.RAM(2, size=2, features=3, hidden=units, rng=rng), IMAGE),
        before=nn.Linear(inputs, 2),
    ),
    "drawing, with grids that its step makes": lambda inputs, units, rng: nn.DRAWCell(
        nn.DRAW((4, 5), latent=inputs, hidden=units, rng=rng), IMAGE
    ),
}


@pytest.mark.host("the functions of the double are code of neither CuPy nor this package")
@pytest.mark.parametrize("name", SHIPPED)
def test_every_cell_and_runner_of_nn(name, recordings):
    """With and without lengths, in both directions."""
    cell, xs = SHIPPED[name](3, 5, rng=0), normal(4, 2, 3).astype(np.float32)
    for run in (nn.Recurrent(cell), nn.Recurrent(cell, reverse=True)):
        for lengths in (None, [4, 2]):
            first = tree.leaves(run(xs, lengths=lengths))
            recordings.clear()
            again = tree.leaves(run(xs, lengths=lengths))
            assert not recordings
            for a, b in zip(first, again, strict=True):
                assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.host("the functions of the double are code of neither CuPy nor this package")
def test_an_import_changes_nothing(recordings, monkeypatch):
    """ACTCell calls code that looks for CuPy in sys.modules."""
    cell, xs = SHIPPED["adaptive"](3, 5, rng=0), normal(4, 2, 3).astype(np.float32)
    nn.Recurrent(cell)(xs, lengths=[4, 2])
    recordings.clear()
    monkeypatch.setitem(sys.modules, "imported_later", math)
    nn.Recurrent(cell)(xs, lengths=[4, 2])
    assert not recordings


def test_equal_cells_share_a_recording(recordings):
    check(cell_of())
    recordings.clear()
    other = nn.RNNCell(3, 3, rng=1, dtype=np.float64)
    check(other, by=other.parameters())
    assert not recordings


def test_any_number_of_steps_in_any_way(recordings):
    cell = nn.GRUCell(3, 3, rng=0).to(dtype="float64")
    check(cell)
    recordings.clear()
    for steps in (1, 2, 4):
        for how in ({}, {"reverse": True}, {"remat": 2}):
            loop = partial(over_time.scan, remat=how.pop("remat", None))
            is_the_loop(cell, leaf(normal(2, 3)), XS[:steps], cell.parameters(), loop=loop, **how)
    assert not recordings


# --- every way to change a step -----------------------------------------------------------------------


def sines(self, h, x):
    h = ts.sin(x @ self.Wx + self.b + h @ self.Wh)
    return h, h


class Other(nn.RNNCell):
    """Another step."""

    __call__ = sines


def product(a, b):
    return ts.einsum("ij,jk->ik", a, b)


def scaled(self, name):
    value = object.__getattribute__(self, name)
    return value * 0.5 if name == "b" else value


HALF = property(lambda self: 0.5)
VALUES = {  # other values of the arguments of the same program
    "a parameter is assigned": lambda c, m: c.Wh.assign_(normal(3, 3, seed=9)),
    "a parameter is swapped": lambda c, m: replaced(c, "Wh", nn.Parameter(normal(3, 3, seed=9))),
    "two parameters are exchanged": lambda c, m: vars(c).update(Wx=c.Wh, Wh=c.Wx),
    "an optimizer makes a step": lambda c, m: descend(c),
}
CHANGES = {
    "two parameters become one": lambda c, m: replaced(c, "Wh", c.Wx),
    "a parameter becomes a constant": lambda c, m: replaced(c, "Wh", ts.tensor(normal(3, 3, seed=9))),
    "a parameter is computed": lambda c, m: replaced(c, "Wh", c.Wh * 0.5),
    "a parameter gets another shape": lambda c, m: replaced(c, "b", ts.tensor(normal(1, 3))),
    "a parameter gets another dtype": lambda c, m: replaced(c, "b", ts.tensor(normal(3).astype(np.float32))),
    "a parameter becomes a number": lambda c, m: vars(c).update(b=0.5),
    "requires_grad": lambda c, m: replaced(c.Wh, "requires_grad", False),
    "an attribute is added": lambda c, m: replaced(c, "other", 1),
    "the class": lambda c, m: replaced(c, "__class__", Other),
    "a method of the class": lambda c, m: m.setattr(nn.RNNCell, "__call__", sines),
    "a method of a base": lambda c, m: m.setattr(nn.Cell, "__getattribute__", scaled, raising=False),
    "a property of the class": lambda c, m: m.setattr(nn.RNNCell, "b", HALF, raising=False),
    "a table in its module": lambda c, m: m.setitem(module.ACTIVATIONS, "tanh", ts.sin),
    "another table in its module": lambda c, m: m.setattr(module, "ACTIVATIONS", {"tanh": ts.sin}),
    "another attribute": lambda c, m: replaced(c, "activation", "relu"),
    "an operator of Tensor": lambda c, m: m.setattr(ts.Tensor, "__matmul__", product),
    "a helper of its wrapper": lambda c, m: m.setattr(fitting, "shapes", lambda state: None),
}  # fmt: skip


def replaced(of, name, value):
    setattr(of, name, value)


def descend(cell):
    ys, _ = nn.Recurrent(cell)(XS.detach())
    ys.sum().backward()
    ts.optim.SGD(cell.parameters(), lr=0.5).step()


def cell_of(kind=nn.RNNCell):
    return kind(3, 3, rng=0, dtype=np.float64)


@ts.pure
class Within(nn.Cell):
    """A cell of the user that calls others."""

    def __init__(self, *cells, scale=1.0, table=None):
        self.parts, self.scale, self.table = [{"cell": cell} for cell in cells], scale, table

    def __call__(self, h, x):
        for part in self.parts:
            h, x = part["cell"](h, x)
        return h * self.scale, x


WRAPPED = {
    "alone": lambda cell: cell,
    "within cells": lambda cell: nn.Residual(nn.LeakyCell(cell, gamma=np.float64(2.0))),
    "within a cell of the user": Within,
    "a bound method": lambda cell: Within(cell).__call__,
}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("name", [*VALUES, *CHANGES])
def test_a_change(name, wrap, recordings, monkeypatch):
    cell = cell_of()
    step = WRAPPED[wrap](cell)
    is_kept(step, recordings, by=cell.parameters())
    (VALUES | CHANGES)[name](cell, monkeypatch)
    recordings.clear()
    check(step, by=[t for _, t in cell.named_tensors() if t.requires_grad and t.is_leaf])
    assert bool(recordings) == (name in CHANGES)
    monkeypatch.undo()
    check(step)


# --- functions ----------------------------------------------------------------------------------------

RATE, TABLE, W, PARTS = 0.5, {"rates": [0.5, 0.25]}, leaf(normal(3)), [leaf(normal(3)), leaf(normal(3, seed=1))]


def helper(x):
    return ts.tanh(x) * RATE


def by_globals(c, x):
    return helper(c * W + x) * TABLE["rates"][0] + PARTS[-1], None


def test_globals(recordings, monkeypatch):
    """Of a function that is marked and of the functions that it calls."""
    step, here = ts.pure(by_globals), by_globals.__globals__
    is_kept(step, recordings, by=[W])
    with ts.no_grad():
        W.assign_(normal(3, seed=2))
    recordings.clear()
    check(step, by=[W])
    assert not recordings
    for change in (
        lambda: monkeypatch.setitem(here, "RATE", 0.25),
        lambda: monkeypatch.setitem(TABLE, "rates", [0.75]),
        lambda: TABLE["rates"].append(1.0),
        lambda: monkeypatch.setattr(ts, "tanh", ts.cos),
        lambda: monkeypatch.setitem(here, "ts", SimpleNamespace(**vars(ts) | {"tanh": ts.sin})),
        lambda: monkeypatch.setitem(here, "helper", lambda x: ts.sin(x)),
        lambda: monkeypatch.setitem(here, "helper", partial(ts.multiply, 0.5)),
        lambda: monkeypatch.setitem(here, "W", leaf(normal(1))),
        lambda: monkeypatch.setitem(here, "W", 0.5),
        lambda: PARTS.reverse() or PARTS.append(0.5),
    ):
        change()
        is_anew(step, recordings)
    del PARTS[-1], TABLE["rates"][-1]


def test_closures_and_defaults(recordings):
    def made(rate, w, *, k=1.0):
        @ts.pure
        def step(c, x, scale=k):
            return ts.tanh(c * rate + x * w) * scale, None

        return step

    w = leaf(normal(3))
    check(made(0.5, w))
    recordings.clear()
    check(made(0.5, leaf(normal(3, seed=1))))
    assert not recordings
    for other in (made(0.25, w), made(1, w), made(True, w), made(1.0, w), made(-0.0, w), made(0.0, w)):
        is_anew(other, recordings)
    is_anew(made(0.5, w, k=2.0), recordings)

    def keyword(c, x, *, rate):
        return c * rate + x, None

    for rate in (0.5, 0.25):
        step = FunctionType(keyword.__code__, globals())
        step.__kwdefaults__ = {"rate": rate}
        is_anew(ts.pure(step), recordings)
    is_anew(made(0.5, 2.0), recordings)
    is_kept(made(math.nan, w), recordings)


def test_a_variable_that_the_step_shares(recordings):
    """It is another one at every run, and so is the program."""
    count = 0

    def outer():
        nonlocal count
        count += 1
        return count

    @ts.pure
    def step(c, x):
        return c * 0.5 + x * count, None

    for _ in range(3):
        outer()
        is_anew(step, recordings)


def counting(kind):
    """Steps that count their calls, which they promised not to do."""
    calls, state = [], SimpleNamespace(count=0)

    def appends(c, x):
        calls.append(1)
        return c * 0.5 + x, None

    def assigns(c, x):
        state.count += 1
        return c * 0.5 + x, None

    return appends if kind == "a list" else assigns, calls, state


@pytest.mark.parametrize("kind", ["a list", "an object"])
def test_a_step_that_counts_is_recorded_at_every_run(kind):
    step, calls, state = counting(kind)
    for runs in (1, 2, 3):
        scan(ts.pure(step), leaf(normal(2, 3)), XS)
        assert len(calls) + state.count == runs


SETTINGS = SimpleNamespace()
HIDDEN = {"w": leaf(normal(3)), "one": ts.tensor(0.5)}
ARRAY, LAST = normal(3), {}


class Reading:
    """An object whose code nobody knows."""

    @property
    def rate(self):
        return ARRAY[0]


UNKNOWN = {  # what a marked step may read, and then is not kept
    "an array": lambda c, x: (c * ARRAY + x, None),
    "an object": lambda c, x: (c * READING.rate + x, None),
    "a tensor of an earlier step": lambda c, x: (LAST.update(c=c) or c * 0.5 + x, None),
    "an array by another way": lambda c, x: (c * globals()["ARRAY"] + x, None),
    "a global by another way": lambda c, x: (c * globals()["HIDDEN"]["w"] + x, None),
    "the value of a tensor": lambda c, x: (c * float(HIDDEN["one"]) + x, None),
    "the data of a tensor": lambda c, x: (c * HIDDEN["w"].data[0] + x, None),
    "a tensor for an axis": lambda c, x: (ts.roll(c, ts.tensor(1), axis=1) + x, None),
    "a tensor from data": lambda c, x: (c * ts.tensor([1.0, 2.0, 3.0]) + x, None),
    "a copy of a tensor": lambda c, x: (c * HIDDEN["w"].detach() + x, None),
    "a derivative": lambda c, x: (c + ts.grad(HIDDEN["w"] * x, HIDDEN["w"], x), None),
    "a generator": lambda c, x: (c * (0.5 if RNG is None else 1.0) + x, None),
    "a bound method": lambda c, x: (c * (0.5 if DRAW is None else 1.0) + x, None),
}  # fmt: skip
READING, DRAW = Reading(), random.Random(0).random


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_kept(name, recordings):
    step = ts.pure(UNKNOWN[name])
    for _ in range(3):
        is_anew(step, recordings)


def test_a_value_that_is_read_is_read_again(recordings):
    w = ts.tensor(0.5)
    step = ts.pure(lambda c, x: (c * float(w) + x, None))
    for value in (0.5, 0.25, 0.75):
        w.assign_(value)
        is_anew(step, recordings)


def test_a_draw_is_found_in_a_marked_step():
    step = ts.pure(lambda c, x: (c * globals()["RNG"].uniform() + x, None))
    scan(step, leaf(normal(2, 3)), XS[:1])
    with pytest.raises(RuntimeError, match="draw before the loop"):
        scan(step, leaf(normal(2, 3)), XS)


class Pair(NamedTuple):
    """A carry with code of its own."""

    h: ts.Tensor
    c: ts.Tensor

    def mixed(self):
        return self.h + self.c * RATE


def test_a_carry_with_code_of_its_own(recordings, monkeypatch):
    step = ts.pure(lambda c, x: (Pair(c.mixed() * 0.5, c.h + x), x * np.sum([1.0, 2.0])))
    carry = Pair(leaf(normal(2, 3)), leaf(normal(2, 3, seed=1)))
    is_kept(step, recordings, carry)
    with monkeypatch.context() as patched:
        patched.setattr(Pair, "mixed", lambda self: self.h)
        is_anew(step, recordings, carry)
    monkeypatch.setitem(globals(), "RATE", 0.25)
    is_anew(step, recordings, carry)


# --- classes ------------------------------------------------------------------------------------------


class Inherits(nn.RNNCell):
    """The same step under another name."""


class Overrides(Within):
    """A step of its own, and no mark."""

    def __call__(self, h, x):
        return ts.sin(h) * self.scale + x, x


class Helps(nn.Cell):
    """A step of nn in a class that is not marked."""

    def __init__(self, cell):
        self.cell = cell

    def __call__(self, h, x):
        return self.cell(h, x)


def test_a_subclass_that_adds_no_code_is_the_class(recordings):
    is_kept(cell_of(Inherits), recordings)


def test_the_mark_is_not_inherited(recordings):
    for cell in (Overrides(), Helps(cell_of()), nn.Residual(Helps(cell_of())), Within(Helps(cell_of()))):
        check(cell)
        is_anew(cell, recordings)
    is_kept(ts.pure(Helps)(cell_of()), recordings)


def test_attributes(recordings, monkeypatch):
    cell = Within(cell_of(), scale=0.5, table={"a": [1, (2.0, None)]})
    is_kept(cell, recordings)
    for change in (
        lambda: vars(cell).update(scale=0.25),
        lambda: vars(cell).update(scale=np.float32(0.25)),
        lambda: vars(cell).update(scale=1),
        lambda: vars(cell).update(scale=True),
        lambda: cell.table["a"].append(0),
        lambda: cell.parts.append({"cell": cell_of()}),
        lambda: cell.parts[0].update(cell=cell_of(nn.MinimalGatedCell)),
        lambda: cell.parts[0].update(cell=cell.parts[1]["cell"]),
        lambda: monkeypatch.setattr(Within, "extra", 1, raising=False),
        lambda: monkeypatch.setattr(Within, "__call__", Overrides.__call__),
        lambda: vars(cell).update(extra=lambda x: x),
        lambda: vars(cell).update(step=MethodType(Overrides.__call__, cell)),
        cell.eval,
    ):
        change()
        is_anew(cell, recordings)


def test_one_list_in_two_places_or_two(recordings):
    """Whether two attributes are one object can matter to a step that changes one of them."""
    same, other = cell_of(), cell_of()
    is_kept(Within(same, same), recordings)
    is_anew(Within(same, other), recordings)
    is_kept(Within(other, other), recordings)
    step = Within(same, table=[1])
    is_kept(step, recordings)
    step.table.append({"table": step.table, "step": step})  # a cycle
    is_kept(step, recordings)


def test_dropout(recordings):
    """It draws in training; in evaluation its generator is not known either."""
    drop = nn.Dropout(0.5, rng=0)
    cell = nn.Mapped(cell_of(), before=drop)
    drop.eval()
    check(cell)
    is_anew(cell, recordings)
    drop.train()
    with pytest.raises(RuntimeError, match="step of a scan"):
        scan(cell, leaf(normal(2, 3)), XS)


def test_a_function_that_is_not_marked(recordings):
    cell = nn.Mapped(cell_of(), before=lambda x: x * RATE)
    for _ in range(2):
        is_anew(cell, recordings)
    cell.before = ts.pure(cell.before)
    is_kept(cell, recordings)


def test_code_that_someone_put_into_this_package(recordings, monkeypatch):
    """It may read anything, such as an object of its own."""
    monkeypatch.setattr(nn.RNNCell, "__call__", lambda self, h, x: (h * SETTINGS.rate, x @ self.Wx))
    cell = cell_of()
    for SETTINGS.rate in (0.5, 0.25):
        is_anew(cell, recordings)


def test_a_step_that_changes_something_back_and_forth():
    """Where it finds again what it found before, it would have to change it again."""
    flips = {"on": False}

    @ts.pure
    def step(c, x):
        flips["on"] = not flips["on"]
        return c + (1.0 if flips["on"] else 0.0), None

    for expected in (1.0, 0.0, 1.0, 0.0):
        c, _ = scan(step, ts.tensor(0.0), length=1)
        assert float(c) == expected


def test_two_tensors_of_one_line(recordings):
    """They are one constant of the program, and two again when one of them is replaced."""
    w = leaf(normal(3))

    @ts.pure
    class Both(nn.Cell):
        """A sum of two products."""

        def __call__(self, h, x):
            return h * self.a + x * self.b, None

    cell = Both()
    cell.a, cell.b = w, ts.Tensor(w._array, w.line)
    check(cell, by=[w])
    cell.b = leaf(normal(3, seed=1))
    check(cell, by=[w, cell.b])


# --- the world around it ------------------------------------------------------------------------------


def test_modes(recordings):
    cell = cell_of()
    for _ in range(2):
        check(cell, by=cell.parameters())
        with ts.no_grad():
            is_the_loop(cell, leaf(normal(2, 3)), XS)
        with ts.detect_anomaly():
            is_the_loop(cell, leaf(normal(2, 3)), XS)
        scan(lambda c, x: scan(cell, c, XS), leaf(normal(2, 3)), XS)
    assert len([step for step in recordings if step is cell]) == 3  # with and without recording, within a step


def test_other_arguments(recordings):
    """Of other shapes and dtypes, together or one of them."""
    cell, c, xs = cell_of(), normal(2, 3), normal(4, 2, 3)
    check(cell)
    is_anew(cell, recordings, leaf(normal(5, 3)), leaf(normal(4, 5, 3)))
    recordings.clear()
    scan(cell, c, xs.astype(np.float32))
    assert recordings
    recordings.clear()
    scan(cell.to(dtype="float32"), c.astype(np.float32), xs.astype(np.float32))
    assert recordings


def test_a_parameter_of_another_dtype(recordings):
    """The values of the program are the same otherwise."""
    step = Scaled(ts.tensor(2))
    for scale in (2, np.int32(2), np.uint8(2), True):
        step.scale = ts.tensor(scale)
        is_anew(step, recordings)


@ts.pure
class Scaled(nn.Cell):
    """A product."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, h, x):
        return h * 0.5 + x, x * self.scale


def test_nothing_is_kept_alive():
    """Neither cells nor parameters, classes, functions, or what these close over."""

    def run():
        cell, hidden = cell_of(), ts.tensor(normal(3))

        @ts.pure
        class Local(Within):
            """A class that goes with its objects."""

            def __call__(self, h, x):
                return super().__call__(h + hidden, x)

        step = ts.pure(lambda c, x: (c + cell.b + x, None))
        for _ in range(2):
            for made in (cell, Local(cell), step):
                scan(made, leaf(normal(2, 3)), XS)
        return [weakref.ref(x) for x in (cell, Local, step, cell.b._array, hidden._array)]

    kept.KEPT.clear()
    refs = run()
    gc.collect()
    assert len(kept.KEPT) == 3
    assert [ref() for ref in refs] == [None] * 5


def test_the_number_of_recordings_is_bounded(recordings, monkeypatch):
    monkeypatch.setattr(kept, "CAPACITY", 3)
    cell = cell_of()
    is_kept(cell, recordings)
    for rows in range(1, 8):
        check(cell, leaf(normal(rows, 3)), leaf(normal(4, rows, 3)))
        assert len(kept.KEPT) <= 3
    is_kept(cell, recordings)
    recordings.clear()
    for rows in range(1, 8):
        check(cell, leaf(normal(rows, 3)), leaf(normal(4, rows, 3)))
        check(cell)
    assert len(recordings) == 6  # the one that is used again and again stays


def test_threads():
    """Each has its own parameters under one fingerprint."""
    wrong = []

    def work(seed):
        cell = nn.RNNCell(3, 3, rng=seed, dtype=np.float64)
        try:
            for _ in range(20):
                check(cell, by=cell.parameters())
        except BaseException as error:
            wrong.append(error)

    kept.KEPT.clear()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("what", [3, "text", None, len, Reading, Reading(), partial(len)])
def test_what_cannot_be_marked(what):
    with pytest.raises(TypeError, match="pure marks a function or a class with a __call__, got"):
        ts.pure(what)
