"""The law of groups: run by an interpreter in the memory that they were given, they compute the loop.

The interpreter also checks what needs no numbers: who may read what, and where values lie (`interpreted.py`).
"""

import itertools
from collections import Counter, OrderedDict

import numpy as np
import pytest
from choices import Choices, Drawn
from combined import COMBINED
from drawing import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreted import Interpreter
from loop_groups import Loop, backward, check, check_both, checking, forward
from loop_results import misused, refusal
from random_calls import NAMES
from random_steps import written

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.engine.primitive import PRIMITIVES
from tinygrad_seq.scan import loop as numpy_loop
from tinygrad_seq.scan import over_time
from tinygrad_seq.scan.groups.assignments import UnsupportedError
from tinygrad_seq.scan.groups.grouping import grouped
from tinygrad_seq.scan.groups.lowering import assigned
from tinygrad_seq.scan.program import Operation, Program, Spec
from tinygrad_seq.scan.ready import C

MANY = settings(max_examples=max(100, settings().max_examples))


# --- cells --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("steps", "batch"), [(3, 2), (2, 1)])
@pytest.mark.parametrize("name", sorted(nn.CELLS | COMBINED))
def test_every_cell(name, steps, batch, dtype, reverse, monkeypatch):
    monkeypatch.setattr(over_time, "PROGRAMS", OrderedDict())  # of the loops in a step
    monkeypatch.setattr(over_time, "emitter_of", lambda program: C._replace(ready=numpy_loop.Loop))
    rng = np.random.default_rng(0)
    cell = (nn.CELLS | COMBINED)[name](3, 5, rng=rng, dtype=dtype)
    xs = ts.tensor(rng.normal(size=(steps, batch, 3)).astype(dtype))
    words = check_both(forward(cell, cell.initial_state(batch, like=xs), xs), reverse)
    assert words == ["groups", "groups"]


# --- every primitive ----------------------------------------------------------------------------------

UNSUPPORTED = {"argsort", "cholesky", "solve", "scan", "closed", "move"}  # they have no form as assignments
PLACES = ("carry", "input", "constant")


def of_one_call(call, places):
    """A loop whose step is one call; each of its arguments is constant, an input, or a carry."""
    arrays = call.arrays
    values = [Spec(a.shape, a.dtype) for a in arrays]
    made = call.op.forward(*arrays, **call.metadata())
    made = [np.asarray(z) for z in (made if call.op.many else [made])]
    outputs = tuple(range(len(arrays), len(arrays) + len(made)))
    meta = tuple(call.metadata()[p.name] for p in call.op.metadata)
    operation = Operation(call.op, tuple(range(len(arrays))), meta, outputs)
    of = {
        place: tuple(v for v, p in enumerate(places) if p == place) for place in ("carry", "input", "constant")
    }
    program = Program(
        values=(*values, *(Spec(z.shape, z.dtype) for z in made)),
        operations=(operation,),
        carries=tuple((v, v) for v in of["carry"]),
        inputs=of["input"],
        constants=of["constant"],
        numbers={},
        outputs=outputs,
        totals=tuple(v for v in outputs if made[v - len(arrays)].dtype.kind == "f"),
        names={v: f"v{v}" for v in range(len(arrays) + len(made))},
    )
    given = [np.stack([arrays[v]] * 2) if v in of["input"] else arrays[v] for v in program.arguments]
    return Loop(program, outputs, given, 2)


@pytest.mark.parametrize("op", list(PRIMITIVES.values()), ids=lambda op: op.name)
def test_every_primitive(op):
    """From every place of its arguments, with the values that the laws of primitives draw."""
    seen = Counter()
    for call in drawn(op, 1):
        for place in PLACES:
            try:
                check(of_one_call(call, [place] * len(call.arrays)))
                seen["groups"] += 1
            except UnsupportedError as error:
                seen[str(error)] += 1
    masks = {"indexing by a mask"} if op.name in ("getitem", "scatter") else set()
    assert set(seen) <= ({op.name} if op.name in UNSUPPORTED else {"groups"} | masks)


# --- random programs ----------------------------------------------------------------------------------

REASONS = UNSUPPORTED | {"groups", "refused", "indexing by a mask", "indices of a number"}


def run_one(choices, must=None):
    """Check the groups of all loops of a random program, forward and backward; what was seen."""
    program = written(choices, must)
    words = Counter()
    given = zip(program.arrays(), program.given, strict=True)
    tensors = [ts.tensor(x, requires_grad=g.gradient) for x, g in given]
    try:
        with np.errstate(all="ignore"):
            program.function()(checking(words), *tensors)
    except Exception as error:
        if not (program.refused or misused(program, error) or refusal(program, error)):
            raise
    assert all(word in REASONS or "float16" in word for word in words), words
    return words


@MANY
@given(st.data())
def test_a_random_program(data):
    run_one(Drawn(data.draw))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=max(2, settings().max_examples // 10))
@given(data=st.data())
def test_a_random_program_with(name, data):
    run_one(Drawn(data.draw), name)


def test_most_random_programs_have_groups():
    words = sum((run_one(Choices(0, number)) for number in range(100)), Counter())
    assert words["groups"] > 0.8 * words.total()


# --- one law after the other --------------------------------------------------------------------------


def recorded(step, init, xs):
    """The loop of a step."""
    return forward(step, ts.tensor(init), None if xs is None else ts.tensor(xs))


def made(step, init, xs):
    return check(recorded(step, init, xs))


def run_groups(loop):
    run = Interpreter(grouped(assigned(loop.program, loop.kept, lambda *_: True)))
    return run(loop.arrays, loop.n, False)


def forms(groups):
    """For each group its space, or "product", and the ops in it."""
    return [(g.space or "product", [getattr(item, "op", "matmul") for item in g.items]) for g in groups.groups]


def test_an_lstm_is_two_products_and_one_group():
    rng = np.random.default_rng(0)
    cell = nn.LSTMCell(3, 5, rng=rng)
    xs = ts.tensor(rng.normal(size=(2, 4, 3)).astype(np.float32))
    found = forms(check(forward(cell, cell.initial_state(4, like=xs), xs)))
    assert [space for space, _ in found] == ["product", "product", (4, 5)]


def test_a_value_in_a_register_has_no_memory():
    """Of tanh(x + h) h only the last value is carried."""
    found = made(lambda h, x: (ts.tanh(x + h) * h, None), np.ones((2, 3)), np.ones((4, 2, 3)))
    assert forms(found) == [((2, 3), ["add", "tanh", "multiply"])]
    assert found.size == 0


def test_scratch_memory_is_used_again():
    """Each sum needs the one before it, and no other."""

    def step(h, x):
        for _ in range(5):
            h = h - h.sum(axis=0, keepdims=True)
        return h, None

    found = made(step, np.ones((4, 16)), np.ones((3, 1)))
    one, many = 64 * 16 // 8, 64 * 64 // 8  # bytes of a sum, and of a value
    assert found.size <= 2 * (one + many)


def test_numbers_that_are_added_are_added_in_order():
    """In float32, 1e8 + 1 - 1e8 is 0, and any other order gives 1."""
    x, i = np.float32([1e8, 1, -1e8, 1]), np.array([0, 0, 0, 1])
    loop = recorded(
        lambda h, x: (h + ts.scatter_add(ts.zeros_like(h), i, x), None), np.float32([0, 0]), x[None]
    )
    assert check(loop)
    np.testing.assert_array_equal(run_groups(loop)[0][0], np.float32([0, 1]))


def test_a_long_sum_of_float32_is_added_in_float64():
    """Each 1 that is added to 2^24 in float32 is lost."""
    x = np.ones((1, 3, 2001), np.float32)
    x[0, :, 0] = 2**24
    loop = recorded(lambda h, x: (ts.sum(x, axis=1), None), np.zeros(3, np.float32), x)
    np.testing.assert_array_equal(run_groups(loop)[0][0], np.full(3, 2**24 + 2000, np.float32))


def test_a_total_of_float32_is_added_in_float64():
    """The gradient of a constant: a sum over the steps."""
    x = np.ones((2001, 2), np.float32)
    x[0] = 2**24
    w = ts.tensor(np.zeros(2, np.float32), requires_grad=True)
    loop = forward(lambda h, x: (h, w * x), ts.tensor(np.float32(0)), ts.tensor(x))
    _, back = backward(loop, 0, False)
    back = back._replace(arrays=[x, np.ones_like(x), w.numpy()])  # dw = sum_t x dy
    np.testing.assert_array_equal(run_groups(back)[2], [np.full(2, 2**24 + 2000, np.float32)])


@pytest.mark.parametrize("wrong", [3, -4])
def test_an_index_out_of_range_is_found(wrong):
    """Also at a later step."""
    loop = recorded(lambda h, i: (h + h[i], None), np.ones(3), np.array([0, 2, -3]))
    check(loop)
    loop.arrays[loop.program.arguments.index(loop.program.inputs[0])][2] = wrong
    with pytest.raises(IndexError, match="out of bounds"):
        run_groups(loop)


def test_an_op_without_an_expression_is_unsupported():
    """Also one that only a composition uses."""
    for step, op in ((lambda h, x: (ts.sin(h), None), "sin"), (lambda h, x: (ts.softmax(h), None), "exp")):
        loop = recorded(step, np.ones((2, 3)), np.ones(2))
        with pytest.raises(UnsupportedError, match=op):
            assigned(loop.program, loop.kept, lambda name, *_, op=op: name != op)


def test_an_op_without_a_form_is_unsupported():
    loop = recorded(lambda h, x: (ts.sort(h), None), np.ones((2, 3)), np.ones(2))
    with pytest.raises(UnsupportedError, match="argsort"):
        check(loop)


def integer(h):
    return ts.astype(ts.where(abs(h) < 9, 3 * h, 1.0), "i8")


ALONE = [
    ("several axes roll", lambda h: ts.roll(h, (1, -2, 1), (0, 1, 0))),
    ("margins differ", lambda h: ts.pad(h, ((1, 2), (0, 3)), constant_values=((1, 2), (3, 4)))[1:4, :5]),
    ("a product of no columns", lambda h: h[:, :0] @ h[:0]),
    ("a sum of nothing", lambda h: h * 0 + h[:0].sum(axis=0)),
    ("a logarithm of nothing", lambda h: ts.tanh(ts.logsumexp(h[:0], axis=0)) + h),
    ("zeros in a product", lambda h: ts.zeros_like(h) @ ts.ones_like(h, shape=(5, 5)) + h),
    ("truth values in a product", lambda h: h + ts.astype((h > 0) @ (h.T > 1) @ (h > 0), h.dtype)),
    (
        "whole numbers in a product",
        lambda h: h + ts.astype(ts.astype(h.T, "i8") @ ts.astype(h, "i8"), h.dtype)[:3],
    ),
    ("a norm that overflows", lambda h: h / ts.norm(h * 1e200, axis=1, keepdims=True)),
    ("arrays apart", lambda h: h + h[[[0], [2]], None, [4, 3, 0]].sum()),
    ("an ellipsis between neighbours", lambda h: h + h[None][:, [0, 1], ..., [2, 3]].sum(axis=0).T),
    ("the gradient of a view", lambda h: h[::-1, ::-2]),
    ("an index of a computed value", lambda h: (h * 2)[:, [3]]),
    ("a sum for no elements", lambda h: h[:, :0] + h.sum(axis=1, keepdims=True)),
    ("the last index of a vector", lambda h: h[ts.argmax(h, axis=0) - 3][:3]),
]
EDGES = {"nan": np.nan, "infinite": np.inf, "zero": 0.0, "one": 1.5}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("f", [pytest.param(f, id=name) for name, f in ALONE])
def test_a_step(f, edge):
    h = np.random.default_rng(0).normal(size=(3, 5))
    h[1, 2] = EDGES[edge]
    assert check_both(recorded(lambda h, x: (h * 0.5, f(h)), h, np.ones(2))) == ["groups", "groups"]


REDUCTIONS = {
    "softmax": ts.softmax, "log_softmax": ts.log_softmax, "logsumexp": ts.logsumexp, "norm": ts.norm,
    "max": ts.max, "min": ts.min, "argmax": ts.argmax, "argmin": ts.argmin, "cumsum": ts.cumsum, "sum": ts.sum,
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("rows", list(itertools.product([np.nan, np.inf, -np.inf, 0.0, 2.0], repeat=2)))
def test_what_is_not_finite(name, rows):
    """For every pair of such numbers in a row, alone and with others."""
    x = np.array([[*rows, 1.0], [1.0, *rows], [*rows, rows[0]]])
    made(lambda h, x: (h, REDUCTIONS[name](x, axis=1)), np.ones(1), x[None])
